//! `lua/realtime/*`.

use redis::Value;

use crate::Bench;
use crate::support::redis_server::connection;

const KEYS: [&str; 4] = ["position", "log", "carried", "before"];

/// A user's log.
struct Log {
    bench: Bench,
    /// Nodes that heard what was delivered last.
    nodes: u32,
}

/// An entry: its id, the frame, and the socket that caused it.
type Entry = (String, String, String);

impl Log {
    /// Somebody whom no socket has served yet.
    fn none() -> Self {
        Self { bench: Bench::new(), nodes: 0 }
    }

    /// Somebody who has been told the position `seq`.
    fn at(seq: u64) -> Self {
        let mut log = Self::none();
        log.bench.command::<i64>("HSET", "position", &["epoch", "e", "seq", &seq.to_string()]);
        log
    }

    /// Delivers events of a source, each with its intent and a body of the same name.
    fn deliver(&mut self, source: &str, intents: &[u64]) -> i64 {
        let events = intents.iter().map(|intent| (*intent, String::new(), body(source, *intent)));
        self.deliver_events(source, &events.collect::<Vec<_>>(), 10_000)
    }

    fn deliver_events(&mut self, source: &str, events: &[(u64, String, String)], keep: u64) -> i64 {
        let mut arguments =
            vec![source.to_owned(), self.bench.key("channel"), keep.to_string(), "3".to_owned()];
        for (intent, origin, body) in events {
            arguments.extend([intent.to_string(), origin.clone(), body.clone()]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (applied, nodes): (i64, u32) = self.bench.run("realtime/deliver", &KEYS, &arguments);
        self.nodes = nodes;
        applied
    }

    /// A device opens the log; returns epoch, seq, whether it resumes, and the frames that it missed.
    fn open(&mut self, epoch: &str, seq: &str, limits: [u64; 2]) -> (String, u64, bool, Vec<String>) {
        let [events, bytes] = limits.map(|limit| limit.to_string());
        let arguments = ["new", "60000", epoch, seq, &events, &bytes];
        let reply: Vec<Value> = self.bench.run("realtime/open", &KEYS, &arguments);
        let (epoch, seq, resumed): (String, u64, bool) =
            redis::from_redis_value(Value::Array(reply[..3].to_vec())).unwrap();
        let missed: Vec<String> = redis::from_redis_value(Value::Array(reply[3..].to_vec())).unwrap();
        (epoch, seq, resumed, missed.chunks(2).map(|entry| entry[1].clone()).collect())
    }

    fn entries(&mut self) -> Vec<Entry> {
        let entries: Vec<(String, [String; 4])> = self.bench.command("XRANGE", "log", &["-", "+"]);
        entries.into_iter().map(|(id, [_, frame, _, origin])| (id, frame, origin)).collect()
    }

    fn seq(&mut self) -> u64 {
        self.bench.command("HGET", "position", &["seq"])
    }

    fn carried(&mut self, source: &str) -> Option<u64> {
        self.bench.command("HGET", "carried", &[source])
    }
}

fn body(source: &str, intent: u64) -> String {
    format!(r#"{{"type":"t","data":{{"source":"{source}","intent":{intent}}}}}"#)
}

fn frame(source: &str, intent: u64, seq: u64) -> String {
    format!(r#"{{"type":"t","data":{{"source":"{source}","intent":{intent}}},"seq":{seq}}}"#)
}

#[test]
fn deliver_keeps_nothing_for_whom_no_socket_has_served() {
    let mut log = Log::none();
    assert_eq!((log.deliver("s", &[1, 2]), log.nodes), (-1, 0));
    let pattern = log.bench.key("*");
    assert_eq!(redis::cmd("KEYS").arg(pattern).query::<Vec<String>>(&mut log.bench.redis).unwrap(), [""; 0]);
}

#[test]
fn deliver_numbers_events_keeps_them_and_pushes_them() {
    let mut log = Log::at(41);
    let mut listener = connection();
    let mut news = listener.as_pubsub();
    news.subscribe(log.bench.key("channel")).unwrap();
    let unicode = "{\"type\":\"t\",\"data\":\"\u{1f980} } \\\" \"}".to_owned();
    let events = [(7, "socket/3".to_owned(), body("s", 7)), (9, String::new(), unicode)];
    assert_eq!((log.deliver_events("s", &events, 1000), log.nodes), (2, 1));
    let second = "{\"type\":\"t\",\"data\":\"\u{1f980} } \\\" \",\"seq\":43}".to_owned();
    assert_eq!(
        log.entries(),
        [
            ("42-1".to_owned(), frame("s", 7, 42), "socket/3".to_owned()),
            ("43-1".to_owned(), second.clone(), String::new()),
        ]
    );
    assert_eq!((log.seq(), log.carried("s")), (43, Some(9)));
    let mut heard = || news.get_message().unwrap().get_payload::<String>().unwrap();
    assert_eq!(heard(), format!("event 42 socket/3\n{}", frame("s", 7, 42)));
    assert_eq!(heard(), format!("event 43 \n{second}"));
}

#[test]
fn deliver_applies_an_intent_once_whatever_is_repeated() {
    let mut log = Log::at(0);
    assert_eq!(log.deliver("s", &[1, 2]), 2);
    assert_eq!(log.deliver("s", &[1, 2]), 0);
    assert_eq!(log.deliver("s", &[2, 3]), 1);
    assert_eq!(log.deliver("s", &[1]), 0);
    assert_eq!(log.deliver("other", &[1]), 1, "sources do not know each other");
    assert_eq!(log.deliver("s", &[]), 0);
    let frames: Vec<String> = log.entries().into_iter().map(|(_, frame, _)| frame).collect();
    assert_eq!(frames, [frame("s", 1, 1), frame("s", 2, 2), frame("s", 3, 3), frame("other", 1, 4)]);
}

#[test]
fn deliver_applies_each_intent_once_in_any_repetition_of_contiguous_batches() {
    let mut log = Log::at(0);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    // Per source: the oldest that is not settled, and the newest that was left.
    let mut sources = [(1, 0), (1, 0), (1, 0)];
    for _ in 0..2_000 {
        let which = below(3);
        let (oldest, newest) = &mut sources[which as usize];
        *newest += below(3);
        // Somebody carries from the oldest on, as far as he knows; somebody may settle what has been carried.
        let upto = (*oldest + below(5)).min(*newest);
        let batch: Vec<u64> = (*oldest..=upto).collect();
        log.deliver(&format!("s{which}"), &batch);
        if below(2) == 0 && !batch.is_empty() {
            *oldest = upto + 1;
        }
    }
    for (which, (oldest, newest)) in sources.into_iter().enumerate() {
        log.deliver(&format!("s{which}"), &(oldest..=newest).collect::<Vec<_>>());
    }
    let entries = log.entries();
    assert_eq!(entries.len() as u64, sources.iter().map(|(_, newest)| newest).sum::<u64>());
    let mut next = [1; 3];
    for (seq, (id, text, _)) in (1_u64..).zip(&entries) {
        let data: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!((id, &data["seq"]), (&format!("{seq}-1"), &seq.into()), "no gap");
        let which: usize = data["data"]["source"].as_str().unwrap()[1..].parse().unwrap();
        assert_eq!(data["data"]["intent"], next[which], "each once, in order");
        next[which] += 1;
    }
}

#[test]
fn deliver_keeps_the_newest_events_only() {
    let mut log = Log::at(0);
    for batch in 0..40 {
        let intents: Vec<u64> = (batch * 50 + 1..=batch * 50 + 50).collect();
        let events: Vec<_> =
            intents.iter().map(|intent| (*intent, String::new(), body("s", *intent))).collect();
        assert_eq!(log.deliver_events("s", &events, 300), 50);
    }
    let entries = log.entries();
    assert!((300..=500).contains(&entries.len()), "{}: trimmed by whole nodes", entries.len());
    assert_eq!(entries.last().unwrap().0, "2000-1");
    assert_eq!(log.seq(), 2000);
}

#[test]
fn what_deliver_keeps_lives_as_long_as_the_position() {
    let mut log = Log::at(0);
    log.deliver("s", &[1]);
    assert_eq!(log.bench.command::<i64>("PTTL", "log", &[]), -1, "a socket is there");
    log.bench.command::<i64>("PEXPIRE", "position", &["60000"]);
    log.deliver("s", &[2]);
    log.deliver("t", &[1]);
    for key in ["position", "log", "carried"] {
        let ttl: i64 = log.bench.command("PTTL", key, &[]);
        assert!((50_000..=60_000).contains(&ttl), "{key} {ttl}");
    }
}

#[test]
fn open_makes_a_log_that_lapses() {
    let mut log = Log::none();
    assert_eq!(log.open("", "", [10, 1000]), ("new".to_owned(), 0, false, vec![]));
    log.deliver("s", &[1]);
    for key in ["position", "log", "carried"] {
        let ttl: i64 = log.bench.command("PTTL", key, &[]);
        assert!((50_000..=60_000).contains(&ttl), "{key} {ttl}");
        log.bench.command::<i64>("PEXPIRE", key, &["10000"]);
    }
    assert_eq!(log.open("", "", [10, 1000]), ("new".to_owned(), 1, false, vec![]));
    for key in ["position", "log", "carried"] {
        assert!(log.bench.command::<i64>("PTTL", key, &[]) > 50_000, "{key}");
    }
}

#[test]
fn open_returns_all_that_was_missed_or_nothing() {
    let mut log = Log::at(0);
    log.deliver("s", &[1, 2, 3, 4]);
    let frames: Vec<String> = (1..=4).map(|number| frame("s", number, number)).collect();
    let bytes = frames[1..].iter().map(String::len).sum::<usize>() as u64;
    let resumes = |missed: &[String]| ("e".to_owned(), 4, true, missed.to_vec());
    let refuses = ("e".to_owned(), 4, false, vec![]);
    assert_eq!(log.open("e", "1", [3, bytes]), resumes(&frames[1..]));
    assert_eq!(log.open("e", "4", [3, bytes]), resumes(&[]));
    assert_eq!(log.open("e", "1", [2, bytes]), refuses, "too many");
    assert_eq!(log.open("e", "1", [3, bytes - 1]), refuses, "too large");
    assert_eq!(log.open("e", "5", [3, bytes]), refuses, "never happened");
    assert_eq!(log.open("other", "1", [3, bytes]), refuses);
    log.bench.command::<i64>("XDEL", "log", &["3-1"]);
    assert_eq!(log.open("e", "1", [3, bytes]), refuses, "a gap");
    assert_eq!(log.open("e", "3", [3, bytes]), resumes(&frames[3..]), "the gap lies before it");
}

#[test]
fn open_returns_what_was_missed_in_many_pieces() {
    let mut log = Log::at(0);
    let intents: Vec<u64> = (1..=230).collect();
    log.deliver("s", &intents);
    for known in [0, 129, 130, 131, 179, 180, 181, 229, 230] {
        let (_, seq, resumed, missed) = log.open("e", &known.to_string(), [1000, 1_000_000]);
        let expected: Vec<String> = (known + 1..=230).map(|number| frame("s", number, number)).collect();
        assert_eq!((seq, resumed, missed), (230, true, expected), "{known}");
    }
    assert!(!log.open("e", "0", [1000, 10_000]).2, "too large, which is known before its end");
}

#[test]
fn a_new_log_begins_even_where_an_old_one_was_left() {
    let mut log = Log::at(0);
    log.deliver("s", &[1, 2, 3]);
    log.bench.command::<i64>("DEL", "position", &[]);
    assert_eq!(log.open("e", "3", [10, 1000]), ("new".to_owned(), 0, false, vec![]));
    assert_eq!(log.deliver("s", &[4]), 1, "its first event has the first number");
    assert_eq!(log.entries(), [("1-1".to_owned(), frame("s", 4, 1), String::new())]);
}

#[test]
fn sources_are_forgotten_only_after_many_others() {
    let mut log = Log::at(0);
    log.bench.command::<i64>("PEXPIRE", "position", &["60000"]);
    for source in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(log.deliver(source, &[1]), 1);
    }
    for source in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(log.deliver(source, &[1]), 0, "{source} is remembered");
    }
    for key in ["carried", "before"] {
        assert!(log.bench.command::<i64>("HLEN", key, &[]) <= 4, "{key}");
        assert!(log.bench.command::<i64>("PTTL", key, &[]) > 0, "{key} goes with the log");
    }
    for number in 0..100 {
        assert_eq!(log.deliver(&number.to_string(), &[1]), 1);
    }
    let sizes = ["carried", "before"].map(|key| log.bench.command::<i64>("HLEN", key, &[]));
    assert!(sizes.iter().sum::<i64>() <= 8, "{sizes:?}");
    assert_eq!(log.deliver("a", &[2]), 1, "what is new is new all the same");
}

//! `lua/conversation/*`.

use redis::{FromRedisValue, Value};

use crate::Bench;

pub const A: &str = "0";
pub const B: &str = "1";
const HELLO: &str = r#"{"k":"text","c":"Hello|\u0000"}"#;

/// The keys and the clock of a conversation, with limits that a test can lower.
pub struct Talk {
    pub bench: Bench,
    pub messages_allowed: u64,
    pub waiting_allowed: u64,
    /// ms since the lease.
    pub lease_age: u64,
}

/// A message as it lies in the datastore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub created: u64,
    pub updated: u64,
    pub deleted: u64,
    pub side: String,
    pub sent: u64,
    pub body: String,
}

impl Record {
    pub fn parse(text: &str) -> Self {
        let [created, updated, deleted, side, sent, body] =
            text.splitn(6, '|').collect::<Vec<_>>().try_into().unwrap();
        let number = |text: &str| text.parse().unwrap();
        let (side, body) = (side.to_owned(), body.to_owned());
        Self {
            created: number(created),
            updated: number(updated),
            deleted: number(deleted),
            side,
            sent: number(sent),
            body,
        }
    }
}

/// An item of a reply.
pub fn item<T: FromRedisValue>(reply: &[Value], index: usize) -> T {
    redis::from_redis_value(reply[index].clone()).unwrap()
}

/// The items of a reply from one on, as texts.
fn texts(reply: &[Value], from: usize) -> Vec<String> {
    reply[from..].iter().map(|value| redis::from_redis_value(value.clone()).unwrap()).collect()
}

impl Talk {
    /// Between two.
    pub fn new() -> Self {
        Self::between("a", "b")
    }

    pub fn between(a: &str, b: &str) -> Self {
        let mut talk = Self {
            bench: Bench::new(),
            messages_allowed: 1_000_000,
            waiting_allowed: 1_000_000,
            lease_age: 0,
        };
        assert_eq!(talk.open("c1", a, b, 0), 1);
        talk
    }

    fn open(&mut self, id: &str, a: &str, b: &str, ttl_ms: u64) -> i64 {
        self.bench.run("conversation/open", &["conv"], &[id, a, b, &ttl_ms.to_string()])
    }

    /// What belongs to the lease, in the order of every script.
    fn lease(&mut self) -> [String; 2] {
        let (secs, micros): (u64, u64) = redis::cmd("TIME").query(&mut self.bench.redis).unwrap();
        [(secs * 1000 + micros / 1000 - self.lease_age).to_string(), "12000".to_owned()]
    }

    pub fn append(&mut self, side: &str, body: &str, client: Option<&str>, origin: &str) -> Vec<Value> {
        let [since, limit] = self.lease();
        let client_key = format!("client:{}", client.unwrap_or("none"));
        let keys = ["conv", "messages", "intents", &client_key, "files"];
        let object = serde_json::from_str::<serde_json::Value>(body).unwrap()["f"].clone();
        let ttl = if client.is_some() { "60000" } else { "" };
        let (messages, waiting) = (self.messages_allowed.to_string(), self.waiting_allowed.to_string());
        let object = object.as_str().unwrap_or_default();
        let arguments = [side, body, ttl, &since, &limit, origin, &messages, &waiting, "3", object];
        self.bench.run("conversation/append", &keys, &arguments)
    }

    /// Reserves a file for a message.
    pub fn reserve(&mut self, object: &str) -> i64 {
        let [since, limit] = self.lease();
        self.bench.run("conversation/reserve", &["files"], &[object, &since, &limit])
    }

    /// Appends and returns the seq.
    pub fn say(&mut self, side: &str) -> u64 {
        let reply = self.append(side, HELLO, None, "");
        assert_eq!(item::<i64>(&reply, 0), 6, "{reply:?}");
        item(&reply, 1)
    }

    pub fn receive(&mut self, side: &str, upto: u64, read: bool, origin: &str) -> Vec<Value> {
        let [since, limit] = self.lease();
        let own = |part: &str| format!("{part}:{side}");
        let keys = ["conv", "messages", "intents", &own("received"), &own("read"), &own("deleted")];
        let (upto, waiting) = (upto.to_string(), self.waiting_allowed.to_string());
        let read = if read { "1" } else { "0" };
        let arguments = [side, &upto, read, &since, &limit, origin, &waiting, "3"];
        self.bench.run("conversation/receive", &keys, &arguments)
    }

    /// Reads; returns the code and what is unread.
    pub fn read(&mut self, side: &str, upto: u64) -> (i64, i64) {
        let reply = self.receive(side, upto, true, "");
        (item(&reply, 0), item(&reply, 1))
    }

    pub fn edit(&mut self, side: &str, seq: u64, secs: u64, body: &str) -> Vec<Value> {
        let [since, limit] = self.lease();
        let (seq, secs, waiting) = (seq.to_string(), secs.to_string(), self.waiting_allowed.to_string());
        let arguments = [side, &seq, &secs, body, &since, &limit, &waiting, "3"];
        self.bench.run("conversation/edit", &["conv", "messages", "intents"], &arguments)
    }

    pub fn delete(&mut self, side: &str, seq: u64, secs: u64) -> Vec<Value> {
        let [since, limit] = self.lease();
        let (seq, secs, waiting) = (seq.to_string(), secs.to_string(), self.waiting_allowed.to_string());
        let arguments = [side, &seq, &secs, &since, &limit, &waiting, "3"];
        let keys = ["conv", "messages", "intents", "deleted:0", "deleted:1", "files"];
        self.bench.run("conversation/delete", &keys, &arguments)
    }

    pub fn block(&mut self, side: &str, blocks: &str) -> i64 {
        self.bench.run("conversation/block", &["conv"], &[side, blocks])
    }

    pub fn record(&mut self, seq: u64) -> Record {
        Record::parse(&self.bench.command::<String>("HGET", "messages", &[&seq.to_string()]))
    }

    /// The second of a message's creation, which its id says.
    pub fn secs(&mut self, seq: u64) -> u64 {
        self.record(seq).created / 1000
    }

    pub fn field(&mut self, name: &str) -> Option<i64> {
        self.bench.command("HGET", "conv", &[name])
    }

    pub fn intents(&mut self) -> Vec<String> {
        self.bench.command("ZRANGE", "intents", &["0", "-1"])
    }

    /// The ids and times of a stream of steps.
    pub fn steps(&mut self, key: &str) -> Vec<(u64, u64)> {
        let entries: Vec<(String, [String; 2])> = self.bench.command("XRANGE", key, &["-", "+"]);
        entries
            .into_iter()
            .map(|(id, [_, time])| (id.strip_suffix("-1").unwrap().parse().unwrap(), time.parse().unwrap()))
            .collect()
    }

    /// Everything that lies in the datastore, so that a refusal can be seen to change nothing.
    fn everything(&mut self) -> Vec<(String, Value)> {
        let pattern = self.bench.key("*");
        let mut keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query(&mut self.bench.redis).unwrap();
        keys.sort();
        let dump = |key: String| {
            let value = redis::cmd("DUMP").arg(&key).query(&mut self.bench.redis).unwrap();
            (key, value)
        };
        keys.into_iter().map(dump).collect()
    }

    /// Runs something that is to answer with `code` and to change nothing.
    pub fn refuses(&mut self, code: i64, run: impl FnOnce(&mut Self) -> Vec<Value>) -> Vec<Value> {
        let before = self.everything();
        let reply = run(self);
        assert_eq!(item::<i64>(&reply, 0), code, "{reply:?}");
        assert_eq!(self.everything(), before, "a refusal changes nothing");
        reply
    }
}

#[test]
fn open_writes_a_conversation_for_a_while_and_then_for_good() {
    let mut talk = Talk { bench: Bench::new(), messages_allowed: 9, waiting_allowed: 9, lease_age: 0 };
    assert_eq!(talk.open("c1", "a", "b", 60_000), 1);
    let ttl: i64 = talk.bench.command("PTTL", "conv", &[]);
    assert!((55_000..=60_000).contains(&ttl), "{ttl}");
    let before: Vec<String> = talk.bench.command("HGETALL", "conv", &[]);
    assert_eq!(talk.open("c1", "a", "b", 60_000), 2);
    assert!(talk.bench.command::<i64>("PTTL", "conv", &[]) > 0, "still not known to be its pair's");
    assert_eq!(talk.open("c2", "x", "y", 0), 0, "somebody else's key");
    assert!(talk.bench.command::<i64>("PTTL", "conv", &[]) > 0, "nor made to stay by others");
    assert_eq!(talk.open("c1", "a", "b", 0), 2);
    assert_eq!(talk.bench.command::<i64>("PTTL", "conv", &[]), -1);
    assert_eq!(talk.bench.command::<Vec<String>>("HGETALL", "conv", &[]), before);
}

#[test]
fn append_gives_messages_their_order_and_counts_them() {
    let mut talk = Talk::new();
    let reply = talk.append(A, HELLO, None, "socket/7");
    assert_eq!((item::<i64>(&reply, 0), item::<u64>(&reply, 1)), (6, 1));
    let record = Record::parse(&item::<String>(&reply, 2));
    assert_eq!(talk.record(1), record, "what is returned is what is kept");
    assert_eq!((record.side.as_str(), record.sent, record.deleted), (A, 1, 0));
    assert_eq!((record.updated, record.body.as_str()), (record.created, HELLO), "bytes are kept as sent");
    assert_eq!(item::<u64>(&reply, 3), 1, "the intent's number");
    assert_eq!(texts(&reply, 4), ["1|new|1|socket/7"]);
    assert_eq!((talk.field("n0"), talk.field("n1")), (None, Some(1)));
    assert_eq!(talk.field("l"), Some(record.created as i64));

    assert_eq!((talk.say(B), talk.say(A)), (2, 3));
    assert_eq!((talk.record(2).sent, talk.record(3).sent), (1, 2), "how many a has sent so far");
    assert_eq!((talk.field("n0"), talk.field("n1")), (Some(1), Some(2)));
    let reply = talk.append(B, HELLO, None, "");
    assert_eq!(item::<u64>(&reply, 3), 4);
    assert_eq!(
        texts(&reply, 4),
        ["1|new|1|socket/7", "2|new|2|", "3|new|3|"],
        "the oldest, as many as asked"
    );
    assert_eq!(talk.intents().last().unwrap(), "4|new|4|");
}

#[test]
fn append_with_a_client_id_appends_once() {
    let mut talk = Talk::new();
    assert_eq!(item::<i64>(&talk.append(A, HELLO, Some("x"), ""), 0), 6);
    let again = talk.refuses(2, |talk| talk.append(A, r#"{"k":"text","c":"other"}"#, Some("x"), ""));
    assert_eq!(item::<u64>(&again, 1), 1);
    assert_eq!(item::<u64>(&talk.append(A, HELLO, Some("y"), ""), 1), 2);
    let ttl: i64 = talk.bench.command("PTTL", "client:x", &[]);
    assert!((50_000..=60_000).contains(&ttl), "{ttl}");
    assert_eq!(talk.say(A), 3, "without one");
    assert_eq!(talk.bench.command::<i64>("EXISTS", "client:none", &[]), 0);

    talk.messages_allowed = 3;
    talk.waiting_allowed = 0;
    talk.lease_age = 60_000;
    talk.block(B, "1");
    let again = talk.refuses(2, |talk| talk.append(A, HELLO, Some("x"), ""));
    assert_eq!(item::<u64>(&again, 1), 1, "whatever has changed since");
}

#[test]
fn append_refuses_whole() {
    let mut talk = Talk::new();
    let mut missing = Talk { bench: Bench::new(), ..Talk::new() };
    missing.refuses(0, |talk| talk.append(A, HELLO, Some("x"), ""));
    talk.block(B, "1");
    talk.refuses(1, |talk| talk.append(A, HELLO, Some("x"), ""));
    assert_eq!(talk.say(B), 1, "who blocks may write");
    talk.block(B, "0");
    talk.block(A, "1");
    talk.refuses(1, |talk| talk.append(B, HELLO, None, ""));
    assert_eq!(talk.say(A), 2);
    talk.block(A, "0");

    talk.messages_allowed = 2;
    talk.refuses(3, |talk| talk.append(A, HELLO, Some("x"), ""));
    talk.messages_allowed = 3;
    talk.waiting_allowed = 2;
    talk.refuses(4, |talk| talk.append(A, HELLO, Some("x"), ""));
    talk.waiting_allowed = 3;
    talk.lease_age = 12_500;
    talk.refuses(5, |talk| talk.append(A, HELLO, Some("x"), ""));
    talk.lease_age = 11_000;
    assert_eq!(talk.say(A), 3);
}

#[test]
fn what_one_says_to_oneself_is_not_unread() {
    let mut talk = Talk::between("a", "a");
    talk.say(A);
    talk.say(A);
    assert_eq!((talk.field("n0"), talk.field("n1")), (None, None));
    talk.refuses(1, |talk| talk.receive(A, 0, true, ""));
    let secs = talk.secs(1);
    assert_eq!(item::<i64>(&talk.delete(A, 1, secs), 0), 5);
    assert_eq!((talk.field("n0"), talk.field("n1")), (None, None), "nor by a deletion");
}

#[test]
fn receive_notes_how_far_and_never_goes_back() {
    let mut talk = Talk::new();
    for side in [A, A, B, A] {
        talk.say(side);
    }
    let reply = talk.receive(B, 2, false, "");
    assert_eq!((item::<i64>(&reply, 0), item::<u64>(&reply, 1)), (4, 3), "unread as before");
    assert_eq!(item::<u64>(&reply, 2), 5);
    assert_eq!((talk.field("d1"), talk.field("c1"), talk.field("r1")), (Some(2), Some(2), None));
    let (upto, at) = talk.steps("received:1")[0];
    assert_eq!(upto, 2);
    let intent = talk.intents().pop().unwrap();
    assert_eq!(intent, format!("5|received|1|2|{}|{at}|3|", talk.secs(2)));
    talk.refuses(1, |talk| talk.receive(B, 1, false, ""));
    let known = talk.refuses(1, |talk| talk.receive(B, 2, false, ""));
    assert_eq!(item::<u64>(&known, 1), 3);

    let reply = talk.receive(B, 0, false, "");
    assert_eq!(item::<u64>(&reply, 2), 6);
    assert_eq!((talk.field("d1"), talk.field("c1")), (Some(4), Some(3)), "0 is the last one");
    talk.refuses(1, |talk| talk.receive(B, 900, false, ""));
    assert_eq!(talk.steps("received:1").iter().map(|(upto, _)| *upto).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(talk.steps("read:1"), []);
}

#[test]
fn reading_recounts_and_tells_the_sender_and_ones_other_devices() {
    let mut talk = Talk::new();
    for side in [A, B, A, A, B] {
        talk.say(side);
    }
    assert_eq!((talk.field("n0"), talk.field("n1")), (Some(2), Some(3)));
    let reply = talk.receive(B, 3, true, "socket/9");
    assert_eq!((item::<i64>(&reply, 0), item::<u64>(&reply, 1), item::<u64>(&reply, 2)), (4, 1, 6));
    let (upto, at) = talk.steps("read:1")[0];
    assert_eq!((upto, talk.steps("received:1")), (3, vec![(3, at)]), "what is read has been received");
    let intent = talk.intents().pop().unwrap();
    assert_eq!(intent, format!("6|read|1|3|{}|{at}|1|socket/9", talk.secs(3)));
    assert_eq!((talk.field("r1"), talk.field("m1"), talk.field("n1")), (Some(3), Some(2), Some(1)));
    assert_eq!(talk.read(B, 2), (1, 1), "never back");

    assert_eq!(talk.read(B, 900), (4, 0), "no further than there is");
    assert_eq!((talk.field("r1"), talk.field("n0")), (Some(5), Some(2)), "the other's count is his own");
    let before = talk.intents();
    talk.say(B);
    let reply = talk.receive(B, 0, true, "");
    assert_eq!(
        (item::<i64>(&reply, 0), item::<u64>(&reply, 2)),
        (4, 0),
        "one's own message: nobody need know"
    );
    assert_eq!(talk.intents().len(), before.len() + 1, "but of the message itself");
}

#[test]
fn the_first_reading_of_what_was_received_before_is_told() {
    let mut talk = Talk::new();
    talk.say(A);
    talk.receive(B, 0, false, "");
    let reply = talk.receive(B, 0, true, "");
    assert_eq!((item::<i64>(&reply, 0), item::<u64>(&reply, 1), item::<u64>(&reply, 2)), (4, 0, 3));
    assert!(talk.intents().pop().unwrap().starts_with("3|read|1|1|"));
}

#[test]
fn reading_corrects_a_count_that_is_wrong() {
    let mut talk = Talk::new();
    for _ in 0..4 {
        talk.say(A);
    }
    for wrong in ["77", "-3", "0"] {
        talk.bench.command::<i64>("HSET", "conv", &["n1", wrong]);
        talk.read(B, 2);
        assert_eq!(talk.field("n1"), Some(2), "{wrong}");
    }
    talk.bench.command::<i64>("HSET", "conv", &["n1", "77"]);
    assert_eq!(talk.read(B, 0).1, 0);
    talk.bench.command::<i64>("HSET", "conv", &["n1", "77"]);
    assert_eq!(talk.read(B, 0), (1, 0), "read before, and yet");
    assert_eq!(talk.field("n1"), Some(0));
}

#[test]
fn receive_refuses_whole() {
    let mut missing = Talk { bench: Bench::new(), ..Talk::new() };
    missing.refuses(0, |talk| talk.receive(A, 0, true, ""));
    let mut talk = Talk::new();
    let empty = talk.refuses(1, |talk| talk.receive(A, 0, true, ""));
    assert_eq!(item::<u64>(&empty, 1), 0, "an empty conversation");
    talk.say(A);
    talk.waiting_allowed = 1;
    talk.refuses(2, |talk| talk.receive(B, 0, true, ""));
    talk.waiting_allowed = 2;
    talk.lease_age = 12_500;
    talk.refuses(3, |talk| talk.receive(B, 0, true, ""));
    talk.lease_age = 11_000;
    assert_eq!(talk.read(B, 0), (4, 0));
}

#[test]
fn edit_replaces_the_text_and_nothing_else() {
    let mut talk = Talk::new();
    talk.say(B);
    talk.say(A);
    let before = talk.record(2);
    std::thread::sleep(std::time::Duration::from_millis(2));
    let other = r#"{"k":"text","c":"other|text"}"#;
    let reply = talk.edit(A, 2, before.created / 1000, other);
    assert_eq!(item::<i64>(&reply, 0), 7);
    let after = Record::parse(&item::<String>(&reply, 1));
    assert!(after.updated > before.updated);
    assert_eq!(after, Record { updated: after.updated, body: other.to_owned(), ..before });
    assert_eq!(talk.record(2), after);
    assert_eq!(item::<u64>(&reply, 2), 3);
    assert_eq!(texts(&reply, 3), ["1|new|1|", "2|new|2|", "3|edit|2"]);
    assert_eq!((talk.field("n0"), talk.field("n1"), talk.field("q")), (Some(1), Some(1), Some(2)));
    assert_eq!(talk.field("u"), Some(after.updated as i64));
}

#[test]
fn edit_refuses_whole() {
    let mut talk = Talk::new();
    talk.say(A);
    talk.reserve("x");
    talk.append(A, r#"{"k":"image","f":"x"}"#, None, "");
    talk.say(A);
    let [secs, file_secs, deleted_secs] = [1, 2, 3].map(|seq| talk.secs(seq));
    talk.delete(A, 3, deleted_secs);
    talk.refuses(0, |talk| talk.edit(A, 4, secs, HELLO));
    talk.refuses(0, |talk| talk.edit(A, 0, secs, HELLO));
    talk.refuses(0, |talk| talk.edit(A, 1, secs + 1, HELLO));
    talk.refuses(1, |talk| talk.edit(B, 1, secs, HELLO));
    talk.refuses(1, |talk| talk.edit(B, 3, deleted_secs, HELLO));
    talk.refuses(2, |talk| talk.edit(A, 3, deleted_secs, HELLO));
    talk.refuses(3, |talk| talk.edit(A, 2, file_secs, HELLO));
    talk.waiting_allowed = 4;
    talk.refuses(4, |talk| talk.edit(A, 1, secs, HELLO));
    talk.waiting_allowed = 5;
    talk.lease_age = 12_500;
    talk.refuses(5, |talk| talk.edit(A, 1, secs, HELLO));
    talk.lease_age = 0;
    talk.block(B, "1");
    talk.refuses(6, |talk| talk.edit(A, 1, secs, HELLO));
    talk.block(B, "0");
    talk.block(A, "1");
    assert_eq!(item::<i64>(&talk.edit(A, 1, secs, HELLO), 0), 7, "who blocks may edit");
}

#[test]
fn delete_keeps_the_place_and_lowers_the_unread_count() {
    let mut talk = Talk::new();
    for side in [A, A, B, A] {
        talk.say(side);
    }
    talk.read(B, 1);
    assert_eq!((talk.field("n0"), talk.field("n1")), (Some(1), Some(2)));
    let before = talk.record(2);
    let reply = talk.delete(A, 2, before.created / 1000);
    assert_eq!(item::<i64>(&reply, 0), 5);
    let after = Record::parse(&item::<String>(&reply, 1));
    let body = r#"{"k":"text"}"#.to_owned();
    assert_eq!(after, Record { updated: after.deleted, deleted: after.deleted, body, ..before });
    assert!(after.deleted >= before.created);
    assert_eq!((talk.record(2), talk.field("u")), (after.clone(), Some(after.updated as i64)));
    assert_eq!((talk.field("n0"), talk.field("n1"), talk.field("q")), (Some(1), Some(1), Some(4)));
    assert_eq!(item::<u64>(&reply, 2), 6);
    assert_eq!(talk.intents().pop().unwrap(), "6|delete|2");

    let secs = talk.secs(1);
    assert_eq!(item::<i64>(&talk.delete(A, 1, secs), 0), 5);
    assert_eq!(talk.field("n1"), Some(1), "it had been read");
    let secs = talk.secs(3);
    assert_eq!(item::<i64>(&talk.delete(B, 3, secs), 0), 5);
    assert_eq!((talk.field("n0"), talk.field("n1")), (Some(0), Some(1)), "each side has its own count");
    assert_eq!(talk.read(B, 3), (4, 1), "what was deleted unread is not counted twice");
    assert_eq!(talk.bench.command::<i64>("ZCARD", "deleted:1", &[]), 0, "nor remembered for ever");
    assert_eq!(talk.read(B, 4), (4, 0));
}

#[test]
fn delete_refuses_whole() {
    let mut talk = Talk::new();
    talk.say(A);
    talk.reserve("x");
    talk.append(A, r#"{"k":"file","f":"x","n":"a|b","s":12345678901234567}"#, None, "");
    let [secs, file_secs] = [1, 2].map(|seq| talk.secs(seq));
    talk.refuses(0, |talk| talk.delete(A, 3, secs));
    talk.refuses(0, |talk| talk.delete(A, 1, secs - 1));
    talk.refuses(1, |talk| talk.delete(B, 1, secs));
    talk.waiting_allowed = 2;
    talk.refuses(3, |talk| talk.delete(A, 1, secs));
    talk.waiting_allowed = 3;
    talk.lease_age = 12_500;
    talk.refuses(4, |talk| talk.delete(A, 1, secs));
    talk.lease_age = 0;
    talk.block(B, "1");
    assert_eq!(
        item::<i64>(&talk.delete(A, 2, file_secs), 0),
        5,
        "what one said can be taken back, blocked or not"
    );
    assert_eq!(talk.record(2).body, r#"{"k":"file"}"#);
    let again = talk.refuses(2, |talk| talk.delete(A, 2, file_secs));
    assert_eq!(Record::parse(&item::<String>(&again, 1)), talk.record(2));
}

#[test]
fn index_moves_a_conversation_up_and_never_down() {
    let mut bench = Bench::new();
    let index = |bench: &mut Bench, id: &str, ms: &str| {
        bench.run::<i64>("conversation/index", &["list"], &[id, ms, "2"])
    };
    assert_eq!(index(&mut bench, "a", "1000"), 1);
    assert_eq!(index(&mut bench, "b", "2000"), 1);
    assert_eq!(index(&mut bench, "a", "3000"), 0);
    assert_eq!(index(&mut bench, "a", "1500"), 0, "a late one does not move it down");
    assert_eq!(bench.command::<i64>("ZSCORE", "list", &["a"]), 3000);
    assert_eq!(index(&mut bench, "c", "4000"), 1);
    assert_eq!(bench.command::<Vec<String>>("ZRANGE", "list", &["0", "-1"]), ["a", "c"]);
    assert_eq!(index(&mut bench, "b", "5000"), 1, "and it comes back");
    assert_eq!(bench.command::<Vec<String>>("ZRANGE", "list", &["0", "-1"]), ["c", "b"]);
}

#[test]
fn block_notes_who_takes_nothing() {
    let mut talk = Talk::new();
    let mut missing = Talk { bench: Bench::new(), ..Talk::new() };
    assert_eq!(missing.block(A, "1"), 0);
    assert_eq!(missing.bench.command::<i64>("EXISTS", "conv", &[]), 0);
    assert_eq!((talk.block(A, "1"), talk.block(A, "1")), (1, 1));
    assert_eq!((talk.field("k0"), talk.field("k1")), (Some(1), None));
    assert_eq!((talk.block(B, "0"), talk.block(A, "0")), (1, 1));
    assert_eq!(talk.field("k0"), None);
}

#[test]
fn block_list_is_bounded_and_takes_people_once() {
    let mut bench = Bench::new();
    let mut list =
        |whom: &str, on: &str| bench.run::<i64>("conversation/block_list", &["blocks"], &[whom, on, "2"]);
    assert_eq!((list("a", "1"), list("b", "1"), list("a", "1")), (1, 1, 1));
    assert_eq!((list("c", "1"), list("c", "0")), (0, 1));
    assert_eq!((list("a", "0"), list("a", "0"), list("c", "1")), (1, 1, 1));
    assert_eq!(bench.command::<Vec<String>>("ZRANGE", "blocks", &["0", "-1"]), ["b", "c"]);
    assert!(bench.command::<i64>("ZSCORE", "blocks", &["b"]) > 1_700_000_000_000);
}

#[test]
fn type_tells_the_other_side_unless_blocked() {
    let mut talk = Talk::new();
    let mut listener = crate::support::redis_server::connection();
    let mut news = listener.as_pubsub();
    news.subscribe(talk.bench.key("channel")).unwrap();
    let channel = talk.bench.key("channel");
    let tell = |talk: &mut Talk, side: &str, push: &str| {
        talk.bench.run::<i64>("conversation/type", &["conv"], &[side, &channel, push])
    };
    talk.block(B, "1");
    assert_eq!(tell(&mut talk, A, "blocked"), 0);
    assert_eq!(tell(&mut talk, B, "from b"), 1);
    talk.block(B, "0");
    assert_eq!(tell(&mut talk, A, "from a"), 1);
    let mut heard = || news.get_message().unwrap().get_payload::<String>().unwrap();
    assert_eq!([heard(), heard()], ["from b", "from a"]);
    let mut missing = Talk { bench: Bench::new(), ..Talk::new() };
    assert_eq!(tell(&mut missing, A, "x"), 0);
}

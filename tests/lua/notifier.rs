//! `lua/notifier/*`.

use redis::Value;

use crate::Bench;

const LIST: [&str; 4] = ["list", "topics", "noted", "before"];
const QUEUE: [&str; 3] = ["queue", "later", "dead"];
const ENQUEUE: [&str; 4] = ["queue", "later", "queued", "queued_before"];
const RECORD: &str = r#"{"n":1,"read":false}"#;

/// Lists a notice with an id; returns the codes.
fn note(bench: &mut Bench, intent: &str, topic: &str, id: &str) -> Vec<u8> {
    note_since(bench, intent, topic, id, "0")
}

/// The same where notifications of before `since` are too old to count in.
fn note_since(bench: &mut Bench, intent: &str, topic: &str, id: &str, since: &str) -> Vec<u8> {
    let record = match topic {
        "" => RECORD.to_owned(),
        topic => format!(r#"{{"n":1,"read":false,"topic":"{topic}"}}"#),
    };
    bench.run("notifier/note", &LIST, &["src", "10", "60000", "100", intent, topic, since, id, &record])
}

fn record(bench: &mut Bench, id: &str) -> serde_json::Value {
    let raw: Option<String> = bench.command("HGET", "list", &[id]);
    raw.map_or(serde_json::Value::Null, |raw| serde_json::from_str(&raw).unwrap())
}

#[test]
fn note_lists_a_notice_once_whoever_repeats_it() {
    let mut bench = Bench::new();
    assert_eq!(note(&mut bench, "5", "", "a"), [1]);
    assert!(record(&mut bench, "a")["at"].as_u64().unwrap() > 1_700_000_000_000);
    assert_eq!(note(&mut bench, "5", "", "a"), [1], "the same again");
    assert_eq!(bench.command::<i64>("HLEN", "list", &[]), 1);
    assert_eq!(bench.run::<i64>("notifier/remove", &["list", "topics"], &["a"]), 1);
    assert_eq!(note(&mut bench, "5", "", "a"), [1], "its mail goes out all the same");
    assert_eq!(bench.command::<i64>("HLEN", "list", &[]), 0, "what was deleted does not come back");
    assert!(bench.command::<i64>("PTTL", "noted", &[]) > 0);
}

#[test]
fn note_counts_what_is_about_the_same_until_that_is_read() {
    let mut bench = Bench::new();
    assert_eq!(note(&mut bench, "1", "t", "a"), [1]);
    assert_eq!(note(&mut bench, "2", "t", "b"), [2]);
    assert_eq!(note(&mut bench, "2", "t", "b"), [2], "the same again");
    assert_eq!(note(&mut bench, "1", "t", "a"), [1], "and the one before");
    assert_eq!(record(&mut bench, "a")["n"], 2);
    assert_eq!(bench.run::<i64>("notifier/change", &["list", "topics"], &["a", "read"]), 1);
    assert_eq!(note(&mut bench, "3", "t", "c"), [1]);
    assert_eq!(record(&mut bench, "a")["n"], 2);
}

#[test]
fn note_begins_anew_when_the_last_word_is_too_old() {
    let mut bench = Bench::new();
    note(&mut bench, "1", "t", "a");
    let at = record(&mut bench, "a")["at"].as_u64().unwrap();
    assert_eq!(note_since(&mut bench, "2", "t", "b", &at.to_string()), [2]);
    assert_eq!(note_since(&mut bench, "3", "t", "c", "9000000000000"), [1]);
    assert_eq!(note(&mut bench, "4", "t", "d"), [2]);
    assert_eq!(
        (record(&mut bench, "a")["n"].as_u64(), record(&mut bench, "c")["n"].as_u64()),
        (Some(2), Some(2))
    );
}

#[test]
fn note_keeps_the_newest_and_remembers_a_bounded_number_of_sources() {
    let mut bench = Bench::new();
    for intent in 1..=11 {
        note(&mut bench, &intent.to_string(), &format!("t{intent}"), &format!("n{intent:02}"));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert_eq!(bench.command::<i64>("HLEN", "list", &[]), 9, "a tenth goes at once");
    assert_eq!(record(&mut bench, "n01"), serde_json::Value::Null);
    assert_eq!(bench.command::<Option<String>>("HGET", "topics", &["t1"]), None);
    for source in ["x", "y", "z"] {
        bench.run::<Vec<u8>>(
            "notifier/note",
            &LIST,
            &[source, "10", "60000", "2", "1", "", "0", source, RECORD],
        );
    }
    assert!(bench.command::<i64>("HLEN", "noted", &[]) <= 2);
    assert!(bench.command::<i64>("HLEN", "before", &[]) > 0);
}

#[test]
fn change_and_remove_say_when_there_is_nothing() {
    let mut bench = Bench::new();
    assert_eq!(bench.run::<i64>("notifier/change", &["list", "topics"], &["a", "read"]), 0);
    assert_eq!(bench.run::<i64>("notifier/remove", &["list", "topics"], &["a"]), 0);
    note(&mut bench, "1", "", "a");
    assert_eq!(bench.run::<i64>("notifier/change", &["list", "topics"], &["a", "success"]), 1);
    assert_eq!(bench.run::<i64>("notifier/change", &["list", "topics"], &["a", "success"]), 1, "again");
    let record = record(&mut bench, "a");
    assert_eq!((&record["success"], &record["read"]), (&true.into(), &false.into()));
}

#[test]
fn allow_lets_so_many_go_and_each_again() {
    let mut bench = Bench::new();
    let mut allow = |letter: &str| bench.run::<u8>("notifier/allow", &["mailed"], &[letter, "2", "60"]);
    assert_eq!([allow("a"), allow("b"), allow("c")], [1, 1, 0]);
    assert_eq!([allow("a"), allow("b"), allow("c")], [1, 1, 0], "whoever asks again");
    assert!(bench.command::<i64>("TTL", "mailed", &[]) > 0);
}

/// Queues letters by intent; `drops` is whether those without room are dropped.
fn enqueue_or(bench: &mut Bench, drops: &str, max: &str, letters: &[&str]) -> Vec<i64> {
    let arguments: Vec<&str> = ["src", max, "100", drops].iter().chain(letters).copied().collect();
    bench.run("notifier/enqueue", &ENQUEUE, &arguments)
}

fn enqueue(bench: &mut Bench, max: &str, letters: &[&str]) -> Vec<i64> {
    enqueue_or(bench, "0", max, letters)
}

#[test]
fn enqueue_takes_each_letter_once_and_only_so_many() {
    let mut bench = Bench::new();
    assert_eq!(enqueue(&mut bench, "10", &["1", "one", "2", "two"]), [0, 2]);
    assert_eq!(enqueue(&mut bench, "10", &["1", "one", "2", "two", "3", "three"]), [0, 1]);
    assert_eq!(enqueue(&mut bench, "4", &["3", "three", "4", "four", "5", "five"]), [-1, 1], "room for one");
    assert_eq!(bench.command::<i64>("XLEN", "queue", &[]), 4);
    assert_eq!(enqueue(&mut bench, "4", &["3", "three", "4", "four"]), [0, 0], "all are queued already");
    assert_eq!(enqueue(&mut bench, "5", &["5", "five"]), [0, 1]);
}

#[test]
fn enqueue_drops_what_nobody_waits_for_once() {
    let mut bench = Bench::new();
    assert_eq!(enqueue_or(&mut bench, "1", "1", &["1", "one", "2", "two", "3", "three"]), [2, 1]);
    assert_eq!(enqueue_or(&mut bench, "1", "9", &["1", "one", "2", "two", "3", "three"]), [0, 0]);
    assert_eq!(bench.command::<i64>("XLEN", "queue", &[]), 1);
}

/// The first entry, taken by a consumer.
fn take(bench: &mut Bench) -> String {
    let _: Result<Value, _> =
        redis::cmd("XGROUP").arg(&["CREATE", &bench.key("queue"), "g", "0"]).query(&mut bench.redis);
    let reply: redis::streams::StreamReadReply = redis::cmd("XREADGROUP")
        .arg(&["GROUP", "g", "me", "COUNT", "1", "STREAMS", &bench.key("queue"), ">"])
        .query(&mut bench.redis)
        .unwrap();
    reply.keys[0].ids[0].id.clone()
}

#[test]
fn settle_takes_a_sent_letter_off_once() {
    let mut bench = Bench::new();
    enqueue(&mut bench, "10", &["1", "one"]);
    let entry = take(&mut bench);
    let arguments = ["g", &entry, "sent", "", "10", "60000"];
    assert_eq!(bench.run::<i64>("notifier/settle", &QUEUE, &arguments), 1);
    assert_eq!(bench.run::<i64>("notifier/settle", &QUEUE, &arguments), 0, "somebody else has settled it");
    assert_eq!(bench.command::<i64>("XLEN", "queue", &[]), 0);
    let pending: Vec<Value> = bench.command("XPENDING", "queue", &["g"]);
    assert_eq!(pending[0], Value::Int(0));
}

#[test]
fn settle_lets_a_letter_wait_and_wake_puts_it_back_with_its_age_and_tries() {
    let mut bench = Bench::new();
    enqueue(&mut bench, "10", &["1", "a|b"]);
    let entry = take(&mut bench);
    assert_eq!(bench.run::<i64>("notifier/settle", &QUEUE, &["g", &entry, "later", "50", "10", "60000"]), 1);
    let wake = |bench: &mut Bench| bench.run::<Vec<i64>>("notifier/wake", &QUEUE, &["10"]);
    assert_eq!(wake(&mut bench)[..3], [0, 1, 0], "not yet");
    std::thread::sleep(std::time::Duration::from_millis(60));
    let standing = wake(&mut bench);
    assert_eq!(standing[..3], [1, 1, 0]);
    assert!(standing[3] >= 50, "{standing:?}");
    let entries: redis::streams::StreamRangeReply = bench.command("XRANGE", "queue", &["-", "+"]);
    assert_eq!(entries.ids[0].get::<String>("l").unwrap(), "a|b");
    assert_eq!(entries.ids[0].get::<u32>("n").unwrap(), 1);
    assert_eq!(bench.command::<i64>("ZCARD", "later", &[]), 0);
}

#[test]
fn settle_keeps_what_is_given_up_for_a_while() {
    let mut bench = Bench::new();
    enqueue(&mut bench, "10", &["1", "one"]);
    let entry = take(&mut bench);
    let arguments = ["g", &entry, "dead", "no such address", "10", "60000"];
    assert_eq!(bench.run::<i64>("notifier/settle", &QUEUE, &arguments), 1);
    let dead: redis::streams::StreamRangeReply = bench.command("XRANGE", "dead", &["-", "+"]);
    assert_eq!(dead.ids[0].get::<String>("w").unwrap(), "no such address");
    assert!(bench.command::<i64>("PTTL", "dead", &[]) > 0);
    assert_eq!(bench.run::<Vec<i64>>("notifier/wake", &QUEUE, &["10"])[..3], [0, 0, 1]);
}

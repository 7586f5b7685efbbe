//! Counting clicks that were answered from memory.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Bench;

const KEYS: [&str; 3] = ["link", "events", "tallies"];
const WRITER: &str = "@writer01";

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

/// A link made at 5 ms, and what else it has.
fn link(bench: &mut Bench, fields: &[&str]) {
    let fields: Vec<&str> = [&["u", "https://example.com/", "t", "5"], fields].concat();
    bench.command::<i64>("HSET", "link", &fields);
}

/// `more`: events and tallies, and since when the link is entered and how long that is good.
fn count_with(bench: &mut Bench, positions: [&str; 2], clicks: &str, more: &[&str]) -> i64 {
    let [first, last] = positions;
    let [recorded, entered, good] = [0, 1, 2].map(|index| more.get(index).copied().unwrap_or_default());
    let keys = if recorded.is_empty() { &KEYS[..1] } else { &KEYS };
    let outcomes: Vec<i64> =
        bench.run("shortener/count", keys, &[WRITER, entered, good, recorded, first, last, "5", clicks]);
    assert_eq!(outcomes.len(), 1);
    outcomes[0]
}

fn count(bench: &mut Bench, first: &str, last: &str, clicks: &str) -> i64 {
    count_with(bench, [first, last], clicks, &[])
}

fn counted(bench: &mut Bench) -> (Option<i64>, Option<String>) {
    bench.command("HMGET", "link", &["k", WRITER])
}

#[test]
fn count_adds_each_position_once() {
    let mut bench = Bench::new();
    link(&mut bench, &["k", "7"]);
    assert_eq!(count(&mut bench, "101", "109", "3"), 3);
    assert_eq!(counted(&mut bench), (Some(10), Some("109".to_owned())));
    assert_eq!(count(&mut bench, "101", "109", "3"), 4, "again");
    assert_eq!(count(&mut bench, "101", "105", "2"), 4, "a part of it");
    assert_eq!(count(&mut bench, "105", "112", "4"), 5, "a part of it and more");
    assert_eq!(count(&mut bench, "109", "112", "4"), 5, "its last one and more");
    assert_eq!(counted(&mut bench), (Some(10), Some("109".to_owned())));
    assert_eq!(count(&mut bench, "110", "110", "1"), 3);
    assert_eq!(counted(&mut bench), (Some(11), Some("110".to_owned())));
}

#[test]
fn several_links_are_counted_at_once_whatever_is_wrong_with_one_of_them() {
    let mut bench = Bench::new();
    for key in ["one", "two", "late"] {
        bench.command::<i64>("HSET", key, &["u", "https://example.com/", "t", "5"]);
    }
    bench.command::<String>("SET", "odd", &["1"]);
    bench.command::<i64>("HSET", "two", &["k", "7", "e", "1", "n", "1"]);
    bench.command::<i64>("HSET", "late", &[WRITER, "150"]);
    let keys = ["one", "odd", "gone", "two", "late"];
    let mut arguments = vec![WRITER, "", "", ""];
    for clicks in ["1", "2", "3", "4", "5"] {
        arguments.extend(["101", "109", "5", clicks]);
    }
    let outcomes: Vec<i64> = bench.run("shortener/count", &keys, &arguments);
    assert_eq!(outcomes, [3, 7, 0, 3, 4]);
    assert_eq!(bench.command::<Option<i64>>("HGET", "one", &["k"]), Some(1));
    assert_eq!(bench.command::<Option<i64>>("HGET", "two", &["k"]), Some(11));
    assert_eq!(bench.command::<Option<i64>>("HGET", "two", &["n"]), Some(5));
    assert_eq!(bench.command::<Option<i64>>("HGET", "late", &["k"]), None);
    let again: Vec<i64> = bench.run("shortener/count", &keys, &arguments);
    assert_eq!(again, [4, 7, 0, 4, 4]);
}

#[test]
fn writers_do_not_stand_in_each_others_way() {
    let mut bench = Bench::new();
    link(&mut bench, &["@writer02", "999"]);
    assert_eq!(count(&mut bench, "101", "109", "3"), 3);
    assert_eq!(counted(&mut bench), (Some(3), Some("109".to_owned())));
}

#[test]
fn count_needs_the_link_that_was_clicked() {
    let mut bench = Bench::new();
    assert_eq!(count(&mut bench, "1", "2", "2"), 0, "there is none");
    bench.command::<i64>("HSET", "link", &["x", "1", "o", "u1"]);
    assert_eq!(count(&mut bench, "1", "2", "2"), 0, "a tombstone");
    bench.command::<i64>("HSET", "link", &["u", "https://example.com/", "t", "6"]);
    assert_eq!(count(&mut bench, "1", "2", "2"), 0, "made later");
    assert_eq!(counted(&mut bench), (None, None));
}

#[test]
fn a_new_writer_drops_markers_that_nobody_has_moved_for_a_month() {
    let mut bench = Bench::new();
    link(&mut bench, &["@ancient0", "1000000000000000", "@recent00", "1002000000000000"]);
    assert_eq!(count(&mut bench, "1003000000000000", "1003000000000000", "1"), 3);
    let left: Option<String> = bench.command("HGET", "link", &["@ancient0"]);
    let kept: Option<String> = bench.command("HGET", "link", &["@recent00"]);
    assert_eq!((left, kept.as_deref()), (None, Some("1002000000000000")));
}

#[test]
fn clicks_to_be_told_of_need_an_entry_first() {
    let mut bench = Bench::new();
    link(&mut bench, &["e", "1"]);
    assert_eq!(count(&mut bench, "1", "2", "2"), 2, "never told");
    assert_eq!(counted(&mut bench), (None, None));
    let now = now_ms().to_string();
    assert_eq!(count_with(&mut bench, ["1", "2"], "2", &["", &now, "12000"]), 3);
    assert_eq!(bench.command::<Option<i64>>("HGET", "link", &["n"]), Some(2));
    assert_eq!(count(&mut bench, "3", "3", "1"), 3, "some are untold already");
    bench.command::<i64>("HSET", "link", &["n", "0", "l", "1"]);
    assert_eq!(count(&mut bench, "4", "4", "1"), 1, "told before");
    assert_eq!(count(&mut bench, "3", "3", "1"), 4, "what is counted needs no entry");
}

#[test]
fn count_records_events_with_their_own_time_and_adds_tallies_up() {
    let mut bench = Bench::new();
    link(&mut bench, &["a", "1"]);
    let tallies = r#""tallies_ttl":600,"tallies":["h472222",2,"rnews.example",1,"r",1]"#;
    let all = format!(
        r#"{{"keep":100,"ttl":60,"list":[{{"t":1700000000001,"h":"GET","i":"203.0.113.0","r":"","a":"bot"}},
        {{"t":1700000000002,"h":"HEAD","i":"203.0.113.0","r":"news.example","a":"mobile"}}],{tallies}}}"#
    );
    let alone = format!(r#"{{"keep":100,"ttl":60,"list":[],{tallies}}}"#);
    assert_eq!(count_with(&mut bench, ["1", "2"], "2", &[&all]), 3);
    assert_eq!(count_with(&mut bench, ["1", "2"], "2", &[&all]), 4);
    assert_eq!(count_with(&mut bench, ["3", "3"], "0", &[&alone]), 3, "tallies alone");
    let listed: Vec<(String, Vec<String>)> = bench.command("XRANGE", "events", &["-", "+"]);
    let times: Vec<&str> = listed.iter().map(|(_, fields)| fields[1].as_str()).collect();
    assert_eq!(times, ["1700000000001", "1700000000002"]);
    assert_eq!(
        listed[1].1[2..],
        ["m", "NONE", "s", "1", "h", "HEAD", "i", "203.0.113.0", "r", "news.example", "a", "mobile"]
    );
    let tallied: BTreeMap<String, i64> = bench.command("HGETALL", "tallies", &[]);
    assert_eq!(
        tallied,
        BTreeMap::from([("h472222".into(), 4), ("r".into(), 2), ("rnews.example".into(), 2)])
    );
    assert!((590..=600).contains(&bench.command::<i64>("TTL", "tallies", &[])));
    assert!((50..=60).contains(&bench.command::<i64>("TTL", "events", &[])));
    assert_eq!(counted(&mut bench).0, Some(2));
}

#[test]
fn too_many_tallies_are_said_and_trimmed() {
    let mut bench = Bench::new();
    link(&mut bench, &["a", "1"]);
    let hour = now_ms() / 3_600_000;
    let fields: Vec<String> =
        (0..1_200).map(|number| format!(r#""rh{number:04}.example",{}"#, number + 1)).collect();
    let old = hour - 200;
    let tallies = format!(r#""h{hour}",5,"h{old}",5,"d10",9,"abot",5,"r",3,{}"#, fields.join(","));
    let recorded = format!(r#"{{"keep":100,"ttl":60,"list":[],"tallies_ttl":600,"tallies":[{tallies}]}}"#);
    assert_eq!(count_with(&mut bench, ["1", "2"], "2", &[&recorded]), 6);
    let left: i64 = bench.run("shortener/trim_tallies", &["tallies"], &[]);
    assert_eq!(left, 404, "an hour, a class, no referrer, others, and 400 referrers");
    let largest: Option<i64> = bench.command("HGET", "tallies", &["rh1199.example"]);
    let small: Option<i64> = bench.command("HGET", "tallies", &["rh0799.example"]);
    assert_eq!((largest, small), (Some(1_200), None));
    assert_eq!(bench.command::<i64>("HGET", "tallies", &["o"]), 800 * 801 / 2);
    assert_eq!(bench.command::<Option<i64>>("HGET", "tallies", &[&format!("h{old}")]), None);
    assert_eq!(bench.run::<i64>("shortener/trim_tallies", &["tallies"], &[]), 404, "nothing more to trim");
}

#[test]
fn beats_are_heard_where_changes_are() {
    let mut bench = Bench::new();
    assert_eq!(bench.run::<i64>("shortener/beat", &[], &["changed", "!beat 1"]), 1);
}

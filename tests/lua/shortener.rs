use redis::Value;

use crate::Bench;

const EVENT: &str = r#"{"keep":100,"ttl":3600,"h":"GET","i":"203.0.113.0","r":"news.example","a":"desktop"}"#;

/// A link with all that is deleted with it.
const LINK_KEYS: [&str; 6] = ["link", "events", "tallies", "requests", "asked", "closed"];

/// 0, 1 or 2, as before the time.
fn claim(bench: &mut Bench, owner: &str, fields: &[&str]) -> i64 {
    let arguments: Vec<&str> = [&[owner, "u", "https://example.com/"], fields].concat();
    bench.code("shortener/claim", &["link"], &arguments)
}

fn visit(bench: &mut Bench) -> Value {
    bench.run("shortener/visit", &["link", "events"], &[EVENT, "0", ""])
}

fn unlock(bench: &mut Bench, hash: &str, matched: &str) -> Value {
    bench.run("shortener/unlock", &["link", "events", "link"], &[EVENT, "PASSWORD", hash, matched])
}

fn update(bench: &mut Bench, arguments: &[&str]) -> i64 {
    let arguments = [&arguments[..1], &["changed", "abc"], &arguments[1..]].concat();
    bench.run("shortener/update", &["link", "requests", "asked", "closed"], &arguments)
}

fn clicks(bench: &mut Bench) -> (Option<i64>, Option<i64>) {
    bench.command("HMGET", "link", &["k", "f"])
}

fn url() -> Value {
    Value::BulkString(b"https://example.com/".to_vec())
}

#[test]
fn claim_makes_a_link_once_and_knows_whose_it_is() {
    let mut bench = Bench::new();
    assert_eq!(claim(&mut bench, "u1", &[]), 1);
    assert_eq!(claim(&mut bench, "u2", &[]), 0);
    assert_eq!(claim(&mut bench, "", &[]), 0);
    assert_eq!(claim(&mut bench, "u1", &[]), 2);
    let mut guest = Bench::new();
    assert_eq!(claim(&mut guest, "", &[]), 1);
    assert_eq!(guest.command::<Option<String>>("HGET", "link", &["o"]), None);
    assert_eq!(claim(&mut guest, "u1", &[]), 0);
    assert_eq!(claim(&mut guest, "", &[]), 0, "guests are not each other");
}

#[test]
fn a_tombstone_is_claimed_by_its_owner_alone() {
    let mut bench = Bench::new();
    claim(&mut bench, "u1", &["m", "PASSWORD", "h", "x"]);
    assert_eq!(bench.run::<i64>("shortener/delete", &LINK_KEYS, &["u1", "60", "changed", "abc"]), 2);
    assert_eq!(claim(&mut bench, "u2", &[]), 0);
    assert_eq!(claim(&mut bench, "", &[]), 0);
    assert_eq!(claim(&mut bench, "u1", &[]), 1);
    assert_eq!(bench.command::<i64>("TTL", "link", &[]), -1, "a new link does not lapse with the tombstone");
    assert_eq!(visit(&mut bench), url(), "nothing of the old link is left");
    assert_eq!(bench.command::<Option<String>>("HGET", "link", &["i"]), None);
}

#[test]
fn ids_of_intents_go_on_from_those_of_the_link_that_was_deleted() {
    let mut bench = Bench::new();
    claim(&mut bench, "u1", &["i", "9000000000000000"]);
    for _ in 0..2 {
        assert_eq!(bench.run::<i64>("shortener/delete", &LINK_KEYS, &["u1", "60", "changed", "abc"]), 2);
        let tombstone: std::collections::BTreeMap<String, String> = bench.command("HGETALL", "link", &[]);
        let kept: Vec<_> = tombstone.iter().map(|(field, value)| (field.as_str(), value.as_str())).collect();
        assert_eq!(kept, [("i", "9000000000000000"), ("o", "u1"), ("x", "1")]);
        assert_eq!(claim(&mut bench, "u1", &[]), 1);
        assert_eq!(bench.command::<String>("HGET", "link", &["i"]), "9000000000000000");
    }
}

#[test]
fn visit_counts_and_leads_on() {
    let mut bench = Bench::new();
    assert_eq!(visit(&mut bench), Value::Nil);
    assert_eq!(bench.command::<i64>("EXISTS", "link", &[]), 0, "a missing link is not made by looking");
    claim(&mut bench, "u1", &[]);
    assert_eq!(visit(&mut bench), url());
    assert_eq!(clicks(&mut bench), (Some(1), None));
    assert_eq!(bench.command::<i64>("EXISTS", "events", &[]), 0, "no analytics, no event");
}

#[test]
fn visit_stops_at_a_protected_link_and_counts_the_attempt() {
    let mut bench = Bench::new();
    claim(&mut bench, "u1", &["m", "PASSWORD", "h", "hash", "a", "1"]);
    assert_eq!(visit(&mut bench), Value::Array(vec![Value::BulkString(b"PASSWORD".to_vec())]));
    assert_eq!(clicks(&mut bench), (None, Some(1)));
    assert_eq!(bench.command::<i64>("XLEN", "events", &[]), 1);
    assert!(bench.command::<i64>("TTL", "events", &[]) > 3500);
}

#[test]
fn visit_finds_no_deleted_link() {
    let mut bench = Bench::new();
    claim(&mut bench, "u1", &[]);
    bench.run::<i64>("shortener/delete", &LINK_KEYS, &["u1", "60", "changed", "abc"]);
    assert_eq!(visit(&mut bench), Value::Nil);
    assert_eq!(clicks(&mut bench), (None, None));
}

#[test]
fn unlock_opens_refuses_or_says_that_the_protection_changed() {
    let mut bench = Bench::new();
    assert_eq!(unlock(&mut bench, "hash", "1"), Value::Nil);
    claim(&mut bench, "u1", &["m", "PASSWORD", "h", "hash", "a", "1"]);
    let refused = Value::Array(vec![Value::BulkString(b"PASSWORD".to_vec())]);
    assert_eq!(unlock(&mut bench, "hash", "0"), refused);
    assert_eq!(unlock(&mut bench, "hash", "1"), url());
    assert_eq!(unlock(&mut bench, "older", "1"), Value::Int(3));
    assert_eq!(clicks(&mut bench), (Some(1), Some(1)), "nothing was counted for the changed one");
    assert_eq!(bench.command::<i64>("XLEN", "events", &[]), 2);
    update(&mut bench, &["u1", "m", "", "h", ""]);
    assert_eq!(unlock(&mut bench, "hash", "1"), Value::Int(3), "no longer protected");
}

#[test]
fn update_changes_for_the_owner_and_keeps_protection_whole() {
    let mut bench = Bench::new();
    assert_eq!(update(&mut bench, &["u1", "u", "https://b.example/"]), 0);
    claim(&mut bench, "u1", &[]);
    assert_eq!(update(&mut bench, &["u2", "u", "https://b.example/"]), 1);
    assert_eq!(update(&mut bench, &["u1", "m", "PASSWORD"]), 2);
    assert_eq!(update(&mut bench, &["u1", "h", "hash"]), 3);
    assert_eq!(update(&mut bench, &["u1", "m", "PASSWORD", "h", "hash"]), 5);
    assert_eq!(update(&mut bench, &["u1", "h", "other"]), 5, "a new password for a protected link");
    assert_eq!(update(&mut bench, &["u1", "m", "PASSWORD"]), 5, "it has a password already");
    assert_eq!(update(&mut bench, &["u1", "m", "", "h", ""]), 5);
    assert_eq!(bench.command::<Vec<Option<String>>>("HMGET", "link", &["m", "h"]), [None, None]);
    assert_eq!(bench.command::<String>("HGET", "link", &["u"]), "https://example.com/");
}

#[test]
fn delete_leaves_a_tombstone_that_lapses() {
    let mut bench = Bench::new();
    assert_eq!(bench.run::<i64>("shortener/delete", &LINK_KEYS, &["u1", "60", "changed", "abc"]), 0);
    claim(&mut bench, "u1", &["a", "1"]);
    visit(&mut bench);
    assert_eq!(bench.run::<i64>("shortener/delete", &LINK_KEYS, &["u2", "60", "changed", "abc"]), 1);
    assert_eq!(bench.run::<i64>("shortener/delete", &LINK_KEYS, &["u1", "60", "changed", "abc"]), 2);
    assert_eq!(bench.run::<i64>("shortener/delete", &LINK_KEYS, &["u1", "60", "changed", "abc"]), 0, "twice");
    assert_eq!(bench.command::<i64>("EXISTS", "events", &[]), 0);
    let ttl: i64 = bench.command("TTL", "link", &[]);
    assert!((59..=60).contains(&ttl), "{ttl}");
}

#[test]
fn stats_gives_the_owner_a_slice_newest_first() {
    let mut bench = Bench::new();
    let stats = |bench: &mut Bench, owner: &str, skip: &str, count: &str| {
        bench.run::<Vec<Value>>("shortener/stats", &["link", "events", "tallies"], &[owner, skip, count, "0"])
    };
    assert_eq!(stats(&mut bench, "u1", "0", "10"), [Value::Int(0)]);
    claim(&mut bench, "u1", &["a", "1"]);
    assert_eq!(stats(&mut bench, "u2", "0", "10"), [Value::Int(1)]);
    for _ in 0..5 {
        visit(&mut bench);
    }
    assert_eq!(
        stats(&mut bench, "u1", "5", "10"),
        [Value::Int(2), Value::Int(5), Value::Array(vec![]), Value::Array(vec![])],
        "past the end"
    );
    bench.command::<i64>("HSET", "tallies", &["d1", "5"]);
    let reply: Vec<Value> =
        bench.run("shortener/stats", &["link", "events", "tallies"], &["u1", "0", "1", "1"]);
    let tallies: Vec<String> = redis::from_redis_value(reply[3].clone()).unwrap();
    assert_eq!(tallies, ["d1", "5"]);
    let reply = stats(&mut bench, "u1", "3", "10");
    assert_eq!(reply[..2], [Value::Int(2), Value::Int(5)]);
    let (newer, older): ((String, Vec<String>), (String, Vec<String>)) =
        redis::from_redis_value(reply[2].clone()).unwrap();
    assert!(newer.0 > older.0);
    assert_eq!(
        older.1,
        ["m", "NONE", "s", "1", "h", "GET", "i", "203.0.113.0", "r", "news.example", "a", "desktop"]
    );
}

#[test]
fn index_lists_a_code_once_and_knows_its_bound() {
    let mut bench = Bench::new();
    let index = |bench: &mut Bench, code: &str| bench.run::<u64>("shortener/index", &["links"], &[code, "2"]);
    let first = index(&mut bench, "a");
    assert!(first > 1_700_000_000_000_000, "microseconds: {first}");
    assert!(index(&mut bench, "b") > first);
    assert_eq!(index(&mut bench, "a"), first + 1, "listed anew, in its place");
    assert_eq!(index(&mut bench, "c"), 0);
    assert_eq!(bench.command::<Vec<String>>("ZRANGE", "links", &["0", "-1"]), ["a", "b"]);
}

#[test]
fn unindex_takes_off_the_listing_it_was_told_of_and_no_newer_one() {
    let mut bench = Bench::new();
    let unindex = |bench: &mut Bench, listing: u64| {
        bench.run::<u8>("shortener/unindex", &["links"], &["a", &listing.to_string()])
    };
    assert_eq!(unindex(&mut bench, 1), 0, "not listed");
    let first: u64 = bench.run("shortener/index", &["links"], &["a", "2"]);
    let second: u64 = bench.run("shortener/index", &["links"], &["a", "2"]);
    assert_eq!(unindex(&mut bench, first), 0);
    assert_eq!(unindex(&mut bench, second), 1);
    assert_eq!(bench.command::<i64>("ZCARD", "links", &[]), 0);
}

fn suspend(bench: &mut Bench, owner: &str, generation: &str, as_of_ms: i64) -> i64 {
    bench.run("shortener/suspend", &["link"], &[owner, generation, &as_of_ms.to_string(), "changed", "abc"])
}

#[test]
fn suspend_goes_by_the_newest_generation_of_its_owners_account() {
    let mut bench = Bench::new();
    let now = chrono::Utc::now().timestamp_millis() + 1_000;
    assert_eq!(suspend(&mut bench, "u1", "1", now), 0);
    claim(&mut bench, "u1", &[]);
    assert_eq!(suspend(&mut bench, "u2", "1", now), 0);
    assert_eq!(suspend(&mut bench, "u1", "1", now), 2);
    assert_eq!(visit(&mut bench), Value::Nil);
    assert_eq!(suspend(&mut bench, "u1", "2", now), 2);
    assert_eq!(suspend(&mut bench, "u1", "1", now), 1, "late");
    assert_eq!(suspend(&mut bench, "u1", "2", now), 1, "again");
    assert_eq!(visit(&mut bench), url());
    assert_eq!(clicks(&mut bench), (Some(1), None), "only what was there is counted");
}

#[test]
fn suspend_leaves_alone_what_was_made_after_the_account_was_looked_at() {
    let mut bench = Bench::new();
    claim(&mut bench, "u1", &[]);
    let before = chrono::Utc::now().timestamp_millis() - 60_000;
    assert_eq!(suspend(&mut bench, "u1", "1", before), 1);
    assert_eq!(visit(&mut bench), url());
}

#[test]
fn unlock_opens_no_suspended_link() {
    let mut bench = Bench::new();
    claim(&mut bench, "u1", &["m", "PASSWORD", "h", "x"]);
    suspend(&mut bench, "u1", "1", chrono::Utc::now().timestamp_millis() + 1_000);
    assert_eq!(unlock(&mut bench, "x", "1"), Value::Nil);
    assert_eq!(clicks(&mut bench), (None, None));
}

#[test]
fn purge_removes_a_link_and_keeps_its_code_from_everybody_for_a_while() {
    let mut bench = Bench::new();
    let keys = ["link", "events", "tallies", "requests", "asked", "closed", "notices", "guesses", "mails"];
    assert_eq!(bench.run::<i64>("shortener/purge", &keys, &["u1", "60", "changed", "abc"]), 0);
    claim(&mut bench, "u1", &["a", "1"]);
    visit(&mut bench);
    bench.command::<i64>("HSET", "guesses", &["fails", "1"]);
    assert_eq!(bench.run::<i64>("shortener/purge", &keys, &["u2", "60", "changed", "abc"]), 0);
    assert_eq!(bench.run::<i64>("shortener/purge", &keys, &["u1", "60", "changed", "abc"]), 1);
    let left: Vec<String> = bench.command("HGETALL", "link", &[]);
    assert_eq!(left, ["x", "1"], "nothing says whose it was");
    assert!((1..=60).contains(&bench.command::<i64>("TTL", "link", &[])));
    assert_eq!(bench.command::<i64>("EXISTS", "events", &[]), 0);
    assert_eq!(bench.command::<i64>("EXISTS", "guesses", &[]), 0);
    for owner in ["", "u1", "u2"] {
        assert_eq!(claim(&mut bench, owner, &[]), 0, "{owner}");
    }
    assert_eq!(bench.run::<i64>("shortener/purge", &keys, &["u1", "60", "changed", "abc"]), 0, "again");
}

#[test]
fn turn_away_counts_a_try_and_records_none() {
    let mut bench = Bench::new();
    let turn_away = |bench: &mut Bench| bench.run::<i64>("shortener/turn_away", &["link"], &[]);
    assert_eq!(turn_away(&mut bench), 0);
    assert_eq!(bench.command::<i64>("EXISTS", "link", &[]), 0);
    bench.command::<i64>("HSET", "link", &["u", "https://example.com/", "a", "1"]);
    assert_eq!((turn_away(&mut bench), turn_away(&mut bench)), (1, 1));
    assert_eq!(bench.command::<i64>("HGET", "link", &["f"]), 2);
    bench.command::<i64>("HSET", "link", &["z", "1"]);
    assert_eq!(turn_away(&mut bench), 0, "its owner's account is closed");
    bench.command::<i64>("DEL", "link", &[]);
    bench.command::<i64>("HSET", "link", &["x", "1", "o", "u1"]);
    assert_eq!(turn_away(&mut bench), 0, "deleted");
}

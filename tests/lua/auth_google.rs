//! `lua/auth/link_google`.

use redis::Value;

use crate::Bench;
use crate::auth::{SESSION, SESSION_KEYS, check, open, with_account};

const OUTBOX: [&str; 4] = ["0", "9000000000000", "9", "9"];

fn link(bench: &mut Bench, sub: &str, outbox: [&str; 4]) -> Vec<Value> {
    let arguments = [&[sub, "nobody hears", "sealed"][..], &outbox].concat();
    bench.run("auth/link_google", &["account", "sessions", "notices"], &arguments)
}

fn field(bench: &mut Bench, name: &str) -> Option<String> {
    bench.command("HGET", "account", &[name])
}

/// Ended sessions.
fn linked(bench: &mut Bench, sub: &str) -> i64 {
    let reply = Value::Array(link(bench, sub, OUTBOX));
    let (code, id, notices, ended, now): (i64, u64, Vec<String>, i64, u64) =
        redis::from_redis_value(reply).unwrap();
    assert_eq!((code, notices), (5, vec![format!("{id}|sealed")]));
    assert!(now > 1_000_000);
    ended
}

#[test]
fn link_google_needs_an_account_and_room_for_the_notice() {
    let mut bench = Bench::new();
    assert_eq!(link(&mut bench, "g1", OUTBOX), [Value::Int(0)]);
    assert_eq!(bench.command::<i64>("EXISTS", "account", &[]), 0);
    let mut bench = with_account();
    assert_eq!(link(&mut bench, "g1", ["0", "12000", "9", "9"]), [Value::Int(1)]);
    assert_eq!(link(&mut bench, "g1", ["0", "9000000000000", "0", "9"]), [Value::Int(2)]);
    assert_eq!((field(&mut bench, "google"), field(&mut bench, "verified")), (None, None));
}

#[test]
fn link_google_puts_out_whoever_never_proved_the_address() {
    let mut bench = with_account();
    bench.command::<i64>("HSET", "account", &["password", "hash"]);
    open(&mut bench, "s1");
    assert_eq!(linked(&mut bench, "g1"), 1);
    assert_eq!(field(&mut bench, "google").as_deref(), Some("g1"));
    assert_eq!(field(&mut bench, "password"), None);
    assert!(field(&mut bench, "verified").is_some());
    assert_eq!(check(&mut bench, "s1"), 1);
}

#[test]
fn link_google_leaves_an_account_alone_whose_address_is_proven() {
    let mut bench = with_account();
    bench.command::<i64>("HSET", "account", &["password", "hash", "verified", "7"]);
    open(&mut bench, "s1");
    assert_eq!(linked(&mut bench, "g1"), 0);
    assert_eq!(field(&mut bench, "password").as_deref(), Some("hash"));
    assert_eq!(field(&mut bench, "verified").as_deref(), Some("7"));
    assert_eq!(check(&mut bench, "s1"), 2);
}

#[test]
fn whoever_is_just_registering_gets_no_session_after_the_link() {
    let mut bench = with_account();
    bench.command::<i64>("HSET", "account", &["password", "hash"]);
    assert_eq!(linked(&mut bench, "g1"), 0, "there is no session yet");
    let mut arguments = SESSION;
    arguments[12] = "hash";
    let reply: Vec<Value> = bench.run("auth/open_session", &SESSION_KEYS, &arguments);
    assert_eq!(reply, [Value::Int(0)]);
    assert_eq!(bench.command::<i64>("HLEN", "sessions", &[]), 0);
}

#[test]
fn link_google_links_one_and_says_so_once() {
    let mut bench = with_account();
    linked(&mut bench, "g1");
    assert_eq!(link(&mut bench, "g2", OUTBOX), [Value::Int(3)]);
    assert_eq!(link(&mut bench, "g1", OUTBOX), [Value::Int(4)]);
    assert_eq!(field(&mut bench, "google").as_deref(), Some("g1"));
    assert_eq!(bench.command::<i64>("ZCARD", "notices", &[]), 1);
}

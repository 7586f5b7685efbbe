//! `lua/auth/issue_proof`, `check_proof`, `verify_email`, `reset_password`.

use redis::Value;

use crate::Bench;
use crate::auth::{check, open, with_account};

/// Lease, its limit, notices allowed, notices to return.
const OUTBOX: [&str; 4] = ["0", "9000000000000", "9", "9"];

fn issue(bench: &mut Bench, digest: &str, outbox: [&str; 4]) -> Vec<Value> {
    let arguments = [&[digest, "60000", "3", "sealed"][..], &outbox].concat();
    bench.run("auth/issue_proof", &["account", "proofs", "notices"], &arguments)
}

fn proofs(bench: &mut Bench) -> Vec<String> {
    bench.command("ZRANGE", "proofs", &["0", "-1"])
}

fn age(bench: &mut Bench, digest: &str) {
    bench.command::<i64>("ZADD", "proofs", &["1000", digest]);
}

fn holds(bench: &mut Bench, digest: &str) -> i64 {
    bench.run("auth/check_proof", &["account", "proofs"], &[digest])
}

fn verify(bench: &mut Bench, digest: &str) -> i64 {
    bench.run("auth/verify_email", &["account", "proofs"], &[digest])
}

fn reset(bench: &mut Bench, digest: &str, channel: &str, outbox: [&str; 4]) -> Vec<Value> {
    let arguments = [&[digest, "new hash", channel, "sealed"][..], &outbox].concat();
    bench.run("auth/reset_password", &["account", "sessions", "proofs", "notices"], &arguments)
}

fn verified(bench: &mut Bench) -> Option<i64> {
    bench.command("HGET", "account", &["verified"])
}

#[test]
fn issue_proof_keeps_the_newest_and_leaves_a_notice_each() {
    let mut bench = Bench::new();
    assert_eq!(issue(&mut bench, "a", OUTBOX), [Value::Int(0)]);
    assert_eq!(bench.command::<i64>("EXISTS", "notices", &[]), 0);
    let mut bench = with_account();
    assert_eq!(issue(&mut bench, "a", ["0", "12000", "9", "9"]), [Value::Int(1)], "registered too long ago");
    assert_eq!(issue(&mut bench, "a", ["0", "9000000000000", "0", "9"]), [Value::Int(2)], "too many wait");
    assert!(proofs(&mut bench).is_empty());
    let mut ids = Vec::new();
    for digest in ["a", "b", "c", "d"] {
        let reply = Value::Array(issue(&mut bench, digest, OUTBOX));
        let (code, id, notices): (i64, u64, Vec<String>) = redis::from_redis_value(reply).unwrap();
        assert_eq!((code, notices.last().unwrap()), (3, &format!("{id}|sealed")));
        ids.push(id);
        assert_eq!(notices.len(), ids.len());
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(ids.is_sorted());
    assert_eq!(proofs(&mut bench), ["b", "c", "d"]);
    assert!((1..=60_000).contains(&bench.command::<i64>("PTTL", "proofs", &[])));
    age(&mut bench, "b");
    issue(&mut bench, "e", OUTBOX);
    assert_eq!(proofs(&mut bench), ["c", "d", "e"], "what has ended goes first");
}

#[test]
fn check_proof_takes_nothing() {
    let mut bench = with_account();
    assert_eq!(holds(&mut bench, "a"), 0);
    issue(&mut bench, "a", OUTBOX);
    assert_eq!((holds(&mut bench, "a"), holds(&mut bench, "a"), holds(&mut bench, "b")), (1, 1, 0));
    age(&mut bench, "a");
    assert_eq!(holds(&mut bench, "a"), 0, "it has ended");
    issue(&mut bench, "b", OUTBOX);
    bench.command::<i64>("DEL", "account", &[]);
    assert_eq!(holds(&mut bench, "b"), 0, "the account is gone");
}

#[test]
fn verify_email_takes_a_token_once_and_all_others_with_it() {
    let mut bench = with_account();
    issue(&mut bench, "a", OUTBOX);
    issue(&mut bench, "b", OUTBOX);
    assert_eq!(verify(&mut bench, "x"), 0);
    assert_eq!(verified(&mut bench), None);
    assert_eq!(verify(&mut bench, "a"), 1);
    let at = verified(&mut bench).unwrap();
    assert!(at > 1_000_000);
    assert_eq!((verify(&mut bench, "a"), verify(&mut bench, "b")), (0, 0));
    issue(&mut bench, "c", OUTBOX);
    assert_eq!(verify(&mut bench, "c"), 1);
    assert_eq!(verified(&mut bench), Some(at), "since the first time");
    issue(&mut bench, "d", OUTBOX);
    age(&mut bench, "d");
    assert_eq!(verify(&mut bench, "d"), 0, "it has ended");
    issue(&mut bench, "e", OUTBOX);
    bench.command::<i64>("DEL", "account", &[]);
    assert_eq!(verify(&mut bench, "e"), 0);
    assert_eq!(bench.command::<i64>("EXISTS", "account", &[]), 0, "nothing is written");
}

#[test]
fn reset_password_changes_it_ends_sessions_and_tells() {
    let mut bench = with_account();
    assert_eq!(reset(&mut bench, "a", "nobody hears", OUTBOX), [Value::Int(0)]);
    issue(&mut bench, "a", OUTBOX);
    for (outbox, code) in [(["0", "12000", "9", "9"], 1), (["0", "9000000000000", "1", "9"], 2)] {
        assert_eq!(reset(&mut bench, "a", "nobody hears", outbox), [Value::Int(code)]);
    }
    assert_eq!(holds(&mut bench, "a"), 1, "and nothing has happened");
    open(&mut bench, "s1");
    open(&mut bench, "s2");
    let channel = bench.key("channel");
    let mut listener = crate::support::redis_server::connection();
    listener.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    let mut heard = listener.as_pubsub();
    heard.subscribe(&channel).unwrap();
    let reply = Value::Array(reset(&mut bench, "a", &channel, OUTBOX));
    let (code, id, notices, ended, now): (i64, u64, Vec<String>, i64, u64) =
        redis::from_redis_value(reply).unwrap();
    assert_eq!((code, ended, notices.len()), (3, 2, 2));
    assert!(notices[1].starts_with(&id.to_string()) && now > 1_000_000);
    let told = heard.get_message().unwrap().get_payload::<String>().unwrap();
    assert!(told == "revoked s1 s2" || told == "revoked s2 s1", "{told}");
    assert_eq!(bench.command::<String>("HGET", "account", &["password"]), "new hash");
    assert!(verified(&mut bench).is_some());
    assert_eq!(check(&mut bench, "s1"), 1);
    assert_eq!(reset(&mut bench, "a", "nobody hears", OUTBOX), [Value::Int(0)], "once");
}

#[test]
fn reset_password_takes_no_token_that_has_ended_and_makes_no_account() {
    let mut bench = with_account();
    issue(&mut bench, "a", OUTBOX);
    age(&mut bench, "a");
    assert_eq!(reset(&mut bench, "a", "nobody hears", OUTBOX), [Value::Int(0)]);
    issue(&mut bench, "b", OUTBOX);
    bench.command::<i64>("DEL", "account", &[]);
    assert_eq!(reset(&mut bench, "b", "nobody hears", OUTBOX), [Value::Int(0)]);
    assert_eq!(bench.command::<i64>("EXISTS", "account", &[]), 0);
}

//! What `lua/auth/open_session` remembers of devices, and what it leaves.

use redis::Value;

use crate::Bench;
use crate::auth::{SESSION, SESSION_KEYS, with_account};

/// Opens a session with some arguments changed.
fn open(bench: &mut Bench, changes: &[(usize, &str)]) -> Vec<Value> {
    let mut arguments = SESSION;
    for (place, value) in changes {
        arguments[place - 1] = value;
    }
    bench.run("auth/open_session", &SESSION_KEYS, &arguments)
}

/// The notice that was left.
fn left(bench: &mut Bench, changes: &[(usize, &str)]) -> Option<String> {
    let reply = Value::Array(open(bench, changes));
    let (code, _, _, _, id, notices): (i64, i64, i64, i64, u64, Vec<String>) =
        redis::from_redis_value(reply).unwrap();
    assert_eq!((code, id == 0), (3, notices.is_empty()));
    notices.last().inspect(|notice| assert!(notice.starts_with(&format!("{id}|")))).cloned()
}

fn devices(bench: &mut Bench) -> Vec<String> {
    std::thread::sleep(std::time::Duration::from_millis(2));
    bench.command("ZRANGE", "devices", &["0", "-1"])
}

#[test]
fn the_first_session_is_no_news_and_one_from_another_device_is() {
    let mut bench = with_account();
    assert_eq!(left(&mut bench, &[(8, "d1")]), None);
    assert_eq!(left(&mut bench, &[(8, "d1")]), None);
    assert!(left(&mut bench, &[(8, "d2")]).unwrap().ends_with("|sealed"));
    assert_eq!(left(&mut bench, &[(8, "d1")]), None);
    assert_eq!(left(&mut bench, &[(8, "d2")]), None);
}

#[test]
fn the_newest_devices_are_remembered_and_for_a_while() {
    let mut bench = with_account();
    for device in ["d1", "d2", "d3"] {
        left(&mut bench, &[(8, device)]);
        devices(&mut bench);
    }
    assert_eq!(devices(&mut bench), ["d2", "d3"]);
    assert!((1..=60_000).contains(&bench.command::<i64>("PTTL", "devices", &[])));
    assert!(left(&mut bench, &[(8, "d1")]).is_some(), "forgotten");
    bench.command::<i64>("ZADD", "devices", &["1000", "d1"]);
    assert!(left(&mut bench, &[(8, "d1")]).is_some(), "too long ago");
    bench.command::<i64>("DEL", "devices", &[]);
    assert!(left(&mut bench, &[(8, "d1")]).is_some(), "an account that has been here is never new");
}

#[test]
fn a_token_to_verify_the_address_is_kept_and_its_notice_left() {
    let mut bench = with_account();
    assert!(left(&mut bench, &[(11, "digest"), (12, "5000")]).unwrap().ends_with("|sealed"));
    assert_eq!(bench.command::<Vec<String>>("ZRANGE", "proofs", &["0", "-1"]), ["digest"]);
    assert!((1..=5000).contains(&bench.command::<i64>("PTTL", "proofs", &[])));
    let verified: i64 = bench.run("auth/verify_email", &["account", "proofs"], &["digest"]);
    assert_eq!(verified, 1);
}

#[test]
fn no_session_opens_when_its_notice_cannot_be_left() {
    let mut bench = with_account();
    for (changes, code) in [(&[(11, "digest"), (16, "12000")][..], 1), (&[(11, "digest"), (17, "0")], 2)] {
        assert_eq!(open(&mut bench, changes), [Value::Int(code)]);
    }
    assert_eq!(left(&mut bench, &[(16, "12000"), (17, "0")]), None, "nothing to leave");
    for (changes, code) in [(&[(8, "d2"), (16, "12000")][..], 1), (&[(8, "d2"), (17, "0")], 2)] {
        assert_eq!(open(&mut bench, changes), [Value::Int(code)]);
    }
    assert_eq!(devices(&mut bench), ["device"], "and the device stays news");
    assert_eq!(bench.command::<i64>("HLEN", "sessions", &[]), 1);
}

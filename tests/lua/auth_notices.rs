//! Ids of the notices that an account's scripts leave.

use redis::Value;

use crate::Bench;
use crate::auth::with_account;

/// Lease, its limit, notices allowed, notices to return.
const OUTBOX: [&str; 4] = ["0", "9000000000000", "9", "9"];
/// Microseconds that no clock says yet.
const EARLY: u64 = 4_000_000_000_000_000;

/// Runs a script with a notice at the end of its arguments; returns the only one that waits now.
fn leave(bench: &mut Bench, script: &str, keys: &[&str], arguments: &[&str]) -> String {
    let arguments = [arguments, &["sealed"], &OUTBOX].concat();
    let _reply: Vec<Value> = bench.run(&format!("auth/{script}"), keys, &arguments);
    let [notice] = bench.command::<Vec<String>>("ZRANGE", "notices", &["0", "-1"]).try_into().expect(script);
    notice
}

/// Every script that leaves a notice, each of which can run after the one before.
fn leave_all(bench: &mut Bench, mut left: impl FnMut(&mut Bench, &str, String)) {
    let issue = ["account", "proofs", "notices"];
    let session = ["account", "sessions", "devices", "proofs", "notices"];
    let open =
        ["s1", "j1", "::1", "agent", "60000", "9", "nobody", "device", "60000", "9", "proof", "60000", ""];
    let reset = ["account", "sessions", "proofs", "notices"];
    let link = ["account", "sessions", "notices"];
    for (script, keys, arguments) in [
        ("issue_proof", &issue[..], &["token", "60000", "3"][..]),
        ("reset_password", &reset, &["token", "hash", "nobody"]),
        ("open_session", &session, &open),
        ("link_google", &link, &["g1", "nobody"]),
        ("close_account", &link, &["60000", "nobody", "0", "1"]),
        ("recover_account", &["account", "notices"], &["0"]),
    ] {
        let notice = leave(bench, script, keys, arguments);
        left(bench, script, notice);
    }
}

#[test]
fn ids_rise_from_one_script_to_the_next_even_if_nothing_waits_and_the_clock_goes_back() {
    let mut bench = with_account();
    bench.command::<i64>("HSET", "account", &["i", &EARLY.to_string()]);
    let mut last = EARLY;
    leave_all(&mut bench, |bench, script, notice| {
        last += 1;
        assert_eq!(notice, format!("{last}|sealed"), "{script}");
        assert_eq!(bench.command::<u64>("HGET", "account", &["i"]), last, "{script}");
        bench.command::<i64>("DEL", "notices", &[]);
    });
}

#[test]
fn ids_are_the_time_when_the_last_one_was_earlier() {
    let mut bench = with_account();
    leave_all(&mut bench, |bench, script, notice| {
        let id: u64 = notice.split('|').next().unwrap().parse().unwrap();
        let now = u64::try_from(chrono::Utc::now().timestamp_micros()).unwrap();
        assert!(now.abs_diff(id) < 10_000_000, "{script}: {id}");
        assert_eq!(bench.command::<u64>("HGET", "account", &["i"]), id, "{script}");
        bench.command::<i64>("DEL", "notices", &[]);
    });
}

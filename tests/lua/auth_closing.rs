//! `lua/auth/close_account.lua`, `recover_account.lua`, `take_account.lua`, and `open_session.lua` of a closed account.

use redis::Value;

use crate::Bench;

const CLOSE: [&str; 3] = ["account", "sessions", "notices"];

fn with_account() -> Bench {
    let mut bench = Bench::new();
    assert!(bench.run::<i64>("auth/create_account", &["account"], &["60000", "email", "a@example.com"]) > 0);
    assert_eq!(open(&mut bench), 3);
    bench
}

fn open(bench: &mut Bench) -> i64 {
    let lease = ago(0);
    let arguments = [
        "s1",
        "j1",
        "127.0.0.1",
        "agent",
        "60000",
        "3",
        "nobody hears",
        "device",
        "60000",
        "9",
        "",
        "0",
        "",
        "sealed",
        &lease,
        "12000",
        "10",
        "16",
    ];
    bench.code("auth/open_session", &["account", "sessions", "devices", "proofs", "news"], &arguments)
}

fn ago(ms: i64) -> String {
    (chrono::Utc::now().timestamp_millis() - ms).to_string()
}

/// `ages` are those of the two leases, in ms.
fn close_with(bench: &mut Bench, recovery: &str, tells: &str, ages: [i64; 2], waiting: &str) -> Vec<Value> {
    let [entered, lease] = ages.map(ago);
    let arguments = [recovery, "nobody hears", &entered, tells, "sealed", &lease, "12000", waiting, "16"];
    bench.run("auth/close_account", &CLOSE, &arguments)
}

fn close(bench: &mut Bench, recovery: &str) {
    assert_eq!(close_with(bench, recovery, "1", [0, 0], "10").len(), 4);
}

fn recover(bench: &mut Bench, ages: [i64; 2], waiting: &str) -> Vec<Value> {
    let [entered, lease] = ages.map(ago);
    let arguments = [&entered, "sealed back", &lease, "12000", waiting, "16"];
    bench.run("auth/recover_account", &["account", "notices"], &arguments)
}

fn take(bench: &mut Bench) -> i64 {
    bench.run("auth/take_account", &["account"], &[])
}

fn generation(bench: &mut Bench) -> Option<u64> {
    bench.command("HGET", "account", &["gen"])
}

#[test]
fn close_account_ends_its_sessions_and_leaves_the_notice() {
    let mut bench = with_account();
    let reply = close_with(&mut bench, "60000", "1", [0, 0], "10");
    let (code, at_us, id, notices): (u8, i64, u64, Vec<String>) =
        redis::from_redis_value(Value::Array(reply)).unwrap();
    assert_eq!((code, notices), (4, vec![format!("{id}|sealed")]));
    assert!(at_us > 1_700_000_000_000_000);
    assert_eq!(bench.command::<i64>("EXISTS", "sessions", &[]), 0);
    assert_eq!(generation(&mut bench), Some(1));
    let until: i64 = bench.command("HGET", "account", &["until"]);
    assert!((until - at_us / 1000 - 60_000).abs() <= 1, "{until}");
    assert_eq!(bench.run::<i64>("auth/check_session", &["account", "sessions"], &["s1"]), 1);
}

#[test]
fn close_account_tells_its_sockets() {
    let mut bench = with_account();
    let channel = bench.key("channel");
    let mut listener = crate::support::redis_server::connection();
    listener.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    let mut heard = listener.as_pubsub();
    heard.subscribe(&channel).unwrap();
    let arguments = ["60000", &channel, &ago(0), "0", "", &ago(0), "12000", "10", "16"];
    bench.run::<Vec<Value>>("auth/close_account", &CLOSE, &arguments);
    assert_eq!(heard.get_message().unwrap().get_payload::<String>().unwrap(), "revoked s1");
}

#[test]
fn close_account_leaves_no_notice_for_who_has_no_address() {
    let mut bench = with_account();
    let reply = close_with(&mut bench, "60000", "0", [0, 0], "0");
    assert_eq!(
        (&reply[0], &reply[2], &reply[3]),
        (&Value::Int(4), &Value::Int(0), &Value::Array(Vec::new()))
    );
    assert_eq!(bench.command::<i64>("EXISTS", "notices", &[]), 0);
}

#[test]
fn close_account_refuses_what_is_gone_closed_late_or_crowded() {
    let mut bench = Bench::new();
    assert_eq!(close_with(&mut bench, "60000", "1", [0, 0], "10"), [Value::Int(0)]);
    let mut bench = with_account();
    for ages in [[20_000, 0], [0, 20_000]] {
        assert_eq!(close_with(&mut bench, "60000", "1", ages, "10"), [Value::Int(1)]);
    }
    assert_eq!(close_with(&mut bench, "60000", "1", [0, 0], "0"), [Value::Int(2)]);
    assert_eq!(generation(&mut bench), None);
    assert_eq!(open(&mut bench), 3, "nothing has happened");
    close(&mut bench, "60000");
    assert_eq!(close_with(&mut bench, "60000", "1", [0, 0], "10"), [Value::Int(3)]);
    assert_eq!(generation(&mut bench), Some(1));
}

#[test]
fn open_session_opens_none_of_a_closed_account() {
    let mut bench = with_account();
    close(&mut bench, "60000");
    assert_eq!(open(&mut bench), 4);
    assert_eq!(bench.command::<i64>("EXISTS", "sessions", &[]), 0);
}

#[test]
fn recover_account_opens_it_and_leaves_the_notice() {
    let mut bench = with_account();
    close(&mut bench, "60000");
    let reply = recover(&mut bench, [0, 0], "10");
    let (code, id, notices): (u8, u64, Vec<String>) = redis::from_redis_value(Value::Array(reply)).unwrap();
    assert_eq!((code, notices.len()), (4, 2));
    assert_eq!(notices[1], format!("{id}|sealed back"));
    assert_eq!(generation(&mut bench), Some(2));
    assert_eq!(bench.command::<Option<i64>>("HGET", "account", &["until"]), None);
    assert_eq!(open(&mut bench), 3);
    close(&mut bench, "60000");
    assert_eq!(generation(&mut bench), Some(3));
}

#[test]
fn recover_account_refuses_what_is_gone_open_late_or_crowded() {
    let mut bench = Bench::new();
    assert_eq!(recover(&mut bench, [0, 0], "10"), [Value::Int(0)]);
    let mut bench = with_account();
    assert_eq!(recover(&mut bench, [0, 0], "10"), [Value::Int(3)]);
    close(&mut bench, "60000");
    for ages in [[20_000, 0], [0, 20_000]] {
        assert_eq!(recover(&mut bench, ages, "10"), [Value::Int(1)]);
    }
    assert_eq!(recover(&mut bench, [0, 0], "1"), [Value::Int(2)]);
    assert_eq!(generation(&mut bench), Some(1));
    bench.command::<i64>("HSET", "account", &["until", &ago(1)]);
    assert_eq!(recover(&mut bench, [0, 0], "10"), [Value::Int(0)], "too late");
}

#[test]
fn take_account_takes_what_nobody_can_bring_back_any_more() {
    let mut bench = Bench::new();
    assert_eq!(take(&mut bench), 0);
    let mut bench = with_account();
    assert_eq!(take(&mut bench), 1);
    close(&mut bench, "60000");
    assert_eq!(take(&mut bench), 2);
    bench.command::<i64>("HSET", "account", &["until", &ago(1)]);
    assert_eq!((take(&mut bench), take(&mut bench)), (3, 3));
    // Whatever the time says.
    bench.command::<i64>("HSET", "account", &["until", &ago(-60_000)]);
    assert_eq!(recover(&mut bench, [0, 0], "10"), [Value::Int(0)]);
    assert_eq!(open(&mut bench), 4);
}

use redis::Value;

use crate::Bench;

pub const SESSION: [&str; 18] = [
    "s1",
    "j1",
    "127.0.0.1",
    "agent",
    "60000",
    "3",
    "nobody hears",
    "device",
    "60000",
    "2",
    "",
    "0",
    "",
    "sealed",
    "0",
    "9000000000000",
    "9",
    "9",
];
/// What `auth/open_session` touches.
pub const SESSION_KEYS: [&str; 5] = ["account", "sessions", "devices", "proofs", "notices"];

fn create(bench: &mut Bench, email: &str) -> i64 {
    bench.run("auth/create_account", &["account"], &["60000", "email", email])
}

pub fn with_account() -> Bench {
    let mut bench = Bench::new();
    assert!(create(&mut bench, "a@example.com") > 0);
    bench
}

pub fn open(bench: &mut Bench, id: &str) -> i64 {
    let mut arguments = SESSION;
    arguments[0] = id;
    bench.code("auth/open_session", &SESSION_KEYS, &arguments)
}

fn rotate(bench: &mut Bench, generation: &str, jti: &str, grace: &str) -> Vec<Value> {
    bench.run(
        "auth/rotate_session",
        &["account", "sessions"],
        &["s1", generation, jti, grace, "60000", "nobody hears"],
    )
}

pub fn check(bench: &mut Bench, id: &str) -> i64 {
    bench.run("auth/check_session", &["account", "sessions"], &[id])
}

fn claim(bench: &mut Bench, id: &str) -> Option<(String, i64)> {
    let reply: Vec<Value> = bench.run("auth/claim", &["name"], &[id, "60000"]);
    match reply.len() {
        1 => None,
        _ => Some(redis::from_redis_value::<(i64, String, i64)>(Value::Array(reply)).unwrap())
            .map(|(_, claim, ttl)| (claim, ttl)),
    }
}

fn confirm(bench: &mut Bench, id: &str) -> Option<String> {
    bench.run("auth/confirm_claim", &["name"], &[id])
}

fn release(bench: &mut Bench, seen: &str) -> i64 {
    bench.run("auth/release_claim", &["name"], &[seen])
}

#[test]
fn claim_gives_a_name_to_the_first_and_says_who_has_it() {
    let mut bench = Bench::new();
    assert_eq!(claim(&mut bench, "u1"), None);
    let (held, ttl) = claim(&mut bench, "u2").unwrap();
    assert_eq!(held, "u1");
    assert!((1..=60_000).contains(&ttl), "unconfirmed: {ttl}");
    let confirmed = confirm(&mut bench, "u1").unwrap();
    assert_eq!(claim(&mut bench, "u2"), Some((confirmed, -1)), "confirmed");
    assert!(claim(&mut bench, "u").is_some(), "the beginning of an id is none");
}

#[test]
fn claim_of_ones_own_name_keeps_it_as_it_is() {
    let mut bench = Bench::new();
    claim(&mut bench, "u1");
    bench.command::<i64>("PEXPIRE", "name", &["10"]);
    assert_eq!(claim(&mut bench, "u1"), None);
    assert!(bench.command::<i64>("PTTL", "name", &[]) > 10_000, "it lasts as long as a new one");
    let confirmed = confirm(&mut bench, "u1").unwrap();
    assert_eq!(claim(&mut bench, "u1"), None);
    assert_eq!(bench.command::<String>("GET", "name", &[]), confirmed);
    assert_eq!(bench.command::<i64>("PTTL", "name", &[]), -1);
}

#[test]
fn confirm_claim_keeps_ones_own_and_nobody_elses() {
    let mut bench = Bench::new();
    assert_eq!(confirm(&mut bench, "u1"), None, "lapsed");
    claim(&mut bench, "u1");
    assert_eq!(confirm(&mut bench, "u2"), None);
    let first = confirm(&mut bench, "u1").unwrap();
    assert!(first.starts_with("u1:"));
    assert_eq!(bench.command::<i64>("TTL", "name", &[]), -1);
    let second = confirm(&mut bench, "u1").unwrap();
    assert_ne!(first, second, "whoever saw the first cannot release the second");
    assert_eq!(release(&mut bench, &first), 0);
}

#[test]
fn release_claim_gives_back_what_was_seen_and_nothing_else() {
    let mut bench = Bench::new();
    claim(&mut bench, "u1");
    assert_eq!(release(&mut bench, "u2"), 0);
    assert_eq!(release(&mut bench, "u1"), 1);
    assert_eq!(release(&mut bench, "u1"), 0);
    claim(&mut bench, "u1");
    let confirmed = confirm(&mut bench, "u1").unwrap();
    assert_eq!(release(&mut bench, "u"), 0);
    assert_eq!(release(&mut bench, &confirmed), 1);
    claim(&mut bench, "u1");
    confirm(&mut bench, "u1");
    assert_eq!(release(&mut bench, "u1"), 1, "whatever claim of that user");
}

#[test]
fn create_account_writes_once_and_lapses_unless_confirmed() {
    let mut bench = with_account();
    assert_eq!(create(&mut bench, "b@example.com"), 0);
    assert_eq!(bench.command::<String>("HGET", "account", &["email"]), "a@example.com");
    assert!(bench.command::<i64>("PTTL", "account", &[]) > 0);
    assert_eq!(open(&mut bench, "s1"), 3);
    assert_eq!(bench.command::<i64>("PTTL", "account", &[]), -1);
}

#[test]
fn create_account_writes_the_time_where_a_value_is_empty() {
    let mut bench = Bench::new();
    let arguments = ["60000", "email", "a@example.com", "verified", ""];
    let made: i64 = bench.run("auth/create_account", &["account"], &arguments);
    for field in ["created", "verified"] {
        assert_eq!(bench.command::<i64>("HGET", "account", &[field]), made, "{field}");
    }
}

#[test]
fn open_session_needs_an_account_and_pushes_the_oldest_out() {
    let mut bench = Bench::new();
    assert_eq!(open(&mut bench, "s1"), 0);
    let mut bench = with_account();
    for id in ["s1", "s2", "s3", "s4"] {
        assert_eq!(open(&mut bench, id), 3);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let mut left: Vec<String> = bench.command("HKEYS", "sessions", &[]);
    left.sort();
    assert_eq!(left, ["s2", "s3", "s4"]);
    assert!(bench.command::<i64>("PTTL", "sessions", &[]) > 0);
}

#[test]
fn open_session_wants_the_password_that_the_account_has_by_now() {
    let mut bench = with_account();
    bench.command::<i64>("HSET", "account", &["password", "hash"]);
    for (hash, code) in [("hash", 3), ("old hash", 0), ("", 3)] {
        let mut arguments = SESSION;
        arguments[12] = hash;
        assert_eq!(bench.code("auth/open_session", &SESSION_KEYS, &arguments), code, "{hash}");
    }
    bench.command::<i64>("HDEL", "account", &["password"]);
    let mut arguments = SESSION;
    arguments[12] = "hash";
    assert_eq!(bench.code("auth/open_session", &SESSION_KEYS, &arguments), 0);
}

#[test]
fn check_session_tells_gone_ended_and_alive_apart() {
    let mut bench = Bench::new();
    assert_eq!(check(&mut bench, "s1"), 0);
    let mut bench = with_account();
    assert_eq!(check(&mut bench, "s1"), 1);
    open(&mut bench, "s1");
    assert_eq!(check(&mut bench, "s1"), 2);
    let mut arguments = SESSION;
    arguments[4] = "1";
    arguments[0] = "s2";
    bench.code("auth/open_session", &SESSION_KEYS, &arguments);
    open(&mut bench, "s3");
    std::thread::sleep(std::time::Duration::from_millis(5));
    assert_eq!(check(&mut bench, "s2"), 1, "expired");
    assert_eq!(bench.command::<i64>("HEXISTS", "sessions", &["s2"]), 0);
}

#[test]
fn check_session_notes_its_use_once_a_minute() {
    let mut bench = with_account();
    open(&mut bench, "s1");
    let fresh: String = bench.command("HGET", "sessions", &["s1"]);
    assert_eq!(check(&mut bench, "s1"), 2);
    assert_eq!(bench.command::<String>("HGET", "sessions", &["s1"]), fresh);
    let mut session: serde_json::Value = serde_json::from_str(&fresh).unwrap();
    session["seen"] = 1000.into();
    bench.command::<i64>("HSET", "sessions", &["s1", &session.to_string()]);
    let (secs, micros): (i64, i64) = redis::cmd("TIME").query(&mut bench.redis).unwrap();
    let noted_us = check(&mut bench, "s1");
    assert!((0..5_000_000).contains(&(noted_us - secs * 1_000_000 - micros)), "{noted_us}");
    assert_eq!(check(&mut bench, "s1"), 2, "once");
    let noted: serde_json::Value =
        serde_json::from_str(&bench.command::<String>("HGET", "sessions", &["s1"])).unwrap();
    assert!(noted["seen"].as_i64().unwrap() > 1_000_000);
    assert_eq!(noted["gen"], 1, "nothing else changes");
}

#[test]
fn rotate_session_rotates_repeats_and_detects_reuse() {
    let mut bench = Bench::new();
    assert_eq!(rotate(&mut bench, "1", "j2", "10000"), [Value::Int(0)]);
    let mut bench = with_account();
    assert_eq!(rotate(&mut bench, "1", "j2", "10000"), [Value::Int(1)]);
    open(&mut bench, "s1");
    open(&mut bench, "s2");
    let rotated = rotate(&mut bench, "1", "j2", "10000");
    assert_eq!(rotated[..2], [Value::Int(2), Value::Int(2)]);
    assert_eq!(rotated[2], Value::BulkString(b"j2".to_vec()));
    let repeated = rotate(&mut bench, "1", "j3", "10000");
    assert_eq!(repeated[0], Value::Int(3));
    assert_eq!(repeated[1..], rotated[1..], "the token that is current already");
    std::thread::sleep(std::time::Duration::from_millis(5));
    let reused = rotate(&mut bench, "1", "j3", "1");
    assert_eq!(reused[..2], [Value::Int(4), Value::Int(1)], "one session is left");
    assert!(matches!(reused[2], Value::Int(now) if now > 1_000_000));
    assert_eq!(check(&mut bench, "s1"), 1, "the session has ended");
}

#[test]
fn rotate_session_takes_no_generation_from_the_future_or_two_steps_back() {
    for (steps, presented) in [(0, "2"), (2, "1")] {
        let mut bench = with_account();
        open(&mut bench, "s1");
        for step in 1..=steps {
            rotate(&mut bench, &step.to_string(), "j", "10000");
        }
        let reused = rotate(&mut bench, presented, "j9", "10000");
        assert_eq!(reused[..2], [Value::Int(4), Value::Int(0)], "none is left");
    }
}

#[test]
fn end_sessions_ends_one_or_all_and_counts_the_live() {
    let mut bench = with_account();
    for id in ["s1", "s2", "s3"] {
        open(&mut bench, id);
    }
    let end = |bench: &mut Bench, which: &str| {
        let (ended, left, now): (i64, i64, i64) =
            bench.run("auth/end_sessions", &["sessions"], &[which, "nobody hears"]);
        assert!(now > 1_000_000);
        (ended, left)
    };
    assert_eq!(end(&mut bench, "nobody"), (0, 3));
    assert_eq!(end(&mut bench, "s1"), (1, 2));
    let expired =
        bench.command::<String>("HGET", "sessions", &["s2"]).replace("\"exp\":", "\"exp\":1,\"old\":");
    bench.command::<i64>("HSET", "sessions", &["s2", &expired]);
    assert_eq!(end(&mut bench, "s3"), (1, 0), "an expired session is none");
    open(&mut bench, "s4");
    open(&mut bench, "s5");
    assert_eq!(end(&mut bench, "*"), (2, 0));
}

#[test]
fn sessions_that_are_ended_are_told_on_the_users_channel() {
    let mut bench = with_account();
    let channel = bench.key("channel");
    let mut listener = crate::support::redis_server::connection();
    listener.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    let mut heard = listener.as_pubsub();
    heard.subscribe(&channel).unwrap();
    let mut next = || heard.get_message().unwrap().get_payload::<String>().unwrap();

    let sessions = ["s1", "s2", "s3", "s4"];
    for id in sessions {
        let mut arguments = SESSION;
        (arguments[0], arguments[6]) = (id, &channel);
        bench.code("auth/open_session", &SESSION_KEYS, &arguments);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert_eq!(next(), "revoked s1", "pushed out");
    let arguments = ["s2", "7", "j", "10000", "60000", &channel];
    bench.run::<Vec<Value>>("auth/rotate_session", &["account", "sessions"], &arguments);
    assert_eq!(next(), "revoked s2", "reused");
    bench.run::<Vec<Value>>("auth/end_sessions", &["sessions"], &["none", &channel]);
    bench.run::<Vec<Value>>("auth/end_sessions", &["sessions"], &["*", &channel]);
    let told = next();
    assert!(told == "revoked s3 s4" || told == "revoked s4 s3", "{told}");
}

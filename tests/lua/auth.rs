use redis::Value;

use crate::Bench;

const SESSION: [&str; 7] = ["s1", "j1", "127.0.0.1", "agent", "60000", "3", "1"];

fn with_account() -> Bench {
    let mut bench = Bench::new();
    assert_eq!(
        bench.run::<i64>("auth/create_account", &["account"], &["60000", "email", "a@example.com"]),
        1
    );
    bench
}

fn open(bench: &mut Bench, id: &str) -> i64 {
    let mut arguments = SESSION;
    arguments[0] = id;
    bench.code("auth/open_session", &["account", "sessions"], &arguments)
}

fn rotate(bench: &mut Bench, generation: &str, jti: &str, grace: &str) -> Vec<Value> {
    bench.run("auth/rotate_session", &["account", "sessions"], &["s1", generation, jti, grace, "60000"])
}

fn check(bench: &mut Bench, id: &str) -> i64 {
    bench.run("auth/check_session", &["account", "sessions"], &[id])
}

#[test]
fn claim_gives_a_name_to_the_first_and_says_who_has_it() {
    let mut bench = Bench::new();
    assert_eq!(bench.code("auth/claim", &["name"], &["u1", "60000"]), 1);
    let (code, holder, ttl): (i64, String, i64) = bench.run("auth/claim", &["name"], &["u2", "60000"]);
    assert_eq!((code, holder.as_str()), (0, "u1"));
    assert!((1..=60_000).contains(&ttl), "unconfirmed: {ttl}");
    bench.run::<i64>("auth/confirm_claim", &["name"], &["u1"]);
    let (_, _, ttl): (i64, String, i64) = bench.run("auth/claim", &["name"], &["u2", "60000"]);
    assert_eq!(ttl, -1, "confirmed");
}

#[test]
fn confirm_claim_keeps_ones_own_and_nobody_elses() {
    let mut bench = Bench::new();
    assert_eq!(bench.run::<i64>("auth/confirm_claim", &["name"], &["u1"]), 0, "lapsed");
    bench.code("auth/claim", &["name"], &["u1", "60000"]);
    assert_eq!(bench.run::<i64>("auth/confirm_claim", &["name"], &["u2"]), 0);
    assert_eq!(bench.run::<i64>("auth/confirm_claim", &["name"], &["u1"]), 1);
    assert_eq!(bench.run::<i64>("auth/confirm_claim", &["name"], &["u1"]), 1, "again");
    assert_eq!(bench.command::<i64>("TTL", "name", &[]), -1);
}

#[test]
fn release_claim_gives_back_ones_own_and_nobody_elses() {
    let mut bench = Bench::new();
    bench.code("auth/claim", &["name"], &["u1", "60000"]);
    assert_eq!(bench.run::<i64>("auth/release_claim", &["name"], &["u2"]), 0);
    assert_eq!(bench.run::<i64>("auth/release_claim", &["name"], &["u1"]), 1);
    assert_eq!(bench.run::<i64>("auth/release_claim", &["name"], &["u1"]), 0);
}

#[test]
fn create_account_writes_once_and_lapses_unless_confirmed() {
    let mut bench = with_account();
    assert_eq!(
        bench.run::<i64>("auth/create_account", &["account"], &["60000", "email", "b@example.com"]),
        0
    );
    assert_eq!(bench.command::<String>("HGET", "account", &["email"]), "a@example.com");
    assert!(bench.command::<i64>("PTTL", "account", &[]) > 0);
    assert_eq!(open(&mut bench, "s1"), 1);
    assert_eq!(bench.command::<i64>("PTTL", "account", &[]), -1);
}

#[test]
fn open_session_needs_an_account_and_pushes_the_oldest_out() {
    let mut bench = Bench::new();
    assert_eq!(open(&mut bench, "s1"), 0);
    let mut bench = with_account();
    for id in ["s1", "s2", "s3", "s4"] {
        assert_eq!(open(&mut bench, id), 1);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let mut left: Vec<String> = bench.command("HKEYS", "sessions", &[]);
    left.sort();
    assert_eq!(left, ["s2", "s3", "s4"]);
    assert_eq!(bench.command::<String>("HGET", "account", &["online"]), "1");
    assert!(bench.command::<i64>("PTTL", "sessions", &[]) > 0);
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
    bench.code("auth/open_session", &["account", "sessions"], &arguments);
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
    check(&mut bench, "s1");
    assert_eq!(bench.command::<String>("HGET", "sessions", &["s1"]), fresh);
    let mut session: serde_json::Value = serde_json::from_str(&fresh).unwrap();
    session["seen"] = 1000.into();
    bench.command::<i64>("HSET", "sessions", &["s1", &session.to_string()]);
    check(&mut bench, "s1");
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
    let rotated = rotate(&mut bench, "1", "j2", "10000");
    assert_eq!(rotated[..2], [Value::Int(2), Value::Int(2)]);
    assert_eq!(rotated[2], Value::BulkString(b"j2".to_vec()));
    let repeated = rotate(&mut bench, "1", "j3", "10000");
    assert_eq!(repeated[0], Value::Int(3));
    assert_eq!(repeated[1..], rotated[1..], "the token that is current already");
    std::thread::sleep(std::time::Duration::from_millis(5));
    assert_eq!(rotate(&mut bench, "1", "j3", "1"), [Value::Int(4)]);
    assert_eq!(check(&mut bench, "s1"), 1, "the session has ended");
    assert_eq!(bench.command::<String>("HGET", "account", &["online"]), "0");
}

#[test]
fn rotate_session_takes_no_generation_from_the_future_or_two_steps_back() {
    for (steps, presented) in [(0, "2"), (2, "1")] {
        let mut bench = with_account();
        open(&mut bench, "s1");
        for step in 1..=steps {
            rotate(&mut bench, &step.to_string(), "j", "10000");
        }
        assert_eq!(rotate(&mut bench, presented, "j9", "10000"), [Value::Int(4)]);
    }
}

#[test]
fn end_sessions_ends_one_or_all_and_counts_the_live() {
    let mut bench = with_account();
    for id in ["s1", "s2", "s3"] {
        open(&mut bench, id);
    }
    let end = |bench: &mut Bench, which: &str| {
        bench.run::<(i64, i64)>("auth/end_sessions", &["account", "sessions"], &[which])
    };
    assert_eq!(end(&mut bench, "nobody"), (0, 3));
    assert_eq!(end(&mut bench, "s1"), (1, 2));
    assert_eq!(bench.command::<String>("HGET", "account", &["online"]), "1");
    let expired =
        bench.command::<String>("HGET", "sessions", &["s2"]).replace("\"exp\":", "\"exp\":1,\"old\":");
    bench.command::<i64>("HSET", "sessions", &["s2", &expired]);
    assert_eq!(end(&mut bench, "s3"), (1, 0), "an expired session is none");
    assert_eq!(bench.command::<String>("HGET", "account", &["online"]), "0");
    open(&mut bench, "s4");
    open(&mut bench, "s5");
    assert_eq!(end(&mut bench, "*"), (2, 0));
}

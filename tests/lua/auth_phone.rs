//! `lua/auth/issue_code.lua`, `lua/auth/check_code.lua`.

use redis::Value;

use crate::Bench;

const KEYS: [&str; 4] = ["code", "wrong", "notices", "last"];

fn issue(bench: &mut Bench, digest: &str, age_ms: u64, waiting: &str) -> Vec<Value> {
    let now = u64::try_from(chrono::Utc::now().timestamp_millis()).unwrap();
    let since = (now - age_ms).to_string();
    let arguments = [digest, "600000", "7", "31536000000", "sealed", &since, "12000", waiting, "16"];
    bench.run("auth/issue_code", &KEYS, &arguments)
}

fn guess(bench: &mut Bench, digest: &str) -> Vec<i64> {
    bench.run("auth/check_code", &["code", "wrong", "asked"], &[digest, "5", "7", "86400000"])
}

fn left(reply: Vec<Value>) -> (u64, Vec<String>) {
    let (code, id, notices): (u8, u64, Vec<String>) = redis::from_redis_value(Value::Array(reply)).unwrap();
    assert_eq!(code, 3);
    (id, notices)
}

#[test]
fn issue_code_leaves_a_notice_and_takes_the_place_of_the_code_before() {
    let mut bench = Bench::new();
    let (first, notices) = left(issue(&mut bench, "one", 0, "10"));
    assert_eq!(notices, [format!("{first}|sealed")]);
    guess(&mut bench, "wrong");
    let (second, notices) = left(issue(&mut bench, "two", 0, "10"));
    assert!(second > first && notices.len() == 2);
    assert_eq!(bench.command::<String>("HGET", "code", &["tries"]), "0");
    assert!((1..=600_000).contains(&bench.command::<i64>("PTTL", "code", &[])));
    assert_eq!(guess(&mut bench, "one"), [2]);
    assert_eq!(guess(&mut bench, "two"), [3]);
}

#[test]
fn issue_code_never_takes_an_id_that_is_not_above_the_last_one_even_if_nothing_waits() {
    let mut bench = Bench::new();
    let (first, _) = left(issue(&mut bench, "one", 0, "10"));
    assert_eq!(bench.command::<u64>("GET", "last", &[]), first);
    bench.command::<()>("SET", "last", &["9000000000000000", "PX", "60000"]);
    for rise in 1..3 {
        bench.command::<i64>("DEL", "notices", &[]);
        assert_eq!(left(issue(&mut bench, "one", 0, "10")).0, 9_000_000_000_000_000 + rise);
        assert!(bench.command::<i64>("PTTL", "last", &[]) > 31_000_000_000, "renewed");
    }
}

#[test]
fn issue_code_refuses_old_leases_and_crowds() {
    let mut bench = Bench::new();
    assert_eq!(issue(&mut bench, "one", 20_000, "10"), [Value::Int(1)]);
    assert_eq!(issue(&mut bench, "one", 0, "0"), [Value::Int(2)]);
    assert_eq!(bench.command::<i64>("EXISTS", "code", &[]), 0);
}

#[test]
fn check_code_spends_a_code_with_the_right_guess_and_the_waits_with_it() {
    let mut bench = Bench::new();
    bench.command::<i64>("HSET", "asked", &["fails", "9"]);
    assert_eq!(guess(&mut bench, "one"), [0]);
    issue(&mut bench, "one", 0, "10");
    assert_eq!(guess(&mut bench, "two"), [2]);
    assert_eq!(bench.command::<i64>("EXISTS", "asked", &[]), 1);
    assert_eq!(guess(&mut bench, "one"), [3]);
    assert_eq!(guess(&mut bench, "one"), [0], "once");
    assert_eq!(bench.command::<i64>("EXISTS", "asked", &[]), 0);
}

#[test]
fn check_code_compares_five_guesses_with_a_code_and_seven_a_day() {
    let mut bench = Bench::new();
    issue(&mut bench, "one", 0, "10");
    for _ in 0..5 {
        assert_eq!(guess(&mut bench, "two"), [2]);
    }
    assert_eq!(guess(&mut bench, "one"), [0], "dead");
    issue(&mut bench, "one", 0, "10");
    assert_eq!((guess(&mut bench, "two"), guess(&mut bench, "two")), (vec![2], vec![2]));
    let [1, wait] = guess(&mut bench, "one")[..] else { panic!("compared") };
    assert!((1..=86_400_000).contains(&wait), "{wait}");
    let [Value::Int(0), Value::Int(wait)] = issue(&mut bench, "two", 0, "10")[..] else { panic!("issued") };
    assert!((1..=86_400_000).contains(&wait), "{wait}");
    bench.command::<i64>("DEL", "wrong", &[]);
    assert_eq!(guess(&mut bench, "one"), [3], "the next day");
}

//! `lua/outbox/*`.

use redis::Value;

use crate::Bench;

#[test]
fn lease_registers_a_source_and_returns_since_when() {
    let mut bench = Bench::new();
    let since: u64 = bench.run("outbox/lease", &["register"], &["a"]);
    assert!(since > 1_700_000_000_000);
    assert_eq!(bench.command::<u64>("ZSCORE", "register", &["a"]), since);
    assert!(bench.run::<u64>("outbox/lease", &["register"], &["a"]) > since, "renewed, and not the same");
}

#[test]
fn due_lists_what_was_registered_long_enough_ago() {
    let mut bench = Bench::new();
    let now: u64 = bench.run("outbox/lease", &["register"], &["fresh"]);
    for (source, age) in [("old", 9_000), ("oldest", 20_000)] {
        bench.command::<i64>("ZADD", "register", &[&(now - age).to_string(), source]);
    }
    let due: Vec<Value> = bench.run("outbox/due", &["register"], &["5000", "0", "10"]);
    let names: Vec<String> =
        due[1..].chunks(2).map(|pair| redis::from_redis_value(pair[0].clone()).unwrap()).collect();
    assert_eq!(names, ["oldest", "old"]);
    assert!(redis::from_redis_value::<u64>(due[0].clone()).unwrap() >= now);
    assert_eq!(bench.run::<Vec<Value>>("outbox/due", &["register"], &["5000", "0", "1"]).len(), 3);
    assert_eq!(bench.run::<Vec<Value>>("outbox/due", &["none"], &["5000", "0", "1"]).len(), 1);
    for (from, listed) in [(now - 9_000, 1), (now - 8_999, 0), (now - 20_000, 2)] {
        let due: Vec<Value> = bench.run("outbox/due", &["register"], &["5000", &from.to_string(), "10"]);
        assert_eq!(due.len(), 1 + 2 * listed, "those registered from a time on");
    }
}

#[test]
fn release_takes_off_only_what_was_not_registered_again() {
    let mut bench = Bench::new();
    let since: u64 = bench.run("outbox/lease", &["register"], &["a"]);
    assert_eq!(bench.run::<i64>("outbox/release", &["register"], &["a", &(since - 1).to_string()]), 0);
    assert_eq!(bench.run::<i64>("outbox/release", &["register"], &["a", &since.to_string()]), 1);
    assert_eq!(bench.run::<i64>("outbox/release", &["register"], &["a", &since.to_string()]), 0, "gone");
}

#[test]
fn take_registers_anew_for_one_of_those_who_saw_it() {
    let mut bench = Bench::new();
    assert_eq!(bench.run::<u64>("outbox/take", &["register"], &["a", "1"]), 0, "gone");
    let since: u64 = bench.run("outbox/lease", &["register"], &["a"]);
    let taken: u64 = bench.run("outbox/take", &["register"], &["a", &since.to_string()]);
    assert!(taken > since);
    assert_eq!(bench.command::<u64>("ZSCORE", "register", &["a"]), taken);
    assert_eq!(bench.run::<u64>("outbox/take", &["register"], &["a", &since.to_string()]), 0);
}

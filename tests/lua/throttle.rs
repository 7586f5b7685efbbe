use crate::Bench;

const POLICY: [&str; 4] = ["2", "1000", "4000", "60000"];

#[test]
fn begin_counts_free_guesses_then_makes_wait_longer_and_longer() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        assert_eq!(bench.run::<i64>("throttle/begin", &["a"], &POLICY), 0);
    }
    let wait: i64 = bench.run("throttle/begin", &["a"], &POLICY);
    assert!((900..=1000).contains(&wait), "{wait}");
    assert_eq!(bench.command::<i64>("HGET", "a", &["fails"]), 3, "a refused guess is not counted");
    for expected in [2000, 4000, 4000] {
        bench.command::<i64>("HSET", "a", &["next", "0"]);
        assert_eq!(bench.run::<i64>("throttle/begin", &["a"], &POLICY), 0);
        let wait: i64 = bench.run("throttle/begin", &["a"], &POLICY);
        assert!((expected - 100..=expected).contains(&wait), "{wait} for {expected}");
    }
    let ttl: i64 = bench.command("PTTL", "a", &[]);
    assert!((59_000..=60_000).contains(&ttl), "{ttl}");
}

#[test]
fn forgive_takes_back_a_count_and_its_wait() {
    let mut bench = Bench::new();
    assert_eq!(bench.run::<i64>("throttle/forgive", &["a"], &[]), 0);
    for _ in 0..3 {
        bench.run::<i64>("throttle/begin", &["a"], &POLICY);
    }
    assert_eq!(bench.run::<i64>("throttle/forgive", &["a"], &[]), 1);
    assert_eq!(bench.command::<Option<i64>>("HGET", "a", &["next"]), None);
    assert_eq!(bench.command::<i64>("HGET", "a", &["fails"]), 2);
    bench.run::<i64>("throttle/forgive", &["a"], &[]);
    bench.run::<i64>("throttle/forgive", &["a"], &[]);
    assert_eq!(bench.command::<i64>("EXISTS", "a", &[]), 0, "nothing is left of a count of zero");
}

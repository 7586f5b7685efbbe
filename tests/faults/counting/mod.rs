//! Clicks answered against clicks counted, while whatever can fail fails: the server, its datastore, the way between them,
//! the disk. And how old an answer from memory may be.
//!
//! Each case draws its moments anew and is run `AYRENE_FAULT_RUNS` times (2). The first run of an outage lasts
//! `AYRENE_FAULT_OUTAGE_SECS` (5); `make test-faults` sets both to what a patient machine has time for.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

mod crowd;
mod disk;
mod events;
mod killed;
mod nodes;
mod outage;
mod proxy;
mod stage;
mod stale;
mod staleness;
mod stop;
mod store;
mod wire;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// Runs a case as often as was asked for, two at a time since most of it is waiting; it gets the run's number.
fn repeat(case: impl Fn(u64) + Sync) {
    let (runs, next) = (setting("AYRENE_FAULT_RUNS", 2), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::SeqCst));
                numbers.take_while(|run| *run < runs).for_each(&case);
            });
        }
    });
}

/// How long the datastore is away in this run: long in the first, short in the others.
fn outage(run: u64) -> Duration {
    Duration::from_secs(if run == 0 { setting("AYRENE_FAULT_OUTAGE_SECS", 5) } else { 2 })
}

/// A number below `limit`, another one each time.
fn below(limit: u64) -> u64 {
    RandomState::new().build_hasher().finish() % limit
}

/// Waits for somewhere between two times in milliseconds.
fn pause(from_ms: u64, to_ms: u64) {
    std::thread::sleep(Duration::from_millis(from_ms + below(to_ms - from_ms)));
}

/// Says what was measured, past what the test harness holds back.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "    measured: {what}");
}

/// Ends what goes on until a flag is set, also when a test fails meanwhile: it would wait for its threads for good.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

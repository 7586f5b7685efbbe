//! Metrics of what happens hundreds of thousands of times a second, which every thread keeps for itself.
//!
//! Where all threads write into the same memory, processors take it from each other each time, and that costs as much as
//! the rest of what is done for a redirect. Invariant: [`publish`] hands on all that was recorded before, so who asks for
//! metrics sees it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, Histogram};
use thread_local::ThreadLocal;

/// Durations that a thread gathers before it hands them on.
const AT_ONCE: usize = 256;

/// All there are.
static PARTS: Mutex<Vec<Arc<dyn Publish>>> = Mutex::new(Vec::new());

trait Publish: Send + Sync {
    fn publish(&self);
}

/// Hands on what every thread has recorded so far.
pub fn publish() {
    for part in &*PARTS.lock().unwrap_or_else(PoisonError::into_inner) {
        part.publish();
    }
}

fn known<T: Publish + 'static>(part: T) -> Arc<T> {
    let part = Arc::new(part);
    PARTS.lock().unwrap_or_else(PoisonError::into_inner).push(part.clone());
    part
}

/// A counter. It is published for good: make one per metric and process.
#[derive(Debug, Clone)]
pub struct Tally(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    /// Each is written by one thread.
    of_threads: ThreadLocal<AtomicU64>,
    counter: Counter,
}

impl Tally {
    /// One that is published as `counter`, which nobody else increments.
    pub fn new(counter: Counter) -> Self {
        Self(known(Counts { of_threads: ThreadLocal::new(), counter }))
    }

    /// Counts `count` more.
    pub fn add(&self, count: u64) {
        let own = self.0.of_threads.get_or_default();
        own.store(own.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }
}

impl Publish for Counts {
    fn publish(&self) {
        self.counter.absolute(self.of_threads.iter().map(|count| count.load(Ordering::Relaxed)).sum());
    }
}

/// A histogram of durations, published in seconds; see [`Tally`].
#[derive(Debug, Clone)]
pub struct Timings(Arc<Durations>);

#[derive(Debug)]
struct Durations {
    /// Locked by its own thread, and by who publishes.
    of_threads: ThreadLocal<Mutex<Vec<Duration>>>,
    histogram: Histogram,
}

impl Timings {
    /// One that is published as `histogram`.
    pub fn new(histogram: Histogram) -> Self {
        Self(known(Durations { of_threads: ThreadLocal::new(), histogram }))
    }

    /// Records `count` times that something took so long.
    pub fn record(&self, duration: Duration, count: usize) {
        let own = self.0.of_threads.get_or_default();
        let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
        own.extend(std::iter::repeat_n(duration, count));
        if own.len() >= AT_ONCE {
            self.0.hand_on(&mut own);
        }
    }
}

impl Durations {
    fn hand_on(&self, durations: &mut Vec<Duration>) {
        durations.drain(..).for_each(|duration| self.histogram.record(duration));
    }
}

impl Publish for Durations {
    fn publish(&self) {
        for durations in &self.of_threads {
            let mut gathered = std::mem::take(&mut *durations.lock().unwrap_or_else(PoisonError::into_inner));
            self.hand_on(&mut gathered);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use metrics::{CounterFn, HistogramFn};

    use super::*;

    #[derive(Debug, Default)]
    struct Seen {
        count: AtomicU64,
        durations: AtomicUsize,
    }

    impl CounterFn for Seen {
        fn increment(&self, _: u64) {
            unreachable!("only totals are published");
        }

        fn absolute(&self, value: u64) {
            self.count.fetch_max(value, Ordering::Relaxed);
        }
    }

    impl HistogramFn for Seen {
        fn record(&self, value: f64) {
            assert!((value - 0.002).abs() < 1e-9, "{value}");
            self.durations.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_all_threads_recorded_is_published_once() {
        let seen = Arc::new(Seen::default());
        let tally = Tally::new(Counter::from_arc(seen.clone()));
        let timings = Timings::new(Histogram::from_arc(seen.clone()));
        for total in [3_000, 6_000] {
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        for _ in 0..500 {
                            tally.add(2);
                            timings.record(Duration::from_millis(2), 2);
                        }
                    });
                }
            });
            publish();
            publish();
            assert_eq!(seen.count.load(Ordering::Relaxed), total);
            assert_eq!(seen.durations.load(Ordering::Relaxed), total as usize);
        }
    }
}

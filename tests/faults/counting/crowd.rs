//! Many who follow links without pause and count exactly what they were answered.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::below;
use super::wire::{Outcome, Wire, value};

/// Connections of a crowd.
pub const CLIENTS: u64 = 4;

/// What was answered.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// 302s to the long URL.
    pub redirected: u64,
    /// 503s.
    pub refused: u64,
    /// Requests that got no complete answer: they may have counted.
    pub cut: u64,
}

impl Tally {
    fn plus(self, other: Self) -> Self {
        Self {
            redirected: self.redirected + other.redirected,
            refused: self.refused + other.refused,
            cut: self.cut + other.cut,
        }
    }

    /// What came since an earlier look.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            redirected: self.redirected - earlier.redirected,
            refused: self.refused - earlier.refused,
            cut: self.cut - earlier.cut,
        }
    }
}

#[derive(Default)]
struct Counters {
    redirected: AtomicU64,
    refused: AtomicU64,
    cut: AtomicU64,
}

impl Counters {
    fn read(&self) -> Tally {
        let [redirected, refused, cut] =
            [&self.redirected, &self.refused, &self.cut].map(|counter| counter.load(Ordering::SeqCst));
        Tally { redirected, refused, cut }
    }
}

struct Shared {
    stop: AtomicBool,
    /// Where the server listens; 0 while there is none.
    port: AtomicU16,
    codes: Vec<String>,
    headers: String,
    counters: Vec<Counters>,
    slowest: Mutex<Duration>,
}

/// The crowd; it goes on until it is dropped or dispersed.
pub struct Crowd {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// Gathers one that follows links in turn of chance, `pace` between two clicks of each connection. All of them
    /// have been followed a few times when this returns.
    pub fn gather(address: SocketAddr, codes: &[String], pace: Duration, headers: &str) -> Self {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            port: AtomicU16::new(address.port()),
            codes: codes.to_vec(),
            headers: headers.to_owned(),
            counters: codes.iter().map(|_| Counters::default()).collect(),
            slowest: Mutex::default(),
        });
        let threads = (0..CLIENTS).map(|_| {
            let shared = shared.clone();
            std::thread::spawn(move || shared.follow(pace))
        });
        let crowd = Self { threads: threads.collect(), shared };
        crowd.wait_until("every link is known", |tallies| tallies.iter().all(|tally| tally.redirected >= 3));
        crowd
    }

    /// Sends it to another address; nowhere, if there is none.
    pub fn turn_to(&self, address: Option<SocketAddr>) {
        self.shared.port.store(address.map_or(0, |address| address.port()), Ordering::SeqCst);
    }

    /// What was answered so far, link by link.
    pub fn tallies(&self) -> Vec<Tally> {
        self.shared.counters.iter().map(Counters::read).collect()
    }

    /// The same in all.
    pub fn tally(&self) -> Tally {
        self.tallies().into_iter().fold(Tally::default(), Tally::plus)
    }

    /// The longest that a whole answer took since this was last asked.
    pub fn slowest(&self) -> Duration {
        std::mem::take(&mut self.shared.slowest.lock().unwrap())
    }

    /// Waits for what it is answered, a minute at most.
    pub fn wait_until(&self, what: &str, condition: impl Fn(&[Tally]) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !condition(&self.tallies()) {
            let ended = self.threads.iter().any(JoinHandle::is_finished);
            assert!(!ended && Instant::now() < deadline, "{what}: {:?}", self.tally());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends it; returns what was answered, link by link.
    pub fn disperse(mut self) -> Vec<Tally> {
        self.shared.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.join().expect("a client was answered as it should be");
        }
        self.tallies()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn follow(&self, pace: Duration) {
        let mut wire = Wire::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        while !self.stop.load(Ordering::SeqCst) {
            let port = self.port.load(Ordering::SeqCst);
            wire.turn_to(SocketAddr::from(([127, 0, 0, 1], port)));
            // Some links are followed more often than others.
            let count = self.codes.len() as u64;
            let index = below(count).min(below(count)) as usize;
            let (path, counters) = (format!("/{}", self.codes[index]), &self.counters[index]);
            let wait = match if port == 0 { Outcome::Unreached } else { wire.get(&path, &self.headers) } {
                Outcome::Answered(reply) => {
                    let mut slowest = self.slowest.lock().unwrap();
                    *slowest = slowest.max(reply.took);
                    drop(slowest);
                    if reply.status == 302 {
                        assert!(value(&reply.head, "location").ends_with(&format!("/{index}")), "{reply:?}");
                        counters.redirected.fetch_add(1, Ordering::SeqCst);
                        pace
                    } else {
                        assert_eq!(reply.status, 503, "{reply:?}");
                        assert_ne!(value(&reply.head, "retry-after"), "", "{reply:?}");
                        counters.refused.fetch_add(1, Ordering::SeqCst);
                        pace.max(Duration::from_millis(5))
                    }
                }
                Outcome::Cut => {
                    counters.cut.fetch_add(1, Ordering::SeqCst);
                    // A dying process takes connections that it never looks at: let it die.
                    Duration::from_millis(20)
                }
                Outcome::Unreached => Duration::from_millis(2),
            };
            std::thread::sleep(wait);
        }
    }
}

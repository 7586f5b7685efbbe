//! An HTTP/1.1 load generator that counts what was answered, exactly, and measures from when a request was due.
//!
//! It exists because general tools end their runs with requests in flight, where this one waits for every answer it
//! asked for, and because a fixed rate of hundreds of thousands a second on shared cores asks for a generator that costs
//! next to nothing: one epoll loop per thread, no task and no timer per request.
//!
//! Invariant: a request is sent alone on its connection (no pipelining) and ends in exactly one of the outcome's counts.
//! At a fixed rate latency runs from the moment at which a request was due, so a server that stalls is charged for all
//! that waited behind the stall (this is what corrects for coordinated omission). What is due while connections settle is
//! answered and counted like all else, but its latency is not.

#[path = "wire.rs"]
mod wire;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use wire::{Connection, Progress, Ticker};

/// At a fixed rate requests are due at multiples of this: one wake-up sends all that are due.
const TICK: Duration = Duration::from_micros(100);
/// How long the last answers are waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// A server that is away is tried again after this long.
const RECONNECT: Duration = Duration::from_millis(10);

/// When requests are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// Each connection sends its next request when it has its answer.
    Closed,
    /// The same, but only until all connections together have sent every request once.
    Once,
    /// So many a second, answered or not; what is due waits for a connection. It lasts longer by `settling`, which comes first
    /// and whose latency is not measured.
    Rate { per_second: f64, settling: Duration },
}

/// What to send, and how.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// Where.
    pub(crate) address: SocketAddr,
    /// Connections, each with one request in flight.
    pub(crate) connections: usize,
    /// Threads that share the connections.
    pub(crate) threads: usize,
    /// How long.
    pub(crate) duration: Duration,
    /// Status line that counts as an answer, such as `HTTP/1.1 302`.
    pub(crate) expected: &'static str,
    /// When.
    pub(crate) pace: Pace,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// Answers with the expected status.
    pub(crate) answered: u64,
    /// Answers with another.
    pub(crate) others: u64,
    /// Requests that were sent, and whose connection ended before the answer.
    pub(crate) unanswered: u64,
    /// Requests that were due, and that no connection was free for until the end.
    pub(crate) unsent: u64,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// Microseconds from due to answered (closed loop: from sent); what was never sent counts up to the end.
    pub(crate) latency: Histogram<u64>,
    /// Microseconds by which the generator itself looked too late at what was due.
    pub(crate) lateness: Histogram<u64>,
}

impl Outcome {
    fn empty() -> Self {
        let (latency, lateness) = (histogram(), histogram());
        Self { answered: 0, others: 0, unanswered: 0, unsent: 0, elapsed: Duration::ZERO, latency, lateness }
    }

    /// Expected answers per second.
    pub(crate) fn rate(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64()
    }

    /// Requests that did not get the expected answer.
    pub(crate) fn errors(&self) -> u64 {
        self.others + self.unanswered + self.unsent
    }

    /// Microseconds that this share of the requests stayed within.
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        self.latency.value_at_quantile(share)
    }

    fn add(&mut self, part: &Self) -> io::Result<()> {
        self.answered += part.answered;
        self.others += part.others;
        self.unanswered += part.unanswered;
        self.unsent += part.unsent;
        self.elapsed = self.elapsed.max(part.elapsed);
        self.latency.add(&part.latency).map_err(io::Error::other)?;
        self.lateness.add(&part.lateness).map_err(io::Error::other)
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).unwrap_or_else(|error| unreachable!("fixed bounds: {error}"))
}

/// A GET of `path` as a browser would send it, more or less.
pub(crate) fn get(path: &str, headers: &str) -> Vec<u8> {
    bodiless("GET", path, headers)
}

/// A request without a body; `headers` are whole lines.
pub(crate) fn bodiless(method: &str, path: &str, headers: &str) -> Vec<u8> {
    let length = if method == "GET" { "" } else { "Content-Length: 0\r\n" };
    format!(
        "{method} {path} HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n{headers}{length}\r\n"
    )
    .into_bytes()
}

/// A request with a JSON body; `headers` are whole lines.
pub(crate) fn with_body(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: bench.example\r\n{headers}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Runs `load` over `requests`, which every connection (at a fixed rate: every thread) walks from a start of its own.
pub(crate) fn run(load: &Load, requests: &Arc<Vec<Vec<u8>>>) -> io::Result<Outcome> {
    let started = Instant::now();
    let threads: Vec<_> = (0..load.threads)
        .map(|index| {
            let (load, requests) = (load.clone(), requests.clone());
            std::thread::spawn(move || Worker::new(&load, &requests, index, started)?.run())
        })
        .collect();
    let mut total = Outcome::empty();
    for thread in threads {
        total.add(&thread.join().map_err(|_| io::Error::other("the load generator panicked"))??)?;
    }
    Ok(total)
}

/// When each request of one thread is due.
struct Schedule {
    ticks_per_request: f64,
    /// The next to be sent.
    next: u64,
}

impl Schedule {
    fn due(&self, started: Instant) -> Instant {
        let ticks = (self.next as f64 * self.ticks_per_request).ceil();
        started + Duration::from_secs_f64(ticks * TICK.as_secs_f64())
    }
}

struct Worker<'a> {
    load: &'a Load,
    requests: &'a [Vec<u8>],
    ticker: Ticker,
    connections: Vec<Connection>,
    /// Up to where each walks.
    ends: Vec<usize>,
    /// Those without a request in flight, the longest idle first, so that all take part; only at a fixed rate.
    idle: VecDeque<usize>,
    /// Since when some are idle: what was due before had to wait for the server, not for us.
    idle_since: Instant,
    /// Those that are to be opened.
    down: Vec<usize>,
    retry_at: Instant,
    schedule: Option<Schedule>,
    position: usize,
    started: Instant,
    /// Latency is measured of what is due from then on.
    settled: Instant,
    deadline: Instant,
    outcome: Outcome,
}

impl<'a> Worker<'a> {
    fn new(load: &'a Load, requests: &'a [Vec<u8>], index: usize, started: Instant) -> io::Result<Self> {
        let share = (load.connections / load.threads).max(1);
        let spread = requests.len() / load.threads;
        let start = |slot| index * spread + slot * spread / share;
        let connections = (0..share).map(|slot| Connection::new(start(slot)));
        let ends = (1..=share).map(|next| if load.pace == Pace::Once { start(next) } else { usize::MAX });
        let (schedule, settling) = match load.pace {
            Pace::Closed | Pace::Once => (None, Duration::ZERO),
            Pace::Rate { per_second, settling } => {
                let each = load.threads as f64 / per_second / TICK.as_secs_f64();
                (Some(Schedule { ticks_per_request: each, next: 0 }), settling)
            }
        };
        let settled = started + settling;
        Ok(Self {
            load,
            requests,
            ticker: Ticker::new()?,
            connections: connections.collect(),
            ends: ends.collect(),
            idle: VecDeque::new(),
            idle_since: started,
            down: (0..share).collect(),
            retry_at: started,
            schedule,
            position: index * spread,
            started,
            settled,
            deadline: settled + load.duration,
            outcome: Outcome::empty(),
        })
    }

    fn run(mut self) -> io::Result<Outcome> {
        self.connect();
        let mut ready = Vec::new();
        loop {
            let now = Instant::now();
            self.send_due(now);
            if now >= self.deadline || self.load.pace == Pace::Once {
                let waiting = self.connections.iter().filter(|connection| connection.is_waiting()).count();
                if waiting == 0 || now > self.deadline + PATIENCE {
                    self.outcome.unanswered += waiting as u64;
                    break;
                }
            }
            self.ticker.wait(self.next_wakeup(now), &mut ready)?;
            for slot in ready.drain(..) {
                self.advance(slot);
            }
            if !self.down.is_empty() && Instant::now() >= self.retry_at {
                self.connect();
            }
        }
        self.count_unsent();
        self.outcome.elapsed = self.started.elapsed();
        Ok(self.outcome)
    }

    /// Answers wake by themselves: until when to wait otherwise.
    fn next_wakeup(&self, now: Instant) -> Instant {
        let last = if now < self.deadline { self.deadline } else { self.deadline + PATIENCE };
        let due = self.schedule.as_ref().map_or(last, |schedule| schedule.due(self.started));
        // With no connection free, only an answer lets anything be sent.
        let due = if self.idle.is_empty() || now >= self.deadline { last } else { due };
        let retry = if self.down.is_empty() || now >= self.deadline { last } else { self.retry_at };
        last.min(due).min(retry)
    }

    fn connect(&mut self) {
        let now = Instant::now();
        if now >= self.deadline {
            return;
        }
        for slot in std::mem::take(&mut self.down) {
            if self.connections[slot].open(self.load.address, slot, &self.ticker).is_err() {
                self.down.push(slot);
            } else if self.schedule.is_some() {
                self.rest(slot);
            } else {
                self.send(slot, Instant::now());
            }
        }
        self.retry_at = now + RECONNECT;
    }

    /// At a fixed rate: sends what is due while a connection is free.
    fn send_due(&mut self, now: Instant) {
        let mut fresh = true;
        while let Some(schedule) = &mut self.schedule {
            let due = schedule.due(self.started);
            if due > now || due >= self.deadline || now >= self.deadline {
                return;
            }
            let Some(slot) = self.idle.pop_front() else { return };
            schedule.next += 1;
            // The first of a batch says how late we look; those behind it waited for the same glance.
            if std::mem::take(&mut fresh) && due >= self.settled {
                let late = now.saturating_duration_since(due.max(self.idle_since)).as_micros() as u64;
                self.outcome.lateness.saturating_record(late.max(1));
            }
            self.send(slot, due);
        }
    }

    fn send(&mut self, slot: usize, due: Instant) {
        let at = if self.schedule.is_some() { &mut self.position } else { self.connections[slot].position() };
        let request = &self.requests[*at % self.requests.len()];
        *at += 1;
        let progress = self.connections[slot].send(request, due);
        self.settle(slot, progress);
    }

    fn advance(&mut self, slot: usize) {
        let progress = self.connections[slot].read(self.load.expected.as_bytes());
        self.settle(slot, progress);
    }

    fn settle(&mut self, slot: usize, progress: Progress) {
        match progress {
            Progress::Pending => {}
            Progress::Answered { due, expected, closing } => {
                if expected {
                    self.outcome.answered += 1;
                    if due >= self.settled {
                        let micros = due.elapsed().as_micros() as u64;
                        self.outcome.latency.saturating_record(micros.max(1));
                    }
                } else {
                    self.outcome.others += 1;
                }
                if closing {
                    self.down.push(slot);
                } else if self.schedule.is_some() {
                    self.rest(slot);
                } else {
                    let now = Instant::now();
                    if now < self.deadline && *self.connections[slot].position() < self.ends[slot] {
                        self.send(slot, now);
                    }
                }
            }
            Progress::Lost { waiting } => {
                self.outcome.unanswered += u64::from(waiting);
                self.idle.retain(|&idle| idle != slot);
                self.down.push(slot);
            }
        }
    }

    /// A connection has nothing in flight any more.
    fn rest(&mut self, slot: usize) {
        if self.idle.is_empty() {
            self.idle_since = Instant::now();
        }
        self.idle.push_back(slot);
    }

    fn count_unsent(&mut self) {
        while let Some(schedule) = &mut self.schedule {
            let due = schedule.due(self.started);
            if due >= self.deadline {
                return;
            }
            schedule.next += 1;
            self.outcome.unsent += 1;
            if due >= self.settled {
                self.outcome.latency.saturating_record((self.deadline - due).as_micros() as u64);
            }
        }
    }
}

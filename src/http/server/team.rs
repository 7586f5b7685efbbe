//! The workers of a server and what they know of each other: how many connections each has, how busy each is.
//!
//! A connection goes to the worker of the processor that its packets come in on. Clients and network cards come with many
//! connections from one processor at a time, and so those of one client thread, or of one queue of the card, are together.
//! Invariants: no worker takes more when it has many more connections than another, and none has more than allowed; a
//! connection that is handed over is counted all the time.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::processor;

/// A worker may have this many connections more than the one with the fewest, and a quarter more than it, before it leaves
/// those that come to others.
const SLACK: usize = 128;
/// Who has too much: a worker that is busy for the first share of the time, in thousandths, or more, while another is so for no
/// more than the second share of that, in hundredths. Where there is time to spare, keeping a client's connections together
/// is worth more than an even share of the work; where there is none, the others' is the only one.
const TOO_MUCH: [(u32, u32); 2] = [(300, 25), (900, 80)];

/// A worker of which so many thousandths of its time would be taken is given nothing more that came in astray.
const NO_MORE: u32 = 900;
/// Nor is one that asked for relief in the last so many milliseconds: what it has just given away would come back.
const RELIEVED_MS: u64 = 250;
/// Of a worker that has nothing to do.
const NOWHERE: usize = usize::MAX;

/// How many connections each worker has.
#[derive(Debug)]
struct Loads {
    counts: Vec<AtomicUsize>,
    most: usize,
}

impl Loads {
    fn of(&self, worker: usize) -> usize {
        self.counts[worker].load(Ordering::Acquire)
    }

    /// Whether it is for `worker` to take another.
    fn leave_to(&self, worker: usize) -> bool {
        let own = self.of(worker);
        let fewest = (0..self.counts.len()).map(|worker| self.of(worker)).min().unwrap_or(own);
        own < self.most && own <= fewest + fewest / 4 + SLACK
    }
}

/// Which worker is at home on which processor: they are dealt out as they show up.
#[derive(Debug, Default)]
struct Homes(Mutex<Vec<usize>>);

impl Homes {
    fn of(&self, processor: usize, workers: usize) -> usize {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = seen.iter().position(|known| *known == processor).unwrap_or_else(|| {
            seen.push(processor);
            seen.len() - 1
        });
        place % workers
    }
}

/// A connection as long as it is open.
#[derive(Debug)]
pub(super) struct Open {
    team: Arc<Team>,
    worker: usize,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.team.loads.counts[self.worker].fetch_sub(1, Ordering::AcqRel);
    }
}

/// A connection that is handed over.
#[derive(Debug)]
pub(in crate::http) struct Handed {
    pub(in crate::http) socket: std::net::TcpStream,
    pub(super) open: Open,
    /// It has been served.
    pub(super) is_known: bool,
}

/// Who relieves a worker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Help {
    pub(super) worker: usize,
    /// Of the work, after which both have as much to do.
    pub(super) part: f64,
}

/// All workers of a server.
#[derive(Debug)]
pub(super) struct Team {
    loads: Loads,
    homes: Homes,
    /// The share of the last moments that each was busy, in thousandths.
    busy: Vec<AtomicU32>,
    /// The processor whose connections each should have.
    settled: Vec<AtomicUsize>,
    begun: Instant,
    /// When each asked for relief last, in milliseconds since then.
    asked: Vec<AtomicU64>,
    /// No longer than a worker may have connections.
    inboxes: Vec<mpsc::UnboundedSender<Handed>>,
}

impl Team {
    /// So many workers, of at most `connections` each; and what each is handed by others.
    pub(super) fn new(
        workers: usize,
        connections: usize,
    ) -> (Arc<Self>, Vec<mpsc::UnboundedReceiver<Handed>>) {
        let (inboxes, handed) = (0..workers).map(|_| mpsc::unbounded_channel()).unzip();
        let counts = (0..workers).map(|_| AtomicUsize::new(0)).collect();
        let busy = (0..workers).map(|_| AtomicU32::new(0)).collect();
        let settled = (0..workers).map(|_| AtomicUsize::new(NOWHERE)).collect();
        let asked = (0..workers).map(|_| AtomicU64::new(0)).collect();
        let loads = Loads { counts, most: connections };
        let (homes, begun) = (Homes::default(), Instant::now());
        (Arc::new(Self { loads, homes, busy, settled, begun, asked, inboxes }), handed)
    }

    pub(super) fn has_others(&self) -> bool {
        self.inboxes.len() > 1
    }

    pub(super) fn has_connections(&self) -> bool {
        (0..self.inboxes.len()).any(|worker| self.loads.of(worker) > 0)
    }

    /// Whether it is for `worker` to take the next connection.
    pub(super) fn leaves_to(&self, worker: usize) -> bool {
        self.loads.leave_to(worker)
    }

    /// Who is to serve what `worker` has accepted.
    pub(super) fn home(&self, stream: &TcpStream, worker: usize) -> usize {
        let Some(processor) = processor::of_packets(stream) else { return worker };
        let home = self.homes.of(processor, self.inboxes.len());
        if self.loads.leave_to(home) { home } else { worker }
    }

    /// `worker` has one more.
    pub(super) fn open(self: &Arc<Self>, worker: usize) -> Open {
        self.loads.counts[worker].fetch_add(1, Ordering::AcqRel);
        Open { team: self.clone(), worker }
    }

    /// Gives a connection to `to`, who is its only owner if this returns no error.
    pub(super) fn hand(self: &Arc<Self>, stream: &TcpStream, to: usize, is_known: bool) -> io::Result<()> {
        let socket = stream.as_fd().try_clone_to_owned()?.into();
        let handed = Handed { socket, open: self.open(to), is_known };
        self.inboxes[to].send(handed).map_err(|_| io::ErrorKind::NotConnected.into())
    }

    /// `worker` should have what comes in there; nowhere: it has nothing to do.
    pub(super) fn settle(&self, worker: usize, processor: Option<usize>) {
        self.settled[worker].store(processor.unwrap_or(NOWHERE), Ordering::Relaxed);
    }

    /// Whether another worker than `worker` should have what comes in there.
    pub(super) fn is_taken(&self, processor: usize, worker: usize) -> bool {
        self.neighbours(worker, processor).next().is_some()
    }

    /// Who, of the others, should have what comes in there, and has time for as much as `part` of the work of `worker`.
    pub(super) fn neighbour(&self, worker: usize, processor: usize, part: f64) -> Option<usize> {
        let busy = |worker: usize| self.busy[worker].load(Ordering::Relaxed);
        let more = (f64::from(busy(worker)) * part) as u32;
        self.neighbours(worker, processor)
            .filter(|other| self.loads.leave_to(*other) && busy(*other) + more <= NO_MORE)
            .filter(|other| {
                let asked = self.asked[*other].load(Ordering::Relaxed);
                asked == 0 || self.millis().saturating_sub(asked) >= RELIEVED_MS
            })
            .min_by_key(|other| busy(*other))
    }

    fn neighbours(&self, worker: usize, processor: usize) -> impl Iterator<Item = usize> {
        let is_there = move |other: &usize| {
            *other != worker && self.settled[*other].load(Ordering::Relaxed) == processor
        };
        (0..self.settled.len()).filter(is_there)
    }

    fn millis(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }

    /// `worker` was so busy lately; who, of the others, should relieve it?
    pub(super) fn was_busy(&self, worker: usize, thousandths: u32) -> Option<Help> {
        self.busy[worker].store(thousandths, Ordering::Relaxed);
        let busy = |other: &usize| self.busy[*other].load(Ordering::Relaxed);
        let idlest = (0..self.busy.len()).min_by_key(busy)?;
        let others = busy(&idlest);
        let is_too_much =
            |(own, other): &(u32, u32)| thousandths >= *own && others * 100 <= thousandths * other;
        if !TOO_MUCH.iter().any(is_too_much) || !self.loads.leave_to(idlest) {
            return None;
        }
        self.asked[worker].store(self.millis().max(1), Ordering::Relaxed);
        Some(Help { worker: idlest, part: f64::from(thousandths - others) / f64::from(2 * thousandths) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(counts: &[usize]) -> Loads {
        Loads { counts: counts.iter().map(|count| AtomicUsize::new(*count)).collect(), most: 1_000 }
    }

    #[test]
    fn a_worker_with_many_more_than_another_leaves_the_next_to_it() {
        assert!(loads(&[128, 0]).leave_to(0));
        assert!(!loads(&[129, 0]).leave_to(0));
        assert!(loads(&[129, 0]).leave_to(1));
        assert!(loads(&[928, 640, 700]).leave_to(0));
        assert!(!loads(&[929, 640, 700]).leave_to(0));
    }

    #[test]
    fn a_full_worker_takes_none() {
        assert!(!loads(&[1_000, 1_000]).leave_to(0));
        assert!(loads(&[999, 1_000]).leave_to(0));
    }

    #[test]
    fn processors_are_dealt_out_as_they_show_up() {
        let homes = Homes::default();
        let seen = [6, 2, 6, 4, 2].map(|processor| homes.of(processor, 2));
        assert_eq!(seen, [0, 1, 0, 0, 1]);
    }

    #[test]
    fn a_busy_worker_is_relieved_by_an_idle_one() {
        let (team, _inboxes) = Team::new(3, 1_000);
        assert_eq!(team.was_busy(0, 299), None);
        assert_eq!(team.was_busy(1, 200), None);
        assert_eq!(team.was_busy(2, 100), None);
        assert_eq!(team.was_busy(0, 399), None);
        assert_eq!(team.was_busy(0, 400), Some(Help { worker: 2, part: 0.375 }));
    }

    #[test]
    fn a_worker_with_no_time_left_is_relieved_by_one_that_has_some() {
        let (team, _inboxes) = Team::new(2, 1_000);
        assert_eq!(team.was_busy(1, 720).map(|help| help.worker), Some(0));
        assert_eq!(team.was_busy(0, 899), None);
        assert_eq!(team.was_busy(0, 900), Some(Help { worker: 1, part: 0.1 }));
        assert_eq!(team.was_busy(1, 801), None);
        assert_eq!(team.was_busy(0, 1_000), None);
    }

    #[test]
    fn a_worker_without_others_is_not_relieved_by_itself() {
        let (team, _inboxes) = Team::new(1, 1_000);
        assert_eq!(team.was_busy(0, 1_000), None);
    }

    #[test]
    fn what_came_in_astray_goes_to_none_without_time_for_it() {
        let (team, _inboxes) = Team::new(3, 1_000);
        for (worker, processor, busy) in [(0, 6, 400), (1, 4, 850), (2, 4, 750)] {
            team.settle(worker, Some(processor));
            team.busy[worker].store(busy, Ordering::Relaxed);
        }
        assert_eq!(team.neighbour(0, 4, 0.25), Some(2));
        assert_eq!(team.neighbour(0, 4, 0.5), None, "there is no time for so much");
        assert_eq!(team.neighbour(0, 6, 0.1), None, "nobody else is there");
        team.settle(2, None);
        assert_eq!(team.neighbour(0, 4, 0.1), Some(1));
        team.was_busy(0, 100);
        assert!(team.was_busy(1, 860).is_some());
        assert_eq!(team.neighbour(0, 4, 0.1), None, "it has just been relieved");
    }
}

//! A worker's place among the others, and on the processors.
//!
//! Three things that nobody can know when a connection comes are put right under load. Where all clients come in on one
//! processor, one worker has everything and is relieved of a part by one that idles: of those connections on which something
//! happens, those that came last, so that the others of one client stay together. Where some connections come in on another
//! processor than most of their worker's, and on the same as most of another's, they are given to that one. And a worker
//! goes where its packets come in: the system often lets two workers and their clients run crosswise. Connections that are
//! mixed, or crosswise, cost a third of the throughput.
//! Invariant: a connection changes hands only while nothing of it is under way.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::Notify;
#[cfg(test)]
use tokio::sync::mpsc;

use super::processor;
#[cfg(test)]
use super::team::Handed;
use super::team::{Help, Team};

/// How often it is looked how busy a worker is, that was idle and that was busy for more than [`SOME`] of the time.
const LOOK_IDLE: Duration = Duration::from_millis(100);
const LOOK_BUSY: Duration = Duration::from_millis(25);
const SOME: f64 = 0.1;
/// One in so many quiet moments is for a look at where packets come in, and after so many it is time to look how busy a worker
/// is that was idle.
const EVERY: u32 = 512;
/// After so many looks at packets from elsewhere, one after the other, the worker goes there.
const CERTAIN: u32 = 3;
/// A busy worker surveys its connections once in so many looks.
const SURVEY: u32 = 4;
/// So many of them are asked where they come in.
const ASKED: usize = 256;

/// Connections in use, by number, and the processors that they come in on.
type Used = BTreeMap<u64, Option<usize>>;

/// What a worker does for balance.
#[derive(Debug, Default)]
enum Relief {
    #[default]
    None,
    /// Looks which connections are in use.
    Survey(Used),
    /// Gives some to another worker.
    Give { which: Which, to: usize },
}

/// Connections, of those in use.
#[derive(Debug)]
enum Which {
    After(u64),
    These(BTreeSet<u64>),
}

impl Which {
    fn has(&self, number: u64) -> bool {
        match self {
            Self::After(last) => number > *last,
            Self::These(numbers) => numbers.contains(&number),
        }
    }
}

/// A worker's place among the others.
#[derive(Debug)]
pub struct Seat {
    team: Arc<Team>,
    worker: usize,
    /// Connections that have come.
    came: Cell<u64>,
    relief: RefCell<Relief>,
    /// Connections that came in elsewhere than they should when that was looked at last, and where.
    astray: RefCell<BTreeMap<u64, usize>>,
    quiet_moments: Cell<u32>,
    /// There is something to do again.
    stirred: Notify,
    /// Looks at packets from elsewhere.
    apart: Cell<u32>,
}

impl Seat {
    pub(super) fn new(team: Arc<Team>, worker: usize) -> Rc<Self> {
        Rc::new(Self {
            team,
            worker,
            came: Cell::default(),
            relief: RefCell::default(),
            astray: RefCell::default(),
            quiet_moments: Cell::default(),
            stirred: Notify::new(),
            apart: Cell::default(),
        })
    }

    /// Of a worker that has no others.
    #[cfg(test)]
    pub(in crate::http) fn alone() -> Rc<Self> {
        Self::new(Team::new(1, usize::MAX).0, 0)
    }

    /// Two that give every connection to each other after every answer, and what each is given.
    #[cfg(test)]
    pub(in crate::http) fn restless() -> [(Rc<Self>, mpsc::UnboundedReceiver<Handed>); 2] {
        let (team, inboxes) = Team::new(2, usize::MAX);
        let mut inboxes = inboxes.into_iter();
        [0, 1].map(|worker| {
            let seat = Self::new(team.clone(), worker);
            *seat.relief.borrow_mut() = Relief::Give { which: Which::After(0), to: 1 - worker };
            (seat, inboxes.next().unwrap_or_else(|| unreachable!("one each")))
        })
    }

    /// The number of a connection that has come.
    pub fn number(&self) -> u64 {
        self.came.update(|came| came + 1);
        self.came.get()
    }

    /// To be told after answers on the connection of this number, while nothing of it is under way. If it says so, another
    /// worker has the connection now: nothing may be read from it, written to it or said to its client any more.
    pub fn quiet(&self, number: u64, stream: &TcpStream) -> bool {
        self.quiet_moments.update(|moments| (moments + 1) % EVERY);
        if self.quiet_moments.get() == 0 {
            self.stirred.notify_waiters();
            self.go_near(stream);
        }
        match &mut *self.relief.borrow_mut() {
            Relief::None => false,
            Relief::Survey(used) => {
                if used.len() < ASKED {
                    used.entry(number).or_insert_with(|| processor::of_packets(stream));
                } else {
                    used.entry(number).or_default();
                }
                false
            }
            Relief::Give { which, to } if !which.has(number) || !self.team.leaves_to(*to) => false,
            Relief::Give { to, .. } => match self.team.hand(stream, *to, true) {
                Ok(()) => true,
                Err(error) => {
                    tracing::debug!(%error, "a connection stays where it is");
                    false
                }
            },
        }
    }

    /// Goes where packets come in, if that is not by chance.
    fn go_near(&self, stream: &TcpStream) {
        let there = processor::of_packets(stream);
        if there == processor::current() {
            return self.apart.set(0);
        }
        self.apart.update(|apart| (apart + 1) % CERTAIN);
        if let (0, Some(there)) = (self.apart.get(), there)
            && let Err(error) = processor::go_to(there)
        {
            tracing::debug!(%error, "a worker stays where it is");
        }
    }

    /// Sees to it again and again that this worker has no more to do than the others, and the connections that it should.
    pub(super) async fn keep_balance(self: Rc<Self>) {
        let (mut looked, mut ran, mut share) = (Instant::now(), processor::time(), 0.0);
        let mut looks = 0;
        while let (Some(before), true) = (ran, self.team.has_others()) {
            if share > SOME {
                actix::clock::sleep(LOOK_BUSY).await;
            } else {
                // All clients may come at once, and on one processor.
                let _ = actix::clock::timeout(LOOK_IDLE, self.stirred.notified()).await;
            }
            ran = processor::time();
            let busy = ran.unwrap_or(before).saturating_sub(before).as_secs_f64();
            share = busy / looked.elapsed().as_secs_f64();
            looked = Instant::now();
            looks = (looks + 1) % SURVEY;
            let help = self.team.was_busy(self.worker, (share * 1000.0) as u32);
            if share <= SOME {
                self.astray.take();
                self.team.settle(self.worker, None);
            }
            let relief = match (self.relief.take(), help) {
                (Relief::Survey(used), Some(help)) => Relief::of(&used, help),
                (Relief::Survey(used), None) => self.sort(&used),
                (_, None) if share <= SOME || looks != 0 => Relief::None,
                _ => Relief::Survey(Used::new()),
            };
            *self.relief.borrow_mut() = relief;
        }
    }

    /// Gives away connections that have come in, twice now, where another worker's should and this one's should not.
    fn sort(&self, used: &Used) -> Relief {
        let mut counts = BTreeMap::<usize, usize>::new();
        used.values().flatten().for_each(|processor| *counts.entry(*processor).or_default() += 1);
        // Twice as good is a processor that is no other worker's: else two that have the same mixture would both keep it.
        let claim = |(processor, count): &(&usize, &usize)| {
            *count * if self.team.is_taken(**processor, self.worker) { 1 } else { 2 }
        };
        let home = counts.iter().max_by_key(claim).map(|(processor, _)| *processor);
        self.team.settle(self.worker, home);
        let elsewhere = |(number, processor): (&u64, &Option<usize>)| Some((*number, (*processor)?));
        let astray: BTreeMap<u64, usize> =
            used.iter().filter_map(elsewhere).filter(|(_, processor)| Some(*processor) != home).collect();
        let before = self.astray.replace(astray.clone());
        let receiver = |(processor, count): (&usize, &usize)| {
            (Some(*processor) != home).then_some(())?;
            let part = *count as f64 / used.len() as f64;
            Some((*count, *processor, self.team.neighbour(self.worker, *processor, part)?))
        };
        let Some((_, there, to)) = counts.iter().filter_map(receiver).max() else { return Relief::None };
        let again = |(number, processor): &(&u64, &usize)| {
            **processor == there && before.get(number) == Some(processor)
        };
        let these: BTreeSet<u64> = astray.iter().filter(again).map(|(number, _)| *number).collect();
        if these.is_empty() { Relief::None } else { Relief::Give { which: Which::These(these), to } }
    }
}

impl Relief {
    /// By `help`, of a part of the connections in use.
    fn of(used: &Used, help: Help) -> Self {
        let given = (used.len() as f64 * help.part) as usize;
        match used.keys().nth_back(given) {
            Some(last) if given > 0 => Self::Give { which: Which::After(*last), to: help.worker },
            _ => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(connections: &[(u64, usize)]) -> Used {
        connections.iter().map(|(number, processor)| (*number, Some(*processor))).collect()
    }

    fn given(relief: &Relief) -> (Vec<u64>, Option<usize>) {
        match relief {
            Relief::Give { which, to } => ((0..100).filter(|number| which.has(*number)).collect(), Some(*to)),
            Relief::None | Relief::Survey(_) => (Vec::new(), None),
        }
    }

    #[test]
    fn of_those_in_use_the_last_ones_are_given() {
        let surveyed = |used: &[u64], part: f64| {
            let used = used.iter().map(|number| (*number, None)).collect();
            let relief = Relief::of(&used, Help { worker: 1, part });
            let (numbers, to) = given(&relief);
            (numbers.first().copied(), to)
        };
        assert_eq!(surveyed(&[3, 9, 4, 7], 0.5), (Some(5), Some(1)));
        assert_eq!(surveyed(&[3, 9, 4], 0.5), (Some(5), Some(1)));
        assert_eq!(surveyed(&[3, 9, 4, 7], 0.25), (Some(8), Some(1)));
        // One alone is best where it is.
        assert_eq!(surveyed(&[3], 0.5), (None, None));
        assert_eq!(surveyed(&[], 0.5), (None, None));
    }

    #[test]
    fn connections_astray_are_given_to_the_worker_that_has_most_of_their_kind() {
        let (team, _inboxes) = Team::new(2, 1_000);
        let [first, second] = [0, 1].map(|worker| Seat::new(team.clone(), worker));
        let mixed = used(&[(1, 4), (2, 6), (3, 4), (4, 4), (5, 6)]);
        assert_eq!(given(&first.sort(&mixed)), (vec![], None), "nobody is there");
        assert_eq!(given(&second.sort(&used(&[(1, 6), (2, 6)]))), (vec![], None));
        assert_eq!(given(&first.sort(&mixed)), (vec![2, 5], Some(1)));
    }

    #[test]
    fn what_was_astray_only_once_stays() {
        let (team, _inboxes) = Team::new(2, 1_000);
        let [first, second] = [0, 1].map(|worker| Seat::new(team.clone(), worker));
        second.sort(&used(&[(1, 6)]));
        // Its client was moved by the system between two looks.
        first.sort(&used(&[(1, 4), (2, 4), (3, 6)]));
        assert_eq!(given(&first.sort(&used(&[(1, 4), (2, 6), (3, 4), (4, 4)]))), (vec![], None));
    }

    #[test]
    fn two_workers_with_the_same_mixture_sort_it() {
        let (team, _inboxes) = Team::new(2, 1_000);
        let [first, second] = [0, 1].map(|worker| Seat::new(team.clone(), worker));
        let mixture = used(&[(1, 4), (2, 4), (3, 4), (4, 6), (5, 6)]);
        for seat in [&first, &second] {
            seat.sort(&mixture);
        }
        assert_eq!(given(&first.sort(&mixture)), (vec![4, 5], Some(1)));
        assert_eq!(given(&second.sort(&mixture)), (vec![1, 2, 3], Some(0)));
    }

    #[test]
    fn clients_on_one_processor_leave_everything_where_it_is() {
        let (team, _inboxes) = Team::new(2, 1_000);
        let [first, second] = [0, 1].map(|worker| Seat::new(team.clone(), worker));
        for _ in 0..3 {
            assert_eq!(given(&first.sort(&used(&[(1, 4), (2, 4)]))), (vec![], None));
            assert_eq!(given(&second.sort(&used(&[(1, 4)]))), (vec![], None));
        }
    }
}

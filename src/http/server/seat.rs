//! A worker's place among the others, and on the processors.
//!
//! Two things that nobody can know when a connection comes are put right under load. Where all clients come in on one
//! processor, one worker has everything and is relieved of a part by one that idles: of those connections on which something
//! happens, those that came last, so that the others of one client stay together. And a worker goes where its packets come
//! in: the system often lets two workers and their clients run crosswise, and that costs a third of the throughput.
//! Invariant: a connection changes hands only while nothing of it is under way.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
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
/// One in so many quiet moments is for a look at where packets come in.
const EVERY: u32 = 512;
/// After so many looks at packets from elsewhere, one after the other, the worker goes there.
const CERTAIN: u32 = 3;

/// What a worker does for balance.
#[derive(Debug, Default)]
enum Relief {
    #[default]
    None,
    /// Looks which connections are in use.
    Survey(BTreeSet<u64>),
    /// Gives those in use that came after this one to another worker.
    Give { after: u64, to: usize },
}

/// A worker's place among the others.
#[derive(Debug)]
pub struct Seat {
    team: Arc<Team>,
    worker: usize,
    /// Connections that have come.
    came: Cell<u64>,
    relief: RefCell<Relief>,
    quiet_moments: Cell<u32>,
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
            quiet_moments: Cell::default(),
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
            *seat.relief.borrow_mut() = Relief::Give { after: 0, to: 1 - worker };
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
            self.go_near(stream);
        }
        match &mut *self.relief.borrow_mut() {
            Relief::None => false,
            Relief::Survey(used) => {
                used.insert(number);
                false
            }
            Relief::Give { after, .. } if number <= *after => false,
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

    /// Sees to it again and again that this worker has no more to do than the others.
    pub(super) async fn keep_balance(self: Rc<Self>) {
        let (mut looked, mut ran, mut share) = (Instant::now(), processor::time(), 0.0);
        while let Some(before) = ran {
            actix::clock::sleep(if share > SOME { LOOK_BUSY } else { LOOK_IDLE }).await;
            ran = processor::time();
            let busy = ran.unwrap_or(before).saturating_sub(before).as_secs_f64();
            share = busy / looked.elapsed().as_secs_f64();
            looked = Instant::now();
            let help = self.team.was_busy(self.worker, (share * 1000.0) as u32);
            let relief = self.relief.take();
            *self.relief.borrow_mut() = relief.next(help);
        }
    }
}

impl Relief {
    /// What follows after a while, if there is `help`.
    fn next(self, help: Option<Help>) -> Self {
        match (self, help) {
            (_, None) => Self::None,
            (Self::Survey(used), Some(Help { worker: to, part })) => {
                let given = (used.len() as f64 * part) as usize;
                match used.iter().nth_back(given) {
                    Some(after) if given > 0 => Self::Give { after: *after, to },
                    _ => Self::None,
                }
            }
            (Self::None | Self::Give { .. }, Some(_)) => Self::Survey(BTreeSet::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_those_in_use_the_last_ones_are_given() {
        let surveyed = |used: &[u64], part: f64| {
            Relief::Survey(used.iter().copied().collect()).next(Some(Help { worker: 1, part }))
        };
        assert!(matches!(surveyed(&[3, 9, 4, 7], 0.5), Relief::Give { after: 4, to: 1 }));
        assert!(matches!(surveyed(&[3, 9, 4], 0.5), Relief::Give { after: 4, to: 1 }));
        assert!(matches!(surveyed(&[3, 9, 4, 7], 0.25), Relief::Give { after: 7, to: 1 }));
        // One alone is best where it is.
        assert!(matches!(surveyed(&[3], 0.5), Relief::None));
        assert!(matches!(surveyed(&[], 0.5), Relief::None));
    }

    #[test]
    fn before_anything_is_given_it_is_looked_what_is_in_use() {
        let help = Some(Help { worker: 1, part: 0.5 });
        assert!(matches!(Relief::None.next(help), Relief::Survey(_)));
        assert!(matches!(Relief::Give { after: 1, to: 1 }.next(help), Relief::Survey(_)));
        assert!(matches!(Relief::Survey(BTreeSet::from([1])).next(None), Relief::None));
    }
}

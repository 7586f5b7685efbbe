//! Clicks that were answered from memory, until they are counted.
//!
//! Owns the journal of clicks. Invariants: a click is in the journal before it is answered, so it survives the death of
//! this process; it is counted once, whatever dies between; a journal that cannot take it says so, and then the click is
//! counted by the datastore before it is answered, as those on links that are not remembered.
//!
//! Written by workers through a [`Clerk`], read by the one [`bookkeeper`]; in between stand [`record`]s, which [`fold`] adds up
//! and [`applier`] brings to the datastore.

mod applier;
pub mod bookkeeper;
mod fold;
mod record;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::Utc;
use tokio::sync::{Notify, watch};

use super::memory::{Front, Memory, Recalled, Remembered};
use super::model::ShortCode;
use super::safety::Lists;
use super::visitor::{AgentClasses, Visitor, referrer_host};
use crate::journal::Journal;
use crate::values::network;
use record::{Click, Visit};

/// The journal of clicks.
#[derive(Debug)]
pub struct Ledger {
    journal: Arc<Journal>,
    fallbacks: AtomicU64,
    is_full: AtomicBool,
    /// Somebody waits for all that is in the journal to be counted.
    wanted: Notify,
    waiters: AtomicUsize,
    /// Up to where it is.
    applied: watch::Sender<u64>,
}

/// How long somebody waits for clicks to be counted.
const PATIENCE: Duration = Duration::from_secs(1);

/// There is no room for a click in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Ledger {
    /// A ledger over `journal`.
    pub fn new(journal: Arc<Journal>) -> Self {
        Self {
            journal,
            fallbacks: AtomicU64::new(0),
            is_full: AtomicBool::new(false),
            wanted: Notify::new(),
            waiters: AtomicUsize::new(0),
            applied: watch::Sender::new(0),
        }
    }

    /// Waits until all that is in the journal by now is counted, so that who asks sees his own clicks; not for long.
    pub(super) async fn settle(&self) {
        if self.journal.waiting() == 0 {
            return;
        }
        let end = self.journal.end().get();
        let mut applied = self.applied.subscribe();
        let _waiter = Waiter::new(&self.waiters);
        self.wanted.notify_one();
        let wait = applied.wait_for(|applied| *applied >= end);
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            tracing::debug!("clicks are shown that are not all there are");
        }
    }

    /// Waits, unless somebody waits for the journal to be worked off.
    async fn rest(&self, time: Duration) {
        if self.waiters.load(Ordering::Acquire) == 0 {
            let _ = tokio::time::timeout(time, self.wanted.notified()).await;
        }
    }

    fn append(&self, click: &Click<'_>) -> Result<(), Full> {
        match self.journal.append(&click.encode()) {
            Ok(_) => {
                if self.is_full.load(Ordering::Relaxed) && self.is_full.swap(false, Ordering::Relaxed) {
                    tracing::info!("the journal of clicks has room again");
                }
                Ok(())
            }
            Err(problem) => {
                self.fallbacks.fetch_add(1, Ordering::Relaxed);
                if !self.is_full.swap(true, Ordering::Relaxed) {
                    tracing::error!(%problem, "no room in the journal: clicks are counted one by one");
                }
                Err(Full)
            }
        }
    }
}

/// Somebody who waits.
struct Waiter<'a>(&'a AtomicUsize);

impl<'a> Waiter<'a> {
    fn new(waiters: &'a AtomicUsize) -> Self {
        waiters.fetch_add(1, Ordering::AcqRel);
        Self(waiters)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What became of a visit that asks nobody.
#[derive(Debug)]
pub(super) enum Followed {
    /// It is counted, and leads on.
    Open(Remembered),
    /// The datastore has to decide.
    Guarded,
    /// The datastore has to be asked what the link is.
    Unknown,
    /// The datastore has to count it.
    Full,
}

/// A worker's way to follow links without asking anybody.
#[derive(Debug)]
pub struct Clerk {
    memory: Arc<Memory>,
    ledger: Arc<Ledger>,
    lists: Arc<Lists>,
    agents: RefCell<AgentClasses>,
    full_ips: bool,
}

impl Clerk {
    /// A clerk of the current thread.
    pub fn new(memory: Arc<Memory>, ledger: Arc<Ledger>, lists: Arc<Lists>, full_ips: bool) -> Self {
        Self { memory, ledger, lists, agents: RefCell::default(), full_ips }
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Waits until clicks so far are counted, unless that cannot be now.
    pub(super) async fn settle(&self) {
        if !self.memory.is_alone() {
            self.ledger.settle().await;
        }
    }

    /// A memory for the current thread alone.
    pub(super) fn front(&self) -> Front {
        Front::new(self.memory.clone())
    }

    /// The link at `code`, if it is known that anybody may follow it.
    pub(super) fn recall<'a>(&self, front: &'a mut Front, code: &str) -> Option<&'a Remembered> {
        self.lists.under_edition(|edition| front.recall(code, edition))
    }

    /// Follows the link at `code` if it is remembered; `visitor` is asked for only if that matters.
    pub(super) fn follow(&self, code: &str, visitor: impl FnOnce() -> Visitor) -> Followed {
        match self.lists.under_edition(|edition| self.memory.recall(code, edition)) {
            Recalled::Open(link) => self.counted(code, link, visitor),
            Recalled::Guarded => Followed::Guarded,
            Recalled::Unknown => Followed::Unknown,
        }
    }

    /// The same, now that the datastore does not answer.
    pub(super) fn follow_stale(&self, code: &str, visitor: impl FnOnce() -> Visitor) -> Followed {
        match self.lists.under_edition(|edition| self.memory.recall_stale(code, edition)) {
            Some(link) => self.counted(code, link, visitor),
            None => Followed::Unknown,
        }
    }

    /// Whether the journal had no room when it was last asked.
    pub(super) fn is_full(&self) -> bool {
        self.ledger.is_full.load(Ordering::Relaxed)
    }

    /// Follows a remembered link.
    pub(super) fn counted(
        &self,
        code: &str,
        link: Remembered,
        visitor: impl FnOnce() -> Visitor,
    ) -> Followed {
        match self.note(code, &link, visitor) {
            Ok(()) => Followed::Open(link),
            Err(Full) => Followed::Full,
        }
    }

    /// Notes a click on a remembered link, before it is answered.
    pub(super) fn note(
        &self,
        code: &str,
        link: &Remembered,
        visitor: impl FnOnce() -> Visitor,
    ) -> Result<(), Full> {
        let created_ms = link.created_ms();
        if !link.records() {
            return self.ledger.append(&Click { code, created_ms, counts: true, visit: None });
        }
        self.describe(&visitor(), |visit| {
            self.ledger.append(&Click { code, created_ms, counts: true, visit: Some(visit) })
        })
    }

    /// Tallies a click that was counted when it was answered. That it may be missing there when the journal is full is what
    /// tallies bear.
    pub(super) fn tally(&self, code: &ShortCode, created_ms: u64, visitor: &Visitor) {
        let code = code.as_str();
        let _ = self.describe(visitor, |visit| {
            self.ledger.append(&Click { code, created_ms, counts: false, visit: Some(visit) })
        });
    }

    /// What is kept of a visitor.
    pub(super) fn describe<T>(&self, visitor: &Visitor, then: impl FnOnce(Visit<'_>) -> T) -> T {
        let ip = if self.full_ips { visitor.ip } else { network::truncated(visitor.ip) };
        let referrer = visitor.referrer.as_deref().and_then(referrer_host).unwrap_or_default();
        then(Visit {
            time_ms: Utc::now().timestamp_millis().unsigned_abs(),
            http_method: visitor.http_method,
            ip,
            referrer: &referrer,
            agent: self.agents.borrow_mut().of(&visitor.user_agent),
        })
    }
}

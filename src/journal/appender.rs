//! Where the next record goes.
//!
//! Who appends takes no lock as long as the segment in use has room: a thread that is stopped in the middle of a record stops
//! nobody else. Invariant: nothing here makes, opens or syncs a file, so nobody waits for that under the lock.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use arc_swap::ArcSwapOption;

use super::record::Head;
use super::segment::Tail;
use super::{NoRoom, Position, lock};

/// What an append needs.
#[derive(Debug)]
pub(super) struct Appender {
    tail: ArcSwapOption<Tail>,
    next: Mutex<Next>,
}

/// What comes after the segment in use. [`Appender::tail`] changes under its lock only; without one there is no spare.
#[derive(Debug)]
struct Next {
    /// Made ahead.
    spare: Option<Tail>,
    /// Just past the last record of the segments before.
    end: u64,
    /// Of them.
    records: u64,
    /// Since the last failure to make a segment.
    refused_until: Option<Instant>,
    /// The last full segment: unmapping is not for who appends.
    retired: Option<Arc<Tail>>,
    closed: bool,
}

/// What is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Nothing,
    /// The segment to append to, or the one after it.
    Segment,
    /// No more is wanted.
    Closed,
}

impl Appender {
    /// Without a segment, after `records` records that end before `end`.
    pub(super) fn new(end: u64, records: u64) -> Self {
        let next = Next { spare: None, end, records, refused_until: None, retired: None, closed: false };
        Self { tail: ArcSwapOption::empty(), next: Mutex::new(next) }
    }

    /// `None` if a segment has to be made first.
    pub(super) fn append(&self, head: Head, record: &[u8]) -> Result<Option<Position>, NoRoom> {
        loop {
            let tail = self.tail.load();
            if let Some(position) = tail.as_ref().and_then(|tail| tail.append(head, record)) {
                return Ok(Some(Position(position)));
            }
            let mut next = lock(&self.next);
            if tail.is_some() {
                next.succeed(&self.tail, tail.as_ref());
            } else if self.tail.load().is_none() {
                return if next.refuses() { Err(NoRoom) } else { Ok(None) };
            }
        }
    }

    /// What is missing, and what has to be unmapped.
    pub(super) fn missing(&self) -> (Missing, Option<Arc<Tail>>) {
        let mut next = lock(&self.next);
        if next.closed {
            return (Missing::Closed, None);
        }
        let missing = if next.spare.is_some() { Missing::Nothing } else { Missing::Segment };
        (missing, next.retired.take())
    }

    /// Here is what was missing.
    pub(super) fn supply(&self, made: Tail) {
        let mut next = lock(&self.next);
        next.refused_until = None;
        next.spare = Some(made);
        if self.tail.load().is_none() {
            next.roll_over(&self.tail);
        }
    }

    /// A segment could not be made: none is asked for until then. True if that is new.
    pub(super) fn refuse_until(&self, until: Instant) -> bool {
        lock(&self.next).refused_until.replace(until).is_none()
    }

    /// There is room: the next append need not wait, and a new failure is not worth another line in the log.
    pub(super) fn refuse_no_more(&self) {
        let mut next = lock(&self.next);
        next.refused_until = next.refused_until.map(|_| Instant::now());
    }

    /// Takes the segment that was made ahead, and ends the one in use.
    pub(super) fn start_over(&self) -> Option<Tail> {
        let mut next = lock(&self.next);
        let spare = next.spare.take();
        next.roll_over(&self.tail);
        spare
    }

    /// Ends everything; nothing is appended any more.
    pub(super) fn close(&self) {
        let mut next = lock(&self.next);
        next.closed = true;
        // Twice, for the spare.
        next.roll_over(&self.tail);
        next.roll_over(&self.tail);
    }

    /// Just past the last record that was given room, and how many there ever were, those found at the start with them.
    pub(super) fn end(&self) -> (u64, u64) {
        let next = lock(&self.next);
        self.tail.load().as_ref().map_or((next.end, next.records), |tail| next.after(tail))
    }
}

impl Next {
    /// Ends `full`, unless somebody else did so.
    fn succeed(&mut self, tail: &ArcSwapOption<Tail>, full: Option<&Arc<Tail>>) {
        let current = tail.load();
        if current.as_ref().map(Arc::as_ptr) == full.map(Arc::as_ptr) {
            self.roll_over(tail);
        }
    }

    /// Ends the segment in use, be there another or not: so a full one can be read to its end and deleted.
    fn roll_over(&mut self, tail: &ArcSwapOption<Tail>) {
        if let Some(full) = tail.swap(self.spare.take().map(Arc::new)) {
            full.segment.seal();
            (self.end, self.records) = self.after(&full);
            self.retired = Some(full);
        }
    }

    /// End and records with those that `tail` has so far.
    fn after(&self, tail: &Tail) -> (u64, u64) {
        let count = u64::from(tail.segment.given().count);
        (if count > 0 { tail.segment.base + count } else { self.end }, self.records + count)
    }

    /// There is no use in making a segment now.
    fn refuses(&self) -> bool {
        self.closed || self.refused_until.is_some_and(|until| Instant::now() < until)
    }
}

//! Where the next record goes: what is under the lock that every append takes.
//!
//! Invariant: nothing here makes, opens or syncs a file, so nobody waits for that under the lock.

use std::time::Instant;

use memmap2::MmapMut;

use super::Position;
use super::record::Head;
use super::segment::Tail;

/// What an append needs.
#[derive(Debug)]
pub(super) struct Appender {
    pub(super) tail: Option<Tail>,
    /// Made ahead.
    pub(super) spare: Option<Tail>,
    /// Just past the last record.
    pub(super) end: u64,
    /// Ever appended, and found at the start.
    pub(super) records: u64,
    /// Since the last failure to make a segment.
    pub(super) refused_until: Option<Instant>,
    /// Of the last full segment: unmapping is not for who appends.
    pub(super) retired: Option<MmapMut>,
    pub(super) closed: bool,
}

impl Appender {
    /// Without a segment.
    pub(super) fn new(end: u64, records: u64) -> Self {
        Self { tail: None, spare: None, end, records, refused_until: None, retired: None, closed: false }
    }

    /// `None` if there is no room in the segment nor a spare.
    pub(super) fn append(&mut self, head: Head, record: &[u8]) -> Option<Position> {
        loop {
            if let Some(position) = self.tail.as_mut()?.append(head, record) {
                self.end = position + 1;
                self.records += 1;
                return Some(Position(position));
            }
            self.roll_over();
        }
    }

    /// Ends the segment, be there another or not: so a full one can be read to its end and deleted.
    pub(super) fn roll_over(&mut self) {
        let full = std::mem::replace(&mut self.tail, self.spare.take());
        if let Some(full) = full {
            self.retired = Some(full.seal());
        }
    }

    /// There is no use in making a segment now.
    pub(super) fn refuses(&self) -> bool {
        self.closed || self.refused_until.is_some_and(|until| Instant::now() < until)
    }
}

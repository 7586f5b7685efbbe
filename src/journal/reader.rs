//! Reads behind the writers, and deletes segments whose records have all been applied.
//!
//! Invariant: what is read was committed, and each record is read once. The reader reads files, never the map.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::record::{self, MAX_FRAME};
use super::segment::{Mark, Segment};
use super::{Journal, Position, WriterId, lock, recovery};

/// What is read at once, in bytes: not much more than is used, since what is left over is read again.
const CHUNK: usize = 32 * 1024;

/// The one that reads a journal. See [`Journal::reader`].
#[derive(Debug)]
pub struct Reader {
    journal: Arc<Journal>,
    /// Being read, and how far.
    segment: Option<Arc<Segment>>,
    mark: Mark,
    /// Segments below this base have been read.
    next_base: u64,
    position: u64,
    /// Records read, and those that were released before.
    read: u64,
}

/// Some records, all of one writer and one process, and the gaps between them.
#[derive(Debug)]
pub struct Batch {
    /// Who wrote them.
    pub writer: WriterId,
    /// Written by an earlier process.
    pub recovered: bool,
    first: u64,
    count: usize,
    bytes: Vec<u8>,
}

impl Batch {
    /// How many positions it takes up; at least one.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.count
    }

    /// The records in order of their positions.
    pub fn iter(&self) -> impl Iterator<Item = (Position, &[u8])> {
        record::split(&self.bytes)
            .zip(self.first..)
            .filter_map(|(record, position)| Some((Position(position), record?)))
    }
}

impl Reader {
    pub(super) fn new(journal: Arc<Journal>) -> Self {
        let (position, read) = {
            let stock = lock(&journal.stock);
            (stock.segments.front().map_or(journal.floor, |segment| segment.base), stock.deleted)
        };
        Self { journal, segment: None, mark: Mark::START, next_base: 0, position, read }
    }

    /// Up to `max_records` records, all of one writer and one process; `None` when there is nothing to read now.
    pub fn read(&mut self, max_records: usize) -> io::Result<Option<Batch>> {
        while let Some(segment) = self.next_segment() {
            // In this order: what a sealed segment was given does not change any more.
            let sealed = segment.is_sealed();
            let committed = segment.committed();
            if self.mark.offset < committed.offset {
                if let Some(batch) = self.batch(&segment, committed, max_records.max(1))? {
                    return Ok(Some(batch));
                }
                // They were appended, and the disk does not have them: there is nothing to wait for.
                let (from, lost) = (self.position, committed.count - self.mark.count);
                tracing::error!(path = %segment.path.display(), from, lost, "records of the journal are damaged");
                self.advance(&segment, committed);
            } else if sealed && self.mark == segment.given() {
                self.segment = None;
                self.next_base = segment.base + 1;
            } else {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// The one to read on in.
    fn next_segment(&mut self) -> Option<Arc<Segment>> {
        if self.segment.is_none() {
            let stock = lock(&self.journal.stock);
            self.segment = stock.segments.iter().find(|segment| segment.base >= self.next_base).cloned();
            self.mark = Mark::START;
            // Nothing that was there at the start is left if there is none, and all that comes is at the floor or above.
            let from = self.segment.as_ref().map_or(self.journal.floor, |segment| segment.base);
            self.position = self.position.max(from);
        }
        self.segment.clone()
    }

    fn batch(&mut self, segment: &Segment, committed: Mark, max: usize) -> io::Result<Option<Batch>> {
        let there = (committed.offset - self.mark.offset) as usize;
        let mut bytes = vec![0; there.min(max.saturating_mul(MAX_FRAME)).min(CHUNK)];
        segment.file.read_exact_at(&mut bytes, u64::from(self.mark.offset))?;
        let (length, count) = record::measure(&bytes, max.min((committed.count - self.mark.count) as usize));
        if count == 0 {
            return Ok(None);
        }
        bytes.truncate(length);
        let first = self.position;
        let to = Mark { offset: self.mark.offset + length as u32, count: self.mark.count + count as u32 };
        self.advance(segment, to);
        Ok(Some(Batch { writer: segment.writer.clone(), recovered: segment.recovered, first, count, bytes }))
    }

    fn advance(&mut self, segment: &Segment, to: Mark) {
        self.read += u64::from(to.count - self.mark.count);
        self.position = segment.base + u64::from(to.count);
        self.mark = to;
    }

    /// Everything read so far has been applied: segments that hold nothing else are deleted.
    pub fn release(&mut self) -> io::Result<()> {
        self.journal.released.fetch_max(self.read, Ordering::Relaxed);
        let mut stock = lock(&self.journal.stock);
        let position = self.position;
        self.journal.delete(&mut stock, |segment| segment.is_sealed() && segment.end() <= position)
    }

    /// Of the next record to read, or lower.
    pub fn position(&self) -> Position {
        Position(self.position)
    }

    /// At a clean stop, after everything read has been applied: no segment stays, only what keeps positions increasing
    /// and the writer id. A segment with records that were not read stays too. The journal refuses appends from now on.
    pub fn close(self) -> io::Result<()> {
        let journal = &self.journal;
        journal.released.fetch_max(self.read, Ordering::Relaxed);
        let mut stock = lock(&journal.stock);
        journal.appender.close();
        recovery::write_end(&journal.dir, &stock.writer, stock.next_base)?;
        journal.delete(&mut stock, |segment| segment.given().count == 0 || segment.end() <= self.position)
    }
}

//! A crash-safe, bounded, append-only log in a directory; it knows no domain.
//!
//! A record is appended by a copy into a memory-mapped file, so once [`Journal::append`] has returned it survives the
//! death of the process; [`Journal::sync`] brings it to the disk, for the death of the machine. The log lies in segments
//! (`segment.rs`) of records (`record.rs`), appended in `appender.rs` without a lock; a [`Reader`] reads behind the writers and deletes what
//! has been applied; `recovery.rs` finds what an earlier process left.
//!
//! Invariants:
//! - One process has the directory (its owner holds a lock, see [`crate::data_dir`]), and one reader.
//! - Positions strictly increase over all records that the directory ever had, whatever the clock does.
//! - The directory can be opened after a crash between any two steps: files appear under their final names whole, and
//!   are deleted oldest first.
//! - Locks are taken in one order, the stock before the appender's, and nobody waits for the disk under the latter.

mod appender;
mod id;
mod reader;
mod record;
mod recovery;
mod segment;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use appender::{Appender, Missing};
pub use id::{Position, WriterId};
pub use reader::{Batch, Reader};
pub use record::MAX_RECORD;
use recovery::Stock;
use segment::{HEADER, Header, Segment, Tail, capacity};

/// After a segment could not be made, appends are refused for this long before the next try.
const RETRY: Duration = Duration::from_millis(100);
/// How much the journal may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of one segment, in bytes.
    pub segment_bytes: u64,
    /// Of all segments, in bytes. Segments count whole, the one made ahead too.
    pub max_bytes: u64,
}

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A segment would be too small for one record or too large for its offsets.
    #[error("a segment of {0} bytes is no size for the journal")]
    SegmentBytes(u64),
    /// The file system refused.
    #[error("cannot use the journal in {path}: {source}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
}

/// The record was not taken: the journal is as large as it may be, the disk is full or fails, or the journal was closed.
/// So is a record that is empty or longer than [`MAX_RECORD`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the journal has no room")]
pub struct NoRoom;

/// The log; shared by all threads.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    limits: Limits,
    /// Microseconds since 1970.
    clock: fn() -> u64,
    /// Of positions, when it was opened.
    floor: u64,
    stock: Mutex<Stock>,
    appender: Appender,
    bytes: AtomicU64,
    /// Records that were found at the start.
    found: u64,
    /// Records that were read and released.
    released: AtomicU64,
    /// Files were made whose names are not on the disk yet.
    unnamed: AtomicBool,
}

impl Journal {
    /// Creates the directory if need be, private to this user, and takes stock of what earlier processes left in it.
    pub fn open(dir: &Path, limits: Limits) -> Result<Self, JournalError> {
        Self::open_with_clock(dir, limits, || {
            u64::try_from(chrono::Utc::now().timestamp_micros()).unwrap_or(0)
        })
    }

    fn open_with_clock(dir: &Path, limits: Limits, clock: fn() -> u64) -> Result<Self, JournalError> {
        let smallest = (HEADER + record::MAX_FRAME) as u64;
        if !(smallest..=u64::from(u32::MAX)).contains(&limits.segment_bytes) {
            return Err(JournalError::SegmentBytes(limits.segment_bytes));
        }
        let stock = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .and_then(|()| recovery::take_stock(dir, limits.segment_bytes))
            .map_err(|source| JournalError::Io { path: dir.to_owned(), source })?;
        let bytes = stock.segments.iter().map(|segment| segment.bytes).sum();
        let records = stock.segments.iter().map(|segment| u64::from(segment.committed().count)).sum();
        Ok(Self {
            dir: dir.to_owned(),
            limits,
            clock,
            floor: stock.next_base,
            appender: Appender::new(stock.next_base, records),
            stock: Mutex::new(stock),
            bytes: AtomicU64::new(bytes),
            found: records,
            released: AtomicU64::new(0),
            unnamed: AtomicBool::new(true),
        })
    }

    /// Once it returns, the record survives the death of the process. A refusal is cheap.
    pub fn append(&self, record: &[u8]) -> Result<Position, NoRoom> {
        let head = record::head(record).ok_or(NoRoom)?;
        // Others may take the room that one has just made; then a whole segment was filled, and there are only so many.
        loop {
            if let Some(position) = self.appender.append(head, record)? {
                return Ok(position);
            }
            self.prepare().map_err(|_| NoRoom)?;
        }
    }

    /// Just past the last record: later ones have this position or a higher one, and a reader that has reached it has
    /// read all before.
    pub fn end(&self) -> Position {
        Position(self.appender.end().0)
    }

    /// How many records were appended, by this process.
    pub fn appended(&self) -> u64 {
        self.appender.end().1 - self.found
    }

    /// Of all segments on the disk.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What part of the room that there may be is taken, from 0 to 1.
    pub fn fullness(&self) -> f64 {
        self.bytes() as f64 / self.limits.max_bytes as f64
    }

    /// How many records are not released.
    pub fn waiting(&self) -> u64 {
        self.appender.end().1.saturating_sub(self.released.load(Ordering::Relaxed))
    }

    /// Brings to the disk what was appended before. Appends go on meanwhile.
    ///
    /// On Linux that is all of it. Elsewhere a kernel may leave mapped pages that changed for later.
    pub fn sync(&self) -> io::Result<()> {
        let segments: Vec<Arc<Segment>> = lock(&self.stock).segments.iter().cloned().collect();
        for segment in segments {
            segment.sync()?;
        }
        if self.unnamed.swap(false, Ordering::Relaxed) {
            let named = File::open(&self.dir).and_then(|dir| dir.sync_all());
            return named.inspect_err(|_| self.unnamed.store(true, Ordering::Relaxed));
        }
        Ok(())
    }

    /// Makes the next segment if it is not there. For a thread that may wait, so that appends need not.
    ///
    /// Fails with [`io::ErrorKind::StorageFull`] when there is no room for one.
    pub fn prepare(&self) -> io::Result<()> {
        let mut stock = lock(&self.stock);
        let (missing, retired) = self.appender.missing();
        drop(retired);
        match missing {
            Missing::Nothing => return Ok(()),
            Missing::Closed => return Err(io::Error::other("the journal is closed")),
            Missing::Segment => {}
        }
        let made = self.make_segment(&mut stock);
        made.map(|tail| self.appender.supply(tail)).inspect_err(|error| {
            if self.appender.refuse_until(Instant::now() + RETRY) {
                tracing::warn!(%error, bytes = self.bytes(), "no room for a new segment of the journal");
            }
        })
    }

    fn make_segment(&self, stock: &mut Stock) -> io::Result<Tail> {
        let bytes = self.limits.segment_bytes;
        if self.bytes().saturating_add(bytes) > self.limits.max_bytes {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let base = stock.next_base.max((self.clock)());
        let tail = Tail::create(&self.dir, Header { base, writer: stock.writer.clone() }, bytes)?;
        self.unnamed.store(true, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        stock.segments.push_back(tail.segment.clone());
        stock.next_base = base + capacity(bytes);
        Ok(tail)
    }

    /// A new id, for the records from now on; an error has changed nothing.
    pub fn renew_writer(&self) -> io::Result<WriterId> {
        let mut stock = lock(&self.stock);
        let writer = WriterId::generate();
        recovery::write_end(&self.dir, &writer, stock.next_base)?;
        stock.writer = writer.clone();
        if let Some(spare) = self.appender.start_over() {
            spare.segment.seal();
            drop(spare);
            let emptied =
                self.delete(&mut stock, |segment| segment.is_sealed() && segment.given().count == 0);
            if let Err(error) = emptied {
                // The reader passes it and tries again.
                tracing::warn!(%error, "cannot delete an empty segment of the journal");
            }
        }
        Ok(writer)
    }

    /// The one reader, from the oldest record whose segment is still there.
    pub fn reader(self: &Arc<Self>) -> Reader {
        Reader::new(self.clone())
    }

    /// Deletes segments, oldest first.
    fn delete(&self, stock: &mut Stock, which: impl Fn(&Segment) -> bool) -> io::Result<()> {
        let mut at = 0;
        while let Some(segment) = stock.segments.get(at) {
            if !which(segment) {
                at += 1;
                continue;
            }
            match std::fs::remove_file(&segment.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            self.bytes.fetch_sub(segment.bytes, Ordering::Relaxed);
            stock.deleted += u64::from(segment.given().count);
            stock.segments.remove(at);
            self.appender.refuse_no_more();
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

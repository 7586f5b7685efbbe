//! One file of the journal: a header, then records, then zeros.
//!
//! Records are written by many threads at once, none of which waits for another: each is given its room in one step, fills it, and
//! says so. Invariants: a file has its final name only when its header and all its blocks are there. A segment owns the positions
//! from its base up to its base plus [`capacity`], whether there are records for them or not. What counts as committed was
//! written whole, and so was everything before it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use memmap2::MmapRaw;

use super::WriterId;
use super::record::{self, Head, MIN_FRAME, OVERHEAD};

/// Magic, version, writer id, base, checksum of these.
pub(super) const HEADER: usize = 32;
/// How names of segments end.
pub(super) const ENDING: &str = "journal";
/// How names of files end that are not complete.
pub(super) const DRAFT: &str = "new";
const MAGIC: &[u8; 8] = b"journal\n";
const VERSION: u32 = 1;

/// In [`Pace::given`]: no more will be.
const SEALED: u64 = 1 << 63;
/// How often it is looked whether nobody is in the middle of a record, one look right after the other.
const LOOKS: u32 = 64;

/// A segment on the disk, shared by who writes, reads and syncs it.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) base: u64,
    pub(super) writer: WriterId,
    /// Written by an earlier process.
    pub(super) recovered: bool,
    pub(super) file: File,
    /// Of the file.
    pub(super) bytes: u64,
    /// A [`Mark`], packed: how far it was committed when that was last looked at.
    committed: AtomicU64,
    /// The offset up to which it was synced.
    synced: AtomicU64,
    pace: Pace,
}

/// What all writers change, away from what they only read.
#[derive(Debug)]
#[repr(align(128))]
struct Pace {
    /// The room that was given out: a [`Mark`], packed, and [`SEALED`].
    given: AtomicU64,
    /// Records that have been written whole.
    written: AtomicU32,
}

/// How far records go in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// In the file, in bytes.
    pub(super) offset: u32,
    /// Of records.
    pub(super) count: u32,
}

impl Mark {
    /// Before the first record.
    pub(super) const START: Self = Self { offset: HEADER as u32, count: 0 };

    fn pack(self) -> u64 {
        u64::from(self.count) << 32 | u64::from(self.offset)
    }

    fn unpack(packed: u64) -> Self {
        Self { offset: packed as u32, count: (packed >> 32) as u32 }
    }

    /// After one more record of so many bytes.
    fn after(self, length: usize) -> Self {
        Self { offset: self.offset + length as u32, count: self.count + 1 }
    }
}

impl Segment {
    /// A segment that an earlier process left, with records up to `end`.
    pub(super) fn recovered(path: PathBuf, file: File, header: Header, end: Mark, bytes: u64) -> Self {
        let segment = Self { recovered: true, ..Self::new(path, file, header, end, bytes) };
        segment.seal();
        segment
    }

    fn new(path: PathBuf, file: File, header: Header, end: Mark, bytes: u64) -> Self {
        Self {
            path,
            base: header.base,
            writer: header.writer,
            recovered: false,
            file,
            bytes,
            committed: AtomicU64::new(end.pack()),
            // An earlier process may have died before it synced.
            synced: AtomicU64::new(0),
            pace: Pace { given: AtomicU64::new(end.pack()), written: AtomicU32::new(end.count) },
        }
    }

    /// Room for a record of so many bytes that is its caller's alone, if there is any.
    fn give(&self, length: usize) -> Option<Mark> {
        let taken = self.pace.given.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |given| {
            let mark = Mark::unpack(given & !SEALED);
            let has_room = given & SEALED == 0 && u64::from(mark.offset) + length as u64 <= self.bytes;
            has_room.then(|| mark.after(length).pack())
        });
        taken.ok().map(Mark::unpack)
    }

    /// How far room was given out.
    pub(super) fn given(&self) -> Mark {
        Mark::unpack(self.pace.given.load(Ordering::Acquire) & !SEALED)
    }

    /// How far all records are whole, as far as can be told without waiting.
    pub(super) fn committed(&self) -> Mark {
        for _ in 0..LOOKS {
            // In this order: if no more has been given than was written before, all of it has been written.
            let written = self.pace.written.load(Ordering::Acquire);
            let given = self.given();
            if given.count == written {
                self.committed.fetch_max(given.pack(), Ordering::AcqRel);
                return given;
            }
            std::hint::spin_loop();
        }
        Mark::unpack(self.committed.load(Ordering::Acquire))
    }

    /// Just past the position of the last record that was given room.
    pub(super) fn end(&self) -> u64 {
        self.base + u64::from(self.given().count)
    }

    /// What has been given is all there will ever be.
    pub(super) fn is_sealed(&self) -> bool {
        self.pace.given.load(Ordering::Acquire) & SEALED != 0
    }

    /// Ends it.
    pub(super) fn seal(&self) {
        self.pace.given.fetch_or(SEALED, Ordering::AcqRel);
    }

    /// Brings to the disk what was not yet.
    pub(super) fn sync(&self) -> io::Result<()> {
        let offset = u64::from(self.committed().offset);
        if self.synced.load(Ordering::Relaxed) < offset {
            self.file.sync_data()?;
            self.synced.fetch_max(offset, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// A segment that is open for appending, by any number of threads; there is one of each.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) segment: Arc<Segment>,
    map: MmapRaw,
}

impl Tail {
    /// Makes an empty segment of `bytes` bytes: all its blocks are taken, so that no store can fail later.
    pub(super) fn create(dir: &Path, header: Header, bytes: u64) -> io::Result<Self> {
        let path = dir.join(format!("{:020}.{ENDING}", header.base));
        let draft = path.with_extension(DRAFT);
        let made = (|| {
            let mut options = OpenOptions::new();
            options.create(true).truncate(true).read(true).write(true).mode(0o600);
            let file = options.open(&draft)?;
            preallocate(&file, bytes)?;
            file.write_all_at(&header.write(), 0)?;
            let map = MmapRaw::map_raw(&file)?;
            std::fs::rename(&draft, &path)?;
            Ok((file, map))
        })();
        let (file, map) = made.inspect_err(|_: &io::Error| {
            // Half a file helps nobody, least of all a full disk. The next start tries again.
            let _ = std::fs::remove_file(&draft);
        })?;
        let segment = Segment::new(path, file, header, Mark::START, bytes);
        Ok(Self { segment: Arc::new(segment), map })
    }

    /// The position of the record, or `None` if it does not fit.
    pub(super) fn append(&self, head: Head, payload: &[u8]) -> Option<u64> {
        let length = OVERHEAD + payload.len();
        let mark = self.segment.give(length)?;
        record::write(self.room(mark, length), head, payload);
        self.segment.pace.written.fetch_add(1, Ordering::Release);
        Some(self.segment.base + u64::from(mark.count))
    }

    /// The room of a record, from when it was given until it is written.
    #[expect(unsafe_code, reason = "no library lends parts of a mapped file to several threads")]
    #[expect(clippy::mut_from_ref, reason = "see there")]
    fn room(&self, mark: Mark, length: usize) -> &mut [u8] {
        assert!(mark.offset as usize + length <= self.map.len(), "room beyond the map");
        // SAFETY: the range lies within the map. It was given to the caller alone: `give` counts up and gives no room
        // twice. So nobody in this process reads or writes these bytes while the slice lives. The file was made by this
        // process a moment ago, under a name of its own in a directory that is private to this user and that one process
        // alone owns; it is mapped once, here, and written nowhere else; the reader reads the file, never the map, and
        // nothing beyond what is committed. Nobody shortens it before it is unmapped: only segments of earlier processes
        // are cut. Its blocks are there, so no store is a SIGBUS for lack of space.
        unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().add(mark.offset as usize), length) }
    }
}

/// What a segment begins with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) base: u64,
    pub(super) writer: WriterId,
}

impl Header {
    fn write(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(self.writer.as_bytes());
        bytes[20..28].copy_from_slice(&self.base.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..28]);
        bytes[28..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// `None` unless `bytes` begin with a header of this version.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let base = bytes.get(20..28)?.try_into().ok().map(u64::from_le_bytes)?;
        let header = Self { base, writer: WriterId::parse(bytes.get(12..20)?)? };
        (header.write() == bytes.get(..HEADER)?).then_some(header)
    }
}

/// How many positions a segment of so many bytes owns.
pub(super) fn capacity(bytes: u64) -> u64 {
    bytes / MIN_FRAME as u64
}

fn preallocate(file: &File, bytes: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::io::Errno;
        match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            done => return Ok(done?),
        }
    }
    write_zeros(file, bytes)
}

/// Where blocks cannot be asked for, they come with what is written.
fn write_zeros(file: &File, bytes: u64) -> io::Result<()> {
    let zeros = [0; 65_536];
    let mut offset = 0;
    while offset < bytes {
        let piece = (bytes - offset).min(zeros.len() as u64);
        file.write_all_at(&zeros[..piece as usize], offset)?;
        offset += piece;
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_written_where_blocks_cannot_be_asked_for() {
        let file = tempfile::tempfile().unwrap();
        write_zeros(&file, 100_000).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 100_000);
    }

    #[test]
    fn a_header_with_any_bit_changed_is_none() {
        let header = Header { base: 77, writer: WriterId::generate() };
        let bytes = header.write();
        assert_eq!(Header::parse(&bytes), Some(header));
        for bit in 0..HEADER * 8 {
            let mut wrong = bytes;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::parse(&wrong), None, "bit {bit}");
        }
        assert_eq!(Header::parse(&bytes[..HEADER - 1]), None);
    }
}

//! What earlier processes left in the directory, and the `end` file.
//!
//! A process that is killed may have been in the middle of some records, with others behind them that were written whole. What it did
//! not finish becomes a gap. Nobody has read what is behind one before, so it does not matter how many positions that takes up, only that
//! it is the same the next time.
//!
//! Invariant: the `end` file names a position that no record before it reached, and the writer id, before anything that
//! could tell is removed. So positions never go back, whatever the clock does.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::WriterId;
use super::record;
use super::segment::{DRAFT, ENDING, HEADER, Header, Mark, Segment, capacity};
use crate::data_dir::write_whole;

const END: &str = "end";
/// How names of files end that are no segments though they should be; people may look at them, we do not.
const BAD: &str = "bad";

/// What was found.
#[derive(Debug)]
pub(super) struct Stock {
    /// With records in them, oldest first.
    pub(super) segments: VecDeque<Arc<Segment>>,
    pub(super) writer: WriterId,
    /// Records in segments that this process deleted.
    pub(super) deleted: u64,
    /// No segment owns it or a higher position: the lowest base of the next.
    pub(super) next_base: u64,
}

/// Puts the directory in order and lists what is in it. Whatever it was doing when it died, it can do again.
pub(super) fn take_stock(dir: &Path, segment_bytes: u64) -> io::Result<Stock> {
    let end = read_end(dir)?;
    let mut floor = end.as_ref().map_or(0, |(_, position)| *position);
    let (mut segments, mut empty) = (VecDeque::new(), Vec::new());
    for path in list(dir)? {
        let (found, bytes) = open(&path)?;
        let named = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let Some(base) = named {
            // Records of it may have been lost to a power cut after somebody saw their positions.
            floor = floor.max(base.saturating_add(capacity(bytes.max(segment_bytes))));
        }
        match found {
            Content::Records(segment) if named == Some(segment.base) => segments.push_back(segment),
            Content::Nothing => empty.push(path),
            _ => set_aside(&path)?,
        }
    }
    let last = segments.back().map(|segment: &Arc<Segment>| segment.writer.clone());
    let writer = end.map(|(writer, _)| writer).or(last).unwrap_or_else(WriterId::generate);
    write_end(dir, &writer, floor)?;
    for path in empty {
        std::fs::remove_file(path)?;
    }
    Ok(Stock { segments, writer, deleted: 0, next_base: floor })
}

/// Keeps the writer id, and a position that no record has reached.
pub(super) fn write_end(dir: &Path, writer: &WriterId, position: u64) -> io::Result<()> {
    write_whole(&dir.join(END), format!("{} {position}\n", writer.as_str()).as_bytes())
}

fn read_end(dir: &Path) -> io::Result<Option<(WriterId, u64)>> {
    let path = dir.join(END);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let parsed = str::from_utf8(&text).ok().and_then(|text| {
        let (writer, position) = text.strip_suffix('\n')?.split_once(' ')?;
        Some((WriterId::parse(writer.as_bytes())?, position.parse().ok()?))
    });
    if parsed.is_none() {
        tracing::error!(path = %path.display(), "the end of the journal is unreadable; positions go on from the clock");
    }
    Ok(parsed)
}

/// The segments' files, oldest first. Drafts of a process that died are removed.
fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        match path.extension().and_then(|ending| ending.to_str()) {
            Some(ENDING) => paths.push(path),
            Some(DRAFT) => std::fs::remove_file(path)?,
            _ => {}
        }
    }
    paths.sort();
    Ok(paths)
}

enum Content {
    Records(Arc<Segment>),
    Nothing,
    Garbage,
}

/// Reads a file through, and cuts off what was taken ahead and never used: on a full disk that is what there is to go on
/// with.
fn open(path: &Path) -> io::Result<(Content, u64)> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let length = bytes.len() as u64;
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let Some(header) = Header::parse(&bytes) else {
        return Ok((if used == 0 { Content::Nothing } else { Content::Garbage }, length));
    };
    let (mut records, mut count) = record::measure(&bytes[HEADER..], usize::MAX);
    while let from = HEADER + records
        && from < used
        && let Some(next) = record::find(&bytes[from..])
    {
        tracing::warn!(path = %path.display(), from, bytes = next, "a gap in a segment");
        mend(&file, &mut bytes[..from + next], from)?;
        let (more, others) = record::measure(&bytes[from..], usize::MAX);
        (records, count) = (records + more, count + others);
    }
    let end = HEADER + records;
    if used > end {
        let unread = used - end;
        tracing::warn!(path = %path.display(), records = count, unread, "the end of a segment is torn");
    } else if let Err(error) = file.set_len(end as u64) {
        tracing::warn!(path = %path.display(), %error, "cannot cut a segment");
    }
    if used <= end && count == 0 {
        return Ok((Content::Nothing, length));
    }
    let kept = file.metadata()?.len();
    let mark = Mark { offset: end as u32, count: count as u32 };
    Ok((Content::Records(Segment::recovered(path.to_owned(), file, header, mark, kept).into()), length))
}

/// Makes gaps of all that `bytes` has from there on.
fn mend(file: &File, bytes: &mut [u8], mut from: usize) -> io::Result<()> {
    while from < bytes.len() {
        let (head, length) = record::gap(&bytes[from..]);
        file.write_all_at(&head, from as u64)?;
        bytes[from..from + head.len()].copy_from_slice(&head);
        from += length;
    }
    Ok(())
}

fn set_aside(path: &Path) -> io::Result<()> {
    let aside = path.with_extension(format!("{ENDING}.{BAD}"));
    tracing::error!(path = %aside.display(), "not a segment of the journal; set aside");
    std::fs::rename(path, aside)
}

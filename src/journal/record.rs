//! How one record lies in a segment: `[crc32 u32][length u16][payload]`, little-endian, the checksum over length and
//! payload. With the highest bit of the length set it is no record but a gap: bytes that were meant to be records, and are none.
//!
//! Invariant: bytes that nobody wrote (zeros), or that were written by half, are no record.

use std::sync::atomic::{Ordering, fence};

/// The longest payload, in bytes.
pub const MAX_RECORD: usize = 1024;
/// What a record takes beside its payload, in bytes.
pub(super) const OVERHEAD: usize = 6;
/// The most that a record takes, in bytes.
pub(super) const MAX_FRAME: usize = OVERHEAD + MAX_RECORD;
/// The least, which bounds how many there are in a segment.
pub(super) const MIN_FRAME: usize = OVERHEAD + 1;

/// Set in the length of a gap.
const GAP: u16 = 1 << 15;

/// What stands before the payload.
pub(super) type Head = [u8; OVERHEAD];

/// `None` for a payload that is empty or longer than [`MAX_RECORD`].
pub(super) fn head(payload: &[u8]) -> Option<Head> {
    let length = u16::try_from(payload.len()).ok().filter(|_| (1..=MAX_RECORD).contains(&payload.len()))?;
    let mut head = [0; OVERHEAD];
    head[4..].copy_from_slice(&length.to_le_bytes());
    let checksum = checksum(&head[4..], payload);
    head[..4].copy_from_slice(&checksum.to_le_bytes());
    Some(head)
}

/// Of the payload after this head, in bytes, and whether it is a gap.
fn length(head: &Head) -> (usize, bool) {
    let length = u16::from_le_bytes([head[4], head[5]]);
    (usize::from(length & !GAP), length & GAP != 0)
}

/// What to write over the beginning of `bytes` to make them a gap, or as many of them as one may have, which is returned too.
/// There must be [`MIN_FRAME`] of them.
pub(super) fn gap(bytes: &[u8]) -> (Head, usize) {
    let whole = bytes.len() - OVERHEAD;
    // What is left must be enough for another one.
    let length = if whole <= MAX_RECORD { whole } else { MAX_RECORD.min(whole - MIN_FRAME) };
    let mut head = [0; OVERHEAD];
    head[4..].copy_from_slice(&(length as u16 | GAP).to_le_bytes());
    let checksum = checksum(&head[4..], &bytes[OVERHEAD..OVERHEAD + length]);
    head[..4].copy_from_slice(&checksum.to_le_bytes());
    (head, OVERHEAD + length)
}

/// Where the first record in `bytes` begins that is not at their beginning.
pub(super) fn find(bytes: &[u8]) -> Option<usize> {
    (MIN_FRAME..bytes.len()).find(|start| matches!(parse(&bytes[*start..]), Found::Payload(_)))
}

/// Writes a record over the zeros in `frame`, which is exactly as long.
pub(super) fn write(frame: &mut [u8], head: Head, payload: &[u8]) {
    let (at_head, at_payload) = frame.split_at_mut(OVERHEAD);
    at_payload.copy_from_slice(payload);
    // A process killed before the head is written leaves zeros there, which is the end of the segment.
    fence(Ordering::Release);
    at_head.copy_from_slice(&head);
}

/// What bytes begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A record with this payload.
    Payload(&'a [u8]),
    /// A gap with so many bytes after its head.
    Gap(usize),
    /// The beginning of what may be a record.
    Cut,
    /// No record.
    End,
}

/// Reads the record at the beginning of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Found<'_> {
    let Some((head, rest)) = bytes.split_first_chunk::<OVERHEAD>() else { return Found::Cut };
    let (length, is_gap) = length(head);
    if !(1..=MAX_RECORD).contains(&length) {
        return Found::End;
    }
    match rest.get(..length) {
        None => Found::Cut,
        Some(payload) if checksum(&head[4..], payload).to_le_bytes() != head[..4] => Found::End,
        Some(_) if is_gap => Found::Gap(length),
        Some(payload) => Found::Payload(payload),
    }
}

/// The records at the beginning of `bytes`, whose checksums have been looked at; `None` for a gap.
pub(super) fn split(mut bytes: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    std::iter::from_fn(move || {
        let (head, rest) = bytes.split_first_chunk::<OVERHEAD>()?;
        let (length, is_gap) = length(head);
        let (payload, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        Some(Some(payload).filter(|_| !is_gap))
    })
}

/// The bytes that whole records and gaps at the beginning of `bytes` take, `max` of them at most, and their number.
pub(super) fn measure(bytes: &[u8], max: usize) -> (usize, usize) {
    let (mut length, mut count) = (0, 0);
    while count < max {
        length += OVERHEAD
            + match bytes.get(length..).map(parse) {
                Some(Found::Payload(payload)) => payload.len(),
                Some(Found::Gap(length)) => length,
                _ => break,
            };
        count += 1;
    }
    (length, count)
}

fn checksum(length: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(length);
    hasher.update(payload);
    hasher.finalize()
}

//! The journal as its users see it.

mod crash;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use super::segment::HEADER;
use super::{Journal, JournalError, Limits, MAX_RECORD, NoRoom, Reader};

const LIMITS: Limits = Limits { segment_bytes: 4096, max_bytes: 1 << 20 };

fn open(dir: &Path) -> Arc<Journal> {
    Arc::new(Journal::open(dir, LIMITS).unwrap())
}

fn open_at(dir: &Path, clock: fn() -> u64) -> Arc<Journal> {
    Arc::new(Journal::open_with_clock(dir, LIMITS, clock).unwrap())
}

/// Everything there is to read now: position, record.
fn drain(reader: &mut Reader) -> Vec<(u64, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(batch) = reader.read(7).unwrap() {
        assert!((1..=7).contains(&batch.len()));
        assert!(batch.iter().count() <= batch.len());
        all.extend(batch.iter().map(|(position, record)| (position.get(), record.to_vec())));
    }
    assert!(all.is_sorted_by(|(a, _), (b, _)| a < b), "positions rise");
    all
}

fn records(reader: &mut Reader) -> Vec<Vec<u8>> {
    drain(reader).into_iter().map(|(_, record)| record).collect()
}

fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = all.filter(|path| path.to_str().unwrap().ends_with(ending)).collect();
    found.sort();
    found
}

/// Appends numbers until some segments are full.
fn append_numbers(journal: &Journal, numbers: std::ops::Range<u32>) -> Vec<(u64, Vec<u8>)> {
    numbers
        .map(|number| {
            let record = format!("{number:0>width$}", width = 20 + number as usize % 60).into_bytes();
            (journal.append(&record).unwrap().get(), record)
        })
        .collect()
}

fn is_shared<T: Send + Sync>() {}

#[test]
fn what_is_appended_is_read_once_in_order_with_its_position() {
    is_shared::<Journal>();
    let dir = TempDir::new().unwrap();
    let journal = open(&dir.path().join("new/journal"));
    let mut reader = journal.reader();
    assert!(reader.read(10).unwrap().is_none());
    let appended = append_numbers(&journal, 0..500);
    assert_eq!(journal.waiting(), 500);
    assert_eq!(drain(&mut reader), appended);
    assert_eq!((reader.position(), journal.end().get()), (journal.end(), appended[499].0 + 1));
    let more = append_numbers(&journal, 500..501);
    assert_eq!(drain(&mut reader), more);
}

#[test]
fn only_records_of_one_to_max_record_bytes_are_taken() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    assert_eq!(journal.append(b""), Err(NoRoom));
    assert_eq!(journal.append(&[1; MAX_RECORD + 1]), Err(NoRoom));
    for record in [vec![7], vec![0; MAX_RECORD]] {
        journal.append(&record).unwrap();
    }
    assert_eq!(records(&mut journal.reader()), [vec![7], vec![0; MAX_RECORD]]);
    for segment_bytes in [1000, 1 << 32] {
        let refused = Journal::open(dir.path(), Limits { segment_bytes, ..LIMITS });
        assert!(matches!(refused, Err(JournalError::SegmentBytes(_))));
    }
}

#[test]
fn released_segments_are_deleted_and_others_are_read_again_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let appended = append_numbers(&journal, 0..500);
    let mut reader = journal.reader();
    let read: Vec<u64> = (0..20)
        .flat_map(|_| reader.read(10).unwrap().unwrap().iter().map(|(at, _)| at.get()).collect::<Vec<_>>())
        .collect();
    assert_eq!(reader.position().get(), read.last().unwrap() + 1);
    let before = journal.bytes();
    reader.release().unwrap();
    assert!(journal.bytes() < before);
    assert_eq!(journal.waiting(), 500 - read.len() as u64);
    drop((reader, journal));

    let journal = open(dir.path());
    let mut reader = journal.reader();
    assert!(reader.read(1).unwrap().unwrap().recovered);
    let mut reader = journal.reader();
    let again = drain(&mut reader);
    assert!(appended.ends_with(&again));
    // What was released comes again only from the segment that is read in.
    assert!(again.len() >= 500 - read.len() && again.len() < 500 - read.len() + 4096 / 26);
    let new = append_numbers(&journal, 500..510);
    let batch = reader.read(100).unwrap().unwrap();
    assert!(!batch.recovered);
    assert_eq!(batch.len(), new.len());
    reader.release().unwrap();
    assert_eq!((journal.waiting(), journal.bytes()), (0, 4096));
}

#[test]
fn a_clean_close_leaves_no_segment_and_keeps_the_writer() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let appended = append_numbers(&journal, 0..300);
    journal.prepare().unwrap();
    let mut reader = journal.reader();
    let writer = reader.read(1).unwrap().unwrap().writer;
    drain(&mut reader);
    reader.close().unwrap();
    assert_eq!(journal.bytes(), 0);
    assert_eq!(journal.append(b"late"), Err(NoRoom));
    assert!(journal.prepare().is_err());
    assert_eq!(files(dir.path(), ""), [dir.path().join("end")]);

    // The clock was set back to the beginning.
    let journal = open_at(dir.path(), || 0);
    assert!(journal.append(b"first").unwrap().get() > appended[299].0);
    assert_eq!(journal.reader().read(9).unwrap().unwrap().writer, writer);
}

#[test]
fn a_close_leaves_what_was_not_read() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let mut reader = journal.reader();
    append_numbers(&journal, 0..300);
    drain(&mut reader);
    journal.append(b"late").unwrap();
    reader.close().unwrap();
    assert_eq!(files(dir.path(), ".journal").len(), 1);
    assert_eq!(records(&mut open(dir.path()).reader()).last().unwrap(), b"late");
}

#[test]
fn positions_rise_over_restarts_while_the_clock_goes_back() {
    let dir = TempDir::new().unwrap();
    let clocks: [fn() -> u64; 5] = [|| 9_000_000, || 5_000_000, || 0, || 8_999_999, || 20_000_000];
    let mut last = 0;
    for clock in clocks {
        let journal = open_at(dir.path(), clock);
        let mut reader = journal.reader();
        drain(&mut reader);
        // All segments of earlier processes go, whatever they knew; then this one dies at once.
        reader.release().unwrap();
        assert!(reader.position() >= journal.end(), "nothing is left to wait for");
        for _ in 0..200 {
            let position = journal.append(&[1; 40]).unwrap().get();
            assert!(position > last, "{position} after {last}");
            last = position;
        }
    }
    assert!(last > 20_000_000, "the clock is followed when it is ahead");
    // Nothing but the position that was kept is left: no segment, and no record in the last process.
    drop(open_at(dir.path(), || 0));
    let journal = open_at(dir.path(), || 0);
    let mut reader = journal.reader();
    drain(&mut reader);
    reader.release().unwrap();
    assert_eq!(journal.bytes(), 0);
    drop((reader, journal));
    assert!(open_at(dir.path(), || 0).append(b"x").unwrap().get() > last);
}

/// A segment with three records, of a process that died, and where its records begin.
fn left_behind(dir: &Path) -> (PathBuf, [usize; 4]) {
    let journal = open(dir);
    for record in [b"one".as_slice(), b"second", b"third one"] {
        journal.append(record).unwrap();
    }
    (files(dir, ".journal").remove(0), [HEADER, HEADER + 9, HEADER + 21, HEADER + 36])
}

fn patch(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_torn_tail_ends_a_segment() {
    let tears: [fn(&mut Vec<u8>, usize); 4] = [
        |bytes, end| bytes[end + 6..end + 9].copy_from_slice(b"new"),
        |bytes, end| bytes[end..end + 9].copy_from_slice(b"\x01\x02\x03\x04\x03\0new"),
        |bytes, end| bytes[end..end + 6].copy_from_slice(b"\x01\x02\x03\x04\xff\xff"),
        |bytes, end| bytes.truncate(end - 1),
    ];
    for (number, tear) in tears.into_iter().enumerate() {
        let dir = TempDir::new().unwrap();
        let (path, at) = left_behind(dir.path());
        patch(&path, |bytes| tear(bytes, at[3]));
        let journal = open(dir.path());
        let mut reader = journal.reader();
        let expected: &[&[u8]] =
            if number == 3 { &[b"one", b"second"] } else { &[b"one", b"second", b"third one"] };
        assert_eq!(records(&mut reader), expected);
        journal.append(b"goes on").unwrap();
        assert_eq!(records(&mut reader), [b"goes on"]);
        reader.release().unwrap();
        assert_eq!(files(dir.path(), ".journal").len(), 1);
    }
}

#[test]
fn what_is_no_record_in_the_middle_of_a_segment_is_a_gap() {
    let all: [&[u8]; 3] = [b"one", b"second", b"third\0\0\0\0"];
    for damaged in 0..2 {
        // A wrong checksum; written by half; not written at all.
        let damages: [fn(&mut [u8]); 3] =
            [|record| record[6] ^= 1, |record| record[..6].fill(0), |record| record.fill(0)];
        for damage in damages {
            let dir = TempDir::new().unwrap();
            let at = [HEADER, HEADER + 9, HEADER + 21];
            let journal = open(dir.path());
            for record in all {
                journal.append(record).unwrap();
            }
            drop(journal);
            let path = files(dir.path(), ".journal").remove(0);
            patch(&path, |bytes| damage(&mut bytes[at[damaged]..at[damaged + 1]]));
            let mut left = all.to_vec();
            left.remove(damaged);
            let journal = open(dir.path());
            let first = drain(&mut journal.reader());
            assert_eq!(first.iter().map(|(_, record)| &record[..]).collect::<Vec<_>>(), left);
            drop(journal);
            // Also the next time, at the same positions.
            let journal = open(dir.path());
            let mut reader = journal.reader();
            assert_eq!(drain(&mut reader), first);
            reader.release().unwrap();
            assert_eq!(journal.waiting(), 0);
            assert!(files(dir.path(), ".journal").is_empty());
        }
    }
}

#[test]
fn a_gap_may_be_of_any_length() {
    for length in (7..40).chain(MAX_RECORD - 20..MAX_RECORD + 20).chain([3 * MAX_RECORD, 3_500]) {
        for filling in [0, 7] {
            let dir = TempDir::new().unwrap();
            let (path, at) = left_behind(dir.path());
            patch(&path, |bytes| {
                let end = at[3].max(at[1] + length + 15);
                bytes.copy_within(at[2]..at[3], at[1] + length);
                bytes[at[1]..at[1] + length].fill(filling);
                bytes[at[1] + length + 15..end].fill(0);
            });
            let found = records(&mut open(dir.path()).reader());
            assert_eq!(found, [b"one".as_slice(), b"third one"], "{length} bytes of {filling}");
        }
    }
}

#[test]
fn damage_to_a_segment_in_use_is_passed_over() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let mut reader = journal.reader();
    for record in [b"one".as_slice(), b"second", b"third one"] {
        journal.append(record).unwrap();
    }
    let file = std::fs::OpenOptions::new().write(true).open(&files(dir.path(), ".journal")[0]).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"X", HEADER as u64 + 9 + 6).unwrap();
    assert_eq!(records(&mut reader), [b"one"]);
    let fourth = journal.append(b"fourth").unwrap().get();
    assert_eq!(drain(&mut reader), [(fourth, b"fourth".to_vec())]);
    reader.release().unwrap();
    assert_eq!(journal.waiting(), 0);
}

#[test]
fn a_file_with_a_bad_header_is_set_aside_and_its_positions_are_not_given_again() {
    let dir = TempDir::new().unwrap();
    let (path, _) = left_behind(dir.path());
    let last = open_at(dir.path(), || 0).append(b"x").unwrap().get();
    patch(&path, |bytes| bytes[3] ^= 1);
    std::fs::copy(&path, dir.path().join("99999999999999999.journal")).unwrap();
    std::fs::write(dir.path().join("end"), "torn").unwrap();
    let before = std::fs::read(&path).unwrap();

    let journal = open_at(dir.path(), || 0);
    assert_eq!(records(&mut journal.reader()), [b"x"]);
    assert!(journal.append(b"y").unwrap().get() > last.max(99_999_999_999_999_999));
    let aside = files(dir.path(), ".journal.bad");
    assert_eq!(aside.len(), 2);
    assert_eq!(std::fs::read(&aside[0]).unwrap(), before);
}

#[test]
fn files_of_an_unfinished_step_are_cleared_away() {
    let dir = TempDir::new().unwrap();
    let (_, at) = left_behind(dir.path());
    // Killed while a segment was made; before anything was appended to one; power cut before its header was written.
    std::fs::write(dir.path().join("00000000000000000001.new"), [0; 100]).unwrap();
    std::fs::write(dir.path().join("end.new"), "").unwrap();
    open(dir.path()).prepare().unwrap();
    std::fs::write(dir.path().join("00000000000000000002.journal"), [0; 4096]).unwrap();
    std::fs::write(dir.path().join("00000000000000000003.journal"), "").unwrap();
    let journal = open(dir.path());
    assert_eq!(records(&mut journal.reader()).len(), 3);
    assert_eq!(files(dir.path(), "").len(), 2, "{:?}", files(dir.path(), ""));
    // What it had taken ahead is given back.
    assert_eq!(journal.bytes(), at[3] as u64);
}

#[test]
fn at_the_limit_appends_are_refused_until_something_is_released() {
    let dir = TempDir::new().unwrap();
    for segments in [0, 1, 3] {
        let limits = Limits { segment_bytes: 4096, max_bytes: segments * 4096 + 4095 };
        let journal = Arc::new(Journal::open(&dir.path().join(segments.to_string()), limits).unwrap());
        for _ in 0..3 {
            let mut reader = journal.reader();
            let taken = (0..10_000).take_while(|_| journal.append(&[9; 100]).is_ok()).count();
            assert_eq!(taken as u64, segments * (4064 / 106));
            assert_eq!(journal.bytes(), segments * 4096);
            assert_eq!(journal.prepare().unwrap_err().kind(), std::io::ErrorKind::StorageFull);
            assert_eq!(drain(&mut reader).len(), taken);
            assert_eq!(journal.append(b"x"), Err(NoRoom));
            reader.release().unwrap();
            assert_eq!((journal.bytes(), journal.waiting()), (0, 0));
        }
    }
}

#[test]
fn a_prepared_segment_counts_and_is_used() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    for _ in 0..3 {
        journal.prepare().unwrap();
    }
    assert_eq!(journal.bytes(), 2 * 4096);
    assert_eq!(files(dir.path(), ".journal").len(), 2);
    let appended = append_numbers(&journal, 0..60);
    assert_eq!(journal.bytes(), 2 * 4096);
    journal.sync().unwrap();
    journal.sync().unwrap();
    assert_eq!(drain(&mut journal.reader()), appended);
}

#[test]
fn a_directory_that_vanishes_refuses_and_comes_back() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("journal");
    let journal = open(&path);
    std::fs::remove_dir_all(&path).unwrap();
    assert_eq!(journal.append(b"x"), Err(NoRoom));
    std::fs::create_dir(&path).unwrap();
    // Not before a while has passed.
    assert_eq!(journal.append(b"x"), Err(NoRoom));
    std::thread::sleep(super::RETRY);
    journal.append(b"x").unwrap();
}

#[test]
fn a_renewed_writer_id_holds_from_the_next_record_on_and_over_restarts() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let mut reader = journal.reader();
    journal.prepare().unwrap();
    journal.append(b"old").unwrap();
    journal.prepare().unwrap();
    let renewed = journal.renew_writer().unwrap();
    journal.append(b"new").unwrap();
    let old = reader.read(10).unwrap().unwrap();
    assert_eq!((old.len(), old.writer == renewed), (1, false));
    let new = reader.read(10).unwrap().unwrap();
    assert_eq!((new.len(), new.writer), (1, renewed.clone()));
    reader.release().unwrap();
    assert_eq!(journal.bytes(), 4096);

    // Also if nothing was written under it, and while a reader waits in a spare that is thrown away.
    journal.renew_writer().unwrap();
    journal.prepare().unwrap();
    assert!(reader.read(10).unwrap().is_none());
    let last = journal.renew_writer().unwrap();
    journal.append(b"newest").unwrap();
    assert_eq!(reader.read(10).unwrap().unwrap().writer, last);
    let unused = journal.renew_writer().unwrap();
    drop((reader, journal));
    let journal = open(dir.path());
    journal.append(b"next process").unwrap();
    let mut reader = journal.reader();
    let batches: Vec<_> = std::iter::from_fn(|| reader.read(10).unwrap()).collect();
    let seen: BTreeMap<bool, String> =
        batches.iter().map(|batch| (batch.recovered, batch.writer.as_str().to_owned())).collect();
    assert_eq!(seen, BTreeMap::from([(true, last.as_str().to_owned()), (false, unused.as_str().to_owned())]));
}

#[test]
fn two_journals_have_two_writers() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let writers = dirs.each_ref().map(|dir| {
        let journal = open(dir.path());
        journal.append(b"x").unwrap();
        journal.reader().read(1).unwrap().unwrap().writer
    });
    assert_ne!(writers[0], writers[1]);
    assert!(writers.iter().all(|writer| writer.as_str().len() == 8));
}

#[test]
fn of_many_threads_every_record_is_read_once_at_the_position_it_was_given() {
    const THREADS: u64 = 4;
    const EACH: u64 = 20_000;
    let dir = TempDir::new().unwrap();
    let limits = Limits { segment_bytes: 65_536, max_bytes: 1 << 30 };
    let journal = Arc::new(Journal::open(dir.path(), limits).unwrap());
    let done = AtomicBool::new(false);
    let (given, read) = std::thread::scope(|scope| {
        let appenders: Vec<_> = (0..THREADS)
            .map(|thread| {
                let journal = &journal;
                scope.spawn(move || {
                    let one = |number: u64| {
                        let record = format!("{thread} {number} {}", "x".repeat(number as usize % 90));
                        (journal.append(record.as_bytes()).unwrap().get(), record.into_bytes())
                    };
                    (0..EACH).map(one).collect::<Vec<_>>()
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                journal.prepare().unwrap();
                journal.sync().unwrap();
            }
        });
        let mut reader = journal.reader();
        let mut read = Vec::new();
        while read.len() < (THREADS * EACH) as usize {
            assert!(
                !appenders.iter().all(|thread| thread.is_finished()) || reader.position() <= journal.end()
            );
            read.extend(drain(&mut reader));
            reader.release().unwrap();
        }
        done.store(true, Ordering::Release);
        let mut given: Vec<_> = appenders.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        given.sort();
        (given, read)
    });
    assert!(given == read, "what was given is not what was read");
    assert_eq!(journal.waiting(), 0);
}

//! A process that is killed, and a disk that is full. Both need a process of their own: this test binary once more, told
//! by the environment that it is the child.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use super::{drain, files};
use crate::journal::{Journal, Limits, NoRoom, RETRY};

/// The directory of the child.
const CHILD_DIR: &str = "JOURNAL_TEST_CHILD_DIR";
/// The number that the child begins with.
const CHILD_FROM: &str = "JOURNAL_TEST_CHILD_FROM";
const ROUNDS: usize = 20;

/// Arguments with which the test binary runs one test of this file.
fn only(test: &str) -> [String; 4] {
    let (_, module) = module_path!().split_once("::").unwrap();
    [format!("{module}::{test}"), "--exact".into(), "--nocapture".into(), "--test-threads=1".into()]
}

fn say(line: &str) {
    // In one piece: the lines of a child come from several threads.
    io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn random_ms(below: u64) -> Duration {
    Duration::from_millis(RandomState::new().build_hasher().finish() % below)
}

/// Says which record it is and has a length that only this record has among its neighbours.
fn record(number: u64) -> Vec<u8> {
    format!("{number} {}", "x".repeat(number as usize * 7 % 201)).into_bytes()
}

fn number(record: &[u8]) -> u64 {
    str::from_utf8(record).unwrap().split_once(' ').unwrap().0.parse().unwrap()
}

fn small(dir: &Path) -> Arc<Journal> {
    Arc::new(Journal::open(dir, Limits { segment_bytes: 16_384, max_bytes: 1 << 30 }).unwrap())
}

/// Appends, reads, deletes, prepares, syncs and renews, all at once, until it is killed.
fn work_until_killed(dir: &Path, from: u64) {
    say("");
    let journal = small(dir);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in from.. {
                journal.append(&record(number)).unwrap();
                say(&format!("appended {number}"));
            }
        });
        scope.spawn(|| {
            let mut reader = journal.reader();
            for turn in 0.. {
                if let Some(batch) = reader.read(100).unwrap() {
                    let (_, last) = batch.iter().last().unwrap();
                    say(&format!("applied {}", number(last)));
                }
                if turn % 3 == 0 {
                    reader.release().unwrap();
                }
                if turn % 50 == 49 {
                    journal.renew_writer().unwrap();
                }
            }
        });
        loop {
            journal.prepare().unwrap();
            journal.sync().unwrap();
            std::thread::sleep(Duration::from_micros(500));
        }
    });
}

/// Runs a child and kills it at a random moment. The highest numbers that it said it had appended and applied.
fn run_and_kill(dir: &Path, from: u64, at_once: bool) -> (u64, u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(only("what_was_appended_survives_kill_9"))
        .env(CHILD_DIR, dir)
        .env(CHILD_FROM, from.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let (started, starts) = mpsc::channel();
    let listener = std::thread::spawn(move || {
        let (mut appended, mut applied, mut line) = (0, 0, String::new());
        // A line without an end was cut off by the kill, and its number may be too.
        while output.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            if let Some(number) = line.trim_end().strip_prefix("appended ") {
                appended = number.parse().unwrap();
                let _ = started.send(());
            } else if let Some(number) = line.trim_end().strip_prefix("applied ") {
                applied = number.parse().unwrap();
            }
            line.clear();
        }
        (appended, applied)
    });
    if !at_once {
        starts.recv_timeout(Duration::from_secs(30)).unwrap();
    }
    std::thread::sleep(random_ms(40));
    assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
    listener.join().unwrap()
}

#[test]
fn what_was_appended_survives_kill_9() {
    if let (Ok(dir), Ok(from)) = (std::env::var(CHILD_DIR), std::env::var(CHILD_FROM)) {
        return work_until_killed(Path::new(&dir), from.parse().unwrap());
    }
    let dir = TempDir::new().unwrap();
    // Numbers, and the position that no later record may have.
    let (mut last, mut applied, mut end, mut deleted) = (0, 0, 0, false);
    for round in 0..ROUNDS {
        let said = run_and_kill(dir.path(), last + 1, round % 4 == 3);
        applied = said.1.max(applied);
        let (appended, known) = (said.0.max(applied), last);
        let there = drain(&mut small(dir.path()).reader());
        let numbers: Vec<u64> = there.iter().map(|(_, record)| number(record)).collect();
        for (at, bytes) in &there {
            assert_eq!(*bytes, record(number(bytes)), "at {at}");
            assert!(number(bytes) <= known || *at >= end, "{at} is below {end}, which was given before");
        }
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "a gap, or one twice");
        last = numbers.last().copied().unwrap_or(appended);
        assert!(last >= appended, "round {round}: {appended} was acknowledged, {last} is the last");
        let first = numbers.first().copied().unwrap_or(last + 1);
        assert!(first <= applied + 1, "round {round}: {first} is the first, applied up to {applied}");
        deleted |= first > 1;
        end = there.last().map_or(end, |(at, _)| at + 1);
    }
    assert!(last > ROUNDS as u64 && deleted, "{last} records, deleted: {deleted}");
    assert!(files(dir.path(), ".bad").is_empty());
}

const THREADS: usize = 3;

/// Says of each thread how many records it has appended, now and then, until it is killed. Records go on from those of before.
fn append_until_killed(dir: &Path, from: &str) {
    say("");
    let journal = small(dir);
    std::thread::scope(|scope| {
        for (thread, from) in from.split(' ').enumerate() {
            let (journal, from): (_, u64) = (&journal, from.parse().unwrap());
            scope.spawn(move || {
                for number in from.. {
                    journal.append(format!("{number} {thread}").as_bytes()).unwrap();
                    if number % 64 == 0 {
                        say(&format!("appended {thread} {number}"));
                    }
                }
            });
        }
    });
}

#[test]
fn what_threads_appended_at_once_survives_kill_9() {
    if let (Ok(dir), Ok(from)) = (std::env::var(CHILD_DIR), std::env::var(CHILD_FROM)) {
        return append_until_killed(Path::new(&dir), &from);
    }
    let dir = TempDir::new().unwrap();
    let mut counts = [0_u64; THREADS];
    for round in 0..ROUNDS {
        let said = run_and_kill_threads(dir.path(), counts);
        let journal = small(dir.path());
        let mut reader = journal.reader();
        for (_, record) in drain(&mut reader) {
            let (count, thread) = str::from_utf8(&record).unwrap().split_once(' ').unwrap();
            let known = &mut counts[thread.parse::<usize>().unwrap()];
            assert_eq!(
                count.parse::<u64>().unwrap(),
                *known,
                "of thread {thread}: one is missing, or there twice"
            );
            *known += 1;
        }
        reader.release().unwrap();
        for (thread, said) in said.into_iter().enumerate().filter_map(|(thread, said)| Some((thread, said?)))
        {
            assert!(
                counts[thread] > said,
                "round {round}: thread {thread} was told of {said}, {}",
                counts[thread]
            );
        }
    }
    assert!(files(dir.path(), ".bad").is_empty());
}

/// What each thread of a child said last, which was killed in the middle of its work.
fn run_and_kill_threads(dir: &Path, from: [u64; THREADS]) -> [Option<u64>; THREADS] {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(only("what_threads_appended_at_once_survives_kill_9"))
        .env(CHILD_DIR, dir)
        .env(CHILD_FROM, from.map(|from| from.to_string()).join(" "))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let listener = std::thread::spawn(move || {
        let (mut said, mut lines) = ([None; THREADS], output.lines());
        let mut kill_at = None;
        while let Some(Ok(line)) = lines.next() {
            let Some((thread, number)) = line.strip_prefix("appended ").and_then(|rest| rest.split_once(' '))
            else {
                continue;
            };
            // The last line may have been cut off: a number that is too small.
            said[thread.parse::<usize>().unwrap()] = number.parse().ok();
            let kill_at = *kill_at.get_or_insert_with(|| Instant::now() + random_ms(30));
            if Instant::now() >= kill_at {
                let _ = child.kill();
            }
        }
        child.wait().unwrap();
        said
    });
    listener.join().unwrap()
}

/// Fills the disk, or what this process may use of it, and frees it again.
fn fill_and_free(dir: &Path, limited: bool) {
    let limits = Limits { segment_bytes: 65_536, max_bytes: 1 << 30 };
    let journal = Arc::new(Journal::open(&dir.join("journal"), limits).unwrap());
    let mut reader = journal.reader();
    let unlimited = getrlimit(Resource::Fsize);
    for _ in 0..2 {
        let mut given = Vec::new();
        if limited {
            given.push(journal.append(&[3; 100]).unwrap().get());
            setrlimit(Resource::Fsize, Rlimit { current: Some(10_000), ..unlimited }).unwrap();
        }
        while let Ok(position) = journal.append(&[3; 100]) {
            given.push(position.get());
            assert!(given.len() < 10_000, "the disk is not full");
        }
        assert!(given.len() >= 65_536 / 106 - 1);
        let expected = if limited { io::ErrorKind::FileTooLarge } else { io::ErrorKind::StorageFull };
        assert_eq!(journal.prepare().unwrap_err().kind(), expected);
        assert_eq!(journal.append(&[3; 100]), Err(NoRoom));
        assert!(files(&dir.join("journal"), ".new").is_empty(), "half a segment takes what is left");
        journal.sync().unwrap();
        let read: Vec<u64> = drain(&mut reader).into_iter().map(|(at, _)| at).collect();
        assert_eq!(read, given);
        reader.release().unwrap();
        setrlimit(Resource::Fsize, unlimited).unwrap();
        std::thread::sleep(RETRY);
    }
    assert!(journal.append(b"there is room again").is_ok());
    if !limited {
        // Not a byte is left, and the process dies: its spare is enough to start again.
        journal.prepare().unwrap();
        let mut filler = std::fs::File::create(dir.join("filler")).unwrap();
        while filler.write_all(&[1; 512]).is_ok() {}
        drop((reader, journal));
        let journal = Arc::new(Journal::open(&dir.join("journal"), limits).unwrap());
        assert_eq!(drain(&mut journal.reader()).len(), 1);
    }
    say("full and free again");
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    if let Ok(dir) = std::env::var(CHILD_DIR) {
        return fill_and_free(Path::new(&dir), std::env::var_os(CHILD_FROM).is_some());
    }
    let dir = TempDir::new().unwrap();
    let exe = std::env::current_exe().unwrap();
    let run = |before: &[&str], limited: bool| {
        let mut command = Command::new(before[0]);
        command
            .args(&before[1..])
            .arg(dir.path())
            .arg(&exe)
            .args(only("a_full_disk_refuses_and_loses_nothing"));
        command.env(CHILD_DIR, dir.path()).env_remove(CHILD_FROM);
        if limited {
            command.env(CHILD_FROM, "limited");
        }
        command.output().unwrap()
    };
    // In a namespace of its own, so that the mount goes with the child, and root need not be root.
    let mount = "mount -t tmpfs -o size=300k tmpfs \"$0\" && exec \"$@\"";
    let permitted = Command::new("unshare")
        .args(["-rm", "sh", "-c", mount])
        .arg(dir.path())
        .arg("true")
        .output()
        .is_ok_and(|output| output.status.success());
    let output = if permitted {
        run(&["unshare", "-rm", "sh", "-c", mount], false)
    } else {
        say("no file system can be mounted here: a limit on the size of files stands in for a full disk");
        // The signal is ignored, so that passing the limit is an error.
        run(&["sh", "-c", "trap '' XFSZ; exec \"$@\""], true)
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("full and free again"), "{said}\n{output:?}");
}

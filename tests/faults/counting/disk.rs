//! A disk without room: clicks are counted through the datastore, and where that is away too, refused. None is lost.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::crowd::{Crowd, Tally};
use super::stage::Stage;
use super::store::Store;
use super::{Ends, repeat, say};
use crate::support::redis_server::wait_until;

const FALLBACKS: &str = "ayrene_journal_fallbacks_total";
/// A journal that some seconds of clicks fill.
const BYTES: &str = "1048576";

/// People whose clicks take much room: recorded by themselves, with a long referrer.
fn talkative(stage: &mut Stage) -> Crowd {
    for code in stage.codes.clone() {
        stage.change(&code, json!({ "newIsAnalyticsEnabled": true }));
    }
    let host = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "example".to_owned()].join(".");
    // Slow enough for the journal to be emptied meanwhile.
    Crowd::gather(
        stage.address(),
        &stage.codes,
        Duration::from_millis(2),
        &format!("Referer: https://{host}/\r\n"),
    )
}

/// Waits until clicks were counted past the journal.
fn falls_back(stage: &Stage) {
    let before = stage.measured(FALLBACKS);
    let deadline = Instant::now() + Duration::from_secs(60);
    while stage.measured(FALLBACKS) < before + 100.0 {
        assert!(Instant::now() < deadline, "no click is counted through the datastore");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until clicks are in the journal again: a while without a fallback, which are shown once a second.
fn journals_again(stage: &Stage) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let before = stage.measured(FALLBACKS);
        std::thread::sleep(Duration::from_millis(1_500));
        if stage.measured(FALLBACKS) <= before {
            return;
        }
        assert!(Instant::now() < deadline, "the journal is not used again");
    }
}

/// Refuses what it cannot count, and says so at once.
fn refuses(crowd: &Crowd) {
    let before = crowd.tally();
    crowd.slowest();
    crowd.wait_until("what cannot be counted is refused", |tallies| {
        tallies.iter().map(|tally| tally.refused).sum::<u64>() > before.refused + 50
    });
    let slowest = crowd.slowest();
    assert!(slowest < Duration::from_secs(2), "an answer took {slowest:?}");
}

/// Redirects again, and refuses nothing more.
fn redirects_again(stage: &Stage, crowd: &Crowd) {
    stage.server.wait_until_ready();
    // Each worker has its connection.
    std::thread::sleep(Duration::from_secs(1));
    let before = crowd.tally();
    std::thread::sleep(Duration::from_millis(500));
    let since = crowd.tally().since(before);
    assert!(since.redirected > 50 && since.refused == 0, "{since:?}");
}

/// A disk that fills up and is emptied, twice; the second time the datastore is away too.
fn full(stage: &mut Stage, store: &mut Store, fill: impl Fn(), empty: impl Fn()) -> Vec<Tally> {
    let crowd = talkative(stage);
    let started = stage.measured(FALLBACKS);
    fill();
    falls_back(stage);
    let tally = crowd.tally();
    assert_eq!((tally.refused, tally.cut), (0, 0), "{tally:?}");
    empty();
    journals_again(stage);
    say(&format!("{} clicks past a journal without a disk", stage.measured(FALLBACKS) - started));
    // In this order, so that no click is on its way to the datastore when that dies.
    store.kill();
    fill();
    refuses(&crowd);
    store.begin();
    redirects_again(stage, &crowd);
    empty();
    journals_again(stage);
    let tally = crowd.tally();
    assert_eq!(tally.cut, 0, "{tally:?}");
    crowd.disperse()
}

/// A server whose journal is on a small disk that no other process sees.
fn on_small_disk(store: &Store, flags: &str) -> (Stage, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal");
    let script = "mkdir -p \"$0\" && mount -t tmpfs -o size=4m,mode=700 tmpfs \"$0\" && exec \"$@\"";
    let url = store.url();
    let settings = [("AYRENE__REDIS__URL", url.as_str()), ("AYRENE__SHORTENER__JOURNAL_BYTES", BYTES)];
    let stage = Stage::open(dir, store.url(), &settings, |plain| {
        let mut command = Command::new("unshare");
        command.args([flags, "sh", "-c", script]).arg(&journal).arg(plain.get_program());
        with_environment(command, &plain)
    });
    let seen = PathBuf::from(format!("/proc/{}/root{}", stage.server.child.id(), journal.display()));
    (stage, seen)
}

fn with_environment(mut command: Command, plain: &Command) -> Command {
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How a process may mount something for itself here, if it may.
fn mounting() -> Option<&'static str> {
    let dir = tempfile::tempdir().unwrap();
    let may = |flags: &&str| {
        let mount = Command::new("unshare")
            .args([flags, "mount", "-t", "tmpfs", "tmpfs"])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status();
        mount.is_ok_and(|status| status.success())
    };
    ["-m", "-rm"].into_iter().find(may)
}

/// Somebody who takes all room there is, and what becomes free.
struct Filler {
    file: PathBuf,
    wants: AtomicBool,
    ended: AtomicBool,
}

impl Filler {
    fn fill(&self) {
        let mut file = None;
        while !self.ended.load(Ordering::SeqCst) {
            if self.wants.load(Ordering::SeqCst) {
                let file = file.get_or_insert_with(|| std::fs::File::create(&self.file).unwrap());
                for size in [65_536, 4_096, 1] {
                    while file.write_all(&vec![1; size]).is_ok() {}
                }
            } else if file.take().is_some() {
                std::fs::remove_file(&self.file).unwrap();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn a_full_disk_loses_and_doubles_no_click() {
    let Some(flags) = mounting() else {
        return say("nothing of a full disk: nobody may mount one here");
    };
    repeat(|_| {
        let mut store = Store::start();
        let (mut stage, journal) = on_small_disk(&store, flags);
        let (wants, ended) = (AtomicBool::new(false), AtomicBool::new(false));
        let filler = Filler { file: journal.join("filler"), wants, ended };
        let wants = |room: bool| filler.wants.store(room, Ordering::SeqCst);
        let tallies = std::thread::scope(|scope| {
            let _ends = Ends(&filler.ended);
            scope.spawn(|| filler.fill());
            full(&mut stage, &mut store, || wants(true), || wants(false))
        });
        stage.compare(&tallies);
    });
}

#[test]
fn a_file_system_that_takes_no_more_loses_and_doubles_no_click() {
    repeat(|_| {
        let mut store = Store::start();
        let url = store.url();
        let settings = [("AYRENE__REDIS__URL", url.as_str()), ("AYRENE__SHORTENER__JOURNAL_BYTES", BYTES)];
        // The limit on files says EFBIG where a full disk says ENOSPC, once nobody is killed for reaching it.
        let mut stage = Stage::open(tempfile::tempdir().unwrap(), store.url(), &settings, |plain| {
            let mut command = Command::new("sh");
            command.args(["-c", "trap '' XFSZ; exec \"$0\""]).arg(plain.get_program());
            with_environment(command, &plain)
        });
        let pid = stage.server.child.id().to_string();
        let limit = |bytes: &str| {
            let limited =
                Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status();
            assert!(limited.unwrap().success());
        };
        let tallies = full(&mut stage, &mut store, || limit("4096"), || limit("unlimited"));
        stage.compare(&tallies);
    });
}

#[test]
fn a_journal_that_has_reached_its_bound_refuses_until_the_datastore_is_back() {
    repeat(|_| {
        let mut store = Store::start();
        let mut stage = Stage::before(&store, &[("AYRENE__SHORTENER__JOURNAL_BYTES", BYTES)]);
        let crowd = talkative(&mut stage);
        store.kill();
        let before = crowd.tally();
        refuses(&crowd);
        let during = crowd.tally().since(before);
        assert!(during.redirected > 100, "{during:?}");
        let bytes = stage.measured("ayrene_journal_bytes");
        assert!(bytes <= BYTES.parse::<f64>().unwrap(), "{bytes}");
        say(&format!("{} clicks in a full journal of {bytes} bytes", during.redirected));
        store.begin();
        redirects_again(&stage, &crowd);
        wait_until("the journal is empty enough", || stage.measured("ayrene_journal_bytes") < bytes);
        let tallies = crowd.disperse();
        stage.compare(&tallies);
    });
}

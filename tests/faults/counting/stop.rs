//! A clean stop leaves nothing to do for the next start.

use std::path::Path;

use super::stage::{Stage, stored, within};
use super::store::Store;
use super::{pause, repeat};
use crate::support::files;

/// Segments of the journal.
fn segments(data: &Path) -> Vec<String> {
    files::below(&data.join("journal")).into_iter().filter(|name| name.ends_with(".journal")).collect()
}

#[test]
fn a_clean_stop_leaves_no_click_in_the_journal() {
    repeat(|_| {
        let store = Store::start();
        let mut stage = Stage::before(&store, &[]);
        for _ in 0..2 {
            let crowd = stage.crowd();
            pause(50, 400);
            let before: Vec<u64> = {
                let mut store = stage.store();
                stage.codes.iter().map(|code| stored(&mut store, code)).collect()
            };
            assert!(before.iter().sum::<u64>() > 0, "the journal is applied while clicks go on");
            stage.terminate();
            let tallies = crowd.disperse();
            assert_eq!(segments(stage.dir.path()), [""; 0]);
            let mut store = stage.store();
            for (code, tally) in stage.codes.iter().zip(&tallies) {
                within(*tally, stored(&mut store, code), "the datastore's count, with no server");
                redis::cmd("HDEL")
                    .arg(format!("ay:{{link:{code}}}"))
                    .arg("k")
                    .query::<u8>(&mut store)
                    .unwrap();
            }
            stage.restart();
        }
    });
}

#[test]
fn a_stop_without_a_datastore_keeps_the_clicks_for_the_next_start() {
    repeat(|_| {
        let mut store = Store::start();
        let mut stage = Stage::before(&store, &[("AYRENE__SERVER__SHUTDOWN_TIMEOUT_SECS", "1")]);
        let crowd = stage.crowd();
        store.kill();
        let before = crowd.tally().redirected;
        crowd.wait_until("clicks wait", |tallies| {
            tallies.iter().map(|tally| tally.redirected).sum::<u64>() > before + 100
        });
        stage.terminate();
        let tallies = crowd.disperse();
        assert_ne!(segments(stage.dir.path()), [""; 0]);
        store.begin();
        stage.restart();
        stage.compare(&tallies);
    });
}

//! `kill -9` of the server: at any moment, while it replays its journal, twice in a row.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::stage::Stage;
use super::store::Store;
use super::{below, pause, repeat, say};

#[test]
fn a_server_killed_at_any_moment_loses_and_doubles_no_click() {
    repeat(|_| {
        let mut stage = Stage::embedded(&[]);
        let crowd = stage.crowd();
        for _ in 0..3 {
            pause(20, 500);
            stage.kill();
            stage.restart();
            crowd.turn_to(Some(stage.address()));
        }
        pause(20, 300);
        let tallies = crowd.disperse();
        stage.compare(&tallies);
    });
}

#[test]
fn a_server_killed_before_its_datastore_is_back_loses_and_doubles_no_click() {
    repeat(|_| {
        let mut stage = Stage::embedded(&[]);
        let crowd = stage.crowd();
        for _ in 0..2 {
            pause(20, 300);
            stage.kill();
            // It listens, and dies again: with clicks that came in between, or none.
            stage.listen();
            crowd.turn_to(Some(stage.address()));
            pause(0, 60);
            stage.kill();
            stage.restart();
            crowd.turn_to(Some(stage.address()));
        }
        pause(20, 200);
        let tallies = crowd.disperse();
        stage.compare(&tallies);
    });
}

#[test]
fn a_server_killed_while_it_replays_its_journal_loses_and_doubles_no_click() {
    repeat(|_| {
        let store = Store::start();
        let mut stage = Stage::before(&store, &[]);
        let crowd = stage.crowd();
        // So that there is something to replay.
        store.signal("STOP");
        pause(300, 600);
        stage.kill();
        crowd.turn_to(None);
        store.signal("CONT");
        let started = Instant::now();
        stage.restart();
        let start_ms = started.elapsed().as_millis() as u64;
        crowd.turn_to(Some(stage.address()));
        store.signal("STOP");
        pause(300, 600);
        stage.kill();
        crowd.turn_to(None);
        store.signal("CONT");
        for _ in 0..4 {
            let mut command = stage.command();
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(below(2 * start_ms + 50)));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        stage.restart();
        crowd.turn_to(Some(stage.address()));
        pause(50, 200);
        let tallies = crowd.disperse();
        stage.compare(&tallies);
    });
}

#[test]
fn clicks_that_waited_for_the_datastore_survive_the_server() {
    repeat(|_| {
        let mut store = Store::start();
        let mut stage = Stage::before(&store, &[]);
        let crowd = stage.crowd();
        pause(20, 200);
        store.kill();
        let before = crowd.tally();
        pause(600, 900);
        let waiting = crowd.tally().since(before);
        assert!(waiting.redirected > 50, "{waiting:?}");
        stage.kill();
        crowd.turn_to(None);
        // Two lives that see no datastore.
        for _ in 0..2 {
            stage.listen();
            pause(10, 400);
            stage.kill();
        }
        stage.listen();
        store.begin();
        stage.server.wait_until_ready();
        say(&format!("{} clicks outlived their server without a datastore", waiting.redirected));
        let tallies = crowd.disperse();
        stage.compare(&tallies);
    });
}

//! The datastore killed, away, hung, and cut off in the middle of an answer: known links go on, and every click is counted.

use std::time::{Duration, Instant};

use serde_json::json;

use super::crowd::{Crowd, Tally};
use super::proxy::Proxy;
use super::stage::Stage;
use super::store::Store;
use super::wire::{Wire, value};
use super::{below, outage, pause, repeat, say};
use crate::process::signal;

/// Nobody was refused, and no connection ended.
fn undisturbed(tally: Tally) {
    assert_eq!((tally.refused, tally.cut), (0, 0), "known links go on: {tally:?}");
}

#[test]
fn known_links_go_on_while_the_embedded_datastore_is_killed_and_started_again() {
    repeat(|_| {
        let stage = Stage::embedded(&[]);
        let crowd = stage.crowd();
        for _ in 0..3 {
            pause(50, 300);
            let before = crowd.tally();
            signal(stage.server.redis_pid(), "KILL");
            let away = stage.server.wait_until_ready();
            let during = crowd.tally().since(before);
            say(&format!("{} redirects in the {away:?} without the embedded datastore", during.redirected));
            assert!(during.redirected > 0);
        }
        pause(50, 300);
        undisturbed(crowd.tally());
        let tallies = crowd.disperse();
        stage.compare(&tallies);
    });
}

#[test]
fn server_and_datastore_killed_at_once_lose_and_double_no_click() {
    repeat(|_| {
        let mut stage = Stage::embedded(&[]);
        let crowd = stage.crowd();
        for _ in 0..2 {
            pause(20, 400);
            let redis = stage.server.redis_pid();
            if below(2) == 0 {
                signal(redis, "KILL");
                stage.kill();
            } else {
                stage.server.signal("KILL");
                signal(redis, "KILL");
                stage.kill();
            }
            stage.restart();
            crowd.turn_to(Some(stage.address()));
        }
        pause(20, 200);
        let tallies = crowd.disperse();
        stage.compare(&tallies);
    });
}

/// While the datastore is away known links are followed, and all else is refused at once.
fn goes_without(stage: &Stage, crowd: &Crowd, protected: &str, time: Duration) {
    // The moment when it left is over: what was under way then has had its timeout.
    std::thread::sleep(Duration::from_millis(1_200).min(time / 2));
    crowd.slowest();
    let (before, started) = (crowd.tally(), Instant::now());
    let mut wire = Wire::new(stage.address());
    while started.elapsed() < time {
        for path in [format!("/{protected}"), "/unknown1".to_owned()] {
            let reply = wire.fetch(&path, "");
            assert_eq!(reply.status, 503, "{path} {reply:?}");
            assert_ne!(value(&reply.head, "retry-after"), "");
            assert!(reply.took < Duration::from_secs(1), "{path} took {:?}", reply.took);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let during = crowd.tally().since(before);
    undisturbed(during);
    let slowest = crowd.slowest();
    say(&format!(
        "{} redirects in {:?} without a datastore, the slowest took {slowest:?}",
        during.redirected,
        started.elapsed()
    ));
    assert!(during.redirected > 100, "{during:?}");
    assert!(slowest < Duration::from_secs(1), "a redirect took {slowest:?}");
}

fn away(leave: impl Fn(&mut Store) + Sync, come: impl Fn(&mut Store) + Sync) {
    repeat(|run| {
        let mut store = Store::start();
        let stage = Stage::before(&store, &[]);
        let protected = stage.shorten(
            json!({ "longUrl": "https://example.com/", "protectionMethod": "PASSWORD", "urlPassword": "sesame" }),
        );
        let mut wire = Wire::new(stage.address());
        assert_eq!(wire.fetch(&format!("/{protected}"), "").status, 401);
        let crowd = stage.crowd();
        leave(&mut store);
        goes_without(&stage, &crowd, &protected, outage(run));
        come(&mut store);
        stage.server.wait_until_ready();
        pause(100, 400);
        undisturbed(crowd.tally());
        let tallies = crowd.disperse();
        stage.compare(&tallies);
    });
}

#[test]
fn a_datastore_that_hangs_for_a_while_costs_no_click() {
    away(|store| store.signal("STOP"), |store| store.signal("CONT"));
}

#[test]
fn a_datastore_that_is_away_for_a_while_costs_no_click() {
    away(Store::kill, Store::begin);
}

#[test]
fn a_datastore_that_does_late_what_was_given_up_doubles_no_click() {
    repeat(|_| {
        let store = Store::start();
        let stage = Stage::before(&store, &[]);
        let crowd = stage.crowd();
        for _ in 0..3 {
            // Longer than a command may take: it is sent again, and then both are done.
            store.signal("STOP");
            pause(300, 1_000);
            store.signal("CONT");
            pause(20, 200);
        }
        undisturbed(crowd.tally());
        let tallies = crowd.disperse();
        stage.compare(&tallies);
    });
}

#[test]
fn a_reply_lost_after_the_flush_was_applied_doubles_no_click() {
    repeat(|_| {
        let store = Store::start();
        let proxy = Proxy::start(store.socket());
        let stage = Stage::open(
            tempfile::tempdir().unwrap(),
            store.url(),
            &[("AYRENE__REDIS__URL", proxy.url().as_str())],
            |command| command,
        );
        let crowd = stage.crowd();
        // By chance at first, then each reply for a while.
        proxy.lose_replies(20);
        pause(1_200, 1_500);
        proxy.lose_replies(1);
        pause(200, 500);
        proxy.lose_replies(0);
        stage.server.wait_until_ready();
        pause(50, 200);
        let lost = proxy.lost();
        say(&format!("{lost} times the connection ended before a reply"));
        assert!(lost > 5, "{lost}");
        undisturbed(crowd.tally());
        let tallies = crowd.disperse();
        stage.compare(&tallies);
    });
}

//! Clicks that are recorded one by one, while server and datastore are killed: each is listed once, with its own time.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use chrono::Utc;
use serde_json::json;

use super::stage::Stage;
use super::store::Store;
use super::wire::{Outcome, Wire};
use super::{Ends, pause, repeat};
use crate::process::signal;

/// People whose every click has a referrer of its own.
#[derive(Default)]
struct Readers {
    stop: AtomicBool,
    port: AtomicU16,
    next: AtomicU64,
    /// By referrer: the seconds in which it was asked and answered.
    answered: Mutex<HashMap<String, (i64, i64)>>,
    doubtful: Mutex<HashSet<String>>,
}

impl Readers {
    fn read(&self, code: &str) {
        let mut wire = Wire::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        while !self.stop.load(Ordering::SeqCst) {
            wire.turn_to(SocketAddr::from(([127, 0, 0, 1], self.port.load(Ordering::SeqCst))));
            let host = format!("r{}.example", self.next.fetch_add(1, Ordering::SeqCst));
            let asked = Utc::now().timestamp();
            match wire.get(&format!("/{code}"), &format!("Referer: https://{host}/\r\n")) {
                Outcome::Answered(reply) if reply.status == 302 => {
                    self.answered.lock().unwrap().insert(host, (asked, Utc::now().timestamp()));
                }
                Outcome::Answered(reply) => {
                    assert_eq!(reply.status, 503, "{reply:?}");
                    self.doubtful.lock().unwrap().insert(host);
                }
                Outcome::Cut => {
                    self.doubtful.lock().unwrap().insert(host);
                }
                Outcome::Unreached => {}
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// All events of a link, the newest first: referrer and second.
fn events(stage: &Stage, code: &str) -> Vec<(String, i64)> {
    let (mut events, mut page) = (Vec::new(), 1);
    loop {
        let data = stage.read(&format!("/api/v1/url/stats/{code}?range=30&page={page}"));
        events.extend(data["stats"].as_array().unwrap().iter().map(|event| {
            let secs = event["time"].as_str().unwrap().parse().unwrap();
            (event["referrer"].as_str().unwrap().to_owned(), secs)
        }));
        if data["hasNext"] == false {
            assert_eq!(data["total"], events.len());
            return events;
        }
        page += 1;
    }
}

fn lists_each_once(mut stage: Stage, fault: impl FnOnce(&mut Stage, &AtomicU16)) {
    let code = stage.shorten(json!({ "longUrl": "https://example.com/", "isAnalyticsEnabled": true }));
    let readers = Readers::default();
    readers.port.store(stage.address().port(), Ordering::SeqCst);
    std::thread::scope(|scope| {
        let _ends = Ends(&readers.stop);
        for _ in 0..3 {
            scope.spawn(|| readers.read(&code));
        }
        fault(&mut stage, &readers.port);
    });
    stage.server.wait_until_ready();
    let (total, reached) = stage.clicks(&code);
    let answered = readers.answered.into_inner().unwrap();
    let doubtful = readers.doubtful.into_inner().unwrap();
    let events = events(&stage, &code);
    assert_eq!((total, reached), (events.len() as u64, events.len() as u64), "counts and events agree");
    let mut seen = HashSet::new();
    for (host, secs) in &events {
        assert!(seen.insert(host), "{host} is listed twice");
        match answered.get(host) {
            Some((asked, told)) => {
                assert!((asked..=told).contains(&secs), "{host}: at {secs}, of {asked} to {told}");
            }
            None => assert!(doubtful.contains(host), "{host} was never asked"),
        }
    }
    let lost: Vec<_> = answered.keys().filter(|host| !seen.contains(host)).collect();
    assert!(lost.is_empty(), "{} of {} are not listed: {lost:?}", lost.len(), answered.len());
    assert!(answered.len() > 100, "{}", answered.len());
    for pair in events.windows(2) {
        // A flush brings what is up to half a second old behind what was counted at once.
        assert!(pair[0].1 + 1 >= pair[1].1, "the newest first: {pair:?}");
    }
}

#[test]
fn events_are_listed_once_though_the_server_is_killed() {
    repeat(|_| {
        lists_each_once(Stage::embedded(&[]), |stage, port| {
            for _ in 0..3 {
                pause(200, 600);
                stage.kill();
                stage.restart();
                port.store(stage.address().port(), Ordering::SeqCst);
            }
            pause(100, 300);
        });
    });
}

#[test]
fn events_are_listed_once_though_the_embedded_datastore_is_killed() {
    repeat(|_| {
        lists_each_once(Stage::embedded(&[]), |stage, _| {
            for _ in 0..3 {
                pause(200, 600);
                signal(stage.server.redis_pid(), "KILL");
                stage.server.wait_until_ready();
            }
            pause(100, 300);
        });
    });
}

#[test]
fn events_have_the_time_of_their_click_though_the_datastore_was_away() {
    repeat(|_| {
        let mut store = Store::start();
        let stage = Stage::before(&store, &[]);
        lists_each_once(stage, |stage, _| {
            pause(200, 400);
            store.kill();
            pause(2_500, 3_000);
            store.begin();
            stage.server.wait_until_ready();
            pause(100, 300);
        });
    });
}

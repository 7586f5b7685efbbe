//! Mails about clicks while the server, or its datastore, is killed: each click that reached the long URL is told once.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::process::{Server, click_until, command, request, signal};
use crate::support::mail::mails_in;
use crate::support::redis_server::wait_until;

const OWNER: &str = "ada@example.com";

fn start(dir: &Path) -> Server {
    let mut command = command(dir);
    command.env("AYRENE__SHORTENER__CLICK_DIGEST_SECS", "1");
    let server = Server::start_with(command.env("AYRENE__NOTIFIER__UNVERIFIED_PER_DAY", "100000"));
    server.wait_until_ready();
    server
}

/// How many clicks were told of; a mail that was sent twice bears the same id.
fn told(dir: &Path) -> u64 {
    let mails = mails_in(dir).into_iter().filter(|mail| mail.to == OWNER);
    let clicks: HashMap<String, u64> =
        mails.filter_map(|mail| Some((mail.message_id.clone(), mail.clicks()?))).collect();
    clicks.values().sum()
}

fn tells_each_click_once(kill: impl Fn(&Server), ends_server: bool) {
    let dir = tempfile::tempdir().unwrap();
    let mut server = start(dir.path());
    let token = server.register(OWNER);
    let body = json!({ "longUrl": "https://example.com/", "emailNotificationEnable": true }).to_string();
    let reply = request(server.address, "POST", "/api/v1/url", Some(&token), &body).unwrap();
    let code = reply.json["data"]["urlCode"].as_str().unwrap().to_owned();
    for round in 0..4 {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let clicks = scope.spawn(|| click_until(server.address, &code, &stop));
            // At another moment of the time between two words each round, and of the sweep's.
            std::thread::sleep(Duration::from_millis(900 + 370 * round));
            kill(&server);
            std::thread::sleep(Duration::from_millis(if ends_server { 50 } else { 1_500 }));
            stop.store(true, Ordering::Relaxed);
            clicks.join().unwrap();
        });
        if ends_server {
            server.wait();
            server = start(dir.path());
        }
    }
    server.wait_until_ready();
    let (total, reached) = server.clicks(&token, &code);
    assert!(total == reached && reached > 100, "{total} {reached}");
    wait_until("all clicks are told", || told(dir.path()) >= reached);
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(told(dir.path()), reached);
}

#[test]
fn each_click_is_told_once_though_the_server_is_killed() {
    tells_each_click_once(|server| server.signal("KILL"), true);
}

#[test]
fn each_click_is_told_once_though_its_datastore_is_killed() {
    tells_each_click_once(|server| signal(server.redis_pid(), "KILL"), false);
}

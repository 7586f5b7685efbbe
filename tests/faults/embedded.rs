//! The embedded datastore: durable through any kill, alone on its directory, gone with its server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::process::{Clicked, Server, click_until, command, lives, signal};
use crate::support::redis_server::wait_until;

const ROUNDS: usize = 5;

/// Clicks while `fault` happens to the server; then everything acknowledged must be there, on a server started
/// anew if the fault ended it.
fn survives(fault: impl Fn(&Server), ends_server: bool) {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    let token = server.register("ada@example.com");
    let code = server.shorten(&token, "https://example.com/").unwrap();
    let mut links = Vec::new();
    let mut sum = Clicked::default();
    for round in 0..ROUNDS {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let clicks = scope.spawn(|| click_until(server.address, &code, &stop));
            for number in 0..20 {
                let url = format!("https://example.com/{round}/{number}");
                links.extend(server.shorten(&token, &url).map(|code| (code, url)));
                std::thread::sleep(Duration::from_millis(5));
            }
            fault(&server);
            // Two seconds later it must be back without anybody's help.
            std::thread::sleep(Duration::from_millis(if ends_server { 200 } else { 2000 }));
            stop.store(true, Ordering::Relaxed);
            let clicked = clicks.join().unwrap();
            sum.answered += clicked.answered;
            sum.unanswered += clicked.unanswered;
        });
        if ends_server {
            server.wait();
            server = Server::start(dir.path());
            server.wait_until_ready();
        }
        let (total, reached) = server.clicks(&token, &code);
        assert_eq!(total, reached);
        assert!(
            sum.answered <= reached,
            "round {round}: {} answered, {reached} counted: clicks were lost",
            sum.answered
        );
        assert!(
            reached <= sum.answered + sum.unanswered,
            "round {round}: {sum:?}, {reached} counted: clicks were doubled"
        );
    }
    assert!(sum.answered > 100, "{sum:?}");
    assert!(links.len() >= 20, "{}", links.len());
    for (code, url) in links {
        let reply = server.get(&format!("/{code}")).unwrap();
        assert!(reply.head.contains(&format!("location: {url}")), "{code} {url} {reply:?}");
    }
}

#[test]
fn kill_9_of_the_server_loses_nothing() {
    survives(|server| server.signal("KILL"), true);
}

#[test]
fn sigterm_under_load_loses_nothing() {
    survives(|server| server.signal("TERM"), true);
}

#[test]
fn kill_9_of_redis_loses_nothing_and_it_is_started_again() {
    survives(|server| signal(server.redis_pid(), "KILL"), false);
}

#[test]
fn kill_9_of_both_loses_nothing() {
    survives(
        |server| {
            let redis = server.redis_pid();
            server.signal("KILL");
            signal(redis, "KILL");
        },
        true,
    );
}

#[test]
fn redis_ends_with_its_server_however_that_ends() {
    for name in ["TERM", "INT", "KILL"] {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Server::start(dir.path());
        let redis = server.redis_pid();
        assert!(lives(redis));
        server.signal(name);
        server.wait();
        if name == "KILL" {
            wait_until("Redis has ended", || !lives(redis));
        }
        assert!(!lives(redis), "SIG{name}");
    }
}

#[test]
fn a_signal_to_the_terminal_does_not_reach_redis_first() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let group = |pid: u32| {
        let output =
            std::process::Command::new("ps").args(["-o", "pgid=", "-p", &pid.to_string()]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_ne!(group(server.redis_pid()), group(server.child.id()));
}

#[test]
fn two_servers_on_one_data_directory_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let output = command(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        message.contains("another ayrene runs on the data directory") && message.contains("AYRENE__DATA_DIR"),
        "{message}"
    );
    assert_eq!(server.get("/readyz").unwrap().status, 200, "the first is not disturbed");
}

#[test]
fn a_restart_right_after_kill_9_waits_for_the_old_redis() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    let token = server.register("ada@example.com");
    for _ in 0..10 {
        let code = server.shorten(&token, "https://example.com/").unwrap();
        server.signal("KILL");
        server = Server::start(dir.path());
        server.wait_until_ready();
        assert_eq!(server.get(&format!("/{code}")).unwrap().status, 302, "and the token's key is the same");
    }
}

#[test]
fn a_missing_or_foreign_binary_is_said_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let output = command(dir.path()).env("PATH", "/nonexistent").output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("apt-get install redis-server") && message.contains("redis.url"), "{message}");
    let output = command(dir.path()).env("AYRENE__REDIS__SERVER_BIN", "/bin/true").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not Redis 7 or Valkey"));
}

#[test]
fn what_it_keeps_is_private_to_its_user() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("deeper/data");
    let _server = Server::start(&data);
    let mode = |path: &str| std::fs::metadata(data.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(""), 0o700);
    assert_eq!(mode("jwt_secret"), 0o600);
    assert_eq!(mode("redis/redis.sock"), 0o700);
}

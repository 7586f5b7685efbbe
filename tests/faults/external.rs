//! A Redis that somebody else runs: away at start, away later, hung, with password, database and TLS.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::process::{Server, command, request, signal};
use crate::support::redis_server::{binary, wait_until};

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A Redis on a TCP port; killed when dropped.
pub struct Redis {
    pub child: Child,
}

impl Redis {
    /// Returns when it listens.
    pub fn start(port: u16, arguments: &[&str]) -> Self {
        Self::start_as("--port", port, arguments)
    }

    fn start_as(kind: &str, port: u16, arguments: &[&str]) -> Self {
        let child = Command::new(binary())
            .args(["--bind", "127.0.0.1", "--save", "", "--port", "0", kind, &port.to_string()])
            .args(arguments)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let redis = Self { child };
        wait_until("Redis listens", || TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_ok());
        redis
    }

    pub fn end(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn server(dir: &Path, url: &str) -> Server {
    Server::start_with(command(dir).env("AYRENE__REDIS__URL", url))
}

/// Every kind of request gets 503 with Retry-After within a second.
fn refuses_at_once(server: &Server, token: Option<&str>) {
    let login = r#"{"email":"ada@example.com","password":"plum tractor 71 violet"}"#;
    let link = r#"{"longUrl":"https://example.com/"}"#;
    for (method, path, token, body) in [
        ("GET", "/readyz", None, ""),
        ("GET", "/abcdefg", None, ""),
        ("POST", "/api/v1/url", None, link),
        ("POST", "/api/v1/url", token, link),
        ("POST", "/api/v1/auth/login", None, login),
        ("POST", "/api/v1/auth/register", None, login),
        ("POST", "/api/auth/logout", None, login),
    ] {
        let reply = request(server.address, method, path, token, body).unwrap();
        assert_eq!(reply.status, 503, "{method} {path} {reply:?}");
        assert!(reply.head.contains("retry-after: 1"), "{method} {path} {reply:?}");
        assert!(reply.took < Duration::from_secs(1), "{method} {path} took {:?}", reply.took);
        assert_eq!(reply.json["success"], false);
    }
    if token.is_some() {
        let nobody = "0".repeat(24);
        for (method, path) in [
            ("GET", "/api/v1/auth/me".to_owned()),
            ("GET", "/api/messages/conversations".to_owned()),
            ("POST", "/api/messages/send".to_owned()),
            ("PUT", format!("/api/messages/mark-read/{nobody}")),
            ("PUT", format!("/api/users/{nobody}/block")),
        ] {
            let reply = request(server.address, method, &path, token, "").unwrap();
            assert_eq!(reply.status, 503, "{method} {path} {reply:?}");
            assert!(reply.took < Duration::from_secs(1), "{method} {path} took {:?}", reply.took);
        }
    }
    assert_eq!(server.get("/healthz").unwrap().status, 200, "the process is alive");
}

/// Two seconds after `since` every worker serves again, on each of its connections.
fn recovers(server: &Server, since: Instant) {
    std::thread::sleep(Duration::from_secs(2).saturating_sub(since.elapsed()));
    for _ in 0..20 {
        assert_eq!(server.get("/readyz").unwrap().status, 200);
        assert_eq!(server.get("/abcdefg").unwrap().status, 404);
    }
}

#[test]
fn redis_away_at_start_and_again_later() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let server = server(dir.path(), &format!("redis://127.0.0.1:{port}"));
    refuses_at_once(&server, None);
    let redis = Redis::start(port, &[]);
    recovers(&server, Instant::now());
    let token = server.register("ada@example.com");
    for _ in 0..3 {
        let code = server.shorten(&token, "https://example.com/").unwrap();
        assert_eq!(server.get(&format!("/{code}")).unwrap().status, 302);
    }
    redis.end();
    refuses_at_once(&server, Some(&token));
    let redis = Redis::start(port, &[]);
    recovers(&server, Instant::now());
    redis.end();
}

#[test]
fn a_hung_redis_hangs_no_request() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let redis = Redis::start(port, &[]);
    let server = server(dir.path(), &format!("redis://127.0.0.1:{port}"));
    server.wait_until_ready();
    let token = server.register("ada@example.com");
    signal(redis.child.id(), "STOP");
    refuses_at_once(&server, Some(&token));
    signal(redis.child.id(), "CONT");
    recovers(&server, Instant::now());
    assert!(server.shorten(&token, "https://example.com/").is_some());
}

#[test]
fn a_redis_that_restarts_empty_has_no_scripts_and_that_is_noticed() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let redis = Redis::start(port, &[]);
    let server = server(dir.path(), &format!("redis://127.0.0.1:{port}"));
    server.wait_until_ready();
    server.register("ada@example.com");
    redis.end();
    let redis = Redis::start(port, &[]);
    recovers(&server, Instant::now());
    server.register("ada@example.com");
    redis.end();
}

#[test]
fn a_full_memory_is_503_and_loses_nothing() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let redis = Redis::start(port, &[]);
    let server = server(dir.path(), &format!("redis://127.0.0.1:{port}"));
    server.wait_until_ready();
    let token = server.register("ada@example.com");
    let code = server.shorten(&token, "https://example.com/").unwrap();
    let mut admin =
        redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap().get_connection().unwrap();
    let mut limit =
        |bytes: &str| redis::cmd("CONFIG").arg(&["SET", "maxmemory", bytes]).query::<()>(&mut admin).unwrap();
    limit("1");
    let reply =
        request(server.address, "POST", "/api/v1/url", Some(&token), r#"{"longUrl":"https://example.com/"}"#)
            .unwrap();
    assert_eq!(reply.status, 503, "{reply:?}");
    let follow = || server.get(&format!("/{code}")).unwrap().status;
    assert_eq!(follow(), 302, "the click waits in the journal");
    limit("0");
    assert_eq!(follow(), 302);
    wait_until("both are counted", || server.clicks(&token, &code) == (2, 2));
    redis.end();
}

#[test]
fn password_and_database_number_are_honoured() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let redis = Redis::start(port, &["--requirepass", "pass word"]);
    let url = format!("redis://:pass%20word@127.0.0.1:{port}/3");
    let first = server(dir.path(), &url);
    first.wait_until_ready();
    let token = first.register("ada@example.com");
    let code = first.shorten(&token, "https://example.com/").unwrap();
    let mut admin = redis::Client::open(url.as_str()).unwrap().get_connection().unwrap();
    assert!(redis::cmd("EXISTS").arg(format!("ay:{{link:{code}}}")).query::<bool>(&mut admin).unwrap());
    assert!(!first.log.lock().unwrap().contains("pass"), "no password in the log");

    let elsewhere = tempfile::tempdir().unwrap();
    let wrong = server(elsewhere.path(), &format!("redis://:wrong@127.0.0.1:{port}/3"));
    assert_eq!(wrong.get("/readyz").unwrap().status, 503);
    redis.end();
}

#[test]
fn tls_is_spoken_to_rediss_and_the_certificate_checked() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args([
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .args(["-keyout", &file("key.pem"), "-out", &file("cert.pem")])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let arguments = [
        "--tls-auth-clients",
        "no",
        "--tls-cert-file",
        &file("cert.pem"),
        "--tls-key-file",
        &file("key.pem"),
        "--tls-ca-cert-file",
        &file("cert.pem"),
    ];
    let redis = Redis::start_as("--tls-port", port, &arguments);
    let url = format!("rediss://localhost:{port}");
    let data = dir.path().join("data");
    let trusting = Server::start_with(
        command(&data).env("AYRENE__REDIS__URL", &url).env("SSL_CERT_FILE", file("cert.pem")),
    );
    trusting.wait_until_ready();
    let token = trusting.register("ada@example.com");
    assert!(trusting.shorten(&token, "https://example.com/").is_some());
    let other = dir.path().join("other");
    let distrusting = Server::start_with(command(&other).env("AYRENE__REDIS__URL", &url));
    assert_eq!(distrusting.get("/readyz").unwrap().status, 503);
    redis.end();
}

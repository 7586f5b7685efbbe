//! Starting with the wrong settings, stopping with requests in flight, and what the log says meanwhile.

use std::process::Command;
use std::time::Duration;

use crate::process::{Server, command, request};
use crate::support::server::PASSWORD;

fn refusal(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn wrong_settings_are_named_with_what_would_be_right() {
    let dir = tempfile::tempdir().unwrap();
    let short = refusal(command(dir.path()).env("AYRENE__AUTH__JWT_SECRET", "short"));
    assert!(
        short.contains("auth.jwt_secret")
            && short.contains("openssl rand -hex 32")
            && !short.contains("short\""),
        "{short}"
    );
    let production = refusal(command(dir.path()).env("AYRENE__PROFILE", "production"));
    assert!(production.contains("auth.jwt_secret"), "{production}");
    let secret = "0123456789abcdef0123456789abcdef";
    let plain = refusal(
        command(dir.path()).env("AYRENE__PROFILE", "production").env("AYRENE__AUTH__JWT_SECRET", secret),
    );
    assert!(plain.contains("server.public_url") && plain.contains("https"), "{plain}");
    let mut keys = command(dir.path());
    keys.env("AYRENE__PROFILE", "production")
        .env("AYRENE__AUTH__JWT_SECRET", secret)
        .env("AYRENE__SERVER__PUBLIC_URL", "https://a.example")
        .env("AYRENE__GOOGLE__JWKS_URL", "http://b.example/certs");
    let keys = refusal(&mut keys);
    assert!(keys.contains("google.jwks_url") && keys.contains("https"), "{keys}");
    for page in ["nonsense", "https://app.example/reset?x=1", "javascript:alert(1)"] {
        let prefixes = format!("https://app.example/reset,{page}");
        let page = refusal(command(dir.path()).env("AYRENE__AUTH__FRONTEND_PREFIXES", prefixes));
        assert!(page.contains("auth.frontend_prefixes"), "{page}");
    }
    let life = refusal(command(dir.path()).env("AYRENE__AUTH__RESET_TTL_SECS", "0"));
    assert!(life.contains("auth.reset_ttl_secs"), "{life}");
    let path = refusal(command(dir.path()).env("AYRENE__SERVER__PUBLIC_URL", "https://a.example/links"));
    assert!(path.contains("server.public_url"), "{path}");
    let bind = refusal(command(dir.path()).env("AYRENE__SERVER__BIND", "nonsense"));
    assert!(bind.contains("bind") || bind.contains("socket address"), "{bind}");
    let quota = refusal(command(dir.path()).env("AYRENE__RATE_LIMITS__LOGIN__REQUESTS", "0"));
    assert!(quota.contains("rate_limits.login"), "{quota}");
    let ttl = refusal(command(dir.path()).env("AYRENE__CONVERSATION__CLIENT_ID_TTL_HOURS", "0"));
    assert!(ttl.contains("client_id_ttl_hours"), "{ttl}");
    let host = refusal(
        command(dir.path()).env("AYRENE__SERVER__OWN_HOSTS", "[2001:db8::5]:80,go.example:8080,not a host"),
    );
    assert!(host.contains("`not a host` is not a host"), "{host}");
    let url = refusal(command(dir.path()).env("AYRENE__REDIS__URL", "http://example.com"));
    assert!(url.contains("redis.url"), "{url}");
    let empty = dir.path().join("empty-list");
    std::fs::write(&empty, "").unwrap();
    let lists = format!("{},/nonexistent-list", empty.display());
    for name in ["AYRENE__SAFETY__NSFW_LISTS", "AYRENE__SAFETY__BLOCKED_LISTS"] {
        let list = refusal(command(dir.path()).env(name, &lists));
        assert!(list.contains("safety.nsfw_lists") && list.contains("`/nonexistent-list`"), "{list}");
    }
    let parallel = refusal(command(dir.path()).env("AYRENE__SAFETY__PARALLEL", "0"));
    assert!(parallel.contains("safety.parallel"), "{parallel}");
    let file = refusal(command(dir.path()).args(["--config", "/nonexistent.toml"]));
    assert!(file.contains("/nonexistent.toml"), "{file}");
    let flag = refusal(command(dir.path()).arg("--nonsense"));
    assert!(flag.contains("--nonsense") && flag.contains("Usage:"), "{flag}");
}

#[test]
fn help_and_version_answer() {
    let dir = tempfile::tempdir().unwrap();
    for (flag, expected) in [("--help", "Usage: ayrene"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let output = command(dir.path()).arg(flag).output().unwrap();
        assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains(expected));
    }
}

#[test]
fn a_file_overrides_the_defaults_and_the_environment_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ayrene.toml");
    std::fs::write(
        &file,
        "[server]\npublic_url = \"https://file.example\"\n[shortener]\ncode_length = 12\nmisspelt = 1\n",
    )
    .unwrap();
    let data = dir.path().join("data");
    let mut with_file = command(&data);
    with_file
        .arg("--config")
        .arg(&file)
        .arg("serve")
        .env("AYRENE__SERVER__PUBLIC_URL", "https://env.example");
    let server = Server::start_with(&mut with_file);
    server.wait_until_ready();
    let reply = request(server.address, "POST", "/api/v1/url", None, r#"{"longUrl":"https://example.com/"}"#)
        .unwrap();
    let short = reply.json["data"]["shortUrl"].as_str().unwrap();
    assert!(
        short.starts_with("https://env.example/") && short.len() == "https://env.example/".len() + 12,
        "{short}"
    );
    assert!(
        server.log.lock().unwrap().contains("shortener.misspelt"),
        "a setting that does not exist is said"
    );
}

#[test]
fn the_shipped_configurations_load() {
    let dir = tempfile::tempdir().unwrap();
    let mut production = command(&dir.path().join("data"));
    production
        .args(["--config", "config/production.toml"])
        .env("AYRENE__AUTH__JWT_SECRET", "0123456789abcdef0123456789abcdef");
    let server = Server::start_with(&mut production);
    server.wait_until_ready();
    std::thread::sleep(Duration::from_millis(50));
    let log = server.log.lock().unwrap().clone();
    assert!(log.lines().all(|line| line.starts_with('{')), "JSON lines: {log}");
    assert!(!log.contains("no such setting"), "{log}");
}

#[test]
fn sigterm_lets_requests_in_flight_finish_and_keeps_what_they_did() {
    let dir = tempfile::tempdir().unwrap();
    let mut slow = command(dir.path());
    // A hash that takes a while: the registration is in flight when the signal comes.
    slow.env("AYRENE__AUTH__ARGON2_MEMORY_KIB", "131072").env("AYRENE__AUTH__ARGON2_ITERATIONS", "8");
    let mut server = Server::start_with(&mut slow);
    server.wait_until_ready();
    let address = server.address;
    let body = serde_json::json!({ "email": "ada@example.com", "password": PASSWORD }).to_string();
    let in_flight =
        std::thread::spawn(move || request(address, "POST", "/api/v1/auth/register", None, &body));
    std::thread::sleep(Duration::from_millis(150));
    server.signal("TERM");
    let reply = in_flight.join().unwrap().unwrap();
    assert_eq!(reply.status, 201, "{reply:?}");
    let token = reply.json["data"]["accessToken"].as_str().unwrap().to_owned();
    assert!(server.wait().success());

    let server = Server::start(dir.path());
    server.wait_until_ready();
    let me = request(server.address, "GET", "/api/v1/auth/me", Some(&token), "").unwrap();
    assert_eq!((me.status, me.json["data"]["email"].as_str()), (200, Some("ada@example.com")));
}

#[test]
fn an_idle_connection_does_not_hold_up_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    let idle = std::net::TcpStream::connect(server.address).unwrap();
    let mut kept = std::net::TcpStream::connect(server.address).unwrap();
    std::io::Write::write_all(&mut kept, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    server.signal("TERM");
    let started = std::time::Instant::now();
    assert!(server.wait().success());
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    drop((idle, kept));
}

#[test]
fn no_secret_reaches_the_log_at_its_loudest() {
    let dir = tempfile::tempdir().unwrap();
    let secret = "0123456789abcdef0123456789abcdef";
    let mut loud = command(dir.path());
    loud.env("AYRENE__LOG__LEVEL", "trace").env("AYRENE__AUTH__JWT_SECRET", secret);
    let server = Server::start_with(&mut loud);
    server.wait_until_ready();
    let token = server.register("ada@example.com");
    let post = |path: &str, token: Option<&str>, body: serde_json::Value| {
        request(server.address, "POST", path, token, &body.to_string()).unwrap()
    };
    let login = post(
        "/api/auth/login",
        None,
        serde_json::json!({ "email": "ada@example.com", "password": PASSWORD }),
    );
    post(
        "/api/v1/auth/login",
        None,
        serde_json::json!({ "email": "ada@example.com", "password": "a wrong password" }),
    );
    let refresh = login.json["refreshToken"].as_str().unwrap().to_owned();
    post("/api/auth/refresh", None, serde_json::json!({ "refreshToken": refresh }));
    let link = post(
        "/api/v1/url",
        Some(&token),
        serde_json::json!({ "longUrl": "https://example.com/", "protectionMethod": "PASSWORD", "urlPassword": "open sesame" }),
    );
    let code = link.json["data"]["urlCode"].as_str().unwrap();
    post(&format!("/api/v1/url/{code}"), None, serde_json::json!({ "password": "open sesame" }));
    std::thread::sleep(Duration::from_millis(200));
    let log = server.log.lock().unwrap().clone();
    assert!(log.contains("/api/auth/login"), "it does log");
    for hidden in [
        secret,
        PASSWORD,
        "a wrong password",
        "open sesame",
        "$argon2id",
        &token,
        &refresh,
        token.split('.').nth(2).unwrap(),
    ] {
        assert!(!log.contains(hidden), "{hidden:.20} is in the log");
    }
}

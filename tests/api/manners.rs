//! HTTP manners: limits, headers, hostile input, health, metrics, draining.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ayrene::config::Quota;
use serde_json::json;

use crate::support::TestServer;
use crate::support::server::PASSWORD;

fn limited() -> TestServer {
    TestServer::start_with(|config| {
        config.rate_limits.enabled = true;
        config.rate_limits.redirect = Quota { requests: 5, per_secs: 60 };
        config.rate_limits.shorten_guest = Quota { requests: 2, per_secs: 3600 };
        config.rate_limits.shorten = Quota { requests: 4, per_secs: 3600 };
        config.rate_limits.user = Quota { requests: 1000, per_secs: 60 };
        config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
}

#[tokio::test]
async fn limits_count_per_address_and_say_where_one_stands() {
    let server = limited();
    let client = server.client();
    let visit = |ip: &'static str| client.get("/missing1").header("x-forwarded-for", ip).send();
    for left in (0..5).rev() {
        let answer = visit("203.0.113.1").await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.header("ratelimit-policy"), "\"redirect\";q=5;w=60");
        assert!(
            answer.header("ratelimit").starts_with(&format!("\"redirect\";r={left};t=")),
            "{}",
            answer.header("ratelimit")
        );
    }
    let over = visit("203.0.113.1").await;
    assert_eq!(over.status, 429);
    assert_eq!(over.json["success"], false);
    let wait: u64 = over.header("retry-after").parse().unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    assert_eq!(visit("203.0.113.2").await.status, 404, "another address has its own count");
    for subnet in 0..5 {
        let ip: &'static str = Box::leak(format!("2001:db8:0:1::{subnet}").into_boxed_str());
        assert_eq!(visit(ip).await.status, 404);
    }
    assert_eq!(visit("2001:db8:0:1:ffff::1").await.status, 429, "one IPv6 household is one client");
}

#[tokio::test]
async fn guests_are_limited_tighter_than_users_and_users_one_by_one() {
    let server = limited();
    let body = json!({ "longUrl": "https://example.com/" });
    let (ada, bob) = (server.user().await, server.user().await);
    let mut statuses = Vec::new();
    for client in [&server.client(), &ada, &bob] {
        for _ in 0..5 {
            statuses.push(client.post("/api/v1/url").json(&body).send().await.status);
        }
    }
    assert_eq!(statuses, [201, 201, 429, 429, 429, 201, 201, 201, 201, 429, 201, 201, 201, 201, 429]);
}

#[tokio::test]
async fn a_malformed_body_counts_as_a_request() {
    let server = limited();
    let client = server.client();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(client.post("/api/v1/url").body("application/json", "{").send().await.status);
    }
    assert_eq!(statuses, [400, 400, 429]);
}

#[tokio::test]
async fn every_answer_has_an_id_and_the_security_headers() {
    let server = TestServer::start();
    let client = server.client();
    let mut ids = std::collections::HashSet::new();
    for path in ["/healthz", "/missing1", "/api/v1/url", "/api/auth/me", "/nothing/here", "/openapi.json"] {
        let answer = client.get(path).send().await;
        assert!(
            ids.insert(answer.header("x-request-id").to_owned()) && !answer.header("x-request-id").is_empty()
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        if path.starts_with("/api/") {
            assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        }
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_answer_in_the_shape_of_their_surface() {
    let server = TestServer::start();
    let client = server.client();
    let links = client.get("/api/v1/nothing").send().await;
    assert_eq!(
        (links.status, &links.json["status"], &links.json["success"]),
        (404, &json!(404), &json!(false))
    );
    let social = client.get("/api/nothing").send().await;
    assert_eq!((social.status, social.json["message"].is_string()), (404, true));
    let method = client.delete("/api/v1/url").send().await;
    assert_eq!((method.status, method.json["success"].as_bool()), (405, Some(false)));
    let allow: Vec<&str> = method.header("allow").split(", ").collect();
    assert!(allow.contains(&"GET") && allow.contains(&"POST"), "{allow:?}");
}

#[tokio::test]
async fn bodies_are_bounded_typed_and_named() {
    let server = TestServer::start();
    let client = server.client();
    let big = format!("{{\"longUrl\":\"https://example.com/{}\"}}", "x".repeat(600_000));
    assert_eq!(client.post("/api/v1/url").body("application/json", big.clone()).send().await.status, 413);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"] {
        let answer =
            client.post("/api/v1/url").body(kind, "{\"longUrl\":\"https://example.com/\"}").send().await;
        assert_eq!(answer.status, 415, "{kind}");
    }
    let charset = client
        .post("/api/v1/url")
        .body("Application/JSON; charset=utf-8", "{\"longUrl\":\"https://example.com/\"}")
        .send()
        .await;
    assert_eq!(charset.status, 201);
    for body in [
        b"\xff\xfe".to_vec(),
        b"{\"longUrl\":\"\xff\"}".to_vec(),
        b"{\"longUrl\":\"https://example.com/\"} x".to_vec(),
        b"".to_vec(),
    ] {
        let answer = client.post("/api/v1/url").body("application/json", body).send().await;
        assert_eq!((answer.status, answer.json["error"].as_str()), (400, Some("Invalid Data")));
    }
    for body in ["[\"https://example.com/\",null,null,null,null,null,null]", "null", "\"x\""] {
        let answer = client.post("/api/v1/url").body("application/json", body).send().await;
        assert_eq!(
            (answer.status, answer.fields_at_fault()),
            (400, vec![""]),
            "an object, not an array of its values"
        );
    }
    let twice = client
        .post("/api/v1/url")
        .body("application/json", "{\"longUrl\":\"https://a.example/\",\"longUrl\":\"https://b.example/\"}")
        .send()
        .await;
    assert_eq!((twice.status, twice.fields_at_fault()), (400, vec!["longUrl"]));
}

/// Writes `parts` with a pause before each, then reads to the end.
fn raw(server: &TestServer, parts: &[(&str, u64)]) -> String {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for (part, pause_ms) in parts {
        std::thread::sleep(Duration::from_millis(*pause_ms));
        if stream.write_all(part.as_bytes()).is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn slow_clients_are_cut() {
    let server = TestServer::start_with(|config| {
        config.server.head_timeout_secs = 1;
        config.server.body_timeout_secs = 1;
    });
    let started = Instant::now();
    let answer = raw(&server, &[("GET / HTTP/1.1\r\nHost: a", 0)]);
    assert!(answer.starts_with("HTTP/1.1 408") || answer.is_empty(), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(5));
    let head = "POST /api/v1/url HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n{";
    let started = Instant::now();
    let answer = raw(&server, &[(head, 0)]);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// How long a connection stays open after `request`, of which nothing is read; twenty seconds at most.
fn stays_open(server: &TestServer, request: &str, drip: &str) -> Duration {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(300));
        // A closed peer answers a write with a reset, which the next write reports.
        if stream.write_all(drip.as_bytes()).and_then(|()| probe(&stream)).is_err() {
            break;
        }
    }
    started.elapsed()
}

fn probe(stream: &TcpStream) -> std::io::Result<()> {
    match stream.take_error()? {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

#[tokio::test]
async fn no_connection_is_held_without_progress() {
    let server = TestServer::start_with(|config| {
        config.server.head_timeout_secs = 1;
        config.server.body_timeout_secs = 1;
        config.server.keep_alive_secs = 2;
        config.auth.hash_timeout_secs = 1;
    });
    let first = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let bundle = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: a\r\n\r\n".repeat(12);
    let unread_body = "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe";
    std::thread::scope(|scope| {
        for (what, request, drip) in [
            ("a second head that drips", format!("{first}GET / HTTP/1.1\r\nX: "), "y"),
            ("a body that nobody reads", unread_body.to_owned(), ""),
            ("answers that are not read", bundle, ""),
        ] {
            let server = &server;
            scope.spawn(move || {
                if drip.is_empty() {
                    let mut stream = TcpStream::connect(server.address).unwrap();
                    stream.write_all(request.as_bytes()).unwrap();
                    std::thread::sleep(Duration::from_secs(12));
                    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
                    let mut rest = Vec::new();
                    let end = stream.read_to_end(&mut rest);
                    assert!(
                        end.as_ref().map_or_else(
                            |error| error.kind() == std::io::ErrorKind::ConnectionReset,
                            |_| true
                        ),
                        "{what}: still open: {end:?}"
                    );
                } else {
                    let open = stays_open(server, &request, drip);
                    assert!(open < Duration::from_secs(12), "{what}: open for {open:?}");
                }
            });
        }
    });
    assert_eq!(server.client().get("/healthz").send().await.status, 200);
}

/// What comes after `head` and, after a pause, `body`, until the other side ends, and how long that takes.
fn apart(server: &TestServer, head: &str, pause: u64, body: &str) -> (String, Duration) {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(pause));
    let _ = stream.write_all(body.as_bytes());
    let (started, mut answer) = (Instant::now(), String::new());
    stream.read_to_string(&mut answer).unwrap();
    (answer, started.elapsed())
}

#[tokio::test]
async fn a_body_that_nobody_reads_holds_nothing_up() {
    let server = TestServer::start();
    let last = "GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    for path in ["/api/users", "/healthz", "/missing1"] {
        for method in ["GET", "POST"] {
            let head = format!("{method} {path} HTTP/1.1\r\nhost: a\r\n");
            // A client that sends the two apart keeps its connection, and its next request is the next request.
            for pause in [0, 20] {
                let head = format!("{head}content-length: 2\r\n\r\n");
                let (answer, took) = apart(&server, &head, pause, &format!("{{}}{last}"));
                assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{head}{answer}");
                assert!(answer.ends_with("}") && took < Duration::from_secs(1), "{head}{took:?}");
            }
            // What comes late, not at all or without an end is not waited for.
            for (length, pause, body) in [(2, 0, "{"), (2, 600, "{}"), (1_u64 << 40, 0, "{}")] {
                let head = format!("{head}content-length: {length}\r\n\r\n");
                let (answer, took) = apart(&server, &head, pause, body);
                assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head}{answer}");
                assert!(took < Duration::from_secs(1), "{head}{took:?}");
                assert!(answer.contains("connection: close\r\n"), "{head}{answer}");
            }
        }
    }
}

#[tokio::test]
async fn malformed_http_is_refused_and_the_server_lives() {
    let server = TestServer::start();
    let huge = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(500));
    for request in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        &huge,
        &many,
        "POST /api/v1/url HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    ] {
        let answer = raw(&server, &[(request, 0)]);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{request:.30} {answer:.200}");
    }
    assert_eq!(server.client().get("/healthz").send().await.status, 200);
}

#[tokio::test]
async fn health_and_metrics_answer_whom_they_should() {
    let server = TestServer::start_with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]
    });
    let client = server.client();
    assert_eq!(client.get("/healthz").send().await.json, json!({ "status": "ok" }));
    assert_eq!(client.get("/readyz").send().await.json, json!({ "status": "ok" }));
    let code = client.shorten(&json!({ "longUrl": "https://example.com/" })).await;
    client.get(&format!("/{code}")).send().await;
    let metrics = client.get("/metrics").send().await;
    assert_eq!(metrics.status, 200);
    assert!(
        metrics.text.contains("ayrene_http_requests_total{route=\"/{code}\",status=\"302\"}"),
        "{}",
        metrics.text
    );
    assert!(metrics.text.contains("ayrene_visits_total{outcome=\"open\"}"));
    assert!(!metrics.text.contains(&code), "no code, no address, no user in a label");
    assert_eq!(client.get("/metrics").header("x-forwarded-for", "203.0.113.1").send().await.status, 403);
}

#[tokio::test]
async fn a_forged_forwarding_header_changes_nothing_without_a_trusted_proxy() {
    let server = TestServer::start();
    let body = json!({ "email": "a@example.com", "password": PASSWORD });
    let answer = server
        .client()
        .post("/api/v1/auth/register")
        .header("x-forwarded-for", "6.6.6.6")
        .json(&body)
        .send()
        .await;
    let user = server.client().with_token(answer.json["data"]["accessToken"].as_str().unwrap());
    let sessions = user.get("/api/v1/user/sessions").send().await;
    assert_eq!(sessions.json["data"]["sessions"][0]["ipAddress"], "127.0.0.1");
}

#[tokio::test]
async fn pages_and_their_style_are_served() {
    let server = TestServer::start();
    let client = server.client();
    assert_eq!(client.get("/").send().await.header("location"), "/docs/");
    assert_eq!(client.get("/docs").send().await.header("location"), "/docs/");
    let style = client.get("/assets/style.css").send().await;
    assert!(style.header("content-type").starts_with("text/css"));
    assert!(client.get("/robots.txt").send().await.text.contains("Disallow: /api/"));
    let docs = reqwest::get(format!("http://{}/docs/", server.address)).await.unwrap();
    assert!(docs.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'self'"));
    assert!(docs.text().await.unwrap().contains("swagger-ui"));
}

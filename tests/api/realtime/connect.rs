//! The upgrade, the token, the hello.

use std::time::Duration;

use ayrene::config::Quota;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

use crate::support::TestServer;
use crate::support::person::Person;
use crate::support::socket::Socket;

#[tokio::test]
async fn hello_says_who_where_and_how() {
    let server = TestServer::start();
    let ada = Person::new(&server, "ada").await;
    let by_header = Socket::connect(server.address, ada.client.token()).await;
    for (_, hello) in [ada.connect().await, by_header] {
        assert_eq!(hello["userId"], json!(ada.id));
        assert_eq!(
            (&hello["seq"], &hello["resumed"], &hello["heartbeatMs"]),
            (&json!(0), &json!(false), &json!(25000))
        );
        assert!(hello["sessionId"].is_string() && hello["epoch"].is_string());
    }
}

#[tokio::test]
async fn a_frame_after_a_token_in_the_header_is_answered_after_the_hello() {
    let server = TestServer::start_with(|config| config.realtime.resume_grace_ms = 60_000);
    let ada = Person::new(&server, "ada").await;
    let bearer = format!("Bearer {}", ada.client.token());
    let mut socket = Socket::upgrade(server.address, &[("authorization", &bearer)]).await;
    let id = socket.send("presence.set", json!({ "status": "busy" })).await;
    assert_eq!(socket.push("hello").await["data"]["resumed"], false);
    assert_eq!(socket.next().await, json!({ "id": id, "type": "ok", "data": { "status": "busy" } }));
}

#[tokio::test]
async fn frames_before_auth_are_refused_one_by_one_and_auth_is_taken_once() {
    let server = TestServer::start();
    let ada = Person::new(&server, "ada").await;
    let mut socket = Socket::upgrade(server.address, &[]).await;
    for (kind, data, code) in [
        ("typing", json!({ "receiverId": ada.id, "typing": true }), "unauthenticated"),
        ("typing", json!({}), "unauthenticated"),
        ("resume", json!({ "epoch": "x", "seq": 1 }), "unauthenticated"),
        ("nonsense", json!({}), "unauthenticated"),
        ("auth", json!({}), "invalid"),
        ("auth", json!({ "token": 7 }), "invalid"),
        ("auth", json!({ "token": "x", "resume": { "epoch": "x", "seq": -1 } }), "invalid"),
    ] {
        let refusal = socket.refusal(kind, data.clone()).await;
        assert_eq!(refusal.0, code, "{kind} {data} {refusal:?}");
    }
    let resume = socket.refusal("auth", json!({ "token": "x", "resume": { "epoch": 1, "seq": 1 } })).await;
    assert!(resume.1.contains("resume.epoch"), "{resume:?}");
    let id = socket.send("auth", json!({ "token": ada.client.token(), "resume": null })).await;
    assert_eq!(socket.push("hello").await["data"]["userId"], json!(ada.id));
    assert_eq!(socket.next().await["id"], id);
    let again = socket.refusal("auth", json!({ "token": ada.client.token() })).await;
    assert_eq!(again.0, "conflict");
    let late = socket.refusal("resume", json!({ "epoch": "x", "seq": 1 })).await;
    assert_eq!(late.0, "conflict");
}

#[tokio::test]
async fn a_resume_after_the_grace_is_refused_and_the_socket_lives() {
    let server = TestServer::start_with(|config| config.realtime.resume_grace_ms = 50);
    let ada = Person::new(&server, "ada").await;
    let (mut socket, hello) = Socket::connect(server.address, ada.client.token()).await;
    let late = socket.refusal("resume", json!({ "epoch": hello["epoch"], "seq": 0 })).await;
    assert_eq!(late.0, "conflict");
    socket.granted("presence.set", json!({ "status": "online" })).await;
}

#[tokio::test]
async fn a_token_in_the_query_means_nothing() {
    let server = TestServer::start_with(|config| config.realtime.auth_timeout_secs = 1);
    let ada = Person::new(&server, "ada").await;
    let token = ada.client.token();
    for query in [format!("token={token}"), format!("access_token={token}&authorization=Bearer%20{token}")] {
        let url = format!("ws://{}/ws?{query}", server.address);
        let (stream, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let mut socket = Socket::of(stream);
        assert_eq!(socket.refusal("presence.set", json!({ "status": "away" })).await.0, "unauthenticated");
        assert_eq!(socket.close_code().await, 3501);
    }
}

#[tokio::test]
async fn a_wrong_token_is_named_as_such_wherever_it_stands() {
    let server = TestServer::start();
    let ada = Person::new(&server, "ada").await;
    let token = ada.client.token();
    let refresh = ada.client.post("/api/auth/login");
    let body = json!({ "email": "ada@example.com", "password": crate::support::server::PASSWORD });
    let refresh = refresh.json(&body).send().await.json["refreshToken"].as_str().unwrap().to_owned();
    let cut = token[..token.len() - 3].to_owned();
    for wrong in ["nonsense", "", "a.b.c", &cut, &refresh] {
        let bearer = format!("Bearer {wrong}");
        let mut socket = Socket::upgrade(server.address, &[("authorization", &bearer)]).await;
        assert_eq!(socket.close_code().await, 3500, "{wrong}");
        let mut socket = Socket::upgrade(server.address, &[]).await;
        assert_eq!(socket.refusal("auth", json!({ "token": wrong })).await.0, "bad_token");
        assert_eq!(socket.close_code().await, 3500, "{wrong}");
    }
    // A session that has ended.
    assert_eq!(ada.client.post("/api/auth/logout").send().await.status, 200);
    let mut socket = Socket::upgrade(server.address, &[]).await;
    assert_eq!(socket.refusal("auth", json!({ "token": token })).await.0, "bad_token");
    assert_eq!(socket.close_code().await, 3500);
}

#[tokio::test]
async fn pages_of_other_origins_are_turned_away() {
    let server = TestServer::start_with(|config| {
        config.server.public_url = Some("https://go.example".parse().unwrap());
        config.server.allowed_origins = vec!["https://app.example".to_owned()];
    });
    let ada = Person::new(&server, "ada").await;
    let (bearer, own) = (format!("Bearer {}", ada.client.token()), format!("http://{}", server.address));
    for origin in [own.as_str(), "https://go.example", "https://app.example"] {
        let headers = [("authorization", bearer.as_str()), ("origin", origin)];
        let mut socket = Socket::upgrade(server.address, &headers).await;
        assert_eq!(socket.next().await["type"], "hello", "{origin}");
    }
    let port = server.address.port();
    let other_port = format!("http://127.0.0.1:{}", port ^ 1);
    for origin in [
        "https://evil.example",
        "null",
        "",
        "https://app.example.evil.example",
        "https://app.example:8443",
        "http://app.example",
        &other_port,
        "nonsense",
        "://",
    ] {
        let headers = [("authorization", bearer.as_str()), ("origin", origin)];
        let mut socket = Socket::upgrade(server.address, &headers).await;
        assert_eq!(socket.close_code().await, 3506, "{origin}");
    }
}

#[tokio::test]
async fn what_is_no_upgrade_is_400_in_the_envelope() {
    let server = TestServer::start();
    let client = server.client();
    let upgrade = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let without = |names: &[&str]| {
        upgrade
            .iter()
            .filter(|(name, _)| !names.contains(name))
            .fold(client.get("/ws"), |request, (name, value)| request.header(name, value))
    };
    for request in [
        client.get("/ws"),
        without(&["connection"]),
        without(&["upgrade"]),
        without(&["sec-websocket-key"]),
        without(&["sec-websocket-version"]),
        without(&["sec-websocket-version"]).header("sec-websocket-version", "12"),
    ] {
        let answer = request.send().await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_eq!(answer.json["success"], false, "{answer:?}");
        assert!(answer.json["error"].as_str().unwrap().contains("WebSocket"), "{answer:?}");
        assert!(!answer.header("x-request-id").is_empty());
    }
    let head = client.request(Method::HEAD, "/ws").send().await;
    assert!(head.status == 400 && head.text.is_empty(), "{head:?}");
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let answer = client.request(method, "/ws").send().await;
        assert_eq!((answer.status, &answer.json["success"]), (405, &json!(false)), "{answer:?}");
    }
}

#[tokio::test]
async fn upgrades_are_limited_by_address() {
    let server = TestServer::start_with(|config| {
        config.rate_limits.enabled = true;
        config.rate_limits.socket = Quota { requests: 3, per_secs: 3600 };
    });
    for _ in 0..3 {
        Socket::upgrade(server.address, &[]).await;
    }
    let Err(Error::Http(answer)) = Socket::try_upgrade(server.address, &[]).await else { panic!("upgraded") };
    assert_eq!(answer.status(), 429);
    assert!(answer.headers().contains_key("retry-after"));
    let body: Value = serde_json::from_slice(answer.body().as_ref().unwrap()).unwrap();
    assert_eq!(body["success"], false);
}

#[tokio::test]
async fn a_user_has_only_so_many_sockets_and_a_closed_one_makes_room() {
    let server = TestServer::start_with(|config| config.realtime.max_sockets_per_user = 3);
    let ada = Person::new(&server, "ada").await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(ada.connect().await.0);
    }
    let mut fourth = Socket::upgrade(server.address, &[]).await;
    let refusal = fourth.refusal("auth", json!({ "token": ada.client.token() })).await;
    assert_eq!(refusal.0, "too_many_sockets");
    assert_eq!(fourth.close_code().await, 3505);
    open.pop().unwrap().cut();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    loop {
        let mut socket = Socket::upgrade(server.address, &[]).await;
        socket.send("auth", json!({ "token": ada.client.token() })).await;
        if socket.next().await["type"] == "hello" {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "there is no room");
    }
}

#[tokio::test]
async fn a_proxys_credentials_are_no_token() {
    let server = TestServer::start();
    let ada = Person::new(&server, "ada").await;
    let mut socket = Socket::upgrade(server.address, &[("Authorization", "Basic dTpw")]).await;
    socket.granted("auth", json!({ "token": ada.client.token() })).await;
}

//! Sessions: rotation of refresh tokens, logout, the cap, what a session shows.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::server::PASSWORD;
use crate::support::{Client, TestServer};

/// A new account's tokens, and its address.
async fn register(client: &Client) -> Value {
    let email = format!("{}@example.com", nanoid::nanoid!(10));
    let mut data = client.register(&email).await;
    data["email"] = email.into();
    data
}

async fn login(client: &Client, account: &Value) -> Value {
    let body = json!({ "email": account["email"], "password": PASSWORD });
    let answer = client.post("/api/v1/auth/login").json(&body).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json["data"].clone()
}

async fn refresh(client: &Client, token: &Value) -> crate::support::Answer {
    client.with_token(token.as_str().unwrap()).post("/api/v1/auth/refresh").send().await
}

async fn works(client: &Client, access: &Value) -> bool {
    client.with_token(access.as_str().unwrap()).get("/api/v1/auth/me").send().await.status == 200
}

#[tokio::test]
async fn a_lost_reply_can_be_asked_for_again_and_gives_the_same_token() {
    let server = TestServer::start();
    let client = server.client();
    let first = register(&client).await;
    let second = refresh(&client, &first["refreshToken"]).await;
    let repeated = refresh(&client, &first["refreshToken"]).await;
    assert_eq!((second.status, repeated.status), (200, 200));
    assert_ne!(second.json["data"]["refreshToken"], first["refreshToken"]);
    assert_eq!(second.json["data"]["refreshToken"], repeated.json["data"]["refreshToken"]);
    assert!(works(&client, &repeated.json["data"]["accessToken"]).await);
}

#[tokio::test]
async fn reuse_after_the_grace_time_ends_the_session() {
    let server = TestServer::start_with(|config| config.auth.refresh_grace_secs = 0);
    let client = server.client();
    let first = register(&client).await;
    let second = refresh(&client, &first["refreshToken"]).await.json["data"].clone();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let reused = refresh(&client, &first["refreshToken"]).await;
    assert_eq!((reused.status, reused.json["error"].as_str().unwrap()), (401, "Token is expired or invalid"));
    assert_eq!(refresh(&client, &second["refreshToken"]).await.status, 401, "the whole session has ended");
    assert!(!works(&client, &second["accessToken"]).await);
}

#[tokio::test]
async fn reuse_two_steps_back_ends_the_session_even_within_the_grace_time() {
    let server = TestServer::start();
    let client = server.client();
    let first = register(&client).await;
    let second = refresh(&client, &first["refreshToken"]).await.json["data"].clone();
    let third = refresh(&client, &second["refreshToken"]).await.json["data"].clone();
    assert_eq!(refresh(&client, &first["refreshToken"]).await.status, 401);
    assert_eq!(refresh(&client, &third["refreshToken"]).await.status, 401);
    assert!(!works(&client, &third["accessToken"]).await);
}

#[tokio::test]
async fn a_hundred_parallel_refreshes_leave_one_live_lineage() {
    let server = TestServer::start();
    let client = server.client();
    let first = register(&client).await;
    let answers =
        futures_util::future::join_all((0..100).map(|_| refresh(&client, &first["refreshToken"]))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let tokens: HashSet<&str> =
        answers.iter().map(|answer| answer.json["data"]["refreshToken"].as_str().unwrap()).collect();
    assert_eq!(tokens.len(), 1, "one successor");
    let next = refresh(&client, &answers[0].json["data"]["refreshToken"]).await;
    assert_eq!(next.status, 200);
}

#[tokio::test]
async fn logout_kills_the_access_token_and_the_refresh_token_at_once() {
    let server = TestServer::start();
    let client = server.client();
    let data = register(&client).await;
    let other = login(&client, &data).await;
    let user = client.with_token(data["accessToken"].as_str().unwrap());
    let answer = user.delete("/api/v1/auth/logout").send().await;
    assert_eq!(
        (answer.status, answer.json["message"].as_str().unwrap()),
        (200, "User logged out successfully")
    );
    assert!(!works(&client, &data["accessToken"]).await);
    assert_eq!(refresh(&client, &data["refreshToken"]).await.status, 401);
    assert!(works(&client, &other["accessToken"]).await, "another session lives on");
}

#[tokio::test]
async fn another_session_can_be_ended_but_only_ones_own() {
    let server = TestServer::start();
    let client = server.client();
    let data = register(&client).await;
    let other = login(&client, &data).await;
    let stranger = server.user().await;
    let user = client.with_token(data["accessToken"].as_str().unwrap());
    let sessions = user.get("/api/v1/user/sessions").send().await.json["data"]["sessions"].clone();
    let current = sessions.as_array().unwrap().iter().find(|session| session["current"] == true).unwrap();
    let victim = sessions.as_array().unwrap().iter().find(|session| session["current"] == false).unwrap();
    assert_ne!(current["sessionId"], victim["sessionId"]);
    let path = format!("/api/v1/auth/logout/{}", victim["sessionId"].as_str().unwrap());

    for (who, path) in [
        (&stranger, path.as_str()),
        (&user, "/api/v1/auth/logout/nonsense"),
        (&user, "/api/v1/auth/logout/123456789012345678901"),
    ] {
        let answer = who.delete(path).send().await;
        assert_eq!((answer.status, answer.json["error"].as_str().unwrap()), (400, "Session ID is invalid"));
    }
    assert!(works(&client, &other["accessToken"]).await);
    let answer = user.delete(&path).send().await;
    assert_eq!(
        (answer.status, answer.json["message"].as_str().unwrap()),
        (200, "User logged out successfully from given session")
    );
    assert!(!works(&client, &other["accessToken"]).await);
    assert!(works(&client, &data["accessToken"]).await);
}

#[tokio::test]
async fn of_more_than_twenty_sessions_the_oldest_give_way() {
    let server = TestServer::start();
    let client = server.client();
    let first = register(&client).await;
    let mut latest = Value::Null;
    for _ in 0..20 {
        latest = login(&client, &first).await;
    }
    assert!(!works(&client, &first["accessToken"]).await, "the 21st session pushed the first out");
    let user = client.with_token(latest["accessToken"].as_str().unwrap());
    let sessions = user.get("/api/v1/user/sessions").send().await;
    assert_eq!(sessions.json["data"]["sessions"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn a_session_shows_where_it_was_opened() {
    let server = TestServer::start_with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]
    });
    let client = server.client();
    let account = register(&client).await;
    let answer = client
        .post("/api/v1/auth/login")
        .header("user-agent", "Lynx/2.8\tthe browser")
        .header("x-forwarded-for", "6.6.6.6, 203.0.113.9")
        .json(&json!({ "email": account["email"], "password": PASSWORD }))
        .send()
        .await;
    let user = client.with_token(answer.json["data"]["accessToken"].as_str().unwrap());
    let answer = user.get("/api/v1/user/sessions").send().await;
    assert_eq!(answer.json["message"], "User session fetched successfully");
    let newest = &answer.json["data"]["sessions"][0];
    assert_eq!(newest["ipAddress"], "203.0.113.9");
    assert_eq!(newest["userAgent"], "Lynx/2.8the browser", "without control characters");
    assert_eq!(newest["current"], true);
}

#[tokio::test]
async fn tokens_differ_in_kind_and_name_their_session() {
    let server = TestServer::start();
    let data = register(&server.client()).await;
    let claims = |token: &Value| -> Value {
        let payload = token.as_str().unwrap().split('.').nth(1).unwrap().to_owned();
        serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap()
    };
    let (access, refresh) = (claims(&data["accessToken"]), claims(&data["refreshToken"]));
    assert_eq!(access["userId"], data["id"]);
    assert_eq!((access["typ"].as_str(), refresh["typ"].as_str()), (Some("access"), Some("refresh")));
    assert_ne!(access["aud"], refresh["aud"]);
    assert_ne!(access["jti"], refresh["jti"]);
    assert_eq!(access["sid"], refresh["sid"]);
    assert_eq!(access["iss"], "ayrene");
    assert_eq!(access["exp"].as_i64().unwrap() - access["iat"].as_i64().unwrap(), 15 * 60);
    assert_eq!(refresh["exp"].as_i64().unwrap() - refresh["iat"].as_i64().unwrap(), 7 * 24 * 3600);
}

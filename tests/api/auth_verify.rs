//! `/api/v1/user/verify-email`.

use std::time::Duration;

use serde_json::json;

use crate::support::redis_server;
use crate::support::{Answer, Client, TestServer};

const PATH: &str = "/api/v1/user/verify-email";
const SUBJECT: &str = "Confirm your e-mail address";

/// Where the link of the newest mail leads in the API.
async fn mailed(server: &TestServer, email: &str, count: usize) -> String {
    let mails = server.mails_about(email, SUBJECT, count).await;
    format!("/api/v1/user{}", mails.last().unwrap().path())
}

async fn register(server: &TestServer, email: &str) -> Client {
    let account = server.client().register(email).await;
    server.client().with_token(account["accessToken"].as_str().unwrap())
}

/// The answer to a token that is wrong, too old, or used.
pub fn refused(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.json["error"].as_str()),
        (401, Some("Token in either invalid or expired")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_registration_mails_a_link_that_verifies_the_address() {
    let server = TestServer::start();
    let user = register(&server, "Ada@example.com").await;
    let path = mailed(&server, "Ada@example.com", 1).await;
    assert_eq!(user.get("/api/v1/auth/me").send().await.json["data"]["emailVerified"], false);
    let answer = server.client().patch(&path).send().await;
    assert_eq!((answer.status, answer.json["message"].as_str()), (200, Some("Email verified successfully")));
    assert_eq!(user.get("/api/v1/auth/me").send().await.json["data"]["emailVerified"], true);
    let shown = user.get("/api/v1/user/me").send().await.json["data"]["user"].clone();
    assert_eq!(shown["isEmailVerified"], true);
    let secs: i64 = shown["emailVerifiedAt"].as_str().unwrap().parse().unwrap();
    assert!((chrono::Utc::now().timestamp() - secs).abs() < 60, "{secs}");
    refused(&server.client().patch(&path).send().await);
}

#[tokio::test]
async fn a_registration_on_the_social_surface_mails_it_too() {
    let server = TestServer::start();
    let ada = server.person("ada").await;
    let path = mailed(&server, &ada.email, 1).await;
    assert_eq!(server.client().patch(&path).send().await.status, 200);
}

#[tokio::test]
async fn the_profile_knows_that_the_address_is_verified() {
    let server = TestServer::start();
    let ada = server.person("ada").await;
    let profile = server.key(&format!("{{user:{}}}:profile", ada.id));
    let mut redis = redis_server::connection();
    let mut verified =
        || -> Option<String> { redis::cmd("HGET").arg(&profile).arg("verified").query(&mut redis).unwrap() };
    assert_eq!(verified(), None);
    let path = mailed(&server, &ada.email, 1).await;
    server.client().patch(&path.replace("token=", "token=x")).send().await;
    assert_eq!(verified(), None);
    server.client().patch(&path).send().await;
    assert_eq!(verified().as_deref(), Some("1"));
}

#[tokio::test]
async fn a_registration_mails_nothing_where_that_is_switched_off() {
    let server = TestServer::start_with(|config| config.auth.verify_on_register = false);
    let user = register(&server, "ada@example.com").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(server.mails_to("ada@example.com").is_empty());
    let answer = user.get(PATH).send().await;
    assert_eq!((answer.status, answer.json["message"].as_str()), (200, Some("Email sent successfully")));
    let path = mailed(&server, "ada@example.com", 1).await;
    assert_eq!(server.client().patch(&path).send().await.status, 200);
}

#[tokio::test]
async fn the_mail_can_be_asked_for_again_and_a_verified_address_gets_none() {
    let server = TestServer::start();
    let user = register(&server, "ada@example.com").await;
    let first = mailed(&server, "ada@example.com", 1).await;
    assert_eq!(user.get(PATH).send().await.status, 200);
    let second = mailed(&server, "ada@example.com", 2).await;
    assert_ne!(first, second);
    assert_eq!(server.client().patch(&first).send().await.status, 200, "the older one works too");
    refused(&server.client().patch(&second).send().await);
    let answer = user.get(PATH).send().await;
    assert_eq!((answer.status, answer.json["message"].as_str()), (200, Some("Email sent successfully")));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.mails_about("ada@example.com", SUBJECT, 2).await.len(), 2);
}

#[tokio::test]
async fn asking_for_it_needs_a_token_and_an_address() {
    let server = TestServer::start();
    assert_eq!(server.client().get(PATH).send().await.status, 401);
    let ada = server.person("ada").await;
    let mut redis = redis_server::connection();
    let account = server.key(&format!("{{user:{}}}:account", ada.id));
    redis::cmd("HDEL").arg(&account).arg("email").query::<u8>(&mut redis).unwrap();
    let answer = ada.client.get(PATH).send().await;
    assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["email"]), "{answer:?}");
}

#[tokio::test]
async fn asking_for_it_too_often_is_429() {
    let server = TestServer::start_with(|config| config.auth.mail_requests.free = 1);
    let user = register(&server, "ada@example.com").await;
    assert_eq!(user.get(PATH).send().await.status, 200);
    assert_eq!(user.get(PATH).send().await.status, 200);
    let answer = user.get(PATH).send().await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "60"));
}

#[tokio::test]
async fn a_mailbox_gets_no_mails_without_end_whatever_stands_behind_a_plus() {
    let server = TestServer::start_with(|config| {
        config.auth.registration_mails.free = 2;
        config.auth.mailbox_mails.free = 2;
    });
    let mut users = Vec::new();
    for number in 0..5 {
        users.push(register(&server, &format!("ada+{number}@example.com")).await);
    }
    mailed(&server, "ada+2@example.com", 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for number in 3..5 {
        assert!(server.mails_to(&format!("ada+{number}@example.com")).is_empty());
    }
    for (number, status) in [200, 200, 200, 429].into_iter().enumerate() {
        assert_eq!(users[number].get(PATH).send().await.status, status, "asked for is counted by itself");
    }
    assert_eq!(reset(&server, "ada+4@example.com").await, 429);
    register(&server, "bob@example.com").await;
    mailed(&server, "bob@example.com", 1).await;
}

async fn reset(server: &TestServer, email: &str) -> u16 {
    let body = json!({ "email": email });
    server.client().post("/api/v1/auth/reset-password").json(&body).send().await.status
}

#[tokio::test]
async fn what_strangers_do_with_a_mailbox_keeps_its_owner_from_nothing() {
    let server = TestServer::start_with(|config| {
        config.auth.registration_mails.free = 3;
        config.auth.mailbox_mails.free = 3;
    });
    let ada = register(&server, "ada@gmail.com").await;
    let proven = register(&server, "a.da+mine@gmail.com").await;
    assert_eq!(proven.patch(&mailed(&server, "a.da+mine@gmail.com", 1).await).send().await.status, 200);
    for number in 0..30 {
        let email = format!("a.d.a+{number}@googlemail.com");
        let stranger = register(&server, &email).await;
        stranger.get(PATH).send().await;
        reset(&server, &email).await;
    }
    assert_eq!(reset(&server, "ad.a+0@gmail.com").await, 400, "nobody goes by that one");
    assert_eq!(reset(&server, "a.d.a+29@googlemail.com").await, 429);
    let page = server.client().post("/forgot-password").form(&[("email", "a.d.a+28@googlemail.com")]);
    assert_eq!(page.send().await.status, 200, "the page tells nothing of accounts");
    assert_eq!(reset(&server, "ada@gmail.com").await, 200);
    assert_eq!(ada.get(PATH).send().await.status, 200);
    assert_eq!(reset(&server, "a.da+mine@gmail.com").await, 200);
    for email in ["ada@gmail.com", "a.da+mine@gmail.com"] {
        server.mail_to(email, "Reset your password").await;
    }
    let strangers: usize =
        (0..30).map(|number| server.mails_to(&format!("a.d.a+{number}@googlemail.com")).len()).sum();
    assert!(strangers <= 8, "{strangers}");
}

#[tokio::test]
async fn wrong_tokens_are_401() {
    let server = TestServer::start();
    register(&server, "ada@example.com").await;
    register(&server, "bob@example.com").await;
    let ada = mailed(&server, "ada@example.com", 1).await;
    let bob = mailed(&server, "bob@example.com", 1).await;
    let client = server.client();
    let mixed =
        format!("{}&token={}", ada.split("&token=").next().unwrap(), bob.split("&token=").nth(1).unwrap());
    for path in [
        PATH,
        &format!("{PATH}?tokenId=x&token=y"),
        &ada[..ada.len() - 1],
        &format!("{ada}x"),
        ada.split("&token=").next().unwrap(),
        &mixed,
    ] {
        refused(&client.patch(path).send().await);
    }
    assert_eq!(client.patch(&format!("{ada}&token=again")).send().await.status, 400);
    assert_eq!(client.patch(&ada).send().await.status, 200);
}

#[tokio::test]
async fn a_token_is_for_the_address_that_it_was_mailed_to() {
    let server = TestServer::start();
    let ada = server.person("ada").await;
    let path = mailed(&server, &ada.email, 1).await;
    let mut redis = redis_server::connection();
    let account = server.key(&format!("{{user:{}}}:account", ada.id));
    redis::cmd("HSET").arg(&account).arg("email").arg("new@example.com").query::<u8>(&mut redis).unwrap();
    refused(&server.client().patch(&path).send().await);
}

#[tokio::test]
async fn of_many_uses_at_once_one_succeeds() {
    let server = TestServer::start();
    register(&server, "ada@example.com").await;
    let path = mailed(&server, "ada@example.com", 1).await;
    let client = server.client();
    let answers = futures_util::future::join_all((0..10).map(|_| client.patch(&path).send())).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 9);
}

#[tokio::test]
async fn a_token_ends_by_itself() {
    let server = TestServer::start_with(|config| config.auth.verify_ttl_secs = 1);
    register(&server, "ada@example.com").await;
    let path = mailed(&server, "ada@example.com", 1).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    refused(&server.client().patch(&path).send().await);
}

#[tokio::test]
async fn mails_are_limited_per_ip() {
    let server = TestServer::start_with(|config| {
        config.rate_limits.enabled = true;
        config.rate_limits.verify.requests = 2;
    });
    let client = server.client();
    let path = format!("{PATH}?{}", "tokenId=x&token=y");
    for status in [401, 401, 429] {
        assert_eq!(client.patch(&path).json(&json!({})).send().await.status, status);
    }
}

//! `DELETE /api/v1/user/me`, when nobody has logged in again in time.

use serde_json::json;

use crate::files::{sent, url};
use crate::support::TestServer;
use crate::support::google::Google;
use crate::support::mail::{code, eventually};
use crate::support::person::{Person, id};
use crate::support::redis_server;
use crate::support::server::PASSWORD;
use crate::user_delete::{close, estate, log_in};

const PHONE: &str = "+14155550123";

fn start() -> TestServer {
    TestServer::start_with(|config| config.auth.recovery_secs = 1)
}

/// The keys that mention a text.
fn keys_with(server: &TestServer, text: &str) -> Vec<String> {
    let mut redis = redis_server::connection();
    let pattern = format!("{}*{text}*", server.prefix);
    let mut command = redis::cmd("SCAN");
    command.cursor_arg(0).arg("MATCH").arg(pattern).arg("COUNT").arg(10_000);
    let found: Vec<String> = command.clone().iter(&mut redis).unwrap().map(Result::unwrap).collect();
    found
}

/// Waits until nothing is left of an account, and nobody looks at it any more.
async fn purged(server: &TestServer, user: &str) {
    let account = server.key(&format!("{{user:{user}}}:account"));
    let registers = ["closing", "closed"].map(|kind| server.key(&format!("{{outbox:{kind}}}")));
    eventually("it is purged", || {
        let mut redis = redis_server::connection();
        let lives: bool = redis::cmd("EXISTS").arg(&account).query(&mut redis).unwrap();
        let waits = registers.iter().any(|register| {
            let score: Option<f64> = redis::cmd("ZSCORE").arg(register).arg(user).query(&mut redis).unwrap();
            score.is_some()
        });
        (!lives && !waits).then_some(())
    })
    .await;
}

async fn register(server: &TestServer, email: &str) -> u16 {
    let body = json!({ "email": email, "password": PASSWORD });
    server.client().post("/api/v1/auth/register").json(&body).send().await.status
}

#[tokio::test]
async fn after_the_time_the_account_and_all_it_owned_is_gone_for_good() {
    let server = start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let owned = estate(&ada, &bob).await;
    sent(&ada, &ada, "secrets.txt", b"to myself").await;
    let kept = sent(&bob, &ada, "bobs.txt", b"from bob").await;
    bob.client.put(&format!("/api/posts/{}/like", owned.post)).send().await;
    let (socket, _) = ada.connect().await;
    assert_eq!(ada.client.get("/api/v1/user/verify-email").send().await.status, 200);
    let reset = json!({ "email": ada.email });
    assert_eq!(server.client().post("/api/v1/auth/reset-password").json(&reset).send().await.status, 200);
    let request = json!({ "email": bob.email, "reason": "please" });
    let path = format!("/api/v1/url/{}/requests", owned.asked);
    assert_eq!(server.client().post(&path).json(&request).send().await.status, 202);
    let wrong = json!({ "email": ada.email, "password": "plum tractor 71 violeT" });
    server.client().post("/api/v1/auth/login").json(&wrong).send().await;
    assert!(keys_with(&server, &ada.id).len() > 10);
    assert_eq!(server.uploads().len(), 4, "an avatar and three files");
    close(&ada.client).await;
    socket.close().await;
    purged(&server, &ada.id).await;

    let pair = [&ada.id, &bob.id];
    let pair = format!("{}:{}", pair.iter().min().unwrap(), pair.iter().max().unwrap());
    let left = keys_with(&server, &ada.id);
    assert_eq!(left, [server.key(&format!("{{pair:{pair}}}"))], "what bob's conversation is found by");
    for code in [&owned.code, &owned.guarded] {
        let keys = keys_with(&server, &format!("{{link:{code}}}"));
        assert_eq!(keys.len(), 1, "a tombstone: {keys:?}");
    }
    let keys = keys_with(&server, &format!("{{link:{}}}", owned.asked));
    let lapses = |key: &&String| key.contains(":otp");
    assert_eq!(keys.iter().filter(|key| !lapses(key)).count(), 1, "{keys:?}");
    assert!(keys_with(&server, &format!("{{post:{}}}", owned.post)).is_empty());
    eventually("files are gone", || (server.uploads().len() == 1).then_some(())).await;

    let guest = server.client();
    assert_eq!(guest.get(&format!("/{}", owned.code)).send().await.status, 404);
    assert_eq!(guest.get(&owned.avatar).send().await.status, 404);
    let seen = bob.all_messages(&ada.id, 50).await;
    let hello = seen.iter().find(|message| message["content"] == "hello").unwrap();
    assert_eq!(hello["sender"]["username"], "deleted user");
    let file = seen.iter().find(|message| id(&message["sender"]) == ada.id && message["isDeleted"] == true);
    assert!(file.is_some(), "{seen:?}");
    assert_eq!(bob.client.get(url(&kept)).send().await.status, 200, "bob's own");
    let other = bob.client.get(&format!("/api/posts/{}", owned.others_post)).send().await;
    assert_eq!(other.json["post"]["comments"][0]["user"]["username"], "deleted user");
    let alias = json!({ "longUrl": "https://example.com/", "customAlias": owned.code });
    assert_eq!(bob.client.post("/api/v1/url").json(&alias).send().await.status, 409, "printed somewhere");
}

#[tokio::test]
async fn after_the_time_the_names_are_free_and_old_tokens_name_nobody() {
    let server = start();
    let ada = server.person("ada").await;
    close(&ada.client).await;
    purged(&server, &ada.id).await;
    let answer = ada.client.get("/api/v1/user/me").send().await;
    assert_eq!((answer.status, answer.json["error"].as_str().unwrap()), (400, "User ID is invalid"));
    let login = log_in(&server, &ada.email).await;
    assert_eq!(
        (login.status, login.json["error"].as_str().unwrap()),
        (401, "Email or Password is incorrect")
    );
    let again = Person::register(server.address, "ada").await;
    assert_ne!(again.id, ada.id);
    assert_eq!(again.email, ada.email);
    assert_eq!(again.conversations().await, json!([]));
    assert_eq!(again.client.get("/api/v1/url").send().await.json["data"]["urls"], json!([]));
}

#[tokio::test]
async fn names_that_were_changed_are_free_too() {
    let server = start();
    let ada = server.person("ada").await;
    let rename = json!({ "username": "countess" });
    assert_eq!(ada.client.put("/api/users/profile").json(&rename).send().await.status, 200);
    close(&ada.client).await;
    purged(&server, &ada.id).await;
    for name in ["ada", "countess"] {
        Person::register(server.address, name).await;
    }
}

#[tokio::test]
async fn a_number_is_free_too() {
    let server = start();
    let client = server.client();
    let mut ids = Vec::new();
    for count in 1..=2 {
        client.post("/api/v1/auth/otp").json(&json!({ "phone": PHONE })).send().await;
        let otp = code(server.sms_about(PHONE, count).await.last().unwrap());
        let body = json!({ "phone": PHONE, "OTP": otp });
        let entered = client.post("/api/v1/auth/otp/verify").json(&body).send().await;
        assert_eq!(entered.status, 201, "{entered:?}");
        let user = entered.json["data"]["id"].as_str().unwrap().to_owned();
        close(&client.with_token(entered.json["data"]["accessToken"].as_str().unwrap())).await;
        purged(&server, &user).await;
        assert!(keys_with(&server, &user).is_empty());
        ids.push(user);
    }
    assert_ne!(ids[0], ids[1]);
    assert!(keys_with(&server, ":claim").is_empty());
}

#[tokio::test]
async fn who_comes_when_the_time_has_run_out_is_unknown_even_before_the_purge() {
    let server = TestServer::start();
    let ada = server.person("ada").await;
    close(&ada.client).await;
    let mut redis = redis_server::connection();
    let account = server.key(&format!("{{user:{}}}:account", ada.id));
    for (field, value) in [("until", "1"), ("purging", "1")] {
        redis::cmd("HSET").arg(&account).arg(field).arg(value).exec(&mut redis).unwrap();
        assert_eq!(log_in(&server, &ada.email).await.status, 401);
    }
    assert_eq!(register(&server, &ada.email).await, 201, "the address is anybody's");
    assert_eq!(log_in(&server, &ada.email).await.status, 200);
}

#[tokio::test]
async fn a_purge_leaves_alone_who_has_taken_the_address_since() {
    let server = start();
    let ada = server.person("ada").await;
    close(&ada.client).await;
    // Taken over as soon as the time has run out, whether or not the purge was quicker.
    let body = json!({ "email": ada.email, "password": PASSWORD });
    let mut made = None;
    while made.is_none() {
        let answer = server.client().post("/api/v1/auth/register").json(&body).send().await;
        assert!(matches!(answer.status, 201 | 409), "{answer:?}");
        made = (answer.status == 201).then(|| answer.json["data"]["id"].clone());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    purged(&server, &ada.id).await;
    let login = log_in(&server, &ada.email).await;
    assert_eq!((login.status, Some(&login.json["data"]["id"])), (200, made.as_ref()));
}

#[tokio::test]
async fn who_came_back_in_time_is_not_purged() {
    let server = start();
    let ada = server.person("ada").await;
    close(&ada.client).await;
    let login = log_in(&server, &ada.email).await;
    assert_eq!(login.status, 200);
    let register = server.key("{outbox:closed}");
    eventually("its time has run out", || {
        let mut redis = redis_server::connection();
        let waits: u64 = redis::cmd("ZCARD").arg(&register).query(&mut redis).unwrap();
        (waits == 0).then_some(())
    })
    .await;
    assert_eq!(log_in(&server, &ada.email).await.json["data"]["id"], ada.id.as_str());
}

#[tokio::test]
async fn a_conversation_goes_with_the_last_of_its_two() {
    let server = start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    ada.send(&bob, "hello").await;
    bob.send(&ada, "hello yourself").await;
    for person in [&ada, &bob] {
        assert!(!keys_with(&server, "{conv:").is_empty());
        close(&person.client).await;
        purged(&server, &person.id).await;
    }
    assert!(keys_with(&server, "{conv:").is_empty(), "{:?}", keys_with(&server, "{conv:"));
    assert!(keys_with(&server, "{pair:").is_empty());
}

#[tokio::test]
async fn a_google_account_is_free_too_and_nothing_else_stays() {
    let google = Google::start();
    let server = TestServer::start_with(|config| {
        config.auth.recovery_secs = 1;
        google.configure(config);
    });
    let client = server.client();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let body = json!({ "idToken": google.token("1001", "ada@gmail.com") });
        let entered = client.post("/api/v1/auth/google").json(&body).send().await;
        assert_eq!(entered.status, 201, "{entered:?}");
        let user = entered.json["data"]["id"].as_str().unwrap().to_owned();
        close(&client.with_token(entered.json["data"]["accessToken"].as_str().unwrap())).await;
        purged(&server, &user).await;
        assert!(keys_with(&server, &user).is_empty(), "{:?}", keys_with(&server, &user));
        ids.push(user);
    }
    assert_ne!(ids[0], ids[1]);
}

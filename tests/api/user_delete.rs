//! `DELETE /api/v1/user/me`: closing an account, bringing it back.

use serde_json::json;

use crate::files::{form, sent, url};
use crate::support::TestServer;
use crate::support::client::{Answer, Client};
use crate::support::form::Form;
use crate::support::google::Google;
use crate::support::mail::{code, eventually};
use crate::support::person::{Person, id};
use crate::support::pictures::flat_png;
use crate::support::redis_server;
use crate::support::server::PASSWORD;

pub async fn close(client: &Client) {
    let answer = client.delete("/api/v1/user/me").send().await;
    assert_eq!(
        (answer.status, answer.json["message"].as_str().unwrap()),
        (200, "User deleted successfully! - 30 days to recover")
    );
    assert!(answer.header("set-cookie").contains("Max-Age=0"), "{answer:?}");
}

pub async fn log_in(server: &TestServer, email: &str) -> Answer {
    let body = json!({ "email": email, "password": PASSWORD });
    server.client().post("/api/v1/auth/login").json(&body).send().await
}

/// The same person with the token of a new session.
async fn back(server: &TestServer, person: &Person) -> Person {
    let answer = log_in(server, &person.email).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let client = server.client().with_token(answer.json["data"]["accessToken"].as_str().unwrap());
    Person { client, ..person.clone() }
}

/// Everything that an account can own.
pub struct Estate {
    pub code: String,
    pub guarded: String,
    pub asked: String,
    pub post: String,
    pub others_post: String,
    pub avatar: String,
    pub file: String,
}

async fn post(by: &Client, title: &str) -> String {
    let body = json!({ "title": title, "description": "d", "content": "c" });
    let answer = by.post("/api/posts").json(&body).send().await;
    assert_eq!(answer.status, 201, "{answer:?}");
    id(&answer.json["post"]).to_owned()
}

pub async fn estate(ada: &Person, bob: &Person) -> Estate {
    let client = &ada.client;
    let code =
        client.shorten(&json!({ "longUrl": "https://example.com/a", "isAnalyticsEnabled": true })).await;
    let protected = json!({
        "longUrl": "https://example.com/b", "protectionMethod": "PASSWORD", "urlPassword": "plum tractor",
    });
    let guarded = client.shorten(&protected).await;
    let approved = json!({ "longUrl": "https://example.com/c", "protectionMethod": "APPROVE" });
    let asked = client.shorten(&approved).await;
    let (own, others_post) = (post(client, "ada's").await, post(&bob.client, "bob's").await);
    for post in [&own, &others_post] {
        let text = json!({ "text": "hm" });
        let commented = client.post(&format!("/api/posts/{post}/comment")).json(&text).send().await;
        assert_eq!(commented.status, 200, "{commented:?}");
        assert_eq!(client.put(&format!("/api/posts/{post}/like")).send().await.status, 200);
    }
    let picture = Form::new().file("avatar", "me.png", &flat_png(40, 40));
    let avatar = client.post("/api/users/uploads/avatar").multipart(picture).send().await;
    let avatar = avatar.json["avatar"].as_str().unwrap().to_owned();
    let file = url(&sent(ada, bob, "notes.txt", b"some words").await).to_owned();
    ada.send(bob, "hello").await;
    bob.send(ada, "hello yourself").await;
    Estate { code, guarded, asked, post: own, others_post, avatar, file }
}

async fn status(client: &Client, path: &str) -> u16 {
    client.get(path).send().await.status
}

async fn names(viewer: &Client) -> Vec<String> {
    let listed = viewer.get("/api/users").send().await;
    listed.json["users"].as_array().unwrap().iter().map(|user| user["username"].to_string()).collect()
}

async fn feed(viewer: &Client) -> Vec<String> {
    let listed = viewer.get("/api/posts").send().await;
    listed.json["posts"].as_array().unwrap().iter().map(|post| id(post).to_owned()).collect()
}

/// Looks for everything of ada's with bob's eyes.
async fn assert_seen(server: &TestServer, ada: &Person, bob: &Person, estate: &Estate, seen: bool) {
    let guest = server.client();
    let expect = |yes: u16| if seen { yes } else { 404 };
    let Estate { code, guarded, post, others_post, avatar, file, .. } = estate;
    for (client, path, yes) in [
        (&guest, format!("/{code}"), 302),
        (&guest, format!("/{guarded}"), 401),
        (&guest, format!("/api/v1/url/{code}"), 302),
        (&guest, format!("/api/v1/url/{guarded}"), 200),
        (&guest, avatar.clone(), 200),
        (&bob.client, file.clone(), 200),
        (&bob.client, format!("/api/users/{}", ada.id), 200),
        (&bob.client, format!("/api/posts/{post}"), 200),
        (&bob.client, format!("/api/posts/{post}/likes"), 200),
        (&bob.client, format!("/api/posts/{post}/comments"), 200),
    ] {
        assert_eq!(status(client, &path).await, expect(yes), "{path}");
    }
    let opened = guest
        .post(&format!("/api/v1/url/{guarded}"))
        .json(&json!({ "password": "plum tractor" }))
        .send()
        .await;
    assert_eq!(opened.status, expect(200));
    let access = guest
        .post(&format!("/api/v1/url/{}/requests", estate.asked))
        .json(&json!({ "email": format!("{}@example.com", nanoid::nanoid!(10)) }))
        .send()
        .await;
    assert_eq!(access.status, expect(202));
    let liked = bob.client.put(&format!("/api/posts/{post}/like")).send().await;
    assert_eq!(liked.status, expect(200));
    let said = json!({ "text": "me too" });
    let said = bob.client.post(&format!("/api/posts/{post}/comment")).json(&said).send().await;
    assert_eq!(said.status, expect(200));
    assert_eq!(names(&bob.client).await.len(), 1 + usize::from(seen));
    assert_eq!(feed(&bob.client).await.contains(post), seen);

    let name = if seen { ada.name.as_str() } else { "deleted user" };
    let other = bob.client.get(&format!("/api/posts/{others_post}")).send().await.json["post"].clone();
    assert_eq!(other["comments"][0]["user"]["username"], name);
    assert_eq!(other["likes"][0]["user"]["username"], name);
    let conversation = bob.conversations().await[0].clone();
    let participants = conversation["participants"].as_array().unwrap();
    let them = participants.iter().find(|person| id(person) == ada.id).unwrap();
    assert_eq!(them["username"], name);
    let said = bob.all_messages(&ada.id, 50).await;
    let hello = said.iter().find(|message| message["content"] == "hello").unwrap();
    assert_eq!(hello["sender"]["username"], name);
    let message = json!({ "receiverId": ada.id, "content": "are you there?" });
    assert_eq!(bob.try_send(message).await.status, expect(201));
    let upload = bob.client.post("/api/messages/send-file").multipart(form(ada, "a.txt", b"a")).send().await;
    assert_eq!(upload.status, expect(201));
}

#[tokio::test]
async fn every_session_and_socket_ends() {
    let server = TestServer::start();
    let ada = server.person("ada").await;
    let other = ada.log_in().await;
    let refresh = log_in(&server, &ada.email).await.json["data"]["refreshToken"].clone();
    let (mut socket, _) = ada.connect().await;
    close(&ada.client).await;
    assert_eq!(socket.close_code().await, 3502);
    for client in [&ada.client, &other] {
        let answer = client.get("/api/v1/user/me").send().await;
        assert_eq!(
            (answer.status, answer.json["error"].as_str().unwrap()),
            (401, "Token is expired or invalid")
        );
        assert_eq!(client.get("/api/auth/me").send().await.status, 401);
        assert_eq!(client.delete("/api/v1/user/me").send().await.status, 401);
    }
    let again = server.client().with_token(refresh.as_str().unwrap());
    assert_eq!(again.post("/api/v1/auth/refresh").send().await.status, 401, "a refresh brings nobody back");
    assert_eq!(log_in(&server, &ada.email).await.status, 200);
}

#[tokio::test]
async fn without_a_token_nobody_is_deleted() {
    let server = TestServer::start();
    assert_eq!(server.client().delete("/api/v1/user/me").send().await.status, 401);
    let garbage = server.client().with_token("garbage").delete("/api/v1/user/me").send().await;
    assert_eq!((garbage.status, garbage.json["error"].as_str().unwrap()), (400, "Token is invalid"));
}

#[tokio::test]
async fn a_closed_account_is_nowhere_and_a_login_brings_all_of_it_back() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let owned = estate(&ada, &bob).await;
    assert_seen(&server, &ada, &bob, &owned, true).await;
    for _ in 0..2 {
        close(&back(&server, &ada).await.client).await;
        assert_seen(&server, &ada, &bob, &owned, false).await;
        let ada = back(&server, &ada).await;
        assert_seen(&server, &ada, &bob, &owned, true).await;
        let links = ada.client.get("/api/v1/url").send().await;
        assert_eq!(links.json["data"]["urls"].as_array().unwrap().len(), 3, "{links:?}");
        let posts = ada.client.get("/api/posts/my-posts").send().await;
        assert_eq!(posts.json["posts"].as_array().unwrap().len(), 1, "{posts:?}");
    }
}

#[tokio::test]
async fn a_closed_accounts_names_stay_taken() {
    let server = TestServer::start();
    let ada = server.person("ada").await;
    close(&ada.client).await;
    let body = json!({ "email": ada.email, "password": PASSWORD });
    assert_eq!(server.client().post("/api/v1/auth/register").json(&body).send().await.status, 409);
    let body = json!({ "email": "other@example.com", "password": PASSWORD, "username": "ADA" });
    assert_eq!(server.client().post("/api/auth/register").json(&body).send().await.status, 409);
    let body = json!({ "username": "ada", "password": "plum tractor 71 violeT" });
    assert_eq!(server.client().post("/api/auth/login").json(&body).send().await.status, 401);
    let body = json!({ "username": "ada", "password": PASSWORD });
    let social = server.client().post("/api/auth/login").json(&body).send().await;
    assert_eq!((social.status, id(&social.json["user"])), (200, ada.id.as_str()));
}

#[tokio::test]
async fn a_code_by_phone_brings_an_account_back_too() {
    const PHONE: &str = "+14155550123";
    let server = TestServer::start();
    let client = server.client();
    let mut ids = Vec::new();
    for (count, status) in [(1, 201), (2, 200)] {
        client.post("/api/v1/auth/otp").json(&json!({ "phone": PHONE })).send().await;
        let otp = code(server.sms_about(PHONE, count).await.last().unwrap());
        let entered =
            client.post("/api/v1/auth/otp/verify").json(&json!({ "phone": PHONE, "OTP": otp })).send().await;
        assert_eq!(entered.status, status, "{entered:?}");
        ids.push(entered.json["data"]["id"].clone());
        close(&client.with_token(entered.json["data"]["accessToken"].as_str().unwrap())).await;
    }
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn both_are_told_by_mail() {
    let server = TestServer::start();
    let ada = server.person("ada").await;
    close(&ada.client).await;
    server.mail_to(&ada.email, "deleted").await;
    let ada = back(&server, &ada).await;
    server.mail_to(&ada.email, "back").await;
    let told = ada.client.get("/api/v1/user/notifications").send().await;
    assert!(told.json["data"]["notifications"].as_array().unwrap().len() >= 2, "{told:?}");
}

#[tokio::test]
async fn however_much_there_is_all_of_it_follows() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let mut codes = Vec::new();
    let mut posts = Vec::new();
    for number in 0..230 {
        codes.push(ada.client.shorten(&json!({ "longUrl": format!("https://example.com/{number}") })).await);
        posts.push(post(&ada.client, "ada's").await);
    }
    close(&ada.client).await;
    for (code, post) in codes.iter().zip(&posts) {
        assert_eq!(status(&bob.client, &format!("/{code}")).await, 404);
        assert_eq!(status(&bob.client, &format!("/api/posts/{post}")).await, 404);
    }
    assert!(feed(&bob.client).await.is_empty());
    back(&server, &ada).await;
    for (code, post) in codes.iter().zip(&posts) {
        assert_eq!(status(&bob.client, &format!("/{code}")).await, 302);
        assert_eq!(status(&bob.client, &format!("/api/posts/{post}")).await, 200);
    }
    let first: Vec<String> = posts.iter().rev().take(10).cloned().collect();
    assert_eq!(feed(&bob.client).await, first, "in their places");
}

/// As if the account had been closed, or brought back, a while ago.
fn make_due(server: &TestServer, register: &str, user: &str) {
    let mut redis = redis_server::connection();
    let key = server.key(&format!("{{outbox:{register}}}"));
    redis::cmd("ZADD").arg(key).arg("XX").arg(1).arg(user).exec(&mut redis).unwrap();
}

fn hash_field(server: &TestServer, key: &str, field: &str) -> Option<String> {
    let mut redis = redis_server::connection();
    redis::cmd("HGET").arg(server.key(key)).arg(field).query(&mut redis).unwrap()
}

#[tokio::test]
async fn what_was_being_made_while_the_account_closed_follows_a_little_later() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let owned = estate(&ada, &bob).await;
    close(&ada.client).await;
    // As if both had been written after the walk.
    let mut redis = redis_server::connection();
    let (link, article) = (format!("{{link:{}}}", owned.code), format!("{{post:{}}}", owned.post));
    for key in [&link, &article] {
        redis::cmd("HDEL").arg(server.key(key)).arg("z").exec(&mut redis).unwrap();
    }
    assert_eq!(status(&bob.client, &format!("/{}", owned.code)).await, 302);
    make_due(&server, "closing", &ada.id);
    for key in [&link, &article] {
        eventually("it is in line", || hash_field(&server, key, "z").filter(|own| own == "1")).await;
    }
    assert_eq!(status(&bob.client, &format!("/{}", owned.code)).await, 404);
    assert_eq!(status(&bob.client, &format!("/api/posts/{}", owned.post)).await, 404);
    let register = server.key("{outbox:closing}");
    eventually("nobody looks at it any more", || {
        let mut redis = redis_server::connection();
        let left: u64 = redis::cmd("ZCARD").arg(&register).query(&mut redis).unwrap();
        (left == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn closing_and_logging_in_at_once_ends_in_one_of_both() {
    let server = TestServer::start();
    let ada = server.person("ada").await;
    let code = ada.client.shorten(&json!({ "longUrl": "https://example.com/" })).await;
    for _ in 0..5 {
        let one = back(&server, &ada).await;
        let closing = one.client.delete("/api/v1/user/me").send();
        let (closed, opened) = futures_util::future::join(closing, log_in(&server, &ada.email)).await;
        assert!(matches!(closed.status, 200 | 401), "{closed:?}");
        assert!(matches!(opened.status, 200 | 401), "{opened:?}");
        let token = opened.json["data"]["accessToken"].as_str().unwrap_or_default();
        let lives = opened.status == 200
            && server.client().with_token(token).get("/api/v1/user/me").send().await.status == 200;
        let expected = if lives { 302 } else { 404 };
        assert_eq!(status(&server.client(), &format!("/{code}")).await, expected);
    }
}

#[tokio::test]
async fn a_picture_that_was_replaced_before_is_not_in_the_way() {
    let server = TestServer::start();
    let ada = server.person("ada").await;
    let change = || async {
        let picture = Form::new().file("avatar", "me.png", &flat_png(40, 40));
        let answer = ada.client.post("/api/users/uploads/avatar").multipart(picture).send().await;
        answer.json["avatar"].as_str().unwrap().to_owned()
    };
    let (first, second) = (change().await, change().await);
    close(&ada.client).await;
    let guest = server.client();
    assert_eq!((status(&guest, &first).await, status(&guest, &second).await), (404, 404));
    back(&server, &ada).await;
    assert_eq!((status(&guest, &first).await, status(&guest, &second).await), (404, 200));
}

#[tokio::test]
async fn nobody_learns_when_a_closed_accounts_owner_was_last_here() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    back(&server, &ada).await;
    close(&ada.client).await;
    let (mut socket, _) = bob.connect().await;
    let watched = socket.granted("presence.watch", json!({ "userIds": [ada.id] })).await;
    assert_eq!(watched["states"][0]["status"], "offline", "{watched}");
    assert!(watched["states"][0]["lastSeen"].is_null(), "{watched}");
}

#[tokio::test]
async fn a_google_account_brings_an_account_back_too() {
    let google = Google::start();
    let server = TestServer::start_with(|config| google.configure(config));
    let client = server.client();
    let mut ids = Vec::new();
    for status in [201, 200] {
        let body = json!({ "idToken": google.token("1001", "ada@gmail.com") });
        let entered = client.post("/api/v1/auth/google").json(&body).send().await;
        assert_eq!(entered.status, status, "{entered:?}");
        ids.push(entered.json["data"]["id"].clone());
        close(&client.with_token(entered.json["data"]["accessToken"].as_str().unwrap())).await;
    }
    assert_eq!(ids[0], ids[1]);
}

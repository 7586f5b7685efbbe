//! `POST /api/v1/auth/reset-password`.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::auth_verify::refused;
use crate::support::server::PASSWORD;
use crate::support::{Answer, Client, TestServer};
use crate::support::{redis_server, slow_redis};

const PATH: &str = "/api/v1/auth/reset-password";
const SUBJECT: &str = "Reset your password";
const NEW: &str = "quartz harbour 19 lantern";

async fn ask(client: &Client, email: &str) -> Answer {
    client.post(PATH).json(&json!({ "email": email })).send().await
}

/// Asks for a mail; returns where its link leads in the API.
async fn mailed(server: &TestServer, email: &str) -> String {
    let before = server.mails_to(email).iter().filter(|mail| mail.subject.contains(SUBJECT)).count();
    let answer = ask(&server.client(), email).await;
    assert_eq!(
        (answer.status, answer.json["message"].as_str()),
        (200, Some("Password reset email sent successfully"))
    );
    let mails = server.mails_about(email, SUBJECT, before + 1).await;
    format!("/api/v1/auth{}", mails.last().unwrap().path())
}

async fn choose(client: &Client, path: &str, password: &str) -> Answer {
    client.post(path).json(&json!({ "newPassword": password })).send().await
}

async fn log_in(client: &Client, email: &str, password: &str) -> u16 {
    let body = json!({ "email": email, "password": password });
    client.post("/api/v1/auth/login").json(&body).send().await.status
}

#[tokio::test]
async fn a_mail_leads_to_another_password_which_ends_every_session() {
    let server = TestServer::start();
    let client = server.client();
    let ada = server.person("ada").await;
    let other = ada.log_in().await;
    let (mut socket, _) = ada.connect().await;
    let path = mailed(&server, &ada.email).await;
    let answer = choose(&client, &path, NEW).await;
    assert_eq!(
        (answer.status, answer.json["message"].as_str()),
        (200, Some("Password reseted successfully"))
    );
    for session in [&ada.client, &other] {
        assert_eq!(session.get("/api/v1/auth/me").send().await.status, 401);
    }
    assert_eq!(socket.close_code().await, 3502, "its sockets too");
    assert_eq!(log_in(&client, &ada.email, PASSWORD).await, 401);
    assert_eq!(log_in(&client, &ada.email, NEW).await, 200);
    server.mail_to(&ada.email, "password was changed").await;
    refused(&choose(&client, &path, "yet another 71 plums").await);
    assert_eq!(log_in(&client, &ada.email, NEW).await, 200, "a token works once");
}

#[tokio::test]
async fn who_read_the_mail_has_the_address() {
    let server = TestServer::start();
    let client = server.client();
    client.register("ada@example.com").await;
    let path = mailed(&server, "ada@example.com").await;
    assert_eq!(choose(&client, &path, NEW).await.status, 200);
    let body = json!({ "email": "ada@example.com", "password": NEW });
    let login = client.post("/api/v1/auth/login").json(&body).send().await;
    let user = client.with_token(login.json["data"]["accessToken"].as_str().unwrap());
    assert_eq!(user.get("/api/v1/auth/me").send().await.json["data"]["emailVerified"], true);
}

#[tokio::test]
async fn an_address_without_an_account_is_400() {
    let server = TestServer::start();
    let answer = ask(&server.client(), "nobody@example.com").await;
    assert_eq!((answer.status, answer.json["error"].as_str()), (400, Some("Email does not exists")));
    for (body, field) in [
        (json!({}), "email"),
        (json!({ "email": "nonsense" }), "email"),
        (json!({ "email": 7 }), "email"),
        (json!({ "email": "a@example.com", "frotendPrefix": 7 }), "frotendPrefix"),
    ] {
        let answer = server.client().post(PATH).json(&body).send().await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec![field]), "{body} {answer:?}");
    }
}

#[tokio::test]
async fn where_existence_is_hidden_all_addresses_are_answered_alike_and_about_as_fast() {
    // Makes the time of an answer that of its steps: what the machine is busy with weighs little beside it.
    const STEP: Duration = Duration::from_millis(60);
    const ROUNDS: usize = 6;
    let server = TestServer::start_with(|config| {
        config.auth.hide_account_existence = true;
        config.redis.url = slow_redis::url(STEP).into();
    });
    let client = server.client();
    let addresses =
        |name: &str| (0..ROUNDS).map(|round| format!("{name}{round}@example.com")).collect::<Vec<_>>();
    let [known, unknown] = [addresses("ada"), addresses("nobody")];
    join_all(known.iter().map(|email| client.register(email))).await;
    let mut fastest = [Duration::MAX; 2];
    for emails in known.iter().zip(&unknown) {
        for (fastest, email) in fastest.iter_mut().zip([emails.0, emails.1]) {
            let started = Instant::now();
            let answer = ask(&client, email).await;
            *fastest = started.elapsed().min(*fastest);
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.json["message"], "Password reset email sent successfully");
        }
    }
    assert!(fastest[0].abs_diff(fastest[1]) < STEP * 3 / 4, "one takes more steps: {fastest:?}");
    server.mail_to(&known[ROUNDS - 1], SUBJECT).await;
    assert!(server.mails_to(&unknown[ROUNDS - 1]).is_empty());
}

#[tokio::test]
async fn a_password_that_is_too_short_too_long_or_common_is_400_and_uses_no_token_up() {
    let server = TestServer::start();
    let client = server.client();
    client.register("ada@example.com").await;
    let path = mailed(&server, "ada@example.com").await;
    for password in ["short", "password1", "qwertyuiop", &"x".repeat(129)] {
        let answer = choose(&client, &path, password).await;
        assert_eq!(
            (answer.status, answer.json["error"].as_str()),
            (400, Some("Password provided does not meet minimum requirement")),
            "{password}"
        );
        assert_eq!(answer.fields_at_fault(), ["newPassword"]);
    }
    for body in [json!({}), json!({ "newPassword": null })] {
        let answer = client.post(&path).json(&body).send().await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["newPassword"]), "{body}");
        assert_eq!(answer.json["error"], "Password provided does not meet minimum requirement", "{body}");
    }
    let answer = client.post(&path).json(&json!({ "newPassword": 7 })).send().await;
    assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["newPassword"]));
    assert_eq!(choose(&client, &path, NEW).await.status, 200);
}

#[tokio::test]
async fn wrong_tokens_are_401() {
    let server = TestServer::start();
    let client = server.client();
    client.register("ada@example.com").await;
    client.register("bob@example.com").await;
    let ada = mailed(&server, "ada@example.com").await;
    let bob = mailed(&server, "bob@example.com").await;
    let part = |path: &str, name: &str| {
        let query = path.split('?').nth(1).unwrap();
        query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap().to_owned()
    };
    let verify = server.mail_to("ada@example.com", "Confirm your e-mail address").await.path();
    let (id, token) = (part(&ada, "tokenId"), part(&ada, "token"));
    for query in [
        format!("tokenId={id}&token={}", part(&bob, "token")),
        format!("tokenId={}&token={token}", part(&bob, "tokenId")),
        format!("tokenId={id}&token={}", part(&verify, "token")),
        format!("tokenId={id}&token="),
        format!("tokenId={id}"),
        format!("token={token}"),
        format!("tokenId=&token={token}"),
        format!("tokenId=nonsense&token={token}"),
        format!("tokenId=ffffffffffffffffffffffff&token={token}"),
        format!("tokenId={id}&token={}", "x".repeat(2000)),
        format!("tokenId={id}&token=%00%7B%7D"),
    ] {
        refused(&choose(&client, &format!("{PATH}?{query}"), NEW).await);
    }
    assert_eq!(choose(&client, &ada, NEW).await.status, 200);
}

#[tokio::test]
async fn a_token_ends_by_itself() {
    let server = TestServer::start_with(|config| config.auth.reset_ttl_secs = 1);
    let client = server.client();
    client.register("ada@example.com").await;
    let path = mailed(&server, "ada@example.com").await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    refused(&choose(&client, &path, NEW).await);
    assert_eq!(log_in(&client, "ada@example.com", PASSWORD).await, 200);
}

#[tokio::test]
async fn of_many_uses_at_once_one_succeeds() {
    let server = TestServer::start();
    let client = server.client();
    client.register("ada@example.com").await;
    let path = mailed(&server, "ada@example.com").await;
    let tries = (0..10).map(|_| choose(&client, &path, NEW));
    let answers = futures_util::future::join_all(tries).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 9, "{statuses:?}");
    server.mail_to("ada@example.com", "password was changed").await;
}

#[tokio::test]
async fn a_login_with_the_old_password_during_a_reset_leaves_no_session() {
    let server = TestServer::start_with(|config| {
        config.auth.argon2_memory_kib = 8192;
        config.auth.max_sessions = 100;
    });
    let client = server.client();
    client.register("ada@example.com").await;
    let path = mailed(&server, "ada@example.com").await;
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    let logins = (0..20).map(|_| client.post("/api/v1/auth/login").json(&body).send());
    let (reset, logins) =
        futures_util::future::join(choose(&client, &path, NEW), futures_util::future::join_all(logins)).await;
    assert_eq!(reset.status, 200);
    for login in &logins {
        assert!(matches!(login.status, 200 | 401 | 429), "{login:?}");
        let user = client.with_token(login.json["data"]["accessToken"].as_str().unwrap_or("a.b.c"));
        assert_ne!(user.get("/api/v1/auth/me").send().await.status, 200);
    }
}

#[tokio::test]
async fn three_tokens_live_and_one_that_is_used_takes_the_others_along() {
    let server = TestServer::start();
    let client = server.client();
    client.register("ada@example.com").await;
    let mut paths = Vec::new();
    for _ in 0..4 {
        paths.push(mailed(&server, "ada@example.com").await);
    }
    refused(&choose(&client, &paths[0], NEW).await);
    assert_eq!(choose(&client, &paths[1], NEW).await.status, 200);
    for path in &paths[2..] {
        refused(&choose(&client, path, NEW).await);
    }
}

#[tokio::test]
async fn mails_are_throttled_per_address_whether_or_not_it_has_an_account() {
    let server = TestServer::start_with(|config| config.auth.mail_requests.free = 2);
    let client = server.client();
    client.register("ada@example.com").await;
    let mut statuses: Vec<Vec<(u16, String)>> = Vec::new();
    for email in ["ada@example.com", "nobody@example.com"] {
        let mut of_email = Vec::new();
        for spelling in [email, &email.to_uppercase(), email, email] {
            let answer = ask(&client, spelling).await;
            of_email.push((answer.status, answer.header("retry-after").to_owned()));
        }
        statuses.push(of_email);
    }
    assert_eq!(statuses[0][2], (200, String::new()), "two are free, and the third starts the wait");
    assert_eq!(statuses[0][3], (429, "60".to_owned()));
    assert_eq!(statuses[1][2].0, 400);
    assert_eq!(statuses[1][3], statuses[0][3]);
}

#[tokio::test]
async fn resets_are_limited_per_ip() {
    let server = TestServer::start_with(|config| {
        config.rate_limits.enabled = true;
        config.rate_limits.reset.requests = 3;
    });
    let client = server.client();
    for round in 0..3 {
        assert_eq!(ask(&client, &format!("nobody{round}@example.com")).await.status, 400);
    }
    let answer = ask(&client, "nobody@example.com").await;
    assert_eq!(answer.status, 429);
    assert!(!answer.header("retry-after").is_empty());
}

#[tokio::test]
async fn wrong_passwords_do_not_stop_a_reset_and_are_forgotten_by_it() {
    let server = TestServer::start_with(|config| {
        config.auth.account_guesses.free = 2;
        config.auth.account_guesses.first_wait_secs = 60;
    });
    let client = server.client();
    client.register("ada@example.com").await;
    for status in [401, 401, 401, 429] {
        assert_eq!(log_in(&client, "ada@example.com", "wrong password").await, status);
    }
    let path = mailed(&server, "ada@example.com").await;
    assert_eq!(choose(&client, &path, NEW).await.status, 200);
    assert_eq!(log_in(&client, "ada@example.com", NEW).await, 200, "without a wait");
}

#[tokio::test]
async fn a_mail_leads_to_a_page_that_is_configured_and_to_no_other() {
    let page = "https://app.example/reset";
    let server = TestServer::start_with(|config| config.auth.frontend_prefixes = vec![page.to_owned()]);
    let client = server.client();
    for (number, (field, prefix, leads)) in [
        ("frotendPrefix", page, true),
        ("frontendPrefix", page, true),
        ("frotendPrefix", "https://app.example/reset/", false),
        ("frotendPrefix", "https://app.example/reset?next=https://evil.example", false),
        ("frotendPrefix", "https://app.example/reset.evil.example", false),
        ("frotendPrefix", "https://evil.example/reset", false),
        ("frotendPrefix", "", false),
        ("frotendPrefix", "javascript:alert(1)", false),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("ada{number}@example.com");
        client.register(&email).await;
        let body = json!({ "email": email, field: prefix });
        assert_eq!(client.post(PATH).json(&body).send().await.status, 200);
        let mail = server.mail_to(&email, SUBJECT).await;
        assert_eq!(mail.link().starts_with(&format!("{page}?tokenId=")), leads, "{prefix} {}", mail.link());
        if !leads {
            let own = format!("http://{}/reset-password?tokenId=", server.address);
            assert!(mail.link().starts_with(&own), "{prefix} {}", mail.link());
            assert!(!mail.raw.contains("evil"), "{prefix}");
        }
        let path = format!("{PATH}?{}", mail.link().split('?').nth(1).unwrap());
        assert_eq!(choose(&client, &path, NEW).await.status, 200);
    }
}

#[tokio::test]
async fn of_two_pages_the_first_that_is_configured_counts() {
    let pages = ["https://app.example/reset", "https://app.example/other"].map(str::to_owned);
    let server = TestServer::start_with(|config| config.auth.frontend_prefixes = pages.to_vec());
    let client = server.client();
    client.register("ada@example.com").await;
    for (round, (published, other, leads)) in [
        (json!("https://evil.example/"), json!(pages[0]), Some(&pages[0])),
        (json!(pages[1]), json!(pages[0]), Some(&pages[1])),
        (json!(null), json!(pages[0]), Some(&pages[0])),
        (json!("https://evil.example/"), json!("https://evil.example/"), None),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({ "email": "ada@example.com", "frotendPrefix": published, "frontendPrefix": other });
        assert_eq!(client.post(PATH).json(&body).send().await.status, 200);
        let mails = server.mails_about("ada@example.com", SUBJECT, round + 1).await;
        let link = mails.last().unwrap().link();
        let own = format!("http://{}/reset-password", server.address);
        assert_eq!(link.split('?').next(), Some(leads.unwrap_or(&own).as_str()), "{body}");
    }
}

#[tokio::test]
async fn neither_tokens_nor_passwords_can_be_read_in_the_datastore() {
    let server = TestServer::start();
    let client = server.client();
    client.register("ada@example.com").await;
    let path = mailed(&server, "ada@example.com").await;
    let token = path.split("&token=").nth(1).unwrap();
    let mut redis = redis_server::connection();
    let keys: Vec<String> = redis::cmd("KEYS").arg(server.key("*")).query(&mut redis).unwrap();
    assert!(keys.iter().any(|key| key.ends_with(":proofs:reset")), "{keys:?}");
    for key in &keys {
        let dump: Vec<u8> = redis::cmd("DUMP").arg(key).query(&mut redis).unwrap_or_default();
        let holds = |needle: &str| dump.windows(needle.len()).any(|window| window == needle.as_bytes());
        assert!(!key.contains(token) && !holds(token) && !holds(PASSWORD), "{key}");
        if key.contains(":proofs:") {
            let ttl: i64 = redis::cmd("TTL").arg(key).query(&mut redis).unwrap();
            assert!((1..=86_400).contains(&ttl), "{key} {ttl}");
        }
    }
}

#[tokio::test]
async fn reading_the_links_of_a_mail_uses_nothing_up() {
    let server = TestServer::start();
    let client = server.client();
    client.register("ada@example.com").await;
    let path = mailed(&server, "ada@example.com").await;
    assert_eq!(client.get(&path).send().await.status, 405);
    assert_eq!(choose(&client, &path, NEW).await.status, 200);
    assert_eq!(client.post(PATH).json(&Value::Null).send().await.status, 400);
}

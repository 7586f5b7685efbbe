//! Sign-ins from devices that an account has not been used from.

use std::time::Duration;

use serde_json::json;

use crate::support::google::{Google, claims};
use crate::support::server::PASSWORD;
use crate::support::{Mail, TestServer, redis_server};

const SUBJECT: &str = "New sign-in";
const EMAIL: &str = "ada@example.com";

fn behind_proxy() -> TestServer {
    TestServer::start_with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
}

async fn send(server: &TestServer, path: &str, ip: &str, user_agent: &str) {
    let body = json!({ "email": EMAIL, "password": PASSWORD });
    let request = server.client().post(path).header("x-forwarded-for", ip).header("user-agent", user_agent);
    let answer = request.json(&body).send().await;
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
}

async fn log_in(server: &TestServer, ip: &str, user_agent: &str) {
    send(server, "/api/v1/auth/login", ip, user_agent).await;
}

/// How many mails there are in the end.
async fn told(server: &TestServer, count: usize) -> Vec<Mail> {
    let mails = if count == 0 { Vec::new() } else { server.mails_about(EMAIL, SUBJECT, count).await };
    tokio::time::sleep(Duration::from_millis(300)).await;
    let all = server.mails_to(EMAIL).iter().filter(|mail| mail.subject.contains(SUBJECT)).count();
    assert_eq!(all, count);
    mails
}

#[tokio::test]
async fn a_sign_in_from_a_new_device_is_told_and_one_from_a_known_device_is_not() {
    let server = behind_proxy();
    send(&server, "/api/v1/auth/register", "203.0.113.7", "Firefox/120.0").await;
    log_in(&server, "203.0.113.7", "Firefox/120.0").await;
    log_in(&server, "203.0.113.99", "Firefox/121.0").await;
    told(&server, 0).await;
    log_in(&server, "198.51.100.9", "Firefox/121.0").await;
    let mails = told(&server, 1).await;
    assert!(mails[0].text.contains("198.51.100.9"), "{}", mails[0].text);
    log_in(&server, "203.0.113.7", "curl/8.5").await;
    told(&server, 2).await;
    log_in(&server, "203.0.113.7", "curl/8.6").await;
    log_in(&server, "198.51.100.9", "Firefox/122.0").await;
    log_in(&server, "2001:db8:1::1", "curl/8.6").await;
    log_in(&server, "2001:db8:1:ff::1", "curl/8.6").await;
    told(&server, 3).await;
}

#[tokio::test]
async fn the_social_surface_and_google_are_told_of_too() {
    let google = Google::start();
    let server = TestServer::start_with(|config| {
        google.configure(config);
        config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    });
    send(&server, "/api/v1/auth/register", "203.0.113.7", "Firefox/120.0").await;
    send(&server, "/api/auth/login", "198.51.100.9", "Firefox/120.0").await;
    told(&server, 1).await;
    let token = google.key.sign(&claims("1001", EMAIL));
    let answer = server
        .client()
        .post("/api/v1/auth/google")
        .header("x-forwarded-for", "192.0.2.1")
        .json(&json!({ "idToken": token }))
        .send()
        .await;
    assert_eq!(answer.status, 200);
    told(&server, 2).await;
}

#[tokio::test]
async fn a_wrong_password_makes_no_device_known() {
    let server = behind_proxy();
    send(&server, "/api/v1/auth/register", "203.0.113.7", "Firefox/120.0").await;
    let body = json!({ "email": EMAIL, "password": "wrong password" });
    let guess = server.client().post("/api/v1/auth/login").header("x-forwarded-for", "198.51.100.9");
    assert_eq!(guess.header("user-agent", "Firefox/120.0").json(&body).send().await.status, 401);
    log_in(&server, "198.51.100.9", "Firefox/120.0").await;
    told(&server, 1).await;
}

#[tokio::test]
async fn devices_are_remembered_as_digests_for_a_while_and_not_without_end() {
    let server = behind_proxy();
    send(&server, "/api/v1/auth/register", "203.0.113.7", "Firefox/120.0").await;
    for number in 0..70 {
        log_in(&server, "203.0.113.7", &format!("program {number}")).await;
    }
    let mut redis = redis_server::connection();
    let keys: Vec<String> = redis::cmd("KEYS").arg(server.key("*:devices")).query(&mut redis).unwrap();
    assert_eq!(keys.len(), 1);
    let devices: Vec<String> = redis::cmd("ZRANGE").arg(&keys[0]).arg(0).arg(-1).query(&mut redis).unwrap();
    assert_eq!(devices.len(), 64);
    assert!(devices.iter().all(|device| device.len() == 43), "{devices:?}");
    let ttl: i64 = redis::cmd("TTL").arg(&keys[0]).query(&mut redis).unwrap();
    assert!((179 * 86_400..=180 * 86_400).contains(&ttl), "{ttl}");
}

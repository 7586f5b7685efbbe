//! Guessing passwords, and many hashes at once.

use std::time::Duration;

use serde_json::json;

use crate::support::server::PASSWORD;
use crate::support::{Answer, Client, TestServer};

async fn login(client: &Client, email: &str, password: &str, ip: &str) -> Answer {
    let body = json!({ "email": email, "password": password });
    client.post("/api/v1/auth/login").header("x-forwarded-for", ip).json(&body).send().await
}

fn behind_proxy() -> TestServer {
    TestServer::start_with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.auth.account_guesses.free = 3;
        config.auth.ip_guesses.free = 6;
    })
}

async fn account(server: &TestServer, email: &str) {
    let body = json!({ "email": email, "password": PASSWORD });
    let answer = server
        .client()
        .post("/api/v1/auth/register")
        .header("x-forwarded-for", "198.51.100.1")
        .json(&body)
        .send()
        .await;
    assert_eq!(answer.status, 201);
}

#[tokio::test]
async fn guesses_at_an_account_wait_longer_and_longer_from_wherever_they_come() {
    let server = behind_proxy();
    account(&server, "ada@example.com").await;
    let client = server.client();
    let mut statuses = Vec::new();
    for guess in 0..5 {
        statuses
            .push(login(&client, "ada@example.com", "wrong password", &format!("203.0.113.{guess}")).await);
    }
    assert_eq!(statuses.iter().map(|answer| answer.status).collect::<Vec<_>>(), [401, 401, 401, 401, 429]);
    assert_eq!(statuses[4].header("retry-after"), "1");
    let right = login(&client, "ada@example.com", PASSWORD, "203.0.113.99").await;
    assert_eq!(right.status, 429, "while it waits, a right password from a stranger waits too");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(login(&client, "ada@example.com", "wrong password", "203.0.113.50").await.status, 401);
    let longer = login(&client, "ada@example.com", "wrong password", "203.0.113.51").await;
    assert_eq!((longer.status, longer.header("retry-after")), (429, "2"), "the wait has doubled");
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(
        login(&client, "ada@example.com", PASSWORD, "203.0.113.99").await.status,
        200,
        "never locked out"
    );
}

#[tokio::test]
async fn strangers_who_guess_do_not_make_the_owner_wait() {
    let server = behind_proxy();
    account(&server, "ada@example.com").await;
    let client = server.client();
    assert_eq!(login(&client, "ada@example.com", PASSWORD, "192.0.2.7").await.status, 200);
    for guess in 0..5 {
        login(&client, "ada@example.com", "wrong password", &format!("203.0.113.{guess}")).await;
    }
    assert_eq!(login(&client, "ada@example.com", PASSWORD, "203.0.113.77").await.status, 429);
    assert_eq!(
        login(&client, "ada@example.com", PASSWORD, "192.0.2.7").await.status,
        200,
        "an address known to the account"
    );
}

#[tokio::test]
async fn guesses_from_one_address_wait_whatever_they_guess_at() {
    let server = behind_proxy();
    let client = server.client();
    let mut statuses = Vec::new();
    for guess in 0..8 {
        statuses.push(
            login(&client, &format!("nobody{guess}@example.com"), "wrong password", "203.0.113.1")
                .await
                .status,
        );
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 401, 429]);
    assert_eq!(login(&client, "someone@example.com", "wrong password", "203.0.113.2").await.status, 401);
}

#[tokio::test]
async fn a_hundred_parallel_guesses_are_counted_before_they_are_evaluated() {
    let server = behind_proxy();
    account(&server, "ada@example.com").await;
    let client = server.client();
    let ips: Vec<String> = (0..100).map(|guess| format!("203.0.113.{guess}")).collect();
    let tries = ips.iter().map(|ip| login(&client, "ada@example.com", "wrong password", ip));
    let statuses: Vec<u16> =
        futures_util::future::join_all(tries).await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 4, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 96);
}

#[tokio::test]
async fn a_right_password_takes_its_count_back() {
    let server = behind_proxy();
    account(&server, "ada@example.com").await;
    let client = server.client();
    for _ in 0..20 {
        assert_eq!(login(&client, "ada@example.com", PASSWORD, "203.0.113.5").await.status, 200);
    }
}

#[tokio::test]
async fn when_the_hashing_pool_is_full_the_rest_get_503_and_nothing_hangs() {
    let server = TestServer::start_with(|config| {
        config.auth.argon2_memory_kib = 65536;
        config.auth.argon2_iterations = 2;
        config.auth.hash_threads = 1;
        config.auth.hash_queue = 1;
    });
    let client = server.client();
    let tries = (0..12).map(|number| {
        let body = json!({ "email": format!("a{number}@example.com"), "password": PASSWORD });
        client.post("/api/v1/auth/register").json(&body).send()
    });
    let answers = futures_util::future::join_all(tries).await;
    let full: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(!full.is_empty() && answers.iter().any(|answer| answer.status == 201), "{answers:?}");
    assert!(full.iter().all(|answer| answer.header("retry-after") == "1"));
}

#[tokio::test]
async fn an_unknown_address_costs_the_same_verify_as_a_known_one() {
    let server = TestServer::start_with(|config| {
        config.auth.argon2_memory_kib = 19456;
        config.auth.argon2_iterations = 2;
        config.auth.account_guesses.free = 1000;
        config.auth.ip_guesses.free = 1000;
    });
    account(&server, "ada@example.com").await;
    let client = server.client();
    let mut times = [Vec::new(), Vec::new()];
    login(&client, "nobody@example.com", "wrong password", "").await;
    for _ in 0..9 {
        for (index, email) in ["ada@example.com", "nobody@example.com"].into_iter().enumerate() {
            let started = std::time::Instant::now();
            assert_eq!(login(&client, email, "wrong password", "").await.status, 401);
            times[index].push(started.elapsed());
        }
    }
    let [known, unknown] = times.map(|mut times| {
        times.sort();
        times[4].as_secs_f64()
    });
    assert!((0.6..1.7).contains(&(known / unknown)), "medians: known {known:.4} s, unknown {unknown:.4} s");
}

#[tokio::test]
async fn a_guess_that_was_not_evaluated_does_not_count_against_its_address() {
    let server = behind_proxy();
    account(&server, "ada@example.com").await;
    account(&server, "bob@example.com").await;
    let client = server.client();
    for guess in 0..4 {
        login(&client, "ada@example.com", "wrong password", &format!("203.0.113.{guess}")).await;
    }
    for _ in 0..20 {
        assert_eq!(login(&client, "ada@example.com", "wrong password", "203.0.113.99").await.status, 429);
    }
    assert_eq!(login(&client, "bob@example.com", PASSWORD, "203.0.113.99").await.status, 200);
}

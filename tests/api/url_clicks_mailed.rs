//! Links whose owners want mail about clicks: the first at once, then sums; none is lost and none told twice.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::mail::eventually;
use crate::support::{Client, Mail, TestServer};

const OWNER: &str = "owner@example.com";

async fn owner(server: &TestServer) -> Client {
    let account = server.client().register(OWNER).await;
    server.client().with_token(account["accessToken"].as_str().unwrap())
}

async fn link(owner: &Client, extra: Value) -> String {
    let mut body = json!({ "longUrl": "https://example.com/", "emailNotificationEnable": true });
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    owner.shorten(&body).await
}

async fn click(client: &Client, code: &str, times: usize) {
    let clicks = join_all((0..times).map(|_| client.get(&format!("/{code}")).send())).await;
    assert!(clicks.iter().all(|answer| answer.status == 302), "{clicks:?}");
}

/// How many clicks each mail told of, the oldest first.
fn told(server: &TestServer) -> Vec<u64> {
    server.mails_to(OWNER).iter().filter_map(Mail::clicks).collect()
}

async fn told_in_all(server: &TestServer, clicks: u64) -> Vec<u64> {
    eventually(&format!("mails about {clicks} clicks"), || {
        let told = told(server);
        assert!(told.iter().sum::<u64>() <= clicks, "{told:?} of {clicks}");
        (told.iter().sum::<u64>() == clicks).then_some(told)
    })
    .await
}

fn quick(config: &mut ayrene::config::Config) {
    config.shortener.click_digest_secs = 1;
}

fn untold(server: &TestServer, code: &str) -> (Option<String>, bool) {
    let mut redis = crate::support::redis_server::connection();
    let link = server.key(&format!("{{link:{code}}}"));
    let count = redis::cmd("HGET").arg(link).arg("n").query(&mut redis).unwrap();
    let register = server.key("{outbox:digest}");
    let entered: Option<String> = redis::cmd("ZSCORE").arg(register).arg(code).query(&mut redis).unwrap();
    (count, entered.is_some())
}

#[tokio::test]
async fn the_first_click_is_told_at_once_and_then_there_is_peace() {
    let server = TestServer::start();
    let owner = owner(&server).await;
    let code = link(&owner, json!({})).await;
    click(&server.client(), &code, 1).await;
    assert_eq!(told_in_all(&server, 1).await, [1]);
    let mail = server.mail_to(OWNER, "clicked").await;
    assert_eq!(mail.subject, format!("Your link {code} was clicked"));
    click(&server.client(), &code, 25).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(told(&server), [1], "the hour is not over");
    assert_eq!(untold(&server, &code), (Some("25".to_owned()), true));
}

#[tokio::test]
async fn the_clicks_told_are_those_that_reached_the_long_url() {
    let server = TestServer::start_with(|config| {
        quick(config);
        config.server.workers = 2;
    });
    let owner = owner(&server).await;
    let code = link(&owner, json!({})).await;
    let mut clicks = 0;
    for burst in [200, 1, 60, 150] {
        click(&server.client(), &code, burst).await;
        clicks += burst as u64;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let told = told_in_all(&server, clicks).await;
    assert!(told.len() >= 2, "{told:?}");
    let url = owner.get(&format!("/api/v1/url/get/{code}")).send().await.json["data"]["url"].clone();
    assert_eq!(url["totalSuccessClicks"], json!(clicks));
}

#[tokio::test]
async fn refused_tries_are_not_told_and_unlocks_are() {
    let server = TestServer::start_with(quick);
    let owner = owner(&server).await;
    let code = link(&owner, json!({ "protectionMethod": "PASSWORD", "urlPassword": "sesame" })).await;
    let path = format!("/api/v1/url/{code}");
    let client = server.client();
    assert_eq!(client.get(&format!("/{code}")).send().await.status, 401);
    assert_eq!(client.post(&path).json(&json!({ "password": "wrong" })).send().await.status, 401);
    for _ in 0..3 {
        assert_eq!(client.post(&path).json(&json!({ "password": "sesame" })).send().await.status, 200);
    }
    told_in_all(&server, 3).await;

    let otp = json!({ "newProtectionMethod": "OTP" });
    assert_eq!(owner.patch(&path).json(&otp).send().await.status, 200);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let body = json!({ "email": "ada@example.com" });
    assert_eq!(client.post(&format!("{path}/otp")).json(&body).send().await.status, 200);
    let otp = server.mail_to("ada@example.com", "Your code").await.code();
    let key = json!({ "email": "ada@example.com", "OTP": otp });
    let tries = join_all((0..5).map(|_| client.post(&path).json(&key).send())).await;
    assert_eq!(tries.iter().filter(|answer| answer.status == 200).count(), 1, "{tries:?}");
    told_in_all(&server, 4).await;
}

#[tokio::test]
async fn who_switches_mails_off_is_told_nothing_more() {
    let server = TestServer::start_with(quick);
    let owner = owner(&server).await;
    let code = link(&owner, json!({})).await;
    let path = format!("/api/v1/url/{code}");
    click(&server.client(), &code, 1).await;
    told_in_all(&server, 1).await;
    click(&server.client(), &code, 5).await;
    let switch = async |on: bool| {
        let body = json!({ "newEmailNotificationEnable": on });
        assert_eq!(owner.patch(&path).json(&body).send().await.status, 200);
    };
    switch(false).await;
    click(&server.client(), &code, 5).await;
    let before: u64 = told(&server).iter().sum();
    tokio::time::sleep(Duration::from_millis(4_000)).await;
    assert_eq!(told(&server).iter().sum::<u64>(), before);
    switch(true).await;
    click(&server.client(), &code, 1).await;
    told_in_all(&server, before + 1).await;
}

#[tokio::test]
async fn a_link_without_mails_costs_no_more() {
    let server = TestServer::start();
    let owner = owner(&server).await;
    let code = link(&owner, json!({ "emailNotificationEnable": false })).await;
    click(&server.client(), &code, 5).await;
    assert_eq!(untold(&server, &code), (None, false));
}

#[tokio::test]
async fn switching_them_off_and_on_gives_no_mail_before_its_time() {
    let server = TestServer::start();
    let owner = owner(&server).await;
    let code = link(&owner, json!({})).await;
    click(&server.client(), &code, 1).await;
    told_in_all(&server, 1).await;
    for _ in 0..3 {
        for on in [false, true] {
            let change = json!({ "newEmailNotificationEnable": on });
            assert_eq!(owner.patch(&format!("/api/v1/url/{code}")).json(&change).send().await.status, 200);
        }
        click(&server.client(), &code, 1).await;
    }
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(told(&server), [1], "the hour is not over");
    assert_eq!(untold(&server, &code), (Some("1".to_owned()), true));
}

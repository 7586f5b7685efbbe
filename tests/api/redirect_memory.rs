//! `/{code}` answered from memory: nobody can tell, but by the time it takes.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::redis_server;
use crate::support::{Answer, Client, TestServer};
use crate::user_delete::{close, log_in};

const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A link that the server has answered before, and will from memory.
async fn remembered(server: &TestServer, owner: &Client, body: Value) -> String {
    let code = owner.shorten(&body).await;
    for _ in 0..5 {
        let answer = server.client().get(&format!("/{code}")).send().await;
        assert_eq!(answer.status, 302, "{answer:?}");
    }
    code
}

async fn change(owner: &Client, code: &str, body: Value) {
    let answer = owner.patch(&format!("/api/v1/url/{code}")).json(&body).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// What each of some clients, on connections of their own, is told next.
async fn told(clients: &[Client], code: &str) -> Vec<(u16, String)> {
    let path = format!("/{code}");
    let asked = clients.iter().map(|client| client.get(&path).header("accept", HTML).send());
    let answers = futures_util::future::join_all(asked).await;
    answers.iter().map(|answer| (answer.status, answer.header("location").to_owned())).collect()
}

/// The headers that do not say when and who, in order of their names.
fn headers(answer: &Answer) -> Vec<(String, String)> {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "date" && *name != "x-request-id")
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    headers.sort();
    headers
}

#[tokio::test]
async fn what_changes_is_known_on_every_connection_at_once() {
    let server = TestServer::start_with(|config| config.server.workers = 2);
    let owner = server.user().await;
    let link = json!({ "longUrl": "https://example.com/old" });
    let clients: Vec<Client> = (0..6).map(|_| server.client()).collect();
    for (body, status, target) in [
        (json!({ "newLongUrl": "https://example.com/new" }), 302, "https://example.com/new"),
        (json!({ "newProtectionMethod": "PASSWORD", "newPassword": "sesame" }), 401, ""),
        (json!({ "newProtectionMethod": "APPROVE" }), 401, ""),
        (json!({ "newIsUrlSFW": false }), 200, ""),
    ] {
        for _ in 0..5 {
            let code = remembered(&server, &owner, link.clone()).await;
            told(&clients, &code).await;
            change(&owner, &code, body.clone()).await;
            assert_eq!(told(&clients, &code).await, vec![(status, target.to_owned()); 6], "{body}");
        }
    }
}

#[tokio::test]
async fn a_protection_that_is_lifted_opens_the_link_at_once() {
    let server = TestServer::start_with(|config| config.server.workers = 2);
    let owner = server.user().await;
    let lock =
        json!({ "longUrl": "https://example.com/", "protectionMethod": "PASSWORD", "urlPassword": "sesame" });
    let code = owner.shorten(&lock).await;
    let clients: Vec<Client> = (0..6).map(|_| server.client()).collect();
    for _ in 0..3 {
        assert_eq!(told(&clients, &code).await, vec![(401, String::new()); 6]);
    }
    change(&owner, &code, json!({ "newProtectionMethod": "NONE" })).await;
    assert_eq!(told(&clients, &code).await, vec![(302, "https://example.com/".to_owned()); 6]);
}

#[tokio::test]
async fn a_link_that_is_deleted_and_made_anew_is_the_new_one_with_counts_of_its_own() {
    let server = TestServer::start_with(|config| config.server.workers = 2);
    let owner = server.user().await;
    let clients: Vec<Client> = (0..6).map(|_| server.client()).collect();
    let body = |target: &str| json!({ "longUrl": target, "customAlias": "again" });
    for round in 0..5 {
        let target = format!("https://example.com/{round}");
        assert_eq!(remembered(&server, &owner, body(&target)).await, "again");
        assert_eq!(told(&clients, "again").await, vec![(302, target); 6]);
        assert_eq!(clicks(&owner, "again").await, (11, 11), "those of the one before are not among them");
        assert_eq!(owner.delete("/api/v1/url/again").send().await.status, 200);
        assert_eq!(told(&clients, "again").await, vec![(404, String::new()); 6]);
    }
}

#[tokio::test]
async fn a_code_that_was_missing_is_there_as_soon_as_it_is_made() {
    let server = TestServer::start_with(|config| config.server.workers = 2);
    let owner = server.user().await;
    let clients: Vec<Client> = (0..6).map(|_| server.client()).collect();
    for _ in 0..3 {
        assert_eq!(told(&clients, "soon").await, vec![(404, String::new()); 6]);
    }
    owner.shorten(&json!({ "longUrl": "https://example.com/", "customAlias": "soon" })).await;
    assert_eq!(told(&clients, "soon").await, vec![(302, "https://example.com/".to_owned()); 6]);
}

#[tokio::test]
async fn links_of_a_closed_account_are_gone_at_once_and_back_with_it() {
    let server = TestServer::start_with(|config| config.server.workers = 2);
    let ada = server.person("ada").await;
    let code = remembered(&server, &ada.client, json!({ "longUrl": "https://example.com/" })).await;
    let clients: Vec<Client> = (0..6).map(|_| server.client()).collect();
    close(&ada.client).await;
    assert_eq!(told(&clients, &code).await, vec![(404, String::new()); 6]);
    assert_eq!(log_in(&server, &ada.email).await.status, 200);
    assert_eq!(told(&clients, &code).await, vec![(302, "https://example.com/".to_owned()); 6]);
}

async fn clicks(owner: &Client, code: &str) -> (u64, u64) {
    let answer = owner.get(&format!("/api/v1/url/get/{code}")).send().await;
    counts(&answer.json["data"]["url"])
}

fn counts(link: &Value) -> (u64, u64) {
    (link["totalClicks"].as_u64().unwrap(), link["totalSuccessClicks"].as_u64().unwrap())
}

#[tokio::test]
async fn who_clicks_reads_it_at_once_wherever_it_is_told() {
    let server = TestServer::start_with(|config| config.server.workers = 2);
    let owner = server.user().await;
    let link = json!({ "longUrl": "https://example.com/", "isAnalyticsEnabled": true });
    let codes = [owner.shorten(&link).await, owner.shorten(&link).await, owner.shorten(&link).await];
    let click = async |code: &str| {
        let path = format!("/{code}");
        let (client, mut left) = (server.client(), 50);
        while left > 0 {
            let visits = futures_util::future::join_all((0..10).map(|_| client.get(&path).send())).await;
            assert!(visits.iter().all(|answer| answer.status == 302));
            left -= visits.len();
        }
    };
    for round in 1..=4 {
        click(&codes[0]).await;
        assert_eq!(clicks(&owner, &codes[0]).await, (50 * round, 50 * round));
        click(&codes[1]).await;
        let list = owner.get("/api/v1/url").send().await;
        let urls = list.json["data"]["urls"].as_array().unwrap();
        let listed = urls.iter().find(|link| link["urlCode"] == codes[1]).unwrap();
        assert_eq!(counts(listed), (50 * round, 50 * round));
        click(&codes[2]).await;
        let stats = owner.get(&format!("/api/v1/url/stats/{}?range=30", codes[2])).send().await;
        assert_eq!(stats.json["data"]["total"], 50 * round);
    }
}

#[tokio::test]
async fn what_an_edit_answers_has_all_clicks_before_it() {
    let server = TestServer::start();
    let owner = server.user().await;
    let code = remembered(&server, &owner, json!({ "longUrl": "https://example.com/" })).await;
    let path = format!("/api/v1/url/{code}");
    let answer = owner.patch(&path).json(&json!({ "newLongUrl": "https://example.com/b" })).send().await;
    assert_eq!(counts(&answer.json["data"]["url"]), (5, 5), "{answer:?}");
}

#[tokio::test]
async fn a_head_counts_and_is_answered_without_a_body() {
    let server = TestServer::start();
    let owner = server.user().await;
    let link = json!({ "longUrl": "https://example.com/", "isAnalyticsEnabled": true });
    let code = remembered(&server, &owner, link).await;
    for _ in 0..10 {
        let answer = server.client().request(Method::HEAD, &format!("/{code}")).send().await;
        assert_eq!((answer.status, answer.header("location")), (302, "https://example.com/"));
    }
    assert_eq!(clicks(&owner, &code).await, (15, 15));
    let stats = owner.get(&format!("/api/v1/url/stats/{code}?range=30")).send().await;
    let methods: Vec<_> = stats.json["data"]["stats"].as_array().unwrap().iter().collect();
    assert_eq!(methods.iter().filter(|event| event["httpMethod"] == "HEAD").count(), 10, "{methods:?}");
}

#[tokio::test]
async fn a_query_reaches_no_target_from_memory_either() {
    let server = TestServer::start();
    let owner = server.user().await;
    let code = remembered(&server, &owner, json!({ "longUrl": "https://example.com/a?b=c#d" })).await;
    for query in
        ["?", "?utm=1&to=https://evil.example", "?a=b?c=d", "?%0d%0aX-Evil:%201", "?grant=x", "?grant="]
    {
        let answer = server.client().get(&format!("/{code}{query}")).send().await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (302, "https://example.com/a?b=c#d"),
            "{query}"
        );
        assert_eq!(answer.header("x-evil"), "");
    }
    assert_eq!(clicks(&owner, &code).await, (11, 11));
}

#[tokio::test]
async fn the_first_answer_and_later_ones_have_the_same_headers() {
    let server = TestServer::start();
    let owner = server.user().await;
    for (target, accept) in
        [("https://example.com/a", "*/*"), ("https://b\u{fc}cher.example/?q='\"<>|", HTML)]
    {
        let code = owner.shorten(&json!({ "longUrl": target })).await;
        let path = format!("/{code}");
        for method in [Method::GET, Method::HEAD] {
            let ask = || server.client().request(method.clone(), &path).header("accept", accept).send();
            let first = headers(&ask().await);
            assert!(first.iter().any(|(name, value)| name == "cache-control" && value == "no-store"));
            for _ in 0..5 {
                let later = ask().await;
                assert_eq!((headers(&later), later.bytes.len()), (first.clone(), 0), "{method} {target}");
            }
        }
    }
}

#[tokio::test]
async fn the_api_twin_counts_and_hears_of_changes_alike() {
    let server = TestServer::start();
    let owner = server.user().await;
    let code = remembered(&server, &owner, json!({ "longUrl": "https://example.com/" })).await;
    let twin = format!("/api/v1/url/{code}");
    for _ in 0..5 {
        let answer = server.client().get(&twin).send().await;
        assert_eq!((answer.status, &answer.json["data"]["url"]), (302, &json!("https://example.com/")));
    }
    assert_eq!(clicks(&owner, &code).await, (10, 10));
    change(&owner, &code, json!({ "newLongUrl": "https://example.com/b" })).await;
    assert_eq!(server.client().get(&twin).send().await.header("location"), "https://example.com/b");
}

#[tokio::test]
async fn a_visit_from_memory_is_counted_against_its_address_too() {
    let server = TestServer::start_with(|config| {
        config.rate_limits.enabled = true;
        config.rate_limits.redirect.requests = 20;
    });
    let owner = server.user().await;
    let code = remembered(&server, &owner, json!({ "longUrl": "https://example.com/" })).await;
    let mut statuses = Vec::new();
    for _ in 0..30 {
        let answer = server.client().get(&format!("/{code}")).send().await;
        if answer.status == 429 {
            assert_ne!(answer.header("retry-after"), "", "{answer:?}");
        }
        statuses.push(answer.status);
    }
    let (open, limited) = statuses.split_at(statuses.iter().position(|status| *status == 429).unwrap());
    assert!((15..25).contains(&open.len()) && limited.len() > 3, "{statuses:?}");
    let answered = statuses.iter().filter(|status| **status == 302).count() as u64 + 5;
    assert_eq!(clicks(&owner, &code).await, (answered, answered), "what was refused is no click");
}

#[tokio::test]
async fn metrics_show_the_journal_and_the_memory() {
    let server = TestServer::start();
    let owner = server.user().await;
    remembered(&server, &owner, json!({ "longUrl": "https://example.com/" })).await;
    let text = server.client().get("/metrics").send().await.text;
    for name in [
        "ayrene_journal_bytes",
        "ayrene_journal_waiting_clicks",
        "ayrene_journal_oldest_seconds",
        "ayrene_link_memory_hits_total",
        "ayrene_link_memory_misses_total",
        "ayrene_stale_serves_total",
        "ayrene_journal_fallbacks_total",
    ] {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name}");
        assert!(text.lines().any(|line| line.starts_with(name)), "{name}");
    }
}

#[tokio::test]
async fn a_change_by_another_server_is_known_within_a_quarter_of_a_second() {
    let near = TestServer::start();
    let prefix = near.prefix.clone();
    let far = TestServer::start_with(|config| config.redis.key_prefix = prefix);
    let owner = near.user().await;
    for _ in 0..5 {
        let code = remembered(&near, &owner, json!({ "longUrl": "https://example.com/old" })).await;
        let there = far.client();
        for _ in 0..5 {
            assert_eq!(there.get(&format!("/{code}")).send().await.status, 302);
        }
        change(&owner, &code, json!({ "newLongUrl": "https://example.com/new" })).await;
        tokio::time::sleep(Duration::from_millis(250)).await;
        let answer = there.get(&format!("/{code}")).send().await;
        assert_eq!(answer.header("location"), "https://example.com/new");
    }
    // Clicks at both are summed.
    let code = owner.shorten(&json!({ "longUrl": "https://example.com/" })).await;
    for _ in 0..20 {
        near.client().get(&format!("/{code}")).send().await;
        far.client().get(&format!("/{code}")).send().await;
    }
    let mut redis = redis_server::connection();
    let mut counted = 0;
    for _ in 0..200 {
        let key = near.key(&format!("{{link:{code}}}"));
        counted = redis::cmd("HGET").arg(key).arg("k").query::<Option<u64>>(&mut redis).unwrap().unwrap_or(0);
        if counted == 40 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(counted, 40);
    assert_eq!(clicks(&owner, &code).await, (40, 40));
}

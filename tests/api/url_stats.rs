//! `/api/v1/url/stats/:id` and what an event remembers.

use serde_json::{Value, json};

use crate::support::{Client, TestServer};

const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";

async fn stats(client: &Client, code: &str, query: &str) -> Value {
    let answer = client.get(&format!("/api/v1/url/stats/{code}{query}")).send().await;
    assert_eq!(
        (answer.status, answer.json["message"].as_str()),
        (200, Some("URL analytics fetched successfully")),
        "{answer:?}"
    );
    answer.json["data"].clone()
}

fn behind_proxy(full_ips: bool) -> TestServer {
    TestServer::start_with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.shortener.full_ips = full_ips;
    })
}

#[tokio::test]
async fn an_event_remembers_network_referrer_and_class() {
    let server = behind_proxy(false);
    let owner = server.user().await;
    let code = owner.shorten(&json!({ "longUrl": "https://example.com/", "isAnalyticsEnabled": true })).await;
    let visit = |method: reqwest::Method, ip: &'static str, agent: &'static str, referrer: &'static str| {
        let request = server.client().request(method, &format!("/{code}"));
        request.header("x-forwarded-for", ip).header("user-agent", agent).header("referer", referrer).send()
    };
    visit(reqwest::Method::GET, "203.0.113.77", BROWSER, "https://news.example/item?secret=1").await;
    visit(reqwest::Method::HEAD, "2001:db8:aaaa:bbbb::1", "Slackbot-LinkExpanding 1.0", "").await;
    visit(
        reqwest::Method::GET,
        "203.0.113.78",
        "Googlebot/2.1 (+http://www.google.com/bot.html)",
        "nonsense",
    )
    .await;
    let data = stats(&owner, &code, "").await;
    let events = data["stats"].as_array().unwrap();
    assert_eq!((events.len(), &data["total"]), (3, &json!(3)));
    let seen: Vec<[&str; 5]> = events
        .iter()
        .map(|event| {
            ["ip", "httpMethod", "agent", "referrer", "method"].map(|field| event[field].as_str().unwrap())
        })
        .collect();
    assert_eq!(seen[0], ["203.0.113.0", "GET", "bot", "", "NONE"], "newest first");
    assert_eq!(seen[1], ["2001:db8:aaaa::", "HEAD", "preview", "", "NONE"]);
    assert_eq!(seen[2], ["203.0.113.0", "GET", "desktop", "news.example", "NONE"]);
    for event in events {
        assert_eq!((&event["success"], &event["page"]), (&json!(true), &json!(1)));
        let secs: i64 = event["time"].as_str().unwrap().parse().unwrap();
        assert!((chrono::Utc::now().timestamp() - secs).abs() < 60);
    }
}

#[tokio::test]
async fn addresses_are_kept_whole_when_configured() {
    let server = behind_proxy(true);
    let owner = server.user().await;
    let code = owner.shorten(&json!({ "longUrl": "https://example.com/", "isAnalyticsEnabled": true })).await;
    server.client().get(&format!("/{code}")).header("x-forwarded-for", "203.0.113.77").send().await;
    assert_eq!(stats(&owner, &code, "").await["stats"][0]["ip"], "203.0.113.77");
}

#[tokio::test]
async fn attempts_on_a_protected_link_are_events_that_failed_or_succeeded() {
    let server = TestServer::start();
    let owner = server.user().await;
    let body = json!({ "longUrl": "https://example.com/", "isAnalyticsEnabled": true, "protectionMethod": "PASSWORD", "urlPassword": "sesame" });
    let code = owner.shorten(&body).await;
    let client = server.client();
    client.get(&format!("/{code}")).send().await;
    client.post(&format!("/api/v1/url/{code}")).json(&json!({ "password": "wrong" })).send().await;
    client.post(&format!("/api/v1/url/{code}")).json(&json!({ "password": "sesame" })).send().await;
    let data = stats(&owner, &code, "").await;
    let seen: Vec<_> = data["stats"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            (
                event["httpMethod"].as_str().unwrap(),
                event["success"].as_bool().unwrap(),
                event["method"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(seen, [("POST", true, "PASSWORD"), ("POST", false, "PASSWORD"), ("GET", false, "PASSWORD")]);
}

#[tokio::test]
async fn without_analytics_there_are_clicks_and_no_events() {
    let server = TestServer::start();
    let owner = server.user().await;
    let code = owner.shorten(&json!({ "longUrl": "https://example.com/" })).await;
    server.client().get(&format!("/{code}")).send().await;
    let data = stats(&owner, &code, "").await;
    assert_eq!((data["stats"].as_array().unwrap().len(), &data["total"]), (0, &json!(0)));
    let link = owner.get(&format!("/api/v1/url/get/{code}")).send().await;
    assert_eq!(link.json["data"]["url"]["totalClicks"], 1);
}

#[tokio::test]
async fn events_are_paged_ten_at_a_time_and_thirty_at_most() {
    let server = TestServer::start();
    let owner = server.user().await;
    let code = owner.shorten(&json!({ "longUrl": "https://example.com/", "isAnalyticsEnabled": true })).await;
    for number in 0..45 {
        server
            .client()
            .get(&format!("/{code}"))
            .header("referer", &format!("https://r{number}.example/"))
            .send()
            .await;
    }
    let first = stats(&owner, &code, "").await;
    assert_eq!(
        (first["stats"].as_array().unwrap().len(), &first["total"], &first["hasNext"]),
        (10, &json!(45), &json!(true))
    );
    assert_eq!(first["stats"][0]["referrer"], "r44.example");
    let last = stats(&owner, &code, "?page=5").await;
    assert_eq!((last["stats"].as_array().unwrap().len(), &last["hasNext"]), (5, &json!(false)));
    assert_eq!((&last["stats"][4]["referrer"], &last["stats"][0]["page"]), (&json!("r0.example"), &json!(5)));
    assert_eq!(stats(&owner, &code, "?page=2&range=30").await["stats"].as_array().unwrap().len(), 15);
    for (query, field) in [
        ("?range=31", "range"),
        ("?range=0", "range"),
        ("?range=x", "range"),
        ("?page=0", "page"),
        ("?page=", "page"),
    ] {
        let answer = owner.get(&format!("/api/v1/url/stats/{code}{query}")).send().await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec![field]), "{query}");
    }
    let stranger = server.user().await;
    for (who, code) in [(&stranger, code.as_str()), (&owner, "missing1")] {
        let answer = who.get(&format!("/api/v1/url/stats/{code}")).send().await;
        assert_eq!((answer.status, answer.json["error"].as_str()), (404, Some("Url not found")));
    }
}

#[tokio::test]
async fn events_are_capped_and_expire() {
    let server = TestServer::start_with(|config| config.shortener.events_per_link = 100);
    let owner = server.user().await;
    let code = owner.shorten(&json!({ "longUrl": "https://example.com/", "isAnalyticsEnabled": true })).await;
    for _ in 0..400 {
        server.client().get(&format!("/{code}")).send().await;
    }
    let mut redis = crate::support::redis_server::connection();
    let events = server.key(&format!("{{link:{code}}}:events"));
    let kept: u64 = redis::cmd("XLEN").arg(&events).query(&mut redis).unwrap();
    assert!((100..=200).contains(&kept), "the newest hundred, rounded up to the stream's node: {kept}");
    let ttl: i64 = redis::cmd("TTL").arg(&events).query(&mut redis).unwrap();
    assert!((89 * 86400..=90 * 86400).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn the_first_page_sums_up_what_reached_the_long_url() {
    let server = behind_proxy(false);
    let owner = server.user().await;
    let links = [
        json!({ "longUrl": "https://example.com/", "isAnalyticsEnabled": true }),
        json!({ "longUrl": "https://example.com/", "isAnalyticsEnabled": true, "protectionMethod": "PASSWORD", "urlPassword": "sesame" }),
    ];
    for link in links {
        let code = owner.shorten(&link).await;
        let visit = |agent: &'static str, referrer: &'static str| {
            let request = server.client().get(&format!("/{code}"));
            request.header("user-agent", agent).header("referer", referrer).send()
        };
        if link["protectionMethod"].is_null() {
            visit(BROWSER, "https://news.example/item").await;
            visit(BROWSER, "https://news.example/other").await;
            visit("Googlebot/2.1 (+http://www.google.com/bot.html)", "").await;
        } else {
            assert_eq!(visit(BROWSER, "").await.status, 401, "what is refused is not summed up");
            let unlock = server.client().post(&format!("/api/v1/url/{code}")).header("user-agent", BROWSER);
            assert_eq!(unlock.json(&json!({ "password": "sesame" })).send().await.status, 200);
        }
        let sums = summed(&owner, &code).await;
        let expected = match link["protectionMethod"].is_null() {
            true => json!([[3], [3], [["news.example", 2], ["", 1]], [["desktop", 2], ["bot", 1]]]),
            false => json!([[1], [1], [["", 1]], [["desktop", 1]]]),
        };
        assert_eq!(sums, expected);
        assert!(stats(&owner, &code, "?page=2").await.get("summary").is_none());
    }
}

/// Clicks by hour, day, referrer and class, as soon as there are any; times are of today.
async fn summed(owner: &Client, code: &str) -> Value {
    for _ in 0..100 {
        let summary = stats(owner, code, "").await["summary"].clone();
        let periods = |name: &str| -> Vec<Value> {
            let list = summary[name].as_array().unwrap();
            let secs = |period: &Value| period["time"].as_str().unwrap().parse::<i64>().unwrap();
            assert!(
                list.iter()
                    .all(|period| (0..90_000).contains(&(chrono::Utc::now().timestamp() - secs(period))))
            );
            list.iter().map(|period| period["clicks"].clone()).collect()
        };
        let named = |name: &str, of: &str| -> Vec<Value> {
            summary[name].as_array().unwrap().iter().map(|one| json!([one[of], one["clicks"]])).collect()
        };
        assert_eq!(summary["otherReferrers"], 0);
        if !periods("days").is_empty() {
            let names = (named("referrers", "referrer"), named("agents", "agent"));
            return json!([periods("hours"), periods("days"), names.0, names.1]);
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("nothing is summed up");
}

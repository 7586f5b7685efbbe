//! `/api/v1/url`: making, fetching, listing, changing and deleting links.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, Client, TestServer};

async fn create(client: &Client, body: Value) -> Answer {
    client.post("/api/v1/url").json(&body).send().await
}

async fn fetch(client: &Client, code: &str) -> Value {
    let answer = client.get(&format!("/api/v1/url/get/{code}")).send().await;
    assert_eq!(
        (answer.status, answer.json["message"].as_str()),
        (200, Some("URL data fetched successfully"))
    );
    answer.json["data"]["url"].clone()
}

async fn location(client: &Client, code: &str) -> String {
    client.get(&format!("/{code}")).send().await.header("location").to_owned()
}

#[tokio::test]
async fn a_guest_shortens_and_the_code_is_unambiguous() {
    let server = TestServer::start();
    let answer = create(&server.client(), json!({ "longUrl": "https://example.com/a?b=c#d" })).await;
    assert_eq!((answer.status, answer.json["message"].as_str()), (201, Some("URL shorted successfully")));
    let data = &answer.json["data"];
    let code = data["urlCode"].as_str().unwrap();
    assert_eq!(data["shortUrl"].as_str().unwrap(), format!("http://{}/{code}", server.address));
    assert_eq!(code.len(), 7);
    assert!(!code.contains(['0', 'O', 'o', '1', 'I', 'l']));
    for (field, value) in [
        ("longUrl", json!("https://example.com/a?b=c#d")),
        ("protectionMethod", json!("NONE")),
        ("isUrlSFW", json!(true)),
        ("isAnalyticsEnabled", json!(false)),
        ("emailNotificationEnable", json!(false)),
        ("totalClicks", json!(0)),
    ] {
        assert_eq!(data[field], value, "{field}");
    }
}

#[tokio::test]
async fn a_guest_cannot_have_analytics_or_mails_and_a_bad_token_is_no_guest() {
    let server = TestServer::start();
    for extra in [json!({ "isAnalyticsEnabled": true }), json!({ "emailNotificationEnable": true })] {
        let mut body = json!({ "longUrl": "https://example.com/" });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        assert_eq!(create(&server.client(), body).await.status, 401);
    }
    let declined = json!({ "longUrl": "https://example.com/", "isAnalyticsEnabled": false, "emailNotificationEnable": null });
    assert_eq!(create(&server.client(), declined).await.status, 201);
    assert_eq!(
        create(&server.client().with_token("garbage"), json!({ "longUrl": "https://example.com/" }))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn every_wrong_field_is_named_and_changes_nothing() {
    let server = TestServer::start();
    let user = server.user().await;
    let url = "https://example.com/";
    let own = format!("http://{}/abc", server.address);
    for (body, field) in [
        (json!({}), "longUrl"),
        (json!({ "longUrl": 7 }), "longUrl"),
        (json!({ "longUrl": null }), "longUrl"),
        (json!({ "longUrl": [url] }), "longUrl"),
        (json!({ "longUrl": "" }), "longUrl"),
        (json!({ "longUrl": "ftp://example.com" }), "longUrl"),
        (json!({ "longUrl": "javascript:alert(1)" }), "longUrl"),
        (json!({ "longUrl": "https://user:pw@example.com/" }), "longUrl"),
        (json!({ "longUrl": "https://example.com/\r\nX: y" }), "longUrl"),
        (json!({ "longUrl": format!("https://example.com/{}", "x".repeat(8200)) }), "longUrl"),
        (json!({ "longUrl": own }), "longUrl"),
        (json!({ "longUrl": url, "protectionMethod": "otp" }), "protectionMethod"),
        (json!({ "longUrl": url, "protectionMethod": "NOPE" }), "protectionMethod"),
        (json!({ "longUrl": url, "protectionMethod": 1 }), "protectionMethod"),
        (json!({ "longUrl": url, "protectionMethod": "PASSWORD" }), "urlPassword"),
        (json!({ "longUrl": url, "protectionMethod": "PASSWORD", "urlPassword": "" }), "urlPassword"),
        (
            json!({ "longUrl": url, "protectionMethod": "PASSWORD", "urlPassword": "x".repeat(129) }),
            "urlPassword",
        ),
        (json!({ "longUrl": url, "protectionMethod": "PASSWORD", "urlPassword": 7 }), "urlPassword"),
        (json!({ "longUrl": url, "urlPassword": "secret" }), "protectionMethod"),
        (json!({ "longUrl": url, "isUrlSFW": "yes" }), "isUrlSFW"),
        (json!({ "longUrl": url, "isAnalyticsEnabled": 1 }), "isAnalyticsEnabled"),
        (json!({ "longUrl": url, "emailNotificationEnable": {} }), "emailNotificationEnable"),
        (json!({ "longUrl": url, "customAlias": "ab" }), "customAlias"),
        (json!({ "longUrl": url, "customAlias": "a b c" }), "customAlias"),
        (json!({ "longUrl": url, "customAlias": "a/b/c" }), "customAlias"),
        (json!({ "longUrl": url, "customAlias": "x".repeat(65) }), "customAlias"),
        (json!({ "longUrl": url, "customAlias": 12345 }), "customAlias"),
        (json!({ "longUrl": url, "customAlias": "api" }), "customAlias"),
        (json!({ "longUrl": url, "customAlias": "HealthZ" }), "customAlias"),
        (json!({ "longUrl": url, "customAlias": "DOCS" }), "customAlias"),
        (json!({ "longUrl": url, "customAlias": "admin" }), "customAlias"),
    ] {
        let answer = create(&user, body.clone()).await;
        assert_eq!(
            (answer.status, answer.json["error"].as_str()),
            (400, Some("Invalid Data")),
            "{body} {answer:?}"
        );
        assert_eq!(answer.fields_at_fault(), [field], "{body} {answer:?}");
    }
    assert_eq!(user.get("/api/v1/url").send().await.json["data"]["total"], 0);
}

#[tokio::test]
async fn links_to_ourselves_are_refused_in_every_notation() {
    let server = TestServer::start_with(|config| {
        config.server.public_url = Some("https://go.example/".parse().unwrap());
        config.server.own_hosts = vec![url::Host::parse("b\u{fc}cher.example").unwrap()];
    });
    let client = server.client();
    for url in [
        "https://go.example/x",
        "http://GO.example:8080/x",
        "https://go.example./x",
        "http://xn--bcher-kva.example/",
        "http://127.0.0.1:1/",
        "http://[::1]/",
        "http://2130706433/",
        "http://localhost:3000/",
    ] {
        assert_eq!(create(&client, json!({ "longUrl": url })).await.fields_at_fault(), ["longUrl"], "{url}");
    }
    let sent_to = client
        .post("/api/v1/url")
        .header("host", "other.example")
        .json(&json!({ "longUrl": "http://other.example/" }))
        .send()
        .await;
    assert_eq!(sent_to.status, 400, "the host the request was sent to is ours too");
    let answer = create(&client, json!({ "longUrl": "https://example.com/" })).await;
    assert!(
        answer.json["data"]["shortUrl"].as_str().unwrap().starts_with("https://go.example/"),
        "never from the Host header"
    );
}

#[tokio::test]
async fn an_alias_has_one_winner_among_many() {
    let server = TestServer::start();
    let users = futures_util::future::join_all((0..20).map(|_| server.user())).await;
    let tries = users
        .iter()
        .map(|user| create(user, json!({ "longUrl": "https://example.com/", "customAlias": "the-prize" })));
    let answers = futures_util::future::join_all(tries).await;
    let winners: Vec<usize> = (0..20).filter(|&index| answers[index].status == 201).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 409).count(), 19);
    for (index, user) in users.iter().enumerate() {
        let total = user.get("/api/v1/url").send().await.json["data"]["total"].clone();
        assert_eq!(total, u64::from(winners.contains(&index)), "losers list nothing");
    }
}

#[tokio::test]
async fn an_alias_asked_for_twice_by_its_owner_stays_listed() {
    let server = TestServer::start();
    let user = server.user().await;
    let body = json!({ "longUrl": "https://example.com/", "customAlias": "mine" });
    assert_eq!(create(&user, body.clone()).await.status, 201);
    assert_eq!(create(&user, body).await.status, 409);
    assert_eq!(user.get("/api/v1/url").send().await.json["data"]["total"], 1);
}

#[tokio::test]
async fn the_owner_fetches_and_nobody_else() {
    let server = TestServer::start();
    let (owner, stranger) = (server.user().await, server.user().await);
    let body = json!({ "longUrl": "https://example.com/", "protectionMethod": "PASSWORD", "urlPassword": "open sesame", "isUrlSFW": false });
    let code = owner.shorten(&body).await;
    let link = fetch(&owner, &code).await;
    assert_eq!(link["longUrl"], "https://example.com/");
    assert_eq!(link["protectionMethod"], "PASSWORD");
    assert_eq!(link["isUrlSFW"], false);
    assert!(link["protectedPassword"].as_str().unwrap().chars().all(|c| c == '*'), "a mask");
    for path in [
        format!("/api/v1/url/get/{code}"),
        "/api/v1/url/get/missing1".to_owned(),
        "/api/v1/url/get/no".to_owned(),
    ] {
        let answer = stranger.get(&path).send().await;
        assert_eq!((answer.status, answer.json["error"].as_str()), (404, Some("URL code does not exists")));
    }
    assert_eq!(server.client().get(&format!("/api/v1/url/get/{code}")).send().await.status, 401);
    let guest = server.client().shorten(&json!({ "longUrl": "https://example.com/" })).await;
    assert_eq!(
        stranger.get(&format!("/api/v1/url/get/{guest}")).send().await.status,
        404,
        "a guest's link is nobody's"
    );
}

#[tokio::test]
async fn no_password_is_stored_or_shown_in_the_clear() {
    let server = TestServer::start();
    let owner = server.user().await;
    let code = owner.shorten(&json!({ "longUrl": "https://example.com/", "protectionMethod": "PASSWORD", "urlPassword": "open sesame" })).await;
    let mut redis = crate::support::redis_server::connection();
    let stored: Vec<String> =
        redis::cmd("HGETALL").arg(server.key(&format!("{{link:{code}}}"))).query(&mut redis).unwrap();
    assert!(stored.iter().any(|value| value.starts_with("$argon2id$")), "{stored:?}");
    assert!(!stored.iter().any(|value| value.contains("sesame")), "{stored:?}");
}

#[tokio::test]
async fn changes_hold_for_the_very_next_request_here_and_in_a_quarter_of_a_second_elsewhere() {
    let server = TestServer::start();
    let other_node = TestServer::start_with(|config| config.redis.key_prefix = server.prefix.clone());
    let owner = server.user().await;
    let elsewhere = other_node.client();
    let code = owner.shorten(&json!({ "longUrl": "https://example.com/1" })).await;
    let path = format!("/api/v1/url/{code}");
    for round in 0..50 {
        let target = format!("https://example.com/{round}");
        let answer = owner.patch(&path).json(&json!({ "newLongUrl": target })).send().await;
        assert_eq!(
            (answer.status, answer.json["message"].as_str()),
            (200, Some("Data updated successfully"))
        );
        assert_eq!(answer.json["data"]["url"]["longUrl"], target);
        assert_eq!(location(&owner, &code).await, target);
        within_bound(async || location(&elsewhere, &code).await == target).await;
    }
    let short = format!("/{code}");
    let status = async |status: u16| elsewhere.get(&short).send().await.status == status;
    let protect = json!({ "newProtectionMethod": "PASSWORD", "newPassword": "sesame" });
    assert_eq!(owner.patch(&path).json(&protect).send().await.status, 200);
    assert_eq!(owner.get(&short).send().await.status, 401);
    within_bound(async || status(401).await).await;
    assert_eq!(owner.patch(&path).json(&json!({ "newProtectionMethod": "NONE" })).send().await.status, 200);
    assert_eq!(elsewhere.get(&short).send().await.status, 302, "protected links are not remembered");
    let answer = owner.delete(&path).send().await;
    assert_eq!((answer.status, answer.json["message"].as_str()), (200, Some("URL deleted successfully")));
    assert_eq!(owner.get(&short).send().await.status, 404);
    within_bound(async || status(404).await).await;
}

/// How long another node may answer as if a link had not changed.
const STALENESS_BOUND: Duration = Duration::from_millis(250);

async fn within_bound(holds: impl AsyncFn() -> bool) {
    let changed = Instant::now();
    loop {
        let asked = changed.elapsed();
        if holds().await {
            return;
        }
        assert!(asked < STALENESS_BOUND, "still the old state after {asked:?}");
    }
}

#[tokio::test]
async fn wrong_changes_are_named_and_change_nothing() {
    let server = TestServer::start();
    let (owner, stranger) = (server.user().await, server.user().await);
    let code = owner.shorten(&json!({ "longUrl": "https://example.com/" })).await;
    let path = format!("/api/v1/url/{code}");
    let before = fetch(&owner, &code).await;
    for (body, field) in [
        (json!({}), ""),
        (json!({ "unknown": 1 }), ""),
        (json!({ "newLongUrl": "nonsense" }), "newLongUrl"),
        (json!({ "newLongUrl": 1 }), "newLongUrl"),
        (json!({ "newProtectionMethod": "CODE" }), "newProtectionMethod"),
        (json!({ "newProtectionMethod": "PASSWORD" }), "newPassword"),
        (json!({ "newProtectionMethod": "NONE", "newPassword": "x" }), "newProtectionMethod"),
        (json!({ "newPassword": "sesame" }), "newProtectionMethod"),
        (json!({ "newPassword": "" }), "newPassword"),
        (json!({ "newIsUrlSFW": "true" }), "newIsUrlSFW"),
        (json!({ "newIsAnalyticsEnabled": 0 }), "newIsAnalyticsEnabled"),
        (json!({ "newEmailNotificationEnable": [] }), "newEmailNotificationEnable"),
    ] {
        let answer = owner.patch(&path).json(&body).send().await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec![field]), "{body} {answer:?}");
    }
    assert_eq!(fetch(&owner, &code).await, before);
    let change = json!({ "newLongUrl": "https://evil.example/" });
    for (who, path) in [(&stranger, path.as_str()), (&owner, "/api/v1/url/missing1")] {
        assert_eq!(who.patch(path).json(&change).send().await.status, 404);
        assert_eq!(who.delete(path).send().await.status, 404);
    }
    assert_eq!(server.client().patch(&path).json(&change).send().await.status, 401);
    assert_eq!(server.client().delete(&path).send().await.status, 401);
    assert_eq!(location(&owner, &code).await, "https://example.com/");
}

#[tokio::test]
async fn switches_can_be_turned_on_and_off() {
    let server = TestServer::start();
    let owner = server.user().await;
    let code = owner.shorten(&json!({ "longUrl": "https://example.com/" })).await;
    for on in [true, false] {
        let body =
            json!({ "newIsUrlSFW": on, "newIsAnalyticsEnabled": on, "newEmailNotificationEnable": on });
        assert_eq!(owner.patch(&format!("/api/v1/url/{code}")).json(&body).send().await.status, 200);
        let link = fetch(&owner, &code).await;
        assert_eq!(
            (&link["isUrlSFW"], &link["isAnalyticsEnabled"], &link["emailNotificationEnable"]),
            (&json!(on), &json!(on), &json!(on))
        );
    }
}

#[tokio::test]
async fn a_deleted_alias_is_free_for_its_owner_alone() {
    let server = TestServer::start();
    let (owner, stranger) = (server.user().await, server.user().await);
    let body = json!({ "longUrl": "https://example.com/", "customAlias": "printed" });
    owner.shorten(&body).await;
    assert_eq!(owner.delete("/api/v1/url/printed").send().await.status, 200);
    assert_eq!(owner.get("/printed").send().await.status, 404);
    assert_eq!(owner.get("/api/v1/url").send().await.json["data"]["total"], 0);
    assert_eq!(create(&stranger, body.clone()).await.status, 409);
    assert_eq!(create(&server.client(), body.clone()).await.status, 409);
    owner.shorten(&body).await;
    assert_eq!(owner.get("/printed").send().await.status, 302);
}

#[tokio::test]
async fn ones_own_links_are_paged_newest_first_and_searched() {
    let server = TestServer::start();
    let (owner, stranger) = (server.user().await, server.user().await);
    for number in 0..25 {
        owner.shorten(&json!({ "longUrl": format!("https://example.com/Page-{number}"), "customAlias": format!("alias-{number}") })).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    stranger.shorten(&json!({ "longUrl": "https://example.com/page-of-a-stranger" })).await;
    let page = |query: &str| {
        let path = format!("/api/v1/url{query}");
        let owner = owner.clone();
        async move { owner.get(&path).send().await.json["data"].clone() }
    };
    let codes = |data: &Value| {
        data["urls"]
            .as_array()
            .unwrap()
            .iter()
            .map(|link| link["urlCode"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let first = page("").await;
    assert_eq!((codes(&first).len(), &first["total"], &first["hasNext"]), (20, &json!(25), &json!(true)));
    assert_eq!(codes(&first)[0], "alias-24");
    let second = page("?page=2").await;
    assert_eq!((codes(&second).len(), &second["hasNext"]), (5, &json!(false)));
    assert_eq!(codes(&second)[4], "alias-0");
    assert_eq!(codes(&page("?page=3&limit=10").await).len(), 5);
    assert!(codes(&page("?page=1000000&limit=100").await).is_empty());

    let found = page("?search=pAGE-1").await;
    assert_eq!((&found["total"], &found["complete"]), (&json!(11), &json!(true)));
    assert_eq!(codes(&page("?search=alias-7").await), ["alias-7"]);
    assert_eq!(codes(&page("?search=page-1&limit=5&page=3").await).len(), 1);
    assert!(codes(&page("?search=stranger").await).is_empty());
    for (query, field) in [
        ("?page=0", "page"),
        ("?page=x", "page"),
        ("?page=-1", "page"),
        ("?limit=101", "limit"),
        ("?limit=", "limit"),
        ("?page=99999999999999999999", "page"),
    ] {
        let answer = owner.get(&format!("/api/v1/url{query}")).send().await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec![field]), "{query}");
    }
    assert_eq!(owner.get("/api/v1/url?page=1&page=2").send().await.status, 400);
    assert_eq!(server.client().get("/api/v1/url").send().await.status, 401);
}

#[tokio::test]
async fn an_account_has_a_bounded_number_of_links() {
    let server = TestServer::start_with(|config| config.shortener.max_links_per_user = 2);
    let user = server.user().await;
    for _ in 0..2 {
        user.shorten(&json!({ "longUrl": "https://example.com/" })).await;
    }
    assert_eq!(create(&user, json!({ "longUrl": "https://example.com/" })).await.status, 403);
}

#[tokio::test]
async fn the_api_twin_of_the_short_link_redirects_or_says_how_it_is_protected() {
    let server = TestServer::start();
    let client = server.client();
    let open = client.shorten(&json!({ "longUrl": "https://example.com/open" })).await;
    let answer = client.get(&format!("/api/v1/url/{open}")).send().await;
    assert_eq!((answer.status, answer.header("location")), (302, "https://example.com/open"));
    assert_eq!(answer.json["message"], "Redirecting user to original URL");
    let closed = client.shorten(&json!({ "longUrl": "https://example.com/closed", "protectionMethod": "PASSWORD", "urlPassword": "sesame" })).await;
    let answer = client.get(&format!("/api/v1/url/{closed}")).send().await;
    assert_eq!((answer.status, answer.json["message"].as_str()), (200, Some("Protected URL")));
    assert_eq!(answer.json["data"], json!({ "protectionMethod": "PASSWORD" }));
    assert!(!answer.text.contains("example.com"), "the target stays hidden");
    let answer = client.get("/api/v1/url/missing1").send().await;
    assert_eq!((answer.status, answer.json["error"].as_str()), (404, Some("URL code does not exists")));
}

#[tokio::test]
async fn the_password_opens_a_protected_link() {
    let server = TestServer::start();
    let owner = server.user().await;
    let code = owner.shorten(&json!({ "longUrl": "https://example.com/closed", "protectionMethod": "PASSWORD", "urlPassword": "sesame" })).await;
    let path = format!("/api/v1/url/{code}");
    let answer = owner.post(&path).json(&json!({ "password": "wrong" })).send().await;
    assert_eq!((answer.status, answer.json["error"].as_str()), (401, Some("Password is incorrect")));
    let answer = owner.post(&path).json(&json!({ "password": "sesame" })).send().await;
    assert_eq!(
        (answer.status, answer.json["message"].as_str()),
        (200, Some("Long URL fetched successfully"))
    );
    assert_eq!(answer.json["data"], json!({ "url": "https://example.com/closed" }));
    for body in [json!({}), json!({ "password": 1 })] {
        let answer = owner.post(&path).json(&body).send().await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["password"]), "{body}");
    }
    assert_eq!(owner.post("/api/v1/url/missing1").json(&json!({ "password": "x" })).send().await.status, 404);
    let link = fetch(&owner, &code).await;
    assert_eq!((&link["totalClicks"], &link["totalSuccessClicks"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn guesses_at_a_link_wait_longer_and_longer() {
    let server = TestServer::start();
    let client = server.client();
    let code = client.shorten(&json!({ "longUrl": "https://example.com/", "protectionMethod": "PASSWORD", "urlPassword": "sesame" })).await;
    let path = format!("/api/v1/url/{code}");
    let wrong = json!({ "password": "wrong" });
    let tries = futures_util::future::join_all((0..50).map(|_| client.post(&path).json(&wrong).send())).await;
    assert_eq!(
        tries.iter().filter(|answer| answer.status == 401).count(),
        6,
        "five are free, the sixth starts the wait"
    );
    let waiting: Vec<&Answer> = tries.iter().filter(|answer| answer.status == 429).collect();
    assert_eq!(waiting.len(), 44);
    assert!(waiting.iter().all(|answer| answer.header("retry-after") == "1"));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(
        client.post(&path).json(&json!({ "password": "sesame" })).send().await.status,
        200,
        "never locked"
    );
}

#[tokio::test]
async fn no_race_of_making_and_deleting_hides_a_live_link() {
    let server = TestServer::start_with(|config| config.server.workers = 2);
    let user = server.user().await;
    for round in 0..60 {
        let alias = format!("alias-{round}");
        let body = json!({ "longUrl": "https://example.com/", "customAlias": alias });
        if round % 2 == 0 {
            create(&user, body.clone()).await;
        }
        let path = format!("/api/v1/url/{alias}");
        let (delete, makes) = futures_util::future::join(
            user.delete(&path).send(),
            futures_util::future::join_all((0..4).map(|_| create(&user, body.clone()))),
        )
        .await;
        assert!(
            matches!(delete.status, 200 | 404) && makes.iter().all(|make| matches!(make.status, 201 | 409))
        );
        let lives = user.get(&format!("/api/v1/url/get/{alias}")).send().await.status == 200;
        let listed = user.get(&format!("/api/v1/url?search={alias}")).send().await;
        let listed = listed.json["data"]["urls"]
            .as_array()
            .unwrap()
            .iter()
            .any(|link| link["urlCode"] == alias.as_str());
        assert_eq!(lives, listed, "round {round}");
    }
}

#[tokio::test]
async fn listings_that_a_crash_left_behind_are_dropped() {
    let server = TestServer::start();
    let user = server.user().await;
    user.shorten(&json!({ "longUrl": "https://example.com/" })).await;
    let me = user.get("/api/v1/auth/me").send().await.json["data"]["id"].as_str().unwrap().to_owned();
    let mut redis = crate::support::redis_server::connection();
    let links = server.key(&format!("{{user:{me}}}:links"));
    redis::cmd("ZADD").arg(&links).arg(&["1700000000000000", "orphan1"]).query::<u8>(&mut redis).unwrap();
    let page = user.get("/api/v1/url").send().await.json["data"].clone();
    assert_eq!(page["urls"].as_array().unwrap().len(), 1);
    assert_eq!(user.get("/api/v1/url").send().await.json["data"]["total"], 1);
}

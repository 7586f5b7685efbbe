//! `/{code}`: the short link itself.

use serde_json::{Value, json};

use crate::support::{Client, TestServer};

const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn counts(owner: &Client, code: &str) -> (Value, Value) {
    let link = owner.get(&format!("/api/v1/url/get/{code}")).send().await.json["data"]["url"].clone();
    (link["totalClicks"].clone(), link["totalSuccessClicks"].clone())
}

async fn protected(owner: &Client) -> String {
    owner.shorten(&json!({ "longUrl": "https://example.com/closed", "protectionMethod": "PASSWORD", "urlPassword": "sesame" })).await
}

#[tokio::test]
async fn an_open_link_redirects_and_is_never_cached() {
    let server = TestServer::start();
    let client = server.client();
    let code = client.shorten(&json!({ "longUrl": "https://example.com/a" })).await;
    for method in [reqwest::Method::GET, reqwest::Method::HEAD] {
        let answer = client.request(method, &format!("/{code}")).send().await;
        assert_eq!((answer.status, answer.header("location")), (302, "https://example.com/a"));
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("referrer-policy"), "strict-origin-when-cross-origin");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.text, "");
    }
}

#[tokio::test]
async fn the_location_is_what_the_user_sent_byte_for_byte() {
    let server = TestServer::start();
    let client = server.client();
    for url in [
        "HTTPS://Example.COM:443/a/../b/./c?x=%zz&y=1#Frag",
        "http://example.com",
        "https://example.com/\u{fc}\u{1f980}?q=\u{e9}",
        "https://b\u{fc}cher.example/?q='\"<>|",
    ] {
        let code = client.shorten(&json!({ "longUrl": url })).await;
        let answer = client.get(&format!("/{code}?utm=1&to=https://evil.example")).send().await;
        assert_eq!(answer.status, 302);
        assert_eq!(answer.headers["location"].as_bytes(), url.as_bytes(), "the query changes nothing either");
    }
}

#[tokio::test]
async fn every_answered_redirect_is_counted_once() {
    let server = TestServer::start_with(|config| config.server.workers = 2);
    let owner = server.user().await;
    let code = owner.shorten(&json!({ "longUrl": "https://example.com/" })).await;
    let client = server.client();
    let path = format!("/{code}");
    for _ in 0..10 {
        let visits = futures_util::future::join_all((0..100).map(|_| client.get(&path).send())).await;
        assert!(visits.iter().all(|answer| answer.status == 302));
    }
    assert_eq!(counts(&owner, &code).await, (json!(1000), json!(1000)));
    client.get(&format!("/api/v1/url/{code}")).send().await;
    client.request(reqwest::Method::HEAD, &path).send().await;
    assert_eq!(counts(&owner, &code).await, (json!(1002), json!(1002)));
}

#[tokio::test]
async fn unknown_codes_are_404_as_a_page_or_as_data() {
    let server = TestServer::start();
    let client = server.client();
    for path in ["/missing1", "/ab", "/abc%20def", "/%00", "/..%2f..%2fetc", "/\u{fc}ber"] {
        let page = client.get(path).header("accept", HTML).send().await;
        assert_eq!(page.status, 404, "{path}");
        assert!(page.header("content-type").starts_with("text/html"), "{path} {page:?}");
        let data = client.get(path).header("accept", "application/json").send().await;
        assert_eq!(
            (data.status, data.json["error"].as_str()),
            (404, Some("URL code does not exists")),
            "{path}"
        );
        assert_eq!(data.json["success"], false);
    }
    assert_eq!(client.get("/some/deeper/path").send().await.status, 404);
}

#[tokio::test]
async fn a_protected_link_shows_its_page_to_a_browser_and_its_method_to_a_program() {
    let server = TestServer::start();
    let owner = server.user().await;
    let code = protected(&owner).await;
    let client = server.client();
    let page = client.get(&format!("/{code}")).header("accept", HTML).send().await;
    assert_eq!(page.status, 401);
    assert!(page.text.contains(&format!("<form method=\"post\" action=\"/{code}\">")), "{}", page.text);
    assert_eq!(page.text.matches("<script").count(), page.text.matches("<script src=\"/assets/").count());
    assert!(!page.text.contains("example.com"));
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert!(
        !page.header("content-security-policy").contains("form-action"),
        "it would stop the 303 to the target"
    );
    let data = client.get(&format!("/{code}")).header("accept", "application/json").send().await;
    assert_eq!((data.status, data.json["error"].as_str()), (401, Some("This URL is protected")));
    assert_eq!(data.json["details"], json!({ "protectionMethod": "PASSWORD" }));
    for agent in ["facebookexternalhit/1.1", "Googlebot/2.1"] {
        let answer = client.get(&format!("/{code}")).header("user-agent", agent).send().await;
        assert_eq!((answer.status, answer.header("location")), (401, ""));
        assert!(!answer.text.contains("example.com"));
    }
    let head = client.request(reqwest::Method::HEAD, &format!("/{code}")).send().await;
    assert_eq!((head.status, head.header("location")), (401, ""));
    assert_eq!(counts(&owner, &code).await, (json!(5), json!(0)));
}

#[tokio::test]
async fn the_page_opens_the_link_without_a_script() {
    let server = TestServer::start();
    let owner = server.user().await;
    let code = protected(&owner).await;
    let client = server.client();
    let path = format!("/{code}");
    let wrong = client.post(&path).header("accept", HTML).form(&[("password", "<b>wrong</b>")]).send().await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.text.contains("role=\"alert\"") && !wrong.text.contains("<b>wrong"), "{}", wrong.text);
    let wrong =
        client.post(&path).header("accept", "application/json").form(&[("password", "wrong")]).send().await;
    assert_eq!((wrong.status, wrong.json["error"].as_str()), (401, Some("Password is incorrect")));
    let right = client.post(&path).header("accept", HTML).form(&[("password", "sesame")]).send().await;
    assert_eq!((right.status, right.header("location")), (303, "https://example.com/closed"));
    assert_eq!(right.header("cache-control"), "no-store");
    assert_eq!(counts(&owner, &code).await, (json!(3), json!(1)));

    let nothing = client.post(&path).form(&[("other", "x")]).send().await;
    assert_eq!((nothing.status, nothing.fields_at_fault()), (400, vec!["password"]), "{nothing:?}");
    assert_eq!(client.post(&path).json(&json!({ "password": "sesame" })).send().await.status, 415);
    assert_eq!(client.post("/missing1").form(&[("password", "x")]).send().await.status, 404);
}

#[tokio::test]
async fn a_password_changed_while_it_is_compared_does_not_open() {
    let server = TestServer::start_with(|config| {
        config.auth.argon2_memory_kib = 65536;
        config.auth.argon2_iterations = 3;
    });
    let owner = server.user().await;
    let code = protected(&owner).await;
    let client = server.client();
    let mut redis = crate::support::redis_server::connection();
    let path = format!("/api/v1/url/{code}");
    let unlock = tokio::spawn({
        let request = client.post(&path).json(&json!({ "password": "sesame" }));
        async move { request.send().await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(40)).await;
    // As another node would: the argon2 hash of "other" with small parameters.
    let other =
        "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    redis::cmd("HSET")
        .arg(server.key(&format!("{{link:{code}}}")))
        .arg("h")
        .arg(other)
        .query::<u8>(&mut redis)
        .unwrap();
    assert_eq!(unlock.await.unwrap().status, 401, "settled against the new password");
}

#[tokio::test]
async fn a_grant_opens_nothing_but_links_that_have_a_use_for_one() {
    let server = TestServer::start();
    let (owner, client) = (server.user().await, server.client());
    let spicy = owner.shorten(&json!({ "longUrl": "https://example.com/", "isUrlSFW": false })).await;
    for path in [format!("/{spicy}"), format!("/{spicy}?grant=x"), format!("/{spicy}?a=b&grant=")] {
        let page = client.get(&path).header("accept", HTML).send().await;
        assert_eq!((page.status, page.headers.contains_key("location")), (200, false), "{path}");
    }
    assert_eq!(counts(&owner, &spicy).await, (json!(3), json!(0)));
    let data = client.get(&format!("/{spicy}?grant=x")).header("accept", "application/json").send().await;
    assert_eq!(data.status, 302);

    let closed = protected(&owner).await;
    let page = client.get(&format!("/{closed}?grant=x")).header("accept", HTML).send().await;
    assert_eq!(page.status, 401);
    assert!(!page.text.contains("personal link"), "{}", page.text);
    assert!(page.text.contains("name=\"password\""), "{}", page.text);
    assert_eq!(counts(&owner, &closed).await, (json!(1), json!(0)));
    assert_eq!(client.get("/missing1?grant=x").send().await.status, 404);
}

#[tokio::test]
async fn grants_in_links_are_tries_like_any_others() {
    let server = TestServer::start_with(|config| {
        config.rate_limits.enabled = true;
        config.rate_limits.unlock.requests = 3;
    });
    let (owner, client) = (server.user().await, server.client());
    let approve =
        owner.shorten(&json!({ "longUrl": "https://example.com/", "protectionMethod": "APPROVE" })).await;
    let open = owner.shorten(&json!({ "longUrl": "https://example.com/" })).await;
    for status in [401, 401, 401, 429] {
        assert_eq!(client.get(&format!("/{approve}?grant=x")).send().await.status, status);
    }
    assert_eq!(client.get(&format!("/{approve}")).send().await.status, 401);
    assert_eq!(client.get(&format!("/{open}?grant=x")).send().await.status, 302);
}

#[tokio::test]
async fn a_password_that_comes_too_soon_is_an_attempt_too() {
    let server = TestServer::start_with(|config| config.shortener.visitor_guesses.free = 2);
    let (owner, client) = (server.user().await, server.client());
    let body = json!({ "longUrl": "https://example.com/", "protectionMethod": "PASSWORD", "urlPassword": "sesame",
        "isAnalyticsEnabled": true });
    let code = owner.shorten(&body).await;
    let path = format!("/api/v1/url/{code}");
    for status in [401, 401, 401, 429, 429] {
        assert_eq!(client.post(&path).json(&json!({ "password": "wrong" })).send().await.status, status);
    }
    assert_eq!(counts(&owner, &code).await, (json!(5), json!(0)));
    let stats = owner.get(&format!("/api/v1/url/stats/{code}")).send().await;
    assert_eq!(stats.json["data"]["stats"].as_array().unwrap().len(), 3, "those that were looked at");
}

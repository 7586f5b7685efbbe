//! `/`, what pages load, and the page in front of a protected link, as far as HTTP goes.

use ayrene::config::Quota;
use serde_json::json;

use crate::support::{Answer, TestServer};

pub const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A page with a policy that lets in nothing from elsewhere.
pub fn is_page(answer: &Answer) {
    assert!(answer.header("content-type").starts_with("text/html"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.text.contains("<script"), policy.contains("script-src 'self'"), "{policy}");
    assert!(!answer.text.contains("style=") && !answer.text.contains("onclick"), "{}", answer.text);
}

/// What stands between two pieces of a text.
fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let start = text.find(before).unwrap_or_else(|| panic!("no {before} in {text}")) + before.len();
    &text[start..start + text[start..].find(after).unwrap()]
}

#[tokio::test]
async fn the_start_page_is_for_browsers_and_programs_are_led_to_the_description() {
    let server = TestServer::start();
    let client = server.client();
    let page = client.get("/").header("accept", HTML).send().await;
    assert_eq!(page.status, 200);
    is_page(&page);
    assert!(page.header("content-security-policy").contains("form-action 'self'"));
    assert!(!page.text.contains("noindex"), "it may be found");
    for accept in ["*/*", "application/json"] {
        let data = client.get("/").header("accept", accept).send().await;
        assert_eq!((data.status, data.header("location")), (303, "/docs/"));
    }
    let head = client.request(reqwest::Method::HEAD, "/").header("accept", HTML).send().await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

#[tokio::test]
async fn the_form_makes_a_guests_link() {
    let server = TestServer::start();
    let client = server.client();
    let page =
        client.post("/").header("accept", HTML).form(&[("longUrl", " example.com/a?b=c ")]).send().await;
    assert_eq!(page.status, 201, "{page:?}");
    is_page(&page);
    let short = between(&page.text, "id=\"short\" href=\"", "\"");
    let path = &short[short.rfind('/').unwrap()..];
    let visit = client.get(path).send().await;
    assert_eq!((visit.status, visit.header("location")), (302, "https://example.com/a?b=c"));

    let fields = [("longUrl", "https://example.com/"), ("customAlias", "spring"), ("urlPassword", "sesame")];
    let data = client.post("/").form(&fields).send().await;
    assert_eq!((data.status, &data.json["data"]["urlCode"]), (201, &json!("spring")), "{data:?}");
    assert_eq!(data.json["data"]["protectionMethod"], "PASSWORD");
    let opened = client.post("/spring").form(&[("password", "sesame")]).send().await;
    assert_eq!((opened.status, opened.header("location")), (303, "https://example.com/"));
}

#[tokio::test]
async fn what_is_wrong_stands_beside_its_field_and_nothing_typed_becomes_markup() {
    let server = TestServer::start();
    let client = server.client();
    client.shorten(&json!({ "longUrl": "https://example.com/", "customAlias": "spring" })).await;
    let evil = "\"><script>alert(1)</script>";
    for (fields, status, field, said) in [
        (vec![("longUrl", "")], 400, "longUrl", "This must begin with http:// or https:// and a host."),
        (vec![("longUrl", evil)], 400, "longUrl", "This "),
        (vec![("longUrl", "javascript:alert(1)")], 400, "longUrl", "This is not a valid URL."),
        (vec![("longUrl", "example.com"), ("customAlias", evil)], 400, "customAlias", "This must be 3 to 64"),
        (vec![("longUrl", "example.com"), ("customAlias", "Metrics")], 400, "customAlias", "This "),
        (vec![("longUrl", "example.com"), ("customAlias", "spring")], 409, "customAlias", "This is taken."),
        (
            vec![("longUrl", "example.com"), ("urlPassword", &"x".repeat(129))],
            400,
            "urlPassword",
            "This must be 1",
        ),
    ] {
        let page = client.post("/").header("accept", HTML).form(&fields).send().await;
        assert_eq!(page.status, status, "{fields:?}");
        is_page(&page);
        let problem = between(&page.text, &format!("id=\"{field}-problem\""), "</p>");
        assert!(problem.contains(said), "{fields:?}: {problem}");
        assert!(page.text.contains(&format!("aria-describedby=\"{field}-problem\"")), "{}", page.text);
        assert!(!page.text.contains("<script>"), "{}", page.text);
        let data = client.post("/").header("accept", "application/json").form(&fields).send().await;
        assert_eq!((data.status, data.fields_at_fault()), (status, vec![field]), "{fields:?}");
    }
    let none = client.post("/").form(&[("other", "x")]).send().await;
    assert_eq!((none.status, none.fields_at_fault()), (400, vec!["longUrl"]));
}

#[tokio::test]
async fn a_guests_limit_counts_on_the_page_and_is_said_in_words() {
    let server = TestServer::start_with(|config| {
        config.rate_limits.enabled = true;
        config.rate_limits.shorten_guest = Quota { requests: 1, per_secs: 600 };
    });
    let client = server.client();
    client.shorten(&json!({ "longUrl": "https://example.com/" })).await;
    let page = client.post("/").header("accept", HTML).form(&[("longUrl", "example.com")]).send().await;
    assert_eq!(page.status, 429);
    is_page(&page);
    assert!((540..=600).contains(&page.header("retry-after").parse::<u64>().unwrap()));
    assert!(page.text.contains("Please try again in 10 minutes."), "{}", page.text);
}

#[tokio::test]
async fn what_pages_load_is_kept_by_its_version() {
    let server = TestServer::start();
    let client = server.client();
    let page = client.get("/").header("accept", HTML).send().await.text;
    for (before, kind) in [
        ("rel=\"stylesheet\" href=\"", "text/css"),
        ("<script src=\"", "text/javascript"),
        ("type=\"image/svg+xml\" href=\"", "image/svg+xml"),
    ] {
        let url = between(&page, before, "\"");
        let asset = client.get(url).send().await;
        assert_eq!(asset.status, 200, "{url}");
        assert!(asset.header("content-type").starts_with(kind), "{asset:?}");
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
        let tag = asset.header("etag");
        let known = client.get(url).header("if-none-match", tag).send().await;
        assert_eq!((known.status, known.header("etag"), known.text.as_str()), (304, tag, ""));
        let (path, _) = url.split_once('?').unwrap();
        for other in [path.to_owned(), format!("{path}?v=another")] {
            let asset = client.get(&other).send().await;
            assert_eq!((asset.status, asset.header("cache-control")), (200, "no-cache"), "{other}");
        }
    }
    let icon = client.get("/favicon.ico").send().await;
    assert_eq!((icon.status, icon.header("content-type")), (200, "image/svg+xml"));
}

#[tokio::test]
async fn the_page_of_a_link_asks_for_what_its_protection_takes() {
    let server = TestServer::start_with(|config| config.shortener.code_mails.free = 0);
    let owner = server.user().await;
    let client = server.client();
    let link =
        |protection: &str| json!({ "longUrl": "https://example.com/", "protectionMethod": protection });
    let otp = format!("/{}", owner.shorten(&link("OTP")).await);
    let approve = format!("/{}", owner.shorten(&link("APPROVE")).await);
    let post = async |path: &str, fields: &[(&str, &str)]| {
        let answer = client.post(path).header("accept", HTML).form(fields).send().await;
        if answer.status != 303 {
            is_page(&answer);
            assert!(!answer.text.contains("example.com/\""), "the target is nobody's yet: {}", answer.text);
        }
        answer
    };
    let email = ("email", "eve@example.org");
    let sent = post(&otp, &[email]).await;
    assert!(sent.status == 200 && sent.text.contains("name=\"OTP\""), "{sent:?}");
    let wait = post(&otp, &[email]).await;
    assert!(wait.status == 429 && wait.text.contains("id=\"email-problem\""), "{wait:?}");
    assert!(wait.header("retry-after").parse::<u64>().unwrap() > 0);
    let again = post(&otp, &[email, ("again", "yes")]).await;
    assert!(again.status == 429 && again.text.contains("id=\"OTP-problem\""), "{again:?}");
    let wrong = post(&otp, &[email, ("OTP", "1 2 3")]).await;
    assert!(wrong.status == 401 && wrong.text.contains("id=\"OTP-problem\""), "{wrong:?}");
    for fields in [vec![("email", "nobody")], vec![("email", "nobody"), ("OTP", "123456")]] {
        let nowhere = post(&otp, &fields).await;
        assert!(nowhere.status == 400 && nowhere.text.contains("id=\"email-problem\""), "{nowhere:?}");
    }
    let long = "x".repeat(1001);
    let asked = post(&approve, &[email, ("reason", &long)]).await;
    assert!(asked.status == 400 && asked.text.contains("id=\"reason-problem\""), "{asked:?}");
    assert_eq!(post(&approve, &[email, ("reason", "")]).await.status, 202);
    let grant = post(&approve, &[("grant", "none")]).await;
    assert!(grant.status == 401 && grant.text.contains("invalid or has expired"), "{grant:?}");

    // Another protection than the form's: the page of that.
    let other = post(&approve, &[("password", "sesame")]).await;
    assert!(other.status == 401 && other.text.contains("Ask for access"), "{other:?}");
    for (path, fields) in [(&approve, vec![email]), (&otp, vec![email, ("reason", "")])] {
        let other = post(path, &fields).await;
        assert_eq!((other.status, other.header("location")), (303, path.as_str()));
    }
    let data = client.post(&otp).form(&[email, ("OTP", "000000")]).send().await;
    assert_eq!((data.status, data.json["error"].as_str()), (401, Some("OTP is incorrect")));
}

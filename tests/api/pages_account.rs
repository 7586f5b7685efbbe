//! `/reset-password`, `/verify-email`, `/forgot-password`, `/account-recovered`: the pages that mails lead to.

use std::collections::BTreeSet;

use serde_json::json;

use crate::pages::{HTML, is_page};
use crate::support::TestServer;
use crate::support::server::PASSWORD;

#[tokio::test]
async fn opening_a_page_uses_nothing_up_and_shows_the_token_in_its_form_alone() {
    let server = TestServer::start();
    let client = server.client();
    client.register("ada@example.com").await;
    client.post("/forgot-password").form(&[("email", "ada@example.com")]).send().await;
    for (mail, path) in
        [("Reset your password", "/reset-password"), ("Confirm your e-mail address", "/verify-email")]
    {
        let link = server.mail_to("ada@example.com", mail).await.path();
        let token = link.split_once("token=").unwrap().1.to_owned();
        for method in [reqwest::Method::GET, reqwest::Method::HEAD, reqwest::Method::GET] {
            let page = client.request(method.clone(), &link).header("accept", HTML).send().await;
            assert_eq!(page.status, 200);
            if method == reqwest::Method::GET {
                is_page(&page);
                assert!(page.header("content-security-policy").contains("form-action 'self'"));
                assert_eq!(page.text.matches(&token).count(), 1, "{}", page.text);
                assert!(page.text.contains(&format!("type=\"hidden\" name=\"token\" value=\"{token}\"")));
            }
        }
        let query = url::form_urlencoded::parse(link.split_once('?').unwrap().1.as_bytes()).into_owned();
        let mut fields: Vec<(String, String)> = query.collect();
        fields.push(("newPassword".to_owned(), "quiet lamp 44 orchard".to_owned()));
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let done = client.post(path).header("accept", HTML).form(&fields).send().await;
        assert_eq!(done.status, 200, "{done:?}");
        let again = client.post(path).header("accept", HTML).form(&fields).send().await;
        assert_eq!(again.status, 401, "it works once");
        is_page(&again);
        assert!(again.text.contains("This link does not work any more"), "{}", again.text);
    }
}

#[tokio::test]
async fn a_link_that_is_not_whole_or_made_up_says_so() {
    let server = TestServer::start();
    let client = server.client();
    for path in ["/reset-password", "/verify-email"] {
        for query in ["", "?tokenId=a", "?token=b"] {
            let page = client.get(&format!("{path}{query}")).header("accept", HTML).send().await;
            assert_eq!(page.status, 400, "{path}{query}");
            is_page(&page);
        }
        let page = client.get(&format!("{path}?tokenId=%22%3E%3Cb%3E&token=%22%3E%3Cb%3E")).send().await;
        assert!(page.status == 200 && !page.text.contains("<b>"), "{page:?}");
        let made_up = [("tokenId", "a"), ("token", "b"), ("newPassword", PASSWORD)];
        let data = client.post(path).form(&made_up).send().await;
        let said = Some("Token in either invalid or expired");
        assert_eq!((data.status, data.json["error"].as_str()), (401, said));
        let nothing = client.post(path).form(&[("other", "x")]).send().await;
        assert_eq!((nothing.status, nothing.fields_at_fault()), (400, vec!["tokenId"]));
    }
    for weak in ["short", &"x".repeat(129)] {
        let fields = [("tokenId", "a"), ("token", "b"), ("newPassword", weak)];
        let page = client.post("/reset-password").header("accept", HTML).form(&fields).send().await;
        assert!(page.status == 400 && page.text.contains("id=\"newPassword-problem\""), "{page:?}");
        assert!(!page.text.contains(weak), "a password is not sent back");
    }
}

#[tokio::test]
async fn who_forgot_a_password_does_not_learn_who_has_an_account() {
    let server = TestServer::start();
    let client = server.client();
    client.register("ada@example.com").await;
    let mut pages = Vec::new();
    for email in ["ada@example.com", "eve@example.com"] {
        let page =
            client.post("/forgot-password").header("accept", HTML).form(&[("email", email)]).send().await;
        assert_eq!(page.status, 200);
        is_page(&page);
        pages.push(page.text.replace(email, ""));
    }
    assert_eq!(pages[0], pages[1]);
    let wrong = client.post("/forgot-password").header("accept", HTML).form(&[("email", "<b>")]).send().await;
    assert!(wrong.status == 400 && !wrong.text.contains("<b>"), "{wrong:?}");
    let wrong = client.post("/forgot-password").form(&[("email", "nobody")]).send().await;
    assert_eq!((wrong.status, wrong.fields_at_fault()), (400, vec!["email"]));
}

#[tokio::test]
async fn no_link_takes_a_pages_name() {
    let server = TestServer::start();
    let client = server.client();
    is_page(&client.get("/account-recovered").header("accept", HTML).send().await);
    for name in ["forgot-password", "Reset-Password", "verify-email", "account-recovered", "assets"] {
        let link = serde_json::json!({ "longUrl": "https://example.com/", "customAlias": name });
        assert_eq!(client.post("/api/v1/url").json(&link).send().await.status, 400, "{name}");
    }
}

#[tokio::test]
async fn nobody_can_take_a_path_that_a_letter_leads_to() {
    let notifier = concat!(env!("CARGO_MANIFEST_DIR"), "/src/notifier");
    let files = std::fs::read_dir(notifier).unwrap().map(|entry| entry.unwrap().path());
    let letters: String =
        files.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let said = ["link(\"", "public.of(\"", "with_query(\""]
        .iter()
        .flat_map(|call| letters.split(call).skip(1).map(|rest| rest.split('"').next().unwrap_or_default()));
    let paths: BTreeSet<&str> = said.collect();
    let known = ["account-recovered", "forgot-password", "reset-password", "verify-email"];
    assert!(known.iter().all(|path| paths.contains(path)), "{paths:?}");
    let server = TestServer::start();
    let user = server.user().await;
    for path in paths {
        for alias in [path.to_owned(), path.to_uppercase()] {
            let body = json!({ "longUrl": "https://evil.example/", "customAlias": alias });
            let answer = user.post("/api/v1/url").json(&body).send().await;
            assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["customAlias"]), "{alias}");
        }
        let page = user.get(&format!("/{path}")).header("accept", HTML).send().await;
        assert!(matches!(page.status, 200 | 400), "{path} is served: {page:?}");
    }
}

//! `/{code}` of a protected link: what stands in front of it, and how it opens.

use fantoccini::key::Key;
use serde_json::json;

use crate::browser::{FAR, FAR_TITLE, Visitor, visit, visit_without_scripts};
use crate::support::TestServer;

#[tokio::test]
async fn a_password_opens_and_a_wrong_one_says_so() {
    let server = TestServer::start();
    let link = json!({ "longUrl": FAR, "protectionMethod": "PASSWORD", "urlPassword": "sesame" });
    let path = format!("/{}", server.client().shorten(&link).await);
    let use_it = async |visitor: Visitor| {
        visitor.open(&path).await;
        visitor.arrive_at("This link is protected").await;
        visitor.look("unlock-password").await;
        visitor.write("#password", "open").await;
        visitor.click("form button[type=submit]").await;
        visitor.read("That is not the password. Try again.").await;
        visitor.look("unlock-password-wrong").await;
        visitor.write("#password", "sesame").await;
        visitor.press(&Key::Enter).await;
        visitor.arrive_at(FAR_TITLE).await;
        assert_eq!(visitor.client.current_url().await.unwrap().as_str(), FAR);
    };
    visit(&server, use_it).await;
    visit_without_scripts(&server, use_it).await;
}

#[tokio::test]
async fn a_password_can_be_looked_at_and_is_hidden_when_it_is_sent() {
    let server = TestServer::start();
    let link = json!({ "longUrl": FAR, "protectionMethod": "PASSWORD", "urlPassword": "sesame" });
    let path = format!("/{}", server.client().shorten(&link).await);
    visit(&server, async |visitor: Visitor| {
        visitor.open(&path).await;
        visitor.write("#password", "sesame").await;
        let kind = "return document.getElementById('password').type";
        assert_eq!(visitor.script(kind).await, "password");
        visitor.click(".reveal").await;
        assert_eq!(visitor.script(kind).await, "text");
        visitor
            .script("document.forms[0].addEventListener('submit', (event) => event.preventDefault())")
            .await;
        visitor.click("form button[type=submit]").await;
        assert_eq!(visitor.script(kind).await, "password");
    })
    .await;
}

//! `/`: making a link.

use fantoccini::key::Key;
use serde_json::json;

use crate::browser::{FAR, FAR_TITLE, Visitor, visit, visit_without_scripts};
use crate::driver::devtools;
use crate::support::TestServer;

#[tokio::test]
async fn a_link_is_made_copied_and_followed() {
    let server = TestServer::start();
    visit(&server, async |visitor: Visitor| {
        visitor.open("/").await;
        visitor.arrive_at("Long links, made short").await;
        visitor.look("home").await;
        visitor.write("#longUrl", FAR).await;
        visitor.click("form.card > button").await;
        visitor.arrive_at("Your short link").await;
        visitor.look("made").await;
        let short = visitor.see("#short").await.attr("href").await.unwrap().unwrap();
        let permissions = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
        devtools(&visitor.client, "Browser.grantPermissions", permissions).await.unwrap();
        visitor.click("[data-copy]").await;
        visitor.read("Copied").await;
        let read = "navigator.clipboard.readText().then(arguments[0])";
        assert_eq!(visitor.client.execute_async(read, Vec::new()).await.unwrap(), short.as_str());
        visitor.click("#short").await;
        visitor.arrive_at(FAR_TITLE).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_said_beside_the_field_and_what_was_typed_stays() {
    let server = TestServer::start();
    server.client().shorten(&json!({ "longUrl": FAR, "customAlias": "spring" })).await;
    visit(&server, async |visitor: Visitor| {
        visitor.open("/").await;
        visitor.write("#longUrl", "ftp://far.example").await;
        visitor.press(&Key::Enter).await;
        visitor.read("This must begin with http:// or https://").await;
        visitor.look("home-wrong").await;
        let (focused, described) = (
            "return document.activeElement.id",
            "return document.activeElement.getAttribute('aria-describedby')",
        );
        assert_eq!(visitor.script(focused).await, "longUrl");
        assert_eq!(visitor.script(described).await, "longUrl-problem");
        visitor.write("#longUrl", "far.example/<b>&\"").await;
        visitor.click("summary").await;
        visitor.write("#customAlias", "spring").await;
        visitor.write("#urlPassword", "sesame").await;
        visitor.click(".reveal").await;
        visitor.look("home-options").await;
        visitor.click("form.card > button").await;
        visitor.read("This is taken.").await;
        let typed = visitor.see("#longUrl").await.prop("value").await.unwrap();
        assert_eq!(typed.as_deref(), Some("far.example/<b>&\""));
        assert_eq!(visitor.see("#urlPassword").await.prop("value").await.unwrap().as_deref(), Some(""));
    })
    .await;
}

#[tokio::test]
async fn the_keyboard_suffices() {
    let server = TestServer::start();
    visit(&server, async |visitor: Visitor| {
        visitor.open("/").await;
        // The field has the focus from the start.
        visitor.press(FAR).await;
        visitor.press(&Key::Tab).await;
        visitor.press(&Key::Enter).await;
        visitor.press(&Key::Tab).await;
        let alias = format!("by-keys-{}", visitor.device.name());
        visitor.press(&alias).await;
        visitor.press(&Key::Tab).await;
        visitor.press("sesame").await;
        for _ in 0..2 {
            visitor.press(&Key::Tab).await;
        }
        visitor.press(&Key::Enter).await;
        visitor.arrive_at("Your short link").await;
        visitor.read(&alias).await;
        visitor.read("for who knows its password").await;
    })
    .await;
}

#[tokio::test]
async fn without_scripts_a_link_is_made_all_the_same() {
    let server = TestServer::start();
    visit_without_scripts(&server, async |visitor: Visitor| {
        visitor.open("/").await;
        visitor.look("home").await;
        visitor.write("#longUrl", FAR).await;
        visitor.click("form.card > button").await;
        visitor.arrive_at("Your short link").await;
        visitor.look("made").await;
        assert!(!visitor.see("[data-copy]").await.is_displayed().await.unwrap(), "it would do nothing");
        visitor.click("#short").await;
        visitor.arrive_at(FAR_TITLE).await;
    })
    .await;
}

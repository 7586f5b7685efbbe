//! What is said before a link is followed, or instead.

use fantoccini::key::Key;
use serde_json::json;

use crate::browser::{FAR, FAR_TITLE, Visitor, visit, visit_without_scripts};
use crate::support::TestServer;

#[tokio::test]
async fn who_is_told_that_a_link_is_not_safe_for_work_may_go_on() {
    let server = TestServer::start();
    let path = format!("/{}", server.client().shorten(&json!({ "longUrl": FAR, "isUrlSFW": false })).await);
    let use_it = async |visitor: Visitor| {
        visitor.open(&path).await;
        visitor.arrive_at("Not safe for work").await;
        visitor.look("not-safe").await;
        visitor.click("form button").await;
        visitor.arrive_at(FAR_TITLE).await;
    };
    visit(&server, use_it).await;
    visit_without_scripts(&server, use_it).await;
}

#[tokio::test]
async fn a_link_that_was_disabled_says_why_and_no_new_one_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("blocked.txt");
    std::fs::write(&list, "").unwrap();
    let server = TestServer::start_with(|config| {
        config.safety.blocked_lists = vec![list.clone()];
        config.safety.reload_secs = 1;
    });
    let client = server.client();
    let path = format!("/{}", client.shorten(&json!({ "longUrl": FAR })).await);
    std::fs::write(&list, "far.example\n").unwrap();
    let deadline = std::time::Instant::now() + crate::driver::PATIENCE;
    while client.get(&path).send().await.status != 410 {
        assert!(std::time::Instant::now() < deadline, "the list is not read again");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    visit(&server, async |visitor: Visitor| {
        visitor.open(&path).await;
        visitor.arrive_at("This link was disabled").await;
        visitor.look("disabled").await;
        visitor.click("main .button").await;
        visitor.write("#longUrl", FAR).await;
        visitor.press(&Key::Enter).await;
        visitor.see("#longUrl-problem").await;
        visitor.look("home-blocked").await;
    })
    .await;
}

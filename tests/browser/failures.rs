//! What goes wrong, and what people are told to do about it.

use ayrene::config::Quota;

use crate::browser::{Visitor, visit};
use crate::support::TestServer;

#[tokio::test]
async fn a_link_that_leads_nowhere_leads_home() {
    let server = TestServer::start();
    visit(&server, async |visitor: Visitor| {
        visitor.open("/nothing-here").await;
        visitor.arrive_at("Nothing here").await;
        visitor.look("404").await;
        visitor.click("main .button").await;
        visitor.arrive_at("Long links, made short").await;
    })
    .await;
}

#[tokio::test]
async fn who_is_too_fast_is_told_how_long_to_wait() {
    let server = TestServer::start_with(|config| {
        config.rate_limits.enabled = true;
        config.rate_limits.redirect = Quota { requests: 1, per_secs: 3000 };
    });
    visit(&server, async |visitor: Visitor| {
        visitor.open("/nothing-here").await;
        visitor.open("/nothing-here").await;
        visitor.arrive_at("A little slower, please").await;
        visitor.read("Please try again in 50 minutes.").await;
        visitor.look("429").await;
        visitor.click("main .button").await;
        visitor.arrive_at("A little slower, please").await;
        assert_eq!(visitor.path().await, "/nothing-here");
    })
    .await;
}

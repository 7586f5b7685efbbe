//! Where mails about an account lead.

use fantoccini::key::Key;

use crate::browser::{Visitor, visit, visit_without_scripts};
use crate::support::TestServer;
use crate::support::server::PASSWORD;

const NEW: &str = "quiet lamp 44 orchard";

#[tokio::test]
async fn a_forgotten_password_is_replaced() {
    let server = TestServer::start();
    let use_it = async |visitor: Visitor| {
        let who = format!("{}@example.com", nanoid::nanoid!(10)).to_lowercase();
        server.client().register(&who).await;
        visitor.open("/forgot-password").await;
        visitor.look("forgot-password").await;
        visitor.write("#email", "nobody").await;
        // The browser would say it before the server can.
        visitor.script("document.forms[0].noValidate = true").await;
        visitor.click("form button").await;
        visitor.see("#email-problem").await;
        visitor.look("forgot-password-wrong").await;
        visitor.write("#email", &who).await;
        visitor.press(&Key::Enter).await;
        visitor.arrive_at("Look into your mailbox").await;
        visitor.look("forgot-password-sent").await;
        let link = server.mail_to(&who, "Reset your password").await.path();
        visitor.open(&link).await;
        visitor.arrive_at("Choose a new password").await;
        if visitor.scripts {
            assert_eq!(visitor.path().await, "/reset-password", "the token is not shown");
        }
        visitor.look("reset-password").await;
        visitor.write("#newPassword", "password1").await;
        visitor.press(&Key::Enter).await;
        visitor.read("among the most common passwords").await;
        visitor.look("reset-password-common").await;
        visitor.write("#newPassword", NEW).await;
        visitor.press(&Key::Enter).await;
        visitor.arrive_at("Your password is changed").await;
        visitor.look("reset-password-done").await;
        let client = server.client();
        for (password, status) in [(PASSWORD, 401), (NEW, 200)] {
            let body = serde_json::json!({ "email": who, "password": password });
            assert_eq!(client.post("/api/v1/auth/login").json(&body).send().await.status, status);
        }
        visitor.open(&link).await;
        if visitor.scripts {
            visitor.client.refresh().await.unwrap();
            visitor.arrive_at("Open the link in your mail").await;
            visitor.look("reset-password-reloaded").await;
            visitor.open(&link).await;
        }
        visitor.write("#newPassword", NEW).await;
        visitor.press(&Key::Enter).await;
        visitor.arrive_at("This link does not work any more").await;
        visitor.look("reset-password-used").await;
        visitor.click("main .button").await;
        visitor.arrive_at("Forgotten your password?").await;
    };
    visit(&server, use_it).await;
    visit_without_scripts(&server, use_it).await;
}

#[tokio::test]
async fn an_address_is_confirmed_by_a_click_and_not_by_opening_the_page() {
    let server = TestServer::start();
    let use_it = async |visitor: Visitor| {
        let who = format!("{}@example.com", nanoid::nanoid!(10)).to_lowercase();
        let account = server.client().register(&who).await;
        let user = server.client().with_token(account["accessToken"].as_str().unwrap());
        let verified = async || {
            user.get("/api/v1/auth/me").send().await.json["data"]["emailVerified"].as_bool().unwrap()
        };
        let link = server.mail_to(&who, "Confirm your e-mail address").await.path();
        visitor.open(&link).await;
        visitor.arrive_at("Confirm your address").await;
        visitor.look("verify-email").await;
        assert!(!verified().await);
        visitor.click("form button").await;
        visitor.arrive_at("Your address is confirmed").await;
        visitor.look("verify-email-done").await;
        assert!(verified().await);
        visitor.open(&link).await;
        visitor.click("form button").await;
        visitor.arrive_at("This link does not work any more").await;
        visitor.look("verify-email-used").await;
    };
    visit(&server, use_it).await;
    visit_without_scripts(&server, use_it).await;
}

#[tokio::test]
async fn who_comes_back_is_welcomed() {
    let server = TestServer::start();
    visit(&server, async |visitor: Visitor| {
        let who = format!("{}@example.com", nanoid::nanoid!(10)).to_lowercase();
        let account = server.client().register(&who).await;
        let user = server.client().with_token(account["accessToken"].as_str().unwrap());
        assert_eq!(user.delete("/api/v1/user/me").send().await.status, 200);
        let body = serde_json::json!({ "email": who, "password": PASSWORD });
        assert_eq!(server.client().post("/api/v1/auth/login").json(&body).send().await.status, 200);
        visitor.open(&server.mail_to(&who, "back").await.path()).await;
        visitor.arrive_at("Welcome back").await;
        visitor.look("account-recovered").await;
        visitor.click("main .ways a:not(.button)").await;
        visitor.arrive_at("Forgotten your password?").await;
    })
    .await;
}

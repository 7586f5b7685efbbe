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
        assert_eq!(visitor.script("return document.activeElement.id").await, "password");
        visitor.press("sesame").await;
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

#[tokio::test]
async fn a_code_is_sent_and_opens() {
    let server = TestServer::start_with(|config| config.shortener.code_mails.free = 1);
    let owner = server.user().await;
    let link = json!({ "longUrl": FAR, "protectionMethod": "OTP" });
    let path = format!("/{}", owner.shorten(&link).await);
    let use_it = async |visitor: Visitor| {
        let who = format!("{}@example.com", nanoid::nanoid!(10)).to_lowercase();
        visitor.open(&path).await;
        visitor.read("a code that we send you by e-mail").await;
        visitor.look("unlock-address").await;
        visitor.write("#email", &who).await;
        visitor.press(&Key::Enter).await;
        visitor.read("a code is on its way").await;
        visitor.look("unlock-code").await;
        let code = server.mail_to(&who, "Your code").await.code();
        let wrong = if code == "000000" { "111111" } else { "000000" };
        visitor.write("#OTP", wrong).await;
        visitor.press(&Key::Enter).await;
        visitor.read("That is not the code").await;
        visitor.look("unlock-code-wrong").await;
        visitor.click("[name=again]").await;
        let code = server.mails_about(&who, "Your code", 2).await[1].code();
        visitor.see("#OTP:not([aria-invalid])").await;
        visitor.click("[name=again]").await;
        visitor.read("Enough mails were asked for just now. Please try again in").await;
        visitor.look("unlock-code-wait").await;
        visitor.write("#OTP", &format!("{} {}", &code[..3], &code[3..])).await;
        visitor.press(&Key::Enter).await;
        visitor.arrive_at(FAR_TITLE).await;
    };
    visit(&server, use_it).await;
    visit_without_scripts(&server, use_it).await;
}

#[tokio::test]
async fn who_is_not_on_the_list_sees_what_all_see() {
    let server = TestServer::start();
    let owner = server.user().await;
    let link = json!({ "longUrl": FAR, "protectionMethod": "OTP", "otpAllowedEmails": ["ada@example.com"] });
    let path = format!("/{}", owner.shorten(&link).await);
    visit(&server, async |visitor: Visitor| {
        let mut seen = Vec::new();
        for who in ["ada@example.com", "eve@example.com"] {
            visitor.open(&path).await;
            visitor.write("#email", who).await;
            visitor.press(&Key::Enter).await;
            visitor.see("#OTP").await;
            seen.push(visitor.text().await.replace(who, ""));
        }
        assert_eq!(seen[0], seen[1]);
    })
    .await;
}

#[tokio::test]
async fn access_is_asked_for_granted_and_taken_back() {
    let server = TestServer::start();
    let owner = server.user().await;
    let code = owner.shorten(&json!({ "longUrl": FAR, "protectionMethod": "APPROVE" })).await;
    let (path, requests) = (format!("/{code}"), format!("/api/v1/url/{code}/requests"));
    let use_it = async |visitor: Visitor| {
        let who = format!("{}@example.com", nanoid::nanoid!(10)).to_lowercase();
        visitor.open(&path).await;
        visitor.read("Its owner decides who may open it.").await;
        visitor.look("unlock-ask").await;
        visitor.write("#email", &who).await;
        visitor.write("#reason", "We met at the fair.").await;
        visitor.click("form button").await;
        visitor.arrive_at("Access asked for").await;
        visitor.look("unlock-asked").await;
        let asked = owner.get(&requests).send().await.json["data"]["requests"].clone();
        let request =
            asked.as_array().unwrap().iter().find(|request| request["email"] == who.as_str()).unwrap();
        assert_eq!(request["reason"], "We met at the fair.");
        let request = format!("{requests}/{}", request["requestId"].as_str().unwrap());
        let decide = async |decision: &str| {
            let decided = owner.patch(&request).json(&json!({ "decision": decision })).send().await;
            assert_eq!(decided.status, 200, "{decided:?}");
        };
        decide("APPROVE").await;
        let personal = server.mail_to(&who, "Access granted").await.path();
        visitor.open(&personal).await;
        visitor.arrive_at(FAR_TITLE).await;
        decide("DENY").await;
        visitor.open(&personal).await;
        visitor.read("Your personal link is invalid or has expired").await;
        visitor.look("unlock-grant-dead").await;
    };
    visit(&server, use_it).await;
    visit_without_scripts(&server, use_it).await;
}

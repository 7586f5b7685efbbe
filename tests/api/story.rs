//! What a new user of links lives through, with mail through a real SMTP server: from registering to an approved link, and
//! back from a deleted account.

use serde_json::{Value, json};

use crate::support::mail::{Mail, eventually};
use crate::support::server::PASSWORD;
use crate::support::smtp::SmtpServer;
use crate::support::{Answer, Client, TestServer};

const OWNER: &str = "ada@links.example";
const VISITOR: &str = "guest@visitors.example";
const NEW_PASSWORD: &str = "violet 71 tractor plum";
const TARGET: &str = "https://example.com/secret-plans";

struct Scene {
    server: TestServer,
    smtp: SmtpServer,
}

impl Scene {
    fn new() -> Self {
        let smtp = SmtpServer::start(&[]);
        let url = format!("smtp://127.0.0.1:{}", smtp.port);
        let server = TestServer::start_with(|config| {
            config.mail.transport = ayrene::config::MailTransport::Smtp;
            config.mail.smtp_url = url.into();
        });
        Self { server, smtp }
    }

    /// The newest mail to an address whose subject has this in it.
    async fn mail(&self, to: &str, subject: &str) -> Mail {
        let find = || {
            let mails = self.smtp.mails().into_iter().rev();
            mails.into_iter().find(|mail| mail.to == to && mail.subject.contains(subject))
        };
        eventually(&format!("a mail to {to} about {subject}"), find).await
    }

    fn visitor(&self) -> Client {
        self.server.client()
    }

    async fn log_in(&self, password: &str, device: &str) -> Answer {
        let body = json!({ "email": OWNER, "password": password });
        self.visitor().post("/api/v1/auth/login").header("user-agent", device).json(&body).send().await
    }

    async fn owner(&self, password: &str) -> Client {
        let answer = self.log_in(password, "Firefox").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.visitor().with_token(answer.json["data"]["accessToken"].as_str().unwrap())
    }
}

fn done(answer: &Answer, status: u16, message: &str) {
    assert_eq!((answer.status, answer.json["message"].as_str()), (status, Some(message)), "{answer:?}");
}

/// `tokenId` and `token` of a link.
fn query(mail: &Mail) -> String {
    mail.path().split_once('?').unwrap().1.to_owned()
}

#[tokio::test]
async fn from_registering_to_an_approved_link_and_back_from_a_deleted_account() {
    let scene = Scene::new();
    let body = json!({ "email": OWNER, "password": PASSWORD });
    let registered = scene.visitor().post("/api/v1/auth/register").json(&body).send().await;
    done(&registered, 201, "User created successfully");
    let owner = scene.visitor().with_token(registered.json["data"]["accessToken"].as_str().unwrap());

    let path = format!("/api/v1/user/verify-email?{}", query(&scene.mail(OWNER, "Confirm").await));
    done(&owner.patch(&path).send().await, 200, "Email verified successfully");
    assert_eq!(owner.get("/api/v1/user/me").send().await.json["data"]["user"]["isEmailVerified"], true);

    guarded_by_approval(&scene, &owner).await;
    guarded_by_a_code(&scene, &owner).await;
    clicked(&scene, &owner).await;

    let answer =
        scene.visitor().post("/api/v1/auth/reset-password").json(&json!({ "email": OWNER })).send().await;
    done(&answer, 200, "Password reset email sent successfully");
    let path = format!("/api/v1/auth/reset-password?{}", query(&scene.mail(OWNER, "Reset").await));
    let body = json!({ "newPassword": NEW_PASSWORD });
    done(&scene.visitor().post(&path).json(&body).send().await, 200, "Password reseted successfully");
    scene.mail(OWNER, "password was changed").await;
    assert_eq!(owner.get("/api/v1/user/me").send().await.status, 401, "every session has ended");
    assert_eq!(scene.log_in(PASSWORD, "Firefox").await.status, 401);
    scene.owner(NEW_PASSWORD).await;
    assert_eq!(scene.log_in(NEW_PASSWORD, "A stranger's browser").await.status, 200);
    let told =
        || scene.smtp.mails().into_iter().any(|mail| mail.text.contains("Device: A stranger's browser"));
    eventually("a mail about the stranger's browser", || told().then_some(())).await;
    deleted_and_back(&scene).await;
}

/// Everything is gone, and a login brings it back.
async fn deleted_and_back(scene: &Scene) {
    let owner = scene.owner(NEW_PASSWORD).await;
    let code = owner.shorten(&json!({ "longUrl": TARGET })).await;
    let path = format!("/{code}");
    assert_eq!(scene.visitor().get(&path).send().await.status, 302);
    let answer = owner.delete("/api/v1/user/me").send().await;
    done(&answer, 200, "User deleted successfully! - 30 days to recover");
    scene.mail(OWNER, "deleted").await;
    assert_eq!(owner.get("/api/v1/user/me").send().await.status, 401);
    assert_eq!(scene.visitor().get(&path).send().await.status, 404);
    let owner = scene.owner(NEW_PASSWORD).await;
    scene.mail(OWNER, "back").await;
    assert_eq!(scene.visitor().get(&path).send().await.status, 302);
    let answer = owner.get(&format!("/api/v1/url/get/{code}")).send().await;
    assert_eq!(answer.json["data"]["url"]["totalSuccessClicks"], 2, "{answer:?}");
}

/// A link that its owner lets people through one by one.
async fn guarded_by_approval(scene: &Scene, owner: &Client) {
    let body = json!({ "longUrl": TARGET, "protectionMethod": "APPROVE", "isAnalyticsEnabled": true });
    let code = owner.shorten(&body).await;
    let visitor = scene.visitor();
    let answer = visitor.get(&format!("/{code}")).send().await;
    assert_eq!((answer.status, &answer.json["details"]["protectionMethod"]), (401, &json!("APPROVE")));

    let path = format!("/api/v1/url/{code}/requests");
    let body = json!({ "email": VISITOR, "reason": "I am on the guest list" });
    let asked = visitor.post(&path).json(&body).send().await;
    done(&asked, 202, "Access requested successfully");
    let mail = scene.mail(OWNER, "asks for access").await;
    assert!(mail.text.contains("I am on the guest list"), "{mail:?}");
    let listed = owner.get(&path).send().await;
    done(&listed, 200, "Access requests fetched successfully");
    assert_eq!(listed.json["data"]["requests"][0]["status"], "PENDING");

    let decide = format!("{path}/{}", asked.json["data"]["requestId"].as_str().unwrap());
    let answer = owner.patch(&decide).json(&json!({ "decision": "APPROVE" })).send().await;
    done(&answer, 200, "Access request updated successfully");
    let mail = scene.mail(VISITOR, "Access granted").await;
    let answer = visitor.get(&mail.path()).send().await;
    assert_eq!((answer.status, answer.header("location")), (302, TARGET), "{answer:?}");
    let grant = query(&mail);
    let grant = grant.strip_prefix("grant=").unwrap();
    let answer = visitor.post(&format!("/api/v1/url/{code}")).json(&json!({ "grant": grant })).send().await;
    done(&answer, 200, "Long URL fetched successfully");

    owner.patch(&decide).json(&json!({ "decision": "DENY" })).send().await;
    scene.mail(VISITOR, "Access denied").await;
    assert_eq!(visitor.get(&mail.path()).send().await.status, 401, "revoked");
    let stats = owner.get(&format!("/api/v1/url/stats/{code}")).send().await;
    let stats = stats.json["data"]["stats"].as_array().unwrap().clone();
    let tries: Vec<(&Value, &Value)> = stats.iter().map(|stat| (&stat["method"], &stat["success"])).collect();
    let [yes, no] = [json!(true), json!(false)];
    let approve = json!("APPROVE");
    assert_eq!(tries, [(&approve, &no), (&approve, &yes), (&approve, &yes), (&approve, &no)]);
}

/// A link that opens with a mailed code.
async fn guarded_by_a_code(scene: &Scene, owner: &Client) {
    let body = json!({ "longUrl": TARGET, "protectionMethod": "OTP", "otpAllowedEmails": [VISITOR] });
    let code = owner.shorten(&body).await;
    let visitor = scene.visitor();
    let path = format!("/api/v1/url/{code}/otp");
    for email in [VISITOR, "stranger@visitors.example"] {
        done(
            &visitor.post(&path).json(&json!({ "email": email })).send().await,
            200,
            "OTP sent successfully",
        );
    }
    let otp = scene.mail(VISITOR, "Your code").await.code();
    let body = json!({ "email": VISITOR, "OTP": otp });
    let path = format!("/api/v1/url/{code}");
    let answer = visitor.post(&path).json(&body).send().await;
    done(&answer, 200, "Long URL fetched successfully");
    assert_eq!(answer.json["data"]["url"], TARGET);
    let again = visitor.post(&path).json(&body).send().await;
    assert_eq!((again.status, &again.json["error"]), (401, &json!("OTP is incorrect")), "spent");
    assert!(scene.smtp.mails().iter().all(|mail| mail.to != "stranger@visitors.example"));
}

/// A link whose owner wants to hear of clicks.
async fn clicked(scene: &Scene, owner: &Client) {
    let body = json!({ "longUrl": TARGET, "emailNotificationEnable": true });
    let code = owner.shorten(&body).await;
    assert_eq!(scene.visitor().get(&format!("/{code}")).send().await.status, 302);
    let mail = scene.mail(OWNER, &format!("{code} was clicked")).await;
    assert!(mail.text.contains(&format!("/{code}")), "{mail:?}");
    let listed = || async {
        let answer = owner.get("/api/v1/user/notifications").send().await;
        let all = answer.json["data"]["notifications"].as_array().unwrap().clone();
        all.into_iter().filter(|n| n["kind"] == "link_clicked").collect::<Vec<_>>()
    };
    for _ in 0..200 {
        let listed = listed().await;
        if listed.iter().any(|n| n["type"] == "EMAIL" && n["success"] == true) {
            assert_eq!(listed.len(), 2, "pushed and mailed");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the mail is not listed as sent: {:?}", listed().await);
}

//! `/api/v1/url/:id/requests`: links that open to those whom their owner approves.

use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::support::{Answer, Client, Mail, TestServer};

const TARGET: &str = "https://example.com/closed";
const OWNER: &str = "owner@example.com";

/// A server, a link's owner with the address [`OWNER`], a visitor, and the link.
struct Scene {
    server: TestServer,
    owner: Client,
    visitor: Client,
    code: String,
}

impl Scene {
    async fn set() -> Self {
        Self::set_with(|_| {}).await
    }

    async fn set_with(change: impl FnOnce(&mut ayrene::config::Config)) -> Self {
        let server = TestServer::start_with(change);
        let visitor = server.client();
        let account = visitor.register(OWNER).await;
        let owner = visitor.with_token(account["accessToken"].as_str().unwrap());
        let body = json!({ "longUrl": TARGET, "protectionMethod": "APPROVE", "isAnalyticsEnabled": true });
        let code = owner.shorten(&body).await;
        Self { server, owner, visitor, code }
    }

    fn path(&self) -> String {
        format!("/api/v1/url/{}/requests", self.code)
    }

    async fn ask(&self, email: &str) -> Answer {
        let body = json!({ "email": email, "reason": "I would like to\nread it" });
        self.visitor.post(&self.path()).json(&body).send().await
    }

    /// Asks; returns the request's id.
    async fn asked(&self, email: &str) -> String {
        let answer = self.ask(email).await;
        assert_eq!(
            (answer.status, answer.json["message"].as_str()),
            (202, Some("Access requested successfully")),
            "{answer:?}"
        );
        answer.json["data"]["requestId"].as_str().unwrap().to_owned()
    }

    async fn decide(&self, request: &str, decision: &str) -> Answer {
        let path = format!("{}/{request}", self.path());
        self.owner.patch(&path).json(&json!({ "decision": decision })).send().await
    }

    async fn decided(&self, request: &str, decision: &str) {
        let answer = self.decide(request, decision).await;
        assert_eq!(
            (answer.status, answer.json["message"].as_str()),
            (200, Some("Access request updated successfully")),
            "{answer:?}"
        );
    }

    /// The newest grant mailed to an address, when there are `count`, as `/{code}?grant=…`.
    async fn granted(&self, email: &str, count: usize) -> String {
        granted_path(self.server.mails_about(email, "Access granted", count).await.last().unwrap())
    }

    async fn open(&self, grant: &str) -> Answer {
        let body = json!({ "grant": grant });
        self.visitor.post(&format!("/api/v1/url/{}", self.code)).json(&body).send().await
    }

    async fn list(&self) -> Vec<Value> {
        let answer = self.owner.get(&self.path()).send().await;
        assert_eq!(
            (answer.status, answer.json["message"].as_str()),
            (200, Some("Access requests fetched successfully")),
            "{answer:?}"
        );
        answer.json["data"]["requests"].as_array().unwrap().clone()
    }
}

/// The personal link in a mail, as path and query.
fn granted_path(mail: &Mail) -> String {
    let link = mail.text.split_whitespace().find(|word| word.contains("grant=")).expect("a personal link");
    let start = link.find("//").and_then(|host| Some(host + 2 + link[host + 2..].find('/')?)).unwrap();
    link[start..].to_owned()
}

fn grant_in(path: &str) -> &str {
    path.split_once("grant=").unwrap().1
}

fn is_refused(answer: &Answer) -> bool {
    (answer.status, answer.json["error"].as_str()) == (401, Some("Grant is invalid or expired"))
}

#[tokio::test]
async fn an_approved_visitor_gets_a_personal_link() {
    let scene = Scene::set().await;
    let request = scene.asked("ada@example.com").await;
    let asked = scene.server.mail_to(OWNER, "asks for access").await;
    assert!(asked.text.contains("ada@example.com") && asked.text.contains("I would like to"), "{asked:?}");
    let list = scene.list().await;
    assert_eq!(list.len(), 1);
    for (field, value) in [
        ("requestId", json!(request)),
        ("email", json!("ada@example.com")),
        ("reason", json!("I would like to\nread it")),
        ("status", json!("PENDING")),
    ] {
        assert_eq!(list[0][field], value, "{field}");
    }
    scene.decided(&request, "APPROVE").await;
    let path = scene.granted("ada@example.com", 1).await;
    for _ in 0..3 {
        let opened = scene.open(grant_in(&path)).await;
        assert_eq!(
            (opened.status, opened.json["message"].as_str()),
            (200, Some("Long URL fetched successfully"))
        );
        assert_eq!(opened.json["data"], json!({ "url": TARGET }));
    }
    let followed = scene.visitor.get(&path).header("accept", "text/html").send().await;
    assert_eq!((followed.status, followed.header("location")), (302, TARGET));
    assert_eq!(scene.list().await[0]["status"], "APPROVED");

    let stats = scene.owner.get(&format!("/api/v1/url/stats/{}", scene.code)).send().await;
    let stats = stats.json["data"]["stats"].as_array().unwrap().clone();
    assert_eq!(stats.len(), 4);
    assert!(stats.iter().all(|stat| stat["method"] == "APPROVE" && stat["success"] == true), "{stats:?}");
}

#[tokio::test]
async fn a_denial_ends_a_grant_and_is_told() {
    let scene = Scene::set().await;
    let request = scene.asked("ada@example.com").await;
    scene.decided(&request, "APPROVE").await;
    let first = scene.granted("ada@example.com", 1).await;
    scene.decided(&request, "DENY").await;
    scene.server.mail_to("ada@example.com", "Access denied").await;
    assert!(is_refused(&scene.open(grant_in(&first)).await));
    let page = scene.visitor.get(&first).header("accept", "text/html").send().await;
    assert_eq!(page.status, 401);
    assert!(page.text.contains("invalid or has expired"), "{}", page.text);
    let data = scene.visitor.get(&first).header("accept", "application/json").send().await;
    assert_eq!((data.status, data.json["error"].as_str()), (401, Some("This URL is protected")));
    assert_eq!(data.json["details"]["protectionMethod"], "APPROVE");

    scene.decided(&request, "APPROVE").await;
    let second = scene.granted("ada@example.com", 2).await;
    assert_eq!(scene.open(grant_in(&second)).await.status, 200);
    assert!(is_refused(&scene.open(grant_in(&first)).await), "it is not brought back");
}

#[tokio::test]
async fn the_same_again_changes_nothing_and_tells_nobody() {
    let scene = Scene::set().await;
    let request = scene.asked("ada@example.com").await;
    for same in ["ada@example.com", "Ada@Example.com"] {
        assert_eq!(scene.asked(same).await, request);
    }
    for decision in ["APPROVE", "APPROVE", "DENY", "DENY"] {
        scene.decided(&request, decision).await;
    }
    assert_eq!(scene.asked("ada@example.com").await, request, "asked too soon after a denial");
    assert_eq!(scene.list().await[0]["status"], "DENIED");
    scene.asked("bob@example.com").await;
    assert_eq!(scene.server.mails_about(OWNER, "asks for access", 2).await.len(), 2);
    scene.server.mail_to("ada@example.com", "Access denied").await;
    assert_eq!(scene.server.mails_to("ada@example.com").len(), 2);
}

#[tokio::test]
async fn who_asks_many_times_at_once_asks_once() {
    let scene = Scene::set_with(|config| config.server.workers = 2).await;
    let answers = join_all((0..50).map(|_| scene.ask("ada@example.com"))).await;
    let ids: std::collections::HashSet<&str> =
        answers.iter().filter_map(|answer| answer.json["data"]["requestId"].as_str()).collect();
    assert_eq!(ids.len(), 1, "{answers:?}");
    assert_eq!(scene.list().await.len(), 1);
    scene.server.mail_to(OWNER, "asks for access").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(scene.server.mails_about(OWNER, "asks for access", 1).await.len(), 1);
}

#[tokio::test]
async fn a_grant_lapses_and_can_be_asked_for_again() {
    let scene = Scene::set().await;
    let request = scene.asked("ada@example.com").await;
    scene.decided(&request, "APPROVE").await;
    let first = scene.granted("ada@example.com", 1).await;
    let lapse = |status: &str| {
        let key = scene.server.key(&format!("{{link:{}}}:requests", scene.code));
        let mut redis = crate::support::redis_server::connection();
        let stored: String = redis::cmd("HGET").arg(&key).arg(&request).query(&mut redis).unwrap();
        let mut stored: Value = serde_json::from_str(&stored).unwrap();
        assert_eq!(stored["s"], status);
        stored["x"] = json!(1);
        let stored = stored.to_string();
        redis::cmd("HSET").arg(&key).arg(&request).arg(stored).query::<u8>(&mut redis).unwrap();
    };
    lapse("APPROVED");
    assert!(is_refused(&scene.open(grant_in(&first)).await));
    scene.decided(&request, "APPROVE").await;
    let second = scene.granted("ada@example.com", 2).await;
    assert_eq!(scene.open(grant_in(&second)).await.status, 200);
    lapse("APPROVED");
    assert_eq!(scene.asked("ada@example.com").await, request);
    assert_eq!(scene.list().await[0]["status"], "PENDING");
    scene.server.mails_about(OWNER, "asks for access", 2).await;
}

#[tokio::test]
async fn grants_and_requests_end_with_the_protection_and_with_the_link() {
    let scene = Scene::set().await;
    let request = scene.asked("ada@example.com").await;
    scene.decided(&request, "APPROVE").await;
    let path = scene.granted("ada@example.com", 1).await;
    let link = format!("/api/v1/url/{}", scene.code);
    let otp = json!({ "newProtectionMethod": "OTP" });
    assert_eq!(scene.owner.patch(&link).json(&otp).send().await.status, 200);
    assert!(is_refused(&scene.open(grant_in(&path)).await));
    let data = scene.visitor.get(&path).header("accept", "application/json").send().await;
    assert_eq!(data.json["details"]["protectionMethod"], "OTP");
    let approve = json!({ "newProtectionMethod": "APPROVE" });
    assert_eq!(scene.owner.patch(&link).json(&approve).send().await.status, 200);
    assert!(is_refused(&scene.open(grant_in(&path)).await), "it began anew");
    assert!(scene.list().await.is_empty());
    assert_eq!(scene.decide(&request, "APPROVE").await.json["error"], "Access request not found");

    scene.asked("ada@example.com").await;
    assert_eq!(scene.owner.delete(&link).send().await.status, 200);
    assert_eq!(scene.open(grant_in(&path)).await.status, 404);
    let mut redis = crate::support::redis_server::connection();
    let pattern = scene.server.key(&format!("{{link:{}}}:requests*", scene.code));
    let left: Vec<String> = redis::cmd("KEYS").arg(pattern).query(&mut redis).unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn parallel_decisions_leave_the_grant_of_the_last_word_or_none() {
    let scene = Scene::set_with(|config| {
        config.server.workers = 2;
        config.shortener.mailbox_mails.free = 1_000;
    })
    .await;
    for round in 0..5 {
        let email = format!("u{round}@example.com");
        let request = scene.asked(&email).await;
        let decide = |decision: &'static str| {
            let (scene, request) = (&scene, &request);
            join_all((0..5).map(move |_| scene.decide(request, decision)))
        };
        let (approvals, denials) = join(decide("APPROVE"), decide("DENY")).await;
        assert!(approvals.iter().chain(&denials).all(|answer| answer.status == 200));
        let list = scene.list().await;
        let status = &list.iter().find(|entry| entry["requestId"] == json!(request)).unwrap()["status"];
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mails = scene.server.mails_to(&email);
        let mut open = 0;
        for mail in mails.iter().filter(|mail| mail.subject.contains("granted")) {
            open += usize::from(scene.open(grant_in(&granted_path(mail))).await.status == 200);
        }
        assert_eq!(open, usize::from(status == "APPROVED"));
    }
}

#[tokio::test]
async fn a_full_list_makes_room_for_what_is_decided_and_for_nothing_that_waits() {
    let scene = Scene::set_with(|config| config.shortener.max_requests_per_link = 3).await;
    let first = scene.asked("u0@example.com").await;
    for number in 1..3 {
        scene.asked(&format!("u{number}@example.com")).await;
    }
    let full = scene.ask("u3@example.com").await;
    assert_eq!((full.status, full.header("retry-after")), (429, "3600"), "{full:?}");
    scene.decided(&first, "APPROVE").await;
    assert_eq!(scene.ask("u3@example.com").await.status, 429, "its grant works");
    scene.decided(&first, "DENY").await;
    scene.asked("u3@example.com").await;
    let emails: Vec<Value> = scene.list().await.iter().map(|entry| entry["email"].clone()).collect();
    assert_eq!(emails, ["u3@example.com", "u2@example.com", "u1@example.com"].map(|email| json!(email)));
    let page = scene.owner.get(&format!("{}?page=2&limit=2", scene.path())).send().await.json["data"].clone();
    assert_eq!(page["requests"].as_array().unwrap().len(), 1);
    assert_eq!((&page["total"], &page["hasNext"]), (&json!(3), &json!(false)));
}

#[tokio::test]
async fn strangers_see_and_decide_nothing_and_what_is_wrong_is_named() {
    let scene = Scene::set().await;
    let request = scene.asked("ada@example.com").await;
    let path = format!("{}/{request}", scene.path());
    let stranger = scene.server.user().await;
    let approve = json!({ "decision": "APPROVE" });
    assert_eq!(stranger.get(&scene.path()).send().await.status, 404);
    assert_eq!(stranger.patch(&path).json(&approve).send().await.status, 404);
    assert_eq!(scene.visitor.get(&scene.path()).send().await.status, 401);
    assert_eq!(scene.visitor.patch(&path).json(&approve).send().await.status, 401);
    assert_eq!(scene.list().await[0]["status"], "PENDING");

    for decision in [json!({}), json!({ "decision": "approve" }), json!({ "decision": 1 })] {
        let answer = scene.owner.patch(&path).json(&decision).send().await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["decision"]), "{decision}");
    }
    for request in ["x".repeat(22), "x".to_owned()] {
        let answer = scene.decide(&request, "DENY").await;
        assert_eq!((answer.status, answer.json["error"].as_str()), (404, Some("Access request not found")));
    }
    for (body, field) in [
        (json!({}), "email"),
        (json!({ "email": "nobody" }), "email"),
        (json!({ "email": "ada@example.com", "reason": "x".repeat(1001) }), "reason"),
        (json!({ "email": "ada@example.com", "reason": "a\u{1b}[31m" }), "reason"),
    ] {
        let answer = scene.visitor.post(&scene.path()).json(&body).send().await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec![field]), "{body}");
    }
    let open = scene.owner.shorten(&json!({ "longUrl": TARGET })).await;
    let body = json!({ "email": "ada@example.com" });
    let answer = scene.visitor.post(&format!("/api/v1/url/{open}/requests")).json(&body).send().await;
    assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["id"]));
    let missing = scene.visitor.post("/api/v1/url/missing1/requests").json(&body).send().await;
    assert_eq!(missing.status, 404);
    for query in ["page=0", "limit=101"] {
        let answer = scene.owner.get(&format!("{}?{query}", scene.path())).send().await;
        assert_eq!(answer.status, 400, "{query}");
    }
}

#[tokio::test]
async fn owners_and_visitors_are_not_buried_in_mails() {
    let scene = Scene::set_with(|config| {
        config.shortener.link_mails.free = 3;
        config.shortener.mailbox_mails.free = 2;
    })
    .await;
    let request = scene.asked("ada@example.com").await;
    let mut asked = 1;
    for number in 0..10 {
        asked += usize::from(scene.ask(&format!("u{number}@example.com")).await.status == 202);
    }
    assert_eq!(asked, 4, "three are free, the fourth starts the wait");
    for (approval, denial) in [(200, 200), (200, 200), (200, 200), (429, 200)] {
        assert_eq!(scene.decide(&request, "APPROVE").await.status, approval);
        assert_eq!(scene.decide(&request, "DENY").await.status, denial);
    }
    assert_eq!(scene.list().await.last().unwrap()["status"], "DENIED", "a denial holds, mailed or not");
    let path = scene.granted("ada@example.com", 3).await;
    assert!(is_refused(&scene.open(grant_in(&path)).await));
    scene.server.mails_about("ada@example.com", "Access denied", 3).await;
    assert_eq!(scene.server.mails_to("ada@example.com").len(), 6);
}

#[tokio::test]
async fn an_owner_is_told_of_so_many_requests_and_finds_the_rest_on_the_list() {
    let scene = Scene::set_with(|config| config.shortener.owner_mails.free = 4).await;
    let body = json!({ "longUrl": TARGET, "protectionMethod": "APPROVE" });
    let other = Scene { code: scene.owner.shorten(&body).await, ..scene };
    let first = other.asked("first@example.com").await;
    let scene = Scene { code: other.owner.shorten(&body).await, ..other };
    for number in 0..9 {
        scene.asked(&format!("u{number}@example.com")).await;
    }
    assert_eq!(scene.list().await.len(), 9);
    scene.server.mails_about(OWNER, "asks for access", 5).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(scene.server.mails_about(OWNER, "asks for access", 5).await.len(), 5, "over all links");
    let told = scene.owner.get("/api/v1/user/notifications").send().await;
    let told = told.json["data"]["notifications"].as_array().unwrap().clone();
    assert_eq!(told.iter().filter(|one| one["type"] == "PUSH").count(), 5);

    let request = scene.list().await[0]["requestId"].as_str().unwrap().to_owned();
    scene.decided(&request, "APPROVE").await;
    scene.asked("wanted@example.com").await;
    scene.server.mails_about(OWNER, "asks for access", 6).await;
    assert_ne!(first, request);
}

#[tokio::test]
async fn denials_of_strangers_do_not_stop_an_approval() {
    let scene = Scene::set_with(|config| config.shortener.mailbox_mails.free = 2).await;
    for number in 0..6 {
        let request = scene.asked(&format!("ada+{number}@example.com")).await;
        scene.decided(&request, "DENY").await;
    }
    let request = scene.asked("ada@example.com").await;
    scene.decided(&request, "APPROVE").await;
    scene.granted("ada@example.com", 1).await;
}

#[tokio::test]
async fn grants_do_not_stand_readable_in_the_datastore() {
    let scene = Scene::set().await;
    let request = scene.asked("ada@example.com").await;
    scene.decided(&request, "APPROVE").await;
    let path = scene.granted("ada@example.com", 1).await;
    let token = grant_in(&path).split_once('.').unwrap().1;
    assert_eq!(grant_in(&path).split_once('.').unwrap().0, request);
    let mut redis = crate::support::redis_server::connection();
    let key = scene.server.key(&format!("{{link:{}}}:requests", scene.code));
    let stored: String = redis::cmd("HGET").arg(&key).arg(&request).query(&mut redis).unwrap();
    assert!(!stored.contains(token), "{stored}");
    let wrong = format!("{request}.{}", "x".repeat(32));
    for grant in [wrong.as_str(), "", "x", token, &request] {
        assert!(is_refused(&scene.open(grant).await), "{grant}");
    }
}

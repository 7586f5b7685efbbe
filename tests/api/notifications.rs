//! `/api/v1/user/notification…`, and what makes notifications.

use serde_json::{Value, json};

use crate::support::TestServer;
use crate::support::person::{Person, id};

/// A server that tells nobody of his registration.
fn quiet() -> TestServer {
    TestServer::start_with(|config| config.auth.verify_on_register = false)
}

async fn list(of: &Person) -> Vec<Value> {
    let answer = of.client.get("/api/v1/user/notifications").send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json["message"], "Notifications fetched sucessfully");
    answer.json["data"]["notifications"].as_array().unwrap().clone()
}

/// The notifications of a kind, as soon as there are some.
async fn of_kind(person: &Person, kind: &str) -> Vec<Value> {
    for _ in 0..500 {
        let found: Vec<Value> = list(person).await.into_iter().filter(|n| n["kind"] == kind).collect();
        if !found.is_empty() {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("no notification of the kind {kind}: {:?}", list(person).await);
}

/// Ends the session; who comes back has another one.
async fn leave(person: &Person) {
    let answer = person.client.post("/api/auth/logout").send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// With a session that is the only one.
async fn come_back(person: &Person) -> Person {
    person.client.post("/api/auth/logout").send().await;
    Person { client: person.log_in().await, ..person.clone() }
}

async fn post_of(person: &Person) -> String {
    let body = json!({ "title": "A post", "description": "of a test", "content": "Words." });
    let answer = person.client.post("/api/posts").json(&body).send().await;
    id(&answer.json["post"]).to_owned()
}

#[tokio::test]
async fn messages_that_arrive_while_away_are_one_notification_until_it_is_read() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let bob = come_back(&bob).await;
    let (socket, _) = bob.connect().await;
    ada.send(&bob, "while he listens").await;
    socket.cut();
    leave(&bob).await;
    ada.send(&bob, "one").await;
    ada.send(&bob, "two").await;
    let bob = come_back(&bob).await;

    let found = of_kind(&bob, "message_received").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["content"], &found[0]["count"]), (&json!("2 new messages from ada"), &json!(2)));
    assert_eq!((&found[0]["type"], &found[0]["read"]), (&json!("PUSH"), &json!(false)));

    let path = format!("/api/v1/user/notification/{}", found[0]["notificationId"].as_str().unwrap());
    let answer = bob.client.patch(&path).send().await;
    assert_eq!((answer.status, &answer.json["message"]), (200, &json!("Notification marked as read")));
    leave(&bob).await;
    ada.send(&bob, "three").await;
    let bob = come_back(&bob).await;
    let found = of_kind(&bob, "message_received").await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((&found[0]["content"], &found[0]["read"]), (&json!("New message from ada"), &json!(false)));
    assert_eq!(found[1]["read"], true);
}

#[tokio::test]
async fn who_listens_is_not_told_of_messages_twice() {
    let server = quiet();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let (_socket, _) = bob.connect().await;
    ada.send(&bob, "hello").await;
    assert_eq!(list(&bob).await, Vec::<Value>::new());
}

#[tokio::test]
async fn likes_and_comments_are_told_and_pushed() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let (mut socket, _) = ada.connect().await;
    let post = post_of(&ada).await;
    bob.client.put(&format!("/api/posts/{post}/like")).send().await;
    let body = json!({ "text": "Well said." });
    bob.client.post(&format!("/api/posts/{post}/comment")).json(&body).send().await;

    let mut pushed = Vec::new();
    while pushed.len() < 2 {
        let frame = socket.next().await;
        if frame["type"] == "notification.new" {
            assert!(frame["seq"].is_u64(), "{frame}");
            pushed.push(frame["data"].clone());
        }
    }
    assert_eq!(pushed[0]["content"], "bob likes your post");
    assert_eq!(pushed[1]["content"], "bob commented on your post");
    let listed = [of_kind(&ada, "post_liked").await, of_kind(&ada, "post_commented").await].concat();
    for (pushed, listed) in pushed.iter().zip(&listed) {
        assert_eq!(pushed["notificationId"], listed["notificationId"]);
        assert_eq!((&pushed["success"], &listed["success"]), (&json!(true), &json!(true)));
    }
}

#[tokio::test]
async fn without_a_socket_nothing_was_pushed_and_the_list_says_so() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let post = post_of(&ada).await;
    bob.client.put(&format!("/api/posts/{post}/like")).send().await;
    assert_eq!(of_kind(&ada, "post_liked").await[0]["success"], false);
}

#[tokio::test]
async fn a_notification_can_be_deleted_and_is_its_owners_alone() {
    let server = quiet();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let post = post_of(&ada).await;
    bob.client.put(&format!("/api/posts/{post}/like")).send().await;
    let found = of_kind(&ada, "post_liked").await;
    let path = format!("/api/v1/user/notification/{}", found[0]["notificationId"].as_str().unwrap());
    for request in [bob.client.patch(&path), bob.client.delete(&path)] {
        let answer = request.send().await;
        assert_eq!((answer.status, &answer.json["error"]), (400, &json!("Notification ID is invalid")));
    }
    let answer = ada.client.delete(&path).send().await;
    assert_eq!((answer.status, &answer.json["message"]), (200, &json!("Notification deleted")));
    assert_eq!(list(&ada).await, Vec::<Value>::new());
    assert_eq!(ada.client.delete(&path).send().await.status, 400);
    for path in ["/api/v1/user/notification/x", "/api/v1/user/notification/%00%ff"] {
        assert_eq!(ada.client.patch(path).send().await.status, 400, "{path}");
    }
    assert_eq!(server.client().get("/api/v1/user/notifications").send().await.status, 401);
}

#[tokio::test]
async fn notifications_are_paged_and_capped() {
    let server = TestServer::start_with(|config| config.notifier.max_per_user = 20);
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    for _ in 0..23 {
        let post = post_of(&ada).await;
        bob.client.put(&format!("/api/posts/{post}/like")).send().await;
    }
    let page = |query: &'static str| {
        let client = ada.client.clone();
        async move { client.get(&format!("/api/v1/user/notifications{query}")).send().await.json["data"].clone() }
    };
    let first = page("?limit=10").await;
    let total = first["total"].as_u64().unwrap();
    assert!((18..=20).contains(&total), "{first}");
    assert_eq!((&first["hasNext"], &first["unread"]), (&json!(true), &json!(total)));
    assert_eq!(first["notifications"].as_array().unwrap().len(), 10);
    assert_eq!(page("?limit=10&page=3").await["notifications"], json!([]));
    let answer = ada.client.get("/api/v1/user/notifications?limit=0").send().await;
    assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["limit"]));
}

#[tokio::test]
async fn likes_are_mailed_to_who_asked_for_it_and_the_mail_is_listed_as_sent() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let path = "/api/v1/user/notification-settings";
    let none = json!({ "mailMessages": false, "mailLikes": false, "mailComments": false });
    assert_eq!(ada.client.get(path).send().await.json["data"], none);
    let answer = ada.client.patch(path).json(&json!({ "mailLikes": true })).send().await;
    assert_eq!(answer.json["data"]["mailLikes"], true, "{answer:?}");
    for body in [json!({}), json!({ "mailLikes": "yes" }), json!({ "mailLikes": null })] {
        assert_eq!(ada.client.patch(path).json(&body).send().await.status, 400, "{body}");
    }

    let post = post_of(&ada).await;
    bob.client.put(&format!("/api/posts/{post}/like")).send().await;
    let mail = server.mail_to("ada@example.com", "bob likes your post").await;
    assert!(mail.text.contains("Sign in to see it"), "{mail:?}");
    assert!(mail.raw.contains("Auto-Submitted: auto-generated"), "{mail:?}");
    assert!(mail.raw.contains("Content-Transfer-Encoding: 7bit"), "{mail:?}");
    for _ in 0..500 {
        let found = of_kind(&ada, "post_liked").await;
        let email = found.iter().find(|notification| notification["type"] == "EMAIL").unwrap();
        if email["success"] == true {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("a mail that was sent is not listed as sent");
}

#[tokio::test]
async fn an_address_that_nobody_has_proven_gets_a_few_mails_a_day() {
    let server = TestServer::start_with(|config| config.notifier.unverified_per_day = 2);
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    ada.client.patch("/api/v1/user/notification-settings").json(&json!({ "mailLikes": true })).send().await;
    for _ in 0..4 {
        let post = post_of(&ada).await;
        bob.client.put(&format!("/api/posts/{post}/like")).send().await;
    }
    server.mails_about("ada@example.com", "likes your post", 2).await;
    let pushes = || async { of_kind(&ada, "post_liked").await.len() };
    assert_eq!(pushes().await, 6, "four pushed, two mailed");
    assert_eq!(server.mails_about("ada@example.com", "likes your post", 2).await.len(), 2);
}

//! What clients send, and the one answer that each frame gets.

use std::time::Duration;

use serde_json::{Value, json};

use super::two;
use crate::support::TestServer;
use crate::support::person::Person;
use crate::support::socket::Socket;

const NOBODY: &str = "0123456789abcdef01234567";

async fn send(socket: &mut Socket, to: &Person, content: &str) -> Value {
    socket.granted("message.send", json!({ "receiverId": to.id, "content": content })).await
}

#[tokio::test]
async fn a_message_reaches_every_device_but_the_one_that_sent_it() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let (mut phone, _) = ada.connect().await;
    let (mut laptop, _) = ada.connect().await;
    let (mut his, _) = bob.connect().await;
    let answer = phone.ask("message.send", json!({ "receiverId": bob.id, "content": "Hello" })).await;
    assert_eq!((&answer["type"], &answer["seq"]), (&json!("ok"), &json!(1)), "{answer}");
    assert_eq!(answer["data"]["content"], "Hello");
    for socket in [&mut laptop, &mut his] {
        let push = socket.push("message.new").await;
        assert_eq!((&push["data"], &push["seq"]), (&answer["data"], &json!(1)));
    }
    assert!(phone.is_quiet(Duration::from_millis(100)).await);
}

#[tokio::test]
async fn sequence_numbers_have_no_gap_on_any_device_own_messages_included() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let (mut phone, _) = ada.connect().await;
    let (mut laptop, _) = ada.connect().await;
    let (mut his, _) = bob.connect().await;
    for round in 0..20 {
        for socket in [&mut phone, &mut laptop] {
            socket.send("message.send", json!({ "receiverId": bob.id, "content": round.to_string() })).await;
        }
        his.send("message.send", json!({ "receiverId": ada.id, "content": round.to_string() })).await;
    }
    for socket in [&mut phone, &mut laptop, &mut his] {
        let (mut seqs, mut ids) = (Vec::new(), Vec::new());
        while seqs.len() < 60 {
            let frame = socket.next().await;
            if frame["type"] == "message.delivered" {
                seqs.push(frame["seq"].as_u64().unwrap());
                continue;
            }
            assert!(frame["type"] == "ok" || frame["type"] == "message.new", "{frame}");
            seqs.push(frame["seq"].as_u64().unwrap());
            ids.push(frame["data"]["_id"].as_str().unwrap().to_owned());
        }
        assert_eq!(seqs, (1..=60).collect::<Vec<u64>>());
        ids.sort();
        ids.dedup();
        assert!(ids.len() > 40, "{}", ids.len());
    }
}

#[tokio::test]
async fn a_message_goes_out_once_per_client_id() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let (mut hers, hello) = ada.connect().await;
    let (mut his, _) = bob.connect().await;
    let frame = json!({ "receiverId": bob.id, "content": "once", "clientId": "c-1" });
    let first = hers.ask("message.send", frame.clone()).await;
    let again = hers.ask("message.send", frame.clone()).await;
    assert_eq!(first["data"]["_id"], again["data"]["_id"]);
    assert_eq!((&first["seq"], &again["seq"]), (&json!(1), &Value::Null));
    // On another connection, with other words, and over HTTP: still the first.
    let (mut other, _) = ada.resume(&hello["epoch"], 1).await;
    let mut changed = frame.clone();
    changed["content"] = json!("twice");
    let third = other.granted("message.send", changed.clone()).await;
    assert_eq!((&third["_id"], &third["content"]), (&first["data"]["_id"], &json!("once")));
    let over_http = ada.client.post("/api/messages/send").json(&changed).send().await;
    assert_eq!(over_http.json["message"]["_id"], first["data"]["_id"]);
    his.push("message.new").await;
    assert!(his.is_quiet(Duration::from_millis(100)).await);
    // Many at once make one too.
    let frame = json!({ "receiverId": bob.id, "content": "at once", "clientId": "c-2" });
    for _ in 0..5 {
        hers.send("message.send", frame.clone()).await;
        other.send("message.send", frame.clone()).await;
    }
    assert_eq!(his.push("message.new").await["data"]["content"], "at once");
    assert!(his.is_quiet(Duration::from_millis(300)).await);
}

#[tokio::test]
async fn own_messages_are_edited_and_deleted() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let (mut hers, _) = ada.connect().await;
    let sent = send(&mut hers, &bob, "Helo").await;
    let edited = hers.granted("message.edit", json!({ "messageId": sent["_id"], "content": "Hello" })).await;
    assert_eq!((&edited["_id"], &edited["content"]), (&sent["_id"], &json!("Hello")));
    let deleted = hers.granted("message.delete", json!({ "messageId": sent["_id"] })).await;
    assert_eq!(
        (&deleted["_id"], &deleted["isDeleted"], &deleted["content"]),
        (&sent["_id"], &json!(true), &Value::Null)
    );
    hers.granted("message.delete", json!({ "messageId": sent["_id"] })).await;
}

#[tokio::test]
async fn reading_answers_with_what_is_left_unread() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(ada.send(&bob, &number.to_string()).await);
    }
    let (mut his, _) = bob.connect().await;
    let answer = his.ask("message.read", json!({ "messageId": ids[2]["_id"] })).await;
    let conversation = &ids[0]["conversationId"];
    assert_eq!(answer["data"], json!({ "conversationId": conversation, "unreadCount": 2 }), "{answer}");
    assert_eq!(answer["seq"], 1);
    let again = his.ask("message.read", json!({ "messageId": ids[1]["_id"] })).await;
    assert_eq!((&again["data"]["unreadCount"], &again["seq"]), (&json!(2), &Value::Null), "never back");
    let rest = his.ask("message.read", json!({ "conversationId": conversation })).await;
    assert_eq!((&rest["data"]["unreadCount"], &rest["seq"]), (&json!(0), &json!(2)));
}

#[tokio::test]
async fn wrong_fields_are_named_and_change_nothing() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let (mut hers, _) = ada.connect().await;
    let (mut his, _) = bob.connect().await;
    let sent = send(&mut hers, &bob, "Hello").await;
    his.push("message.new").await;
    let (to, id) = (&bob.id, &sent["_id"]);
    for (kind, data, field) in [
        ("message.send", json!(null), "receiverId"),
        ("message.send", json!({ "content": "a" }), "receiverId"),
        ("message.send", json!({ "receiverId": "x", "content": "a" }), "receiverId"),
        ("message.send", json!({ "receiverId": to.to_uppercase(), "content": "a" }), "receiverId"),
        ("message.send", json!({ "receiverId": [to], "content": "a" }), "receiverId"),
        ("message.send", json!({ "receiverId": "6".repeat(50_000), "content": "a" }), "receiverId"),
        ("message.send", json!({ "receiverId": to }), "content"),
        ("message.send", json!({ "receiverId": to, "content": null }), "content"),
        ("message.send", json!({ "receiverId": to, "content": " \n" }), "content"),
        ("message.send", json!({ "receiverId": to, "content": "a\u{0}" }), "content"),
        ("message.send", json!({ "receiverId": to, "content": "x".repeat(16385) }), "content"),
        ("message.send", json!({ "receiverId": to, "content": { "a": 1 } }), "content"),
        ("message.send", json!({ "receiverId": to, "content": "a", "clientId": "" }), "clientId"),
        ("message.send", json!({ "receiverId": to, "content": "a", "clientId": 7 }), "clientId"),
        (
            "message.send",
            json!({ "receiverId": to, "content": "a", "clientId": "x".repeat(129) }),
            "clientId",
        ),
        ("message.read", json!({}), "messageId"),
        ("message.read", json!({ "messageId": "x" }), "messageId"),
        ("message.read", json!({ "conversationId": "x" }), "conversationId"),
        ("message.read", json!({ "messageId": id, "conversationId": 7 }), "conversationId"),
        ("message.edit", json!({ "messageId": id }), "content"),
        ("message.edit", json!({ "messageId": id, "content": "" }), "content"),
        ("message.edit", json!({ "content": "a" }), "messageId"),
        ("message.delete", json!({ "messageId": 7 }), "messageId"),
        ("typing", json!({ "receiverId": to }), "typing"),
        ("typing", json!({ "receiverId": to, "typing": "yes" }), "typing"),
        ("typing", json!({ "typing": true }), "receiverId"),
        ("presence.set", json!({}), "status"),
        ("presence.set", json!({ "status": "asleep" }), "status"),
        ("presence.watch", json!({}), "userIds"),
        ("presence.watch", json!({ "userIds": to }), "userIds"),
        ("presence.watch", json!({ "userIds": [to, "x"] }), "userIds"),
        ("presence.watch", json!({ "userIds": vec![to; 501] }), "userIds"),
        ("presence.unwatch", json!({ "userIds": [7] }), "userIds"),
        ("message.send", json!([]), "data"),
        ("typing", json!("x"), "data"),
    ] {
        let (code, message) = hers.refusal(kind, data.clone()).await;
        assert_eq!(code, "invalid", "{kind} {message}");
        assert!(message.contains(field), "{kind} {field}: {message}");
        assert!(message.len() < 400, "what was sent is not sent back: {message:.500}");
    }
    for kind in ["", "nonsense", "message.new", "hello", "MESSAGE.SEND"] {
        assert_eq!(hers.refusal(kind, json!({})).await.0, "unknown_type");
    }
    assert!(his.is_quiet(Duration::from_millis(100)).await);
    let page = ada.page(&bob.id, "").await;
    assert_eq!(page["messages"].as_array().unwrap().len(), 1);
    assert_eq!(page["messages"][0]["content"], "Hello");
}

#[tokio::test]
async fn what_is_not_there_or_not_ones_own_is_refused() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let eve = Person::new(&server, "eve").await;
    let (mut hers, _) = ada.connect().await;
    let (mut his, _) = bob.connect().await;
    let (mut evil, _) = eve.connect().await;
    let sent = send(&mut hers, &bob, "Hello").await;
    let (id, conversation) = (&sent["_id"], &sent["conversationId"]);
    let edit = |id: &Value| json!({ "messageId": id, "content": "changed" });
    for (who, kind, data, code) in [
        ("ada", "message.send", json!({ "receiverId": NOBODY, "content": "a" }), "not_found"),
        ("ada", "message.read", json!({ "messageId": NOBODY }), "not_found"),
        ("ada", "message.read", json!({ "conversationId": NOBODY }), "not_found"),
        ("ada", "message.edit", edit(&json!(NOBODY)), "not_found"),
        ("ada", "message.delete", json!({ "messageId": NOBODY }), "not_found"),
        ("eve", "message.read", json!({ "messageId": id }), "not_found"),
        ("eve", "message.read", json!({ "conversationId": conversation }), "not_found"),
        ("eve", "message.edit", edit(id), "not_found"),
        ("eve", "message.delete", json!({ "messageId": id }), "not_found"),
        ("bob", "message.edit", edit(id), "forbidden"),
        ("bob", "message.delete", json!({ "messageId": id }), "forbidden"),
    ] {
        let socket = match who {
            "ada" => &mut hers,
            "bob" => &mut his,
            _ => &mut evil,
        };
        let refusal = socket.refusal(kind, data.clone()).await;
        assert_eq!(refusal.0, code, "{who} {kind} {data} {refusal:?}");
    }
    assert_eq!(bob.block(&ada.id).await.status, 200);
    let blocked = json!({ "receiverId": bob.id, "content": "a" });
    assert_eq!(hers.refusal("message.send", blocked).await.0, "forbidden");
    hers.granted("message.delete", json!({ "messageId": id })).await;
    assert_eq!(hers.refusal("message.edit", edit(id)).await.0, "conflict");
}

#[tokio::test]
async fn every_frame_gets_one_answer_whatever_its_id() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let (mut hers, _) = ada.connect().await;
    let ids = [0, 7, 7, 7, u64::MAX, 7];
    for (number, id) in ids.into_iter().enumerate() {
        let data = json!({ "receiverId": bob.id, "content": number.to_string() });
        hers.send_text(&json!({ "id": id, "type": "message.send", "data": data }).to_string()).await;
    }
    let mut contents = Vec::new();
    for seq in 1..=ids.len() {
        let answer = hers.next().await;
        assert_eq!((&answer["type"], &answer["seq"]), (&json!("ok"), &json!(seq)), "{answer}");
        let content: usize = answer["data"]["content"].as_str().unwrap().parse().unwrap();
        assert_eq!(answer["id"], ids[content]);
        contents.push(content);
    }
    assert_eq!(contents, [0, 1, 2, 3, 4, 5]);
    assert!(hers.is_quiet(Duration::from_millis(1200)).await, "and no second one");
}

#[tokio::test]
async fn what_a_client_adds_is_ignored() {
    let server = TestServer::start();
    let ada = Person::new(&server, "ada").await;
    let (mut hers, _) = ada.connect().await;
    hers.send_text(r#"  {"seq":4,"id":1,"extra":{},"data":{"status":"away","x":1},"type":"presence.set"} "#)
        .await;
    assert_eq!(hers.next().await, json!({ "id": 1, "type": "ok", "data": { "status": "away" } }));
}

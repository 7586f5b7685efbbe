//! What the server pushes, to whom.

use std::time::Duration;

use serde_json::{Value, json};

use super::two;
use crate::support::TestServer;
use crate::support::person::Person;
use crate::support::socket::Socket;

const QUIET: Duration = Duration::from_millis(100);

#[tokio::test]
async fn edits_and_deletions_reach_all_devices_of_both() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let (mut phone, _) = ada.connect().await;
    let (mut laptop, _) = ada.connect().await;
    let (mut his, _) = bob.connect().await;
    let id = ada.send(&bob, "Helo").await["_id"].clone();
    for socket in [&mut phone, &mut laptop, &mut his] {
        assert_eq!(socket.push("message.new").await["seq"], 1);
    }
    let edited = phone.granted("message.edit", json!({ "messageId": id, "content": "Hello" })).await;
    for socket in [&mut phone, &mut laptop, &mut his] {
        let push = socket.until("message.updated").await;
        assert_eq!((&push["data"]["_id"], &push["data"]["content"]), (&id, &json!("Hello")));
        assert_eq!(push["data"]["updatedAt"], edited["updatedAt"]);
    }
    // By HTTP it is the same.
    assert_eq!(
        ada.client.delete(&format!("/api/messages/{}", id.as_str().unwrap())).send().await.status,
        200
    );
    for socket in [&mut phone, &mut laptop, &mut his] {
        let push = socket.until("message.deleted").await;
        assert_eq!((&push["data"]["_id"], &push["data"]["isDeleted"]), (&id, &json!(true)));
        assert_eq!(push["data"]["content"], Value::Null);
    }
}

#[tokio::test]
async fn reading_tells_the_sender_and_ones_own_other_devices() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let (mut hers, _) = ada.connect().await;
    let mut sent = Vec::new();
    for number in 0..3 {
        sent.push(ada.send(&bob, &number.to_string()).await);
    }
    let (mut phone, _) = bob.connect().await;
    let (mut laptop, _) = bob.connect().await;
    let answer = phone.ask("message.read", json!({ "messageId": sent[1]["_id"] })).await;
    let own = laptop.push("conversation.read").await;
    assert_eq!((&own["data"], &own["seq"]), (&answer["data"], &answer["seq"]));
    assert_eq!(own["data"], json!({ "conversationId": sent[0]["conversationId"], "unreadCount": 1 }));
    let read = hers.until("message.read").await;
    assert_eq!(
        (&read["data"]["conversationId"], &read["data"]["upTo"]),
        (&sent[0]["conversationId"], &sent[1]["_id"])
    );
    assert!(read["data"]["at"].as_str().unwrap().ends_with('Z') && read["seq"].is_u64());
    assert!(phone.is_quiet(QUIET).await && laptop.is_quiet(QUIET).await && hers.is_quiet(QUIET).await);
    // By HTTP all of one's devices are others.
    assert_eq!(bob.mark_read(sent[2]["_id"].as_str().unwrap()).await.status, 200);
    for socket in [&mut phone, &mut laptop] {
        assert_eq!(socket.push("conversation.read").await["data"]["unreadCount"], 0);
    }
    assert_eq!(hers.push("message.read").await["data"]["upTo"], sent[2]["_id"]);
}

#[tokio::test]
async fn typing_is_told_to_the_other_alone_and_has_no_number() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let eve = Person::new(&server, "eve").await;
    let (mut hers, _) = ada.connect().await;
    let (mut her_other, _) = ada.connect().await;
    let (mut phone, _) = bob.connect().await;
    let (mut laptop, _) = bob.connect().await;
    let (mut evil, _) = eve.connect().await;
    hers.granted("typing", json!({ "receiverId": bob.id, "typing": true })).await;
    assert!(phone.is_quiet(QUIET).await, "strangers are not told");
    let conversation = ada.send(&bob, "Hello").await["conversationId"].clone();
    for socket in [&mut phone, &mut laptop, &mut hers, &mut her_other] {
        socket.push("message.new").await;
    }
    for typing in [true, false] {
        hers.granted("typing", json!({ "receiverId": bob.id, "typing": typing })).await;
        for socket in [&mut phone, &mut laptop] {
            let push = socket.push("typing").await;
            let data = json!({ "userId": ada.id, "conversationId": conversation, "typing": typing });
            assert_eq!(push, json!({ "type": "typing", "data": data }));
        }
    }
    assert_eq!(bob.block(&ada.id).await.status, 200);
    hers.granted("typing", json!({ "receiverId": bob.id, "typing": true })).await;
    for socket in [&mut phone, &mut laptop, &mut her_other, &mut evil] {
        assert!(socket.is_quiet(QUIET).await);
    }
}

#[tokio::test]
async fn a_message_to_oneself_is_one_event() {
    let server = TestServer::start();
    let ada = Person::new(&server, "ada").await;
    let (mut phone, _) = ada.connect().await;
    let (mut laptop, _) = ada.connect().await;
    let answer = phone.ask("message.send", json!({ "receiverId": ada.id, "content": "note" })).await;
    assert_eq!(answer["seq"], 1);
    let push = laptop.push("message.new").await;
    assert_eq!((&push["data"], &push["seq"]), (&answer["data"], &json!(1)));
    laptop.granted("message.read", json!({ "messageId": push["data"]["_id"] })).await;
    assert!(phone.is_quiet(QUIET).await && laptop.is_quiet(QUIET).await);
}

#[tokio::test]
async fn an_ended_session_closes_its_sockets_and_no_others() {
    let server = TestServer::start();
    let ada = Person::new(&server, "ada").await;
    let elsewhere = ada.log_in().await;
    let (mut phone, hello) = ada.connect().await;
    let (mut tablet, _) = ada.connect().await;
    let (mut laptop, _) = Socket::connect(server.address, elsewhere.token()).await;
    assert_eq!(ada.client.post("/api/auth/logout").send().await.status, 200);
    for socket in [&mut phone, &mut tablet] {
        let push =
            tokio::time::timeout(Duration::from_secs(1), socket.push("session.revoked")).await.unwrap();
        assert_eq!(push, json!({ "type": "session.revoked", "data": { "sessionId": hello["sessionId"] } }));
        assert_eq!(socket.close_code().await, 3502);
    }
    laptop.granted("presence.set", json!({ "status": "online" })).await;
}

#[tokio::test]
async fn a_session_whose_end_was_not_announced_is_found_out_with_the_next_heartbeat() {
    let server = TestServer::start_with(|config| config.realtime.heartbeat_ms = 1000);
    let ada = Person::new(&server, "ada").await;
    let (mut hers, _) = ada.connect().await;
    let mut redis = crate::support::redis_server::connection();
    let sessions = server.key(&format!("{{user:{}}}:sessions", ada.id));
    assert_eq!(redis::cmd("DEL").arg(sessions).query::<i64>(&mut redis).unwrap(), 1);
    hers.push("session.revoked").await;
    assert_eq!(hers.close_code().await, 3502);
}

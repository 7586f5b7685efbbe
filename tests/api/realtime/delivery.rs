//! When a message counts as delivered.

use std::time::Duration;

use serde_json::json;

use super::two;
use crate::support::TestServer;
use crate::support::person::Person;
use crate::support::socket::{RawSocket, Socket, opcode};

const QUIET: Duration = Duration::from_millis(150);

async fn status(of: &Person, with: &Person) -> String {
    let page = of.page(&with.id, "").await;
    page["messages"].as_array().unwrap().last().unwrap()["status"].as_str().unwrap().to_owned()
}

/// What `hers` is told of the message `id`.
async fn is_delivered(hers: &mut Socket, id: &serde_json::Value) {
    let push = hers.push("message.delivered").await;
    assert_eq!(push["data"]["upTo"], *id, "{push}");
    assert!(push["data"]["conversationId"].is_string() && push["data"]["at"].is_string());
    assert!(push["seq"].is_u64());
}

#[tokio::test]
async fn any_later_frame_of_the_receiver_delivers() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let (mut hers, _) = ada.connect().await;
    let (mut his, _) = bob.connect().await;
    for (kind, data) in [
        ("typing", json!({ "receiverId": ada.id, "typing": false })),
        ("presence.set", json!({ "status": "busy" })),
        ("nonsense", json!({})),
    ] {
        let sent = hers.granted("message.send", json!({ "receiverId": bob.id, "content": kind })).await;
        his.push("message.new").await;
        assert_eq!(status(&ada, &bob).await, "sent");
        his.ask(kind, data).await;
        loop {
            let push = hers.next().await;
            if push["type"] == "message.delivered" {
                assert_eq!(push["data"]["upTo"], sent["_id"]);
                break;
            }
            assert_eq!(push["type"], "typing", "{push}");
        }
        assert_eq!(status(&ada, &bob).await, "delivered");
    }
}

#[tokio::test]
async fn a_client_that_only_answers_pings_receives() {
    let server = TestServer::start_with(|config| config.realtime.heartbeat_ms = 1000);
    let (ada, bob) = two(&server).await;
    let (mut hers, _) = ada.connect().await;
    let (mut his, _) = bob.connect().await;
    let id = ada.send(&bob, "Hello").await["_id"].clone();
    hers.push("message.new").await;
    his.push("message.new").await;
    let (is_quiet, ()) = tokio::join!(his.is_quiet(Duration::from_secs(2)), is_delivered(&mut hers, &id));
    assert!(is_quiet);
}

#[tokio::test]
async fn a_client_that_says_nothing_has_not_received() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let (mut hers, _) = ada.connect().await;
    let (mut his, _) = bob.connect().await;
    ada.send(&bob, "Hello").await;
    hers.push("message.new").await;
    his.push("message.new").await;
    assert!(hers.is_quiet(QUIET).await);
    assert_eq!(status(&ada, &bob).await, "sent", "one's own look at it delivers nothing");
}

#[tokio::test]
async fn a_pong_delivers_even_if_it_is_the_last_word() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let (mut hers, _) = ada.connect().await;
    let (address, token) = (server.address, bob.client.token().to_owned());
    let his = tokio::task::spawn_blocking(move || {
        let mut his = RawSocket::connect(address, &token);
        assert_eq!(his.next_text()["type"], "hello");
        his
    });
    let mut his = his.await.unwrap();
    let id = ada.send(&bob, "Hello").await["_id"].clone();
    hers.push("message.new").await;
    tokio::task::spawn_blocking(move || {
        assert_eq!(his.next_text()["type"], "message.new");
        his.send(opcode::PONG, b"");
    })
    .await
    .unwrap();
    is_delivered(&mut hers, &id).await;
}

#[tokio::test]
async fn fetching_by_http_delivers() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let (mut hers, _) = ada.connect().await;
    ada.send(&bob, "one").await;
    let id = ada.send(&bob, "two").await["_id"].clone();
    for _ in 0..2 {
        hers.push("message.new").await;
    }
    assert_eq!(status(&bob, &ada).await, "delivered");
    is_delivered(&mut hers, &id).await;
    bob.page(&ada.id, "").await;
    assert!(hers.is_quiet(QUIET).await, "once is enough");
}

#[tokio::test]
async fn what_is_resumed_is_delivered_by_the_next_frame() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let (mut hers, _) = ada.connect().await;
    let (his, hello) = bob.connect().await;
    his.cut();
    let mut last = json!(null);
    for number in 0..3 {
        last = ada.send(&bob, &number.to_string()).await["_id"].clone();
        hers.push("message.new").await;
    }
    let (mut his, _) = bob.resume(&hello["epoch"], 0).await;
    for _ in 0..3 {
        his.push("message.new").await;
    }
    his.granted("presence.set", json!({ "status": "online" })).await;
    is_delivered(&mut hers, &last).await;
    assert!(hers.is_quiet(QUIET).await, "all three by one receipt");
}

#[tokio::test]
async fn reading_delivers_as_well() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let (mut hers, _) = ada.connect().await;
    let id = ada.send(&bob, "Hello").await["_id"].clone();
    hers.push("message.new").await;
    let (mut his, _) = bob.connect().await;
    his.granted("message.read", json!({ "messageId": id })).await;
    assert_eq!(hers.push("message.read").await["data"]["upTo"], id);
    let page = ada.page(&bob.id, "").await;
    assert_eq!(page["messages"][0]["status"], "read");
    assert!(page["messages"][0]["deliveredAt"].is_string());
}

#[tokio::test]
async fn ones_own_message_from_elsewhere_says_nothing_of_what_one_received() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    bob.send(&ada, "While you were out").await;
    let (mut hers, _) = ada.connect().await;
    let (mut his, _) = bob.connect().await;
    ada.send(&bob, "From another device").await;
    hers.push("message.new").await;
    his.push("message.new").await;
    hers.granted("presence.set", json!({ "status": "busy" })).await;
    assert!(his.is_quiet(QUIET).await, "nothing was delivered to her");
    let page = bob.page(&ada.id, "").await;
    assert_eq!(page["messages"][0]["status"], "sent", "{page}");
}

#[tokio::test]
async fn a_close_is_a_sign_like_any_other() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let (mut hers, _) = ada.connect().await;
    let (mut his, _) = bob.connect().await;
    let sent = hers.granted("message.send", json!({ "receiverId": bob.id, "content": "Hello" })).await;
    his.push("message.new").await;
    his.close().await;
    is_delivered(&mut hers, &sent["_id"]).await;
}

//! A node that stops.

use std::time::{Duration, Instant};

use serde_json::json;

use super::nodes::Nodes;
use crate::support::redis_server::wait_until;
use crate::support::socket::Socket;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_sends_its_clients_elsewhere_and_says_who_has_gone() {
    let mut nodes = Nodes::start(&[]);
    let (ada, bob) = (nodes.person("ada").await, nodes.person("bob").await);
    let [first, second] = [0, 1].map(|number: usize| nodes.servers[number].address);
    let (mut his, hello) = bob.at_address(first).connect().await;
    let mut stranger = Socket::upgrade(first, &[]).await;
    let (mut hers, _) = ada.at_address(second).connect().await;
    hers.granted("presence.watch", json!({ "userIds": [bob.id] })).await;
    let started = Instant::now();
    nodes.servers[0].signal("TERM");
    let (greeted, strange) = tokio::join!(his.close_code(), stranger.close_code());
    assert_eq!((greeted, strange), (3000, 3000), "also who has not said who he is");
    assert_eq!(hers.push("presence").await["data"]["status"], "offline");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    drop((his, stranger));
    assert!(nodes.servers[0].wait().success());
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "sockets do not hold up the end: {:?}",
        started.elapsed()
    );
    let (_, again) = bob.at_address(second).resume(&hello["epoch"], 0).await;
    assert_eq!(again["resumed"], true);
    assert_eq!(hers.push("presence").await["data"]["status"], "online");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_on_their_way_when_a_node_stops_arrive() {
    let mut nodes = Nodes::start(&[]);
    let (ada, bob) = (nodes.person("ada").await, nodes.person("bob").await);
    let [first, second] = [0, 1].map(|number: usize| nodes.servers[number].address);
    let (mut hers, _) = ada.at_address(first).connect().await;
    let (mut his, _) = bob.at_address(second).connect().await;
    for number in 0..50 {
        hers.send("message.send", json!({ "receiverId": bob.id, "content": number.to_string() })).await;
    }
    assert_eq!(hers.next().await["type"], "ok");
    nodes.servers[0].signal("TERM");
    let mut acknowledged = 1;
    while let Some(frame) = hers.next_or_end().await {
        acknowledged += usize::from(frame["type"] == "ok");
    }
    assert!(nodes.servers[0].wait().success());
    for number in 0..acknowledged {
        assert_eq!(his.push("message.new").await["data"]["content"], number.to_string());
    }
    wait_until("nothing is left to be carried", || {
        let left: Vec<String> =
            redis::cmd("KEYS").arg("ay:{conv:*}:intents").query(&mut nodes.connection()).unwrap();
        left.is_empty()
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_and_no_message_reaches_the_log_at_its_loudest() {
    let nodes = Nodes::start_many(1, &[("AYRENE__LOG__LEVEL", "trace")]);
    let ada = nodes.person("ada").await;
    let token = ada.client.token();
    let (mut socket, _) = ada.connect().await;
    socket.granted("message.send", json!({ "receiverId": ada.id, "content": "open sesame" })).await;
    let (mut other, _) = Socket::connect(nodes.servers[0].address, token).await;
    other.granted("presence.set", json!({ "status": "away" })).await;
    let url = format!("ws://{}/ws?token={token}", nodes.servers[0].address);
    drop(tokio_tungstenite::connect_async(url).await.unwrap());
    socket.close().await;
    let log = || nodes.servers[0].log.lock().unwrap().clone();
    wait_until("the socket's end is logged", || log().matches("/ws").count() >= 3);
    for hidden in [token, token.split('.').nth(2).unwrap(), "open sesame"] {
        assert!(!log().contains(hidden), "{hidden:.20} is in the log");
    }
}

//! Messages in flight when a node, Redis or the connection between them dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::device::{Acknowledged, Device, Script, Sender};
use super::nodes::Nodes;
use crate::process::signal;
use crate::support::person::Person;

const SENDERS: usize = 4;
const EACH: usize = 60;

/// Two people who write to each other over both nodes, and devices of theirs on both, while `fault` happens twice:
/// what was acknowledged comes to each device once. Returns how often the devices had to come back.
async fn survives(nodes: &mut Nodes, mut fault: impl FnMut(&mut Nodes, usize)) -> usize {
    let people = [nodes.person("ada").await, nodes.person("bob").await];
    let addresses = nodes.addresses();
    let (_cut, expect, script) = Script::new();
    let mut receiving = Vec::new();
    for person in &people {
        for turn in 0..2 {
            let device = Device::open(person, &addresses, turn).await;
            receiving.push((person.id.clone(), tokio::spawn(device.receive(script.clone()))));
        }
    }
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut sending = Vec::new();
    for number in 0..SENDERS {
        let [from, to] =
            if number % 2 == 0 { [0, 1] } else { [1, 0] }.map(|side: usize| people[side].clone());
        let mut nodes = addresses.clone();
        nodes.rotate_left(number / 2 % addresses.len());
        let sender = Sender { from, to: vec![to], nodes, acknowledged: acknowledged.clone() };
        sending.push(tokio::spawn(async move {
            sender.send(&format!("sender {number}"), EACH, Duration::from_millis(10)).await
        }));
    }
    for round in 0..2 {
        let enough = SENDERS * EACH * (round + 1) / 4;
        while acknowledged.load(Ordering::Relaxed) < enough {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        fault(nodes, round);
    }
    let mut sent = Vec::new();
    for sender in sending {
        let acknowledged: Acknowledged = sender.await.unwrap();
        sent.extend(acknowledged.into_values().flatten());
    }
    assert_eq!(sent.len(), SENDERS * EACH);
    // Both sides of a conversation hear of all of it.
    expect.send(Some(sent.len())).unwrap();
    sent.sort();
    let mut resumed = 0;
    for (person, device) in receiving {
        let mut device = device.await.unwrap();
        device.got.sort();
        assert_eq!(device.got, sent, "{person}");
        resumed += device.resumed;
    }
    resumed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_a_node_loses_and_doubles_nothing() {
    let mut nodes = Nodes::start(&[]);
    let returns = survives(&mut nodes, |nodes, round| {
        if round == 0 {
            nodes.servers[0].signal("KILL");
        }
    });
    assert!(returns.await >= 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_redis_loses_and_doubles_nothing() {
    let mut nodes = Nodes::start(&[]);
    survives(&mut nodes, |nodes, _| nodes.restart_redis()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_subscription_loses_nothing_and_closes_nothing() {
    let mut nodes = Nodes::start(&[]);
    let returns = survives(&mut nodes, |nodes, _| {
        for _ in 0..3 {
            let killed: i64 =
                redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).query(&mut nodes.connection()).unwrap();
            assert!(killed <= 4, "two for each node");
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    assert_eq!(returns.await, 0, "no device noticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_restarts_closes_no_socket() {
    let mut nodes = Nodes::start(&[]);
    let (ada, bob) = (nodes.person("ada").await, nodes.person("bob").await);
    let (mut hers, _) = ada.connect().await;
    let (mut his, _) = bob.at_address(nodes.servers[1].address).connect().await;
    hers.granted("message.send", json!({ "receiverId": bob.id, "content": "before" })).await;
    his.push("message.new").await;
    nodes.restart_redis();
    let frame = json!({ "receiverId": bob.id, "content": "after", "clientId": "after" });
    while hers.ask("message.send", frame.clone()).await["type"] != "ok" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let push = his.push("message.new").await;
    assert_eq!((&push["data"]["content"], &push["seq"]), (&json!("after"), &json!(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_redis_makes_refusals_that_are_temporary() {
    let nodes = Nodes::start_many(1, &[]);
    let (ada, bob): (Person, Person) = (nodes.person("ada").await, nodes.person("bob").await);
    let (mut hers, _) = ada.connect().await;
    hers.granted("message.send", json!({ "receiverId": bob.id, "content": "before" })).await;
    signal(nodes.redis.child.id(), "STOP");
    for (kind, data) in [
        ("message.send", json!({ "receiverId": bob.id, "content": "a", "clientId": "a" })),
        ("message.read", json!({ "conversationId": "0123456789abcdef01234567" })),
        ("presence.set", json!({ "status": "away" })),
        ("presence.watch", json!({ "userIds": [bob.id] })),
    ] {
        let started = std::time::Instant::now();
        assert_eq!(hers.refusal(kind, data).await.0, "unavailable", "{kind}");
        assert!(started.elapsed() < Duration::from_secs(3), "{kind}: {:?}", started.elapsed());
    }
    let mut late = crate::support::socket::Socket::upgrade(nodes.servers[0].address, &[]).await;
    let refusal = late.refusal("auth", json!({ "token": ada.client.token() })).await;
    assert_eq!(refusal.0, "unavailable");
    assert_eq!(late.close_code().await, 3000);
    signal(nodes.redis.child.id(), "CONT");
    // What was refused may have happened; under its client id it happens once.
    let frame = json!({ "receiverId": bob.id, "content": "a", "clientId": "a" });
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    let sent = loop {
        let answer = hers.ask("message.send", frame.clone()).await;
        if answer["type"] == "ok" {
            break answer["data"]["_id"].clone();
        }
        assert!(tokio::time::Instant::now() < deadline, "{answer}");
    };
    let page = bob.page(&ada.id, "").await;
    let ids: Vec<_> = page["messages"].as_array().unwrap().iter().map(|message| &message["_id"]).collect();
    assert_eq!((ids.len(), ids[1]), (2, &sent));
}

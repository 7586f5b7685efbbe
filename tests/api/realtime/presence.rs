//! Who is here, as sockets tell it.

use std::time::Duration;

use serde_json::{Value, json};

use super::two;
use crate::support::TestServer;
use crate::support::person::Person;
use crate::support::socket::Socket;

const QUIET: Duration = Duration::from_millis(150);

async fn watch(socket: &mut Socket, people: &[&Person]) -> Vec<Value> {
    let ids: Vec<&str> = people.iter().map(|person| person.id.as_str()).collect();
    let mut states = socket.granted("presence.watch", json!({ "userIds": ids })).await;
    states["states"].as_array_mut().unwrap().drain(..).collect()
}

async fn told(socket: &mut Socket, of: &Person, status: &str) -> Value {
    let push = socket.push("presence").await;
    assert_eq!((&push["data"]["userId"], &push["data"]["status"]), (&json!(of.id), &json!(status)), "{push}");
    assert_eq!(push["seq"], Value::Null);
    push["data"]["lastSeen"].clone()
}

/// Logged out of HTTP presence: as after an account was made long ago.
async fn nobody_home(server: &TestServer) -> (Person, Person) {
    let (ada, bob) = two(server).await;
    let mut redis = crate::support::redis_server::connection();
    for person in [&ada, &bob] {
        let key = server.key(&format!("{{user:{}}}:presence", person.id));
        redis::cmd("DEL").arg(key).query::<i64>(&mut redis).unwrap();
    }
    (ada, bob)
}

#[tokio::test]
async fn the_first_socket_brings_online_and_the_last_takes_offline() {
    let server = TestServer::start();
    let (ada, bob) = nobody_home(&server).await;
    let (mut hers, _) = ada.connect().await;
    let states = watch(&mut hers, &[&bob]).await;
    assert_eq!(states, [json!({ "userId": bob.id, "status": "offline", "lastSeen": null })]);
    let before = chrono::Utc::now();
    let (phone, _) = bob.connect().await;
    told(&mut hers, &bob, "online").await;
    let (mut laptop, _) = bob.connect().await;
    assert!(hers.is_quiet(QUIET).await, "a second device changes nothing");
    phone.cut();
    assert!(hers.is_quiet(QUIET).await, "nor does the end of one of two");
    laptop.granted("presence.set", json!({ "status": "online" })).await;
    laptop.close().await;
    let seen = told(&mut hers, &bob, "offline").await;
    let seen: chrono::DateTime<chrono::Utc> = seen.as_str().unwrap().parse().unwrap();
    assert!(
        (seen - before).num_milliseconds() >= -5 && seen <= chrono::Utc::now() + Duration::from_millis(5)
    );
    assert_eq!(watch(&mut hers, &[&bob]).await[0]["status"], "offline");
}

#[tokio::test]
async fn what_is_set_by_hand_holds_while_a_socket_lives() {
    let server = TestServer::start_with(|config| config.realtime.heartbeat_ms = 1000);
    let (ada, bob) = nobody_home(&server).await;
    let (mut hers, _) = ada.connect().await;
    watch(&mut hers, &[&bob]).await;
    let (mut phone, _) = bob.connect().await;
    told(&mut hers, &bob, "online").await;
    for status in ["away", "busy"] {
        assert_eq!(
            phone.granted("presence.set", json!({ "status": status })).await,
            json!({ "status": status })
        );
        told(&mut hers, &bob, status).await;
    }
    let (mut laptop, _) = bob.connect().await;
    phone.close().await;
    // Neither another device, nor a heartbeat, nor a login changes it.
    let elsewhere = bob.log_in().await;
    assert_eq!(elsewhere.get("/api/auth/me").send().await.json["user"]["onlineStatus"], "busy");
    let (laptop_quiet, hers_quiet) = tokio::join!(
        laptop.is_quiet(Duration::from_millis(2300)),
        hers.is_quiet(Duration::from_millis(2300))
    );
    assert!(laptop_quiet && hers_quiet);
    assert_eq!(watch(&mut hers, &[&bob]).await[0]["status"], "busy");
    laptop.close().await;
    told(&mut hers, &bob, "offline").await;
    let (_again, _) = bob.connect().await;
    told(&mut hers, &bob, "online").await;
}

#[tokio::test]
async fn here_unseen_looks_gone() {
    let server = TestServer::start();
    let (ada, bob) = nobody_home(&server).await;
    let (mut hers, _) = ada.connect().await;
    watch(&mut hers, &[&bob]).await;
    let (mut his, _) = bob.connect().await;
    told(&mut hers, &bob, "online").await;
    his.granted("presence.set", json!({ "status": "offline" })).await;
    let seen = told(&mut hers, &bob, "offline").await;
    let (_other, _) = bob.connect().await;
    his.granted("typing", json!({ "receiverId": ada.id, "typing": true })).await;
    assert!(hers.is_quiet(QUIET).await);
    let state = watch(&mut hers, &[&bob]).await;
    assert_eq!(state[0], json!({ "userId": bob.id, "status": "offline", "lastSeen": seen }));
    his.granted("presence.set", json!({ "status": "online" })).await;
    told(&mut hers, &bob, "online").await;
}

#[tokio::test]
async fn unwatched_people_are_no_longer_told_of() {
    let server = TestServer::start();
    let (ada, bob) = nobody_home(&server).await;
    let (mut hers, _) = ada.connect().await;
    let (mut her_other, _) = ada.connect().await;
    let (mut his, _) = bob.connect().await;
    for socket in [&mut hers, &mut her_other] {
        assert_eq!(watch(socket, &[&bob, &bob, &ada]).await.len(), 2, "named twice, told once");
    }
    his.granted("presence.set", json!({ "status": "away" })).await;
    told(&mut hers, &bob, "away").await;
    told(&mut her_other, &bob, "away").await;
    assert_eq!(hers.granted("presence.unwatch", json!({ "userIds": [bob.id] })).await, json!({}));
    his.granted("presence.set", json!({ "status": "busy" })).await;
    told(&mut her_other, &bob, "busy").await;
    assert!(hers.is_quiet(QUIET).await);
    hers.granted("presence.unwatch", json!({ "userIds": [bob.id] })).await;
    assert_eq!(watch(&mut hers, &[&bob]).await[0]["status"], "busy");
    his.granted("presence.set", json!({ "status": "online" })).await;
    told(&mut hers, &bob, "online").await;
}

#[tokio::test]
async fn a_socket_watches_only_so_many() {
    let server = TestServer::start_with(|config| config.realtime.max_watched = 3);
    let (ada, bob) = nobody_home(&server).await;
    let (mut hers, _) = ada.connect().await;
    let strangers: Vec<String> = (0..4).map(|number| format!("{number:024x}")).collect();
    let watched = |people: &[String]| json!({ "userIds": people });
    assert_eq!(hers.refusal("presence.watch", watched(&strangers)).await.0, "invalid");
    let states = hers.granted("presence.watch", watched(&strangers[..2])).await;
    assert_eq!(states["states"][0], json!({ "userId": strangers[0], "status": "offline", "lastSeen": null }));
    let refusal = hers.refusal("presence.watch", watched(&strangers[2..])).await;
    assert!(refusal.0 == "invalid" && refusal.1.contains("userIds"), "{refusal:?}");
    watch(&mut hers, &[&bob]).await;
    hers.granted("presence.watch", watched(&strangers[..2])).await;
    hers.granted("presence.unwatch", watched(&strangers[..2])).await;
    hers.granted("presence.watch", watched(&strangers[2..])).await;
    let (_his, _) = bob.connect().await;
    told(&mut hers, &bob, "online").await;
}

#[tokio::test]
async fn logging_out_takes_offline_at_once() {
    let server = TestServer::start();
    let (ada, bob) = nobody_home(&server).await;
    let (mut hers, _) = ada.connect().await;
    let (mut his, _) = bob.connect().await;
    assert_eq!(watch(&mut hers, &[&bob]).await[0]["status"], "online");
    assert_eq!(bob.client.post("/api/auth/logout").send().await.status, 200);
    told(&mut hers, &bob, "offline").await;
    assert_eq!(his.close_code().await, 3502);
    assert!(hers.is_quiet(QUIET).await);
}

//! Users whose node dies.

use std::time::{Duration, Instant};

use serde_json::json;

use super::nodes::Nodes;

const HEARTBEAT: Duration = Duration::from_millis(3000);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_users_of_a_killed_node_are_offline_within_two_heartbeats() {
    let nodes = Nodes::start(&[("AYRENE__REALTIME__HEARTBEAT_MS", "3000")]);
    let (ada, bob, eve) = (nodes.person("ada").await, nodes.person("bob").await, nodes.person("eve").await);
    let [first, second] = [0, 1].map(|number: usize| nodes.servers[number].address);
    let (mut hers, hello) = ada.at_address(second).connect().await;
    assert_eq!(hello["heartbeatMs"], 3000);
    let (mut his, _) = bob.at_address(first).connect().await;
    his.granted("presence.set", json!({ "status": "busy" })).await;
    // She has a device on either node, and stays.
    let _one = eve.at_address(first).connect().await;
    let (mut other, _) = eve.at_address(second).connect().await;
    let states = hers.granted("presence.watch", json!({ "userIds": [bob.id, eve.id] })).await;
    let mut statuses: Vec<&str> =
        states["states"].as_array().unwrap().iter().map(|state| state["status"].as_str().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, ["busy", "online"]);
    // A beat or two: presence lives by them, not by the connection's beginning.
    let (quiet, still) = tokio::join!(hers.is_quiet(HEARTBEAT * 3 / 2), other.is_quiet(HEARTBEAT * 3 / 2));
    assert!(quiet && still);
    let before = chrono::Utc::now();
    nodes.servers[0].signal("KILL");
    let killed = Instant::now();
    let gone = async {
        loop {
            if let Some(frame) = hers.next_or_end().await {
                return frame;
            }
        }
    };
    let (push, _) = tokio::join!(tokio::time::timeout(HEARTBEAT * 2, gone), other.is_quiet(HEARTBEAT));
    let push = push.unwrap_or_else(|_| panic!("not within two heartbeats: {:?}", killed.elapsed()));
    assert_eq!((&push["type"], &push["data"]["userId"]), (&json!("presence"), &json!(bob.id)));
    assert_eq!(push["data"]["status"], "offline");
    let seen: chrono::DateTime<chrono::Utc> = push["data"]["lastSeen"].as_str().unwrap().parse().unwrap();
    assert!(
        seen <= before + Duration::from_millis(50) && seen >= before - HEARTBEAT - Duration::from_millis(500)
    );
    let states = hers.granted("presence.watch", json!({ "userIds": [bob.id, eve.id] })).await;
    let eve_now =
        states["states"].as_array().unwrap().iter().find(|state| state["userId"] == eve.id.as_str());
    assert_eq!(eve_now.unwrap()["status"], "online", "her other device lives");
}

//! "Did I miss anything?"

use std::time::Duration;

use serde_json::{Value, json};

use super::two;
use crate::support::TestServer;
use crate::support::person::Person;
use crate::support::socket::Socket;

/// Sends as many messages; returns their ids.
async fn write_many(from: &Person, to: &Person, count: usize) -> Vec<Value> {
    let mut sent = Vec::new();
    for number in 0..count {
        sent.push(from.send(to, &number.to_string()).await["_id"].clone());
    }
    sent
}

#[tokio::test]
async fn what_was_missed_follows_in_order() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let (his, hello) = bob.connect().await;
    his.cut();
    let sent = write_many(&ada, &bob, 20).await;
    let resume = json!({ "epoch": hello["epoch"], "seq": 5 });
    let wrapped = json!({ "resume": resume });
    for (mut his, again) in [
        bob.resume(&hello["epoch"], 5).await,
        Socket::resume(server.address, bob.client.token(), resume).await,
        Socket::resume(server.address, bob.client.token(), wrapped).await,
    ] {
        assert_eq!(
            (&again["resumed"], &again["seq"], &again["epoch"]),
            (&json!(true), &json!(20), &hello["epoch"])
        );
        for (seq, id) in (6..).zip(&sent[5..]) {
            let push = his.push("message.new").await;
            assert_eq!((&push["data"]["_id"], &push["seq"]), (id, &json!(seq)));
        }
    }
    let (mut his, again) = bob.resume(&hello["epoch"], 20).await;
    assert_eq!((&again["resumed"], &again["seq"]), (&json!(true), &json!(20)), "nothing was missed");
    ada.send(&bob, "next").await;
    assert_eq!(his.next().await["seq"], 21);
}

#[tokio::test]
async fn a_place_that_nobody_knows_is_not_resumed_and_the_socket_is_live() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let (_, hello) = bob.connect().await;
    write_many(&ada, &bob, 3).await;
    let epoch = &hello["epoch"];
    for (epoch, seq) in [
        (&json!("other"), 1),
        (&json!(""), 0),
        (&json!("\u{0}\u{1f980}"), 0),
        (&json!("x".repeat(60_000)), 0),
        (epoch, 4),
        (epoch, 1 << 53),
        (epoch, u64::MAX),
    ] {
        let (mut socket, hello) = bob.resume(epoch, seq).await;
        assert_eq!((&hello["resumed"], &hello["seq"]), (&json!(false), &json!(3)), "{seq}");
        socket.granted("presence.set", json!({ "status": "online" })).await;
    }
    let (mut socket, _) = bob.resume(&json!("other"), 1).await;
    ada.send(&bob, "live").await;
    assert_eq!(socket.push("message.new").await["seq"], 4);
}

#[tokio::test]
async fn numbers_that_are_no_place_are_refused() {
    let server = TestServer::start();
    let ada = Person::new(&server, "ada").await;
    let mut socket = Socket::upgrade(server.address, &[]).await;
    for seq in ["-1", "1.5", "1e3", "\"1\"", "null", "[]", "18446744073709551616", "1e999"] {
        let token = ada.client.token();
        let text = format!(
            r#"{{"id":1,"type":"auth","data":{{"token":"{token}","resume":{{"epoch":"e","seq":{seq}}}}}}}"#
        );
        socket.send_text(&text).await;
        if seq == "1e999" {
            // No number at all in JSON that is held to its rules.
            assert_eq!(socket.close_code().await, 3503);
            return;
        }
        let answer = socket.next().await;
        assert_eq!(answer["data"]["code"], "invalid", "{seq} {answer}");
        assert!(answer["data"]["message"].as_str().unwrap().contains("seq"), "{seq} {answer}");
    }
}

#[tokio::test]
async fn more_than_the_log_keeps_is_not_resumed_and_never_in_part() {
    let server = TestServer::start_with(|config| config.realtime.log_events = 10);
    let (ada, bob) = two(&server).await;
    let (_, hello) = bob.connect().await;
    // The log is trimmed by the hundred.
    let sent = write_many(&ada, &bob, 230).await;
    for seq in [0, 1, 100, 129, 219] {
        let (mut socket, hello) = bob.resume(&hello["epoch"], seq).await;
        assert_eq!((&hello["resumed"], &hello["seq"]), (&json!(false), &json!(230)), "{seq}");
        assert!(socket.is_quiet(Duration::from_millis(50)).await);
    }
    let (mut socket, again) = bob.resume(&hello["epoch"], 220).await;
    assert_eq!(again["resumed"], true);
    for id in &sent[220..] {
        assert_eq!(socket.push("message.new").await["data"]["_id"], *id);
    }
}

#[tokio::test]
async fn a_log_that_lost_its_oldest_events_is_not_resumed_from_there() {
    let server = TestServer::start();
    let (ada, bob) = two(&server).await;
    let (_, hello) = bob.connect().await;
    write_many(&ada, &bob, 6).await;
    let mut redis = crate::support::redis_server::connection();
    let log = server.key(&format!("{{user:{}}}:log", bob.id));
    let trimmed: i64 = redis::cmd("XTRIM").arg(&[log.as_str(), "MAXLEN", "3"]).query(&mut redis).unwrap();
    assert_eq!(trimmed, 3);
    for (seq, resumed) in [(2, false), (3, true), (5, true)] {
        assert_eq!(bob.resume(&hello["epoch"], seq).await.1["resumed"], resumed, "{seq}");
    }
}

#[tokio::test]
async fn more_bytes_than_allowed_are_not_resumed() {
    let server = TestServer::start_with(|config| config.realtime.max_resume_bytes = 20_000);
    let (ada, bob) = two(&server).await;
    let (_, hello) = bob.connect().await;
    for _ in 0..100 {
        ada.send(&bob, &"x".repeat(1000)).await;
    }
    for (seq, resumed) in [(0, false), (80, false), (90, true)] {
        let (mut socket, hello) = bob.resume(&hello["epoch"], seq).await;
        assert_eq!((&hello["resumed"], &hello["seq"]), (&json!(resumed), &json!(100)), "{seq}");
        if resumed {
            for number in seq..100 {
                assert_eq!(socket.push("message.new").await["seq"], number + 1);
            }
        }
    }
}

#[tokio::test]
async fn a_log_that_was_lost_ends_the_socket_and_begins_anew() {
    let server = TestServer::start_with(|config| config.realtime.heartbeat_ms = 1000);
    let (ada, bob) = two(&server).await;
    let (mut his, hello) = bob.connect().await;
    let mut redis = crate::support::redis_server::connection();
    for part in ["position", "log", "carried"] {
        let key = server.key(&format!("{{user:{}}}:{part}", bob.id));
        redis::cmd("DEL").arg(key).query::<i64>(&mut redis).unwrap();
    }
    ada.send(&bob, "to nobody's log").await;
    assert_eq!(his.close_code().await, 3000, "it is told to come back within a heartbeat");
    let (_, again) = bob.resume(&hello["epoch"], 0).await;
    assert_eq!(again["resumed"], false);
    assert_ne!(again["epoch"], hello["epoch"]);
}

#[tokio::test]
async fn an_event_whose_announcement_got_lost_is_fetched_with_the_next_heartbeat() {
    let server = TestServer::start_with(|config| config.realtime.heartbeat_ms = 1000);
    let (ada, bob) = two(&server).await;
    let (mut his, _) = bob.connect().await;
    ada.send(&bob, "first").await;
    his.push("message.new").await;
    // What the script would have done, without its announcement.
    let mut redis = crate::support::redis_server::connection();
    let key = |part: &str| server.key(&format!("{{user:{}}}:{part}", bob.id));
    let frame = r#"{"type":"message.new","data":{},"seq":2}"#;
    redis::pipe()
        .cmd("XADD")
        .arg(&[&key("log"), "2-1", "f", frame, "o", ""])
        .cmd("HSET")
        .arg(&[&key("position"), "seq", "2"])
        .exec(&mut redis)
        .unwrap();
    assert_eq!(his.next().await["seq"], 2);
}

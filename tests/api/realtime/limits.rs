//! Limits, heartbeats and close codes.

use std::time::{Duration, Instant};

use ayrene::config::Quota;
use serde_json::json;

use super::two;
use crate::support::TestServer;
use crate::support::person::Person;
use crate::support::socket::{RawSocket, Socket, opcode};

/// A raw socket that has got its hello, blocking: for tests without an async client beside it.
async fn raw(server: &TestServer, person: &Person) -> RawSocket {
    let (address, token) = (server.address, person.client.token().to_owned());
    tokio::task::spawn_blocking(move || {
        let mut socket = RawSocket::connect(address, &token);
        assert_eq!(socket.next_text()["type"], "hello");
        socket
    })
    .await
    .unwrap()
}

/// A raw socket with as little room on its way as can be, and its epoch.
async fn slow_reader(server: &TestServer, person: &Person) -> (RawSocket, serde_json::Value) {
    let (address, token) = (server.address, person.client.token().to_owned());
    blocking(move || {
        let stream = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        stream.set_recv_buffer_size(4096).unwrap();
        stream.connect(&address.into()).unwrap();
        let mut slow = RawSocket::upgrade_on(stream.into(), &format!("Authorization: Bearer {token}\r\n"));
        let hello = slow.next_text();
        assert_eq!(hello["type"], "hello");
        (slow, hello["data"]["epoch"].clone())
    })
    .await
}

/// How much the kernel holds for a client that does not read.
fn largest_send_buffer() -> usize {
    let sizes = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_wmem").unwrap_or_default();
    sizes.split_whitespace().last().and_then(|size| size.parse().ok()).unwrap_or(8 << 20)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn who_does_not_say_who_he_is_is_closed_in_time() {
    let server = TestServer::start_with(|config| config.realtime.auth_timeout_secs = 1);
    let started = Instant::now();
    let mut silent = Socket::upgrade(server.address, &[]).await;
    assert_eq!(silent.close_code().await, 3501);
    assert!((1000..2500).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn two_missed_heartbeats_close_the_socket() {
    let server = TestServer::start_with(|config| config.realtime.heartbeat_ms = 1000);
    let ada = Person::new(&server, "ada").await;
    let mut socket = raw(&server, &ada).await;
    let started = Instant::now();
    let code = blocking(move || socket.close_code()).await;
    assert_eq!(code, 3001);
    assert!((1500..4500).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn any_traffic_is_life() {
    let server = TestServer::start_with(|config| config.realtime.heartbeat_ms = 1000);
    let ada = Person::new(&server, "ada").await;
    let (mut quiet, _) = ada.connect().await;
    let mut talker = raw(&server, &ada).await;
    let talk = blocking(move || {
        // Pings are never answered, but something comes every now and then: a ping, then one frame byte by byte.
        for _ in 0..3 {
            talker.send(opcode::PING, b"x");
            std::thread::sleep(Duration::from_millis(700));
        }
        let text = br#"{"id":1,"type":"presence.set","data":{"status":"online"}}"#;
        let frame = RawSocket::frame(0x81, text.len(), text);
        for part in frame.chunks(frame.len() / 6) {
            assert!(talker.try_send(part));
            std::thread::sleep(Duration::from_millis(700));
        }
        talker.next_text()
    });
    // For as long as the other talks: who is not read meanwhile answers no ping.
    let (answer, is_quiet) = tokio::join!(talk, quiet.is_quiet(Duration::from_secs(8)));
    assert_eq!((&answer["id"], &answer["type"]), (&json!(1), &json!("ok")));
    assert!(is_quiet, "who answers pings stays");
    quiet.granted("presence.set", json!({ "status": "online" })).await;
}

#[tokio::test]
async fn a_ping_is_answered_with_its_own_words() {
    let server = TestServer::start();
    let ada = Person::new(&server, "ada").await;
    let mut socket = raw(&server, &ada).await;
    let pong = blocking(move || {
        socket.send(opcode::PING, b"words");
        socket.next().unwrap()
    });
    assert_eq!(pong.await, (opcode::PONG, b"words".to_vec()));
}

#[tokio::test]
async fn frames_have_a_size() {
    let server = TestServer::start_with(|config| config.rate_limits.enabled = true);
    let ada = Person::new(&server, "ada").await;
    let frame = |size: usize| {
        let text = r#"{"id":1,"type":"presence.set","data":{"status":"online"}}"#;
        format!("{text}{}", " ".repeat(size - text.len())).into_bytes()
    };
    let mut whole = raw(&server, &ada).await;
    let mut parts = raw(&server, &ada).await;
    let mut announced = raw(&server, &ada).await;
    let mut absurd = raw(&server, &ada).await;
    blocking(move || {
        whole.send(opcode::TEXT, &frame(65536));
        assert_eq!(whole.next_text()["type"], "ok", "64 KiB is allowed");
        whole.send(opcode::TEXT, &frame(65537));
        assert_eq!(whole.close_code(), 3504);

        let text = frame(65536);
        parts.send_part(opcode::TEXT, &text[..40000]);
        parts.send(opcode::PING, b"in between");
        parts.send_part(opcode::CONTINUATION, b"");
        parts.send(opcode::CONTINUATION, &text[40000..]);
        assert_eq!(parts.next().unwrap().0, opcode::PONG);
        assert_eq!(parts.next_text()["type"], "ok", "in parts too");
        parts.send_part(opcode::TEXT, &text[..40000]);
        parts.send_part(opcode::CONTINUATION, &text[..40000]);
        assert_eq!(parts.close_code(), 3504);

        // Nobody waits for what is announced as too large.
        announced.stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        announced.try_send(&RawSocket::frame(0x81, 65537, b"{"));
        assert_eq!(announced.close_code(), 3504);
        absurd.try_send(&RawSocket::frame(0x81, 1 << 62, b"{"));
        assert_eq!(absurd.close_code(), 3504);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_frame_is_a_bad_frame() {
    let server = TestServer::start();
    let ada = Person::new(&server, "ada").await;
    let text = |text: &str| RawSocket::frame(0x81, text.len(), text.as_bytes());
    let deep = format!(r#"{{"id":1,"type":"typing","data":{}{}}}"#, "[".repeat(20_000), "]".repeat(20_000));
    let mut unmasked = vec![0x81, 2];
    unmasked.extend(b"{}");
    let mut both = RawSocket::frame(0x01, 1, b"{");
    both.extend(RawSocket::frame(0x81, 2, b"{}"));
    for (what, bytes) in [
        ("binary", RawSocket::frame(0x82, 2, b"{}")),
        ("binary in parts", RawSocket::frame(0x02, 2, b"{}")),
        ("not JSON", text("hello")),
        ("empty", text("")),
        ("an array", text(r#"[1,"typing",{}]"#)),
        ("no id", text(r#"{"type":"typing","data":{}}"#)),
        ("no type", text(r#"{"id":1,"data":{}}"#)),
        ("two ids", text(r#"{"id":1,"id":2,"type":"typing","data":{}}"#)),
        ("a negative id", text(r#"{"id":-1,"type":"typing","data":{}}"#)),
        ("an id of text", text(r#"{"id":"1","type":"typing","data":{}}"#)),
        ("a huge id", text(r#"{"id":18446744073709551616,"type":"typing","data":{}}"#)),
        ("a broken id", text(r#"{"id":1.5,"type":"typing","data":{}}"#)),
        ("two values", text(r#"{"id":1,"type":"typing","data":{}}{}"#)),
        ("a type of number", text(r#"{"id":1,"type":1,"data":{}}"#)),
        ("deep", text(&deep)),
        ("not UTF-8", RawSocket::frame(0x81, 3, b"{\xff}")),
        ("reserved bits", RawSocket::frame(0xc1, 2, b"{}")),
        ("an unknown opcode", RawSocket::frame(0x83, 2, b"{}")),
        ("a continuation of nothing", RawSocket::frame(0x80, 2, b"{}")),
        ("a text within a text", both),
        ("a long ping", RawSocket::frame(0x89, 126, &[b'x'; 126])),
        ("a ping in parts", RawSocket::frame(0x09, 1, b"x")),
        ("unmasked", unmasked),
        ("a close of one byte", RawSocket::frame(0x88, 1, b"x")),
    ] {
        let mut socket = raw(&server, &ada).await;
        blocking(move || {
            socket.try_send(&bytes);
            assert_eq!(socket.close_code(), 3503, "{what}");
            assert!(socket.ends() < Duration::from_secs(1), "{what}: the server ends the connection");
        })
        .await;
    }
}

#[tokio::test]
async fn frames_are_limited_per_connection() {
    let server = TestServer::start_with(|config| {
        config.rate_limits.enabled = true;
        config.realtime.frames = Quota { requests: 20, per_secs: 3600 };
    });
    let ada = Person::new(&server, "ada").await;
    let (mut calm, _) = ada.connect().await;
    let (mut hasty, _) = ada.connect().await;
    for _ in 0..19 {
        hasty.granted("presence.set", json!({ "status": "online" })).await;
    }
    hasty.send("presence.set", json!({ "status": "online" })).await;
    assert_eq!(hasty.close_code().await, 3505);
    calm.granted("presence.set", json!({ "status": "online" })).await;
    for (first, content) in [(0x89, "ping"), (0x8a, "pong")] {
        let mut socket = raw(&server, &ada).await;
        let code = blocking(move || {
            for _ in 0..21 {
                socket.try_send(&RawSocket::frame(first, content.len(), content.as_bytes()));
            }
            socket.close_code()
        });
        assert_eq!(code.await, 3505, "{content}");
    }
    let mut empty_parts = raw(&server, &ada).await;
    let code = blocking(move || {
        empty_parts.send_part(opcode::TEXT, b"");
        for _ in 0..20 {
            empty_parts.try_send(&RawSocket::frame(opcode::CONTINUATION, 0, b""));
        }
        empty_parts.close_code()
    });
    assert_eq!(code.await, 3505);
}

#[tokio::test]
async fn ten_thousand_frames_at_once_are_worked_off_or_refused_by_the_limit() {
    let patient = TestServer::start();
    let strict = TestServer::start_with(|config| config.rate_limits.enabled = true);
    let (ada, bob) = (Person::new(&patient, "ada").await, Person::new(&strict, "bob").await);
    let mut answered = raw(&patient, &ada).await;
    let answers = blocking(move || {
        let mut writer = RawSocket { stream: answered.stream.try_clone().unwrap() };
        let writing = std::thread::spawn(move || {
            let frames: Vec<u8> = (1..=10_000)
                .map(|id| format!(r#"{{"id":{id},"type":"nonsense","data":{{}}}}"#))
                .flat_map(|text| RawSocket::frame(0x81, text.len(), text.as_bytes()))
                .collect();
            writer.try_send(&frames)
        });
        let ids: Vec<u64> = (0..10_000).map(|_| answered.next_text()["id"].as_u64().unwrap()).collect();
        assert!(writing.join().unwrap());
        ids
    });
    assert_eq!(answers.await, (1..=10_000).collect::<Vec<u64>>());
    let mut refused = raw(&strict, &bob).await;
    let code = blocking(move || {
        for id in 0..10_000 {
            let text = format!(r#"{{"id":{id},"type":"presence.set","data":{{"status":"online"}}}}"#);
            if !refused.try_send(&RawSocket::frame(0x81, text.len(), text.as_bytes())) {
                break;
            }
        }
        refused.close_code()
    });
    assert_eq!(code.await, 3505);
}

#[tokio::test]
async fn a_client_that_stops_reading_is_closed_as_too_slow_and_resumes_without_a_gap() {
    let server = TestServer::start_with(|config| {
        config.realtime.max_queue_bytes = 65536;
        config.realtime.max_resume_bytes = 64 << 20;
        config.realtime.log_events = 100_000;
    });
    let (ada, bob) = two(&server).await;
    let mut slow = slow_reader(&server, &bob).await;
    let (mut hers, _) = ada.connect().await;
    let (mut probe, _) = bob.connect().await;
    let content = "x".repeat(16_000);
    let mut sent = Vec::new();
    while sent.len() * content.len() < 2 * largest_send_buffer() {
        let answer = hers.ask("message.send", json!({ "receiverId": bob.id, "content": content })).await;
        assert_eq!(answer["type"], "ok");
        sent.push(answer["data"]["_id"].as_str().unwrap().to_owned());
        probe.push("message.new").await;
    }
    let epoch = slow.1.clone();
    let (code, got) = blocking(move || {
        let mut got = Vec::new();
        loop {
            let (kind, content) = slow.0.next().expect("a close frame");
            match kind {
                opcode::TEXT => {
                    let frame: serde_json::Value = serde_json::from_slice(&content).unwrap();
                    got.push((
                        frame["seq"].as_u64().unwrap(),
                        frame["data"]["_id"].as_str().unwrap().to_owned(),
                    ));
                }
                opcode::CLOSE => return (u16::from_be_bytes([content[0], content[1]]), got),
                _ => {}
            }
        }
    })
    .await;
    assert_eq!(code, 3008);
    assert!(!got.is_empty() && got.len() < sent.len(), "{} of {}", got.len(), sent.len());
    let mut all: Vec<String> = got.iter().map(|(_, id)| id.clone()).collect();
    let (mut resumed, hello) = bob.resume(&epoch, got.last().unwrap().0).await;
    assert_eq!(hello["resumed"], true);
    while all.len() < sent.len() {
        all.push(resumed.push("message.new").await["data"]["_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(all, sent);
}

#[tokio::test]
async fn silence_within_the_heartbeat_is_no_reason_to_close() {
    // The clocks of requests, as short as they can be: an answer within 6 s, 2 s of silence.
    let server = TestServer::start_with(|config| {
        config.server.head_timeout_secs = 1;
        config.server.body_timeout_secs = 1;
        config.server.keep_alive_secs = 1;
        config.auth.hash_timeout_secs = 1;
        config.realtime.heartbeat_ms = 60_000;
    });
    let (ada, bob) = two(&server).await;
    let mut silent = raw(&server, &ada).await;
    let mut ponging = raw(&server, &ada).await;
    let mut receiving = raw(&server, &ada).await;
    blocking(move || {
        // What needs no answer, so that none is written.
        ponging.send(opcode::PONG, b"");
        ponging.send_part(opcode::TEXT, b"");
        std::thread::sleep(Duration::from_secs(8));
        let frame = br#"{"id":1,"type":"presence.set","data":{"status":"online"}}"#;
        silent.send(opcode::TEXT, frame);
        assert_eq!(silent.next_text()["type"], "ok");
        ponging.send(opcode::CONTINUATION, frame);
        assert_eq!(ponging.next_text()["type"], "ok");
    })
    .await;
    bob.send(&ada, "Hello").await;
    blocking(move || assert_eq!(receiving.next_text()["type"], "message.new")).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_any_more_is_let_go_within_two_heartbeats() {
    let server = TestServer::start_with(|config| {
        config.realtime.heartbeat_ms = 1000;
        config.realtime.max_queue_bytes = 65536;
    });
    let (ada, bob) = two(&server).await;
    let slow = slow_reader(&server, &bob).await;
    let (mut hers, _) = ada.connect().await;
    let content = "x".repeat(16_000);
    let mut redis = crate::support::redis_server::connection();
    let channel = server.key(&format!("user:{}", bob.id));
    let heard = |redis: &mut redis::Connection| {
        redis::cmd("PUBSUB").arg(&["NUMSUB", &channel]).query::<(String, i64)>(redis).unwrap().1
    };
    assert_eq!(heard(&mut redis), 1);
    let deadline = Instant::now() + Duration::from_secs(20);
    while heard(&mut redis) == 1 {
        hers.granted("message.send", json!({ "receiverId": bob.id, "content": content })).await;
        assert!(Instant::now() < deadline, "it is kept");
    }
    drop(slow);
}

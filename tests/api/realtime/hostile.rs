//! Connections that go wrong.

use std::io::Read;
use std::net::Shutdown;
use std::time::Duration;

use serde_json::json;

use crate::support::TestServer;
use crate::support::person::Person;
use crate::support::redis_server;
use crate::support::socket::{RawSocket, Socket, opcode};

/// Whether the user's channel is heard by anybody, and the user counts as here by a socket.
fn traces(server: &TestServer, person: &Person) -> (i64, i64) {
    let mut redis = redis_server::connection();
    let channel = server.key(&format!("user:{}", person.id));
    let (_, heard): (String, i64) =
        redis::cmd("PUBSUB").arg(&["NUMSUB", &channel]).query(&mut redis).unwrap();
    let sockets = server.key(&format!("{{user:{}}}:sockets", person.id));
    (heard, redis::cmd("ZCARD").arg(sockets).query(&mut redis).unwrap())
}

#[tokio::test]
async fn sockets_cut_at_any_moment_leave_nothing_behind() {
    let server = TestServer::start_with(|config| config.realtime.resume_grace_ms = 5);
    let ada = Person::new(&server, "ada").await;
    let (address, token) = (server.address, ada.client.token().to_owned());
    tokio::task::spawn_blocking(move || {
        for round in 0..200u64 {
            let mut socket = RawSocket::connect(address, &token);
            match round % 4 {
                0 => {}
                1 => std::thread::sleep(Duration::from_millis(round % 13)),
                2 => assert_eq!(socket.next_text()["type"], "hello"),
                _ => socket.send(opcode::TEXT, br#"{"id":1,"type":"presence.watch","data":{"userIds":[]}}"#),
            }
        }
    })
    .await
    .unwrap();
    let (watched, ada_again) = (ada.clone(), ada.clone());
    let address = server.address;
    let mut socket = Socket::auth(address, ada_again.client.token(), None).await.0;
    socket.granted("presence.watch", json!({ "userIds": [watched.id] })).await;
    socket.cut();
    tokio::task::spawn_blocking(move || {
        redis_server::wait_until("nothing is heard and nobody is here", || traces(&server, &ada) == (0, 0));
        let mut redis = redis_server::connection();
        let pattern = server.key("*");
        let heard: Vec<String> = redis::cmd("PUBSUB").arg(&["CHANNELS", &pattern]).query(&mut redis).unwrap();
        assert_eq!(heard, [server.key("links:changed")]);
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_close_is_answered_with_its_code_and_the_connection_ended() {
    let server = TestServer::start();
    let ada = Person::new(&server, "ada").await;
    let (address, token) = (server.address, ada.client.token().to_owned());
    tokio::task::spawn_blocking(move || {
        for code in [1000u16, 1001, 4321] {
            let mut socket = RawSocket::connect(address, &token);
            socket.next_text();
            socket.send(opcode::CLOSE, &[&code.to_be_bytes()[..], b"bye"].concat());
            assert_eq!(socket.close_code(), code);
            assert!(socket.ends() < Duration::from_secs(1));
        }
        let mut socket = RawSocket::connect(address, &token);
        socket.next_text();
        socket.send(opcode::CLOSE, b"");
        assert_eq!(socket.next().unwrap().0, opcode::CLOSE);
        assert!(socket.ends() < Duration::from_secs(1));
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_client_that_ends_only_its_own_side_is_let_go() {
    let server = TestServer::start();
    let ada = Person::new(&server, "ada").await;
    let (address, token) = (server.address, ada.client.token().to_owned());
    tokio::task::spawn_blocking(move || {
        for greeted in [true, false] {
            let mut socket = RawSocket::connect(address, &token);
            if greeted {
                socket.next_text();
            }
            socket.stream.shutdown(Shutdown::Write).unwrap();
            assert!(socket.ends() < Duration::from_secs(2), "greeted: {greeted}");
        }
        redis_server::wait_until("nobody is here", || traces(&server, &ada) == (0, 0));
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_a_client_sent_before_it_left_is_done_and_answered() {
    let server = TestServer::start();
    let (ada, bob) = (Person::new(&server, "ada").await, Person::new(&server, "bob").await);
    for (round, half_closed) in [false, true].into_iter().enumerate() {
        let (address, token, receiver) = (server.address, ada.client.token().to_owned(), bob.id.clone());
        let answers = tokio::task::spawn_blocking(move || {
            let mut socket = RawSocket::connect(address, &token);
            assert_eq!(socket.next_text()["type"], "hello");
            let mut burst = Vec::new();
            for id in 0..40 {
                let data = json!({ "receiverId": receiver, "content": format!("{round} {id}") });
                let frame = json!({ "id": id, "type": "message.send", "data": data }).to_string();
                burst.extend(RawSocket::frame(0x81, frame.len(), frame.as_bytes()));
            }
            if !half_closed {
                burst.extend(RawSocket::frame(0x88, 2, &1000u16.to_be_bytes()));
            }
            assert!(socket.try_send(&burst));
            if half_closed {
                socket.stream.shutdown(Shutdown::Write).unwrap();
            }
            let mut answers = 0;
            while let Ok((kind, content)) = socket.next() {
                if kind == opcode::CLOSE {
                    assert_eq!(content, 1000u16.to_be_bytes());
                    break;
                }
                let answer: serde_json::Value = serde_json::from_slice(&content).unwrap();
                assert_eq!((&answer["id"], &answer["type"]), (&json!(answers), &json!("ok")), "{answer}");
                answers += 1;
            }
            assert!(socket.ends() < Duration::from_secs(2));
            answers
        });
        if !half_closed {
            assert_eq!(answers.await.unwrap(), 40);
        } else {
            answers.await.unwrap();
        }
        assert_eq!(
            bob.all_messages(&ada.id, 100).await.len(),
            40 * (round + 1),
            "half-closed: {half_closed}"
        );
    }
}

#[tokio::test]
async fn the_close_code_arrives_also_at_a_client_that_keeps_sending() {
    let server = TestServer::start();
    let ada = Person::new(&server, "ada").await;
    let (address, token) = (server.address, ada.client.token().to_owned());
    tokio::task::spawn_blocking(move || {
        let mut socket = RawSocket::connect(address, &token);
        socket.next_text();
        let mut writer = RawSocket { stream: socket.stream.try_clone().unwrap() };
        let chatter = std::thread::spawn(move || {
            let frame = RawSocket::frame(0x82, 60_000, &[0; 60_000]);
            for _ in 0..100 {
                if !writer.try_send(&frame) {
                    break;
                }
            }
        });
        assert_eq!(socket.close_code(), 3503);
        chatter.join().unwrap();
        let mut rest = Vec::new();
        let _ = socket.stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "nothing comes after the close");
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_client_that_ignores_the_close_does_not_keep_the_connection() {
    let server = TestServer::start();
    let ada = Person::new(&server, "ada").await;
    let (address, token) = (server.address, ada.client.token().to_owned());
    tokio::task::spawn_blocking(move || {
        let mut socket = RawSocket::connect(address, &token);
        socket.next_text();
        socket.send(opcode::BINARY, b"x");
        assert_eq!(socket.close_code(), 3503);
        // Sends on and on, until the server hangs up for good.
        let frame = RawSocket::frame(0x8a, 1, b"x");
        let started = std::time::Instant::now();
        while socket.try_send(&frame) {
            assert!(started.elapsed() < Duration::from_secs(5), "the connection is kept");
            std::thread::sleep(Duration::from_millis(20));
        }
    })
    .await
    .unwrap();
}

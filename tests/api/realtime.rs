//! `/ws`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::server::PASSWORD;
use crate::support::socket::Socket;
use crate::support::{Client, TestServer};

struct Person {
    client: Client,
    id: String,
}

async fn person(server: &TestServer, name: &str) -> Person {
    let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD, "username": name });
    let answer = server.client().post("/api/auth/register").json(&body).send().await;
    assert_eq!(answer.status, 201, "{answer:?}");
    Person {
        client: server.client().with_token(answer.json["accessToken"].as_str().unwrap()),
        id: answer.json["user"]["_id"].as_str().unwrap().to_owned(),
    }
}

impl Person {
    async fn connect(&self, server: &TestServer) -> (Socket, Value) {
        Socket::auth(server.address, self.client.token(), None).await
    }
}

#[tokio::test]
async fn hello_says_who_where_and_how() {
    let server = TestServer::start();
    let ada = person(&server, "ada").await;
    for (_, hello) in [ada.connect(&server).await, Socket::connect(server.address, ada.client.token()).await]
    {
        assert_eq!(hello["userId"], json!(ada.id));
        assert_eq!(
            (&hello["seq"], &hello["resumed"], &hello["heartbeatMs"]),
            (&json!(0), &json!(false), &json!(25000))
        );
        assert!(hello["sessionId"].is_string() && hello["epoch"].is_string());
    }
}

#[tokio::test]
async fn a_message_reaches_every_device_but_the_one_that_sent_it() {
    let server = TestServer::start();
    let (ada, bob) = (person(&server, "ada").await, person(&server, "bob").await);
    let (mut phone, _) = ada.connect(&server).await;
    let (mut laptop, _) = ada.connect(&server).await;
    let (mut his, _) = bob.connect(&server).await;
    let answer = phone.ask("message.send", json!({ "receiverId": bob.id, "content": "Hello" })).await;
    assert_eq!((&answer["type"], &answer["seq"]), (&json!("ok"), &json!(1)), "{answer}");
    assert_eq!(answer["data"]["content"], "Hello");
    for socket in [&mut laptop, &mut his] {
        let push = socket.push("message.new").await;
        assert_eq!((&push["data"], &push["seq"]), (&answer["data"], &json!(1)));
    }
    // Any later frame says that the message has arrived.
    his.send("typing", json!({ "receiverId": ada.id, "typing": true })).await;
    let frames = [phone.next().await, phone.next().await];
    let delivered = frames.iter().find(|frame| frame["type"] == "message.delivered").unwrap();
    assert_eq!(delivered["data"]["upTo"], answer["data"]["_id"]);
    assert_eq!(delivered["seq"], 2);
    let typing = frames.iter().find(|frame| frame["type"] == "typing").unwrap();
    assert_eq!((&typing["data"]["userId"], &typing["seq"]), (&json!(bob.id), &Value::Null));
    assert!(phone.is_quiet(Duration::from_millis(200)).await);
}

#[tokio::test]
async fn what_was_missed_follows_in_order() {
    let server = TestServer::start();
    let (ada, bob) = (person(&server, "ada").await, person(&server, "bob").await);
    let (his, hello) = bob.connect(&server).await;
    his.cut();
    let mut sent = Vec::new();
    for number in 0..20 {
        let body = json!({ "receiverId": bob.id, "content": number.to_string() });
        sent.push(
            ada.client.post("/api/messages/send").json(&body).send().await.json["message"]["_id"].clone(),
        );
    }
    let resume = json!({ "epoch": hello["epoch"], "seq": 5 });
    let (mut his, hello) = Socket::auth(server.address, bob.client.token(), Some(resume)).await;
    assert_eq!((&hello["resumed"], &hello["seq"]), (&json!(true), &json!(20)));
    for (number, id) in sent.iter().enumerate().skip(5) {
        let push = his.push("message.new").await;
        assert_eq!((&push["data"]["_id"], &push["seq"]), (id, &json!(number + 1)));
    }
    for resume in [json!({ "epoch": "other", "seq": 5 }), json!({ "epoch": hello["epoch"], "seq": 21 })] {
        let (mut socket, hello) = Socket::auth(server.address, bob.client.token(), Some(resume)).await;
        assert_eq!((&hello["resumed"], &hello["seq"]), (&json!(false), &json!(20)));
        assert!(socket.is_quiet(Duration::from_millis(100)).await);
    }
}

#[tokio::test]
async fn close_codes_say_why() {
    let server = TestServer::start_with(|config| config.realtime.auth_timeout_secs = 1);
    let mut silent = Socket::upgrade(server.address, &[]).await;
    assert_eq!(silent.close_code().await, 3501);
    let mut wrong = Socket::upgrade(server.address, &[("authorization", "Bearer nonsense")]).await;
    assert_eq!(wrong.close_code().await, 3500);
    let mut wrong = Socket::upgrade(server.address, &[]).await;
    wrong.send("auth", json!({ "token": "nonsense" })).await;
    assert_eq!(wrong.next().await["data"]["code"], "bad_token");
    assert_eq!(wrong.close_code().await, 3500);
    let mut foreign = Socket::upgrade(server.address, &[("origin", "https://evil.example")]).await;
    assert_eq!(foreign.close_code().await, 3506);
}

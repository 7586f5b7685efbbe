//! `/api/messages/*`.

use serde_json::{Value, json};

use crate::support::{Client, TestServer};

/// A user with an id.
struct Person {
    client: Client,
    id: String,
}

async fn person(server: &TestServer, name: &str) -> Person {
    let body = json!({ "email": format!("{name}@example.com"), "password": crate::support::server::PASSWORD, "username": name });
    let answer = server.client().post("/api/auth/register").json(&body).send().await;
    assert_eq!(answer.status, 201, "{answer:?}");
    Person {
        client: server.client().with_token(answer.json["accessToken"].as_str().unwrap()),
        id: answer.json["user"]["_id"].as_str().unwrap().to_owned(),
    }
}

impl Person {
    async fn send(&self, to: &Person, content: &str) -> Value {
        let body = json!({ "receiverId": to.id, "content": content });
        let answer = self.client.post("/api/messages/send").json(&body).send().await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json["message"].clone()
    }

    async fn conversation(&self, with: &str, query: &str) -> Value {
        let path = format!("/api/messages/conversation/{with}{query}");
        let answer = self.client.get(&path).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json
    }

    async fn conversations(&self) -> Value {
        let answer = self.client.get("/api/messages/conversations").send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json["conversations"].clone()
    }

    async fn mark_read(&self, id: &str) -> u16 {
        self.client
            .request(reqwest::Method::PUT, &format!("/api/messages/mark-read/{id}"))
            .send()
            .await
            .status
    }
}

#[tokio::test]
async fn a_text_is_sent_and_both_find_it() {
    let server = TestServer::start();
    let (ada, bob) = (person(&server, "ada").await, person(&server, "bob").await);
    let sent = ada.send(&bob, "Hello\nBob \u{1f980}").await;
    for (field, value) in [
        ("content", json!("Hello\nBob \u{1f980}")),
        ("messageType", json!("text")),
        ("fileUrl", Value::Null),
        ("fileName", Value::Null),
        ("fileSize", Value::Null),
        ("status", json!("sent")),
        ("deliveredAt", Value::Null),
        ("readAt", Value::Null),
        ("isDeleted", json!(false)),
        ("deletedAt", Value::Null),
        ("__v", json!(0)),
        ("sender", json!({ "_id": ada.id, "username": "ada", "avatar": "" })),
        ("receiver", json!({ "_id": bob.id, "username": "bob", "avatar": "" })),
    ] {
        assert_eq!(sent[field], value, "{field}");
    }
    let list = bob.conversations().await;
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["lastMessage"]["sender"], json!(ada.id));
    assert_eq!(list[0]["lastMessage"]["receiver"], json!(bob.id));
    assert_eq!(list[0]["unreadCount"], json!({ ada.id.clone(): 0, bob.id.clone(): 1 }));
    let page = bob.conversation(&ada.id, "").await;
    assert_eq!(page["conversation"], list[0]["_id"]);
    assert_eq!(page["messages"][0]["status"], "delivered", "fetched by its receiver");
    assert_eq!(bob.mark_read(&ada.id).await, 200);
    let page = ada.conversation(&bob.id, "").await;
    assert_eq!(page["messages"][0]["status"], "read");
    assert_eq!(bob.conversations().await[0]["unreadCount"][&bob.id], 0);
}

#[tokio::test]
async fn unread_counts_are_exact_under_concurrency() {
    let server = TestServer::start();
    let (ada, bob) = (person(&server, "ada").await, person(&server, "bob").await);
    let sends = (0..100).map(|number| {
        let (ada, bob) = (&ada, &bob);
        async move { ada.send(bob, &number.to_string()).await }
    });
    futures_util::future::join_all(sends).await;
    assert_eq!(bob.conversations().await[0]["unreadCount"][&bob.id], 100);
    let page = bob.conversation(&ada.id, "?limit=40").await;
    let middle = page["messages"][0]["_id"].as_str().unwrap();
    assert_eq!(bob.mark_read(middle).await, 200);
    assert_eq!(bob.conversations().await[0]["unreadCount"][&bob.id], 39);
    let path = format!("/api/messages/{}", page["messages"][5]["_id"].as_str().unwrap());
    assert_eq!(ada.client.delete(&path).send().await.status, 200);
    assert_eq!(bob.conversations().await[0]["unreadCount"][&bob.id], 38);
    assert_eq!(bob.mark_read(page["messages"][10]["_id"].as_str().unwrap()).await, 200);
    assert_eq!(bob.conversations().await[0]["unreadCount"][&bob.id], 29);
    assert_eq!(bob.mark_read(page["conversation"].as_str().unwrap()).await, 200);
    assert_eq!(bob.conversations().await[0]["unreadCount"][&bob.id], 0);
}

//! Somebody with an account, who talks to others.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::server::{PASSWORD, TestServer};
use super::socket::Socket;

/// A user with a token.
#[derive(Clone)]
pub struct Person {
    pub client: Client,
    pub id: String,
    pub name: String,
    pub email: String,
}

impl Person {
    /// Makes an account with this username.
    pub async fn new(server: &TestServer, name: &str) -> Self {
        Self::register(server.address, name).await
    }

    /// The same at a server of any kind.
    pub async fn register(address: SocketAddr, name: &str) -> Self {
        let client = Client::new(address);
        let email = format!("{}@example.com", name.replace(' ', "."));
        let body = json!({ "email": email, "password": PASSWORD, "username": name });
        let answer = client.post("/api/auth/register").json(&body).send().await;
        assert_eq!(answer.status, 201, "{answer:?}");
        Self {
            client: client.with_token(answer.json["accessToken"].as_str().unwrap()),
            id: id(&answer.json["user"]).to_owned(),
            name: name.to_owned(),
            email,
        }
    }

    /// Opens another session; returns a client with its token.
    pub async fn log_in(&self) -> Client {
        let body = json!({ "email": self.email, "password": PASSWORD });
        let answer = self.client.post("/api/auth/login").json(&body).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.client.with_token(answer.json["accessToken"].as_str().unwrap())
    }

    /// The same person at another server.
    pub fn at(&self, server: &TestServer) -> Self {
        self.at_address(server.address)
    }

    /// The same person at a server of any kind.
    pub fn at_address(&self, address: SocketAddr) -> Self {
        Self { client: Client::new(address).with_token(self.client.token()), ..self.clone() }
    }

    /// A socket without anything to resume; returns the hello's data too.
    pub async fn connect(&self) -> (Socket, Value) {
        Socket::auth(self.client.address(), self.client.token(), None).await
    }

    /// A socket that goes on after `seq`.
    pub async fn resume(&self, epoch: &Value, seq: u64) -> (Socket, Value) {
        let resume = json!({ "epoch": epoch, "seq": seq });
        Socket::auth(self.client.address(), self.client.token(), Some(resume)).await
    }

    /// As the sender or receiver of a message.
    pub fn author(&self) -> Value {
        json!({ "_id": self.id, "username": self.name, "avatar": "" })
    }

    pub async fn send(&self, to: &Self, content: &str) -> Value {
        let answer = self.try_send(json!({ "receiverId": to.id, "content": content })).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json["message"].clone()
    }

    pub async fn try_send(&self, body: Value) -> Answer {
        self.client.post("/api/messages/send").json(&body).send().await
    }

    /// A page of the conversation with a user.
    pub async fn page(&self, with: &str, query: &str) -> Value {
        let answer = self.client.get(&format!("/api/messages/conversation/{with}{query}")).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json
    }

    /// All messages of the conversation with a user, read page by page, the oldest first.
    pub async fn all_messages(&self, with: &str, limit: usize) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.page(with, &format!("?limit={limit}{cursor}")).await;
            let mut messages = page["messages"].as_array().unwrap().clone();
            assert!(messages.len() <= limit, "{page}");
            messages.append(&mut all);
            all = messages;
            assert_eq!(page["hasMore"], json!(page["nextBefore"].is_string()));
            match page["nextBefore"].as_str() {
                Some(before) => cursor = format!("&before={before}"),
                None => return all,
            }
        }
    }

    /// The first page of one's conversations.
    pub async fn conversations(&self) -> Value {
        let answer = self.client.get("/api/messages/conversations").send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json["conversations"].clone()
    }

    /// What one has not read of the newest conversation.
    pub async fn unread(&self) -> u64 {
        self.conversations().await[0]["unreadCount"][&self.id].as_u64().unwrap()
    }

    pub async fn mark_read(&self, id: &str) -> Answer {
        self.client.put(&format!("/api/messages/mark-read/{id}")).send().await
    }

    pub async fn edit(&self, id: &str, content: &str) -> Answer {
        self.client.put(&format!("/api/messages/{id}")).json(&json!({ "content": content })).send().await
    }

    pub async fn delete(&self, id: &str) -> Answer {
        self.client.delete(&format!("/api/messages/{id}")).send().await
    }

    pub async fn block(&self, id: &str) -> Answer {
        self.client.put(&format!("/api/users/{id}/block")).send().await
    }

    pub async fn unblock(&self, id: &str) -> Answer {
        self.client.delete(&format!("/api/users/{id}/block")).send().await
    }
}

/// The `_id` of a thing.
pub fn id(thing: &Value) -> &str {
    thing["_id"].as_str().unwrap()
}

/// The texts of messages.
pub fn contents(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["content"].as_str().unwrap()).collect()
}

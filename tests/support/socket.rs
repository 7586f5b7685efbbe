//! A client of `/ws`.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long anything may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// An open socket.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_id: u64,
    /// Pushes that came while an answer was awaited.
    early: Vec<Value>,
}

impl Socket {
    /// The upgrade alone, with these headers.
    pub async fn upgrade(address: SocketAddr, headers: &[(&'static str, &str)]) -> Self {
        Self::try_upgrade(address, headers).await.unwrap()
    }

    /// The upgrade, or why it is refused.
    pub async fn try_upgrade(
        address: SocketAddr,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, tungstenite::Error> {
        let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (stream, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Self { stream, next_id: 0, early: Vec::new() })
    }

    /// Upgrades with a token in the header; returns the hello's data too.
    pub async fn connect(address: SocketAddr, token: &str) -> (Self, Value) {
        let mut socket = Self::upgrade(address, &[("authorization", &format!("Bearer {token}"))]).await;
        let hello = socket.next().await;
        assert_eq!(hello["type"], "hello", "{hello}");
        (socket, hello["data"].clone())
    }

    /// Upgrades, and sends an auth frame with this data besides the token; returns the hello's data too.
    pub async fn auth(address: SocketAddr, token: &str, resume: Option<Value>) -> (Self, Value) {
        let mut socket = Self::upgrade(address, &[]).await;
        let mut data = json!({ "token": token });
        if let Some(resume) = resume {
            data["resume"] = resume;
        }
        let id = socket.send("auth", data).await;
        let hello = socket.next().await;
        assert_eq!(hello["type"], "hello", "{hello}");
        assert_eq!(socket.next().await, json!({ "id": id, "type": "ok", "data": {} }));
        (socket, hello["data"].clone())
    }

    /// Sends a frame; returns its id.
    pub async fn send(&mut self, kind: &str, data: Value) -> u64 {
        self.next_id += 1;
        self.send_text(&json!({ "id": self.next_id, "type": kind, "data": data }).to_string()).await;
        self.next_id
    }

    pub async fn send_text(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    pub async fn send_raw(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// Sends a frame and returns its answer; pushes that come first are kept.
    pub async fn ask(&mut self, kind: &str, data: Value) -> Value {
        let id = self.send(kind, data).await;
        loop {
            let frame = self.receive().await;
            if frame["id"] == id {
                return frame;
            }
            self.early.push(frame);
        }
    }

    /// The next frame.
    pub async fn next(&mut self) -> Value {
        if self.early.is_empty() { self.receive().await } else { self.early.remove(0) }
    }

    /// The next push of this type; an error when another one comes.
    pub async fn push(&mut self, kind: &str) -> Value {
        let frame = self.next().await;
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    async fn receive(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("a frame in time");
            match message.expect("the socket is open").unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Whether nothing but pings comes for a while.
    pub async fn is_quiet(&mut self, time: Duration) -> bool {
        let deadline = tokio::time::Instant::now() + time;
        while let Ok(message) = tokio::time::timeout_at(deadline, self.stream.next()).await {
            if !matches!(message, Some(Ok(Message::Ping(_) | Message::Pong(_)))) {
                return false;
            }
        }
        self.early.is_empty()
    }

    /// The code with which the server closes; frames before it are dropped.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            match tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("a close in time") {
                Some(Ok(Message::Close(frame))) => return frame.expect("a code").code.into(),
                Some(Ok(_)) => {}
                other => panic!("closed without a code: {other:?}"),
            }
        }
    }

    /// Cuts the connection without a word.
    pub fn cut(self) {
        drop(self.stream);
    }
}

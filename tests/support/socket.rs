//! Clients of `/ws`: one that keeps the rules, and one that need not.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::leaks;

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

    /// A socket over a stream that was upgraded elsewhere.
    pub fn of(stream: WebSocketStream<MaybeTlsStream<TcpStream>>) -> Self {
        Self { stream, next_id: 0, early: Vec::new() }
    }

    /// Upgrades with a token in the header, and sends a frame `resume` at once; returns the hello's data too.
    pub async fn resume(address: SocketAddr, token: &str, data: Value) -> (Self, Value) {
        let mut socket = Self::upgrade(address, &[("authorization", &format!("Bearer {token}"))]).await;
        let id = socket.send("resume", data).await;
        let hello = socket.push("hello").await;
        assert_eq!(socket.next().await, json!({ "id": id, "type": "ok", "data": {} }));
        (socket, hello["data"].clone())
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

    /// The same where a server may be away or die: nothing if it does, or does not say hello.
    pub async fn try_auth(address: SocketAddr, token: &str, resume: Option<&Value>) -> Option<(Self, Value)> {
        let mut socket = Self::try_upgrade(address, &[]).await.ok()?;
        let data = json!({ "token": token, "resume": resume });
        let auth = json!({ "id": 0, "type": "auth", "data": data });
        socket.stream.send(Message::text(auth.to_string())).await.ok()?;
        let hello = socket.next_or_end().await.filter(|frame| frame["type"] == "hello")?;
        socket.next_or_end().await.filter(|frame| frame["type"] == "ok")?;
        Some((socket, hello["data"].clone()))
    }

    /// Sends a frame and returns its answer; nothing if the connection ends first. Pushes are dropped.
    pub async fn try_ask(&mut self, kind: &str, data: Value) -> Option<Value> {
        self.next_id += 1;
        let text = json!({ "id": self.next_id, "type": kind, "data": data }).to_string();
        self.stream.send(Message::text(text)).await.ok()?;
        loop {
            let frame = self.next_or_end().await?;
            if frame["id"] == self.next_id {
                return Some(frame);
            }
        }
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

    /// Sends a frame that is refused; returns the error's code and message.
    pub async fn refusal(&mut self, kind: &str, data: Value) -> (String, String) {
        let answer = self.ask(kind, data.clone()).await;
        assert_eq!(answer["type"], "error", "{kind} {data}: {answer}");
        let text = |field: &str| answer["data"][field].as_str().unwrap().to_owned();
        assert_eq!(answer["data"]["temporary"], text("code") == "unavailable", "{answer}");
        (text("code"), text("message"))
    }

    /// Sends a frame that is granted; returns the answer's data.
    pub async fn granted(&mut self, kind: &str, data: Value) -> Value {
        let answer = self.ask(kind, data.clone()).await;
        assert_eq!(answer["type"], "ok", "{kind} {data}: {answer}");
        answer["data"].clone()
    }

    /// The next frame, or nothing once the connection has ended, or when nothing comes in time.
    pub async fn next_or_end(&mut self) -> Option<Value> {
        if !self.early.is_empty() {
            return Some(self.early.remove(0));
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            match tokio::time::timeout_at(deadline, self.stream.next()).await.ok()? {
                Some(Ok(Message::Text(text))) => return Some(read(&text)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return None,
            }
        }
    }

    async fn receive(&mut self) -> Value {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let message =
                tokio::time::timeout_at(deadline, self.stream.next()).await.expect("a frame in time");
            match message.expect("the socket is open").unwrap() {
                Message::Text(text) => return read(&text),
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
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            match tokio::time::timeout_at(deadline, self.stream.next()).await.expect("a close in time") {
                Some(Ok(Message::Close(frame))) => return frame.expect("a code").code.into(),
                Some(Ok(_)) => {}
                other => panic!("closed without a code: {other:?}"),
            }
        }
    }

    /// Reads on until a push of this type; drops what comes before it.
    pub async fn until(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// Says good-bye and waits for the server's.
    pub async fn close(mut self) {
        self.stream.close(None).await.unwrap();
        while let Ok(Some(Ok(_))) = tokio::time::timeout(PATIENCE, self.stream.next()).await {}
    }

    /// Cuts the connection without a word.
    pub fn cut(self) {
        drop(self.stream);
    }
}

/// The opcodes of RFC 6455.
pub mod opcode {
    pub const CONTINUATION: u8 = 0;
    pub const TEXT: u8 = 1;
    pub const BINARY: u8 = 2;
    pub const CLOSE: u8 = 8;
    pub const PING: u8 = 9;
    pub const PONG: u8 = 10;
}

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

/// A connection to `/ws` that sends what it is told and answers nothing by itself. Blocks its thread.
pub struct RawSocket {
    pub stream: std::net::TcpStream,
}

impl RawSocket {
    /// The upgrade alone, with these lines in its head.
    pub fn upgrade(address: SocketAddr, lines: &str) -> Self {
        Self::upgrade_on(std::net::TcpStream::connect(address).unwrap(), lines)
    }

    /// The same on a connection of one's own.
    pub fn upgrade_on(mut stream: std::net::TcpStream, lines: &str) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "GET /ws HTTP/1.1\r\nHost: test.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
        Self { stream }
    }

    /// Upgrades with a token in the header.
    pub fn connect(address: SocketAddr, token: &str) -> Self {
        Self::upgrade(address, &format!("Authorization: Bearer {token}\r\n"))
    }

    /// The head of a frame and as much of its content as is given.
    pub fn frame(first: u8, length: usize, content: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match length {
            0..126 => frame.push(MASKED | length as u8),
            126..65536 => {
                frame.push(MASKED | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(MASKED | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        // A mask of zeros leaves the content as it is.
        frame.extend([0; 4]);
        frame.extend(content);
        frame
    }

    /// Sends bytes; whether the server took them.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub fn send(&mut self, opcode: u8, content: &[u8]) {
        self.stream.write_all(&Self::frame(FIN | opcode, content.len(), content)).unwrap();
    }

    /// A part of a message that is not its last.
    pub fn send_part(&mut self, opcode: u8, content: &[u8]) {
        self.stream.write_all(&Self::frame(opcode, content.len(), content)).unwrap();
    }

    /// The next frame's opcode and content.
    pub fn next(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        let mut length = usize::from(head[1]);
        if length >= 126 {
            let mut extended = [0; 8];
            let bytes = if length == 126 { 2 } else { 8 };
            self.stream.read_exact(&mut extended[8 - bytes..])?;
            length = u64::from_be_bytes(extended) as usize;
        }
        let mut content = vec![0; length];
        self.stream.read_exact(&mut content)?;
        Ok((head[0] & !FIN, content))
    }

    /// The next text frame.
    pub fn next_text(&mut self) -> Value {
        loop {
            let (opcode, content) = self.next().unwrap();
            match opcode {
                opcode::TEXT => return serde_json::from_slice(&content).unwrap(),
                opcode::PING | opcode::PONG => {}
                _ => panic!("{opcode} {content:?}"),
            }
        }
    }

    /// The code with which the server closes; frames before it are dropped.
    pub fn close_code(&mut self) -> u16 {
        loop {
            let (opcode, content) = self.next().expect("a close frame");
            if opcode == opcode::CLOSE {
                return u16::from_be_bytes([content[0], content[1]]);
            }
        }
    }

    /// How long it takes until the server has ended the connection.
    pub fn ends(&mut self) -> Duration {
        let started = std::time::Instant::now();
        let mut rest = [0; 4096];
        while self.stream.read(&mut rest).is_ok_and(|count| count > 0) {}
        started.elapsed()
    }
}

/// A frame, which is written down.
fn read(text: &str) -> Value {
    leaks::note(leaks::Place::Frame, text);
    serde_json::from_str(text).unwrap()
}

//! One connection that is kept, as browsers and proxies keep theirs.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::Reply;

/// What became of a request.
pub enum Outcome {
    /// A whole answer.
    Answered(Reply),
    /// Sent, perhaps in part, and the connection ended before the answer did: nobody knows.
    Cut,
    /// There was no connection, so nothing was sent.
    Unreached,
}

/// A connection; made when it is first needed, and anew after it has ended.
pub struct Wire {
    address: SocketAddr,
    stream: Option<TcpStream>,
}

impl Wire {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// The next request goes there.
    pub fn turn_to(&mut self, address: SocketAddr) {
        if self.address != address {
            *self = Self::new(address);
        }
    }

    /// Asks for a path. `headers` are whole lines.
    pub fn get(&mut self, path: &str, headers: &str) -> Outcome {
        let started = Instant::now();
        let Some(mut stream) = self.stream.take().or_else(|| TcpStream::connect(self.address).ok()) else {
            return Outcome::Unreached;
        };
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test.example\r\n{headers}\r\n");
        if stream.write_all(request.as_bytes()).is_err() {
            return Outcome::Cut;
        }
        let Some((head, body)) = answer(&mut stream, path) else { return Outcome::Cut };
        if !value(&head, "connection").eq_ignore_ascii_case("close") {
            self.stream = Some(stream);
        }
        Outcome::Answered(Reply {
            status: head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"),
            json: serde_json::from_str(&body).unwrap_or(Value::Null),
            text: body,
            head,
            took: started.elapsed(),
        })
    }

    /// The same where an answer must come.
    pub fn fetch(&mut self, path: &str, headers: &str) -> Reply {
        match self.get(path, headers) {
            Outcome::Answered(reply) => reply,
            Outcome::Cut => panic!("{path}: the connection was cut"),
            Outcome::Unreached => panic!("{path}: nobody listens"),
        }
    }
}

/// A header's value, or nothing.
pub fn value<'a>(head: &'a str, name: &str) -> &'a str {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
    found.next().map_or("", |(_, value)| value.trim())
}

/// Head and body, if both come whole.
fn answer(stream: &mut TcpStream, path: &str) -> Option<(String, String)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 8_192]);
    let mut end = None;
    loop {
        if end.is_none()
            && let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
            assert_eq!(value(&head, "transfer-encoding"), "", "{path}: a body of unknown length");
            let length: usize = value(&head, "content-length").parse().unwrap_or(0);
            end = Some((head, at + 4, at + 4 + length));
        }
        if let Some((head, from, to)) = end.take_if(|(_, _, to)| bytes.len() >= *to) {
            assert_eq!(bytes.len(), to, "{path}: more than one answer");
            return Some((head, String::from_utf8_lossy(&bytes[from..to]).into_owned()));
        }
        match stream.read(&mut buffer) {
            Ok(length @ 1..) => bytes.extend_from_slice(&buffer[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("{path}: no answer within five seconds")
            }
            Ok(_) | Err(_) => return None,
        }
    }
}

//! A device that wants every message once, and somebody who sends them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::person::Person;
use crate::support::socket::Socket;

/// How long a whole test's stream may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How long nothing more may come at the end.
const QUIET: Duration = Duration::from_millis(300);

/// What all devices of a test are told.
#[derive(Clone)]
pub struct Script {
    /// Each change cuts all connections.
    pub cuts: watch::Receiver<usize>,
    /// How many messages there are to get, once that is known.
    pub expected: watch::Receiver<Option<usize>>,
}

impl Script {
    pub fn new() -> (watch::Sender<usize>, watch::Sender<Option<usize>>, Self) {
        let ((cut, cuts), (expect, expected)) = (watch::channel(0), watch::channel(None));
        (cut, expect, Self { cuts, expected })
    }
}

/// A client that reconnects, to the next node each time, and resumes.
pub struct Device {
    person: Person,
    nodes: Vec<SocketAddr>,
    turn: usize,
    socket: Option<Socket>,
    epoch: Value,
    seq: u64,
    /// The ids of the messages that it got, in their order.
    pub got: Vec<String>,
    /// How often it had to come back.
    pub resumed: usize,
}

impl Device {
    /// Connected to the node of this number.
    pub async fn open(person: &Person, nodes: &[SocketAddr], turn: usize) -> Self {
        let (person, nodes) = (person.clone(), nodes.to_vec());
        let address = nodes[turn % nodes.len()];
        let (socket, hello) = person.at_address(address).connect().await;
        let (epoch, seq) = (hello["epoch"].clone(), hello["seq"].as_u64().unwrap());
        Self { person, nodes, turn, socket: Some(socket), epoch, seq, got: Vec::new(), resumed: 0 }
    }

    /// Receives until all that is expected has come; what comes after that, or twice, or out of order, is an error.
    pub async fn receive(mut self, mut script: Script) -> Self {
        let work = async {
            loop {
                let all = script.expected.borrow().is_some_and(|expected| self.got.len() >= expected);
                let Some(socket) = &mut self.socket else {
                    self.come_back().await;
                    continue;
                };
                tokio::select! {
                    frame = socket.next_or_end() => match frame {
                        Some(frame) => self.take(&frame),
                        None => self.socket = None,
                    },
                    changed = script.cuts.changed() => {
                        if changed.is_ok() && let Some(socket) = self.socket.take() {
                            socket.cut();
                        }
                    }
                    changed = script.expected.changed(), if !all => changed.unwrap(),
                    () = tokio::time::sleep(QUIET), if all => return,
                }
            }
        };
        if tokio::time::timeout(LIMIT, work).await.is_err() {
            let expected = *script.expected.borrow();
            panic!(
                "{} of {expected:?} messages, at {} after {} returns",
                self.got.len(),
                self.seq,
                self.resumed
            );
        }
        self
    }

    fn take(&mut self, frame: &Value) {
        if let Some(seq) = frame["seq"].as_u64() {
            assert_eq!(seq, self.seq + 1, "a gap, or twice the same: {frame}");
            self.seq = seq;
        }
        if frame["type"] == "message.new" {
            self.got.push(frame["data"]["_id"].as_str().unwrap().to_owned());
        }
    }

    async fn come_back(&mut self) {
        self.turn += 1;
        let address = self.nodes[self.turn % self.nodes.len()];
        let resume = json!({ "epoch": self.epoch, "seq": self.seq });
        match Socket::try_auth(address, self.person.client.token(), Some(&resume)).await {
            Some((socket, hello)) => {
                assert_eq!(hello["resumed"], true, "{resume} {hello}");
                assert!(hello["seq"].as_u64().unwrap() >= self.seq);
                self.resumed += 1;
                self.socket = Some(socket);
            }
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Sends texts, each until it is acknowledged, to several people in turn.
pub struct Sender {
    pub from: Person,
    pub to: Vec<Person>,
    pub nodes: Vec<SocketAddr>,
    /// Counts what is acknowledged.
    pub acknowledged: Arc<AtomicUsize>,
}

/// The ids of acknowledged messages, by receiver.
pub type Acknowledged = HashMap<String, Vec<String>>;

impl Sender {
    /// Sends `count` messages called `name`, with a pause after each.
    pub async fn send(self, name: &str, count: usize, pause: Duration) -> Acknowledged {
        let mut acknowledged = Acknowledged::new();
        let (mut socket, mut turn) = (None, 0);
        for number in 0..count {
            let to = &self.to[number % self.to.len()];
            let text = format!("{name} {number}");
            let frame = json!({ "receiverId": to.id, "content": text, "clientId": text });
            let id = loop {
                let Some(open) = &mut socket else {
                    let address = self.nodes[turn % self.nodes.len()];
                    turn += 1;
                    let opened = Socket::try_auth(address, self.from.client.token(), None).await;
                    if opened.is_none() {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    socket = opened.map(|(socket, _)| socket);
                    continue;
                };
                match open.try_ask("message.send", frame.clone()).await {
                    Some(answer) if answer["type"] == "ok" => break answer["data"]["_id"].clone(),
                    Some(answer) => {
                        assert_eq!(answer["data"]["temporary"], true, "{answer}");
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    None => socket = None,
                }
            };
            acknowledged.entry(to.id.clone()).or_default().push(id.as_str().unwrap().to_owned());
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
        }
        acknowledged
    }
}

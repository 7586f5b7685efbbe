//! Clients of `/ws` that send and receive messages, and account for each of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long the last message may take after the last send.
const LAST: Duration = Duration::from_secs(20);

/// A user who can log in.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) token: String,
}

/// Opens a socket and waits for the hello.
pub(crate) async fn connect(address: SocketAddr, token: &str) -> Result<Stream, Failure> {
    let request = format!("ws://{address}/ws").into_client_request()?;
    let (mut stream, _) = tokio_tungstenite::connect_async(request).await?;
    if let MaybeTlsStream::Plain(tcp) = stream.get_ref() {
        tcp.set_nodelay(true)?;
    }
    stream.send(Message::text(json!({"id":0,"type":"auth","data":{"token":token}}).to_string())).await?;
    for _ in 0..2 {
        let frame = stream.next().await.ok_or("closed")??;
        let text = frame.to_text()?;
        if !text.contains("\"hello\"") && !text.contains("\"ok\"") {
            return Err(format!("no hello: {text}").into());
        }
    }
    Ok(stream)
}

/// How messages are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As fast as answers come, with this many unanswered per sender.
    Window(usize),
    /// This many per second over all senders, whatever comes back.
    Rate(f64),
}

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) doubled: u64,
    pub(crate) disordered: u64,
    pub(crate) refused: u64,
    pub(crate) elapsed: Duration,
    /// Microseconds from the send, or from when it was due, to the frame at the receiver.
    pub(crate) latency: Option<Histogram<u64>>,
}

impl Outcome {
    pub(crate) fn rate(&self) -> f64 {
        self.delivered as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn lost(&self) -> u64 {
        self.sent - self.delivered
    }

    pub(crate) fn quantile(&self, quantile: f64) -> f64 {
        self.latency.as_ref().map_or(0.0, |latency| latency.value_at_quantile(quantile) as f64 / 1000.0)
    }
}

/// Sends from each first user to each second one for a while; senders and receivers may be on different nodes.
pub(crate) async fn run(
    senders: SocketAddr,
    receivers: SocketAddr,
    pairs: &[(User, User)],
    pace: Pace,
    duration: Duration,
) -> Result<Outcome, Failure> {
    let epoch = Instant::now();
    let sent_all = Arc::new(AtomicBool::new(false));
    let mut receiving = Vec::new();
    let mut counters = Vec::new();
    for (_, receiver) in pairs {
        let stream = connect(receivers, &receiver.token).await?;
        let expected = Arc::new(AtomicU64::new(0));
        counters.push(expected.clone());
        receiving.push(tokio::spawn(receive(stream, epoch, expected, sent_all.clone())));
    }
    let mut streams = Vec::new();
    for (sender, _) in pairs {
        streams.push(connect(senders, &sender.token).await?);
    }
    let started = Instant::now();
    let mut sending = Vec::new();
    for (index, (stream, (_, receiver))) in streams.into_iter().zip(pairs).enumerate() {
        let sender = Sender {
            to: receiver.id.clone(),
            epoch,
            deadline: started + duration,
            counter: counters[index].clone(),
            offset: index as f64 / pairs.len() as f64,
            pairs: pairs.len() as f64,
        };
        sending.push(tokio::spawn(sender.run(stream, pace)));
    }
    let mut outcome = Outcome::default();
    for task in sending {
        let (sent, refused) = task.await??;
        outcome.sent += sent;
        outcome.refused += refused;
    }
    sent_all.store(true, Ordering::SeqCst);
    let mut latency = histogram();
    let mut last = started;
    for task in receiving {
        let part = task.await??;
        outcome.delivered += part.delivered;
        outcome.doubled += part.doubled;
        outcome.disordered += part.disordered;
        latency.add(&part.latency)?;
        last = last.max(part.last);
    }
    outcome.elapsed = last - started;
    outcome.latency = Some(latency);
    Ok(outcome)
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).unwrap_or_else(|error| unreachable!("fixed bounds: {error}"))
}

struct Sender {
    to: String,
    epoch: Instant,
    deadline: Instant,
    counter: Arc<AtomicU64>,
    offset: f64,
    pairs: f64,
}

impl Sender {
    async fn run(self, stream: Stream, pace: Pace) -> Result<(u64, u64), Failure> {
        let (mut sink, stream) = stream.split();
        match pace {
            Pace::Window(window) => self.closed_loop(&mut sink, stream, window).await,
            Pace::Rate(rate) => {
                let refusing = tokio::spawn(refusals(stream, self.deadline));
                let every = Duration::from_secs_f64(self.pairs / rate);
                let mut due = Instant::now() + every.mul_f64(self.offset);
                let mut number = 0;
                while due < self.deadline {
                    tokio::time::sleep_until(due.into()).await;
                    number += 1;
                    self.send(&mut sink, number, due).await?;
                    due += every;
                }
                Ok((number, refusing.await??))
            }
        }
    }

    async fn send(
        &self,
        sink: &mut SplitSink<Stream, Message>,
        number: u64,
        at: Instant,
    ) -> Result<(), Failure> {
        let micros = (at - self.epoch).as_micros();
        let frame = format!(
            "{{\"id\":{number},\"type\":\"message.send\",\"data\":{{\"receiverId\":\"{}\",\"content\":\"{number}:{micros}: \
             a message of usual length, as people write them\"}}}}",
            self.to
        );
        self.counter.fetch_add(1, Ordering::SeqCst);
        Ok(sink.send(Message::text(frame)).await?)
    }

    async fn closed_loop(
        &self,
        sink: &mut SplitSink<Stream, Message>,
        mut stream: SplitStream<Stream>,
        window: usize,
    ) -> Result<(u64, u64), Failure> {
        let (mut number, mut answered, mut refused) = (0, 0, 0);
        for _ in 0..window {
            number += 1;
            self.send(sink, number, Instant::now()).await?;
        }
        while answered < number {
            let frame = tokio::time::timeout(LAST, stream.next()).await?.ok_or("closed")??;
            let Message::Text(text) = frame else { continue };
            if is_answer(&text, "error") {
                refused += 1;
                self.counter.fetch_sub(1, Ordering::SeqCst);
            } else if !is_answer(&text, "ok") {
                continue;
            }
            answered += 1;
            if Instant::now() < self.deadline {
                number += 1;
                self.send(sink, number, Instant::now()).await?;
            }
        }
        Ok((number - refused, refused))
    }
}

/// `{"id":7,"type":"ok",...`
fn is_answer(text: &str, kind: &str) -> bool {
    text.starts_with("{\"id\"")
        && text.split_once("\"type\":\"").is_some_and(|(_, rest)| rest.starts_with(&format!("{kind}\"")))
}

async fn refusals(mut stream: SplitStream<Stream>, deadline: Instant) -> Result<u64, Failure> {
    let mut refused = 0;
    while let Ok(Some(frame)) =
        tokio::time::timeout_at((deadline + Duration::from_millis(500)).into(), stream.next()).await
    {
        if let Message::Text(text) = frame?
            && is_answer(&text, "error")
        {
            refused += 1;
        }
    }
    Ok(refused)
}

struct Received {
    delivered: u64,
    doubled: u64,
    disordered: u64,
    latency: Histogram<u64>,
    last: Instant,
}

/// Reads until everything that was sent has come, or nothing more does.
async fn receive(
    mut stream: Stream,
    epoch: Instant,
    expected: Arc<AtomicU64>,
    sent_all: Arc<AtomicBool>,
) -> Result<Received, Failure> {
    let mut received =
        Received { delivered: 0, doubled: 0, disordered: 0, latency: histogram(), last: Instant::now() };
    let (mut newest, mut quiet_since) = (0, Instant::now());
    while !(sent_all.load(Ordering::SeqCst) && received.delivered >= expected.load(Ordering::SeqCst)) {
        let frame = match tokio::time::timeout(Duration::from_millis(50), stream.next()).await {
            Ok(frame) => frame.ok_or("closed")??,
            Err(_) if sent_all.load(Ordering::SeqCst) && quiet_since.elapsed() > LAST => break,
            Err(_) => continue,
        };
        quiet_since = Instant::now();
        let Message::Text(text) = frame else { continue };
        if !text.starts_with("{\"type\":\"message.new\"") {
            continue;
        }
        let Some((number, micros)) = stamp(&text) else { continue };
        received.last = Instant::now();
        let took = (received.last - epoch).as_micros() as u64;
        received.latency.saturating_record(took.saturating_sub(micros).max(1));
        match number {
            _ if number == newest + 1 => received.delivered += 1,
            _ if number <= newest => received.doubled += 1,
            _ => {
                received.disordered += 1;
                received.delivered += 1;
            }
        }
        newest = newest.max(number);
    }
    Ok(received)
}

/// The number and the time in the content of a message.
fn stamp(text: &str) -> Option<(u64, u64)> {
    let (_, content) = text.split_once("\"content\":\"")?;
    let mut parts = content.split(':');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Makes users, several at a time.
pub(crate) async fn register(address: SocketAddr, count: usize) -> Result<Vec<User>, Failure> {
    let client = reqwest::Client::new();
    let make = |number: usize| {
        let client = client.clone();
        async move {
            let body = json!({ "email": format!("user-{number}@bench.example"), "password": "a long and odd password",
                "username": format!("bench {number}") });
            let answer =
                client.post(format!("http://{address}/api/auth/register")).json(&body).send().await?;
            let answer: Value = answer.json().await?;
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let user = text(&answer["user"]["_id"]).zip(text(&answer["accessToken"]));
            let (id, token) = user.ok_or_else(|| format!("register: {answer}"))?;
            Ok::<_, Failure>(User { id, token })
        }
    };
    futures_util::stream::iter((0..count).map(make))
        .buffered(16)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .collect()
}

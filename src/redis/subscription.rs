//! One connection that listens for a whole node.
//!
//! Owns the channels that the node wants to hear and the connection that hears them. Invariant: whoever was told that a
//! channel is subscribed hears everything published on it from then on, or is told with [`Heard::Restored`] that
//! something may have been missed.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{PubSub, PubSubSink, PubSubStream};
use tokio::sync::{mpsc, oneshot};

use super::connection::{RedisFailure, RedisTarget};

/// How often the connection proves that it lives, and how long it may take for any answer.
const HEARTBEAT: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(2);
/// Pause between tries to connect.
const RETRY: Duration = Duration::from_millis(200);
/// Wishes that may wait, and how many are sent at once.
const WISHES: usize = 65_536;
const BATCH: usize = 512;

/// What a listener hears.
#[derive(Debug)]
pub enum Heard {
    /// Something was published.
    Message {
        /// Where.
        channel: String,
        /// What.
        payload: String,
    },
    /// The connection was lost and is back: between the two, messages may have been missed on any channel.
    Restored,
}

#[derive(Debug)]
enum Wish {
    Hear(String, oneshot::Sender<()>),
    Leave(String),
}

/// The way to the connection.
#[derive(Debug, Clone)]
pub struct Subscriber {
    wishes: mpsc::Sender<Wish>,
}

impl Subscriber {
    /// Connects, and stays connected for as long as the current thread's runtime lives; `hear` is called on that
    /// thread with all that is heard, in its order.
    pub fn start(target: RedisTarget, hear: impl FnMut(Heard) + 'static) -> Self {
        let (wishes, receiver) = mpsc::channel(WISHES);
        let listener = Listener { target, wishes: receiver, wanted: HashSet::new(), hear };
        actix::spawn(listener.run());
        Self { wishes }
    }

    /// Wishes to hear a channel; what it returns says whether it is heard, or that this takes too long.
    pub fn subscribe(&self, channel: String) -> impl Future<Output = bool> + use<> {
        let (sender, receiver) = oneshot::channel();
        let sent = self.wishes.try_send(Wish::Hear(channel, sender));
        async move { sent.is_ok() && matches!(actix::clock::timeout(PATIENCE, receiver).await, Ok(Ok(()))) }
    }

    /// Wishes not to hear a channel any more. Wishes are granted in their order.
    pub fn unsubscribe(&self, channel: String) {
        if self.wishes.try_send(Wish::Leave(channel)).is_err() {
            tracing::debug!("a channel is heard in vain");
        }
    }
}

struct Listener<F> {
    target: RedisTarget,
    wishes: mpsc::Receiver<Wish>,
    wanted: HashSet<String>,
    hear: F,
}

impl<F: FnMut(Heard)> Listener<F> {
    async fn run(mut self) {
        let mut was_up = true;
        loop {
            match self.connect().await {
                Ok((sink, stream)) => {
                    (self.hear)(Heard::Restored);
                    let failure = self.listen(sink, stream).await;
                    let Some(failure) = failure else { return };
                    tracing::warn!(error = %failure, "the subscriptions' connection is lost");
                    was_up = false;
                }
                Err(error) if was_up => {
                    tracing::warn!(%error, "subscriptions wait for the datastore");
                    was_up = false;
                }
                Err(_) => {}
            }
            actix::clock::sleep(RETRY).await;
        }
    }

    /// A connection that hears all that is wanted.
    async fn connect(&mut self) -> Result<(PubSubSink, PubSubStream), RedisFailure> {
        let connected = bounded("SUBSCRIBE", self.target.pubsub()).await?;
        let (mut sink, stream) = PubSub::split(connected);
        let wanted: Vec<&String> = self.wanted.iter().collect();
        for batch in wanted.chunks(BATCH) {
            bounded("SUBSCRIBE", sink.subscribe(batch)).await?;
        }
        Ok((sink, stream))
    }

    /// Why it ended; nothing when nobody wishes anything any more.
    async fn listen(&mut self, mut sink: PubSubSink, mut stream: PubSubStream) -> Option<RedisFailure> {
        let mut beat = actix::clock::interval(HEARTBEAT);
        let mut wishes = Vec::new();
        loop {
            // In no order of preference: a flood of messages must not keep wishes waiting.
            let outcome = tokio::select! {
                message = stream.next() => match message {
                    Some(message) => {
                        let channel = message.get_channel_name().to_owned();
                        let payload = String::from_utf8_lossy(message.get_payload_bytes()).into_owned();
                        (self.hear)(Heard::Message { channel, payload });
                        Ok(())
                    }
                    None => Err(RedisFailure::of("SUBSCRIBE", std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into())),
                },
                count = self.wishes.recv_many(&mut wishes, BATCH) => {
                    if count == 0 {
                        return None;
                    }
                    self.fulfil(&mut sink, &mut wishes).await
                }
                _ = beat.tick() => bounded("PING", sink.ping::<redis::Value>()).await.map(|_| ()),
            };
            if let Err(failure) = outcome {
                return Some(failure);
            }
        }
    }

    /// Wishes in their order, neighbours of a kind together.
    async fn fulfil(&mut self, sink: &mut PubSubSink, wishes: &mut Vec<Wish>) -> Result<(), RedisFailure> {
        let (mut hear, mut leave, mut heard) = (Vec::new(), Vec::new(), Vec::new());
        for wish in wishes.drain(..) {
            match wish {
                Wish::Hear(channel, done) => {
                    leave.retain(|left| *left != channel);
                    self.wanted.insert(channel.clone());
                    hear.push(channel);
                    heard.push(done);
                }
                Wish::Leave(channel) => {
                    hear.retain(|wanted| *wanted != channel);
                    self.wanted.remove(&channel);
                    leave.push(channel);
                }
            }
        }
        if !hear.is_empty() {
            bounded("SUBSCRIBE", sink.subscribe(&hear)).await?;
        }
        if !leave.is_empty() {
            bounded("UNSUBSCRIBE", sink.unsubscribe(&leave)).await?;
        }
        for done in heard {
            let _ = done.send(());
        }
        Ok(())
    }
}

async fn bounded<T>(
    call: &'static str,
    future: impl Future<Output = Result<T, redis::RedisError>>,
) -> Result<T, RedisFailure> {
    match actix::clock::timeout(PATIENCE, future).await {
        Ok(outcome) => outcome.map_err(|error| RedisFailure::of(call, error)),
        Err(_) => Err(RedisFailure::of(call, std::io::Error::from(std::io::ErrorKind::TimedOut).into())),
    }
}

//! One connection that listens for a whole node.
//!
//! Owns the channels that the node wants to hear and the connection that hears them. Invariant: whoever was told that a
//! channel is subscribed hears everything published on it from then on, or is told with [`Heard::Restored`] that
//! something may have been missed; a channel that nobody wants is given up, however many are at once.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{PubSub, PubSubSink, PubSubStream};
use tokio::sync::{Notify, oneshot};

use super::connection::{RedisFailure, RedisTarget};

/// How often the connection proves that it lives, and how long it may take for any answer.
const HEARTBEAT: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(2);
/// Pause between tries to connect.
const RETRY: Duration = Duration::from_millis(200);
/// Channels that the datastore is told of at once.
const BATCH: usize = 512;
/// Who may wait to hear a channel.
const MAX_WAITING: usize = 65_536;

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

/// Who waits for a channel to be heard.
type Waiters = Vec<oneshot::Sender<()>>;

/// What the datastore is told at once.
#[derive(Debug, Default)]
struct Batch {
    hear: Vec<(String, Waiters)>,
    leave: Vec<String>,
}

/// What is wanted and what is heard. Where the two differ, the channel is among those to change.
#[derive(Debug, Default)]
struct Channels {
    wanted: HashSet<String>,
    heard: HashSet<String>,
    to_change: HashMap<String, Waiters>,
    waiting: usize,
}

impl Channels {
    fn want(&mut self, channel: String) -> Option<oneshot::Receiver<()>> {
        let (sender, receiver) = oneshot::channel();
        let differs = self.wanted.insert(channel.clone());
        if !differs && self.heard.contains(&channel) && !self.to_change.contains_key(&channel) {
            let _ = sender.send(());
            return Some(receiver);
        }
        let waiting = self.to_change.entry(channel).or_default();
        if self.waiting >= MAX_WAITING {
            return None;
        }
        self.waiting += 1;
        waiting.push(sender);
        Some(receiver)
    }

    fn leave(&mut self, channel: String) {
        self.wanted.remove(&channel);
        if self.heard.contains(&channel) {
            let waiters = self.to_change.insert(channel, Vec::new());
            self.waiting -= waiters.map_or(0, |waiters| waiters.len());
        } else if let Some(waiters) = self.to_change.remove(&channel) {
            self.waiting -= waiters.len();
        }
    }

    /// Nothing is heard any more, all that is wanted is to be heard anew.
    fn start_over(&mut self) {
        self.heard.clear();
        let mut waiters = std::mem::take(&mut self.to_change);
        for channel in &self.wanted {
            let waiters = waiters.remove(channel).unwrap_or_default();
            self.to_change.insert(channel.clone(), waiters);
        }
        self.waiting -= waiters.into_values().map(|left| left.len()).sum::<usize>();
    }

    /// Some of those to change.
    fn take_batch(&mut self) -> Batch {
        let some: Vec<String> = self.to_change.keys().take(BATCH).cloned().collect();
        let mut batch = Batch::default();
        for channel in some {
            let waiters = self.to_change.remove(&channel).unwrap_or_default();
            self.waiting -= waiters.len();
            if self.wanted.contains(&channel) {
                batch.hear.push((channel, waiters));
            } else {
                batch.leave.push(channel);
            }
        }
        batch
    }

    /// The datastore has taken note. What was wished meanwhile may be the contrary.
    fn changed(&mut self, Batch { hear, leave }: &Batch) {
        for (channel, _) in hear {
            self.heard.insert(channel.clone());
            if !self.wanted.contains(channel) {
                self.to_change.entry(channel.clone()).or_default();
            }
        }
        for channel in leave {
            self.heard.remove(channel);
        }
    }
}

/// What the two ends share, on one thread.
#[derive(Debug, Default)]
struct Shared {
    channels: RefCell<Channels>,
    wished: Notify,
}

/// The way to the connection.
#[derive(Debug, Clone)]
pub struct Subscriber(Rc<Shared>);

impl Subscriber {
    /// Connects, and stays connected for as long as somebody has a subscriber and the current thread's runtime lives;
    /// `hear` is called on that thread with all that is heard, in its order.
    pub fn start(target: RedisTarget, hear: impl FnMut(Heard) + 'static) -> Self {
        let shared = Rc::<Shared>::default();
        actix::spawn(Listener { target, shared: shared.clone(), hear }.run());
        Self(shared)
    }

    /// Wishes to hear a channel; what it returns says whether it is heard, or that this takes too long.
    pub fn subscribe(&self, channel: String) -> impl Future<Output = bool> + use<> {
        let receiver = self.0.channels.borrow_mut().want(channel);
        self.0.wished.notify_one();
        async move {
            match receiver {
                Some(receiver) => matches!(actix::clock::timeout(PATIENCE, receiver).await, Ok(Ok(()))),
                None => false,
            }
        }
    }

    /// Wishes not to hear a channel any more.
    pub fn unsubscribe(&self, channel: String) {
        self.0.channels.borrow_mut().leave(channel);
        self.0.wished.notify_one();
    }
}

struct Listener<F> {
    target: RedisTarget,
    shared: Rc<Shared>,
    hear: F,
}

impl<F: FnMut(Heard)> Listener<F> {
    async fn run(mut self) {
        let mut was_up = true;
        while self.is_needed() {
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

    fn is_needed(&self) -> bool {
        Rc::strong_count(&self.shared) > 1
    }

    /// A connection that hears all that is wanted.
    async fn connect(&mut self) -> Result<(PubSubSink, PubSubStream), RedisFailure> {
        let connected = bounded("SUBSCRIBE", self.target.pubsub()).await?;
        let (mut sink, stream) = PubSub::split(connected);
        self.shared.channels.borrow_mut().start_over();
        while self.change_some(&mut sink).await? {}
        Ok((sink, stream))
    }

    /// Why it ended; nothing when nobody wishes anything any more.
    async fn listen(&mut self, mut sink: PubSubSink, mut stream: PubSubStream) -> Option<RedisFailure> {
        let mut beat = actix::clock::interval(HEARTBEAT);
        while self.is_needed() {
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
                () = self.shared.wished.notified() => match self.change_some(&mut sink).await {
                    // There may be more, but what is published has its turn.
                    Ok(true) => { self.shared.wished.notify_one(); Ok(()) }
                    outcome => outcome.map(|_| ()),
                },
                _ = beat.tick() => bounded("PING", sink.ping::<redis::Value>()).await.map(|_| ()),
            };
            if let Err(failure) = outcome {
                return Some(failure);
            }
        }
        None
    }

    /// Tells the datastore some of what is to change; returns whether there was anything.
    async fn change_some(&mut self, sink: &mut PubSubSink) -> Result<bool, RedisFailure> {
        let batch = self.shared.channels.borrow_mut().take_batch();
        if !batch.hear.is_empty() {
            let names: Vec<&String> = batch.hear.iter().map(|(channel, _)| channel).collect();
            bounded("SUBSCRIBE", sink.subscribe(names)).await?;
        }
        if !batch.leave.is_empty() {
            bounded("UNSUBSCRIBE", sink.unsubscribe(&batch.leave)).await?;
        }
        self.shared.channels.borrow_mut().changed(&batch);
        let any = !(batch.hear.is_empty() && batch.leave.is_empty());
        for waiter in batch.hear.into_iter().flat_map(|(_, waiters)| waiters) {
            let _ = waiter.send(());
        }
        Ok(any)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(batch: &Batch) -> (Vec<&str>, Vec<&str>) {
        (
            batch.hear.iter().map(|(channel, _)| channel.as_str()).collect(),
            batch.leave.iter().map(String::as_str).collect(),
        )
    }

    /// Tells the datastore all that is to change.
    fn settle(channels: &mut Channels) -> usize {
        let mut told = 0;
        loop {
            let batch = channels.take_batch();
            let size = batch.hear.len() + batch.leave.len();
            if size == 0 {
                assert!(channels.to_change.is_empty());
                return told;
            }
            channels.changed(&batch);
            told += size;
        }
    }

    #[test]
    fn what_is_left_is_given_up_however_much_it_is() {
        let mut channels = Channels::default();
        let all = 2 * MAX_WAITING;
        let granted = (0..all).filter_map(|number| channels.want(number.to_string())).count();
        assert_eq!(granted, MAX_WAITING, "no more wait at a time");
        settle(&mut channels);
        assert_eq!((channels.waiting, channels.heard.len()), (0, all));
        (0..all).for_each(|number| channels.leave(number.to_string()));
        settle(&mut channels);
        assert_eq!((channels.wanted.len(), channels.heard.len(), channels.waiting), (0, 0, 0));
    }

    #[test]
    fn a_wish_while_the_contrary_is_under_way_comes_true_after_it() {
        let mut channels = Channels::default();
        let _first = channels.want("a".to_owned());
        let batch = channels.take_batch();
        assert_eq!(names(&batch), (vec!["a"], vec![]));
        channels.leave("a".to_owned());
        channels.changed(&batch);
        let batch = channels.take_batch();
        assert_eq!(names(&batch), (vec![], vec!["a"]));
        let mut second = channels.want("a".to_owned());
        channels.changed(&batch);
        assert!(second.as_mut().is_some_and(|heard| heard.try_recv().is_err()), "not heard yet");
        let batch = channels.take_batch();
        assert_eq!(names(&batch), (vec!["a"], vec![]));
        channels.changed(&batch);
        assert!(channels.heard.contains("a") && channels.to_change.is_empty());
    }

    #[test]
    fn what_is_heard_needs_nobody_to_be_told() {
        let mut channels = Channels::default();
        let _first = channels.want("a".to_owned());
        assert_eq!(settle(&mut channels), 1);
        let mut second = channels.want("a".to_owned());
        assert!(second.as_mut().is_some_and(|heard| heard.try_recv().is_ok()));
        assert_eq!(settle(&mut channels), 0);
    }

    #[test]
    fn a_new_connection_hears_what_is_wanted_and_no_more() {
        let mut channels = Channels::default();
        let _waiting = ["a", "b", "c"].map(|channel| channels.want(channel.to_owned()));
        settle(&mut channels);
        channels.leave("a".to_owned());
        let _late = channels.want("d".to_owned());
        channels.start_over();
        let batch = channels.take_batch();
        let (mut hear, leave) = names(&batch);
        hear.sort_unstable();
        assert_eq!((hear, leave), (vec!["b", "c", "d"], vec![]));
        assert_eq!(channels.waiting, 0);
    }
}

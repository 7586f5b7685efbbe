//! The node's ear: one subscription for all of its sockets.
//!
//! Owns which sockets there are and what each wants to hear. Invariant: an attached socket gets every event of its user,
//! or a [`Push::Resync`] that tells it to look for what it missed.

use std::collections::HashMap;
use std::sync::Arc;

use actix::{Actor, AsyncContext, Context, Handler, Message, ResponseFuture};
use bytestring::ByteString;
use futures_util::future::join_all;

use super::keys;
use super::model::{Watched, encode};
use super::outbound::{Outbound, Push};
use crate::presence::model::Presence;
use crate::redis::Keyspace;
use crate::redis::connection::RedisTarget;
use crate::redis::subscription::{Heard, Subscriber};
use crate::users::model::UserId;

/// Hears for all sockets of this node.
pub struct Hub {
    target: RedisTarget,
    subscriber: Option<Subscriber>,
    /// All of them, also those that have not said yet whose they are.
    sockets: HashMap<String, Arc<Outbound>>,
    channels: HashMap<String, Channel>,
    max_per_user: usize,
    /// The server stops: who comes now is told at once.
    going: bool,
}

/// Who hears a channel.
struct Channel {
    topic: Topic,
    /// By their sockets' ids.
    listeners: HashMap<String, Arc<Outbound>>,
}

#[derive(Clone)]
enum Topic {
    /// A user's events.
    Events,
    /// A user's presence.
    Presence(UserId),
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Hub").field("channels", &self.channels.len()).finish_non_exhaustive()
    }
}

/// Why a socket is not attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotAttached {
    /// The user has as many sockets here as allowed.
    TooMany,
    /// The datastore does not let us listen now, or the socket has gone.
    Deaf,
}

/// There is a socket.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Enter {
    pub(super) socket: String,
    pub(super) outbound: Arc<Outbound>,
}

/// Let a socket hear its user's events from now on.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), NotAttached>")]
pub(super) struct Attach {
    pub(super) user: UserId,
    pub(super) socket: String,
}

/// A socket has closed, and hears nothing any more.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Leave {
    /// Whose it was, if it was attached.
    pub(super) user: Option<UserId>,
    pub(super) socket: String,
    pub(super) watched: Vec<UserId>,
}

/// Let a socket hear of people's presence.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub(super) struct Watch {
    pub(super) people: Vec<UserId>,
    pub(super) socket: String,
}

/// A socket hears of these people no more.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Unwatch {
    pub(super) people: Vec<UserId>,
    pub(super) socket: String,
}

/// The server stops: tell every socket.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct GoAway;

#[derive(Message)]
#[rtype(result = "()")]
struct News(Heard);

impl Hub {
    /// A hub that listens once it is started.
    pub fn new(target: RedisTarget, max_per_user: usize) -> Self {
        let (sockets, channels) = (HashMap::new(), HashMap::new());
        Self { target, subscriber: None, sockets, channels, max_per_user, going: false }
    }

    fn space(&self) -> &Keyspace {
        self.target.keyspace()
    }

    /// Puts a socket on a channel; what it returns says whether the channel is heard.
    fn add(&mut self, channel: String, topic: Topic, socket: &str) -> impl Future<Output = bool> + use<> {
        let heard = self.sockets.get(socket).zip(self.subscriber.as_ref()).map(|(outbound, subscriber)| {
            let place = self.channels.entry(channel.clone());
            let place = place.or_insert_with(|| Channel { topic, listeners: HashMap::new() });
            place.listeners.insert(socket.to_owned(), outbound.clone());
            // Also when others listen: the channel may not be heard yet.
            subscriber.subscribe(channel)
        });
        async move {
            match heard {
                Some(heard) => heard.await,
                None => false,
            }
        }
    }

    fn remove(&mut self, channel: String, socket: &str) {
        let Some(heard) = self.channels.get_mut(&channel) else { return };
        heard.listeners.remove(socket);
        if heard.listeners.is_empty() {
            self.channels.remove(&channel);
            if let Some(subscriber) = &self.subscriber {
                subscriber.unsubscribe(channel);
            }
        }
    }

    fn tell_all(&self, push: &Push) {
        for outbound in self.sockets.values() {
            outbound.push(push.clone());
        }
    }
}

/// What is published on a user's channel: `event <seq> <origin>\n<frame>`, `push\n<frame>` or `revoked <session> ...`.
fn parse(payload: &str) -> Option<Push> {
    if let Some(sessions) = payload.strip_prefix("revoked ") {
        return Some(Push::Revoked(sessions.into()));
    }
    let (head, frame) = payload.split_once('\n')?;
    let mut words = head.split(' ');
    match words.next()? {
        "event" => Some(Push::Event {
            seq: words.next()?.parse().ok()?,
            origin: words.next().unwrap_or_default().into(),
            frame: frame.into(),
        }),
        "push" => Some(Push::Ephemeral(frame.into())),
        _ => None,
    }
}

impl Actor for Hub {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let address = context.address();
        let hear = move |heard| address.do_send(News(heard));
        self.subscriber = Some(Subscriber::start(self.target.clone(), hear));
    }
}

impl Handler<News> for Hub {
    type Result = ();

    fn handle(&mut self, News(heard): News, _: &mut Self::Context) {
        let Heard::Message { channel, payload } = heard else {
            self.tell_all(&Push::Resync);
            return;
        };
        let Some(Channel { topic, listeners }) = self.channels.get(&channel) else {
            // Still on its way when it was given up.
            return;
        };
        let push = match topic {
            Topic::Events => parse(&payload),
            Topic::Presence(user) => Presence::parse_news(&payload).map(|presence| {
                let frame = encode("presence", &Watched::new(user, presence));
                Push::Ephemeral(ByteString::from(frame))
            }),
        };
        let Some(push) = push else {
            tracing::error!(channel, "what is published there is not ours");
            return;
        };
        for outbound in listeners.values() {
            outbound.push(push.clone());
        }
    }
}

impl Handler<Enter> for Hub {
    type Result = ();

    fn handle(&mut self, Enter { socket, outbound }: Enter, _: &mut Self::Context) {
        if self.going {
            outbound.push(Push::GoAway);
        }
        self.sockets.insert(socket, outbound);
    }
}

impl Handler<Attach> for Hub {
    type Result = ResponseFuture<Result<(), NotAttached>>;

    fn handle(&mut self, Attach { user, socket }: Attach, _: &mut Self::Context) -> Self::Result {
        let channel = keys::events_channel(self.space(), &user);
        let others = self.channels.get(&channel).map_or(0, |channel| channel.listeners.len());
        if others >= self.max_per_user {
            return Box::pin(async { Err(NotAttached::TooMany) });
        }
        let heard = self.add(channel, Topic::Events, &socket);
        Box::pin(async move { if heard.await { Ok(()) } else { Err(NotAttached::Deaf) } })
    }
}

impl Handler<Leave> for Hub {
    type Result = ();

    fn handle(&mut self, Leave { user, socket, watched }: Leave, _: &mut Self::Context) {
        self.sockets.remove(&socket);
        if let Some(user) = user {
            self.remove(keys::events_channel(self.space(), &user), &socket);
        }
        for person in watched {
            self.remove(keys::presence_channel(self.space(), &person), &socket);
        }
    }
}

impl Handler<Watch> for Hub {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, Watch { people, socket }: Watch, _: &mut Self::Context) -> Self::Result {
        let heard: Vec<_> = people
            .into_iter()
            .map(|person| {
                let channel = keys::presence_channel(self.space(), &person);
                self.add(channel, Topic::Presence(person), &socket)
            })
            .collect();
        Box::pin(async move { join_all(heard).await.into_iter().all(|heard| heard) })
    }
}

impl Handler<Unwatch> for Hub {
    type Result = ();

    fn handle(&mut self, Unwatch { people, socket }: Unwatch, _: &mut Self::Context) {
        for person in people {
            self.remove(keys::presence_channel(self.space(), &person), &socket);
        }
    }
}

impl Handler<GoAway> for Hub {
    type Result = ();

    fn handle(&mut self, _: GoAway, _: &mut Self::Context) {
        self.going = true;
        self.tell_all(&Push::GoAway);
    }
}

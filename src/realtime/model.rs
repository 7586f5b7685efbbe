//! Events, and which socket caused one.

use serde::{Deserialize, Serialize};

use crate::presence::model::{OnlineStatus, Presence};
use crate::users::model::UserId;
use crate::values::time::iso_time;

/// What happened, by its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A message arrived.
    MessageNew,
    /// A message was edited.
    MessageUpdated,
    /// A message was deleted.
    MessageDeleted,
    /// One's messages reached the other's device.
    MessageDelivered,
    /// One's messages were read.
    MessageRead,
    /// One has read a conversation, on another device.
    ConversationRead,
    /// A post of one's own was liked.
    PostLiked,
    /// A post of one's own was commented on.
    PostCommented,
    /// The notifier has something to say.
    NotificationNew,
}

impl EventKind {
    /// The `type` of its frame.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MessageNew => "message.new",
            Self::MessageUpdated => "message.updated",
            Self::MessageDeleted => "message.deleted",
            Self::MessageDelivered => "message.delivered",
            Self::MessageRead => "message.read",
            Self::ConversationRead => "conversation.read",
            Self::PostLiked => "post.liked",
            Self::PostCommented => "post.commented",
            Self::NotificationNew => "notification.new",
        }
    }
}

/// The socket and the frame that caused an event: its answer stands for the event there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The socket.
    pub socket: String,
    /// The frame, as the socket counts them.
    pub frame: u64,
}

impl Origin {
    /// As it is stored.
    pub fn to_text(&self) -> String {
        format!("{}/{}", self.socket, self.frame)
    }

    /// From how it is stored; nothing in an empty text.
    pub fn parse(text: &str) -> Option<Self> {
        let (socket, frame) = text.split_once('/')?;
        Some(Self { socket: socket.to_owned(), frame: frame.parse().ok()? })
    }
}

/// Something that a user's devices shall hear of.
#[derive(Debug, Clone)]
pub struct Event {
    /// The intent that it comes from.
    pub intent: u64,
    /// Whose devices.
    pub to: UserId,
    /// The device that knows already.
    pub origin: Option<Origin>,
    /// The frame without its `seq`.
    pub body: String,
}

#[derive(Serialize)]
struct Body<'a, T> {
    r#type: &'static str,
    data: &'a T,
}

/// The frame of an event, or of any push, without a `seq`.
pub fn encode(kind: &'static str, data: &impl Serialize) -> String {
    serde_json::to_string(&Body { r#type: kind, data })
        .unwrap_or_else(|error| unreachable!("events are plain data: {error}"))
}

impl Event {
    /// An event for `to`.
    pub fn new(intent: u64, to: UserId, kind: EventKind, data: &impl Serialize) -> Self {
        Self { intent, to, origin: None, body: encode(kind.as_str(), data) }
    }

    /// The same event, which `origin` knows already.
    pub fn caused_by(self, origin: Option<Origin>) -> Self {
        Self { origin, ..self }
    }
}

/// Where a device was in its user's log.
#[derive(Debug, Clone, Deserialize)]
pub struct Resume {
    /// Of which log.
    pub epoch: String,
    /// The last event that it has.
    pub seq: u64,
}

/// An event that a device missed.
#[derive(Debug, Clone)]
pub struct Missed {
    /// Who caused it, as [`Origin::to_text`] writes it.
    pub origin: String,
    /// Its frame.
    pub frame: String,
}

/// The state of somebody whom a socket watches.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Watched {
    /// Who.
    pub user_id: String,
    /// How.
    pub status: OnlineStatus,
    /// ISO-8601, or null for who has never been here.
    pub last_seen: Option<String>,
}

impl Watched {
    /// `presence` of `user`.
    pub fn new(user: &UserId, presence: Presence) -> Self {
        Self {
            user_id: user.to_string(),
            status: presence.status,
            last_seen: presence.last_seen_ms.map(iso_time),
        }
    }
}

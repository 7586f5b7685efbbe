//! Conversations, messages, and what they are made of.
//!
//! Ids are ObjectIds with a plan: the random part of a conversation's id is its own and names its keys; a message's id
//! carries that part and, in the counter, its place in the conversation, from 1; the conversation's own is 0. So a message
//! is found by its id alone, and no message shares one with its conversation.

use std::fmt;

use crate::realtime::model::Origin;
use crate::users::model::UserId;
use crate::values::object_id;
use crate::values::text::TextRule;

/// Messages that a conversation can have: the counter of an id.
pub const MAX_MESSAGES: u64 = (1 << 24) - 1;
/// Longest id that a client may give a send, in bytes.
const MAX_CLIENT_ID: usize = 128;

crate::object_id!(
    /// A conversation's id.
    ConversationId
);

crate::object_id!(
    /// A message's id.
    MessageId
);

/// The part of an id that names a conversation's keys: ten hex characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tag(String);

impl Tag {
    /// The tag in any id; whether such a conversation exists is another question.
    pub fn of(id: &str) -> Option<Self> {
        object_id::is_well_formed(id).then(|| Self(id[object_id::RANDOM].to_owned()))
    }

    /// The tag in the source name of an intent, which is the tag alone.
    pub fn of_source(source: &str) -> Self {
        Self(source.to_owned())
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl ConversationId {
    /// A new id with a random part of its own.
    pub fn generate_apart(now: chrono::DateTime<chrono::Utc>) -> Self {
        let text = object_id::generate_apart(now);
        Self::parse(&text).unwrap_or_else(|| unreachable!("{text} is an id"))
    }
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its number in the conversation, from 1.
    pub seq: u64,
    /// The second of its creation; with the number it proves that an id is not made up.
    pub secs: u32,
}

impl Place {
    /// The place that a message id claims.
    pub fn of(id: &str) -> Option<Self> {
        if !object_id::is_well_formed(id) {
            return None;
        }
        let secs = u32::from_str_radix(&id[..object_id::RANDOM.start], 16).ok()?;
        let seq = u64::from_str_radix(&id[object_id::RANDOM.end..], 16).ok()?;
        Some(Self { seq, secs })
    }

    /// The id of the message at this place.
    pub fn id(self, tag: &Tag) -> MessageId {
        let text = object_id::compose(self.secs, tag.as_str(), self.seq as u32);
        MessageId::parse(&text).unwrap_or_else(|| unreachable!("{text} is an id"))
    }
}

/// The two sides of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The participant with the smaller id.
    A,
    /// The other; nobody in a conversation with oneself.
    B,
}

impl Side {
    /// As scripts know it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "0",
            Self::B => "1",
        }
    }

    /// From how scripts know it.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "0" => Some(Self::A),
            "1" => Some(Self::B),
            _ => None,
        }
    }

    /// The opposite side.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// Who talks in which conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// The participants, the smaller id first; twice the same for a conversation with oneself.
    pub people: [UserId; 2],
}

impl Conversation {
    /// What names its keys.
    pub fn tag(&self) -> Tag {
        Tag(self.id.as_str()[object_id::RANDOM].to_owned())
    }

    /// The side of `user`, if it is a participant.
    pub fn side_of(&self, user: &UserId) -> Option<Side> {
        match self.people.iter().position(|person| person == user)? {
            0 => Some(Side::A),
            _ => Some(Side::B),
        }
    }

    /// The participant on `side`.
    pub fn person(&self, side: Side) -> &UserId {
        match side {
            Side::A => &self.people[0],
            Side::B => &self.people[1],
        }
    }

    /// Whether it is with oneself.
    pub fn is_with_oneself(&self) -> bool {
        self.people[0] == self.people[1]
    }
}

/// What kind of thing a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageType {
    /// Text alone.
    Text,
    /// A raster image.
    Image,
    /// A video.
    Video,
    /// A sound.
    Audio,
    /// Any other file.
    File,
}

impl MessageType {
    /// Its `messageType`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::File => "file",
        }
    }

    /// From its `messageType`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Text, Self::Image, Self::Video, Self::Audio, Self::File]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// A file that was uploaded for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its unguessable name in the store.
    pub object: String,
    /// As the sender called it.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// By content.
    pub mime: String,
    /// Width and height of an image, in pixels.
    pub dimensions: Option<(u32, u32)>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text.
    Text(String),
    /// A file of a kind.
    File(MessageType, Attachment),
    /// Nothing any more: it was deleted.
    Gone(MessageType),
}

impl Content {
    /// Text that may be sent; an error says what is wrong with it.
    pub fn parse_text(text: &str, max_bytes: usize) -> Result<Self, String> {
        TextRule::lines(max_bytes).check(text)?;
        Ok(Self::Text(text.to_owned()))
    }

    /// Its `messageType`.
    pub const fn kind(&self) -> MessageType {
        match self {
            Self::Text(_) => MessageType::Text,
            Self::File(kind, _) | Self::Gone(kind) => *kind,
        }
    }

    /// The name of its file in the store.
    pub fn object(&self) -> Option<&str> {
        match self {
            Self::File(_, file) => Some(&file.object),
            Self::Text(_) | Self::Gone(_) => None,
        }
    }
}

/// A name that the sender gives a message, so that a retry does not send it twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientId(String);

impl ClientId {
    /// An error says what is wrong with `text`.
    pub fn parse(text: &str) -> Result<Self, String> {
        TextRule::line(MAX_CLIENT_ID).check(text)?;
        Ok(Self(text.to_owned()))
    }

    /// As the client gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Stored.
    Sent,
    /// On a device of the receiver. Time in ms.
    Delivered(i64),
    /// Read. Times of delivery and reading in ms.
    Read(i64, i64),
}

/// A message as it stands. Times in ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where.
    pub place: Place,
    /// Who sent it.
    pub side: Side,
    /// What it says.
    pub content: Content,
    /// How far it has come.
    pub status: Status,
    /// When it was sent.
    pub created_ms: i64,
    /// When it was last changed.
    pub updated_ms: i64,
    /// When it was deleted.
    pub deleted_ms: Option<i64>,
}

/// A conversation as it stands, for one of its participants. Times in ms.
#[derive(Debug, Clone)]
pub struct Overview {
    /// Who and where.
    pub conversation: Conversation,
    /// The newest message.
    pub last: Option<Message>,
    /// What each side has not read.
    pub unread: [u64; 2],
    /// When the newest message was sent, or the conversation made.
    pub last_ms: i64,
    /// When it was made.
    pub created_ms: i64,
    /// When anything in it last changed.
    pub updated_ms: i64,
}

/// What an intent of a conversation asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// Tell both of a new message.
    New {
        /// Which.
        seq: u64,
        /// Who knows already.
        origin: Option<Origin>,
    },
    /// Tell both of an edited message.
    Edit {
        /// Which.
        seq: u64,
    },
    /// Tell both of a deleted message.
    Delete {
        /// Which.
        seq: u64,
    },
    /// Tell the sender that messages arrived.
    Received {
        /// Where.
        side: Side,
        /// Up to which message.
        upto: Place,
        /// When, in ms.
        at_ms: i64,
    },
    /// Tell the sender, and the reader's other devices, that messages were read.
    Read {
        /// By whom.
        side: Side,
        /// Up to which message.
        upto: Place,
        /// When, in ms.
        at_ms: i64,
        /// What the reader has not read yet.
        unread: u64,
        /// Who knows already.
        origin: Option<Origin>,
    },
}

impl Intent {
    /// From how scripts write it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('|');
        let mut next = || parts.next();
        Some(match next()? {
            "new" => Self::New { seq: next()?.parse().ok()?, origin: Origin::parse(next()?) },
            "edit" => Self::Edit { seq: next()?.parse().ok()? },
            "delete" => Self::Delete { seq: next()?.parse().ok()? },
            kind @ ("received" | "read") => {
                let side = Side::parse(next()?)?;
                let upto = Place { seq: next()?.parse().ok()?, secs: next()?.parse().ok()? };
                let at_ms = next()?.parse().ok()?;
                let unread = next()?.parse().ok()?;
                let origin = Origin::parse(next()?);
                match kind {
                    "read" => Self::Read { side, upto, at_ms, unread, origin },
                    _ => Self::Received { side, upto, at_ms },
                }
            }
            _ => return None,
        })
    }

    /// The message that is to be shown, if one is.
    pub const fn shows(&self) -> Option<u64> {
        match self {
            Self::New { seq, .. } | Self::Edit { seq } | Self::Delete { seq } => Some(*seq),
            Self::Received { .. } | Self::Read { .. } => None,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_says_where_the_message_is() {
        let conversation = ConversationId::generate_apart(chrono::Utc::now());
        let tag = Tag::of(conversation.as_str()).unwrap();
        let place = Place { seq: 0x00ab_cdef, secs: 0x0102_0304 };
        let id = place.id(&tag);
        assert_eq!(Place::of(id.as_str()), Some(place));
        assert_eq!(Tag::of(id.as_str()), Some(tag));
        assert_eq!(Place::of("nonsense"), None);
        assert_eq!(Place::of(conversation.as_str()).unwrap().seq, 0, "where no message is");
    }

    #[test]
    fn intents_are_read_as_scripts_write_them() {
        let origin = Some(Origin { socket: "s-1".to_owned(), frame: 7 });
        assert_eq!(Intent::parse("new|5|"), Some(Intent::New { seq: 5, origin: None }));
        assert_eq!(Intent::parse("new|5|s-1/7"), Some(Intent::New { seq: 5, origin: origin.clone() }));
        let upto = Place { seq: 5, secs: 8 };
        let read = Intent::Read { side: Side::B, upto, at_ms: 9, unread: 2, origin };
        assert_eq!(Intent::parse("read|1|5|8|9|2|s-1/7"), Some(read));
        let received = Intent::Received { side: Side::A, upto, at_ms: 9 };
        assert_eq!(Intent::parse("received|0|5|8|9|2|"), Some(received));
        assert_eq!(Intent::parse("other|1"), None);
    }
}

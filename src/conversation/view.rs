//! Messages and conversations as clients see them, over HTTP and over the socket.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::messages::Shown;
use super::model::{Content, Conversation, Message, MessageId, Overview, Side, Status};
use crate::users::messages::People;
use crate::users::model::{Author, Participant, UserId};
use crate::values::time::iso_time;

/// What every view of a message has.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageView<P> {
    // First, because the socket reads it from there: see `realtime/protocol.rs`.
    /// Its id.
    #[serde(rename = "_id")]
    pub id: String,
    /// The conversation it belongs to.
    pub conversation_id: String,
    /// Who sent it.
    pub sender: P,
    /// To whom.
    pub receiver: P,
    /// The text; absent from a file and from a deleted message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub content: Option<String>,
    /// `text`, `image`, `video`, `audio` or `file`.
    pub message_type: &'static str,
    /// URL path of the file, or null.
    #[schema(required = true)]
    pub file_url: Option<String>,
    /// What the sender called it, or null.
    #[schema(required = true)]
    pub file_name: Option<String>,
    /// Bytes, or null.
    #[schema(required = true)]
    pub file_size: Option<u64>,
    /// Pixels, of an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub width: Option<u32>,
    /// Pixels, of an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub height: Option<u32>,
    /// `sent`, `delivered` or `read`.
    pub status: &'static str,
    /// ISO-8601, or null.
    #[schema(required = true)]
    pub delivered_at: Option<String>,
    /// ISO-8601, or null.
    #[schema(required = true)]
    pub read_at: Option<String>,
    /// Whether the sender took it back.
    pub is_deleted: bool,
    /// ISO-8601, or null.
    #[schema(required = true)]
    pub deleted_at: Option<String>,
    /// ISO-8601.
    pub created_at: String,
    /// ISO-8601; later than `createdAt` when it was edited or deleted.
    pub updated_at: String,
    /// Revision of embedded lists; messages have none.
    #[serde(rename = "__v")]
    pub revision: u32,
}

/// A conversation in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversationView {
    /// Its id.
    #[serde(rename = "_id")]
    pub id: String,
    /// The two, or the one.
    pub participants: Vec<Participant>,
    /// The newest message, its people as bare ids; null in an empty conversation.
    #[schema(required = true)]
    pub last_message: Option<MessageView<String>>,
    /// What each participant has not read, by id.
    pub unread_count: BTreeMap<String, u64>,
    /// ISO-8601; when the conversation was made while it is empty.
    pub last_message_at: String,
    /// ISO-8601.
    pub created_at: String,
    /// ISO-8601.
    pub updated_at: String,
    /// Revision of embedded lists; conversations have none.
    #[serde(rename = "__v")]
    pub revision: u32,
}

/// How far somebody has received, or read.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// In which conversation.
    pub conversation_id: String,
    /// The newest message meant.
    pub up_to: String,
    /// ISO-8601.
    pub at: String,
}

/// That one has read a conversation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConversationRead {
    /// Which.
    pub conversation_id: String,
    /// What is left unread.
    pub unread_count: u64,
}

/// URL path of a message's file.
pub fn file_url(message: &MessageId, object: &str) -> String {
    format!("/uploads/files/{message}-{object}")
}

impl<P> MessageView<P> {
    fn new(conversation: &Conversation, message: &Message, person: impl Fn(Side) -> P) -> Self {
        let id = message.place.id(&conversation.tag());
        let receiver = if conversation.is_with_oneself() { message.side } else { message.side.other() };
        let (delivered, read) = match message.status {
            Status::Sent => (None, None),
            Status::Delivered(delivered) => (Some(delivered), None),
            Status::Read(delivered, read) => (Some(delivered), Some(read)),
        };
        let (text, file) = match &message.content {
            Content::Text(text) => (Some(text.clone()), None),
            Content::File(_, file) => (None, Some(file)),
            Content::Gone(_) => (None, None),
        };
        let dimensions = file.and_then(|file| file.dimensions);
        Self {
            conversation_id: conversation.id.to_string(),
            sender: person(message.side),
            receiver: person(receiver),
            content: text,
            message_type: message.content.kind().as_str(),
            file_url: file.map(|file| file_url(&id, &file.object)),
            file_name: file.map(|file| file.name.clone()),
            file_size: file.map(|file| file.size),
            width: dimensions.map(|(width, _)| width),
            height: dimensions.map(|(_, height)| height),
            status: match message.status {
                Status::Sent => "sent",
                Status::Delivered(_) => "delivered",
                Status::Read(..) => "read",
            },
            delivered_at: delivered.map(iso_time),
            read_at: read.map(iso_time),
            is_deleted: message.deleted_ms.is_some(),
            deleted_at: message.deleted_ms.map(iso_time),
            created_at: iso_time(message.created_ms),
            updated_at: iso_time(message.updated_ms),
            revision: 0,
            id: id.to_string(),
        }
    }
}

impl MessageView<Author> {
    /// A message with its people.
    pub fn of(conversation: &Conversation, message: &Message, people: &People) -> Self {
        Self::new(conversation, message, |side| people.author(conversation.person(side)))
    }

    /// The same, from what an actor answers.
    pub fn shown(shown: &Shown) -> Self {
        Self::of(&shown.conversation, &shown.message, &shown.people)
    }
}

impl ConversationView {
    /// A conversation with its people.
    pub fn of(overview: &Overview, participant: impl Fn(&UserId) -> Participant) -> Self {
        let conversation = &overview.conversation;
        let people = &conversation.people[..if conversation.is_with_oneself() { 1 } else { 2 }];
        let bare = |side| conversation.person(side).to_string();
        Self {
            id: conversation.id.to_string(),
            participants: people.iter().map(participant).collect(),
            last_message: overview.last.as_ref().map(|last| MessageView::new(conversation, last, bare)),
            unread_count: people.iter().map(ToString::to_string).zip(overview.unread).collect(),
            last_message_at: iso_time(overview.last_ms),
            created_at: iso_time(overview.created_ms),
            updated_at: iso_time(overview.updated_ms),
            revision: 0,
        }
    }
}

impl Receipt {
    /// A receipt up to the message at `id`.
    pub fn new(conversation: &Conversation, up_to: &MessageId, at_ms: i64) -> Self {
        Self { conversation_id: conversation.id.to_string(), up_to: up_to.to_string(), at: iso_time(at_ms) }
    }
}

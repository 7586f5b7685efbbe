//! What the conversations' actor can be asked.

use actix::Message as ActixMessage;

use super::error::ConversationError;
use super::model::{
    Attachment, ClientId, Content, Conversation, ConversationId, Message, MessageId, MessageType, Overview,
    Tag,
};
use crate::realtime::model::Origin;
use crate::storage::Upload;
use crate::users::messages::People;
use crate::users::model::UserId;

/// A message with all that is needed to show it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Where it was said.
    pub conversation: Conversation,
    /// What.
    pub message: Message,
    /// How the two look.
    pub people: People,
}

/// Send a message.
#[derive(Debug, ActixMessage)]
#[rtype(result = "Result<Sent, ConversationError>")]
pub struct SendMessage {
    /// Who.
    pub from: UserId,
    /// To whom.
    pub to: UserId,
    /// What.
    pub content: Content,
    /// Sent before under this id: nothing is sent again.
    pub client_id: Option<ClientId>,
    /// The socket that asks, which waits for the event itself. Everybody else's answer comes when all is carried.
    pub origin: Option<Origin>,
}

/// Send a message with a file, which exists from now on. Without the message there will be no file.
#[derive(Debug, ActixMessage)]
#[rtype(result = "Result<Sent, ConversationError>")]
pub struct SendFile {
    /// The message; its content names the object that `upload` writes.
    pub message: SendMessage,
    /// All of the file, not committed.
    pub upload: Upload,
}

/// Outcome of a send.
#[derive(Debug)]
pub struct Sent {
    /// The message.
    pub shown: Shown,
    /// False when it had been sent before.
    pub fresh: bool,
}

/// What is read, or received.
#[derive(Debug, Clone)]
pub enum Upto {
    /// A message and everything before it.
    Message(MessageId),
    /// All of the conversation.
    Conversation(Tag),
    /// The id of a message, of a conversation or of the other user.
    Any(String),
}

/// Mark what a user has received in a conversation as read.
#[derive(Debug, ActixMessage)]
#[rtype(result = "Result<Marked, ConversationError>")]
pub struct MarkRead {
    /// Who has read.
    pub user: UserId,
    /// What.
    pub upto: Upto,
    /// The socket that asks.
    pub origin: Option<Origin>,
}

/// Outcome of marking.
#[derive(Debug)]
pub struct Marked {
    /// Where.
    pub conversation: Conversation,
    /// What is left unread.
    pub unread: u64,
    /// Whether other devices are told, and so this one by its own event.
    pub told: bool,
}

/// Note that a device of `user` has messages, each with everything before it.
#[derive(Debug, ActixMessage)]
#[rtype(result = "Result<(), ConversationError>")]
pub struct Acknowledge {
    /// Whose device.
    pub user: UserId,
    /// The newest of each conversation.
    pub messages: Vec<MessageId>,
}

/// Replace the text of one's own message.
#[derive(Debug, ActixMessage)]
#[rtype(result = "Result<Shown, ConversationError>")]
pub struct EditMessage {
    /// Who asks.
    pub user: UserId,
    /// Which.
    pub message: MessageId,
    /// The new text.
    pub content: Content,
}

/// Delete one's own message, and its file.
#[derive(Debug, ActixMessage)]
#[rtype(result = "Result<Shown, ConversationError>")]
pub struct DeleteMessage {
    /// Who asks.
    pub user: UserId,
    /// Which.
    pub message: MessageId,
}

/// Read the conversation with somebody, which is made if there is none. What is read counts as received.
#[derive(Debug, ActixMessage)]
#[rtype(result = "Result<MessagePage, ConversationError>")]
pub struct FetchMessages {
    /// Who reads.
    pub user: UserId,
    /// With whom.
    pub with: UserId,
    /// Only what came before this message.
    pub before: Option<MessageId>,
    /// Messages on a page.
    pub limit: u32,
}

/// A page of a conversation.
#[derive(Debug)]
pub struct MessagePage {
    /// Which conversation.
    pub conversation: Conversation,
    /// The messages, the oldest first.
    pub messages: Vec<Message>,
    /// Whether there are older ones.
    pub more: bool,
    /// How the two look.
    pub people: People,
}

/// List a user's conversations, the newest first.
#[derive(Debug, ActixMessage)]
#[rtype(result = "Result<ConversationPage, ConversationError>")]
pub struct ListConversations {
    /// Whose.
    pub user: UserId,
    /// Only what comes after this place in the list.
    pub before: Option<ListPlace>,
    /// Conversations on a page.
    pub limit: u32,
}

/// A place in a list of conversations: the last one of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPlace {
    /// ms of its last message; where it is now when absent.
    pub last_ms: Option<i64>,
    /// Its id.
    pub id: ConversationId,
}

/// A page of conversations.
#[derive(Debug)]
pub struct ConversationPage {
    /// The conversations.
    pub conversations: Vec<Overview>,
    /// Where the next page begins, if there is one.
    pub next: Option<ListPlace>,
}

/// Find the file of a message for a participant.
#[derive(Debug, ActixMessage)]
#[rtype(result = "Result<(MessageType, Attachment), ConversationError>")]
pub struct FetchAttachment {
    /// Who asks.
    pub user: UserId,
    /// Of which message.
    pub message: MessageId,
    /// The file's name in the store, as its URL claims.
    pub object: String,
}

/// Say whether a user may write to another now; nothing is made.
#[derive(Debug, ActixMessage)]
#[rtype(result = "Result<(), ConversationError>")]
pub struct MaySend {
    /// Who.
    pub from: UserId,
    /// To whom.
    pub to: UserId,
}

/// Take no messages from somebody any more, or take them again.
#[derive(Debug, ActixMessage)]
#[rtype(result = "Result<(), ConversationError>")]
pub struct SetBlock {
    /// Who decides.
    pub user: UserId,
    /// About whom.
    pub other: UserId,
    /// Whether to block.
    pub blocked: bool,
}

/// List whom a user has blocked, the latest first.
#[derive(Debug, ActixMessage)]
#[rtype(result = "Result<Vec<UserId>, ConversationError>")]
pub struct ListBlocks {
    /// Whose list.
    pub user: UserId,
}

/// Tell somebody that a user types.
#[derive(Debug, ActixMessage)]
#[rtype(result = "Result<(), ConversationError>")]
pub struct Type {
    /// Who types.
    pub from: UserId,
    /// Who is told.
    pub to: UserId,
    /// Whether typing has begun or ended.
    pub typing: bool,
}

/// Remove, for good, some of what a user who is gone has in conversations. Safe to repeat.
#[derive(Debug, ActixMessage)]
#[rtype(result = "Result<Purged, ConversationError>")]
pub struct PurgeConversations {
    /// Whose.
    pub user: UserId,
    /// Where to go on.
    pub place: Option<PurgePlace>,
}

/// A place in a conversation.
#[derive(Debug, Clone)]
pub struct PurgePlace {
    /// Which conversation.
    pub id: ConversationId,
    /// Only messages before this one.
    pub below: Option<u64>,
}

/// How far a purge has come.
#[derive(Debug)]
pub enum Purged {
    /// There is nothing left.
    All,
    /// To this place, or to the end of a conversation.
    UpTo(Option<PurgePlace>),
}

/// Carry what crashed nodes left, and remove files that nobody refers to.
#[derive(Debug, ActixMessage)]
#[rtype(result = "Result<(), ConversationError>")]
pub struct Sweep;

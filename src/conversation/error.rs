//! What can go wrong with conversations.

use crate::actor::AskError;
use crate::notifier::error::NotifierError;
use crate::realtime::error::RealtimeError;
use crate::redis::RedisFailure;
use crate::storage::StorageError;
use crate::users::error::UsersError;

/// Failures of the conversations' actor.
#[derive(Debug, thiserror::Error)]
pub enum ConversationError {
    /// No such user to talk to.
    #[error("no such user")]
    UnknownUser,
    /// No such conversation or message, or the caller has no part in it: indistinguishable on purpose.
    #[error("no such conversation or message")]
    NotFound,
    /// The message is the other's.
    #[error("somebody else's message")]
    NotSender,
    /// The message was deleted.
    #[error("the message was deleted")]
    Deleted,
    /// A file has no text to edit.
    #[error("the message is not a text")]
    NotText,
    /// The receiver takes no messages from the sender.
    #[error("the receiver has blocked the sender")]
    Blocked,
    /// One cannot block oneself.
    #[error("oneself cannot be blocked")]
    OwnBlock,
    /// As many people are blocked as allowed.
    #[error("the block list is full")]
    TooManyBlocks,
    /// As many messages as allowed.
    #[error("the conversation is full")]
    Full,
    /// Too much of this conversation waits to be told, or somebody else was in between too often.
    #[error("the conversation is busy")]
    Busy,
    /// The actor is saturated or stopping.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The datastore failed.
    #[error(transparent)]
    Redis(#[from] RedisFailure),
    /// The store of files failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<UsersError> for ConversationError {
    fn from(error: UsersError) -> Self {
        match error {
            UsersError::Ask(error) => Self::Ask(error),
            UsersError::Redis(failure) => Self::Redis(failure),
            _ => Self::UnknownUser,
        }
    }
}

impl From<RealtimeError> for ConversationError {
    fn from(error: RealtimeError) -> Self {
        match error {
            RealtimeError::Ask(error) => Self::Ask(error),
            RealtimeError::Redis(failure) => Self::Redis(failure),
        }
    }
}

impl From<NotifierError> for ConversationError {
    fn from(error: NotifierError) -> Self {
        match error {
            NotifierError::Ask(error) => Self::Ask(error),
            NotifierError::Redis(failure) => Self::Redis(failure),
            _ => Self::Busy,
        }
    }
}

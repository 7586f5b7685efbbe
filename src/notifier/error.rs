//! What can go wrong with notifications.

use crate::actor::AskError;
use crate::redis::RedisFailure;

/// Failures of the notifier.
#[derive(Debug, thiserror::Error)]
pub enum NotifierError {
    /// No such notification of this user.
    #[error("no such notification")]
    NotFound,
    /// As many letters wait to be sent as allowed.
    #[error("too many letters wait to be sent")]
    Backlog,
    /// An actor is saturated or stopping.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The datastore failed.
    #[error(transparent)]
    Redis(#[from] RedisFailure),
}

//! What can go wrong with notifications.

use crate::actor::AskError;
use crate::presence::error::PresenceError;
use crate::realtime::error::RealtimeError;
use crate::redis::RedisFailure;
use crate::users::error::UsersError;

/// Failures of the notifier.
#[derive(Debug, thiserror::Error)]
pub enum NotifierError {
    /// No such notification of this user.
    #[error("no such notification")]
    NotFound,
    /// As many letters wait to be sent as allowed.
    #[error("too many letters wait to be sent")]
    Backlog,
    /// Looking a receiver up failed.
    #[error(transparent)]
    Users(#[from] UsersError),
    /// Whether a receiver is here cannot be told.
    #[error(transparent)]
    Presence(#[from] PresenceError),
    /// The event log failed.
    #[error(transparent)]
    Realtime(#[from] RealtimeError),
    /// An actor is saturated or stopping.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The datastore failed.
    #[error(transparent)]
    Redis(#[from] RedisFailure),
}

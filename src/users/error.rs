//! What can go wrong with profiles.

use crate::actor::AskError;
use crate::presence::error::PresenceError;
use crate::redis::RedisFailure;
use crate::storage::StorageError;

/// Failures of the people's actor.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// No such user.
    #[error("no such user")]
    NotFound,
    /// The actor, or the presence keeper, is saturated or stopping.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The datastore failed.
    #[error(transparent)]
    Redis(#[from] RedisFailure),
    /// The store of pictures failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<PresenceError> for UsersError {
    fn from(error: PresenceError) -> Self {
        match error {
            PresenceError::Ask(error) => Self::Ask(error),
            PresenceError::Redis(failure) => Self::Redis(failure),
        }
    }
}

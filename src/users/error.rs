//! What can go wrong with profiles.

use crate::actor::AskError;
use crate::redis::RedisFailure;

/// Failures of the people's actor.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// No such user.
    #[error("no such user")]
    NotFound,
    /// The actor is saturated or stopping.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The datastore failed.
    #[error(transparent)]
    Redis(#[from] RedisFailure),
}

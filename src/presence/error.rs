//! What can go wrong with presence.

use crate::actor::AskError;
use crate::redis::RedisFailure;

/// Failures of the presence keeper.
#[derive(Debug, thiserror::Error)]
pub enum PresenceError {
    /// The actor is saturated or stopping.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The datastore failed.
    #[error(transparent)]
    Redis(#[from] RedisFailure),
}

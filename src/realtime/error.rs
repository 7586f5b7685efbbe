//! What can go wrong with events.

use crate::actor::AskError;
use crate::redis::RedisFailure;

/// Failures of the event log.
#[derive(Debug, thiserror::Error)]
pub enum RealtimeError {
    /// The actor is saturated or stopping.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The datastore failed.
    #[error(transparent)]
    Redis(#[from] RedisFailure),
}

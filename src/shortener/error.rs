//! What can go wrong with links.

use std::time::Duration;

use crate::actor::AskError;
use crate::redis::RedisFailure;

/// Failures of the shortener.
#[derive(Debug, thiserror::Error)]
pub enum ShortenerError {
    /// No such link, or somebody else's: who does not own it does not learn which.
    #[error("no such link")]
    NotFound,
    /// A field is wrong.
    #[error("`{field}` {problem}")]
    Invalid {
        /// Which.
        field: &'static str,
        /// What is wrong and what would be right.
        problem: &'static str,
    },
    /// Somebody has this alias.
    #[error("the alias is taken")]
    AliasTaken,
    /// The owner has as many links as allowed.
    #[error("too many links")]
    TooManyLinks,
    /// The link's password is another.
    #[error("wrong password")]
    WrongPassword,
    /// Too many wrong guesses; the next one is evaluated after this time.
    #[error("too many wrong guesses")]
    Wait(Duration),
    /// The protection changed again and again while it was being compared with.
    #[error("the link is being changed")]
    Contended,
    /// The actor is saturated or stopping.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The datastore failed.
    #[error(transparent)]
    Redis(#[from] RedisFailure),
    /// Hashing failed, which only a bug explains.
    #[error("cannot hash: {0}")]
    Hash(String),
}

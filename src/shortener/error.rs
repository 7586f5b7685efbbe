//! What can go wrong with links.

use std::time::Duration;

use super::model::Protection;
use crate::actor::AskError;
use crate::notifier::error::NotifierError;
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
    /// It leads to a blocked host.
    #[error("the link is blocked")]
    Blocked,
    /// Somebody has this alias.
    #[error("the alias is taken")]
    AliasTaken,
    /// The owner has as many links as allowed.
    #[error("too many links")]
    TooManyLinks,
    /// The key does not open the link.
    #[error("wrong key")]
    Refused {
        /// The protection that the key was meant for.
        tried: Protection,
        /// The link's own.
        protection: Protection,
    },
    /// Too many wrong guesses; the next one is evaluated after this time.
    #[error("too many wrong guesses")]
    Wait(Duration),
    /// Too many mails of this kind; the next one goes out after this time.
    #[error("too many mails")]
    MailWait(Duration),
    /// As many requests for access wait for the link's owner as allowed.
    #[error("too many requests for access")]
    TooManyRequests,
    /// No such request for access.
    #[error("no such request for access")]
    NoSuchRequest,
    /// The link changed again and again while it was being looked at.
    #[error("the link is being changed")]
    Contended,
    /// So much is waiting to be told that nothing is added.
    #[error("too much waits to be told")]
    Backlog,
    /// The notifier does not take what is to be told.
    #[error(transparent)]
    Notifier(#[from] NotifierError),
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

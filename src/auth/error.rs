//! What can go wrong with accounts, sessions and tokens.

use std::time::Duration;

use crate::actor::AskError;
use crate::notifier::error::NotifierError;
use crate::presence::error::PresenceError;
use crate::redis::RedisFailure;
use crate::users::error::UsersError;

/// Failures of the session manager.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Another account has this e-mail address.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// Another account has this username.
    #[error("the username is taken")]
    UsernameTaken,
    /// The password is among the most common.
    #[error("the password is a common one")]
    CommonPassword,
    /// No such account, or not its password: indistinguishable on purpose.
    #[error("wrong credentials")]
    WrongCredentials,
    /// Too many wrong guesses; the next one is evaluated after this time.
    #[error("too many wrong guesses")]
    Wait(Duration),
    /// No account has this e-mail address.
    #[error("no account has this e-mail address")]
    UnknownAddress,
    /// The account has no e-mail address.
    #[error("the account has no e-mail address")]
    NoAddress,
    /// The token from a mail is wrong, too old, or used.
    #[error("the token from a mail is not valid")]
    InvalidProof,
    /// Too many mails with links to an address; the next one may go after this time.
    #[error("too many mails to an address")]
    MailWait(Duration),
    /// The same to accounts of a mailbox, so there is one.
    #[error("too many mails to a mailbox")]
    MailboxWait(Duration),
    /// Another account is linked with this Google account.
    #[error("the Google account is taken")]
    GoogleTaken,
    /// Google does not vouch for who this is, or not to us.
    #[error("not a Google token for us")]
    InvalidGoogleToken,
    /// The keys that Google signs with are not to be had.
    #[error("Google's keys are away")]
    GoogleKeysAway,
    /// The code is another, or there is none.
    #[error("wrong code")]
    WrongCode,
    /// Too many codes were asked for, or wrongly guessed; the next one is after this time.
    #[error("too many codes")]
    CodeWait(Duration),
    /// A name was held by another registration or change, or lost to one, for longer than one waits.
    #[error("the claim on a name lapsed")]
    Lapsed,
    /// Not a token at all.
    #[error("not a token")]
    MalformedToken,
    /// Expired, forged, revoked, or of the other kind.
    #[error("the token is not valid")]
    InvalidToken,
    /// A good token of an account that is gone.
    #[error("the account is gone")]
    AccountGone,
    /// No such session of this account.
    #[error("no such session")]
    UnknownSession,
    /// The actor is saturated or stopping.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The datastore failed.
    #[error(transparent)]
    Redis(#[from] RedisFailure),
    /// What an account owns could not be brought in line with it, or purged.
    #[error("what the account owns: {0}")]
    Estate(String),
    /// Hashing or signing failed, which only a bug explains.
    #[error("{0}")]
    Crypto(String),
}

/// Failures of the password hasher.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The pool is full or stopping.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The password is among the most common.
    #[error("the password is a common one")]
    Common,
    /// argon2 failed, or a stored hash is malformed.
    #[error("cannot hash: {0}")]
    Failed(String),
}

impl From<HashError> for AuthError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Ask(error) => Self::Ask(error),
            HashError::Common => Self::CommonPassword,
            HashError::Failed(problem) => Self::Crypto(problem),
        }
    }
}

impl From<PresenceError> for AuthError {
    fn from(error: PresenceError) -> Self {
        match error {
            PresenceError::Ask(error) => Self::Ask(error),
            PresenceError::Redis(failure) => Self::Redis(failure),
        }
    }
}

impl From<UsersError> for AuthError {
    fn from(error: UsersError) -> Self {
        match error {
            UsersError::NotFound => Self::AccountGone,
            UsersError::Ask(error) => Self::Ask(error),
            UsersError::Redis(failure) => Self::Redis(failure),
            UsersError::Storage(error) => Self::Estate(error.to_string()),
        }
    }
}

impl From<NotifierError> for AuthError {
    fn from(error: NotifierError) -> Self {
        match error {
            NotifierError::Redis(failure) => Self::Redis(failure),
            NotifierError::Ask(error) => Self::Ask(error),
            _ => Self::Ask(AskError::Saturated),
        }
    }
}

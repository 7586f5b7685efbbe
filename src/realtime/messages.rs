//! What the event log can be asked.

use actix::Message;

use super::error::RealtimeError;
use super::model::{Event, Missed, Resume};
use crate::users::model::UserId;

/// Append events to the logs of those whom they are for, and push them. Repeating it is harmless as long as the intents
/// of a source come in their order, from the oldest that is not settled. Answers whom it reached.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<(UserId, Reached)>, RealtimeError>")]
pub struct Deliver {
    /// What the intents belong to, unique among all kinds of sources: `conv:<id>`, `post:<id>`.
    pub source: String,
    /// In the order of their intents.
    pub events: Vec<Event>,
}

/// How far events came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// Their receiver has a log, from which devices that come back get them.
    pub has_log: bool,
    /// A node heard them now, which listens because the receiver has a socket there. False does not say that none has.
    pub is_heard: bool,
}

/// Say whether a user has a log: whether there are devices that will hear of what is delivered.
#[derive(Debug, Message)]
#[rtype(result = "Result<bool, RealtimeError>")]
pub struct HasLog {
    /// Whose.
    pub user: UserId,
}

/// Forget the log of a user who is gone for good. Safe to repeat.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), RealtimeError>")]
pub struct ForgetLog {
    /// Whose.
    pub user: UserId,
}

/// Say where a user's log stands, and what a device missed; from now on the user has a log.
#[derive(Debug, Message)]
#[rtype(result = "Result<LogOpened, RealtimeError>")]
pub struct OpenLog {
    /// Whose.
    pub user: UserId,
    /// Where the device was.
    pub resume: Option<Resume>,
}

/// Where a log stands.
#[derive(Debug)]
pub struct LogOpened {
    /// Which log; another one when the old was lost or forgotten.
    pub epoch: String,
    /// Its newest event.
    pub seq: u64,
    /// All that the device missed, in order; nothing when it was away for too long, or did not say.
    pub missed: Option<Vec<Missed>>,
}

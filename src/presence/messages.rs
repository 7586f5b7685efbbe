//! What the presence keeper can be asked.
//!
//! A socket's own words must all go through one keeper, which passes them on in their order: a beat that came after the
//! close would let the socket live on until it runs out.

use std::collections::HashMap;

use actix::Message;

use super::error::PresenceError;
use super::model::{OnlineStatus, Presence};
use crate::users::model::UserId;

/// A socket has opened.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), PresenceError>")]
pub struct SocketOpened {
    /// Whose.
    pub user_id: UserId,
    /// Unique among all sockets of all nodes.
    pub socket: String,
}

/// Sockets live; due from each within a heartbeat. One that had run out meanwhile lives again. All go to the datastore
/// at once, so a worker's thousands are better spread over the heartbeat.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), PresenceError>")]
pub struct SocketsBeat {
    /// Whose, and which.
    pub sockets: Vec<(UserId, String)>,
}

/// A socket has closed.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), PresenceError>")]
pub struct SocketClosed {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub socket: String,
}

/// Say whether a user's devices listen, and when the user was last here.
#[derive(Debug, Message)]
#[rtype(result = "Result<Attention, PresenceError>")]
pub struct FetchAttention {
    /// Whose.
    pub user_id: UserId,
}

/// Whether somebody hears what is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attention {
    /// A socket lives.
    pub listens: bool,
    /// The last sign of life, in ms; 0 when there has been none.
    pub last_seen_ms: i64,
}

/// Set by hand how a user looks. It holds while the user is here.
#[derive(Debug, Message)]
#[rtype(result = "Result<Presence, PresenceError>")]
pub struct SetStatus {
    /// Whose.
    pub user_id: UserId,
    /// `Offline`: here unseen.
    pub status: OnlineStatus,
}

/// A session was opened by a login.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), PresenceError>")]
pub struct SignedIn {
    /// Whose.
    pub user_id: UserId,
    /// When, in microseconds by the datastore's clock: a login and a logout may fall into one millisecond.
    pub at_us: i64,
}

/// The last session has ended, and with it all sockets.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), PresenceError>")]
pub struct SignedOut {
    /// Whose.
    pub user_id: UserId,
    /// When, in microseconds by the datastore's clock: a login and a logout may fall into one millisecond.
    pub at_us: i64,
}

/// A user has done something over HTTP, in a session that lived then: who is here by that stays, who was not comes.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), PresenceError>")]
pub struct Touch {
    /// Who.
    pub user_id: UserId,
    /// When, in microseconds by the datastore's clock.
    pub at_us: i64,
}

/// Forget when a user was here: the account is closed. Safe to repeat.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), PresenceError>")]
pub struct ForgetPresence {
    /// Who.
    pub user_id: UserId,
}

/// Look up how present people are, all in one round trip.
#[derive(Debug, Message)]
#[rtype(result = "Result<HashMap<UserId, Presence>, PresenceError>")]
pub struct FetchPresence {
    /// Who. Each is in the answer, also who does not exist.
    pub ids: Vec<UserId>,
}

/// Tell who has gone without a word.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), PresenceError>")]
pub struct Sweep;

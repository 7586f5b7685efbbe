//! Every key of this domain.
//!
//! | key | type | what | life |
//! |---|---|---|---|
//! | `{user:<id>}:position` | HASH | `epoch` and `seq` of the log | `realtime.log_ttl_hours` after the last socket |
//! | `{user:<id>}:log` | STREAM | events by seq, newest `realtime.log_events` | the same |
//! | `{user:<id>}:carried` | HASH | source → highest intent applied | the same |
//!
//! Channels: `user:<id>` carries a user's events, pushes and ended sessions, `presence:<id>` what presence tells of a user.
//!
//! A user without a position has no log: nobody could ask for what was missed.

use crate::redis::{Key, Keyspace};
use crate::users::model::UserId;

pub(super) fn position(space: &Keyspace, id: &UserId) -> Key {
    space.part("user", id.as_str(), "position")
}

pub(super) fn log(space: &Keyspace, id: &UserId) -> Key {
    space.part("user", id.as_str(), "log")
}

pub(super) fn carried(space: &Keyspace, id: &UserId) -> Key {
    space.part("user", id.as_str(), "carried")
}

pub(super) fn events_channel(space: &Keyspace, id: &UserId) -> String {
    space.channel("user", id.as_str())
}

pub(super) fn presence_channel(space: &Keyspace, id: &UserId) -> String {
    space.channel("presence", id.as_str())
}

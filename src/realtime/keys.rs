//! Every key of this domain.
//!
//! | key | type | what | life |
//! |---|---|---|---|
//! | `{user:<id>}:position` | HASH | `epoch` and `seq` of the log | `realtime.log_ttl_hours` after the last socket |
//! | `{user:<id>}:log` | STREAM | events by seq, newest `realtime.log_events` | the same |
//! | `{user:<id>}:carried` | HASH | source → highest intent applied, of at most 4,096 sources | the same |
//! | `{user:<id>}:carried_before` | HASH | the same of the 4,096 before | the same |
//!
//! Channels: `user:<id>` carries a user's events, pushes and ended sessions, `presence:<id>` what presence tells of a user.
//!
//! A user without a position has no log: nobody could ask for what was missed.

use crate::redis::{Key, Keyspace};
use crate::users::model::UserId;

/// The position, the log, what was carried into it and what was before.
pub(super) fn all(space: &Keyspace, id: &UserId) -> [Key; 4] {
    ["position", "log", "carried", "carried_before"].map(|part| space.part("user", id.as_str(), part))
}

pub(super) fn events_channel(space: &Keyspace, id: &UserId) -> String {
    space.channel("user", id.as_str())
}

pub(super) fn presence_channel(space: &Keyspace, id: &UserId) -> String {
    space.channel("presence", id.as_str())
}

//! Every key of this domain.
//!
//! | key | type | what | life |
//! |---|---|---|---|
//! | `{user:<id>}:presence` | HASH | when the user was and will be here | the account's |
//! | `{user:<id>}:sockets` | ZSET | socket → ms until which it counts as live | until the last of them |
//! | `{presence:<shard>}` | ZSET | user → ms when to look whether they have gone | an entry goes with the user |
//!
//! Fields of a presence, times in ms but for the last two:
//! - `until`: the user counts as here up to then; 0 when it has been told that the user has gone.
//! - `seen`: the last sign of life; stands still while the user is here unseen.
//! - `status`: what was set by hand: `away`, `busy`, or `offline` for being here unseen.
//! - `in`, `out`: the last login and the last time that all sessions had ended, in microseconds: a logout that is heard
//!   of late must not undo a later login, nor the other way round.

use crate::redis::{Key, Keyspace};
use crate::users::model::UserId;

/// Lists that the users are spread over, by the last character of their ids.
pub(super) const SHARDS: [&str; 16] =
    ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"];

pub(super) fn presence(space: &Keyspace, id: &UserId) -> Key {
    space.part("user", id.as_str(), "presence")
}

pub(super) fn sockets(space: &Keyspace, id: &UserId) -> Key {
    space.part("user", id.as_str(), "sockets")
}

pub(super) fn list(space: &Keyspace, shard: &str) -> Key {
    space.root("presence", shard)
}

pub(super) fn list_of(space: &Keyspace, id: &UserId) -> Key {
    let id = id.as_str();
    list(space, &id[id.len() - 1..])
}

/// The channel on which changes of a user's status are told.
pub(super) fn channel(space: &Keyspace, id: &UserId) -> String {
    space.channel("presence", id.as_str())
}

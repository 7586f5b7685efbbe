//! Every key of this domain.
//!
//! | key | type | what | life |
//! |---|---|---|---|
//! | `{user:<id>}:notifications` | HASH | id → JSON, see `record`; newest `notifier.max_per_user` | `notifier.keep_days` after the newest |
//! | `{user:<id>}:topics` | HASH | topic → id of the unread notification about it | the same |
//! | `{user:<id>}:noted` | HASH | source → highest intent listed, of at most 4,096 sources | the same |
//! | `{user:<id>}:noted_before` | HASH | the same of the 4,096 before | the same |
//! | `{user:<id>}:mailing` | HASH | what the user wants by mail: `messages`, `likes`, `comments`, 1 or absent | the account's |
//! | `{mailed:<digest>}` | SET | mails to an address that nobody has proven, at most `notifier.unverified_per_day` | a day |
//! | `{outgoing:<way>}` | STREAM | sealed letters to send, at most `notifier.max_waiting` with the next | until sent |
//! | `{outgoing:<way>}:later` | ZSET | letters to try again → ms when | until given up |
//! | `{outgoing:<way>}:dead` | STREAM | letters given up, newest 1,000 | 30 days after the last |
//! | `{outgoing:<way>}:queued` | HASH | source → highest intent queued, of at most 65,536 sources | for ever |
//! | `{outgoing:<way>}:queued_before` | HASH | the same of the 65,536 before | for ever |
//!
//! Ways are `mail`, `bulk` and `sms`.

use super::letter::Way;
use crate::redis::{Key, Keyspace};
use crate::users::model::UserId;

/// Notifications, topics, what was noted and what was before.
pub(super) fn list(space: &Keyspace, id: &UserId) -> [Key; 4] {
    ["notifications", "topics", "noted", "noted_before"].map(|part| space.part("user", id.as_str(), part))
}

pub(super) fn mailing(space: &Keyspace, id: &UserId) -> Key {
    space.part("user", id.as_str(), "mailing")
}

/// `digest` is one of an address.
pub(super) fn mailed(space: &Keyspace, digest: &str) -> Key {
    space.root("mailed", digest)
}

pub(super) fn queue(space: &Keyspace, way: Way) -> Key {
    space.root("outgoing", way.as_str())
}

/// `part` is `later`, `dead`, `queued` or `queued_before`.
pub(super) fn queue_part(space: &Keyspace, way: Way, part: &str) -> Key {
    space.part("outgoing", way.as_str(), part)
}

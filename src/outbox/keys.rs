//! Every key of this module.
//!
//! | key | type | what | life |
//! |---|---|---|---|
//! | `{outbox:<kind>}` | ZSET | source → ms when it was last registered | an entry goes 15 s after the source fell quiet, or when its domain is done with it |
//!
//! The intents themselves lie beside what caused them, under a key of that domain: a ZSET of `<id>|<text>` by id.

use crate::redis::{Key, Keyspace};

pub(super) fn register(space: &Keyspace, kind: &str) -> Key {
    space.root("outbox", kind)
}

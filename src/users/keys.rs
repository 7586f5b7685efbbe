//! Every key of this domain.
//!
//! | key | type | what | life |
//! |---|---|---|---|
//! | `{user:<id>}:profile` | HASH | how the user looks from outside | the account's |
//! | `{avatar:<name>}` | STRING | generation of the owner's account, while that is closed: odd hides the picture | until it is purged; an hour after a recovery |
//! | `{directory:names}` | ZSET | `<name in lower case>\0<user id>`, all of score 0 | an entry as long as the name |
//!
//! Fields of a profile: `username`, `email`, `created` and `updated` in ms; where they differ from the defaults
//! `gender`, `birth` (`YYYY-MM-DD`), `address`, `avatar` (URL path), `verified` (`1`: the address is proven to be the
//! user's), `gen` (generation of the account: odd is closed, and hides the profile); while the name is being changed `renaming`, the next one.

use super::model::UserId;
use crate::redis::{Key, Keyspace};

pub(super) fn profile(space: &Keyspace, id: &UserId) -> Key {
    space.part("user", id.as_str(), "profile")
}

/// `name` is the last segment of the picture's path.
pub(super) fn avatar(space: &Keyspace, name: &str) -> Key {
    space.root("avatar", name)
}

pub(super) fn directory(space: &Keyspace) -> Key {
    space.root("directory", "names")
}

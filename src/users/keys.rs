//! Every key of this domain.
//!
//! | key | type | what | life |
//! |---|---|---|---|
//! | `{user:<id>}:profile` | HASH | how the user looks from outside | the account's |
//! | `{directory:names}` | ZSET | `<name in lower case>\0<user id>`, all of score 0 | an entry as long as the name |
//!
//! Fields of a profile: `username`, `email`, `created` and `updated` in ms; where they differ from the defaults
//! `gender`, `birth` (`YYYY-MM-DD`), `address`, `avatar` (URL path), `verified` (`1`: the address is proven to be the
//! user's); while the name is being changed `renaming`, the next one.

use super::model::UserId;
use crate::redis::{Key, Keyspace};

pub(super) fn profile(space: &Keyspace, id: &UserId) -> Key {
    space.part("user", id.as_str(), "profile")
}

pub(super) fn directory(space: &Keyspace) -> Key {
    space.root("directory", "names")
}

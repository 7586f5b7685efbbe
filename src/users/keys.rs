//! Every key of this domain.
//!
//! | key | type | what | life |
//! |---|---|---|---|
//! | `{user:<id>}:profile` | HASH | how the user looks from outside | the account's |
//!
//! Fields of a profile: `username`, `email`, `created` and `updated` in ms.

use super::model::UserId;
use crate::redis::{Key, Keyspace};

pub(super) fn profile(space: &Keyspace, id: &UserId) -> Key {
    space.part("user", id.as_str(), "profile")
}

//! Every key of this domain.
//!
//! | key | type | what | life |
//! |---|---|---|---|
//! | `{link:<code>}` | HASH | the link | the link's; `shortener.deleted_hold_days` as a tombstone |
//! | `{link:<code>}:events` | STREAM | attempts, newest `shortener.events_per_link` | `shortener.events_ttl_days` after the last |
//! | `{link:<code>}:guesses` | HASH | wrong passwords from everywhere | `shortener.link_guesses.forget_secs` |
//! | `{link:<code>}:guesses:<ip>` | HASH | wrong passwords from an address | `shortener.visitor_guesses.forget_secs` |
//! | `{user:<id>}:links` | ZSET | code → µs when listed, at most `shortener.max_links_per_user` | the account's |
//!
//! Fields of a link, one letter each because there are millions: `u` long URL · `o` owner's id, absent for
//! guests · `m` protection, absent for NONE · `h` password hash · `s` safe for work, 1 or 0, absent until known ·
//! `a` analytics, 1 or absent · `e` e-mail notifications, 1 or absent · `t` created, `d` last updated, in ms ·
//! `k` attempts that reached the long URL · `f` attempts that did not · `x` tombstone, with `o` alone.
//!
//! Fields of an event: `m` protection · `s` success, 1 or 0 · `h` HTTP method · `i` IP address as stored ·
//! `r` referrer's host · `a` user agent class. Its time is its id.

use std::net::IpAddr;

use super::model::ShortCode;
use crate::redis::{Key, Keyspace};
use crate::users::model::UserId;

pub(super) fn link(space: &Keyspace, code: &ShortCode) -> Key {
    space.root("link", code.as_str())
}

pub(super) fn events(space: &Keyspace, code: &ShortCode) -> Key {
    space.part("link", code.as_str(), "events")
}

pub(super) fn guesses(space: &Keyspace, code: &ShortCode) -> Key {
    space.part("link", code.as_str(), "guesses")
}

pub(super) fn guesses_from(space: &Keyspace, code: &ShortCode, network: IpAddr) -> Key {
    space.part("link", code.as_str(), &format!("guesses:{network}"))
}

pub(super) fn links_of(space: &Keyspace, owner: &UserId) -> Key {
    space.part("user", owner.as_str(), "links")
}

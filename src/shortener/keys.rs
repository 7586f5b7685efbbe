//! Every key of this domain.
//!
//! | key | type | what | life |
//! |---|---|---|---|
//! | `{link:<code>}` | HASH | the link | the link's; `shortener.deleted_hold_days` as a tombstone |
//! | `{link:<code>}:events` | STREAM | attempts, newest `shortener.events_per_link` | `shortener.events_ttl_days` after the last |
//! | `{link:<code>}:tallies` | HASH | clicks that reached the long URL, see below; about 1,200 fields | 400 days after the last |
//! | `{link:<code>}:guesses` | HASH | wrong passwords from everywhere | `shortener.link_guesses.forget_secs` |
//! | `{link:<code>}:guesses:<ip>` | HASH | wrong passwords from an address | `shortener.visitor_guesses.forget_secs` |
//! | `{link:<code>}:otp:<address>` | HASH | the code mailed to an address: `c` digest, empty for who is not on the list, `g` see below, `n` wrong tries | 10 min |
//! | `{link:<code>}:otp-mails:<address>` | HASH | codes mailed to it | `shortener.code_mails.forget_secs` |
//! | `{link:<code>}:mails` | HASH | mails that strangers caused | `shortener.link_mails.forget_secs` |
//! | `{link:<code>}:requests` | HASH | request's id → JSON, at most `shortener.max_requests_per_link` | `shortener.grant_days` and 90 days after the last change; the protection's |
//! | `{link:<code>}:requests:asked` | ZSET | request's id → ms when asked | the same |
//! | `{link:<code>}:requests:closed` | ZSET | request's id → ms from which on it may give way | the same |
//! | `{link:<code>}:notices` | ZSET | what to carry to the notifier, by id: `clicked <user id> <clicks>`, `nobody`, or a sealed notice | until carried |
//! | `{link-mailbox:<mailbox>}` | HASH | codes for any link mailed to a mailbox, see [`Email::mailbox`] | `shortener.mailbox_codes.forget_secs` |
//! | `{link-mailbox:<owner and mailbox>}:codes` | HASH | codes for the links of one owner mailed to one | `shortener.mailbox_mails.forget_secs` |
//! | `{link-mailbox:<owner and mailbox>}:<decision>` | HASH | word of an owner's decisions mailed to one | the same |
//! | `{link-owner:<owner>}` | HASH | requests for access that an owner was told of | `shortener.owner_mails.forget_secs` |
//! | `{user:<id>}:links` | ZSET | code → µs when listed, at most `shortener.max_links_per_user` | the account's |
//!
//! [`Email::mailbox`]: crate::users::model::Email::mailbox
//!
//! Addresses stand in keys as digests: key names reach logs and slow-logs. The registers of the outbox are of the kinds `link`
//! (what is to be told) and `digest` (links with untold clicks).
//!
//! Fields of a link, one letter each because there are millions: `u` long URL · `o` owner's id, absent for
//! guests · `m` protection, absent for NONE · `h` password hash · `s` safe for work as the maker says, 1 or 0 or absent ·
//! `j` safe for work as found out about the target, 1 or 0, absent until known; counts when `s` is absent ·
//! `b` edition of the lists of blocked hosts that the target was held against, `!` behind it if they block it ·
//! `a` analytics, 1 or absent · `e` e-mail notifications, 1 or absent · `t` created, `d` last updated, in ms ·
//! `z` generation of the owner's account with which it is in line, absent before the first closing: odd is suspended ·
//! `k` attempts that reached the long URL · `f` attempts that did not · `x` tombstone, with `o` and `i` alone ·
//! `w` addresses that may have codes, one per line · `g` µs when the protection or that list last changed, absent before;
//! codes made before then are dead · `n` untold clicks, `l` ms when the owner was last told of some, absent before ·
//! `i` id of the last intent left · `@<writer>` the last position of that journal of which the clicks are counted, for each
//! that counted here within 30 days.
//!
//! Fields of an event: `m` protection · `s` success, 1 or 0 · `h` HTTP method · `i` IP address as stored ·
//! `r` referrer's host · `a` user agent class · `t` its time in ms, unless that is its id's.
//!
//! Fields of the tallies: `h<n>` hour, `d<n>` day, counted from 1970 in UTC · `r<host>` referrer's host, `r` none, `o` those
//! that there was no room for · `a<class>` user agent class.
//!
//! On the channel `links:changed` the code of a link is published with each change that matters to who follows it.

use std::net::IpAddr;

use super::model::ShortCode;
use crate::redis::{Key, Keyspace, key};
use crate::users::model::UserId;

pub(super) fn link(space: &Keyspace, code: &ShortCode) -> Key {
    space.root("link", code.as_str())
}

/// The cluster slot of a link's keys.
pub(super) fn slot(code: &ShortCode) -> u16 {
    key::slot(format!("link:{}", code.as_str()).as_bytes())
}

pub(super) fn events(space: &Keyspace, code: &ShortCode) -> Key {
    space.part("link", code.as_str(), "events")
}

pub(super) fn tallies(space: &Keyspace, code: &ShortCode) -> Key {
    space.part("link", code.as_str(), "tallies")
}

/// The channel on which links that change are named.
pub(super) fn changes(space: &Keyspace) -> String {
    space.channel("links", "changed")
}

pub(super) fn guesses(space: &Keyspace, code: &ShortCode) -> Key {
    space.part("link", code.as_str(), "guesses")
}

pub(super) fn guesses_from(space: &Keyspace, code: &ShortCode, network: IpAddr) -> Key {
    space.part("link", code.as_str(), &format!("guesses:{network}"))
}

/// `address` is a digest.
pub(super) fn code_sent(space: &Keyspace, code: &ShortCode, address: &str) -> Key {
    space.part("link", code.as_str(), &format!("otp:{address}"))
}

/// `address` is a digest.
pub(super) fn code_mails(space: &Keyspace, code: &ShortCode, address: &str) -> Key {
    space.part("link", code.as_str(), &format!("otp-mails:{address}"))
}

pub(super) fn link_mails(space: &Keyspace, code: &ShortCode) -> Key {
    space.part("link", code.as_str(), "mails")
}

/// `mailbox` is a digest.
pub(super) fn mailbox_codes(space: &Keyspace, mailbox: &str) -> Key {
    space.root("link-mailbox", mailbox)
}

/// `mailbox` is a digest of an owner and a mailbox, `what` a kind of mails.
pub(super) fn mailbox_mails(space: &Keyspace, mailbox: &str, what: &str) -> Key {
    space.part("link-mailbox", mailbox, what)
}

/// `owner` is a digest.
pub(super) fn owner_mails(space: &Keyspace, owner: &str) -> Key {
    space.root("link-owner", owner)
}

/// The requests, when each was asked, and which may give way.
pub(super) fn requests(space: &Keyspace, code: &ShortCode) -> [Key; 3] {
    ["requests", "requests:asked", "requests:closed"].map(|part| space.part("link", code.as_str(), part))
}

/// `source` is the link's code.
pub(super) fn notices(space: &Keyspace, source: &str) -> Key {
    space.part("link", source, "notices")
}

pub(super) fn links_of(space: &Keyspace, owner: &UserId) -> Key {
    space.part("user", owner.as_str(), "links")
}

//! Every key of this domain.
//!
//! | key | type | what | life |
//! |---|---|---|---|
//! | `{user:<id>}:account` | HASH | credentials and identity | the account's; 15 s until its first session confirms it |
//! | `{user:<id>}:sessions` | HASH | session id → JSON, at most `auth.max_sessions` | `auth.refresh_ttl_secs` after the last login or refresh |
//! | `{user:<id>}:devices` | ZSET | digests of the newest 64 devices, by when they signed in last | 180 days after the last login |
//! | `{user:<id>}:proofs:<kind>` | ZSET | digests of the newest 3 tokens in mails, by when they end | until the last one ends |
//! | `{user:<id>}:notices` | ZSET | sealed notices to carry to the notifier, by id | until carried |
//! | `{phone:<digest>}:notices` | ZSET | the same of a phone number | until carried |
//! | `{phone:<digest>}:last` | STRING | id of the last notice of a phone number | 365 days after it |
//! | `{email:<digest>}` | STRING | claim: `<user id>`, once confirmed `<user id>:<when>` | the account's; 15 s while unconfirmed |
//! | `{username:<digest>}` | STRING | the same | the name's; 15 s while unconfirmed |
//! | `{google:<digest>}` | STRING | the same on a Google account | the account's; 15 s while unconfirmed |
//! | `{phone:<digest>}:claim` | STRING | the same | the account's; 15 s while unconfirmed |
//! | `{phone:<digest>}:code` | HASH | digest of the code that was sent, guesses at it | 10 minutes |
//! | `{phone:<digest>}:wrong` | STRING | wrong guesses at its codes | a day after the first |
//! | `{phone:<digest>}:wrong:<ip>` | STRING | the same from an address that has logged in to its account before | the same |
//! | `{phone:<digest>}:asked` | HASH | codes asked for, and how long to wait for the next | `auth.phone_codes.forget_secs` |
//! | `{phone:<digest>}:asked:<ip>` | HASH | the same from an address that has logged in to its account before | the same |
//! | `{guess:<who>}:account` | HASH | wrong passwords for an account | `auth.account_guesses.forget_secs` |
//! | `{guess:<who>}:from:<ip>` | HASH | the same from an address that has logged in before | the same |
//! | `{guess:<who>}:known` | ZSET | addresses that have logged in before → ms, newest 100 | 30 days |
//! | `{guess-ip:<ip>}` | HASH | wrong passwords from an address | `auth.ip_guesses.forget_secs` |
//! | `{mail:<who>}:requests` | HASH | mails with a link that were asked for, to an address or account | `auth.mail_requests.forget_secs` |
//! | `{mailbox:<digest>}` | HASH | mails with a link that were asked for, to accounts with a spelling of a mailbox | `auth.mailbox_mails.forget_secs` |
//! | `{mailbox:<digest>}:registrations` | HASH | mails that registrations sent to it | `auth.registration_mails.forget_secs` |
//!
//! Fields of an account: `email` (absent when it has none), `username` (the first one), `password` (a hash; absent when
//! it has none), `via`, `created`, `login` and `verified` in ms, `google` (digest of the linked account's id), `phone`
//! (digest of the number), `i` (id of the last notice left: who hears of them applies none that is not higher, so ids rise
//! whatever the clock does). Once it was closed `gen`, which rises with each closing and each recovery: odd is closed; while it
//! is closed `until`, the ms until which it can be brought back, and `purging` once nobody can.
//!
//! Closed accounts stand in the outbox's register `closed`, by when they were closed; those that something is to be done
//! about in `closing`.
//!
//! Addresses and names stand in keys as digests: key names reach logs and slow-logs. A phone number's digest is keyed,
//! because there are few enough numbers to try them all.

use std::net::IpAddr;

use aws_lc_rs::digest;

use super::model::GoogleSub;
use crate::redis::{Key, Keyspace};
use crate::users::model::{Email, UserId, Username};

/// How long a half-made account and its claims live. ms
pub(super) const PENDING_MS: u64 = 15_000;
/// How long an address counts as known after a login, and how many do. ms
pub(super) const KNOWN_MS: i64 = 30 * 24 * 3600 * 1000;
pub(super) const KNOWN_ADDRESSES: i64 = 100;

/// How long a device is remembered after a login, ms, and how many of an account are.
pub(super) const DEVICE_MS: u64 = 180 * 24 * 3600 * 1000;
pub(super) const DEVICES: u32 = 64;

/// How long the id of a number's last notice is kept: far longer than a clock can go back. ms
pub(super) const PHONE_LAST_MS: u64 = 365 * 24 * 3600 * 1000;

/// What a token in a mail allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProofKind {
    ResetPassword,
    VerifyEmail,
}

impl ProofKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ResetPassword => "reset",
            Self::VerifyEmail => "email",
        }
    }
}

pub(super) fn account(space: &Keyspace, id: &UserId) -> Key {
    space.part("user", id.as_str(), "account")
}

pub(super) fn sessions(space: &Keyspace, id: &UserId) -> Key {
    space.part("user", id.as_str(), "sessions")
}

pub(super) fn devices(space: &Keyspace, id: &UserId) -> Key {
    space.part("user", id.as_str(), "devices")
}

pub(super) fn proofs(space: &Keyspace, id: &UserId, kind: ProofKind) -> Key {
    space.part("user", id.as_str(), &format!("proofs:{}", kind.name()))
}

/// `who` is an account, or the digest of an address.
pub(super) fn mail_requests(space: &Keyspace, who: &str) -> Key {
    space.part("mail", who, "requests")
}

pub(super) fn mailbox_mails(space: &Keyspace, email: &Email) -> Key {
    space.root("mailbox", &digest(&email.mailbox()))
}

pub(super) fn registration_mails(space: &Keyspace, email: &Email) -> Key {
    space.part("mailbox", &digest(&email.mailbox()), "registrations")
}

/// `source` is `user:<id>` or `phone:<digest>`.
pub(super) fn notices(space: &Keyspace, source: &str) -> Key {
    let (kind, id) = source.split_once(':').unwrap_or(("user", source));
    space.part(kind, id, "notices")
}

/// `digest` is a phone number's, see [`super::phone::Phones`].
pub(super) fn phone_claim(space: &Keyspace, digest: &str) -> Key {
    space.part("phone", digest, "claim")
}

pub(super) fn phone_code(space: &Keyspace, digest: &str) -> Key {
    space.part("phone", digest, "code")
}

/// The id of a number's last notice.
pub(super) fn phone_last(space: &Keyspace, digest: &str) -> Key {
    space.part("phone", digest, "last")
}

/// `from` is an address that counts by itself.
pub(super) fn phone_wrong(space: &Keyspace, digest: &str, from: Option<IpAddr>) -> Key {
    phone_count(space, digest, "wrong", from)
}

/// `from` is an address that counts by itself.
pub(super) fn phone_asked(space: &Keyspace, digest: &str, from: Option<IpAddr>) -> Key {
    phone_count(space, digest, "asked", from)
}

fn phone_count(space: &Keyspace, digest: &str, what: &str, from: Option<IpAddr>) -> Key {
    match from {
        Some(ip) => space.part("phone", digest, &format!("{what}:{ip}")),
        None => space.part("phone", digest, what),
    }
}

/// Where the user's sockets hear of sessions that ended.
pub(super) fn events_channel(space: &Keyspace, id: &UserId) -> String {
    space.channel("user", id.as_str())
}

pub(super) fn email(space: &Keyspace, email: &Email) -> Key {
    space.root("email", &digest(email.key()))
}

pub(super) fn username(space: &Keyspace, username: &Username) -> Key {
    space.root("username", &digest(&username.key()))
}

pub(super) fn google(space: &Keyspace, sub: &GoogleSub) -> Key {
    google_of(space, &google_digest(sub))
}

/// `digest` is a Google account's id's.
pub(super) fn google_of(space: &Keyspace, digest: &str) -> Key {
    space.root("google", digest)
}

pub(super) fn google_digest(sub: &GoogleSub) -> String {
    digest(sub.as_str())
}

pub(super) fn account_guesses(space: &Keyspace, who: &str) -> Key {
    space.part("guess", who, "account")
}

pub(super) fn account_guesses_from(space: &Keyspace, who: &str, ip: IpAddr) -> Key {
    space.part("guess", who, &format!("from:{ip}"))
}

pub(super) fn known_addresses(space: &Keyspace, who: &str) -> Key {
    space.part("guess", who, "known")
}

pub(super) fn ip_guesses(space: &Keyspace, ip: IpAddr) -> Key {
    space.root("guess-ip", &ip.to_string())
}

/// 128 bits of SHA-256, as text.
pub(super) fn digest(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    data_encoding::BASE64URL_NOPAD.encode(&digest.as_ref()[..16])
}

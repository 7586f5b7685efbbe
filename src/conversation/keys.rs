//! Every key of this domain. `<tag>` is the random part of the conversation's id, which its messages' ids share.
//!
//! | key | type | what | life |
//! |---|---|---|---|
//! | `{pair:<a>:<b>}` | STRING | id of the conversation of two people, the smaller id first | the conversation's |
//! | `{conv:<tag>}` | HASH | the conversation | its own; a minute until it is known to be its pair's |
//! | `{conv:<tag>}:messages` | HASH | seq → message, at most `conversation.max_messages` | the conversation's |
//! | `{conv:<tag>}:intents` | ZSET | what both sides are still to be told, at most 1,000 | until they were |
//! | `{conv:<tag>}:client:<digest>` | STRING | seq of the message sent under a client id | `conversation.client_id_ttl_hours` |
//! | `{conv:<tag>}:received:<side>` | STREAM | how far a side had received at which time; an entry per step, so at most one per message | the conversation's |
//! | `{conv:<tag>}:read:<side>` | STREAM | the same for reading | the conversation's |
//! | `{conv:<tag>}:deleted:<side>` | ZSET | seqs of messages to a side that were deleted unread | until it reads on |
//! | `{conv:<tag>}:files` | HASH | files in doubt: object → 1: a message may come to refer to it, 0: none does any more | a field goes with its doubt, ten minutes after a crash; the fields are entered in the outbox's register `file` |
//! | `{user:<id>}:conversations` | ZSET | conversation id → ms of its last message, at most `conversation.max_per_user` | the account's |
//! | `{user:<id>}:blocks` | ZSET | user id → ms when blocked, at most `conversation.max_blocks` | the account's |
//!
//! Fields of a conversation: `id` · `a`, `b` participants · `q` seq of the last message · `o` messages sent by a ·
//! `e` number of the last intent · `t` made, `l` last message, `u` last change, in ms; and for each side, 0 for a and 1
//! for b: `d0` how far received, `c0` how many messages that were · `r0` how far read, `m0` how many · `n0` unread ·
//! `k0` it takes no messages from the other.

use super::model::{ClientId, Side, Tag};
use crate::redis::{Key, Keyspace};
use crate::users::model::UserId;

/// How long a conversation may be without its pair. ms
pub(super) const UNCONFIRMED_MS: u64 = 60_000;

pub(super) fn pair(space: &Keyspace, people: &[UserId; 2]) -> Key {
    space.root("pair", &format!("{}:{}", people[0], people[1]))
}

pub(super) fn conversation(space: &Keyspace, tag: &Tag) -> Key {
    space.root("conv", tag.as_str())
}

pub(super) fn messages(space: &Keyspace, tag: &Tag) -> Key {
    space.part("conv", tag.as_str(), "messages")
}

pub(super) fn intents(space: &Keyspace, tag: &Tag) -> Key {
    space.part("conv", tag.as_str(), "intents")
}

/// The client id as a digest: what a client sends may be long, and is nobody's business in a slow-log.
pub(super) fn client(space: &Keyspace, tag: &Tag, side: Side, id: Option<&ClientId>) -> Key {
    let digest = id.map(|id| {
        let text = format!("{}{}", side.as_str(), id.as_str());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        data_encoding::BASE64URL_NOPAD.encode(&digest.as_ref()[..16])
    });
    space.part("conv", tag.as_str(), &format!("client:{}", digest.as_deref().unwrap_or("none")))
}

pub(super) fn received(space: &Keyspace, tag: &Tag, side: Side) -> Key {
    space.part("conv", tag.as_str(), &format!("received:{}", side.as_str()))
}

pub(super) fn read(space: &Keyspace, tag: &Tag, side: Side) -> Key {
    space.part("conv", tag.as_str(), &format!("read:{}", side.as_str()))
}

pub(super) fn deleted(space: &Keyspace, tag: &Tag, side: Side) -> Key {
    space.part("conv", tag.as_str(), &format!("deleted:{}", side.as_str()))
}

pub(super) fn files(space: &Keyspace, tag: &Tag) -> Key {
    space.part("conv", tag.as_str(), "files")
}

/// Where a user's sockets hear that somebody types.
pub(super) fn events_channel(space: &Keyspace, user: &UserId) -> String {
    space.channel("user", user.as_str())
}

pub(super) fn conversations_of(space: &Keyspace, user: &UserId) -> Key {
    space.part("user", user.as_str(), "conversations")
}

pub(super) fn blocks_of(space: &Keyspace, user: &UserId) -> Key {
    space.part("user", user.as_str(), "blocks")
}

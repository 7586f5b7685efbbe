//! Every key of this domain.
//!
//! | key | type | what | life |
//! |---|---|---|---|
//! | `{post:<id>}` | HASH | the post | the post's |
//! | `{post:<id>}:likes` | ZSET | user id → stamp, one per user | the post's |
//! | `{post:<id>}:unliked` | ZSET | user id → stamp of a like taken back, newest 1,000 | an hour |
//! | `{post:<id>}:comments` | STREAM | comments, at most `posts.max_comments_per_post` | the post's |
//! | `{post:<id>}:intents` | ZSET | what the author is to hear of, at most `posts.max_waiting_events` | until carried, or the post's |
//! | `{posts:feed}` | ZSET | post id → its µs, newest `posts.feed_length` | for ever |
//! | `{user:<id>}:posts` | ZSET | post id → its µs, at most `posts.max_posts_per_user` | the account's |
//!
//! Fields of a post: `u` author · `t` title · `d` description · `b` content · `m` ms when what it says last changed ·
//! `v` revision · `z` generation of the author's account with which it is in line, absent before the first closing: odd is
//! hidden · `s` stamp of the newest like or comment there ever was, absent before. Its id tells when it was made.
//!
//! A comment is a stream entry `<stamp>-0` with one field: the user id, and its value the text.
//! An intent is `<stamp>|liked <author> <user> <likes>` or `<stamp>|commented <author> <user> <comments> <text>`.

use super::model::PostId;
use crate::redis::{Key, Keyspace};
use crate::users::model::UserId;

pub(super) fn post(space: &Keyspace, id: &PostId) -> Key {
    space.root("post", id.as_str())
}

pub(super) fn likes(space: &Keyspace, id: &PostId) -> Key {
    space.part("post", id.as_str(), "likes")
}

pub(super) fn comments(space: &Keyspace, id: &PostId) -> Key {
    space.part("post", id.as_str(), "comments")
}

pub(super) fn unliked(space: &Keyspace, id: &PostId) -> Key {
    space.part("post", id.as_str(), "unliked")
}

/// `source` is the text of a post's id.
pub(super) fn intents(space: &Keyspace, source: &str) -> Key {
    space.part("post", source, "intents")
}

pub(super) fn feed(space: &Keyspace) -> Key {
    space.root("posts", "feed")
}

pub(super) fn posts_of(space: &Keyspace, author: &UserId) -> Key {
    space.part("user", author.as_str(), "posts")
}

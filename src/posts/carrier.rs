//! Brings what others did to a post to its author's log of events and to the notifier.

use serde::Serialize;

use super::actor::Asks;
use super::error::CarryError;
use super::keys;
use super::model::{Comment, CommentEntry, PostId, Stamp};
use crate::notifier::messages::Notify;
use crate::notifier::model::{Notice, What};
use crate::outbox::{Carrier, Intent};
use crate::realtime::messages::Deliver;
use crate::realtime::model::{Event, EventKind};
use crate::redis::{Key, Keyspace};
use crate::users::messages::{FetchPeople, People};
use crate::users::model::{Author, UserId};
use crate::values::time::iso_time;

/// Carries the intents that `lua/posts/like.lua` and `lua/posts/comment.lua` leave. Their source is the post's id.
#[derive(Debug)]
pub(super) struct Courier {
    space: Keyspace,
    asks: Asks,
}

/// What an intent says.
#[derive(Debug, PartialEq, Eq)]
struct Deed {
    stamp: Stamp,
    author: UserId,
    user: UserId,
    /// Likes or comments of the post after it.
    count: u64,
    /// Of a comment; a like has none.
    text: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostLiked<'a> {
    post_id: &'a str,
    user: Author,
    likes_count: u64,
    at: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostCommented<'a> {
    post_id: &'a str,
    comment: CommentEntry<Author>,
    comments_count: u64,
}

impl Courier {
    pub(super) fn new(space: Keyspace, asks: Asks) -> Self {
        Self { space, asks }
    }
}

impl Carrier for Courier {
    type Error = CarryError;

    fn intents(&self, source: &str) -> Key {
        keys::intents(&self.space, source)
    }

    async fn carry(&self, source: &str, intents: &[Intent]) -> Result<(), CarryError> {
        let Some(post) = PostId::parse(source) else { return Ok(()) };
        let deeds: Vec<Deed> = intents.iter().filter_map(Deed::parse).collect();
        let ids = deeds.iter().map(|deed| deed.user.clone()).collect();
        let people = self.asks.people.ask(FetchPeople { ids }).await?;
        let source = format!("post:{post}");
        let notices = deeds.iter().map(|deed| deed.notice(&post, &people)).collect();
        let events = deeds.into_iter().map(|deed| deed.into_event(&post, &people)).collect();
        // What happened comes before the notification of it.
        self.asks.deliver.ask(Deliver { source: source.clone(), events }).await?;
        self.asks.notify.ask(Notify { source, notices }).await?;
        Ok(())
    }
}

impl Deed {
    /// Nothing in words that no script of ours leaves.
    fn parse(intent: &Intent) -> Option<Self> {
        let mut words = intent.text.splitn(5, ' ');
        let verb = words.next()?;
        let (author, user) = (UserId::parse(words.next()?)?, UserId::parse(words.next()?)?);
        let count = words.next()?.parse().ok()?;
        let text = match verb {
            "liked" => None,
            "commented" => Some(words.next()?.to_owned()),
            _ => return None,
        };
        Some(Self { stamp: Stamp::of_micros(intent.id), author, user, count, text })
    }

    fn notice(&self, post: &PostId, people: &People) -> (u64, Notice) {
        let (post_id, by) = (post.to_string(), people.author(&self.user).username);
        let what = match self.text {
            None => What::PostLiked { post_id, by },
            Some(_) => What::PostCommented { post_id, by },
        };
        (self.stamp.micros(), Notice::to_user(&self.author, what))
    }

    fn into_event(self, post: &PostId, people: &People) -> Event {
        let Self { stamp, author, user, count, text } = self;
        let (intent, post_id, who) = (stamp.micros(), post.as_str(), people.author(&user));
        match text {
            None => {
                let data = PostLiked { post_id, user: who, likes_count: count, at: iso_time(stamp.millis()) };
                Event::new(intent, author, EventKind::PostLiked, &data)
            }
            Some(text) => {
                let comment = CommentEntry::new(post, Comment { user, stamp, text }, who);
                let data = PostCommented { post_id, comment, comments_count: count };
                Event::new(intent, author, EventKind::PostCommented, &data)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_leaves_is_read_and_nothing_else() {
        let [author, user] = ["6932b4f00123456789000001", "6932b4f00123456789000002"];
        let parse = |text: String| Deed::parse(&Intent { id: 7, text });
        let deed = |text: Option<&str>| {
            let (author, user) = (UserId::parse(author)?, UserId::parse(user)?);
            let text = text.map(str::to_owned);
            Some(Deed { stamp: Stamp::of_micros(7), author, user, count: 3, text })
        };
        assert_eq!(parse(format!("liked {author} {user} 3")), deed(None));
        assert_eq!(parse(format!("commented {author} {user} 3 a | b\nc ")), deed(Some("a | b\nc ")));
        for wrong in ["", "liked", "commented x y 3 z", "liked x y 3"] {
            assert_eq!(parse(wrong.to_owned()), None, "{wrong}");
        }
        assert_eq!(parse(format!("commented {author} {user} 3")), None);
        assert_eq!(parse(format!("shared {author} {user} 3")), None);
    }
}

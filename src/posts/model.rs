//! Posts, likes, comments, and the order in which they came.
//!
//! Invariant: a [`Stamp`] is unique among all posts, or among the likes and comments of one post, and can be read off the
//! id of what it stamps.

use serde::Serialize;
use utoipa::ToSchema;

use crate::users::model::UserId;
use crate::values::object_id;
use crate::values::text::TextRule;
use crate::values::time::iso_time;

crate::object_id!(
    /// A post's id. Its counter is the microsecond, its random part is in the ids of the post's likes and comments too.
    PostId
);

/// Pages of more posts than this may be megabytes, and are fewer at a time.
pub const SMALL_PAGE: usize = 20;

const MICROS: u64 = 1_000_000;

/// When something came, in microseconds since 1970; what came later has a larger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(u64);

impl Stamp {
    /// The stamp of these microseconds.
    pub fn of_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> u64 {
        self.0
    }

    /// Milliseconds since 1970.
    pub fn millis(self) -> i64 {
        (self.0 / 1000) as i64
    }

    /// The id of the like or comment that came to `post` at this moment.
    pub fn id_in(self, post: &PostId) -> String {
        let random = &post.as_str()[object_id::RANDOM];
        object_id::compose((self.0 / MICROS) as u32, random, (self.0 % MICROS) as u32)
    }

    /// The stamp in the id of a like or comment of `post`; nothing if `id` is no such id.
    pub fn parse(id: &str, post: &PostId) -> Option<Self> {
        let of_this_post =
            object_id::is_well_formed(id) && id[object_id::RANDOM] == post.as_str()[object_id::RANDOM];
        of_this_post.then(|| Self::in_id(id)).filter(|stamp| *stamp > Self(0))
    }

    /// `id` is well-formed.
    fn in_id(id: &str) -> Self {
        let number = |digits: &str| u64::from_str_radix(digits, 16).unwrap_or_default();
        Self(number(&id[..object_id::RANDOM.start]) * MICROS + number(&id[object_id::RANDOM.end..]))
    }
}

impl PostId {
    /// The post's place in the feed.
    pub fn stamp(&self) -> Stamp {
        Stamp::in_id(&self.0)
    }
}

/// What shall become of a like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LikeChange {
    /// It is there.
    On,
    /// It is not.
    Off,
    /// It is there if it was not.
    Toggle,
}

impl LikeChange {
    /// The word for it in scripts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Toggle => "toggle",
        }
    }
}

/// Somebody's like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Like {
    /// Whose.
    pub user: UserId,
    /// When.
    pub stamp: Stamp,
}

/// Somebody's comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Whose.
    pub user: UserId,
    /// When.
    pub stamp: Stamp,
    /// As sent.
    pub text: String,
}

/// A comment as the world sees it; `U` is how its author looks there.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommentEntry<U> {
    user: U,
    /// As sent.
    text: String,
    /// 24 hex characters, of this post alone.
    #[serde(rename = "_id")]
    id: String,
    /// ISO-8601.
    created_at: String,
}

impl<U> CommentEntry<U> {
    /// `comment` on `post`, by somebody who looks like `user`.
    pub fn new(post: &PostId, comment: Comment, user: U) -> Self {
        let (id, created_at) = (comment.stamp.id_in(post), iso_time(comment.stamp.millis()));
        Self { user, text: comment.text, id, created_at }
    }
}

/// A post as its viewer gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Which.
    pub id: PostId,
    /// Whose.
    pub author: UserId,
    /// As sent, as everything below.
    pub title: String,
    /// A line or some about it.
    pub description: String,
    /// The post itself.
    pub content: String,
    /// When what it says last changed, in ms.
    pub updated_ms: i64,
    /// Changes of its likes and comments.
    pub revision: u64,
    /// All of them.
    pub likes_count: u64,
    /// All of them.
    pub comments_count: u64,
    /// By the viewer.
    pub liked_by_me: bool,
    /// The newest, oldest first.
    pub likes: Vec<Like>,
    /// The newest, oldest first.
    pub comments: Vec<Comment>,
}

/// What a post says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// One line.
    pub title: String,
    /// A line or some about it.
    pub description: String,
    /// The post itself.
    pub content: String,
}

/// What shall change of what a post says; nothing of what is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// One line.
    pub title: Option<String>,
    /// A line or some about it.
    pub description: Option<String>,
    /// The post itself.
    pub content: Option<String>,
}

/// A field with what is wrong with it.
pub type Problem = (&'static str, String);

/// What texts may look like.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Of a post.
    pub title: TextRule,
    /// Of a post.
    pub description: TextRule,
    /// Of a post.
    pub content: TextRule,
    /// Of a comment.
    pub comment: TextRule,
}

impl Rules {
    /// An error names every field at fault.
    pub fn check_draft(&self, draft: &Draft) -> Result<(), Vec<Problem>> {
        let Draft { title, description, content } = draft;
        self.check([title, description, content].map(|text| Some(text.as_str())))
    }

    /// An error names every field at fault.
    pub fn check_changes(&self, changes: &Changes) -> Result<(), Vec<Problem>> {
        let Changes { title, description, content } = changes;
        self.check([title, description, content].map(Option::as_deref))
    }

    fn check(&self, texts: [Option<&str>; 3]) -> Result<(), Vec<Problem>> {
        let rules = [("title", self.title), ("description", self.description), ("content", self.content)];
        let problems: Vec<Problem> = rules
            .into_iter()
            .zip(texts)
            .filter_map(|((field, rule), text)| Some((field, rule.check(text?).err()?)))
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_when_and_of_which_post() {
        let post = PostId::parse("6932b4f00123456789000fff").unwrap();
        assert_eq!(post.stamp().micros(), 0x6932_b4f0 * MICROS + 0xfff);
        let stamp = Stamp::of_micros(1_764_932_688_214_733);
        let id = stamp.id_in(&post);
        assert_eq!(stamp.millis(), 1_764_932_688_214);
        assert_eq!(Stamp::parse(&id, &post), Some(stamp));
        let other = PostId::parse("6932b4f0ffffffffff000fff").unwrap();
        for (id, post) in
            [(id.as_str(), &other), ("", &post), (&id[1..], &post), ("zz32b4f00123456789000fff", &post)]
        {
            assert_eq!(Stamp::parse(id, post), None, "{id}");
        }
    }
}

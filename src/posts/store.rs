//! The posts' only way to the datastore: one function per script.

use redis::{Value, cmd, pipe};

use super::keys;
use super::messages::Start;
use super::model::{Changes, Comment, Draft, Like, LikeChange, Post, PostId, Stamp};
use crate::config::PostsConfig;
use crate::outbox::{LEASE_LIMIT_MS, Left};
use crate::redis::{Key, Redis, RedisFailure, Script};
use crate::script;
use crate::users::model::UserId;
use crate::values::object_id;

static ANNOUNCE: Script = script!("posts/announce", 1);
static INDEX: Script = script!("posts/index", 1);
static READ: Script = script!("posts/read", 3);
static UPDATE: Script = script!("posts/update", 1);
static DELETE: Script = script!("posts/delete", 5);
static LIKE: Script = script!("posts/like", 4);
static COMMENT: Script = script!("posts/comment", 3);
static UNCOMMENT: Script = script!("posts/uncomment", 2);
static LIKES: Script = script!("posts/likes", 2);
static SUSPEND: Script = script!("posts/suspend", 1);
static COMMENTS: Script = script!("posts/comments", 2);

/// Intents that a script returns to be carried at once; there are more only when carrying lags behind.
const PENDING: usize = 16;
/// A like taken back is remembered for this long, of so many users per post: liking again then is no news.
const TOLD_FOR_MS: u64 = 3_600_000;
const TOLD_BACK: usize = 1_000;

/// Users with the stamps of their likes.
type StoredLikes = Vec<(String, u64)>;
/// Ids of stream entries, each with its user and text.
type StoredComments = Vec<(String, (String, String))>;

/// A slice of an index of posts.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) ids: Vec<PostId>,
    /// How many are newer than these.
    pub(super) newer: u64,
    pub(super) total: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Missing,
    NotAuthor,
    Done,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Liked {
    Missing,
    Lapsed,
    Backlog,
    Done(Option<Left>),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Commented {
    Missing,
    Full,
    Lapsed,
    Backlog,
    Made(Stamp, Option<Left>),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Uncommented {
    Missing,
    NoSuchComment,
    NotAllowed,
    Done,
}

#[derive(Debug, Clone)]
pub(super) struct PostStore {
    redis: Redis,
    /// For what carries texts, which must not stand in front of a redirect's.
    bulk: Redis,
    embedded: u32,
    max_posts: u32,
    max_comments: u32,
    feed_length: u32,
    max_waiting: u32,
}

impl PostStore {
    pub(super) fn new(redis: Redis, bulk: Redis, config: &PostsConfig) -> Self {
        Self {
            redis,
            bulk,
            embedded: config.embedded,
            max_posts: config.max_posts_per_user,
            max_comments: config.max_comments_per_post,
            feed_length: config.feed_length,
            max_waiting: config.max_waiting_events,
        }
    }

    fn post(&self, id: &PostId) -> Key {
        keys::post(self.redis.keyspace(), id)
    }

    fn likes_key(&self, id: &PostId) -> Key {
        keys::likes(self.redis.keyspace(), id)
    }

    fn comments_key(&self, id: &PostId) -> Key {
        keys::comments(self.redis.keyspace(), id)
    }

    fn intents(&self, id: &PostId) -> Key {
        keys::intents(self.redis.keyspace(), id.as_str())
    }

    fn unliked(&self, id: &PostId) -> Key {
        keys::unliked(self.redis.keyspace(), id)
    }

    /// The index of an author's posts, or the feed.
    fn listing(&self, author: Option<&UserId>) -> Key {
        match author {
            Some(author) => keys::posts_of(self.redis.keyspace(), author),
            None => keys::feed(self.redis.keyspace()),
        }
    }

    /// A new post's id; the feed has it already.
    pub(super) async fn announce(&self) -> Result<PostId, RedisFailure> {
        let random = object_id::generate_apart(chrono::Utc::now());
        let id: String = ANNOUNCE
            .keys([&self.listing(None)])
            .arg(&random[object_id::RANDOM])
            .arg(self.feed_length)
            .run(&self.redis)
            .await?;
        PostId::parse(&id).ok_or_else(|| malformed(&ANNOUNCE, "no id"))
    }

    /// False when the author has as many posts as allowed.
    pub(super) async fn index(&self, author: &UserId, id: &PostId) -> Result<bool, RedisFailure> {
        INDEX
            .keys([&self.listing(Some(author))])
            .arg(id.as_str())
            .arg(id.stamp().micros())
            .arg(self.max_posts)
            .run(&self.redis)
            .await
    }

    /// Takes posts off the author's list, or off the feed.
    pub(super) async fn unlist(&self, author: Option<&UserId>, ids: &[&str]) -> Result<(), RedisFailure> {
        let command = cmd("ZREM").arg(self.listing(author)).arg(ids).to_owned();
        self.redis.command("ZREM posts", &command).await
    }

    /// Puts posts back into the feed, each in its place.
    pub(super) async fn relist(&self, ids: &[&PostId]) -> Result<(), RedisFailure> {
        let mut command = cmd("ZADD");
        command.arg(self.listing(None));
        for id in ids {
            command.arg(id.stamp().micros()).arg(id.as_str());
        }
        self.redis.command("ZADD posts", &command).await
    }

    /// The generation of the author's account that the post is in line with afterwards; 0 when it is not the author's.
    pub(super) async fn suspend(
        &self,
        id: &PostId,
        author: &UserId,
        generation: u64,
    ) -> Result<u64, RedisFailure> {
        SUSPEND.keys([&self.post(id)]).arg(author.as_str()).arg(generation).run(&self.redis).await
    }

    /// Writes a post that has an id and a place in the lists.
    pub(super) async fn create(
        &self,
        id: &PostId,
        author: &UserId,
        draft: &Draft,
    ) -> Result<(), RedisFailure> {
        let mut command = cmd("HSET");
        command.arg(self.post(id)).arg("u").arg(author.as_str()).arg("m").arg(id.stamp().millis());
        command.arg("t").arg(&draft.title).arg("d").arg(&draft.description).arg("b").arg(&draft.content);
        self.bulk.command("HSET post", command.arg("v").arg(0)).await
    }

    /// A slice of the author's list or of the feed, newest first, as of one moment.
    pub(super) async fn listed(
        &self,
        author: Option<&UserId>,
        start: &Start,
        limit: u32,
    ) -> Result<Listed, RedisFailure> {
        let (key, limit) = (self.listing(author), u64::from(limit));
        let mut pipeline = pipe();
        pipeline.atomic().cmd("ZCARD").arg(&key);
        match start {
            Start::Page(page) => {
                let newer = u64::from(page.saturating_sub(1)) * limit;
                pipeline.cmd("ZREVRANGE").arg(&key).arg(newer).arg(newer + limit - 1);
                let (total, ids): (u64, Vec<String>) =
                    self.redis.pipeline("ZREVRANGE posts", &pipeline).await?;
                Ok(Listed { ids: post_ids(&ids), newer, total })
            }
            Start::Before(cursor) => {
                let micros = cursor.stamp().micros();
                let bound = format!("({micros}");
                pipeline.cmd("ZREVRANGEBYSCORE").arg(&key).arg(bound).arg("-inf");
                pipeline.arg("LIMIT").arg(0).arg(limit);
                pipeline.cmd("ZCOUNT").arg(&key).arg(micros).arg("+inf");
                let (total, ids, newer): (u64, Vec<String>, u64) =
                    self.redis.pipeline("ZREVRANGEBYSCORE posts", &pipeline).await?;
                Ok(Listed { ids: post_ids(&ids), newer, total })
            }
        }
    }

    /// The post as `viewer` gets it; its comments take at most `room` bytes.
    pub(super) async fn read(
        &self,
        viewer: &UserId,
        id: &PostId,
        room: usize,
    ) -> Result<Option<Post>, RedisFailure> {
        type Reply =
            ((String, String, String, String), (i64, u64), (u64, u64, bool), StoredLikes, StoredComments);
        let reply: Option<Reply> = READ
            .keys([&self.post(id), &self.likes_key(id), &self.comments_key(id)])
            .arg(viewer.as_str())
            .arg(self.embedded)
            .arg(room)
            .run(&self.bulk)
            .await?;
        let Some((texts, (updated_ms, revision), counts, likes, comments)) = reply else { return Ok(None) };
        let (author, title, description, content) = texts;
        let (likes_count, comments_count, liked_by_me) = counts;
        let mut comments = parse_comments(&READ, comments)?;
        comments.reverse();
        Ok(Some(Post {
            id: id.clone(),
            author: user(&READ, &author)?,
            title,
            description,
            content,
            updated_ms,
            revision,
            likes_count,
            comments_count,
            liked_by_me,
            likes: parse_likes(&READ, likes)?,
            comments,
        }))
    }

    pub(super) async fn update(
        &self,
        id: &PostId,
        by: &UserId,
        changes: &Changes,
    ) -> Result<Settled, RedisFailure> {
        let Changes { title, description, content } = changes;
        let fields: Vec<(&str, &String)> = [("t", title), ("d", description), ("b", content)]
            .into_iter()
            .filter_map(|(field, text)| Some((field, text.as_ref()?)))
            .collect();
        let call = UPDATE.keys([&self.post(id)]).arg(by.as_str()).arg(fields);
        Ok(settled(call.run(&self.bulk).await?))
    }

    pub(super) async fn delete(&self, id: &PostId, by: &UserId) -> Result<Settled, RedisFailure> {
        let (post, likes, comments) = (self.post(id), self.likes_key(id), self.comments_key(id));
        let keys = [&post, &likes, &comments, &self.intents(id), &self.unliked(id)];
        Ok(settled(DELETE.keys(keys).arg(by.as_str()).run(&self.redis).await?))
    }

    /// `lease_ms` is when the post was registered as a source of intents.
    pub(super) async fn like(
        &self,
        id: &PostId,
        by: &UserId,
        change: LikeChange,
        lease_ms: u64,
    ) -> Result<Liked, RedisFailure> {
        let reply: Vec<Value> = LIKE
            .keys([&self.post(id), &self.likes_key(id), &self.intents(id), &self.unliked(id)])
            .arg(by.as_str())
            .arg(change.as_str())
            .arg(lease_ms)
            .arg(LEASE_LIMIT_MS)
            .arg(self.max_waiting)
            .arg(PENDING)
            .arg(TOLD_FOR_MS)
            .arg(TOLD_BACK)
            .run(&self.redis)
            .await?;
        Ok(match code(&reply) {
            0 => Liked::Missing,
            1 => Liked::Lapsed,
            2 => Liked::Backlog,
            3 | 4 => Liked::Done(None),
            _ => Liked::Done(Some(left(&LIKE, reply)?)),
        })
    }

    /// `lease_ms` is when the post was registered as a source of intents.
    pub(super) async fn comment(
        &self,
        id: &PostId,
        by: &UserId,
        text: &str,
        lease_ms: u64,
    ) -> Result<Commented, RedisFailure> {
        let reply: Vec<Value> = COMMENT
            .keys([&self.post(id), &self.comments_key(id), &self.intents(id)])
            .arg(by.as_str())
            .arg(text)
            .arg(self.max_comments)
            .arg(lease_ms)
            .arg(LEASE_LIMIT_MS)
            .arg(self.max_waiting)
            .arg(PENDING)
            .run(&self.bulk)
            .await?;
        Ok(match code(&reply) {
            0 => Commented::Missing,
            1 => Commented::Full,
            2 => Commented::Lapsed,
            3 => Commented::Backlog,
            4 => {
                let (_made, stamp): (u8, u64) = COMMENT.read(Value::Array(reply))?;
                Commented::Made(Stamp::of_micros(stamp), None)
            }
            _ => {
                let left = left(&COMMENT, reply)?;
                Commented::Made(Stamp::of_micros(left.last), Some(left))
            }
        })
    }

    pub(super) async fn uncomment(
        &self,
        id: &PostId,
        by: &UserId,
        comment: Stamp,
    ) -> Result<Uncommented, RedisFailure> {
        let call = UNCOMMENT.keys([&self.post(id), &self.comments_key(id)]);
        let code: u8 = call.arg(by.as_str()).arg(entry(comment)).run(&self.redis).await?;
        Ok(match code {
            0 => Uncommented::Missing,
            1 => Uncommented::NoSuchComment,
            2 => Uncommented::NotAllowed,
            _ => Uncommented::Done,
        })
    }

    /// At most `count` likes older than `before`, newest first, and how many the post has.
    pub(super) async fn likes(
        &self,
        id: &PostId,
        before: Option<Stamp>,
        count: usize,
    ) -> Result<Option<(Vec<Like>, u64)>, RedisFailure> {
        let before = before.map_or_else(|| "+inf".to_owned(), |stamp| format!("({}", stamp.micros()));
        let call = LIKES.keys([&self.post(id), &self.likes_key(id)]).arg(before).arg(count);
        let reply: Option<(u64, StoredLikes)> = call.run(&self.bulk).await?;
        let Some((total, likes)) = reply else { return Ok(None) };
        Ok(Some((parse_likes(&LIKES, likes)?, total)))
    }

    /// At most `count` comments older than `before`, newest first, and how many the post has.
    pub(super) async fn comments(
        &self,
        id: &PostId,
        before: Option<Stamp>,
        count: usize,
    ) -> Result<Option<(Vec<Comment>, u64)>, RedisFailure> {
        let before = before.map_or_else(|| "+".to_owned(), |stamp| format!("({}", entry(stamp)));
        let call = COMMENTS.keys([&self.post(id), &self.comments_key(id)]).arg(before).arg(count);
        let reply: Option<(u64, StoredComments)> = call.run(&self.bulk).await?;
        let Some((total, comments)) = reply else { return Ok(None) };
        Ok(Some((parse_comments(&COMMENTS, comments)?, total)))
    }
}

fn malformed(script: &Script, problem: &'static str) -> RedisFailure {
    RedisFailure::of(script.name(), (redis::ErrorKind::UnexpectedReturnType, problem).into())
}

fn user(script: &Script, stored: &str) -> Result<UserId, RedisFailure> {
    UserId::parse(stored).ok_or_else(|| malformed(script, "no user id"))
}

fn post_ids(members: &[String]) -> Vec<PostId> {
    members.iter().filter_map(|member| PostId::parse(member)).collect()
}

fn parse_likes(script: &Script, stored: StoredLikes) -> Result<Vec<Like>, RedisFailure> {
    let like =
        |(id, micros): &(String, u64)| Ok(Like { user: user(script, id)?, stamp: Stamp::of_micros(*micros) });
    stored.iter().map(like).collect()
}

fn parse_comments(script: &Script, stored: StoredComments) -> Result<Vec<Comment>, RedisFailure> {
    let comment = |(entry, (id, text)): (String, (String, String))| {
        let micros = entry.split('-').next().and_then(|micros| micros.parse().ok());
        let stamp = micros.map(Stamp::of_micros).ok_or_else(|| malformed(script, "no stamp"))?;
        Ok(Comment { user: user(script, &id)?, stamp, text })
    };
    stored.into_iter().map(comment).collect()
}

/// The id of a comment's stream entry.
fn entry(stamp: Stamp) -> String {
    format!("{}-0", stamp.micros())
}

/// The first number of a script's array.
fn code(reply: &[Value]) -> i64 {
    match reply.first() {
        Some(Value::Int(code)) => *code,
        _ => 0,
    }
}

fn settled(code: u8) -> Settled {
    match code {
        0 => Settled::Missing,
        1 => Settled::NotAuthor,
        _ => Settled::Done,
    }
}

fn left(script: &Script, reply: Vec<Value>) -> Result<Left, RedisFailure> {
    let (_changed, last, pending): (u8, u64, Vec<String>) = script.read(Value::Array(reply))?;
    Ok(Left::new(last, &pending))
}

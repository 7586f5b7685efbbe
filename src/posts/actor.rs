//! The posts' actor: one per worker, all state in Redis.
//!
//! Each message is handled in a future of its own; what must be atomic is a script.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use actix::{Actor, Context};
use futures_util::future::{join, try_join_all};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::carrier::Courier;
use super::error::{CarryError, PostsError};
use super::messages::{
    AddComment, AlignPosts, ChangeLike, Commented, CreatePost, DeleteComment, DeletePost, FetchPost,
    ListComments, ListLikes, ListPosts, PostPage, Posts, PurgePosts, Shown, Slice, Sweep, UpdatePost,
};
use super::model::{Comment, Like, LikeChange, Post, PostId, Rules, SMALL_PAGE, Stamp};
use super::store::{self, Liked, PostStore, Settled, Uncommented};
use crate::actor::{Ask, AskError};
use crate::config::PostsConfig;
use crate::notifier::messages::Notify;
use crate::outbox::{Left, Outbox};
use crate::realtime::messages::Deliver;
use crate::redis::Redis;
use crate::users::messages::{FetchPeople, People};
use crate::users::model::UserId;
use crate::values::text::TextRule;

/// The kind of source that posts are.
const SOURCE: &str = "post";
/// How often a change starts over because the post's lease lapsed under it.
const LEASE_TRIES: usize = 3;
/// Posts read at once, and people looked up at once: large pages let others in between.
const POSTS_AT_ONCE: usize = 10;
const PEOPLE_AT_ONCE: usize = 1_000;
/// Posts being read on one worker, each of them up to some hundred kilobytes; who wants more waits for a turn.
const POSTS_UNDER_WAY: usize = 1_000;
/// Pages of more than [`SMALL_PAGE`] wait for each other, so that nobody else waits for them.
const LARGE_PAGES_UNDER_WAY: usize = 2;
/// How long to wait for one's turn.
const TURN_PATIENCE: Duration = Duration::from_secs(2);
/// A post in a list that is not there by then never will be.
const SETTLED_MICROS: u64 = 60_000_000;

/// Owns posts, likes and comments.
#[derive(Debug)]
pub struct PostKeeper {
    keeper: Rc<Keeper>,
}

/// The ways to others.
#[derive(Debug)]
pub struct Asks {
    /// To the people's actor.
    pub people: Ask<FetchPeople>,
    /// To the event log.
    pub deliver: Ask<Deliver>,
    /// To the notifier.
    pub notify: Ask<Notify>,
}

#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) store: PostStore,
    rules: Rules,
    embedded_bytes: usize,
    people: Ask<FetchPeople>,
    outbox: Rc<Outbox>,
    courier: Rc<Courier>,
    turns: Semaphore,
    large_turns: Semaphore,
}

impl PostKeeper {
    /// A keeper on this worker's connections: one for what is small and urgent, one for what is large.
    pub fn new(redis: Redis, bulk: Redis, asks: Asks, config: &PostsConfig) -> Self {
        let people = asks.people.clone();
        let courier = Courier::new(redis.keyspace().clone(), asks);
        let keeper = Keeper {
            rules: Rules {
                title: TextRule::line(config.title_bytes),
                description: TextRule::lines(config.description_bytes),
                content: TextRule::lines(config.content_bytes),
                comment: TextRule::lines(config.comment_bytes),
            },
            embedded_bytes: config.embedded_bytes,
            people,
            outbox: Rc::new(Outbox::new(redis.clone(), SOURCE)),
            courier: Rc::new(courier),
            turns: Semaphore::new(POSTS_UNDER_WAY),
            large_turns: Semaphore::new(LARGE_PAGES_UNDER_WAY),
            store: PostStore::new(redis, bulk, config),
        };
        Self { keeper: Rc::new(keeper) }
    }
}

impl Actor for PostKeeper {
    type Context = Context<Self>;
}

crate::delegate!(PostKeeper, keeper {
    CreatePost => create,
    ListPosts => list,
    FetchPost => fetch,
    UpdatePost => update,
    DeletePost => delete,
    ChangeLike => change_like,
    AddComment => add_comment,
    DeleteComment => delete_comment,
    ListLikes => list_likes,
    ListComments => list_comments,
    AlignPosts => align,
    PurgePosts => purge,
    Sweep => sweep,
});

impl Keeper {
    /// The lists live in other slots and come first: a crash in between leaves an entry that leads to no post, which
    /// lists drop, and never a post that nobody finds.
    async fn create(&self, message: CreatePost) -> Result<Shown, PostsError> {
        let CreatePost { author, draft } = message;
        self.rules.check_draft(&draft).map_err(PostsError::Invalid)?;
        let _turn = self.turn(1).await?;
        let id = self.store.announce().await?;
        if !self.store.index(&author, &id).await? {
            self.store.unlist(None, &[id.as_str()]).await?;
            return Err(PostsError::TooManyPosts);
        }
        self.store.create(&id, &author, &draft).await?;
        metrics::counter!("ayrene_posts_created_total").increment(1);
        self.show(&author, &id).await
    }

    async fn list(&self, message: ListPosts) -> Result<PostPage, PostsError> {
        let ListPosts { viewer, author, start, limit } = message;
        let listed = self.store.listed(author.as_ref(), &start, limit).await?;
        let end = listed.newer + listed.ids.len() as u64;
        let next = listed.ids.last().filter(|_| end < listed.total).cloned();
        let _turn = self.turn(listed.ids.len()).await?;
        let read = self.read(&viewer, &listed.ids).await?;
        let missing: Vec<&PostId> =
            listed.ids.iter().zip(&read).filter(|(_, post)| post.is_none()).map(|(id, _)| id).collect();
        self.drop_dead(author.as_ref(), &missing).await?;
        let posts: Vec<Post> = read.into_iter().flatten().collect();
        let people = self.people(posts.iter().flat_map(people_in)).await?;
        Ok(PostPage { shown: Posts { posts, people }, newer: listed.newer, total: listed.total, next })
    }

    /// Takes entries that lead nowhere off a list, unless their post may still be in the making.
    async fn drop_dead(&self, author: Option<&UserId>, missing: &[&PostId]) -> Result<(), PostsError> {
        let now = u64::try_from(chrono::Utc::now().timestamp_micros()).unwrap_or_default();
        let is_settled = |id: &&&PostId| now.saturating_sub(id.stamp().micros()) > SETTLED_MICROS;
        let dead: Vec<&str> = missing.iter().filter(is_settled).map(|id| id.as_str()).collect();
        if !dead.is_empty() {
            self.store.unlist(author, &dead).await?;
        }
        Ok(())
    }

    async fn fetch(&self, message: FetchPost) -> Result<Shown, PostsError> {
        let _turn = self.turn(1).await?;
        self.show(&message.viewer, &message.id).await
    }

    async fn update(&self, message: UpdatePost) -> Result<Shown, PostsError> {
        let UpdatePost { user, id, changes } = message;
        self.rules.check_changes(&changes).map_err(PostsError::Invalid)?;
        let _turn = self.turn(1).await?;
        settle(self.store.update(&id, &user, &changes).await?)?;
        self.show(&user, &id).await
    }

    /// The post goes first: an entry without a post is dropped by lists, a post without an entry would be lost.
    pub(super) async fn delete(&self, message: DeletePost) -> Result<(), PostsError> {
        let DeletePost { user, id } = message;
        settle(self.store.delete(&id, &user).await?)?;
        for author in [None, Some(&user)] {
            if let Err(error) = self.store.unlist(author, &[id.as_str()]).await {
                tracing::debug!(%error, "a list will drop a deleted post by itself");
            }
        }
        Ok(())
    }

    async fn change_like(&self, message: ChangeLike) -> Result<Shown, PostsError> {
        let ChangeLike { user, id, change } = message;
        let _turn = self.turn(1).await?;
        for _ in 0..LEASE_TRIES {
            // What takes a like back tells nobody.
            let lease_ms = match change {
                LikeChange::Off => 0,
                LikeChange::On | LikeChange::Toggle => self.outbox.lease(id.as_str()).await?,
            };
            match self.store.like(&id, &user, change, lease_ms).await? {
                Liked::Missing => return Err(PostsError::NotFound),
                Liked::Backlog => return Err(PostsError::Backlog),
                Liked::Lapsed => self.outbox.drop_lease(id.as_str()),
                Liked::Done(left) => return join(self.tell(&id, left), self.show(&user, &id)).await.1,
            }
        }
        Err(PostsError::Backlog)
    }

    async fn add_comment(&self, message: AddComment) -> Result<Commented, PostsError> {
        let AddComment { user, id, text } = message;
        self.rules.comment.check(&text).map_err(|problem| PostsError::Invalid(vec![("text", problem)]))?;
        let _turn = self.turn(1).await?;
        for _ in 0..LEASE_TRIES {
            let lease_ms = self.outbox.lease(id.as_str()).await?;
            match self.store.comment(&id, &user, &text, lease_ms).await? {
                store::Commented::Missing => return Err(PostsError::NotFound),
                store::Commented::Full => return Err(PostsError::TooManyComments),
                store::Commented::Backlog => return Err(PostsError::Backlog),
                store::Commented::Lapsed => self.outbox.drop_lease(id.as_str()),
                store::Commented::Made(stamp, left) => {
                    let shown = join(self.tell(&id, left), self.show(&user, &id)).await.1?;
                    return Ok(Commented { shown, comment: Comment { user, stamp, text } });
                }
            }
        }
        Err(PostsError::Backlog)
    }

    async fn delete_comment(&self, message: DeleteComment) -> Result<(), PostsError> {
        let DeleteComment { user, id, comment } = message;
        match self.store.uncomment(&id, &user, comment).await? {
            Uncommented::Missing => Err(PostsError::NotFound),
            Uncommented::NoSuchComment => Err(PostsError::NoSuchComment),
            Uncommented::NotAllowed => Err(PostsError::NotCommenter),
            Uncommented::Done => Ok(()),
        }
    }

    async fn list_likes(&self, message: ListLikes) -> Result<Slice<Like>, PostsError> {
        let ListLikes { id, before, limit } = message;
        let found = self.store.likes(&id, before, limit as usize + 1).await?;
        let (mut entries, total) = found.ok_or(PostsError::NotFound)?;
        let next = cut(&mut entries, limit, |like| like.stamp);
        let people = self.people(entries.iter().map(|like| &like.user)).await?;
        Ok(Slice { entries, people, total, next })
    }

    async fn list_comments(&self, message: ListComments) -> Result<Slice<Comment>, PostsError> {
        let ListComments { id, before, limit } = message;
        let found = self.store.comments(&id, before, limit as usize + 1).await?;
        let (mut entries, total) = found.ok_or(PostsError::NotFound)?;
        let next = cut(&mut entries, limit, |comment| comment.stamp);
        let people = self.people(entries.iter().map(|comment| &comment.user)).await?;
        Ok(Slice { entries, people, total, next })
    }

    async fn sweep(&self, _: Sweep) -> Result<(), CarryError> {
        self.outbox.sweep(&self.courier).await
    }

    /// Lets the author hear of it; if that fails now, a sweep does it.
    async fn tell(&self, id: &PostId, left: Option<Left>) {
        if let Some(Left { last, pending }) = left {
            self.outbox.relay(&self.courier, id.as_str(), pending, last).await;
        }
    }

    async fn show(&self, viewer: &UserId, id: &PostId) -> Result<Shown, PostsError> {
        let read = self.read(viewer, std::slice::from_ref(id)).await?;
        let post = read.into_iter().flatten().next().ok_or(PostsError::NotFound)?;
        let people = self.people(people_in(&post).chain([viewer])).await?;
        Ok(Shown { post, people })
    }

    /// Waits until so many posts may be read. Who is about to change something waits before that.
    async fn turn(&self, posts: usize) -> Result<SemaphorePermit<'_>, PostsError> {
        let turn = if posts > SMALL_PAGE {
            self.large_turns.acquire_many(1)
        } else {
            self.turns.acquire_many(posts as u32)
        };
        let turn = actix::clock::timeout(TURN_PATIENCE, turn).await;
        turn.ok().and_then(Result::ok).ok_or(PostsError::Ask(AskError::Saturated))
    }

    /// Each of `ids` as `viewer` gets it, in their order; nothing for what is gone.
    async fn read(&self, viewer: &UserId, ids: &[PostId]) -> Result<Vec<Option<Post>>, PostsError> {
        let room = self.embedded_bytes / ids.len().max(1);
        let mut posts = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(POSTS_AT_ONCE) {
            posts.extend(try_join_all(chunk.iter().map(|id| self.store.read(viewer, id, room))).await?);
        }
        Ok(posts)
    }

    async fn people<'a>(&self, ids: impl Iterator<Item = &'a UserId>) -> Result<People, PostsError> {
        let distinct: Vec<&UserId> = ids.collect::<HashSet<_>>().into_iter().collect();
        let mut people = People::default();
        for chunk in distinct.chunks(PEOPLE_AT_ONCE) {
            let ids = chunk.iter().map(|id| (*id).clone()).collect();
            people.0.extend(self.people.ask(FetchPeople { ids }).await?.0);
        }
        Ok(people)
    }
}

fn people_in(post: &Post) -> impl Iterator<Item = &UserId> {
    let likers = post.likes.iter().map(|like| &like.user);
    let commenters = post.comments.iter().map(|comment| &comment.user);
    std::iter::once(&post.author).chain(likers).chain(commenters)
}

/// Leaves `limit` of `entries`; the stamp of the last one if there were more.
fn cut<T>(entries: &mut Vec<T>, limit: u32, stamp: impl Fn(&T) -> Stamp) -> Option<Stamp> {
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    entries.last().filter(|_| more).map(stamp)
}

fn settle(outcome: Settled) -> Result<(), PostsError> {
    match outcome {
        Settled::Missing => Err(PostsError::NotFound),
        Settled::NotAuthor => Err(PostsError::NotAuthor),
        Settled::Done => Ok(()),
    }
}

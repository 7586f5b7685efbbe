//! What can go wrong with posts.

use super::model::Problem;
use crate::actor::AskError;
use crate::notifier::error::NotifierError;
use crate::realtime::error::RealtimeError;
use crate::redis::RedisFailure;
use crate::users::error::UsersError;

/// Failures of the posts' actor.
#[derive(Debug, thiserror::Error)]
pub enum PostsError {
    /// No such post.
    #[error("no such post")]
    NotFound,
    /// No such comment on that post.
    #[error("no such comment")]
    NoSuchComment,
    /// Only the post's author may do that.
    #[error("somebody else's post")]
    NotAuthor,
    /// Only who wrote the comment or the post may do that.
    #[error("somebody else's comment")]
    NotCommenter,
    /// Fields are wrong.
    #[error("wrong fields: {0:?}")]
    Invalid(Vec<Problem>),
    /// The author has as many posts as allowed.
    #[error("too many posts")]
    TooManyPosts,
    /// The post has as many comments as allowed.
    #[error("too many comments")]
    TooManyComments,
    /// What happened to the post before has not reached its author yet.
    #[error("too many events wait")]
    Backlog,
    /// The actor is saturated or stopping.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The datastore failed.
    #[error(transparent)]
    Redis(#[from] RedisFailure),
    /// Looking up people failed.
    #[error(transparent)]
    Users(#[from] UsersError),
}

/// Why an author does not hear of something yet.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// The actor is saturated or stopping.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The datastore failed.
    #[error(transparent)]
    Redis(#[from] RedisFailure),
    /// Looking up people failed.
    #[error(transparent)]
    Users(#[from] UsersError),
    /// The event log failed.
    #[error(transparent)]
    Realtime(#[from] RealtimeError),
    /// The notifier failed.
    #[error(transparent)]
    Notifier(#[from] NotifierError),
}

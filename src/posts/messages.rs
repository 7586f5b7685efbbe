//! What the posts' actor can be asked.

use actix::Message;

use super::error::{CarryError, PostsError};
use super::model::{Changes, Comment, Draft, Like, LikeChange, Post, PostId, Stamp};
use crate::users::messages::{People, Standing};
use crate::users::model::UserId;

/// Posts, and everybody who stands in them.
#[derive(Debug)]
pub struct Posts {
    /// The posts.
    pub posts: Vec<Post>,
    /// Their authors, likers and commenters.
    pub people: People,
}

/// One post, and everybody who stands in it.
#[derive(Debug)]
pub struct Shown {
    /// The post.
    pub post: Post,
    /// Its author, likers and commenters, and who asked.
    pub people: People,
}

/// Make a post.
#[derive(Debug, Message)]
#[rtype(result = "Result<Shown, PostsError>")]
pub struct CreatePost {
    /// Who makes it.
    pub author: UserId,
    /// What it says.
    pub draft: Draft,
}

/// Where a page of posts begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At this page, from 1.
    Page(u32),
    /// With what is older than this post, which may be gone.
    Before(PostId),
}

/// List posts, newest first.
#[derive(Debug, Message)]
#[rtype(result = "Result<PostPage, PostsError>")]
pub struct ListPosts {
    /// Who asks.
    pub viewer: UserId,
    /// Whose; everybody's if nobody's.
    pub author: Option<UserId>,
    /// Where.
    pub start: Start,
    /// Posts on a page.
    pub limit: u32,
}

/// A page of posts.
#[derive(Debug)]
pub struct PostPage {
    /// The posts, newest first; fewer than asked for when some were deleted this moment.
    pub shown: Posts,
    /// How many are newer than this page.
    pub newer: u64,
    /// How many there are on all pages.
    pub total: u64,
    /// What to ask for the page after this one, if there is one.
    pub next: Option<PostId>,
}

/// Fetch a post.
#[derive(Debug, Message)]
#[rtype(result = "Result<Shown, PostsError>")]
pub struct FetchPost {
    /// Who asks.
    pub viewer: UserId,
    /// Which.
    pub id: PostId,
}

/// Change what a post says.
#[derive(Debug, Message)]
#[rtype(result = "Result<Shown, PostsError>")]
pub struct UpdatePost {
    /// Who asks.
    pub user: UserId,
    /// Which.
    pub id: PostId,
    /// What to change.
    pub changes: Changes,
}

/// Delete a post.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), PostsError>")]
pub struct DeletePost {
    /// Who asks.
    pub user: UserId,
    /// Which.
    pub id: PostId,
}

/// Like a post, or take the like back.
#[derive(Debug, Message)]
#[rtype(result = "Result<Shown, PostsError>")]
pub struct ChangeLike {
    /// Who asks.
    pub user: UserId,
    /// Which.
    pub id: PostId,
    /// To what.
    pub change: LikeChange,
}

/// Comment on a post.
#[derive(Debug, Message)]
#[rtype(result = "Result<Commented, PostsError>")]
pub struct AddComment {
    /// Who asks.
    pub user: UserId,
    /// Which post.
    pub id: PostId,
    /// What to say.
    pub text: String,
}

/// A post that has one comment more.
#[derive(Debug)]
pub struct Commented {
    /// The post afterwards.
    pub shown: Shown,
    /// The comment.
    pub comment: Comment,
}

/// Delete a comment.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), PostsError>")]
pub struct DeleteComment {
    /// Who asks.
    pub user: UserId,
    /// Of which post.
    pub id: PostId,
    /// Which.
    pub comment: Stamp,
}

/// A slice of a post's likes or comments, newest first.
#[derive(Debug)]
pub struct Slice<T> {
    /// The likes or comments.
    pub entries: Vec<T>,
    /// Who they are by.
    pub people: People,
    /// How many the post has.
    pub total: u64,
    /// What to ask for the slice after this one, if there is one.
    pub next: Option<Stamp>,
}

/// List a post's likes.
#[derive(Debug, Message)]
#[rtype(result = "Result<Slice<Like>, PostsError>")]
pub struct ListLikes {
    /// Of which post.
    pub id: PostId,
    /// Only those before this one, which may be gone.
    pub before: Option<Stamp>,
    /// How many.
    pub limit: u32,
}

/// List a post's comments.
#[derive(Debug, Message)]
#[rtype(result = "Result<Slice<Comment>, PostsError>")]
pub struct ListComments {
    /// Of which post.
    pub id: PostId,
    /// Only those before this one, which may be gone.
    pub before: Option<Stamp>,
    /// How many.
    pub limit: u32,
}

/// Bring a page of a user's posts in line with the account: a closed one's are nowhere. Safe to repeat and to come late.
/// Returns the last of them, if there may be more.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<PostId>, PostsError>")]
pub struct AlignPosts {
    /// Whose.
    pub author: UserId,
    /// The account.
    pub standing: Standing,
    /// Only those that are older, as the page before said.
    pub before: Option<PostId>,
}

/// Remove some of a user's posts for good. False when there are none left.
#[derive(Debug, Message)]
#[rtype(result = "Result<bool, PostsError>")]
pub struct PurgePosts {
    /// Whose.
    pub author: UserId,
}

/// Tell authors what crashed nodes did not.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), CarryError>")]
pub struct Sweep;

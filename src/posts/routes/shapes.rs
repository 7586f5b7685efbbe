//! What the posts API takes and gives, field by field. The names are the published contract.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::posts::messages::{PostPage, Shown, Slice};
use crate::posts::model::{Comment, CommentEntry, Like, Post, PostId};
use crate::users::messages::People;
use crate::users::model::{Author, UserId};
use crate::values::time::iso_time;

/// A post to make.
#[derive(Deserialize, ToSchema)]
pub struct NewPost {
    /// One line, at most 256 bytes.
    #[schema(min_length = 1, max_length = 256)]
    pub(super) title: String,
    /// At most 4 KB.
    #[schema(min_length = 1, max_length = 4096)]
    pub(super) description: String,
    /// At most 64 KB.
    #[schema(min_length = 1, max_length = 65536)]
    pub(super) content: String,
}

/// What to change; at least one.
#[derive(Deserialize, ToSchema)]
pub struct PostChanges {
    /// One line, at most 256 bytes.
    #[schema(min_length = 1, max_length = 256)]
    pub(super) title: Option<String>,
    /// At most 4 KB.
    #[schema(min_length = 1, max_length = 4096)]
    pub(super) description: Option<String>,
    /// At most 64 KB.
    #[schema(min_length = 1, max_length = 65536)]
    pub(super) content: Option<String>,
}

/// A comment to make.
#[derive(Deserialize, ToSchema)]
pub struct NewComment {
    /// At most 4 KB.
    #[schema(min_length = 1, max_length = 4096)]
    pub(super) text: String,
}

/// Which posts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FeedQuery {
    /// From 1; without effect beside `before`.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    pub(super) page: Option<String>,
    /// Posts on a page, 10 by default.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    pub(super) limit: Option<String>,
    /// `_id` of a post, which may be gone: only older ones.
    #[param(pattern = "^[0-9a-f]{24}$")]
    pub(super) before: Option<String>,
}

/// Which of one's own posts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OwnQuery {
    /// Posts at once, 100 by default.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    pub(super) limit: Option<String>,
    /// `_id` of a post, which may be gone: only older ones.
    #[param(pattern = "^[0-9a-f]{24}$")]
    pub(super) before: Option<String>,
}

/// Which likes or comments of a post.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SliceQuery {
    /// Entries at once, 20 by default.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    pub(super) limit: Option<String>,
    /// `_id` of a like or comment of this post, which may be gone: only older ones.
    #[param(pattern = "^[0-9a-f]{24}$")]
    pub(super) before: Option<String>,
}

/// Who likes something.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Liker {
    /// 24 hex characters.
    #[serde(rename = "_id")]
    id: String,
    /// The name at this moment.
    username: String,
}

/// A like; `U` is how its user looks here.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LikeEntry<U> {
    user: U,
    /// 24 hex characters, of this post alone.
    #[serde(rename = "_id")]
    id: String,
    /// ISO-8601.
    created_at: String,
}

/// A post; `L` and `C` are how likers and commenters look here.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostObject<L, C> {
    /// 24 hex characters.
    #[serde(rename = "_id")]
    id: String,
    title: String,
    content: String,
    description: String,
    author: Author,
    /// Always `active`.
    status: &'static str,
    /// The newest, oldest first; `/likes` has the rest.
    likes: Vec<LikeEntry<L>>,
    /// The newest, oldest first; `/comments` has the rest.
    comments: Vec<CommentEntry<C>>,
    /// All likes.
    likes_count: u64,
    /// All comments.
    comments_count: u64,
    /// Whether the caller likes it.
    liked_by_me: bool,
    /// ISO-8601.
    created_at: String,
    /// ISO-8601; when what it says last changed.
    updated_at: String,
    /// Changes of its likes and comments.
    #[serde(rename = "__v")]
    revision: u64,
}

/// Wraps a post; `L` and `C` as there.
#[derive(Debug, Serialize, ToSchema)]
pub struct PostBody<L, C> {
    success: bool,
    post: PostObject<L, C>,
}

/// A post after a like came or went, and its likes once more.
#[derive(Debug, Serialize, ToSchema)]
pub struct LikedBody {
    success: bool,
    post: PostObject<Liker, Author>,
    /// As in `post`.
    likes: Vec<LikeEntry<Liker>>,
}

/// Where a page stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    /// This page, from 1.
    current: u64,
    /// Pages.
    total: u64,
    has_next: bool,
    has_prev: bool,
}

/// A page of posts, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeedBody {
    success: bool,
    posts: Vec<PostObject<Liker, Author>>,
    pagination: Pagination,
    /// `before` of the next page, or null.
    #[schema(required = true)]
    next_before: Option<String>,
}

/// One's own posts, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnPostsBody {
    success: bool,
    posts: Vec<PostObject<Liker, Author>>,
    /// `before` of those that are older, or null.
    #[schema(required = true)]
    next_before: Option<String>,
}

/// The newest comments after one was made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommentedBody {
    success: bool,
    /// The newest, oldest first.
    comments: Vec<CommentEntry<Author>>,
    /// The one just made.
    comment: CommentEntry<Author>,
    /// All comments.
    comments_count: u64,
}

/// A slice of a post's likes, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LikesBody {
    success: bool,
    likes: Vec<LikeEntry<Liker>>,
    /// All likes.
    likes_count: u64,
    /// `before` of those that are older, or null.
    #[schema(required = true)]
    next_before: Option<String>,
}

/// A slice of a post's comments, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommentsBody {
    success: bool,
    comments: Vec<CommentEntry<Author>>,
    /// All comments.
    comments_count: u64,
    /// `before` of those that are older, or null.
    #[schema(required = true)]
    next_before: Option<String>,
}

/// What happened.
#[derive(Debug, Serialize, ToSchema)]
pub struct DoneBody {
    success: bool,
    message: &'static str,
}

impl<U> LikeEntry<U> {
    fn new(post: &PostId, like: &Like, user: U) -> Self {
        Self { user, id: like.stamp.id_in(post), created_at: iso_time(like.stamp.millis()) }
    }
}

impl<L, C> PostObject<L, C> {
    /// `post` with its people as `liker` and `commenter` show them.
    fn new(
        post: Post,
        people: &People,
        liker: impl Fn(&UserId) -> L,
        commenter: impl Fn(&UserId) -> C,
    ) -> Self {
        let id = &post.id;
        let likes = post.likes.iter().map(|like| LikeEntry::new(id, like, liker(&like.user))).collect();
        let comment = |comment: Comment| {
            let user = commenter(&comment.user);
            CommentEntry::new(id, comment, user)
        };
        Self {
            id: id.to_string(),
            title: post.title,
            content: post.content,
            description: post.description,
            author: people.author(&post.author),
            status: "active",
            likes,
            comments: post.comments.into_iter().map(comment).collect(),
            likes_count: post.likes_count,
            comments_count: post.comments_count,
            liked_by_me: post.liked_by_me,
            created_at: iso_time(id.stamp().millis()),
            updated_at: iso_time(post.updated_ms),
            revision: post.revision,
        }
    }
}

fn liker(people: &People, id: &UserId) -> Liker {
    let Author { id, username, .. } = people.author(id);
    Liker { id, username }
}

fn full(post: Post, people: &People) -> PostObject<Liker, Author> {
    PostObject::new(post, people, |id| liker(people, id), |id| people.author(id))
}

impl PostBody<Liker, Author> {
    /// A post with its people.
    pub(super) fn full(Shown { post, people }: Shown) -> Self {
        Self { success: true, post: full(post, &people) }
    }
}

impl PostBody<String, String> {
    /// A post with their ids.
    pub(super) fn bare(Shown { post, people }: Shown) -> Self {
        Self { success: true, post: PostObject::new(post, &people, UserId::to_string, UserId::to_string) }
    }
}

impl LikedBody {
    pub(super) fn new(Shown { post, people }: Shown) -> Self {
        let post = full(post, &people);
        Self { success: true, likes: post.likes.clone(), post }
    }
}

impl FeedBody {
    pub(super) fn new(page: PostPage, limit: u32) -> Self {
        let (limit, PostPage { shown, newer, total, next }) = (u64::from(limit), page);
        let pagination = Pagination {
            current: newer / limit + 1,
            total: total.div_ceil(limit),
            has_next: next.is_some(),
            has_prev: newer > 0,
        };
        let posts = shown.posts.into_iter().map(|post| full(post, &shown.people)).collect();
        Self { success: true, posts, pagination, next_before: next.map(|id| id.to_string()) }
    }
}

impl OwnPostsBody {
    pub(super) fn new(PostPage { shown, next, .. }: PostPage) -> Self {
        let posts = shown.posts.into_iter().map(|post| full(post, &shown.people)).collect();
        Self { success: true, posts, next_before: next.map(|id| id.to_string()) }
    }
}

impl CommentedBody {
    pub(super) fn new(Shown { post, people }: Shown, comment: Comment) -> Self {
        let author = people.author(&comment.user);
        let comment = CommentEntry::new(&post.id, comment, author);
        let post = full(post, &people);
        Self { success: true, comments: post.comments, comment, comments_count: post.comments_count }
    }
}

impl LikesBody {
    pub(super) fn new(post: &PostId, slice: Slice<Like>) -> Self {
        let Slice { entries, people, total, next } = slice;
        let likes =
            entries.iter().map(|like| LikeEntry::new(post, like, liker(&people, &like.user))).collect();
        Self { success: true, likes, likes_count: total, next_before: next.map(|stamp| stamp.id_in(post)) }
    }
}

impl CommentsBody {
    pub(super) fn new(post: &PostId, slice: Slice<Comment>) -> Self {
        let Slice { entries, people, total, next } = slice;
        let entry = |comment: Comment| {
            let user = people.author(&comment.user);
            CommentEntry::new(post, comment, user)
        };
        let comments = entries.into_iter().map(entry).collect();
        let next_before = next.map(|stamp| stamp.id_in(post));
        Self { success: true, comments, comments_count: total, next_before }
    }
}

impl DoneBody {
    pub(super) fn new(message: &'static str) -> Self {
        Self { success: true, message }
    }
}

//! Likes and comments of a post.

use actix_web::{HttpResponse, web};

use super::shapes::{CommentedBody, CommentsBody, DoneBody, LikedBody, LikesBody, NewComment, SliceQuery};
use super::{Keeper, PATH, api_error, invalid, parse_post};
use crate::auth::AuthUser;
use crate::auth::extractor::ChargedUser;
use crate::http::envelope::SocialFailure;
use crate::http::query::number;
use crate::http::rate_limit::LimitedAction;
use crate::http::{ApiError, JsonBody, Then};
use crate::posts::error::PostsError;
use crate::posts::messages::{AddComment, ChangeLike, DeleteComment, ListComments, ListLikes};
use crate::posts::model::{LikeChange, PostId, Stamp};

const DEFAULT_ENTRIES: u32 = 20;
const MAX_ENTRIES: u32 = 100;

type Answer = Result<HttpResponse, ApiError>;
type Liker = ChargedUser<{ LimitedAction::Like as usize }>;
type Commenter = ChargedUser<{ LimitedAction::Comment as usize }>;

/// Like a post that one does not like, or the other way round. Not safe to retry: see PUT and DELETE.
#[utoipa::path(post, path = "/api/posts/{post_id}/like", tag = "social: posts", security(("access" = [])),
    params(("post_id" = String, Path, description = "`_id` of the post")),
    responses(
        (status = 200, body = LikedBody),
        (status = 401, body = SocialFailure),
        (status = 404, body = SocialFailure),
    ))]
pub async fn toggle_like(user: Liker, keeper: Keeper, id: web::Path<String>) -> Answer {
    change_like(user, keeper, &id, LikeChange::Toggle).await
}

/// Like a post; once is enough.
#[utoipa::path(put, path = "/api/posts/{post_id}/like", tag = "social: posts", security(("access" = [])),
    params(("post_id" = String, Path, description = "`_id` of the post")),
    responses(
        (status = 200, body = LikedBody),
        (status = 401, body = SocialFailure),
        (status = 404, body = SocialFailure),
    ))]
pub async fn like(user: Liker, keeper: Keeper, id: web::Path<String>) -> Answer {
    change_like(user, keeper, &id, LikeChange::On).await
}

/// Take one's like back, if there is one.
#[utoipa::path(delete, path = "/api/posts/{post_id}/like", tag = "social: posts", security(("access" = [])),
    params(("post_id" = String, Path, description = "`_id` of the post")),
    responses(
        (status = 200, body = LikedBody),
        (status = 401, body = SocialFailure),
        (status = 404, body = SocialFailure),
    ))]
pub async fn unlike(user: Liker, keeper: Keeper, id: web::Path<String>) -> Answer {
    change_like(user, keeper, &id, LikeChange::Off).await
}

async fn change_like(user: Liker, keeper: Keeper, id: &str, change: LikeChange) -> Answer {
    let message = ChangeLike { user: user.id().clone(), id: parse_post(id)?, change };
    let shown = keeper.ask(message).await.map_err(api_error)?;
    Ok(HttpResponse::Ok().json(LikedBody::new(shown)))
}

/// A post's likes, newest first.
#[utoipa::path(get, path = "/api/posts/{post_id}/likes", tag = "social: posts", security(("access" = [])),
    params(("post_id" = String, Path, description = "`_id` of the post"), SliceQuery),
    responses(
        (status = 200, body = LikesBody),
        (status = 400, body = SocialFailure),
        (status = 401, body = SocialFailure),
        (status = 404, body = SocialFailure),
    ))]
pub async fn list_likes(
    _: AuthUser,
    keeper: Keeper,
    id: web::Path<String>,
    query: web::Query<SliceQuery>,
) -> Answer {
    let id = parse_post(&id)?;
    let (before, limit) = parse_slice(&query, &id)?;
    let slice = keeper.ask(ListLikes { id: id.clone(), before, limit }).await.map_err(api_error)?;
    Ok(HttpResponse::Ok().json(LikesBody::new(&id, slice)))
}

/// Comment on a post.
#[utoipa::path(post, path = "/api/posts/{post_id}/comment", tag = "social: posts", security(("access" = [])),
    params(("post_id" = String, Path, description = "`_id` of the post")), request_body = NewComment,
    responses(
        (status = 200, body = CommentedBody),
        (status = 400, body = SocialFailure),
        (status = 401, body = SocialFailure),
        (status = 403, description = "Too many comments", body = SocialFailure),
        (status = 404, body = SocialFailure),
    ))]
pub async fn comment(
    keeper: Keeper,
    id: web::Path<String>,
    Then(user, JsonBody(body)): Then<Commenter, JsonBody<NewComment>>,
) -> Answer {
    let message = AddComment { user: user.id().clone(), id: parse_post(&id)?, text: body.text };
    let commented = keeper.ask(message).await.map_err(api_error)?;
    Ok(HttpResponse::Ok().json(CommentedBody::new(commented.shown, commented.comment)))
}

/// A post's comments, newest first.
#[utoipa::path(get, path = "/api/posts/{post_id}/comments", tag = "social: posts", security(("access" = [])),
    params(("post_id" = String, Path, description = "`_id` of the post"), SliceQuery),
    responses(
        (status = 200, body = CommentsBody),
        (status = 400, body = SocialFailure),
        (status = 401, body = SocialFailure),
        (status = 404, body = SocialFailure),
    ))]
pub async fn list_comments(
    _: AuthUser,
    keeper: Keeper,
    id: web::Path<String>,
    query: web::Query<SliceQuery>,
) -> Answer {
    let id = parse_post(&id)?;
    let (before, limit) = parse_slice(&query, &id)?;
    let slice = keeper.ask(ListComments { id: id.clone(), before, limit }).await.map_err(api_error)?;
    Ok(HttpResponse::Ok().json(CommentsBody::new(&id, slice)))
}

/// Delete a comment of one's own, or on a post of one's own.
#[utoipa::path(delete, path = "/api/posts/{post_id}/comment/{comment_id}", tag = "social: posts",
    security(("access" = [])),
    params(
        ("post_id" = String, Path, description = "`_id` of the post"),
        ("comment_id" = String, Path, description = "`_id` of the comment"),
    ),
    responses(
        (status = 200, body = DoneBody),
        (status = 401, body = SocialFailure),
        (status = 403, description = "Somebody else's comment on somebody else's post", body = SocialFailure),
        (status = 404, body = SocialFailure),
    ))]
pub async fn delete_comment(user: AuthUser, keeper: Keeper, path: web::Path<(String, String)>) -> Answer {
    let id = parse_post(&path.0)?;
    let no_such_comment = || api_error(PostsError::NoSuchComment);
    let comment = Stamp::parse(&path.1, &id).ok_or_else(no_such_comment)?;
    keeper.ask(DeleteComment { user: user.id().clone(), id, comment }).await.map_err(api_error)?;
    Ok(HttpResponse::Ok().json(DoneBody::new("Comment deleted successfully")))
}

fn parse_slice(query: &SliceQuery, post: &PostId) -> Result<(Option<Stamp>, u32), ApiError> {
    let limit = number(PATH, "limit", query.limit.as_deref(), DEFAULT_ENTRIES, MAX_ENTRIES)?;
    let parse = |text| {
        Stamp::parse(text, post).ok_or_else(|| invalid("before", "must be the _id of an entry of this post"))
    };
    Ok((query.before.as_deref().map(parse).transpose()?, limit))
}

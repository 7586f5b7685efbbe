//! `/api/posts`: making, listing, fetching, changing and deleting posts.

use actix_web::{HttpRequest, HttpResponse, web};

use super::shapes::{
    DoneBody, FeedBody, FeedQuery, Liker, NewPost, OwnPostsBody, OwnQuery, PostBody, PostChanges,
};
use super::{Keeper, PATH, api_error, invalid, parse_post};
use crate::auth::AuthUser;
use crate::auth::extractor::ChargedUser;
use crate::http::envelope::SocialFailure;
use crate::http::query::{MAX_PAGE, number};
use crate::http::rate_limit::{self, LimitedAction};
use crate::http::{ApiError, JsonBody, Then};
use crate::posts::messages::{CreatePost, DeletePost, FetchPost, ListPosts, Start, UpdatePost};
use crate::posts::model::{Changes, Draft, PostId, SMALL_PAGE};
use crate::users::model::Author;

const DEFAULT_POSTS: u32 = 10;
const MAX_POSTS: u32 = 100;

type Answer = Result<HttpResponse, ApiError>;
type Writer = ChargedUser<{ LimitedAction::Post as usize }>;

/// Make a post.
#[utoipa::path(post, path = "/api/posts", tag = "social: posts", security(("access" = [])), request_body = NewPost,
    responses(
        (status = 201, body = PostBody<Liker, Author>),
        (status = 400, body = SocialFailure),
        (status = 401, body = SocialFailure),
        (status = 403, description = "Too many posts", body = SocialFailure),
    ))]
pub async fn create(keeper: Keeper, Then(user, JsonBody(body)): Then<Writer, JsonBody<NewPost>>) -> Answer {
    let NewPost { title, description, content } = body;
    let draft = Draft { title, description, content };
    let shown = keeper.ask(CreatePost { author: user.id().clone(), draft }).await.map_err(api_error)?;
    Ok(HttpResponse::Created().json(PostBody::full(shown)))
}

/// Everybody's posts, newest first, by page or from a post on.
#[utoipa::path(get, path = "/api/posts", tag = "social: posts", security(("access" = [])), params(FeedQuery), responses(
    (status = 200, body = FeedBody),
    (status = 400, body = SocialFailure),
    (status = 401, body = SocialFailure),
))]
pub async fn list(
    request: HttpRequest,
    user: AuthUser,
    keeper: Keeper,
    query: web::Query<FeedQuery>,
) -> Answer {
    let page = number(PATH, "page", query.page.as_deref(), 1, MAX_PAGE)?;
    let limit = number(PATH, "limit", query.limit.as_deref(), DEFAULT_POSTS, MAX_POSTS)?;
    let start = parse_before(query.before.as_deref())?.map_or(Start::Page(page), Start::Before);
    charge(&request, &user, limit)?;
    let message = ListPosts { viewer: user.id().clone(), author: None, start, limit };
    let page = keeper.ask(message).await.map_err(api_error)?;
    Ok(HttpResponse::Ok().json(FeedBody::new(page, limit)))
}

/// One's own posts, newest first.
#[utoipa::path(get, path = "/api/posts/my-posts", tag = "social: posts", security(("access" = [])), params(OwnQuery),
    responses(
        (status = 200, body = OwnPostsBody),
        (status = 400, body = SocialFailure),
        (status = 401, body = SocialFailure),
    ))]
pub async fn list_own(
    request: HttpRequest,
    user: AuthUser,
    keeper: Keeper,
    query: web::Query<OwnQuery>,
) -> Answer {
    let limit = number(PATH, "limit", query.limit.as_deref(), MAX_POSTS, MAX_POSTS)?;
    let start = parse_before(query.before.as_deref())?.map_or(Start::Page(1), Start::Before);
    charge(&request, &user, limit)?;
    let message = ListPosts { viewer: user.id().clone(), author: Some(user.id().clone()), start, limit };
    let page = keeper.ask(message).await.map_err(api_error)?;
    Ok(HttpResponse::Ok().json(OwnPostsBody::new(page)))
}

/// A post.
#[utoipa::path(get, path = "/api/posts/{post_id}", tag = "social: posts", security(("access" = [])),
    params(("post_id" = String, Path, description = "`_id` of the post")),
    responses(
        (status = 200, body = PostBody<Liker, Author>),
        (status = 401, body = SocialFailure),
        (status = 404, body = SocialFailure),
    ))]
pub async fn fetch(user: AuthUser, keeper: Keeper, id: web::Path<String>) -> Answer {
    let message = FetchPost { viewer: user.id().clone(), id: parse_post(&id)? };
    let shown = keeper.ask(message).await.map_err(api_error)?;
    Ok(HttpResponse::Ok().json(PostBody::full(shown)))
}

/// Change a post of one's own.
#[utoipa::path(put, path = "/api/posts/{post_id}", tag = "social: posts", security(("access" = [])),
    params(("post_id" = String, Path, description = "`_id` of the post")), request_body = PostChanges,
    responses(
        (status = 200, description = "Likers and commenters are ids here", body = PostBody<String, String>),
        (status = 400, body = SocialFailure),
        (status = 401, body = SocialFailure),
        (status = 403, description = "Somebody else's", body = SocialFailure),
        (status = 404, body = SocialFailure),
    ))]
pub async fn update(
    keeper: Keeper,
    id: web::Path<String>,
    Then(user, JsonBody(body)): Then<Writer, JsonBody<PostChanges>>,
) -> Answer {
    let id = parse_post(&id)?;
    let PostChanges { title, description, content } = body;
    let changes = Changes { title, description, content };
    if changes == Changes::default() {
        return Err(invalid("", "send at least one of title, description, content"));
    }
    let message = UpdatePost { user: user.id().clone(), id, changes };
    let shown = keeper.ask(message).await.map_err(api_error)?;
    Ok(HttpResponse::Ok().json(PostBody::bare(shown)))
}

/// Delete a post of one's own.
#[utoipa::path(delete, path = "/api/posts/{post_id}", tag = "social: posts", security(("access" = [])),
    params(("post_id" = String, Path, description = "`_id` of the post")),
    responses(
        (status = 200, body = DoneBody),
        (status = 401, body = SocialFailure),
        (status = 403, description = "Somebody else's", body = SocialFailure),
        (status = 404, body = SocialFailure),
    ))]
pub async fn delete(user: AuthUser, keeper: Keeper, id: web::Path<String>) -> Answer {
    let message = DeletePost { user: user.id().clone(), id: parse_post(&id)? };
    keeper.ask(message).await.map_err(api_error)?;
    Ok(HttpResponse::Ok().json(DoneBody::new("Post deleted successfully")))
}

fn charge(request: &HttpRequest, user: &AuthUser, limit: u32) -> Result<(), ApiError> {
    if limit as usize <= SMALL_PAGE {
        return Ok(());
    }
    rate_limit::by_user(request, LimitedAction::LargePage, user.id().as_str())
}

fn parse_before(text: Option<&str>) -> Result<Option<PostId>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    PostId::parse(text).map(Some).ok_or_else(|| invalid("before", "must be the _id of a post"))
}

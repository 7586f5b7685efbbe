//! HTTP for posts: `/api/posts` and what lies below it.

pub mod posts;
pub mod reactions;
pub mod shapes;

use actix_web::http::StatusCode;
use actix_web::web;

use super::actor::PostKeeper;
use super::error::PostsError;
use super::model::PostId;
use crate::actor::Mailbox;
use crate::http::body::invalid_message;
use crate::http::router::{Endpoint, at};
use crate::http::{ApiError, FieldError};
use crate::users::error::UsersError;

const NO_SUCH_POST: &str = "Post not found";
const PATH: &str = "/api/posts";

type Keeper = web::Data<Mailbox<PostKeeper>>;

/// The routes of this module; a fixed path comes before one with a parameter.
pub fn routes() -> Vec<Endpoint> {
    vec![
        at("/api/posts").post(posts::create).get(posts::list),
        at("/api/posts/my-posts").get(posts::list_own),
        at("/api/posts/{post_id}").get(posts::fetch).put(posts::update).delete(posts::delete),
        at("/api/posts/{post_id}/like")
            .post(reactions::toggle_like)
            .put(reactions::like)
            .delete(reactions::unlike),
        at("/api/posts/{post_id}/likes").get(reactions::list_likes),
        at("/api/posts/{post_id}/comment").post(reactions::comment),
        at("/api/posts/{post_id}/comments").get(reactions::list_comments),
        at("/api/posts/{post_id}/comment/{comment_id}").delete(reactions::delete_comment),
    ]
}

/// The one place where a [`PostsError`] becomes an HTTP answer.
fn api_error(error: PostsError) -> ApiError {
    let forbidden = |message: &'static str| ApiError::new(StatusCode::FORBIDDEN, message);
    match error {
        PostsError::NotFound => ApiError::not_found(NO_SUCH_POST),
        PostsError::NoSuchComment => ApiError::not_found("Comment not found"),
        PostsError::NotAuthor => forbidden("Only its author may change or delete a post"),
        PostsError::NotCommenter => {
            forbidden("Only who wrote the comment or the post may delete the comment")
        }
        PostsError::Invalid(problems) => {
            let fields = problems.into_iter().map(|(field, problem)| FieldError::new(field, problem));
            ApiError::invalid(invalid_message(PATH), fields.collect())
        }
        PostsError::TooManyPosts => forbidden("This account has as many posts as allowed; delete some first"),
        PostsError::TooManyComments => forbidden("This post has as many comments as allowed"),
        PostsError::Backlog => ApiError::unavailable(),
        PostsError::Ask(error) | PostsError::Users(UsersError::Ask(error)) => error.into(),
        PostsError::Redis(failure) | PostsError::Users(UsersError::Redis(failure)) => (&failure).into(),
        PostsError::Users(error) => ApiError::internal(&error),
    }
}

fn invalid(field: &str, problem: &str) -> ApiError {
    ApiError::invalid(invalid_message(PATH), vec![FieldError::new(field, problem)])
}

/// The post in a path; what cannot be one is not found without a look at the datastore.
fn parse_post(text: &str) -> Result<PostId, ApiError> {
    PostId::parse(text).ok_or_else(|| ApiError::not_found(NO_SUCH_POST))
}

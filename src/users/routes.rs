//! `/api/users`: the directory, profiles, status; avatars are in [`avatar`].

pub mod avatar;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::Utc;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::actor::PeopleKeeper;
use super::error::UsersError;
use super::messages::{FetchUser, ListDirectory, UpdateProfile};
use super::model::{DateOfBirth, DirectoryUser, Gender, User, UserId, Username};
use crate::actor::{Ask, Mailbox};
use crate::auth::AuthUser;
use crate::auth::error::AuthError;
use crate::auth::messages::ChangeUsername;
use crate::http::body::invalid_message;
use crate::http::envelope::SocialFailure;
use crate::http::query::{MAX_PAGE, number};
use crate::http::rate_limit::{self, LimitedAction};
use crate::http::router::{Endpoint, at};
use crate::http::{ApiError, FieldError, JsonBody, Then};
use crate::presence::error::PresenceError;
use crate::presence::messages::SetStatus;
use crate::presence::model::OnlineStatus;
use crate::values::text::TextRule;

const DEFAULT_USERS: u32 = 20;
const MAX_USERS: u32 = 100;
const SEARCH: TextRule = TextRule::line(256).or_blank();
const ADDRESS: TextRule = TextRule::lines(512).or_blank();
const NOT_FOUND: &str = "User not found";

type People = web::Data<Mailbox<PeopleKeeper>>;
type Answer = Result<HttpResponse, ApiError>;

/// The routes of this module. What `{id}` could hide comes first.
pub fn routes() -> Vec<Endpoint> {
    vec![
        at("/api/users").get(list),
        at("/api/users/profile").put(update),
        at("/api/users/status").put(set_status),
        at("/api/users/{id}").get(fetch),
    ]
}

/// Page of the directory.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DirectoryQuery {
    /// From 1.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    page: Option<String>,
    /// People on a page, 20 by default.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<String>,
    /// What usernames must begin with, in whatever case.
    #[param(max_length = 256)]
    search: Option<String>,
}

/// People by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct DirectoryBody {
    users: Vec<DirectoryUser>,
    pagination: DirectoryPagination,
}

/// Where a page of the directory stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryPagination {
    /// This page, from 1.
    current: u32,
    /// Pages.
    total: u64,
    has_next: bool,
    has_prev: bool,
    /// People on a page.
    limit: u32,
    /// People on all pages.
    total_users: u64,
}

/// A user, and what happened.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProfileBody {
    message: &'static str,
    user: User,
}

/// What to change; at least one.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfileChanges {
    /// 2 to 32 characters, unique without regard to case.
    #[schema(min_length = 2, max_length = 32)]
    username: Option<String>,
    /// `male`, `female`, `other` or `prefer_not_to_say`; null or nothing in it for the last.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, pattern = "^(male|female|other|prefer_not_to_say)?$")]
    gender: Option<Option<String>>,
    /// `2001-05-10`, from 1900 to today, or a whole ISO-8601 time, of which the day counts; null or nothing in it for
    /// none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, pattern = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ].*)?)?$")]
    date_of_birth: Option<Option<String>>,
    /// Up to 512 bytes of UTF-8, perhaps several lines; null or nothing in it for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 512)]
    address: Option<Option<String>>,
}

/// How to look from now on.
#[derive(Deserialize, ToSchema)]
pub struct StatusChange {
    /// If sent, the caller's.
    #[serde(rename = "_id")]
    #[schema(pattern = "^[0-9a-f]{24}$")]
    id: Option<String>,
    /// `online`, `away`, `busy`, or `offline` for being here unseen.
    #[schema(pattern = "^(online|offline|away|busy)$")]
    status: String,
}

/// How the caller looks, and what happened.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusBody {
    message: &'static str,
    status: OnlineStatus,
}

/// Everybody, by name; or those whose names begin with `search`.
#[utoipa::path(get, path = "/api/users", tag = "social: users", security(("access" = [])), params(DirectoryQuery),
    responses(
        (status = 200, body = DirectoryBody),
        (status = 400, body = SocialFailure),
        (status = 401, body = SocialFailure),
    ))]
pub async fn list(
    request: HttpRequest,
    user: AuthUser,
    people: People,
    query: web::Query<DirectoryQuery>,
) -> Answer {
    let page = number(request.path(), "page", query.page.as_deref(), 1, MAX_PAGE)?;
    let limit = number(request.path(), "limit", query.limit.as_deref(), DEFAULT_USERS, MAX_USERS)?;
    let search = query.search.as_deref().unwrap_or_default();
    SEARCH.check(search).map_err(|problem| invalid(&request, "search", problem))?;
    // No name begins with a space.
    let search = search.trim_start().to_owned();
    if !search.is_empty() {
        rate_limit::by_user(&request, LimitedAction::Search, user.id().as_str())?;
    }
    let message = ListDirectory { viewer: user.id().clone(), page, limit, search };
    let found = people.ask(message).await.map_err(fail)?;
    let pages = found.total.div_ceil(u64::from(limit));
    let pagination = DirectoryPagination {
        current: page,
        total: pages,
        has_next: u64::from(page) < pages,
        has_prev: page > 1,
        limit,
        total_users: found.total,
    };
    Ok(HttpResponse::Ok().json(DirectoryBody { users: found.users, pagination }))
}

/// One user.
#[utoipa::path(get, path = "/api/users/{id}", tag = "social: users", security(("access" = [])),
    params(("id" = String, Path, description = "24 hex characters")),
    responses(
        (status = 200, body = ProfileBody),
        (status = 401, body = SocialFailure),
        (status = 404, description = "No such user", body = SocialFailure),
    ))]
pub async fn fetch(user: AuthUser, people: People, id: web::Path<String>) -> Answer {
    let id = UserId::parse(&id).ok_or_else(|| ApiError::not_found(NOT_FOUND))?;
    let user = people.ask(FetchUser { id, viewer: user.id().clone() }).await.map_err(fail)?;
    Ok(HttpResponse::Ok().json(ProfileBody { message: "User fetched successfully", user }))
}

/// Change one's own profile.
#[utoipa::path(put, path = "/api/users/profile", tag = "social: users", security(("access" = [])),
    request_body = ProfileChanges,
    responses(
        (status = 200, body = ProfileBody),
        (status = 400, body = SocialFailure),
        (status = 401, body = SocialFailure),
        (status = 409, description = "Username taken", body = SocialFailure),
    ))]
pub async fn update(
    request: HttpRequest,
    people: People,
    rename: web::Data<Ask<ChangeUsername>>,
    Then(user, JsonBody(body)): Then<AuthUser, JsonBody<ProfileChanges>>,
) -> Answer {
    let user_id = user.id().clone();
    let (username, changes) = parse_changes(&request, &user_id, body)?;
    if let Some(username) = username {
        rename.ask(ChangeUsername { user_id, username }).await.map_err(rename_failure)?;
    }
    let user = people.ask(changes).await.map_err(own_failure)?;
    Ok(HttpResponse::Ok().json(ProfileBody { message: "Profile updated successfully", user }))
}

/// Say how to look. It holds while a socket lives, or for a while over HTTP.
#[utoipa::path(put, path = "/api/users/status", tag = "social: users", security(("access" = [])),
    request_body = StatusChange,
    responses(
        (status = 200, body = StatusBody),
        (status = 400, body = SocialFailure),
        (status = 401, body = SocialFailure),
        (status = 403, description = "Somebody else's", body = SocialFailure),
    ))]
pub async fn set_status(
    request: HttpRequest,
    presence: web::Data<Ask<SetStatus>>,
    Then(user, JsonBody(body)): Then<AuthUser, JsonBody<StatusChange>>,
) -> Answer {
    let status = OnlineStatus::parse(&body.status).map_err(|problem| invalid(&request, "status", problem))?;
    if body.id.is_some_and(|id| id != user.id().as_str()) {
        let message = "The status of somebody else is not yours to set";
        return Err(ApiError::new(StatusCode::FORBIDDEN, message));
    }
    let set = SetStatus { user_id: user.id().clone(), status };
    let status = presence.ask(set).await.map_err(presence_failure)?.status;
    Ok(HttpResponse::Ok().json(StatusBody { message: "Status updated successfully", status }))
}

/// Tells null, which clears a field, from nothing, which leaves it.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Parses all fields before it complains about any.
fn parse_changes(
    request: &HttpRequest,
    user_id: &UserId,
    body: ProfileChanges,
) -> Result<(Option<Username>, UpdateProfile), ApiError> {
    let ProfileChanges { username, gender, date_of_birth, address } = body;
    let wanted = |text: Option<String>| text.filter(|text| !text.is_empty());
    if username.is_none() && gender.is_none() && date_of_birth.is_none() && address.is_none() {
        let problem = "send at least one of username, gender, dateOfBirth, address";
        return Err(invalid(request, "", problem));
    }
    let today = Utc::now().date_naive();
    let mut problems = Vec::new();
    let mut note = |field: &str, problem: &dyn std::fmt::Display| {
        problems.push(FieldError::new(field, problem.to_string()))
    };
    let username =
        username.and_then(|text| Username::parse(&text).map_err(|problem| note("username", &problem)).ok());
    let gender = gender.and_then(|gender| match wanted(gender) {
        None => Some(Gender::default()),
        Some(text) => Gender::parse(&text).map_err(|problem| note("gender", &problem)).ok(),
    });
    let date_of_birth = date_of_birth.and_then(|date| match wanted(date) {
        None => Some(None),
        Some(text) => {
            DateOfBirth::parse(&text, today).map_err(|problem| note("dateOfBirth", &problem)).ok().map(Some)
        }
    });
    let address = address.map(Option::unwrap_or_default);
    if let Some(Err(problem)) = address.as_deref().map(|address| ADDRESS.check(address)) {
        note("address", &problem);
    }
    if !problems.is_empty() {
        return Err(ApiError::invalid(invalid_message(request.path()), problems));
    }
    Ok((username, UpdateProfile { user_id: user_id.clone(), gender, date_of_birth, address }))
}

fn invalid(request: &HttpRequest, field: &str, problem: impl Into<String>) -> ApiError {
    ApiError::invalid(invalid_message(request.path()), vec![FieldError::new(field, problem)])
}

fn fail(error: UsersError) -> ApiError {
    match error {
        UsersError::NotFound => ApiError::not_found(NOT_FOUND),
        UsersError::Ask(error) => error.into(),
        UsersError::Redis(failure) => (&failure).into(),
        UsersError::Storage(error) => error.into(),
    }
}

/// Without a profile of one's own the next login makes one.
fn own_failure(error: UsersError) -> ApiError {
    match error {
        UsersError::NotFound => ApiError::unauthorized("Token is expired or invalid"),
        error => fail(error),
    }
}

fn presence_failure(error: PresenceError) -> ApiError {
    match error {
        PresenceError::Ask(error) => error.into(),
        PresenceError::Redis(failure) => (&failure).into(),
    }
}

fn rename_failure(error: AuthError) -> ApiError {
    match error {
        AuthError::UsernameTaken => ApiError::new(StatusCode::CONFLICT, "Username is already taken"),
        AuthError::AccountGone => own_failure(UsersError::NotFound),
        AuthError::Lapsed => ApiError::unavailable(),
        AuthError::Ask(error) => error.into(),
        AuthError::Redis(failure) => (&failure).into(),
        error => ApiError::internal(&error),
    }
}

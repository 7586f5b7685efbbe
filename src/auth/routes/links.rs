//! `/api/v1/auth` and the session part of `/api/v1/user`.
//!
//! Invariant: a web client's refresh token travels in its cookie and nowhere else; any other client's in the
//! body and nowhere else.

use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{api_error, parse_registration};
use crate::actor::Mailbox;
use crate::auth::actor::SessionManager;
use crate::auth::error::AuthError;
use crate::auth::extractor::{AuthUser, bearer};
use crate::auth::messages::{
    CloseAccount, EndSessions, Entered, FetchAccount, Identity, ListSessions, LogIn, Refresh, Register,
    SignedIn, Which,
};
use crate::auth::model::{Device, Password, SessionId};
use crate::http::client::AllowedOrigins;
use crate::http::envelope::{self, LinksAnswer, LinksDone, LinksFailure, Surface};
use crate::http::rate_limit::{self, Charged, LimitedAction};
use crate::http::router::{Endpoint, at};
use crate::http::{ApiError, FieldError, JsonBody, client};
use crate::users::model::Email;
use crate::values::time::epoch_secs;

const COOKIE: &str = "refreshToken";
const COOKIE_PATH: &str = "/api/v1/auth";

type Manager = web::Data<Mailbox<SessionManager>>;
type Answer = Result<HttpResponse, ApiError>;

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![
        at("/api/v1/auth/register").post(register),
        at("/api/v1/auth/login").post(login),
        at("/api/v1/auth/refresh").post(refresh),
        at("/api/v1/auth/me").get(me),
        at("/api/v1/auth/logout").delete(logout),
        at("/api/v1/auth/logout/{session_id}").delete(logout_other),
        at("/api/v1/user/me").get(profile).delete(close),
        at("/api/v1/user/sessions").get(sessions),
    ]
}

/// E-mail address and password.
#[derive(Deserialize, ToSchema)]
pub struct LinksCredentials {
    /// Compared without regard to case.
    #[schema(format = "email", max_length = 254)]
    email: String,
    /// 8 to 128 characters, not among the most common.
    #[schema(value_type = String, min_length = 8, max_length = 128)]
    password: SecretString,
}

/// Tokens of a session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    /// The user's id.
    id: String,
    /// For the `Authorization` header of every call; lives 15 minutes.
    access_token: String,
    /// For the next pair; absent for web clients, who have it in a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

/// The caller, in short.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    id: String,
    email: String,
    email_verified: bool,
}

/// The caller's account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountDetails {
    id: String,
    email: String,
    is_email_verified: bool,
    /// Epoch seconds, or null.
    #[schema(required = true)]
    email_verified_at: Option<String>,
    /// Epoch seconds.
    created_at: String,
    /// Epoch seconds.
    last_log_in_at: String,
    /// `EMAIL`, `GOOGLE` or `PHONE`.
    signed_up_using: String,
}

/// Wraps [`AccountDetails`].
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountBody {
    user: AccountDetails,
}

/// One live session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionDetails {
    session_id: String,
    user_agent: String,
    ip_address: String,
    /// Epoch seconds.
    created_at: String,
    /// Epoch seconds.
    last_seen_at: String,
    /// Whether it is the caller's.
    current: bool,
}

/// Wraps the sessions, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionsBody {
    sessions: Vec<SessionDetails>,
}

fn fail(error: AuthError) -> ApiError {
    api_error(Surface::Links, error)
}

/// Make an account.
#[utoipa::path(post, path = "/api/v1/auth/register", tag = "links: auth", request_body = LinksCredentials,
    params(("X-Client-Type" = Option<String>, Header, description = "`web`: the refresh token goes into a cookie")),
    responses(
        (status = 201, body = LinksAnswer<Tokens>),
        (status = 400, body = LinksFailure),
        (status = 409, description = "The address has an account", body = LinksFailure),
    ))]
pub async fn register(
    _: Charged<{ LimitedAction::Register as usize }>,
    request: HttpRequest,
    manager: Manager,
    device: Device,
    JsonBody(body): JsonBody<LinksCredentials>,
) -> Answer {
    let (email, password, _) =
        parse_registration(request.path(), &body.email, body.password.expose_secret(), None)?;
    let signed_in = manager.ask(Register { email, username: None, password, device }).await.map_err(fail)?;
    Ok(tokens(StatusCode::CREATED, "User created successfully", signed_in, is_web(&request)))
}

/// Open a session.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "links: auth", request_body = LinksCredentials,
    params(("X-Client-Type" = Option<String>, Header, description = "`web`: the refresh token goes into a cookie")),
    responses(
        (status = 200, body = LinksAnswer<Tokens>),
        (status = 400, body = LinksFailure),
        (status = 401, description = "Wrong credentials", body = LinksFailure),
    ))]
pub async fn login(
    _: Charged<{ LimitedAction::Login as usize }>,
    request: HttpRequest,
    manager: Manager,
    device: Device,
    JsonBody(body): JsonBody<LinksCredentials>,
) -> Answer {
    let email = Email::known(&body.email).map_err(|problem| {
        ApiError::invalid("Provided data is invalid", vec![FieldError::new("email", problem)])
    })?;
    let password = Password::claimed(body.password.expose_secret());
    let signed_in =
        manager.ask(LogIn { identity: Identity::Email(email), password, device }).await.map_err(fail)?;
    Ok(tokens(StatusCode::OK, "User logged in successfully", signed_in, is_web(&request)))
}

/// Exchange a refresh token, sent as Bearer or in the cookie.
#[utoipa::path(post, path = "/api/v1/auth/refresh", tag = "links: auth",
    security(("refresh" = []), ("refresh_cookie" = [])),
    responses(
        (status = 200, body = LinksAnswer<Tokens>),
        (status = 400, description = "No refresh token", body = LinksFailure),
        (status = 401, description = "Expired, revoked or reused", body = LinksFailure),
        (status = 403, description = "A cookie from a foreign site", body = LinksFailure),
    ))]
pub async fn refresh(request: HttpRequest, manager: Manager, origins: web::Data<AllowedOrigins>) -> Answer {
    rate_limit::by_address(&request, LimitedAction::Refresh)?;
    let missing = || {
        let field = FieldError::new(
            "refreshToken",
            "send it as `Authorization: Bearer`, or in the cookie of that name",
        );
        ApiError::invalid("Provided data is invalid", vec![field])
    };
    // A client may send its access token with everything: the cookie, where it may be used, is meant.
    let cookie = request.cookie(COOKIE).map(|cookie| cookie.value().to_owned());
    let (token, by_cookie) = match (cookie, bearer(&request)) {
        (Some(cookie), _) if is_same_site(&request, &origins) => (cookie, true),
        (_, Some(token)) => (token.to_owned(), false),
        (Some(_), None) => {
            let message = "A refresh by cookie must come from this site or from an allowed origin";
            return Err(ApiError::new(StatusCode::FORBIDDEN, message));
        }
        (None, None) => return Err(missing()),
    };
    let signed_in = manager.ask(Refresh { token }).await.map_err(|error| match error {
        AuthError::MalformedToken => missing(),
        error => fail(error),
    })?;
    Ok(tokens(StatusCode::OK, "Token refreshed", signed_in, by_cookie || is_web(&request)))
}

/// Who the token speaks for.
#[utoipa::path(get, path = "/api/v1/auth/me", tag = "links: auth", security(("access" = [])), responses(
    (status = 200, body = LinksAnswer<Me>),
    (status = 400, body = LinksFailure),
    (status = 401, body = LinksFailure),
))]
pub async fn me(user: AuthUser, manager: Manager) -> Answer {
    let account = manager.ask(FetchAccount { user_id: user.id().clone() }).await.map_err(fail)?;
    let me = Me { id: account.id, email: account.email, email_verified: account.email_verified_ms.is_some() };
    Ok(envelope::links(StatusCode::OK, "User details fetched successfully", me))
}

/// The caller's account.
#[utoipa::path(get, path = "/api/v1/user/me", tag = "links: user", security(("access" = [])), responses(
    (status = 200, body = LinksAnswer<AccountBody>),
    (status = 400, body = LinksFailure),
    (status = 401, body = LinksFailure),
))]
pub async fn profile(user: AuthUser, manager: Manager) -> Answer {
    let account = manager.ask(FetchAccount { user_id: user.id().clone() }).await.map_err(fail)?;
    let user = AccountDetails {
        id: account.id,
        email: account.email,
        is_email_verified: account.email_verified_ms.is_some(),
        email_verified_at: account.email_verified_ms.map(epoch_secs),
        created_at: epoch_secs(account.created_ms),
        last_log_in_at: epoch_secs(account.login_ms),
        signed_up_using: account.signed_up_using,
    };
    Ok(envelope::links(StatusCode::OK, "User details fetched successfully", AccountBody { user }))
}

/// Delete the caller's account: all sessions end, and nobody sees anything of it any more. A login within 30 days brings it
/// back; then it is purged.
#[utoipa::path(delete, path = "/api/v1/user/me", tag = "links: user", security(("access" = [])), responses(
    (status = 200, body = LinksDone),
    (status = 400, body = LinksFailure),
    (status = 401, body = LinksFailure),
))]
pub async fn close(user: AuthUser, manager: Manager) -> Answer {
    manager.ask(CloseAccount { user_id: user.id().clone() }).await.map_err(fail)?;
    without_cookie(envelope::links_done("User deleted successfully! - 30 days to recover"))
}

/// The caller's live sessions.
#[utoipa::path(get, path = "/api/v1/user/sessions", tag = "links: user", security(("access" = [])), responses(
    (status = 200, body = LinksAnswer<SessionsBody>),
    (status = 400, body = LinksFailure),
    (status = 401, body = LinksFailure),
))]
pub async fn sessions(user: AuthUser, manager: Manager) -> Answer {
    let sessions = manager.ask(ListSessions { user_id: user.id().clone() }).await.map_err(fail)?;
    let sessions = sessions.into_iter().map(|session| SessionDetails {
        current: session.id == user.0.session_id.as_str(),
        session_id: session.id,
        user_agent: session.user_agent,
        ip_address: session.ip,
        created_at: epoch_secs(session.created_ms),
        last_seen_at: epoch_secs(session.seen_ms),
    });
    let body = SessionsBody { sessions: sessions.collect() };
    Ok(envelope::links(StatusCode::OK, "User session fetched successfully", body))
}

/// End the caller's session.
#[utoipa::path(delete, path = "/api/v1/auth/logout", tag = "links: auth", security(("access" = [])), responses(
    (status = 200, body = LinksDone),
    (status = 400, body = LinksFailure),
    (status = 401, body = LinksFailure),
))]
pub async fn logout(user: AuthUser, manager: Manager) -> Answer {
    let which = Which::One(user.0.session_id.clone());
    match manager.ask(EndSessions { user_id: user.id().clone(), which }).await {
        // It ended between the token's check and here, which is what was asked for.
        Ok(()) | Err(AuthError::UnknownSession) => {}
        Err(error) => return Err(fail(error)),
    }
    without_cookie(envelope::links_done("User logged out successfully"))
}

/// The answer to somebody whose session has ended.
fn without_cookie(mut response: HttpResponse) -> Answer {
    let mut expired = refresh_cookie(String::new(), 0);
    expired.make_removal();
    if let Err(error) = response.add_cookie(&expired) {
        return Err(ApiError::internal(&error));
    }
    Ok(response)
}

/// End another session of the caller.
#[utoipa::path(delete, path = "/api/v1/auth/logout/{session_id}", tag = "links: auth", security(("access" = [])),
    params(("session_id" = String, Path, description = "From `GET /api/v1/user/sessions`")),
    responses(
        (status = 200, body = LinksDone),
        (status = 400, description = "No such session", body = LinksFailure),
        (status = 401, body = LinksFailure),
    ))]
pub async fn logout_other(user: AuthUser, manager: Manager, session_id: web::Path<String>) -> Answer {
    let session = SessionId::parse(&session_id).ok_or_else(|| fail(AuthError::UnknownSession))?;
    let end = EndSessions { user_id: user.id().clone(), which: Which::One(session) };
    manager.ask(end).await.map_err(fail)?;
    Ok(envelope::links_done("User logged out successfully from given session"))
}

pub(super) fn is_web(request: &HttpRequest) -> bool {
    client::header(request, "x-client-type").is_some_and(|kind| kind.eq_ignore_ascii_case("web"))
}

/// Whether the browser says that the request came from this site (Fetch Metadata), or from an allowed origin.
fn is_same_site(request: &HttpRequest, origins: &AllowedOrigins) -> bool {
    let by_origin = client::header(request, "origin").is_some_and(|origin| origins.contains(origin));
    let by_metadata = client::header(request, "sec-fetch-site")
        .is_some_and(|site| matches!(site, "same-origin" | "same-site" | "none"));
    by_origin || by_metadata
}

/// The answer to somebody who may have got an account along with the session.
pub(super) fn entered_answer(Entered { signed_in, is_new }: Entered, web: bool) -> HttpResponse {
    let (status, message) = match is_new {
        true => (StatusCode::CREATED, "User created successfully"),
        false => (StatusCode::OK, "User logged in successfully"),
    };
    tokens(status, message, signed_in, web)
}

fn tokens(status: StatusCode, message: &str, signed_in: SignedIn, web: bool) -> HttpResponse {
    let SignedIn { user_id, access_token, refresh_token, refresh_ttl_secs } = signed_in;
    let (cookie, in_body) = if web { (Some(refresh_token), None) } else { (None, Some(refresh_token)) };
    let mut response = envelope::links(
        status,
        message,
        Tokens { id: user_id.to_string(), access_token, refresh_token: in_body },
    );
    if let Some(token) = cookie
        && let Err(error) = response.add_cookie(&refresh_cookie(token, refresh_ttl_secs))
    {
        return actix_web::ResponseError::error_response(&ApiError::internal(&error));
    }
    response
}

fn refresh_cookie(token: String, ttl_secs: u64) -> Cookie<'static> {
    Cookie::build(COOKIE, token)
        .http_only(true)
        .secure(true)
        .same_site(SameSite::Lax)
        .path(COOKIE_PATH)
        .max_age(time::Duration::seconds(ttl_secs as i64))
        .finish()
}

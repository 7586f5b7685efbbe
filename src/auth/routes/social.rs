//! `/api/auth`.

use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{api_error, invalid, parse_registration};
use crate::actor::{Ask, Mailbox};
use crate::auth::actor::SessionManager;
use crate::auth::error::AuthError;
use crate::auth::extractor::{AuthUser, bearer};
use crate::auth::messages::{
    Authenticate, EndSessionOf, EndSessions, Identity, LogIn, LogOutEverywhere, Refresh, Register, SignedIn,
    Which,
};
use crate::auth::model::{Device, Password};
use crate::http::body::OptionalJsonBody;
use crate::http::envelope::{SocialFailure, Surface};
use crate::http::rate_limit::{Charged, LimitedAction};
use crate::http::router::{Endpoint, at};
use crate::http::{ApiError, JsonBody};
use crate::users::messages::FetchUser;
use crate::users::model::{Email, User, UserId, Username};

type Users = web::Data<Ask<FetchUser>>;
type Manager = web::Data<Mailbox<SessionManager>>;
type Answer = Result<HttpResponse, ApiError>;

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![
        at("/api/auth/register").post(register),
        at("/api/auth/login").post(login),
        at("/api/auth/refresh").post(refresh),
        at("/api/auth/me").get(me),
        at("/api/auth/logout").post(logout),
    ]
}

/// A new account.
#[derive(Deserialize, ToSchema)]
pub struct NewAccount {
    /// Compared without regard to case.
    #[schema(format = "email", max_length = 254)]
    email: String,
    /// 8 to 128 characters, not among the most common.
    #[schema(value_type = String, min_length = 8, max_length = 128)]
    password: SecretString,
    /// 2 to 32 characters, unique without regard to case.
    #[schema(min_length = 2, max_length = 32)]
    username: String,
}

/// An e-mail address or username with its password.
#[derive(Deserialize, ToSchema)]
pub struct SocialCredentials {
    /// Identifies the account; may be left out when `username` does.
    email: Option<String>,
    #[schema(value_type = String)]
    password: SecretString,
    /// Identifies the account when `email` is absent.
    username: Option<String>,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshBody {
    /// From login, register or the last refresh.
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

/// Says whose session ends, when no Bearer token does.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogoutBody {
    /// Ends the session it belongs to.
    #[schema(value_type = Option<String>)]
    refresh_token: Option<SecretString>,
    /// With `password`: ends every session of the account.
    email: Option<String>,
    #[schema(value_type = Option<String>)]
    password: Option<SecretString>,
    username: Option<String>,
}

/// A user with tokens.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedInBody {
    message: &'static str,
    user: User,
    access_token: String,
    refresh_token: String,
}

/// The next pair of tokens.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshedBody {
    access_token: String,
    refresh_token: String,
}

/// Wraps a user.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserBody {
    user: User,
}

/// That it happened.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoggedOutBody {
    message: &'static str,
}

fn fail(error: AuthError) -> ApiError {
    api_error(Surface::Social, error)
}

/// Make an account.
#[utoipa::path(post, path = "/api/auth/register", tag = "social: auth", request_body = NewAccount, responses(
    (status = 201, body = SignedInBody),
    (status = 400, body = SocialFailure),
    (status = 409, description = "E-mail address or username taken", body = SocialFailure),
))]
pub async fn register(
    _: Charged<{ LimitedAction::Register as usize }>,
    request: HttpRequest,
    manager: Manager,
    users: Users,
    device: Device,
    JsonBody(body): JsonBody<NewAccount>,
) -> Answer {
    let password = body.password.expose_secret();
    let (email, password, username) =
        parse_registration(request.path(), &body.email, password, Some(&body.username))?;
    let signed_in = manager.ask(Register { email, username, password, device }).await.map_err(fail)?;
    let body = signed_in_body("User registered successfully", &users, signed_in).await?;
    Ok(HttpResponse::Created().json(body))
}

/// Open a session.
#[utoipa::path(post, path = "/api/auth/login", tag = "social: auth", request_body = SocialCredentials, responses(
    (status = 200, body = SignedInBody),
    (status = 400, body = SocialFailure),
    (status = 401, description = "Wrong credentials", body = SocialFailure),
))]
pub async fn login(
    _: Charged<{ LimitedAction::Login as usize }>,
    manager: Manager,
    users: Users,
    device: Device,
    JsonBody(body): JsonBody<SocialCredentials>,
) -> Answer {
    let identity = identity(body.email.as_deref(), body.username.as_deref())?;
    let password = Password::claimed(body.password.expose_secret());
    let signed_in = manager.ask(LogIn { identity, password, device }).await.map_err(fail)?;
    Ok(HttpResponse::Ok().json(signed_in_body("Login successful", &users, signed_in).await?))
}

/// Exchange a refresh token.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "social: auth", request_body = RefreshBody, responses(
    (status = 200, body = RefreshedBody),
    (status = 400, body = SocialFailure),
    (status = 401, description = "Expired, revoked or reused", body = SocialFailure),
))]
pub async fn refresh(
    _: Charged<{ LimitedAction::Refresh as usize }>,
    manager: Manager,
    JsonBody(body): JsonBody<RefreshBody>,
) -> Answer {
    let token = body.refresh_token.expose_secret().to_owned();
    let signed_in = manager.ask(Refresh { token }).await.map_err(fail)?;
    let SignedIn { access_token, refresh_token, .. } = signed_in;
    Ok(HttpResponse::Ok().json(RefreshedBody { access_token, refresh_token }))
}

/// Who the token speaks for.
#[utoipa::path(get, path = "/api/auth/me", tag = "social: auth", security(("access" = [])), responses(
    (status = 200, body = UserBody),
    (status = 401, body = SocialFailure),
))]
pub async fn me(user: AuthUser, users: Users) -> Answer {
    Ok(HttpResponse::Ok().json(UserBody { user: own(&users, user.id().clone()).await? }))
}

/// End the session of a Bearer token or of a refresh token, or every session of an account.
#[utoipa::path(post, path = "/api/auth/logout", tag = "social: auth", security((), ("access" = [])),
    request_body = Option<LogoutBody>, responses(
    (status = 200, body = LoggedOutBody),
    (status = 400, body = SocialFailure),
    (status = 401, body = SocialFailure),
))]
pub async fn logout(
    _: Charged<{ LimitedAction::Login as usize }>,
    request: HttpRequest,
    manager: Manager,
    device: Device,
    body: Result<OptionalJsonBody<LogoutBody>, ApiError>,
) -> Answer {
    let by_bearer = match bearer(&request) {
        Some(token) => Some(end_session_of_bearer(&manager, token).await),
        None => None,
    };
    // A good Bearer token decides; a dead one leaves the word to the body, if that has one.
    let outcome = match (by_bearer, body) {
        (Some(Ok(())), _) => Ok(()),
        (_, Ok(OptionalJsonBody(Some(LogoutBody { refresh_token: Some(token), .. })))) => {
            manager.ask(EndSessionOf { token: token.expose_secret().to_owned() }).await
        }
        (_, Ok(OptionalJsonBody(Some(LogoutBody { password: Some(password), email, username, .. })))) => {
            let identity = identity(email.as_deref(), username.as_deref())?;
            let password = Password::claimed(password.expose_secret());
            manager.ask(LogOutEverywhere { identity, password, device }).await
        }
        (Some(failure), _) => failure,
        (None, Ok(_)) => {
            let problem = "send a Bearer token, or a refreshToken, or email and password in the body";
            return Err(invalid("refreshToken", problem));
        }
        (None, Err(error)) => return Err(error),
    };
    outcome.map_err(fail)?;
    Ok(HttpResponse::Ok().json(LoggedOutBody { message: "Logout successful" }))
}

async fn end_session_of_bearer(manager: &Manager, token: &str) -> Result<(), AuthError> {
    let caller = manager.ask(Authenticate { token: token.to_owned() }).await?;
    manager.ask(EndSessions { user_id: caller.user_id, which: Which::One(caller.session_id) }).await
}

/// The e-mail address identifies; a username does where there is no address.
fn identity(email: Option<&str>, username: Option<&str>) -> Result<Identity, ApiError> {
    match (email, username) {
        (Some(email), _) if email.contains('@') => {
            Email::known(email).map(Identity::Email).map_err(|problem| invalid("email", problem))
        }
        (Some(name), _) | (None, Some(name)) => Ok(match Username::parse(name) {
            Ok(username) => Identity::Username(username),
            Err(_) => Identity::Impossible(name.to_owned()),
        }),
        (None, None) => Err(invalid("email", "send an email or a username")),
    }
}

async fn signed_in_body(
    message: &'static str,
    users: &Users,
    signed_in: SignedIn,
) -> Result<SignedInBody, ApiError> {
    let SignedIn { user_id, access_token, refresh_token, .. } = signed_in;
    Ok(SignedInBody { message, user: own(users, user_id).await?, access_token, refresh_token })
}

/// How the user looks to himself. Without a profile, which the next login makes, the account is as good as gone.
async fn own(users: &Users, id: UserId) -> Result<User, ApiError> {
    users.ask(FetchUser { viewer: id.clone(), id }).await.map_err(|error| fail(error.into()))
}

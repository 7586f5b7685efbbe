//! What mails with links are asked for and lead to: `/api/v1/auth/reset-password` and `/api/v1/user/verify-email`.
//!
//! Invariant: reading changes nothing; a program that follows the links of a mail uses no token up.

use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{api_error, invalid};
use crate::actor::Mailbox;
use crate::auth::actor::SessionManager;
use crate::auth::error::AuthError;
use crate::auth::extractor::AuthUser;
use crate::auth::messages::{RequestReset, RequestVerification, ResetPassword, VerifyEmail};
use crate::auth::model::Password;
use crate::http::envelope::{self, LinksDone, LinksFailure, Surface};
use crate::http::rate_limit::{Charged, LimitedAction};
use crate::http::router::{Endpoint, at};
use crate::http::{ApiError, FieldError, JsonBody, client};
use crate::users::model::Email;

type Manager = web::Data<Mailbox<SessionManager>>;
type Answer = Result<HttpResponse, ApiError>;

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![
        at("/api/v1/auth/reset-password").post(reset_password),
        at("/api/v1/user/verify-email").get(request_verification).patch(verify_email),
    ]
}

/// What the link in a mail carries.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ProofQuery {
    /// Names the token.
    pub(super) token_id: Option<String>,
    /// Works once.
    #[param(value_type = Option<String>)]
    pub(super) token: Option<SecretString>,
}

/// Without a token in the query `email`, with one `newPassword`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResetBody {
    /// Of the account.
    email: Option<String>,
    /// The page that the mail leads to instead of ours; counts if it is configured.
    frotend_prefix: Option<String>,
    /// The same; counts if the other does not.
    frontend_prefix: Option<String>,
    /// 8 to 128 characters, not among the most common.
    #[schema(value_type = Option<String>)]
    new_password: Option<SecretString>,
}

pub(super) fn fail(error: AuthError) -> ApiError {
    api_error(Surface::Links, error)
}

pub(super) fn weak(problem: &str) -> ApiError {
    let message = "Password provided does not meet minimum requirement";
    ApiError::invalid(message, vec![FieldError::new("newPassword", problem)])
}

/// Ask for a mail to reset a password; with what that mail carries, choose another one.
#[utoipa::path(post, path = "/api/v1/auth/reset-password", tag = "links: auth", request_body = ResetBody,
    params(ProofQuery), responses(
    (status = 200, body = LinksDone),
    (status = 400, description = "No such account, or no such password", body = LinksFailure),
    (status = 401, description = "The token is wrong, too old, or used", body = LinksFailure),
))]
pub async fn reset_password(
    _: Charged<{ LimitedAction::Reset as usize }>,
    request: HttpRequest,
    manager: Manager,
    query: web::Query<ProofQuery>,
    JsonBody(body): JsonBody<ResetBody>,
) -> Answer {
    let ProofQuery { token_id, token } = query.into_inner();
    if token_id.is_none() && token.is_none() {
        return request_reset(&manager, body).await;
    }
    let new_password = body.new_password.ok_or_else(|| weak("is missing"))?;
    let new_password = Password::parse(new_password.expose_secret()).map_err(weak)?;
    let network = client::limit_key(client::ip(&request));
    let (token_id, token) = proof(token_id, token)?;
    let reset = ResetPassword { token_id, token, new_password, network };
    manager.ask(reset).await.map_err(reset_failure)?;
    Ok(envelope::links_done("Password reseted successfully"))
}

/// Why a password is not changed.
pub(super) fn reset_failure(error: AuthError) -> ApiError {
    match error {
        AuthError::CommonPassword => weak("is among the most common passwords; choose another"),
        error => fail(error),
    }
}

async fn request_reset(manager: &Manager, body: ResetBody) -> Answer {
    let email = body.email.ok_or_else(|| invalid("email", "is missing"))?;
    let email = Email::parse(&email).map_err(|problem| invalid("email", problem))?;
    let prefixes = [body.frotend_prefix, body.frontend_prefix].into_iter().flatten().collect();
    manager.ask(RequestReset { email, prefixes }).await.map_err(fail)?;
    Ok(envelope::links_done("Password reset email sent successfully"))
}

/// Ask for a mail to verify one's address. A verified one gets none.
#[utoipa::path(get, path = "/api/v1/user/verify-email", tag = "links: user", security(("access" = [])), responses(
    (status = 200, body = LinksDone),
    (status = 400, description = "No address to verify", body = LinksFailure),
    (status = 401, body = LinksFailure),
))]
pub async fn request_verification(user: AuthUser, manager: Manager) -> Answer {
    manager.ask(RequestVerification { user_id: user.id().clone() }).await.map_err(fail)?;
    Ok(envelope::links_done("Email sent successfully"))
}

/// Verify an address with what the mail carries.
#[utoipa::path(patch, path = "/api/v1/user/verify-email", tag = "links: user", params(ProofQuery), responses(
    (status = 200, body = LinksDone),
    (status = 400, body = LinksFailure),
    (status = 401, description = "The token is wrong, too old, or used", body = LinksFailure),
))]
pub async fn verify_email(
    _: Charged<{ LimitedAction::Verify as usize }>,
    manager: Manager,
    query: web::Query<ProofQuery>,
) -> Answer {
    let ProofQuery { token_id, token } = query.into_inner();
    let (token_id, token) = proof(token_id, token)?;
    manager.ask(VerifyEmail { token_id, token }).await.map_err(fail)?;
    Ok(envelope::links_done("Email verified successfully"))
}

fn proof(token_id: Option<String>, token: Option<SecretString>) -> Result<(String, String), ApiError> {
    let (token_id, token) = token_id.zip(token).ok_or_else(|| fail(AuthError::InvalidProof))?;
    Ok((token_id, token.expose_secret().to_owned()))
}

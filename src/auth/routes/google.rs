//! `/api/v1/auth/google`.

use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::api_error;
use super::links::{Tokens, entered_answer, is_web};
use crate::actor::Mailbox;
use crate::auth::actor::SessionManager;
use crate::auth::messages::SignInWithGoogle;
use crate::auth::model::Device;
use crate::http::envelope::{LinksAnswer, LinksFailure, Surface};
use crate::http::rate_limit::{Charged, LimitedAction};
use crate::http::router::{Endpoint, at};
use crate::http::{ApiError, JsonBody};

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![at("/api/v1/auth/google").post(sign_in)]
}

/// What Google gave the client.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GoogleBody {
    /// The ID token, issued for one of the configured client ids.
    #[schema(value_type = String)]
    id_token: SecretString,
}

/// Open a session with a Google account; makes an account where there is none.
#[utoipa::path(post, path = "/api/v1/auth/google", tag = "links: auth", request_body = GoogleBody,
    params(("X-Client-Type" = Option<String>, Header, description = "`web`: the refresh token goes into a cookie")),
    responses(
        (status = 200, body = LinksAnswer<Tokens>),
        (status = 201, description = "A new account", body = LinksAnswer<Tokens>),
        (status = 400, description = "Not a token of Google's for us", body = LinksFailure),
    ))]
pub async fn sign_in(
    _: Charged<{ LimitedAction::Login as usize }>,
    request: HttpRequest,
    manager: web::Data<Mailbox<SessionManager>>,
    device: Device,
    JsonBody(body): JsonBody<GoogleBody>,
) -> Result<HttpResponse, ApiError> {
    let id_token = body.id_token.expose_secret().to_owned();
    let entered = manager.ask(SignInWithGoogle { id_token, device }).await;
    let entered = entered.map_err(|error| api_error(Surface::Links, error))?;
    Ok(entered_answer(entered, is_web(&request)))
}

//! `/ws`: the upgrade.

use actix_http::ws::HandshakeError;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::session::{Credentials, Session};
use super::ways::{SocketRules, Ways};
use crate::auth::extractor::bearer_token;
use crate::http::ApiError;
use crate::http::client::{self, AllowedOrigins};
use crate::http::envelope::LinksFailure;
use crate::http::rate_limit::{Charged, LimitedAction};
use crate::http::router::{Endpoint, at};

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![at("/ws").get(upgrade)]
}

/// Open the realtime socket. Frames and close codes: see the README.
#[utoipa::path(get, path = "/ws", tag = "social: realtime", security((), ("access" = [])), responses(
    (status = 101, description = "A WebSocket of JSON text frames"),
    (status = 400, description = "Not a WebSocket upgrade", body = LinksFailure),
))]
pub async fn upgrade(
    _: Charged<{ LimitedAction::Socket as usize }>,
    request: HttpRequest,
    payload: web::Payload,
    ways: web::Data<Ways>,
    rules: web::Data<SocketRules>,
    origins: web::Data<AllowedOrigins>,
) -> Result<HttpResponse, actix_web::Error> {
    let credentials = Credentials {
        // Credentials of another scheme are a proxy's, and say nothing here.
        token: bearer_token(&request).map(str::to_owned),
        origin_allowed: origin_is_allowed(&request, &origins),
    };
    let started = Session::start(ways.into_inner(), *rules.get_ref(), credentials, &request, payload);
    started.map_err(|error| match error.as_error::<HandshakeError>() {
        Some(problem) => {
            let message = format!("This path speaks WebSocket (RFC 6455). {problem}");
            ApiError::new(StatusCode::BAD_REQUEST, message).into()
        }
        None => error,
    })
}

/// A browser's page must be ours, or of an allowed origin; what sends no `Origin` is no browser.
fn origin_is_allowed(request: &HttpRequest, allowed: &AllowedOrigins) -> bool {
    if !request.headers().contains_key("origin") {
        return true;
    }
    let Some(origin) = client::header(request, "origin") else { return false };
    let same_host = client::header(request, "host")
        .zip(origin.split_once("://"))
        .is_some_and(|(host, (_, origin_host))| host.eq_ignore_ascii_case(origin_host));
    same_host || allowed.contains(origin)
}

//! `/ws`: the upgrade.

use actix_web::{HttpRequest, HttpResponse, web};

use super::session::{Session, SocketRules, Ways};
use crate::auth::extractor::bearer;
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
    let token = bearer(&request).map(str::to_owned);
    let allowed = origin_is_allowed(&request, &origins);
    Session::new(ways.into_inner(), *rules.get_ref(), token, allowed).upgrade(&request, payload)
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

//! `/{code}`: the short link itself.
//!
//! Invariant: every answered click has been counted, and none is answered from a cache: not ours, not the
//! browser's. The query of a short link never reaches the target; of a grant in it nobody else hears.

use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde_json::json;
use url::form_urlencoded;

use super::unlock::{self, Door};
use super::{location, parse_code, visitor, warning};
use crate::actor::Mailbox;
use crate::http::edge::{NO_STORE, SHORT_LINK, ShortLink};
use crate::http::envelope::LinksFailure;
use crate::http::pages::Problems;
use crate::http::rate_limit::{self, LimitedAction};
use crate::http::router::{Endpoint, at};
use crate::http::{ApiError, client};
use crate::shortener::actor::Shortener;
use crate::shortener::error::ShortenerError;
use crate::shortener::messages::{FetchProtection, Unlock, Visit, Visited};
use crate::shortener::model::{Key, Protection, ShortCode};
use crate::telemetry::tally::Tally;

/// Looked up once: this one counts at the pace of redirects.
pub(super) static OPEN: LazyLock<Tally> =
    LazyLock::new(|| Tally::new(metrics::counter!("ayrene_visits_total", "outcome" => "open")));

pub(super) type Links = web::Data<Mailbox<Shortener>>;
pub(super) type Answer = Result<HttpResponse, ApiError>;

/// The routes of this module; registered last, because the pattern takes any first segment.
pub fn routes() -> Vec<Endpoint> {
    vec![at(SHORT_LINK).get(follow).post(unlock::unlock)]
}

/// Follow a short link. A browser is told first when the target is not safe for work.
#[utoipa::path(method(get, head), path = "/{code}", tag = "short links",
    params(
        ("code" = String, Path, description = "Generated code or alias"),
        ("grant" = Option<String>, Query, description = "From an approval's mail; opens a link protected by APPROVE"),
    ),
    responses(
        (status = 200, description = "A page for a browser: the target is not safe for work", body = String,
            content_type = "text/html"),
        (status = 302, description = "On to the long URL", headers(("Location" = String))),
        (status = 401, description = "Protected: a page with a form for a browser, else this", body = LinksFailure),
        (status = 404, description = "Unknown or deleted", body = LinksFailure),
        (status = 410, description = "It leads to a blocked host: a page for a browser, else this", body = LinksFailure),
    ))]
pub async fn follow(request: HttpRequest, links: Links, code: web::Path<String>) -> Answer {
    request.extensions_mut().insert(ShortLink);
    rate_limit::by_address(&request, LimitedAction::Redirect)?;
    let code = parse_code(&code)?;
    let takes_page = client::wants_page(request.headers());
    let visitor = visitor(&request);
    let visited = match grant(&request, &links, &code).await? {
        None => links.ask(Visit { code: code.clone(), visitor, takes_notice: takes_page }).await,
        Some(key) => links.ask(Unlock { code: code.clone(), key, visitor }).await.map(Visited::Open),
    };
    match visited {
        Ok(Visited::Open(url)) => {
            OPEN.add(1);
            redirect(StatusCode::FOUND, &url)
        }
        Ok(Visited::Notice) => Ok(warning::notice(&code)),
        Ok(Visited::Protected(protection)) => {
            count("protected");
            locked(&request, &code, protection, Problems::default())
        }
        Err(ShortenerError::Refused { protection, .. }) => {
            count("refused");
            let wrong = match protection {
                Protection::Approve => Problems::of("grant", unlock::DEAD_GRANT),
                _ => Problems::default(),
            };
            locked(&request, &code, protection, wrong)
        }
        Err(error) => {
            count(match error {
                ShortenerError::NotFound => "missing",
                ShortenerError::Blocked => "blocked",
                _ => "failed",
            });
            warning::fail(&request, error)
        }
    }
}

/// What an approval's mail has in its link: a key, and a try like any other. In front of a link that has no use for one it is
/// as good as absent, or it would be a way around the notice.
async fn grant(request: &HttpRequest, links: &Links, code: &ShortCode) -> Result<Option<Key>, ApiError> {
    let query = request.query_string();
    if query.is_empty() {
        return Ok(None);
    }
    let found = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "grant");
    let Some((_, grant)) = found else { return Ok(None) };
    // What is wrong with the link the visit says.
    let protection = links.ask(FetchProtection { code: code.clone() }).await;
    if !matches!(protection, Ok(Protection::Approve)) {
        return Ok(None);
    }
    rate_limit::by_address(request, LimitedAction::Unlock)?;
    Ok(Some(Key::Grant(grant.into_owned().into())))
}

/// The answer that leads on to a long URL.
pub(super) fn redirect(status: StatusCode, url: &str) -> Answer {
    let location = location(url)?;
    let mut response = HttpResponse::new(status);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(NO_STORE));
    Ok(response)
}

/// What stands in front of a protected link: a page for who wants one.
pub(super) fn locked(
    request: &HttpRequest,
    code: &ShortCode,
    protection: Protection,
    wrong: Problems,
) -> Answer {
    match Door::of(protection).filter(|_| client::wants_page(request.headers())) {
        Some(door) => Ok(unlock::page(HttpResponse::Unauthorized(), code, door, wrong)),
        None => Err(ApiError::new(StatusCode::UNAUTHORIZED, "This URL is protected")
            .with_details(json!({ "protectionMethod": protection.as_str() }))),
    }
}

/// Counts how a visit ended.
pub(super) fn count(outcome: &'static str) {
    metrics::counter!("ayrene_visits_total", "outcome" => outcome).increment(1);
}

//! `/api/v1/url/:id/otp` and `/api/v1/url/:id/requests`: how visitors come by what opens a protected link.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use super::shapes::{
    AccessAsked, AccessBody, CodeBody, DecisionBody, RequestEntry, RequestsBody, RequestsQuery,
};
use super::{fail, invalid, parse_code};
use crate::actor::Mailbox;
use crate::auth::AuthUser;
use crate::http::envelope::{self, LinksAnswer, LinksDone, LinksFailure};
use crate::http::query::{MAX_PAGE, number};
use crate::http::rate_limit::{Charged, LimitedAction};
use crate::http::router::{Endpoint, at};
use crate::http::{ApiError, JsonBody};
use crate::shortener::actor::Shortener;
use crate::shortener::error::ShortenerError;
use crate::shortener::messages::{DecideRequest, ListRequests, RequestAccess, SendLinkCode};
use crate::shortener::model::{Decision, RequestId, check_reason};
use crate::users::model::Email;

const DEFAULT_REQUESTS: u32 = 20;
const MAX_REQUESTS: u32 = 100;

type Links = web::Data<Mailbox<Shortener>>;
type Answer = Result<HttpResponse, ApiError>;

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![
        at("/api/v1/url/{id}/otp").post(send_code),
        at("/api/v1/url/{id}/requests").post(request).get(list),
        at("/api/v1/url/{id}/requests/{request_id}").patch(decide),
    ]
}

/// Have the code for a link mailed. Whether the owner's list has the address, the answer does not tell.
#[utoipa::path(post, path = "/api/v1/url/{id}/otp", tag = "links: access",
    params(("id" = String, Path, description = "Code or alias")), request_body = CodeBody,
    responses(
        (status = 200, body = LinksDone),
        (status = 400, description = "Malformed, or no link protected by OTP", body = LinksFailure),
        (status = 404, body = LinksFailure),
        (status = 410, description = "It leads to a blocked host", body = LinksFailure),
    ))]
pub async fn send_code(
    _: Charged<{ LimitedAction::SendCode as usize }>,
    links: Links,
    id: web::Path<String>,
    JsonBody(body): JsonBody<CodeBody>,
) -> Answer {
    let code = parse_code(&id)?;
    let email = parse_email(&body.email)?;
    links.ask(SendLinkCode { code, email }).await.map_err(fail)?;
    Ok(envelope::links_done("OTP sent successfully"))
}

/// Ask a link's owner for access. Asking again while that waits gives the same id and tells nobody.
#[utoipa::path(post, path = "/api/v1/url/{id}/requests", tag = "links: access",
    params(("id" = String, Path, description = "Code or alias")), request_body = AccessBody,
    responses(
        (status = 202, body = LinksAnswer<AccessAsked>),
        (status = 400, description = "Malformed, or no link protected by APPROVE", body = LinksFailure),
        (status = 404, body = LinksFailure),
        (status = 410, description = "It leads to a blocked host", body = LinksFailure),
    ))]
pub async fn request(
    _: Charged<{ LimitedAction::RequestAccess as usize }>,
    links: Links,
    id: web::Path<String>,
    JsonBody(body): JsonBody<AccessBody>,
) -> Answer {
    let code = parse_code(&id)?;
    let (email, reason) = parse_asking(&body.email, body.reason)?;
    let request = links.ask(RequestAccess { code, email, reason }).await.map_err(fail)?;
    let body = AccessAsked { request_id: request.as_str().to_owned() };
    Ok(envelope::links(StatusCode::ACCEPTED, "Access requested successfully", body))
}

/// Who asked for access to a link of one's own, newest first.
#[utoipa::path(get, path = "/api/v1/url/{id}/requests", tag = "links: access", security(("access" = [])),
    params(("id" = String, Path, description = "Code or alias"), RequestsQuery),
    responses(
        (status = 200, body = LinksAnswer<RequestsBody>),
        (status = 400, body = LinksFailure),
        (status = 401, body = LinksFailure),
        (status = 404, description = "Unknown, or somebody else's", body = LinksFailure),
    ))]
pub async fn list(
    user: AuthUser,
    links: Links,
    id: web::Path<String>,
    query: web::Query<RequestsQuery>,
) -> Answer {
    let path = "/api/v1/url";
    let page = number(path, "page", query.page.as_deref(), 1, MAX_PAGE)?;
    let limit = number(path, "limit", query.limit.as_deref(), DEFAULT_REQUESTS, MAX_REQUESTS)?;
    let code = parse_code(&id)?;
    let message = ListRequests { code, owner: user.id().clone(), page, limit };
    let found = links.ask(message).await.map_err(fail)?;
    let body = RequestsBody {
        requests: found.requests.into_iter().map(RequestEntry::from).collect(),
        page,
        limit,
        total: found.total,
        has_next: u64::from(page) * u64::from(limit) < found.total,
    };
    Ok(envelope::links(StatusCode::OK, "Access requests fetched successfully", body))
}

/// Let somebody through a link of one's own, or not, or no longer.
#[utoipa::path(patch, path = "/api/v1/url/{id}/requests/{request_id}", tag = "links: access",
    security(("access" = [])), request_body = DecisionBody,
    params(
        ("id" = String, Path, description = "Code or alias"),
        ("request_id" = String, Path, description = "Id of the request"),
    ),
    responses(
        (status = 200, body = LinksDone),
        (status = 400, body = LinksFailure),
        (status = 401, body = LinksFailure),
        (status = 404, description = "No such request, or no such link of one's own", body = LinksFailure),
    ))]
pub async fn decide(
    user: AuthUser,
    links: Links,
    path: web::Path<(String, String)>,
    JsonBody(body): JsonBody<DecisionBody>,
) -> Answer {
    let (id, request) = path.into_inner();
    let code = parse_code(&id)?;
    let decision = Decision::parse(&body.decision).map_err(|problem| invalid("decision", problem))?;
    let request = RequestId::parse(&request).ok_or_else(|| fail(ShortenerError::NoSuchRequest))?;
    links.ask(DecideRequest { code, owner: user.id().clone(), request, decision }).await.map_err(fail)?;
    Ok(envelope::links_done("Access request updated successfully"))
}

/// Who asks for access, and why.
pub(super) fn parse_asking(email: &str, reason: Option<String>) -> Result<(Email, Option<String>), ApiError> {
    let email = parse_email(email)?;
    let reason = reason.filter(|reason| !reason.trim().is_empty());
    if let Some(reason) = &reason {
        check_reason(reason).map_err(|problem| invalid("reason", &problem))?;
    }
    Ok((email, reason))
}

/// Where a code or an answer is to go.
pub(super) fn parse_email(text: &str) -> Result<Email, ApiError> {
    Email::parse(text).map_err(|problem| invalid("email", problem))
}

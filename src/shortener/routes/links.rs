//! `/api/v1/url`.

use std::future::Future;
use std::pin::Pin;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web};

use super::locks::{Relock, parse_key, parse_lock, parse_relock};
use super::shapes::{
    LinkBody, LinkChanges, LinkDetails, LinksBody, ListQuery, NewLink, ProtectionBody, Stat, StatsBody,
    StatsQuery, Summary, Target, UnlockBody,
};
use super::{fail, invalid, location, parse_code, seen_as, visitor};
use crate::actor::Mailbox;
use crate::auth::AuthUser;
use crate::auth::extractor::MaybeUser;
use crate::auth::messages::Caller;
use crate::http::envelope::{self, LinksAnswer, LinksDone, LinksFailure};
use crate::http::query::{MAX_PAGE, number};
use crate::http::rate_limit::{self, Charged, LimitedAction};
use crate::http::router::{Endpoint, at};
use crate::http::{ApiError, JsonBody};
use crate::shortener::actor::Shortener;
use crate::shortener::error::ShortenerError;
use crate::shortener::messages::{
    DeleteLink, FetchLink, FetchStats, ListLinks, Shorten, Unlock, UpdateLink, Visit, Visited,
};
use crate::shortener::model::{Lock, ShortCode};
use crate::values::PublicUrl;

const DEFAULT_LINKS: u32 = 20;
const MAX_LINKS: u32 = 100;
const DEFAULT_EVENTS: u32 = 10;
const MAX_EVENTS: u32 = 30;
const MAX_SEARCH: usize = 256;

type Links = web::Data<Mailbox<Shortener>>;
type Answer = Result<HttpResponse, ApiError>;

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![
        at("/api/v1/url").post(shorten).get(list),
        at("/api/v1/url/get/{id}").get(fetch),
        at("/api/v1/url/stats/{id}").get(stats),
        at("/api/v1/url/{id}").get(visit).post(unlock).patch(update).delete(delete),
    ]
}

/// Who makes a link: a user, or nobody for a guest; counted against either's limit before the body is read.
#[derive(Debug)]
pub struct Maker(Option<Caller>);

impl FromRequest for Maker {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, user) = (request.clone(), MaybeUser::from_request(request, payload));
        Box::pin(async move {
            let MaybeUser(caller) = user.await?;
            match &caller {
                Some(caller) => {
                    rate_limit::by_user(&request, LimitedAction::Shorten, caller.user_id.as_str())?
                }
                None => rate_limit::by_address(&request, LimitedAction::ShortenGuest)?,
            }
            Ok(Self(caller))
        })
    }
}

/// Make a link, with an account or as a guest.
#[utoipa::path(post, path = "/api/v1/url", tag = "links: url", security((), ("access" = [])), request_body = NewLink,
    responses(
        (status = 201, body = LinksAnswer<LinkDetails>),
        (status = 400, body = LinksFailure),
        (status = 401, description = "A bad token, or a guest who wants what needs an account", body = LinksFailure),
        (status = 403, description = "Too many links", body = LinksFailure),
        (status = 409, description = "The alias is taken", body = LinksFailure),
    ))]
pub async fn shorten(
    request: HttpRequest,
    links: Links,
    public: web::Data<PublicUrl>,
    Maker(caller): Maker,
    JsonBody(body): JsonBody<NewLink>,
) -> Answer {
    let (analytics, mail) =
        (body.is_analytics_enabled == Some(true), body.email_notification_enable == Some(true));
    if caller.is_none() && (analytics || mail) {
        let message = "Log in to have analytics or e-mail notifications";
        return Err(ApiError::unauthorized(message));
    }
    let lock = parse_lock(&body)?;
    if caller.is_none() && matches!(lock, Lock::Otp(_) | Lock::Approve) {
        return Err(ApiError::unauthorized("Log in to protect links with OTP or APPROVE"));
    }
    let alias = body.custom_alias.as_deref().map(parse_alias).transpose()?;
    let message = Shorten {
        long_url: body.long_url,
        seen_as: seen_as(&request),
        owner: caller.map(|caller| caller.user_id),
        alias,
        lock,
        sfw: body.is_url_sfw,
        analytics,
        email_notifications: mail,
    };
    let link = links.ask(message).await.map_err(fail)?;
    Ok(envelope::links(StatusCode::CREATED, "URL shorted successfully", LinkDetails::new(&public, link)))
}

/// One's own links, newest first.
#[utoipa::path(get, path = "/api/v1/url", tag = "links: url", security(("access" = [])), params(ListQuery), responses(
    (status = 200, body = LinksAnswer<LinksBody>),
    (status = 400, body = LinksFailure),
    (status = 401, body = LinksFailure),
))]
pub async fn list(
    request: HttpRequest,
    user: AuthUser,
    links: Links,
    public: web::Data<PublicUrl>,
    query: web::Query<ListQuery>,
) -> Answer {
    let page = number(request.path(), "page", query.page.as_deref(), 1, MAX_PAGE)?;
    let limit = number(request.path(), "limit", query.limit.as_deref(), DEFAULT_LINKS, MAX_LINKS)?;
    let search = query.search.clone().filter(|search| !search.is_empty());
    if search.as_ref().is_some_and(|search| search.len() > MAX_SEARCH) {
        return Err(invalid("search", "must be at most 256 bytes long"));
    }
    if search.is_some() {
        rate_limit::by_user(&request, LimitedAction::Search, user.id().as_str())?;
    }
    let found = links.ask(ListLinks { owner: user.id().clone(), page, limit, search }).await.map_err(fail)?;
    let body = LinksBody {
        urls: found.links.into_iter().map(|link| LinkDetails::new(&public, link)).collect(),
        page,
        limit,
        total: found.total,
        has_next: u64::from(page) * u64::from(limit) < found.total,
        complete: found.complete,
    };
    Ok(envelope::links(StatusCode::OK, "URLs fetched successfully", body))
}

/// Follow a link, as data.
#[utoipa::path(get, path = "/api/v1/url/{id}", tag = "links: url",
    params(("id" = String, Path, description = "Code or alias")),
    responses(
        (status = 200, description = "Protected", body = LinksAnswer<ProtectionBody>),
        (status = 302, description = "On to the long URL", body = LinksAnswer<Target>, headers(("Location" = String))),
        (status = 404, body = LinksFailure),
        (status = 410, description = "It leads to a blocked host", body = LinksFailure),
    ))]
pub async fn visit(request: HttpRequest, links: Links, id: web::Path<String>) -> Answer {
    rate_limit::by_address(&request, LimitedAction::Redirect)?;
    let code = parse_code(&id)?;
    let visit = Visit { code, visitor: visitor(&request), takes_notice: false };
    match links.ask(visit).await.map_err(fail)? {
        Visited::Open(url) => {
            let location = location(&url)?;
            let mut response =
                envelope::links(StatusCode::FOUND, "Redirecting user to original URL", Target { url });
            response.headers_mut().insert(header::LOCATION, location);
            Ok(response)
        }
        Visited::Protected(protection) => {
            let body = ProtectionBody { protection_method: protection.as_str() };
            Ok(envelope::links(StatusCode::OK, "Protected URL", body))
        }
        Visited::Notice => unreachable!("a program is shown no notice"),
    }
}

/// Open a protected link.
#[utoipa::path(post, path = "/api/v1/url/{id}", tag = "links: url",
    params(("id" = String, Path, description = "Code or alias")),
    request_body(content = UnlockBody, examples(
        ("password" = (summary = "With `PASSWORD`", value = json!({"password": "correct horse battery staple"}))),
        ("code" = (summary = "With `OTP`", value = json!({"email": "ada@example.com", "OTP": "123456"}))),
        ("grant" = (summary = "With `APPROVE`", value = json!({"grant": "what stands in the link that was mailed"}))),
    )),
    responses(
        (status = 200, body = LinksAnswer<Target>),
        (status = 400, body = LinksFailure),
        (status = 401, description = "Wrong password, code or grant", body = LinksFailure),
        (status = 404, body = LinksFailure),
        (status = 410, description = "It leads to a blocked host", body = LinksFailure),
    ))]
pub async fn unlock(
    _: Charged<{ LimitedAction::Unlock as usize }>,
    request: HttpRequest,
    links: Links,
    id: web::Path<String>,
    JsonBody(body): JsonBody<UnlockBody>,
) -> Answer {
    let code = parse_code(&id)?;
    let key = parse_key(&body)?;
    let url = links.ask(Unlock { code, key, visitor: visitor(&request) }).await.map_err(fail)?;
    Ok(envelope::links(StatusCode::OK, "Long URL fetched successfully", Target { url }))
}

/// A link of one's own.
#[utoipa::path(get, path = "/api/v1/url/get/{id}", tag = "links: url", security(("access" = [])),
    params(("id" = String, Path, description = "Code or alias")),
    responses(
        (status = 200, body = LinksAnswer<LinkBody>),
        (status = 400, body = LinksFailure),
        (status = 401, body = LinksFailure),
        (status = 404, description = "Unknown, or somebody else's", body = LinksFailure),
    ))]
pub async fn fetch(
    user: AuthUser,
    links: Links,
    public: web::Data<PublicUrl>,
    id: web::Path<String>,
) -> Answer {
    let code = parse_code(&id)?;
    let link = links.ask(FetchLink { code, owner: user.id().clone() }).await.map_err(fail)?;
    let body = LinkBody { url: LinkDetails::new(&public, link) };
    Ok(envelope::links(StatusCode::OK, "URL data fetched successfully", body))
}

/// Attempts to follow a link of one's own, newest first.
#[utoipa::path(get, path = "/api/v1/url/stats/{id}", tag = "links: url", security(("access" = [])),
    params(("id" = String, Path, description = "Code or alias"), StatsQuery),
    responses(
        (status = 200, body = LinksAnswer<StatsBody>),
        (status = 400, body = LinksFailure),
        (status = 401, body = LinksFailure),
        (status = 404, description = "Unknown, or somebody else's", body = LinksFailure),
    ))]
pub async fn stats(
    request: HttpRequest,
    user: AuthUser,
    links: Links,
    id: web::Path<String>,
    query: web::Query<StatsQuery>,
) -> Answer {
    let not_found = || ApiError::not_found("Url not found");
    let page = number(request.path(), "page", query.page.as_deref(), 1, MAX_PAGE)?;
    let range = number(request.path(), "range", query.range.as_deref(), DEFAULT_EVENTS, MAX_EVENTS)?;
    let code = ShortCode::parse(&id).ok_or_else(not_found)?;
    let message = FetchStats { code, owner: user.id().clone(), page, limit: range };
    let found = links.ask(message).await.map_err(|error| match error {
        ShortenerError::NotFound => not_found(),
        error => fail(error),
    })?;
    let body = StatsBody {
        stats: found.events.into_iter().map(|event| Stat::new(page, event)).collect(),
        page,
        range,
        total: found.total,
        has_next: u64::from(page) * u64::from(range) < found.total,
        summary: found.tallies.map(Summary::new),
    };
    Ok(envelope::links(StatusCode::OK, "URL analytics fetched successfully", body))
}

/// Change a link of one's own.
#[utoipa::path(patch, path = "/api/v1/url/{id}", tag = "links: url", security(("access" = [])),
    params(("id" = String, Path, description = "Code or alias")),
    request_body(content = LinkChanges, examples(
        ("elsewhere" = (summary = "Lead elsewhere", value = json!({"newLongUrl": "https://example.com/elsewhere"}))),
        ("lock" = (summary = "Ask for a password", value = json!(
            {"newProtectionMethod": "PASSWORD", "newPassword": "correct horse battery staple"}))),
        ("record" = (summary = "Record attempts", value = json!({"newIsAnalyticsEnabled": true}))),
    )),
    responses(
        (status = 200, body = LinksAnswer<LinkBody>),
        (status = 400, body = LinksFailure),
        (status = 401, body = LinksFailure),
        (status = 404, description = "Unknown, or somebody else's", body = LinksFailure),
    ))]
pub async fn update(
    request: HttpRequest,
    user: AuthUser,
    links: Links,
    public: web::Data<PublicUrl>,
    id: web::Path<String>,
    JsonBody(body): JsonBody<LinkChanges>,
) -> Answer {
    let code = parse_code(&id)?;
    let Relock { protection, password, otp_allowed } = parse_relock(&body)?;
    let message = UpdateLink {
        code,
        owner: user.id().clone(),
        seen_as: seen_as(&request),
        long_url: body.new_long_url,
        protection,
        password,
        otp_allowed,
        sfw: body.new_is_url_sfw,
        analytics: body.new_is_analytics_enabled,
        email_notifications: body.new_email_notification_enable,
    };
    if message.is_empty() {
        return Err(invalid(
            "",
            "send at least one of newLongUrl, newProtectionMethod, newPassword, newOtpAllowedEmails, \
            newIsUrlSFW, newIsAnalyticsEnabled, newEmailNotificationEnable",
        ));
    }
    let link = links.ask(message).await.map_err(fail)?;
    Ok(envelope::links(
        StatusCode::OK,
        "Data updated successfully",
        LinkBody { url: LinkDetails::new(&public, link) },
    ))
}

/// Delete a link of one's own.
#[utoipa::path(delete, path = "/api/v1/url/{id}", tag = "links: url", security(("access" = [])),
    params(("id" = String, Path, description = "Code or alias")),
    responses(
        (status = 200, body = LinksDone),
        (status = 400, body = LinksFailure),
        (status = 401, body = LinksFailure),
        (status = 404, description = "Unknown, or somebody else's", body = LinksFailure),
    ))]
pub async fn delete(user: AuthUser, links: Links, id: web::Path<String>) -> Answer {
    let code = parse_code(&id)?;
    links.ask(DeleteLink { code, owner: user.id().clone() }).await.map_err(fail)?;
    Ok(envelope::links_done("URL deleted successfully"))
}

fn parse_alias(text: &str) -> Result<ShortCode, ApiError> {
    ShortCode::parse(text).ok_or_else(|| invalid("customAlias", "must be 3 to 64 of A-Z a-z 0-9 - _"))
}

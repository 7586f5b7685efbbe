//! What happens to every request, once, on the way in and out.
//!
//! Owns request ids, the access log, request metrics, security headers and the rendering of failures.
//! Invariant: no answer to a request leaves without a request id, `nosniff` and a frame ban, and no failure in a
//! shape that its surface does not know. (What is not even HTTP is answered below us, by actix-http, with a bare 400.)

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use tracing::Instrument;

use super::envelope::{Surface, links_failure, social_failure};
use super::error::ApiError;
use super::remainder::{Last, Remainder};
use super::{client, pages, rate_limit};
use crate::telemetry::tally::{Tally, Timings};

/// The route of short links.
pub const SHORT_LINK: &str = "/{code}";

/// What an answer that is not a page may load: nothing.
pub(super) const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// The vendored Swagger UI brings its scripts along and styles itself inline.
const DOCS_POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// No browser guesses what an answer is.
pub(super) const CONTENT_TYPE_OPTIONS: &str = "nosniff";
/// No page shows an answer in a frame.
pub(super) const FRAME_OPTIONS: &str = "DENY";
/// A target may learn which site its visitor came from, as without us in between; never the page.
pub(super) const REDIRECT_REFERRER_POLICY: &str = "strict-origin-when-cross-origin";
/// What nobody may keep.
pub const NO_STORE: &str = "no-store";

/// The metrics of a redirect, looked up once.
static FOUND: LazyLock<Tally> = LazyLock::new(|| {
    Tally::new(metrics::counter!("ayrene_http_requests_total", "route" => SHORT_LINK, "status" => "302"))
});
static SHORT_LINK_SECONDS: LazyLock<Timings> =
    LazyLock::new(|| Timings::new(metrics::histogram!("ayrene_http_request_seconds", "route" => SHORT_LINK)));

/// Marks a response of 400 or more whose body is already what the client should see (a page with a form).
#[derive(Debug, Clone, Copy)]
pub struct Rendered;

/// Marks a request that follows a short link, in its extensions: its route needs no second look-up.
#[derive(Debug, Clone, Copy)]
pub struct ShortLink;

/// The middleware.
pub async fn edge(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let id = RequestId::next().to_string();
    let remainder = Remainder::of(&mut request);
    let response = if may_be_short_link(request.request()) {
        next.call(request).await?
    } else {
        let span = tracing::info_span!("request", id, method = %request.method(), path = request.path());
        next.call(request).instrument(span).await?
    };
    let mut response = response.map_into_boxed_body();
    if response.status().as_u16() >= 400 {
        response = rendered(response);
    }
    let request = response.request().clone();
    let route = route(&request);
    write_headers(&request, response.headers_mut(), &id, &route);
    if request.head().upgrade() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // Who wanted another protocol and did not get it is told that this connection ends; it does.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    observe(&request, response.status(), started, &id, route);
    if !remainder.ends().await {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        response = response.map_body(|_, body| BoxBody::new(Last::new(body, &request)));
    }
    Ok(response)
}

/// Ids that a thread takes at once, so that threads need not agree on each.
const BLOCK: u64 = 4096;

/// Unique within this process and, by its random start, in all likelihood everywhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestId(u64);

impl RequestId {
    /// The next request's.
    pub(super) fn next() -> Self {
        static BLOCKS: AtomicU64 = AtomicU64::new(0);
        thread_local! {
            static NEXT: Cell<u64> = const { Cell::new(0) };
        }
        let next = match NEXT.get() {
            next if next.is_multiple_of(BLOCK) => BLOCKS.fetch_add(BLOCK, Ordering::Relaxed),
            next => next,
        };
        NEXT.set(next + 1);
        Self(next)
    }

    fn process() -> &'static str {
        static PROCESS: LazyLock<String> = LazyLock::new(|| nanoid::nanoid!(8));
        &PROCESS
    }

    /// Appends it, without the machinery of [`fmt::Display`].
    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(Self::process().as_bytes());
        out.push(b'-');
        let digits = (u64::BITS - self.0.leading_zeros()).div_ceil(4).max(1);
        for digit in (0..digits).rev() {
            out.push(b"0123456789abcdef"[(self.0 >> (digit * 4)) as usize & 15]);
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(24);
        self.write(&mut text);
        formatter.write_str(&String::from_utf8_lossy(&text))
    }
}

/// The requests whose every microsecond counts go without a span: their log lines carry the id themselves.
fn may_be_short_link(request: &HttpRequest) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
        && !request.path().trim_start_matches('/').contains(['/', '.'])
}

/// The matched pattern, for metrics and headers.
fn route(request: &HttpRequest) -> Cow<'static, str> {
    if request.extensions().contains::<ShortLink>() {
        return Cow::Borrowed(SHORT_LINK);
    }
    request.match_pattern().map_or(Cow::Borrowed("none"), Cow::Owned)
}

fn rendered(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    if response.response().extensions().get::<Rendered>().is_some() {
        return response;
    }
    let known = response.response().extensions().get::<ApiError>().cloned();
    let error = known.unwrap_or_else(|| ApiError::of_status(response.status()));
    let (request, before) = response.into_parts();
    let mut after = render(&request, &error);
    for name in [header::ALLOW, header::CONTENT_RANGE] {
        if let Some(value) = before.headers().get(&name) {
            after.headers_mut().insert(name, value.clone());
        }
    }
    ServiceResponse::new(request, after)
}

fn render(request: &HttpRequest, error: &ApiError) -> HttpResponse {
    let mut builder = pages::answer_to(error);
    if error.asks_for_token {
        builder.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
    }
    match Surface::of(request.path()) {
        Surface::Links => builder.json(links_failure(error)),
        Surface::Social => builder.json(social_failure(error)),
        Surface::Page if client::wants_page(request.headers()) => pages::failure(builder, error),
        Surface::Page => builder.json(links_failure(error)),
    }
}

fn write_headers(request: &HttpRequest, headers: &mut HeaderMap, id: &str, route: &str) {
    let put = |headers: &mut HeaderMap, name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    rate_limit::write_headers(request, headers);
    put(headers, header::X_CONTENT_TYPE_OPTIONS, CONTENT_TYPE_OPTIONS);
    put(headers, header::X_FRAME_OPTIONS, FRAME_OPTIONS);
    put(
        headers,
        header::CONTENT_SECURITY_POLICY,
        if route.starts_with("/docs") { DOCS_POLICY } else { DATA_POLICY },
    );
    let redirect = route == SHORT_LINK && headers.contains_key(header::LOCATION);
    put(headers, header::REFERRER_POLICY, if redirect { REDIRECT_REFERRER_POLICY } else { "no-referrer" });
    if Surface::of(request.path()) != Surface::Page {
        put(headers, header::CACHE_CONTROL, NO_STORE);
    }
}

fn observe(request: &HttpRequest, status: StatusCode, started: Instant, id: &str, route: Cow<'static, str>) {
    let elapsed = started.elapsed();
    let redirect = route == SHORT_LINK;
    if redirect && status == StatusCode::FOUND {
        observe_redirects(1, elapsed);
        log_redirect(id, request.path(), started);
        return;
    }
    let code = status_label(status);
    metrics::counter!("ayrene_http_requests_total", "route" => route.clone(), "status" => code).increment(1);
    metrics::histogram!("ayrene_http_request_seconds", "route" => route).record(elapsed);
    let micros = elapsed.as_micros() as u64;
    let (method, path, ip) = (request.method().as_str(), request.path(), client::ip(request));
    if redirect {
        tracing::debug!(id, method, path, status = status.as_u16(), micros, %ip, "request");
    } else {
        tracing::info!(id, method, path, status = status.as_u16(), micros, %ip, "request");
    }
}

/// Counts `count` short links that were followed in `elapsed`, all of them.
pub(super) fn observe_redirects(count: usize, elapsed: Duration) {
    FOUND.add(count as u64);
    SHORT_LINK_SECONDS.record(elapsed, count);
}

/// Logs that the short link at `path` was followed, by the request `id` that began at `started`.
pub(super) fn log_redirect(id: impl fmt::Display, path: &str, started: Instant) {
    tracing::debug!(%id, path, micros = started.elapsed().as_micros() as u64, "redirect");
}

/// The status as a metric label.
fn status_label(status: StatusCode) -> Cow<'static, str> {
    match status {
        StatusCode::OK => Cow::Borrowed("200"),
        StatusCode::CREATED => Cow::Borrowed("201"),
        StatusCode::NOT_FOUND => Cow::Borrowed("404"),
        other => Cow::Owned(other.as_u16().to_string()),
    }
}

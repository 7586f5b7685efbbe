//! HTTP for links: the API, the start page and the short link itself.

pub mod access;
pub mod home;
pub mod lane;
pub mod links;
mod locks;
pub mod redirect;
pub mod shapes;
pub mod unlock;
mod warning;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};

use super::error::ShortenerError;
use super::model::{Protection, ShortCode};
use super::visitor::Visitor;
use crate::http::body::invalid_message;
use crate::http::{ApiError, FieldError, client};

const API: &str = "/api/v1/url";
const NO_SUCH_CODE: &str = "URL code does not exists";
/// When to ask again for access to a link whose owner does not answer. Seconds
const FULL_RETRY_SECS: u64 = 3600;

/// The one place where a [`ShortenerError`] becomes an HTTP answer.
fn api_error(path: &str, error: ShortenerError) -> ApiError {
    match error {
        ShortenerError::NotFound => ApiError::not_found(NO_SUCH_CODE),
        ShortenerError::Invalid { field, problem } => {
            ApiError::invalid(invalid_message(path), vec![FieldError::new(field, problem)])
        }
        ShortenerError::Blocked => ApiError::new(StatusCode::GONE, "This URL is blocked"),
        ShortenerError::AliasTaken => ApiError::new(StatusCode::CONFLICT, "Custom alias is already taken"),
        ShortenerError::TooManyLinks => ApiError::new(
            StatusCode::FORBIDDEN,
            "This account has as many links as allowed; delete some first",
        ),
        ShortenerError::Refused { tried, .. } => ApiError::new(StatusCode::UNAUTHORIZED, refusal(tried)),
        ShortenerError::Wait(time) => ApiError::too_many(
            "Too many wrong passwords for this link, wait before the next try",
            time.as_millis().div_ceil(1000) as u64,
        ),
        ShortenerError::MailWait(time) => ApiError::too_many(
            "Too many mails of this kind, wait before the next one",
            time.as_millis().div_ceil(1000) as u64,
        ),
        ShortenerError::TooManyRequests => ApiError::too_many(
            "As many as allowed wait for the owner of this link, try again later",
            FULL_RETRY_SECS,
        ),
        ShortenerError::NoSuchRequest => ApiError::not_found("Access request not found"),
        ShortenerError::Contended | ShortenerError::Backlog => ApiError::unavailable(),
        ShortenerError::Ask(error) => error.into(),
        ShortenerError::Redis(failure) => (&failure).into(),
        ShortenerError::Hash(_) | ShortenerError::Notifier(_) => ApiError::internal(&error),
    }
}

fn fail(error: ShortenerError) -> ApiError {
    api_error(API, error)
}

fn invalid(field: &str, problem: &str) -> ApiError {
    ApiError::invalid(invalid_message(API), vec![FieldError::new(field, problem)])
}

/// What a wrong key is called.
const fn refusal(tried: Protection) -> &'static str {
    match tried {
        Protection::Password | Protection::None => "Password is incorrect",
        Protection::Otp => "OTP is incorrect",
        Protection::Approve => "Grant is invalid or expired",
    }
}

/// The code in a path; what cannot be one is not found without a look at the datastore.
fn parse_code(text: &str) -> Result<ShortCode, ApiError> {
    ShortCode::parse(text).ok_or_else(|| ApiError::not_found(NO_SUCH_CODE))
}

/// The `Location` of a long URL: its bytes as they were given.
fn location(url: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_bytes(url.as_bytes()).map_err(|error| ApiError::internal(&error))
}

/// The host that a request was sent to.
fn seen_as(request: &HttpRequest) -> Option<String> {
    client::header(request, "host").map(str::to_owned)
}

fn visitor(request: &HttpRequest) -> Visitor {
    let ip = client::ip(request);
    Visitor {
        http_method: match *request.method() {
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            _ => "GET",
        },
        ip,
        network: client::limit_key(ip),
        referrer: client::header(request, header::REFERER.as_str()).map(str::to_owned),
        user_agent: client::user_agent(request),
    }
}

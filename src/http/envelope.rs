//! How answers look on each surface.
//!
//! Links wraps everything: `{status, message, success: true, data}` and `{status, error, success: false,
//! details}`. Social answers bare objects, and errors as `{success: false, message, errors}`. Everything else
//! is for people: a page in a browser, the Links envelope in a terminal.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::error::{ApiError, FieldError};

/// Which contract a path belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// `/api/v1`.
    Links,
    /// The rest of `/api`, and `/uploads`.
    Social,
    /// Short links and pages.
    Page,
}

impl Surface {
    /// The surface that `path` belongs to.
    pub fn of(path: &str) -> Self {
        let below = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if below("/api/v1") {
            Self::Links
        } else if below("/api") || below("/uploads") {
            Self::Social
        } else {
            Self::Page
        }
    }
}

/// A successful answer of the Links surface.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinksAnswer<T> {
    /// The HTTP status.
    pub status: u16,
    /// What happened, in the contract's words.
    pub message: String,
    /// Always true.
    pub success: bool,
    /// What was asked for.
    pub data: T,
}

/// A successful answer of the Links surface that carries nothing.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinksDone {
    /// The HTTP status.
    pub status: u16,
    /// What happened, in the contract's words.
    pub message: String,
    /// Always true.
    pub success: bool,
}

/// A failure on the Links surface.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinksFailure {
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, in the contract's words.
    pub error: String,
    /// Always false.
    pub success: bool,
    /// More for programs; `errors` lists the fields at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub details: Option<Value>,
}

/// A failure on the Social surface.
#[derive(Debug, Serialize, ToSchema)]
pub struct SocialFailure {
    /// Always false.
    pub success: bool,
    /// What is wrong, in words.
    pub message: String,
    /// The fields at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
}

/// A Links answer with data.
pub fn links<T: Serialize>(status: StatusCode, message: &str, data: T) -> HttpResponse {
    let (code, message) = (status.as_u16(), message.to_owned());
    HttpResponse::build(status).json(LinksAnswer { status: code, message, success: true, data })
}

/// A Links answer without data.
pub fn links_done(message: &str) -> HttpResponse {
    HttpResponse::Ok().json(LinksDone { status: 200, message: message.to_owned(), success: true })
}

/// `error` as Links clients read it.
pub fn links_failure(error: &ApiError) -> LinksFailure {
    let details = match (&error.details, error.fields.is_empty()) {
        (details, true) => details.clone(),
        (_, false) => Some(json!({ "errors": error.fields })),
    };
    LinksFailure { status: error.status.as_u16(), error: error.message.to_string(), success: false, details }
}

/// `error` as Social clients read it.
pub fn social_failure(error: &ApiError) -> SocialFailure {
    SocialFailure { success: false, message: error.message.to_string(), errors: error.fields.clone() }
}

//! The error of every handler and extractor.
//!
//! A domain has errors of its own (thiserror, no HTTP) and says in its routes, in one function, which
//! [`ApiError`] each becomes. How that looks on the wire depends on the surface and is [`super::edge`]'s.

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::actor::AskError;
use crate::redis::RedisFailure;
use crate::storage::StorageError;

/// Seconds after which a 503 may be tried again.
const RETRY_SECS: u64 = 1;
const WENT_WRONG: &str = "Something went wrong, Try again after some time";
const UNAVAILABLE: &str = "The service is busy or its datastore is away, Try again after some time";

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Name or path of the field; empty when the body as a whole is meant.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl FieldError {
    /// An error of `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// A failure as a client gets to know it.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// HTTP status, 400 or more.
    pub status: StatusCode,
    /// One sentence for people; part of the contract where the contract has it.
    pub message: Cow<'static, str>,
    /// Fields at fault.
    pub fields: Vec<FieldError>,
    /// More for programs; an object.
    pub details: Option<Value>,
    /// `Retry-After`, in seconds.
    pub retry_after_secs: Option<u64>,
    /// `WWW-Authenticate: Bearer` (RFC 6750).
    pub asks_for_token: bool,
}

impl ApiError {
    /// An error with nothing but a status and a message.
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            message: message.into(),
            fields: Vec::new(),
            details: None,
            retry_after_secs: None,
            asks_for_token: false,
        }
    }

    /// 400 naming the fields at fault.
    pub fn invalid(message: impl Into<Cow<'static, str>>, fields: Vec<FieldError>) -> Self {
        Self { fields, ..Self::new(StatusCode::BAD_REQUEST, message) }
    }

    /// 401 of a missing or dead token.
    pub fn unauthorized(message: impl Into<Cow<'static, str>>) -> Self {
        Self { asks_for_token: true, ..Self::new(StatusCode::UNAUTHORIZED, message) }
    }

    /// 404.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 429 with the seconds to wait.
    pub fn too_many(message: impl Into<Cow<'static, str>>, retry_after_secs: u64) -> Self {
        Self {
            retry_after_secs: Some(retry_after_secs.max(1)),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, message)
        }
    }

    /// 503: saturated, or the datastore is away.
    pub fn unavailable() -> Self {
        Self { retry_after_secs: Some(RETRY_SECS), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE) }
    }

    /// 500. The cause goes to the log, never to the client.
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(cause, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, WENT_WRONG)
    }

    /// The same error with more for programs.
    pub fn with_details(self, details: Value) -> Self {
        Self { details: Some(details), ..self }
    }

    /// The error for a status that some lower layer answered with.
    pub fn of_status(status: StatusCode) -> Self {
        let message = match status {
            StatusCode::NOT_FOUND => "There is nothing at this path",
            StatusCode::METHOD_NOT_ALLOWED => "This path does not take that method; see the Allow header",
            StatusCode::PAYLOAD_TOO_LARGE => "The request is too large",
            StatusCode::INTERNAL_SERVER_ERROR => WENT_WRONG,
            StatusCode::SERVICE_UNAVAILABLE => return Self::unavailable(),
            _ => status.canonical_reason().unwrap_or("The request cannot be handled"),
        };
        Self::new(status, message)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.status.as_u16(), self.message)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    /// Only a carrier: [`super::edge`] puts the body in, because only there the surface is known.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.status);
        response.extensions_mut().insert(self.clone());
        response
    }
}

impl From<AskError> for ApiError {
    fn from(_: AskError) -> Self {
        Self::unavailable()
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NotFound => Self::of_status(StatusCode::NOT_FOUND),
            StorageError::TooLarge(_) => Self::of_status(StatusCode::PAYLOAD_TOO_LARGE),
            StorageError::Stopped => Self::unavailable(),
            StorageError::TimedOut | StorageError::Failed(_) => {
                tracing::error!(cause = &error as &(dyn std::error::Error + 'static), "the store failed");
                Self::unavailable()
            }
        }
    }
}

impl From<&RedisFailure> for ApiError {
    fn from(failure: &RedisFailure) -> Self {
        match failure {
            RedisFailure::Unavailable { .. } => {
                tracing::debug!(
                    cause = failure as &(dyn std::error::Error + 'static),
                    "datastore unavailable"
                );
                Self::unavailable()
            }
            RedisFailure::Unexpected { .. } => Self::internal(failure),
        }
    }
}

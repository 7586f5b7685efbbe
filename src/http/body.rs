//! Bounded reading of request bodies.
//!
//! Invariant: a body is read up to `server.max_body_bytes` within `server.body_timeout_secs` and no further;
//! whatever is in it, the outcome is a value or a 4xx that names the field.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::envelope::Surface;
use super::error::{ApiError, FieldError};

/// Longest description of what is wrong with a field, in characters.
const MAX_PROBLEM: usize = 200;

/// How much of a body is read, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Bytes.
    pub max_bytes: usize,
    /// From the head's end to the body's end.
    pub timeout: Duration,
}

/// A parsed JSON body.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

/// A parsed `application/x-www-form-urlencoded` body.
#[derive(Debug)]
pub struct FormBody<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            insist_on_type(&request, "application/json")?;
            let bytes = read(&request, payload).await?;
            parse_json(&bytes, invalid_message(request.path())).map(Self)
        })
    }
}

/// An optional JSON body: absent when the request has none, or null.
#[derive(Debug)]
pub struct OptionalJsonBody<T>(pub Option<T>);

impl<T: DeserializeOwned + 'static> FromRequest for OptionalJsonBody<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let bytes = read(&request, payload).await?;
            if matches!(bytes.trim_ascii(), b"" | b"null") {
                return Ok(Self(None));
            }
            insist_on_type(&request, "application/json")?;
            parse_json(&bytes, invalid_message(request.path())).map(|body| Self(Some(body)))
        })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for FormBody<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            insist_on_type(&request, "application/x-www-form-urlencoded")?;
            let bytes = read(&request, payload).await?;
            let deserializer = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(&bytes));
            parse(deserializer, invalid_message(request.path())).map(Self)
        })
    }
}

/// `B`, such as a body, extracted only after `A`, such as who sends it: arguments of a handler are extracted side by side,
/// so a body of its own would be read for whoever asks.
#[derive(Debug)]
pub struct Then<A, B>(pub A, pub B);

impl<A, B> FromRequest for Then<A, B>
where
    A: FromRequest<Error = ApiError> + 'static,
    B: FromRequest<Error = ApiError> + 'static,
{
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let first = A::from_request(request, payload);
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let first = first.await?;
            Ok(Self(first, B::from_request(&request, &mut payload).await?))
        })
    }
}

/// What an unusable body is called; the contract has two wordings.
pub fn invalid_message(path: &str) -> &'static str {
    match Surface::of(path) {
        Surface::Links if path.starts_with("/api/v1/url") => "Invalid Data",
        Surface::Links | Surface::Social => "Provided data is invalid",
        Surface::Page => "Invalid Data",
    }
}

fn insist_on_type(request: &HttpRequest, accepted: &str) -> Result<(), ApiError> {
    let given =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = given.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case(accepted) {
        return Ok(());
    }
    let message = format!("Send the body as {accepted} (Content-Type)");
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

async fn read(request: &HttpRequest, payload: Payload) -> Result<Bytes, ApiError> {
    let limits = request
        .app_data::<web::Data<BodyLimits>>()
        .map(|limits| *limits.get_ref())
        .ok_or_else(|| ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    let declared = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limits.max_bytes as u64) {
        return Err(too_large(limits));
    }
    match actix::clock::timeout(limits.timeout, collect(payload, limits)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time")),
    }
}

async fn collect(mut payload: Payload, limits: BodyLimits) -> Result<Bytes, ApiError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            let field = FieldError::new("", format!("the body cannot be read: {error}"));
            ApiError::invalid("Provided data is invalid", vec![field])
        })?;
        if body.len() + chunk.len() > limits.max_bytes {
            return Err(too_large(limits));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn too_large(limits: BodyLimits) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("The body is larger than {} bytes", limits.max_bytes),
    )
}

fn parse_json<T: DeserializeOwned>(bytes: &[u8], message: &'static str) -> Result<T, ApiError> {
    // serde would fill a struct from an array too.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiError::invalid(message, vec![FieldError::new("", "the body must be a JSON object")]));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = parse(&mut deserializer, message)?;
    deserializer
        .end()
        .map_err(|error| ApiError::invalid(message, vec![FieldError::new("", error.to_string())]))?;
    Ok(value)
}

/// Deserializes, or says which field is wrong.
fn parse<'de, T, D>(deserializer: D, message: &'static str) -> Result<T, ApiError>
where
    T: DeserializeOwned,
    D: serde::Deserializer<'de>,
    D::Error: std::fmt::Display,
{
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let path = error.path().to_string();
        let problem = without_position(&error.into_inner().to_string());
        // "?": the end came where a name was expected.
        let field =
            if matches!(path.as_str(), "." | "?") { named_field(&problem).unwrap_or_default() } else { path };
        ApiError::invalid(message, vec![FieldError::new(field, problem)])
    })
}

/// serde names a missing or repeated field only in its text: "missing field `email`".
fn named_field(problem: &str) -> Option<String> {
    let name =
        problem.strip_prefix("missing field `").or_else(|| problem.strip_prefix("duplicate field `"))?;
    Some(name.split('`').next()?.to_owned())
}

/// Without serde's position in the text, and not longer than a sentence: it may quote the value.
fn without_position(problem: &str) -> String {
    problem.split(" at line ").next().unwrap_or(problem).chars().take(MAX_PROBLEM).collect()
}

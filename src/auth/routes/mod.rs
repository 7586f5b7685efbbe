//! HTTP for accounts and sessions, on both surfaces.

pub mod google;
pub mod links;
pub mod mails;
pub mod pages;
pub mod phone;
pub mod social;

use std::future::Future;
use std::pin::Pin;

use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, dev::Payload};

use super::error::AuthError;
use super::model::{Device, Password};
use crate::http::body::invalid_message;
use crate::http::envelope::Surface;
use crate::http::{ApiError, FieldError, client};
use crate::users::model::{Email, Username};

/// The one place where an [`AuthError`] becomes an HTTP answer.
pub(super) fn api_error(surface: Surface, error: AuthError) -> ApiError {
    let links = surface == Surface::Links;
    match error {
        AuthError::EmailTaken => {
            let message = "Email address is already exists, Kindly login";
            ApiError::new(StatusCode::CONFLICT, message)
        }
        AuthError::UsernameTaken => ApiError::new(StatusCode::CONFLICT, "Username is already taken"),
        AuthError::CommonPassword => {
            let problem =
                "is among the most common passwords, which are the first to be tried; choose another";
            invalid("password", problem)
        }
        AuthError::WrongCredentials => {
            ApiError::new(StatusCode::UNAUTHORIZED, "Email or Password is incorrect")
        }
        AuthError::Wait(time) => ApiError::too_many(
            "Too many wrong passwords, wait before the next try",
            time.as_millis().div_ceil(1000) as u64,
        ),
        AuthError::WrongCode => ApiError::new(StatusCode::UNAUTHORIZED, "OTP is incorrect"),
        AuthError::CodeWait(time) => ApiError::too_many(
            "Too many codes for this phone number, wait before the next one",
            time.as_millis().div_ceil(1000) as u64,
        ),
        AuthError::MalformedToken if links => ApiError::new(StatusCode::BAD_REQUEST, "Token is invalid"),
        AuthError::MalformedToken | AuthError::InvalidToken => {
            ApiError::unauthorized("Token is expired or invalid")
        }
        AuthError::AccountGone if links => ApiError::new(StatusCode::BAD_REQUEST, "User ID is invalid"),
        AuthError::AccountGone => ApiError::unauthorized("Token is expired or invalid"),
        AuthError::UnknownSession => ApiError::new(StatusCode::BAD_REQUEST, "Session ID is invalid"),
        AuthError::UnknownAddress => ApiError::new(StatusCode::BAD_REQUEST, "Email does not exists"),
        AuthError::NoAddress => invalid("email", "this account has none"),
        AuthError::InvalidProof => {
            ApiError::new(StatusCode::UNAUTHORIZED, "Token in either invalid or expired")
        }
        AuthError::MailWait(time) | AuthError::MailboxWait(time) => ApiError::too_many(
            "Too many mails asked for, wait before the next one",
            time.as_millis().div_ceil(1000) as u64,
        ),
        AuthError::InvalidGoogleToken => ApiError::new(StatusCode::BAD_REQUEST, "Google ID is invalid"),
        AuthError::Lapsed | AuthError::GoogleTaken | AuthError::GoogleKeysAway => ApiError::unavailable(),
        AuthError::Ask(error) => error.into(),
        AuthError::Redis(failure) => (&failure).into(),
        AuthError::Crypto(_) | AuthError::Estate(_) => ApiError::internal(&error),
    }
}

impl FromRequest for Device {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let ip = client::ip(request);
        let device = Self { ip, network: client::limit_key(ip), user_agent: client::user_agent(request) };
        Box::pin(async move { Ok(device) })
    }
}

fn invalid(field: &str, problem: &str) -> ApiError {
    ApiError::invalid("Provided data is invalid", vec![FieldError::new(field, problem)])
}

/// Parses all fields of a registration before it complains about any.
fn parse_registration(
    path: &str,
    email: &str,
    password: &str,
    username: Option<&str>,
) -> Result<(Email, Password, Option<Username>), ApiError> {
    let (email, password) = (Email::parse(email), Password::parse(password));
    let username = username.map(Username::parse).transpose();
    match (email, password, username) {
        (Ok(email), Ok(password), Ok(username)) => Ok((email, password, username)),
        (email, password, username) => {
            let problems =
                [("email", email.err()), ("password", password.err()), ("username", username.err())];
            let fields =
                problems.into_iter().filter_map(|(field, problem)| Some(FieldError::new(field, problem?)));
            Err(ApiError::invalid(invalid_message(path), fields.collect()))
        }
    }
}

//! `/api/v1/auth/otp`: signing in by phone.

use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::api_error;
use super::links::{Tokens, entered_answer, is_web};
use crate::actor::Mailbox;
use crate::auth::actor::SessionManager;
use crate::auth::messages::{EnterByPhone, SendPhoneCode};
use crate::auth::model::{Device, Phone};
use crate::http::envelope::{self, LinksAnswer, LinksDone, LinksFailure, Surface};
use crate::http::rate_limit::{Charged, LimitedAction};
use crate::http::router::{Endpoint, at};
use crate::http::{ApiError, FieldError, JsonBody};

type Manager = web::Data<Mailbox<SessionManager>>;
type Answer = Result<HttpResponse, ApiError>;

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![at("/api/v1/auth/otp").post(send_code), at("/api/v1/auth/otp/verify").post(verify)]
}

/// Where to send a code.
#[derive(Deserialize, ToSchema)]
pub struct PhoneNumber {
    /// In E.164.
    #[schema(pattern = r"^\+[1-9][0-9]{6,14}$")]
    phone: String,
}

/// A code that was sent to a phone.
#[derive(Deserialize, ToSchema)]
pub struct PhoneCode {
    /// In E.164.
    #[schema(pattern = r"^\+[1-9][0-9]{6,14}$")]
    phone: String,
    /// Six digits.
    #[serde(rename = "OTP")]
    #[schema(value_type = String, pattern = "^[0-9]{6}$")]
    otp: SecretString,
}

fn parse(phone: &str) -> Result<Phone, ApiError> {
    Phone::parse(phone).map_err(|problem| {
        ApiError::invalid("Provided data is invalid", vec![FieldError::new("phone", problem)])
    })
}

/// Send a code to a phone. It lives 10 minutes, and takes the place of the one before.
#[utoipa::path(post, path = "/api/v1/auth/otp", tag = "links: auth", request_body = PhoneNumber, responses(
    (status = 200, body = LinksDone),
    (status = 400, body = LinksFailure),
))]
pub async fn send_code(
    _: Charged<{ LimitedAction::PhoneCode as usize }>,
    manager: Manager,
    device: Device,
    JsonBody(body): JsonBody<PhoneNumber>,
) -> Answer {
    let phone = parse(&body.phone)?;
    let send = SendPhoneCode { phone, network: device.network };
    manager.ask(send).await.map_err(|error| api_error(Surface::Links, error))?;
    Ok(envelope::links_done("OTP sent successfully"))
}

/// Open a session with a code; of a new account if nobody has the number.
#[utoipa::path(post, path = "/api/v1/auth/otp/verify", tag = "links: auth", request_body = PhoneCode,
    params(("X-Client-Type" = Option<String>, Header, description = "`web`: the refresh token goes into a cookie")),
    responses(
        (status = 200, body = LinksAnswer<Tokens>),
        (status = 201, description = "A new account", body = LinksAnswer<Tokens>),
        (status = 400, body = LinksFailure),
        (status = 401, description = "Wrong, spent, or too old", body = LinksFailure),
    ))]
pub async fn verify(
    _: Charged<{ LimitedAction::PhoneVerify as usize }>,
    request: HttpRequest,
    manager: Manager,
    device: Device,
    JsonBody(body): JsonBody<PhoneCode>,
) -> Answer {
    let phone = parse(&body.phone)?;
    let enter = EnterByPhone { phone, code: body.otp.expose_secret().to_owned(), device };
    let entered = manager.ask(enter).await.map_err(|error| api_error(Surface::Links, error))?;
    Ok(entered_answer(entered, is_web(&request)))
}

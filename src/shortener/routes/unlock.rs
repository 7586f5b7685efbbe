//! `POST /{code}`: the page in front of a protected link, and what its forms ask for.
//!
//! A form says by its fields what it wants: `password`, `email` with `OTP`, or `grant` open the link; `email` alone has a
//! code sent; `email` with `reason` asks the owner; `continue` goes on past a notice. Invariants: the page never tells whether an address may have a code, and
//! has the target of a link nowhere.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use askama::Template;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::access::{parse_asking, parse_email};
use super::locks::parse_key;
use super::redirect::{count, redirect};
use super::shapes::UnlockBody;
use super::{api_error, parse_code, visitor, warning};
use crate::actor::Mailbox;
use crate::http::body::FormBody;
use crate::http::envelope::LinksFailure;
use crate::http::pages::{self, Problems};
use crate::http::rate_limit::{self, Charged, LimitedAction};
use crate::http::{ApiError, client};
use crate::shortener::actor::Shortener;
use crate::shortener::error::ShortenerError;
use crate::shortener::messages::{RequestAccess, SendLinkCode, Unlock};
use crate::shortener::model::{Key, Protection, ShortCode};
use crate::users::model::Email;

type Links = web::Data<Mailbox<Shortener>>;
type Answer = Result<HttpResponse, ApiError>;

/// Said to who comes with a grant that does not open.
pub(super) const DEAD_GRANT: &str =
    "Your personal link is invalid or has expired, or was taken back. You may ask again.";

/// The forms of the page in front of a protected link.
#[derive(Deserialize, ToSchema)]
pub struct UnlockForm {
    /// The link's password.
    #[schema(value_type = Option<String>)]
    password: Option<SecretString>,
    /// Alone: where a code is to be sent.
    email: Option<String>,
    /// The code that was sent to `email`.
    #[serde(rename = "OTP")]
    #[schema(value_type = Option<String>)]
    otp: Option<SecretString>,
    /// What stands behind `grant=` in the link of an approval's mail.
    #[schema(value_type = Option<String>)]
    grant: Option<SecretString>,
    /// There when another code is asked for.
    again: Option<String>,
    /// Why `email` asks for access; may be empty, at most 1000 bytes.
    reason: Option<String>,
    /// Anything: go on past the notice that the target is not safe for work.
    #[serde(rename = "continue")]
    go_on: Option<String>,
}

/// What stands in front of a link, as far as the visitor has come.
#[derive(Debug, Clone)]
pub(super) enum Door {
    /// Asks for the password.
    Password,
    /// Asks where to send a code.
    Address { email: String },
    /// Asks for the code that was sent.
    Code { email: String },
    /// Asks who wants to be let through, and why.
    Ask { email: String, reason: String },
    /// Says that the owner was asked.
    Asked { email: String },
}

impl Door {
    /// Where everybody begins; nothing when there is no protection.
    pub(super) fn of(protection: Protection) -> Option<Self> {
        match protection {
            Protection::None => None,
            Protection::Password => Some(Self::Password),
            Protection::Otp => Some(Self::Address { email: String::new() }),
            Protection::Approve => Some(Self::Ask { email: String::new(), reason: String::new() }),
        }
    }

    /// The field that what is wrong is said beside.
    const fn field(&self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Address { .. } => "email",
            Self::Code { .. } => "OTP",
            Self::Ask { .. } | Self::Asked { .. } => "grant",
        }
    }

    /// What a key that does not fit is told.
    const fn refusal(&self) -> &'static str {
        match self {
            Self::Password => "That is not the password. Try again.",
            Self::Address { .. } | Self::Code { .. } => {
                "That is not the code, or it no longer works. Look again, or have another one sent."
            }
            Self::Ask { .. } | Self::Asked { .. } => DEAD_GRANT,
        }
    }
}

/// What a form asks for.
enum Wish {
    Open(Key),
    Code(Email),
    Access { email: Email, reason: Option<String> },
}

/// How far that got.
enum Outcome {
    Open(String),
    At(StatusCode, Door),
}

#[derive(Template)]
#[template(path = "unlock.html")]
struct UnlockPage<'a> {
    code: &'a str,
    door: Door,
    wrong: Problems,
}

/// The page in front of a protected link, with the status of `builder`.
pub(super) fn page(
    builder: HttpResponseBuilder,
    code: &ShortCode,
    door: Door,
    wrong: Problems,
) -> HttpResponse {
    pages::scripted_page(builder, &UnlockPage { code: code.as_str(), door, wrong })
}

/// Open a protected link from its page, or have a code sent, or ask for access.
#[utoipa::path(post, path = "/{code}", tag = "short links",
    params(("code" = String, Path, description = "Generated code or alias")),
    request_body(content = UnlockForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "A code is on its way, if the address may have one: the page that asks for it",
            body = String, content_type = "text/html"),
        (status = 202, description = "The owner was asked: a page that says so", body = String, content_type = "text/html"),
        (status = 303, description = "On to the long URL", headers(("Location" = String))),
        (status = 400, body = LinksFailure),
        (status = 401, description = "Wrong password, code or grant: the page again for a browser, else this",
            body = LinksFailure),
        (status = 404, description = "Unknown or deleted", body = LinksFailure),
        (status = 410, description = "It leads to a blocked host: a page for a browser, else this", body = LinksFailure),
    ))]
pub async fn unlock(
    _: Charged<{ LimitedAction::Unlock as usize }>,
    request: HttpRequest,
    links: Links,
    code: web::Path<String>,
    FormBody(form): FormBody<UnlockForm>,
) -> Answer {
    let code = parse_code(&code)?;
    if form.go_on.is_some() {
        return warning::go_on(&request, &links, code).await;
    }
    let door = form.door();
    let failure = match form.wish() {
        Ok(wish) => match fulfil(&request, &links, &code, wish).await? {
            Ok(Outcome::Open(url)) => {
                count("unlocked");
                return redirect(StatusCode::SEE_OTHER, &url);
            }
            Ok(Outcome::At(status, door)) => {
                return Ok(page(HttpResponse::build(status), &code, door, Problems::default()));
            }
            Err(failure) => failure,
        },
        Err(error) => return wrong_form(&request, &code, door, error),
    };
    refused(&request, &code, door, failure)
}

/// The form with what is wrong with it.
fn wrong_form(request: &HttpRequest, code: &ShortCode, door: Door, error: ApiError) -> Answer {
    // Without a usable address there is nowhere that a code could have come from.
    let door = match door {
        Door::Code { email } => Door::Address { email },
        door => door,
    };
    match Problems::in_error(&error).filter(|_| client::wants_page(request.headers())) {
        Some(wrong) => Ok(page(pages::answer_to(&error), code, door, wrong)),
        None => Err(error),
    }
}

/// The page again for what the visitor can do something about; an error for the rest.
fn refused(request: &HttpRequest, code: &ShortCode, door: Door, failure: ShortenerError) -> Answer {
    count("refused");
    let page_of = |failure: ShortenerError, door: Door, wrong: Problems| {
        Ok(page(pages::answer_to(&api_error(request.path(), failure)), code, door, wrong))
    };
    match failure {
        failure if !client::wants_page(request.headers()) => warning::fail(request, failure),
        // The owner has changed the protection since the form was shown.
        ShortenerError::Refused { tried, protection } if tried != protection => match Door::of(protection) {
            Some(door) => page_of(failure, door, Problems::default()),
            None => Ok(to_the_link(request)),
        },
        // So it is here: no other field is left to be at fault.
        ShortenerError::Invalid { .. } => Ok(to_the_link(request)),
        ShortenerError::Refused { .. } => {
            let wrong = Problems::of(door.field(), door.refusal());
            page_of(failure, door, wrong)
        }
        ShortenerError::Wait(time) | ShortenerError::MailWait(time) => {
            let secs = time.as_millis().div_ceil(1000) as u64;
            let what = match failure {
                ShortenerError::Wait(_) => "That was wrong too often.",
                _ => "Enough mails were asked for just now.",
            };
            let wrong = Problems::of(door.field(), format!("{what} {}", pages::try_again_in(secs)));
            page_of(failure, door, wrong)
        }
        failure => warning::fail(request, failure),
    }
}

/// On to what stands in front of the link now.
fn to_the_link(request: &HttpRequest) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, request.path())).finish()
}

/// Does what a form asks for; an outer error is a limit.
async fn fulfil(
    request: &HttpRequest,
    links: &Links,
    code: &ShortCode,
    wish: Wish,
) -> Result<Result<Outcome, ShortenerError>, ApiError> {
    let code = code.clone();
    Ok(match wish {
        Wish::Open(key) => {
            links.ask(Unlock { code, key, visitor: visitor(request) }).await.map(Outcome::Open)
        }
        Wish::Code(email) => {
            rate_limit::by_address(request, LimitedAction::SendCode)?;
            let door = Door::Code { email: email.as_str().to_owned() };
            let sent = links.ask(SendLinkCode { code, email }).await;
            sent.map(|()| Outcome::At(StatusCode::OK, door))
        }
        Wish::Access { email, reason } => {
            rate_limit::by_address(request, LimitedAction::RequestAccess)?;
            let door = Door::Asked { email: email.as_str().to_owned() };
            let asked = links.ask(RequestAccess { code, email, reason }).await;
            asked.map(|_| Outcome::At(StatusCode::ACCEPTED, door))
        }
    })
}

impl UnlockForm {
    /// The door that it stands at.
    fn door(&self) -> Door {
        let email = self.email.clone().unwrap_or_default();
        match (&self.otp, &self.reason, &self.grant, &self.email) {
            (Some(_), ..) => Door::Code { email },
            (None, Some(reason), ..) => Door::Ask { email, reason: reason.clone() },
            (None, None, Some(_), _) => Door::Ask { email, reason: String::new() },
            (None, None, None, Some(_)) if self.again.is_some() => Door::Code { email },
            (None, None, None, Some(_)) => Door::Address { email },
            (None, None, None, None) => Door::Password,
        }
    }

    /// What it asks for; an error names the field at fault.
    fn wish(self) -> Result<Wish, ApiError> {
        match self {
            Self { email: Some(email), reason: Some(reason), otp: None, .. } => {
                let (email, reason) = parse_asking(&email, Some(reason))?;
                Ok(Wish::Access { email, reason })
            }
            Self { email: Some(email), password: None, otp: None, grant: None, .. } => {
                parse_email(&email).map(Wish::Code)
            }
            Self { password, email, otp, grant, .. } => {
                // As people copy it.
                let digits =
                    |code: SecretString| code.expose_secret().replace(char::is_whitespace, "").into();
                let otp = otp.map(digits);
                parse_key(&UnlockBody { password, email, otp, grant }).map(Wish::Open)
            }
        }
    }
}

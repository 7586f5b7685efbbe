//! Where links in mails about accounts lead: pages to choose another password and to confirm an address.
//!
//! Invariants: opening a page changes nothing, because what scans mails opens their links; a token stands in a hidden field
//! of its form and nowhere else; nobody learns here which addresses have accounts.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::invalid;
use super::mails::{ProofQuery, fail, reset_failure, weak};
use crate::actor::Mailbox;
use crate::auth::actor::SessionManager;
use crate::auth::error::AuthError;
use crate::auth::messages::{RequestReset, ResetPassword, VerifyEmail};
use crate::auth::model::Password;
use crate::http::body::FormBody;
use crate::http::envelope::LinksFailure;
use crate::http::pages::{self, Problems};
use crate::http::rate_limit::{Charged, LimitedAction};
use crate::http::router::{Endpoint, at};
use crate::http::{ApiError, client};
use crate::users::model::Email;

const FORGOT: (&str, &str) = ("/forgot-password", "Have a new link sent");
const DEAD: &str = "This link does not work any more";
const HOME: (&str, &str) = ("/", "Go to the start page");

type Manager = web::Data<Mailbox<SessionManager>>;
type Answer = Result<HttpResponse, ApiError>;

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![
        at("/reset-password").get(reset_form).post(reset_password),
        at("/verify-email").get(verify_form).post(verify_email),
        at("/forgot-password").get(forgot_form).post(forgot_password),
        at("/account-recovered").get(account_recovered),
    ]
}

/// The form of the page to choose another password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResetForm {
    token_id: String,
    #[schema(value_type = String)]
    token: SecretString,
    /// 8 to 128 characters, not among the most common.
    #[schema(value_type = String)]
    new_password: SecretString,
}

/// The form of the page to confirm an address.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyForm {
    token_id: String,
    #[schema(value_type = String)]
    token: SecretString,
}

/// The form of who has forgotten a password.
#[derive(Deserialize, ToSchema)]
pub struct ForgotForm {
    /// Of the account.
    #[schema(max_length = 254)]
    email: String,
}

#[derive(Template)]
#[template(path = "reset_password.html")]
struct ResetPage<'a> {
    token_id: &'a str,
    token: &'a str,
    wrong: Problems,
}

#[derive(Template)]
#[template(path = "verify_email.html")]
struct VerifyPage<'a> {
    token_id: &'a str,
    token: &'a str,
}

#[derive(Template)]
#[template(path = "forgot_password.html")]
struct ForgotPage<'a> {
    email: &'a str,
    wrong: Problems,
}

/// A page that only says something.
#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'a> {
    title: &'a str,
    text: &'a str,
    /// Where to go from here: paths and what they are called.
    ways: &'a [(&'a str, &'a str)],
}

fn say(status: StatusCode, title: &str, text: &str, ways: &[(&str, &str)]) -> HttpResponse {
    pages::form_page(HttpResponse::build(status), &MessagePage { title, text, ways })
}

/// Of a link that has lost its token, as after a reload: the address shown no longer has it.
fn not_whole(ways: &[(&str, &str)]) -> HttpResponse {
    let text = "This page needs all of the link in the mail. Please open it from there, or copy all of it.";
    say(StatusCode::BAD_REQUEST, "Open the link in your mail", text, ways)
}

/// Of a link for a new password that does not work, or not any more.
fn dead_reset() -> HttpResponse {
    let text = "A link to choose a new password works once and for a limited time. Only the newest one does.";
    say(StatusCode::UNAUTHORIZED, DEAD, text, &[FORGOT, HOME])
}

/// Of a link that confirms an address and does not work, or not any more.
fn dead_verification() -> HttpResponse {
    let text = "A link to confirm an address works once and for a limited time. If yours is not confirmed yet, have \
        another mail sent from where you are signed in.";
    say(StatusCode::UNAUTHORIZED, DEAD, text, &[HOME])
}

/// Choose another password: a page with a form. Uses nothing up.
#[utoipa::path(get, path = "/reset-password", tag = "pages", params(ProofQuery), responses(
    (status = 200, body = String, content_type = "text/html"),
    (status = 400, description = "The link is not whole", body = LinksFailure),
))]
pub async fn reset_form(query: web::Query<ProofQuery>) -> HttpResponse {
    match (&query.token_id, &query.token) {
        (Some(token_id), Some(token)) => reset_page(token_id, token, StatusCode::OK, Problems::default()),
        _ => not_whole(&[FORGOT, HOME]),
    }
}

fn reset_page(token_id: &str, token: &SecretString, status: StatusCode, wrong: Problems) -> HttpResponse {
    let page = ResetPage { token_id, token: token.expose_secret(), wrong };
    pages::form_page(HttpResponse::build(status), &page)
}

/// Choose another password.
#[utoipa::path(post, path = "/reset-password", tag = "pages",
    request_body(content = ResetForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "It is changed", body = String, content_type = "text/html"),
        (status = 400, description = "The password will not do: the page again, or this", body = LinksFailure),
        (status = 401, description = "The token is wrong, too old, or used: a page, or this", body = LinksFailure),
    ))]
pub async fn reset_password(
    _: Charged<{ LimitedAction::Reset as usize }>,
    request: HttpRequest,
    manager: Manager,
    FormBody(form): FormBody<ResetForm>,
) -> Answer {
    let wants_page = client::wants_page(request.headers());
    match reset(&request, &manager, &form).await {
        Ok(()) => Ok(say(
            StatusCode::OK,
            "Your password is changed",
            "You are signed out everywhere. Sign in with the new password wherever you use your account.",
            &[HOME],
        )),
        Err(error) if wants_page && error.status == StatusCode::UNAUTHORIZED => Ok(dead_reset()),
        Err(error) => match Problems::in_error(&error).filter(|_| wants_page) {
            Some(wrong) => Ok(reset_page(&form.token_id, &form.token, error.status, wrong)),
            None => Err(error),
        },
    }
}

async fn reset(request: &HttpRequest, manager: &Manager, form: &ResetForm) -> Result<(), ApiError> {
    let message = ResetPassword {
        token_id: form.token_id.clone(),
        token: form.token.expose_secret().to_owned(),
        new_password: Password::parse(form.new_password.expose_secret()).map_err(weak)?,
        network: client::limit_key(client::ip(request)),
    };
    manager.ask(message).await.map_err(reset_failure)
}

/// Confirm an address: a page with a button. Uses nothing up.
#[utoipa::path(get, path = "/verify-email", tag = "pages", params(ProofQuery), responses(
    (status = 200, body = String, content_type = "text/html"),
    (status = 400, description = "The link is not whole", body = LinksFailure),
))]
pub async fn verify_form(query: web::Query<ProofQuery>) -> HttpResponse {
    match (&query.token_id, &query.token) {
        (Some(token_id), Some(token)) => {
            let page = VerifyPage { token_id, token: token.expose_secret() };
            pages::form_page(HttpResponse::Ok(), &page)
        }
        _ => not_whole(&[HOME]),
    }
}

/// Confirm an address.
#[utoipa::path(post, path = "/verify-email", tag = "pages",
    request_body(content = VerifyForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "It is confirmed", body = String, content_type = "text/html"),
        (status = 400, body = LinksFailure),
        (status = 401, description = "The token is wrong, too old, or used: a page, or this", body = LinksFailure),
    ))]
pub async fn verify_email(
    _: Charged<{ LimitedAction::Verify as usize }>,
    request: HttpRequest,
    manager: Manager,
    FormBody(form): FormBody<VerifyForm>,
) -> Answer {
    let VerifyForm { token_id, token } = form;
    match manager.ask(VerifyEmail { token_id, token: token.expose_secret().to_owned() }).await {
        Ok(()) => {
            let text = "Thank you. This address is yours, and we know it now.";
            Ok(say(StatusCode::OK, "Your address is confirmed", text, &[HOME]))
        }
        Err(AuthError::InvalidProof) if client::wants_page(request.headers()) => Ok(dead_verification()),
        Err(error) => Err(fail(error)),
    }
}

/// Who has forgotten a password: a page with a form.
#[utoipa::path(get, path = "/forgot-password", tag = "pages",
    responses((status = 200, body = String, content_type = "text/html")))]
pub async fn forgot_form() -> HttpResponse {
    forgot_page(StatusCode::OK, "", Problems::default())
}

fn forgot_page(status: StatusCode, email: &str, wrong: Problems) -> HttpResponse {
    pages::form_page(HttpResponse::build(status), &ForgotPage { email, wrong })
}

/// Have a link mailed to choose another password. The answer does not say whether there is such an account.
#[utoipa::path(post, path = "/forgot-password", tag = "pages",
    request_body(content = ForgotForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "It is on its way, if there is such an account", body = String,
            content_type = "text/html"),
        (status = 400, description = "Not an address: the page again, or this", body = LinksFailure),
    ))]
pub async fn forgot_password(
    _: Charged<{ LimitedAction::Reset as usize }>,
    request: HttpRequest,
    manager: Manager,
    FormBody(form): FormBody<ForgotForm>,
) -> Answer {
    let email = match Email::parse(&form.email).map_err(|problem| invalid("email", problem)) {
        Ok(email) => email,
        Err(error) => {
            return match Problems::in_error(&error).filter(|_| client::wants_page(request.headers())) {
                Some(wrong) => Ok(forgot_page(error.status, &form.email, wrong)),
                None => Err(error),
            };
        }
    };
    let text = format!(
        "If there is an account with {}, a mail with a link is on its way there. It may take a minute; look into \
        the spam folder too.",
        email.as_str()
    );
    match manager.ask(RequestReset { email, prefixes: Vec::new() }).await {
        Ok(()) | Err(AuthError::UnknownAddress | AuthError::MailboxWait(_)) => {
            Ok(say(StatusCode::OK, "Look into your mailbox", &text, &[HOME]))
        }
        Err(error) => Err(fail(error)),
    }
}

/// Where the mail about a recovered account leads.
#[utoipa::path(get, path = "/account-recovered", tag = "pages",
    responses((status = 200, body = String, content_type = "text/html")))]
pub async fn account_recovered() -> HttpResponse {
    let text = "Your account is back, with your links and all that was yours. If it was not you who signed in, \
        choose another password now.";
    let change = ("/forgot-password", "Choose another password");
    say(StatusCode::OK, "Welcome back", text, &[HOME, change])
}

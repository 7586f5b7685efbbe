//! `/`: the start page, which makes links without an account.
//!
//! The form speaks for nobody: whoever sends it makes a guest's link, with a guest's limit, so a forged one gains nothing
//! and needs no token against it.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::shapes::LinkDetails;
use super::{fail, invalid, seen_as};
use crate::actor::Mailbox;
use crate::auth::model::Password;
use crate::http::body::FormBody;
use crate::http::envelope::{self, LinksAnswer, LinksFailure};
use crate::http::pages::{self, Problems};
use crate::http::rate_limit::{Charged, LimitedAction};
use crate::http::router::{Endpoint, at};
use crate::http::{ApiError, FieldError, client};
use crate::shortener::actor::Shortener;
use crate::shortener::error::ShortenerError;
use crate::shortener::messages::Shorten;
use crate::shortener::model::{Link, Lock, Protection, ShortCode, parse_link_password};
use crate::values::PublicUrl;

const PATH: &str = "/";

type Links = web::Data<Mailbox<Shortener>>;
type Answer = Result<HttpResponse, ApiError>;

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![at(PATH).get(home).post(shorten)]
}

/// The start page's form. What is empty was not chosen.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GuestLinkForm {
    /// `http` or `https`, at most 8 KB; `https://` where it has no scheme.
    #[schema(max_length = 8192)]
    long_url: String,
    /// 3 to 64 of `A-Z a-z 0-9 - _`.
    #[serde(default)]
    #[schema(max_length = 64)]
    custom_alias: String,
    /// 1 to 128 characters.
    #[serde(default)]
    #[schema(value_type = String, max_length = 128)]
    url_password: SecretString,
}

/// What the form shows again.
#[derive(Default)]
struct Typed {
    long_url: String,
    custom_alias: String,
    had_password: bool,
}

impl Typed {
    fn has_options(&self) -> bool {
        !self.custom_alias.is_empty() || self.had_password
    }
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage<'a> {
    host: &'a str,
    form: Typed,
    wrong: Problems,
}

#[derive(Template)]
#[template(path = "made.html")]
struct MadePage<'a> {
    short_url: &'a str,
    /// The same without its scheme.
    shown: &'a str,
    long_url: &'a str,
    locked: bool,
}

/// The start page for a browser; for a program the way to the API description.
#[utoipa::path(get, path = "/", tag = "pages", responses(
    (status = 200, description = "The start page", body = String, content_type = "text/html"),
    (status = 303, description = "To /docs/, for who wants no page"),
))]
pub async fn home(request: HttpRequest, public: web::Data<PublicUrl>) -> HttpResponse {
    if !client::wants_page(request.headers()) {
        return HttpResponse::SeeOther().insert_header((header::LOCATION, pages::DOCS)).finish();
    }
    home_page(StatusCode::OK, &public, Typed::default(), Problems::default())
}

/// Make a link from the start page, as a guest.
#[utoipa::path(post, path = "/", tag = "pages",
    request_body(content = GuestLinkForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 201, description = "A page with the link, or this for who wants no page",
            content((LinksAnswer<LinkDetails> = "application/json"), (String = "text/html"))),
        (status = 400, description = "The page again, with what is wrong, or this", body = LinksFailure),
        (status = 409, description = "The alias is taken: the page again, or this", body = LinksFailure),
    ))]
pub async fn shorten(
    _: Charged<{ LimitedAction::ShortenGuest as usize }>,
    request: HttpRequest,
    links: Links,
    public: web::Data<PublicUrl>,
    FormBody(form): FormBody<GuestLinkForm>,
) -> Answer {
    let wants_page = client::wants_page(request.headers());
    match make(&request, &links, &form).await {
        Ok(link) if wants_page => Ok(made_page(&public, &link)),
        Ok(link) => {
            let body = LinkDetails::new(&public, link);
            Ok(envelope::links(StatusCode::CREATED, "URL shorted successfully", body))
        }
        Err(error) => match Problems::in_error(&error).filter(|_| wants_page) {
            Some(wrong) => {
                let typed = Typed {
                    had_password: !form.url_password.expose_secret().is_empty(),
                    long_url: form.long_url,
                    custom_alias: form.custom_alias,
                };
                Ok(home_page(error.status, &public, typed, wrong))
            }
            None => Err(error),
        },
    }
}

async fn make(request: &HttpRequest, links: &Links, form: &GuestLinkForm) -> Result<Link, ApiError> {
    let alias = match form.custom_alias.trim() {
        "" => None,
        text => Some(ShortCode::parse(text).ok_or_else(|| {
            invalid("customAlias", "must be 3 to 64 of the letters A to Z, digits, - and _")
        })?),
    };
    let lock = match form.url_password.expose_secret() {
        "" => Lock::None,
        text => {
            let text = parse_link_password(text).map_err(|problem| invalid("urlPassword", problem))?;
            Lock::Password(Password::claimed(text))
        }
    };
    let message = Shorten {
        long_url: with_scheme(form.long_url.trim()),
        seen_as: seen_as(request),
        owner: None,
        alias,
        lock,
        sfw: None,
        analytics: false,
        email_notifications: false,
    };
    links.ask(message).await.map_err(|error| {
        let taken = matches!(error, ShortenerError::AliasTaken);
        let error = fail(error);
        if taken {
            ApiError { fields: vec![FieldError::new("customAlias", "is taken")], ..error }
        } else {
            error
        }
    })
}

/// People leave the scheme out.
fn with_scheme(text: &str) -> String {
    if text.is_empty() || text.contains("://") { text.to_owned() } else { format!("https://{text}") }
}

fn home_page(status: StatusCode, public: &PublicUrl, form: Typed, wrong: Problems) -> HttpResponse {
    let url = public.of("");
    let page = HomePage { host: without_scheme(&url).trim_end_matches('/'), form, wrong };
    pages::form_page(HttpResponse::build(status), &page)
}

fn made_page(public: &PublicUrl, link: &Link) -> HttpResponse {
    let short_url = public.of(&link.code);
    let page = MadePage {
        shown: without_scheme(&short_url),
        short_url: &short_url,
        long_url: &link.long_url,
        locked: link.protection != Protection::None,
    };
    pages::form_page(HttpResponse::Created(), &page)
}

fn without_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

//! What a browser sees: shared parts of all pages.
//!
//! Pages are askama templates under `src/pages/`; what they load is [`super::assets`]'. Invariants: a page loads nothing
//! from anywhere else (its Content-Security-Policy says so) and is never cached; a page without a script runs none.
//!
//! No form has a token against forgery (CSRF): no page knows a signed-in user, so a forged form has no more rights than
//! whoever sends it.

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{StatusCode, header::ContentType};
use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;

use super::edge::Rendered;
use super::error::{ApiError, FieldError};
use super::router::{Endpoint, at};

/// `form-action` stays open: a form that answers 303 to a foreign target is blocked by browsers otherwise.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";
/// With the script, which asks nobody for anything.
const SCRIPTED_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; \
    base-uri 'none'; frame-ancestors 'none'";
/// With the script, for forms whose answers stay here.
const FORM_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Where people read the API's description.
pub const DOCS: &str = "/docs/";

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![at("/robots.txt").get(robots)]
}

/// Crawlers may follow short links and see the start page, and need nothing else here.
#[utoipa::path(get, path = "/robots.txt", tag = "pages",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn robots() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body("User-agent: *\nDisallow: /api/\nDisallow: /docs/\n")
}

/// A page without a script.
pub fn page(builder: HttpResponseBuilder, template: &impl Template) -> HttpResponse {
    respond(builder, PAGE_POLICY, template)
}

/// A page with the script, whose form may lead on to a foreign target.
pub fn scripted_page(builder: HttpResponseBuilder, template: &impl Template) -> HttpResponse {
    respond(builder, SCRIPTED_POLICY, template)
}

/// A page with the script, whose forms stay here.
pub fn form_page(builder: HttpResponseBuilder, template: &impl Template) -> HttpResponse {
    respond(builder, FORM_POLICY, template)
}

fn respond(mut builder: HttpResponseBuilder, policy: &'static str, template: &impl Template) -> HttpResponse {
    match template.render() {
        Ok(html) => {
            let mut response = builder
                .insert_header(ContentType::html())
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .insert_header((header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)))
                .body(html);
            response.extensions_mut().insert(Rendered);
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            HttpResponse::new(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// What is wrong with the fields of a form, for the page that shows it again: fields and sentences.
#[derive(Debug, Default)]
pub struct Problems(Vec<(String, String)>);

impl Problems {
    /// One problem, in words of one's own.
    pub fn of(field: &str, sentence: impl Into<String>) -> Self {
        Self(vec![(field.to_owned(), sentence.into())])
    }

    /// Those that `error` names; nothing when it is about something else.
    pub fn in_error(error: &ApiError) -> Option<Self> {
        let said = |problem: &FieldError| (problem.field.clone(), format!("This {}.", problem.message));
        (!error.fields.is_empty()).then(|| Self(error.fields.iter().map(said).collect()))
    }

    /// Whether there are any.
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// What is wrong with `field`.
    pub fn with(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == field).map(|(_, sentence)| sentence.as_str())
    }
}

/// When to try again, as a sentence.
pub fn try_again_in(secs: u64) -> String {
    format!("Please try again in {}.", in_words(secs))
}

/// The head of an answer with the status of `error`, and with its `Retry-After`.
pub fn answer_to(error: &ApiError) -> HttpResponseBuilder {
    let mut builder = HttpResponse::build(error.status);
    if let Some(secs) = error.retry_after_secs {
        builder.insert_header((header::RETRY_AFTER, secs.to_string()));
    }
    builder
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'a> {
    status: u16,
    title: &'a str,
    what: String,
    problems: &'a [FieldError],
    next: String,
    /// Whether the same again may go better.
    again: bool,
}

/// The page of a failure: what happened, and what to do.
pub fn failure(builder: HttpResponseBuilder, error: &ApiError) -> HttpResponse {
    let (title, what) = said(error);
    let wait = error.retry_after_secs;
    let again = wait.is_some() || error.status.is_server_error();
    let next = match (error.status, wait) {
        (_, Some(secs)) => try_again_in(secs),
        (StatusCode::NOT_FOUND, _) => "Check the address for a slip: capital and small letters are not the \
            same here. Or ask whoever gave you the link: it may have been deleted."
            .to_owned(),
        (StatusCode::GONE, _) => "If you expected something here, ask whoever gave you the link.".to_owned(),
        (status, _) if status.is_server_error() => {
            "It is not your fault. Please try again after some time.".to_owned()
        }
        _ => "Go back, change what is wrong, and try again.".to_owned(),
    };
    page(
        builder,
        &FailurePage {
            status: error.status.as_u16(),
            title,
            // The API's messages are written without it.
            what: format!("{}.", what.trim_end_matches('.')),
            problems: &error.fields,
            next,
            again,
        },
    )
}

/// Title and first sentence. Where the API's contract has its own wording, people get plainer words.
fn said(error: &ApiError) -> (&str, &str) {
    match error.status {
        StatusCode::NOT_FOUND => ("Nothing here", "This address leads nowhere."),
        StatusCode::GONE => ("This is gone", &error.message),
        StatusCode::TOO_MANY_REQUESTS => ("A little slower, please", &error.message),
        StatusCode::SERVICE_UNAVAILABLE => ("Back in a moment", "We are busy, or catching our breath."),
        StatusCode::INTERNAL_SERVER_ERROR => ("This went wrong", "Something broke on our side."),
        StatusCode::METHOD_NOT_ALLOWED => ("Not like this", "This address does not take what was sent."),
        _ => ("This did not work", &error.message),
    }
}

/// A time to wait, as people say it; never less than it is.
fn in_words(secs: u64) -> String {
    match secs {
        0 | 1 => "a second".to_owned(),
        2..=90 => format!("{secs} seconds"),
        91..=5400 => format!("{} minutes", secs.div_ceil(60)),
        _ => format!("{} hours", secs.div_ceil(3600)),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use actix_web::body::MessageBody;

    use super::*;

    fn page_of(error: &ApiError) -> String {
        let body = failure(answer_to(error), error).into_body().try_into_bytes().unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn a_failure_says_what_to_do() {
        for (error, said) in [
            (
                ApiError::unavailable(),
                ["Back in a moment", "Please try again in a second.", ">Try again</a>"],
            ),
            (ApiError::too_many("Slow <b>", 61), ["Slow &#60;b&#62;.", "in 61 seconds", ">Try again</a>"]),
            (ApiError::not_found("x"), ["Nothing here", "Check the address", ">Go to the start page</a>"]),
            (
                ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR),
                ["500", "not your fault", ">Try again</a>"],
            ),
            (
                ApiError::invalid("Bad", vec![FieldError::new("a", "is <b>")]),
                ["<strong>a</strong> is &#60;b&#62;", "change what is wrong", ">Go to the start page</a>"],
            ),
        ] {
            let page = page_of(&error);
            for said in said {
                assert!(page.contains(said), "{error}: no {said} in {page}");
            }
        }
    }

    #[test]
    fn waits_are_said_in_words() {
        for (secs, words) in
            [(0, "a second"), (1, "a second"), (30, "30 seconds"), (91, "2 minutes"), (5401, "2 hours")]
        {
            assert_eq!(in_words(secs), words);
        }
    }
}

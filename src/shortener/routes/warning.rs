//! What a browser is told of where a link leads: that it is not safe for work, or that the link was disabled.
//!
//! Invariant: neither page has the target of the link in it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::redirect::{Answer, Links, count, locked, redirect};
use super::{api_error, visitor};
use crate::http::client;
use crate::http::pages::{self, Problems};
use crate::shortener::error::ShortenerError;
use crate::shortener::messages::{Visit, Visited};
use crate::shortener::model::ShortCode;

#[derive(Template)]
#[template(path = "notice.html")]
struct NoticePage<'a> {
    code: &'a str,
}

#[derive(Template)]
#[template(path = "blocked.html")]
struct BlockedPage;

/// Asks whether to go on to what is not safe for work.
pub(super) fn notice(code: &ShortCode) -> HttpResponse {
    count("notice");
    pages::page(HttpResponse::Ok(), &NoticePage { code: code.as_str() })
}

/// Leads on who has seen the notice.
pub(super) async fn go_on(request: &HttpRequest, links: &Links, code: ShortCode) -> Answer {
    let visit = Visit { code: code.clone(), visitor: visitor(request), takes_notice: false };
    match links.ask(visit).await {
        Ok(Visited::Open(url)) => {
            count("continued");
            redirect(StatusCode::SEE_OTHER, &url)
        }
        Ok(Visited::Notice) => unreachable!("the notice has been shown"),
        Ok(Visited::Protected(protection)) => {
            count("protected");
            locked(request, &code, protection, Problems::default())
        }
        Err(error) => {
            count("refused");
            fail(request, error)
        }
    }
}

/// What went wrong; to a browser, why a link was disabled.
pub(super) fn fail(request: &HttpRequest, error: ShortenerError) -> Answer {
    if matches!(error, ShortenerError::Blocked) && client::wants_page(request.headers()) {
        return Ok(pages::page(HttpResponse::Gone(), &BlockedPage));
    }
    Err(api_error(request.path(), error))
}

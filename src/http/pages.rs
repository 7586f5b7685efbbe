//! What a browser sees: shared parts of all pages.
//!
//! Pages are askama templates under `src/pages/`, one stylesheet, no script. Invariant: a page loads nothing from
//! anywhere else (its Content-Security-Policy says so) and is never cached.

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{StatusCode, header::ContentType};
use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;

use super::edge::Rendered;
use super::error::ApiError;
use super::router::{Endpoint, at};

const STYLE: &str = include_str!("../pages/style.css");

/// `form-action` stays open: a form that answers 303 to a foreign target is blocked by browsers otherwise.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'a> {
    title: &'a str,
    message: &'a str,
    status: u16,
}

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![at("/").get(home), at("/assets/style.css").get(style), at("/robots.txt").get(robots)]
}

/// The way to the API description.
#[utoipa::path(get, path = "/", tag = "pages", responses((status = 303, description = "To /docs/")))]
pub async fn home() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, "/docs/")).finish()
}

/// The stylesheet of all pages.
#[utoipa::path(get, path = "/assets/style.css", tag = "pages",
    responses((status = 200, body = String, content_type = "text/css")))]
pub async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
        .body(STYLE)
}

/// Crawlers may follow short links, and need nothing else here.
#[utoipa::path(get, path = "/robots.txt", tag = "pages",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn robots() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body("User-agent: *\nDisallow: /api/\nDisallow: /docs/\n")
}

/// A page with `status`.
pub fn page(mut builder: HttpResponseBuilder, template: &impl Template) -> HttpResponse {
    match template.render() {
        Ok(html) => {
            let mut response = builder
                .insert_header(ContentType::html())
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .insert_header((header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY)))
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

/// The page of a failure.
pub fn failure(builder: HttpResponseBuilder, error: &ApiError) -> HttpResponse {
    let title = error.status.canonical_reason().unwrap_or("Error");
    page(builder, &FailurePage { title, message: &error.message, status: error.status.as_u16() })
}

//! What pages load: the stylesheet, the script, the icon.
//!
//! Owns their addresses, which name their content; so what a browser was told to keep for good is never outdated. Invariant:
//! `immutable` is said only of the content that was asked for: another node may be of another version.

use std::sync::LazyLock;

use actix_web::http::header::{self, EntityTag};
use actix_web::{HttpRequest, HttpResponse};
use aws_lc_rs::digest::{SHA256, digest};

use super::download::is_known;
use super::router::{Endpoint, at};

/// Bytes of a digest that tell one version from another.
const VERSION_BYTES: usize = 9;

/// The stylesheet.
pub static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("/assets/style.css", "text/css; charset=utf-8", include_str!("../pages/style.css"))
});
/// The script.
pub static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("/assets/page.js", "text/javascript; charset=utf-8", include_str!("../pages/page.js"))
});
/// The logo.
pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("/favicon.svg", "image/svg+xml", include_str!("../pages/favicon.svg")));

/// A file that pages load.
#[derive(Debug)]
pub struct Asset {
    content_type: &'static str,
    content: &'static str,
    version: String,
    url: String,
}

impl Asset {
    fn new(path: &str, content_type: &'static str, content: &'static str) -> Self {
        let digest = digest(&SHA256, content.as_bytes());
        let version = data_encoding::BASE64URL_NOPAD.encode(&digest.as_ref()[..VERSION_BYTES]);
        Self { content_type, content, url: format!("{path}?v={version}"), version }
    }

    /// Where pages load it from.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let tag = EntityTag::new_strong(self.version.clone());
        let known = is_known(request, &tag);
        let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        let asked_for = request.query_string().strip_prefix("v=") == Some(&self.version);
        response
            .insert_header((header::ETAG, tag.to_string()))
            .insert_header((
                header::CACHE_CONTROL,
                if asked_for { "public, max-age=31536000, immutable" } else { "no-cache" },
            ))
            .content_type(self.content_type);
        if known { response.finish() } else { response.body(self.content) }
    }
}

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![
        at("/assets/style.css").get(style),
        at("/assets/page.js").get(script),
        at("/favicon.svg").get(icon),
        at("/favicon.ico").get(default_icon),
    ]
}

/// The stylesheet of all pages.
#[utoipa::path(get, path = "/assets/style.css", tag = "pages", responses(
    (status = 200, body = String, content_type = "text/css"),
    (status = 304, description = "The client has it"),
))]
pub async fn style(request: HttpRequest) -> HttpResponse {
    STYLE.answer(&request)
}

/// The script of those pages that have one.
#[utoipa::path(get, path = "/assets/page.js", tag = "pages", responses(
    (status = 200, body = String, content_type = "text/javascript"),
    (status = 304, description = "The client has it"),
))]
pub async fn script(request: HttpRequest) -> HttpResponse {
    SCRIPT.answer(&request)
}

/// The logo.
#[utoipa::path(get, path = "/favicon.svg", tag = "pages", responses(
    (status = 200, body = String, content_type = "image/svg+xml"),
    (status = 304, description = "The client has it"),
))]
pub async fn icon(request: HttpRequest) -> HttpResponse {
    ICON.answer(&request)
}

/// The logo where browsers look for one that no page has told of it.
#[utoipa::path(get, path = "/favicon.ico", tag = "pages", responses(
    (status = 200, body = String, content_type = "image/svg+xml"),
    (status = 304, description = "The client has it"),
))]
pub async fn default_icon(request: HttpRequest) -> HttpResponse {
    ICON.answer(&request)
}

//! The API description, OpenAPI 3.1, from the code.
//!
//! Invariant: every route served is described here; `tests/api` compares the two and checks each answer of its
//! requests against the schemas.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, LazyLock};

use actix_web::body::SizedStream;
use actix_web::http::{StatusCode, header};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use futures_util::Stream;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::Config;

use crate::http::ApiError;
use crate::http::envelope::{LinksFailure, SocialFailure};
use crate::http::router::{Endpoint, at};
use crate::{auth, conversation, http, notifier, posts, realtime, shortener, users};

const PATH: &str = "/openapi.json";
/// Bytes of a large body that wait for one reader.
const SLICE: usize = 16 * 1024;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "ayrene",
        description = "One set of accounts behind two surfaces: Links (`/api/v1`, `/{code}`) and Social (`/api`).",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        http::health::healthz, http::health::readyz, http::health::metrics,
        http::pages::robots, http::assets::style, http::assets::script, http::assets::icon,
        http::assets::default_icon,
        document, docs, docs_page, docs_file,
        auth::routes::links::register, auth::routes::links::login, auth::routes::links::refresh,
        auth::routes::links::me, auth::routes::links::logout, auth::routes::links::logout_other,
        auth::routes::links::profile, auth::routes::links::close, auth::routes::links::sessions,
        auth::routes::google::sign_in, auth::routes::mails::reset_password, auth::routes::mails::request_verification,
        auth::routes::mails::verify_email,
        auth::routes::phone::send_code, auth::routes::phone::verify,
        auth::routes::pages::reset_form, auth::routes::pages::reset_password, auth::routes::pages::verify_form,
        auth::routes::pages::verify_email, auth::routes::pages::forgot_form, auth::routes::pages::forgot_password,
        auth::routes::pages::account_recovered,
        auth::routes::social::register, auth::routes::social::login, auth::routes::social::refresh,
        auth::routes::social::me, auth::routes::social::logout,
        conversation::routes::send, conversation::routes::fetch, conversation::routes::list,
        conversation::routes::mark_read, conversation::routes::edit, conversation::routes::delete,
        conversation::routes::files::send, conversation::routes::files::fetch,
        conversation::routes::block, conversation::routes::unblock, conversation::routes::blocks,
        notifier::routes::list, notifier::routes::mark_read, notifier::routes::delete,
        notifier::routes::settings, notifier::routes::set_settings,
        realtime::routes::upgrade,
        users::routes::list, users::routes::fetch, users::routes::update, users::routes::set_status,
        users::routes::avatar::change, users::routes::avatar::show,
        shortener::routes::home::home, shortener::routes::home::shorten,
        shortener::routes::links::shorten, shortener::routes::links::list, shortener::routes::links::visit,
        shortener::routes::links::unlock, shortener::routes::links::fetch, shortener::routes::links::stats,
        shortener::routes::links::update, shortener::routes::links::delete,
        shortener::routes::access::send_code, shortener::routes::access::request,
        shortener::routes::access::list, shortener::routes::access::decide,
        shortener::routes::redirect::follow, shortener::routes::unlock::unlock,
        posts::routes::posts::create, posts::routes::posts::list, posts::routes::posts::list_own,
        posts::routes::posts::fetch, posts::routes::posts::update, posts::routes::posts::delete,
        posts::routes::reactions::toggle_like, posts::routes::reactions::like, posts::routes::reactions::unlike,
        posts::routes::reactions::list_likes, posts::routes::reactions::comment,
        posts::routes::reactions::list_comments, posts::routes::reactions::delete_comment,
    ),
    components(schemas(LinksFailure, SocialFailure)),
    modifiers(&Common),
)]
struct Description;

/// What holds for every operation.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = || HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("access", SecurityScheme::Http(bearer().build()));
        components.add_security_scheme("refresh", SecurityScheme::Http(bearer().build()));
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("refreshToken")));
        components.add_security_scheme("refresh_cookie", cookie);
    }
}

/// The description as JSON, with the failures that any call can have.
pub fn document_json() -> serde_json::Value {
    let mut document = serde_json::to_value(Description::openapi()).unwrap_or_default();
    let Some(paths) = document.get_mut("paths").and_then(serde_json::Value::as_object_mut) else {
        return document;
    };
    for (path, item) in paths {
        let Some(operations) = item.as_object_mut() else { continue };
        for operation in operations.values_mut() {
            let takes_body = operation.get("requestBody").is_some();
            if let Some(responses) = operation.get_mut("responses").and_then(serde_json::Value::as_object_mut)
            {
                add_common_failures(path, takes_body, responses);
            }
        }
    }
    document
}

fn add_common_failures(
    path: &str,
    takes_body: bool,
    responses: &mut serde_json::Map<String, serde_json::Value>,
) {
    use crate::http::envelope::Surface;
    let schema = match Surface::of(path) {
        Surface::Social => "SocialFailure",
        Surface::Links | Surface::Page => "LinksFailure",
    };
    let failure = |description: &str| {
        let content = serde_json::json!({
            "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } },
            "text/html": { "schema": { "type": "string" } },
        });
        serde_json::json!({ "description": description, "content": content })
    };
    let mut common = vec![
        ("429", "Too many requests; see Retry-After"),
        ("500", "Something went wrong on our side"),
        ("503", "Busy, or the datastore is away; see Retry-After"),
    ];
    if takes_body {
        common.extend([
            ("408", "The body did not arrive in time"),
            ("413", "Too large"),
            ("415", "Not that media type"),
        ]);
    }
    for (status, description) in common {
        responses.entry(status).or_insert_with(|| failure(description));
    }
    // A page or data, as the client's Accept asks.
    if Surface::of(path) == Surface::Page {
        for (status, response) in responses {
            let html = serde_json::json!({ "schema": { "type": "string" } });
            if let Some(content) = response.get_mut("content").and_then(serde_json::Value::as_object_mut)
                && status.starts_with('4')
            {
                content.entry("text/html").or_insert(html);
            }
        }
    }
}

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![
        at(PATH).get(document),
        at("/docs").get(docs),
        at(http::pages::DOCS).get(docs_page),
        at("/docs/{file}").get(docs_file),
    ]
}

/// A file that is served from memory.
struct File {
    content_type: String,
    bytes: Bytes,
}

/// The description, serialised once.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(document_json().to_string()));

/// The files of the vendored Swagger UI.
static FILES: LazyLock<HashMap<&str, File>> = LazyLock::new(|| {
    let config = Arc::new(Config::new([PATH]));
    let names = [
        "index.html",
        "index.css",
        "swagger-ui.css",
        "swagger-ui-bundle.js",
        "swagger-ui-standalone-preset.js",
        "swagger-initializer.js",
        "favicon-16x16.png",
        "favicon-32x32.png",
    ];
    let load = |name: &'static str| {
        let file = utoipa_swagger_ui::serve(name, config.clone()).ok()??;
        Some((name, File { content_type: file.content_type, bytes: Bytes::from(file.bytes.into_owned()) }))
    };
    names.into_iter().filter_map(load).collect()
});

/// A body in slices of memory that all its readers share: one who does not read costs a slice.
fn sliced(bytes: &Bytes) -> SizedStream<impl Stream<Item = Result<Bytes, Infallible>> + use<>> {
    let (bytes, length) = (bytes.clone(), bytes.len());
    let slices =
        (0..length).step_by(SLICE).map(move |start| Ok(bytes.slice(start..length.min(start + SLICE))));
    SizedStream::new(length as u64, futures_util::stream::iter(slices))
}

fn served(name: &str) -> Result<HttpResponse, ApiError> {
    let file = FILES.get(name).ok_or_else(|| ApiError::of_status(StatusCode::NOT_FOUND))?;
    let mut response = HttpResponse::Ok();
    Ok(response.content_type(file.content_type.as_str()).body(sliced(&file.bytes)))
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "operations",
    responses((status = 200, body = serde_json::Value, content_type = "application/json")))]
pub async fn document() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(sliced(&DOCUMENT))
}

/// The way to the interactive description.
#[utoipa::path(get, path = "/docs", tag = "pages", responses((status = 303, description = "To /docs/")))]
pub async fn docs() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, http::pages::DOCS)).finish()
}

/// The interactive description.
#[utoipa::path(get, path = "/docs/", tag = "pages",
    responses((status = 200, body = String, content_type = "text/html")))]
pub async fn docs_page() -> Result<HttpResponse, ApiError> {
    served("index.html")
}

/// What the interactive description loads.
#[utoipa::path(get, path = "/docs/{file}", tag = "pages", params(("file" = String, Path)), responses(
    (status = 200, content((String = "text/html"), (String = "text/css"), (String = "text/javascript"), (String = "image/png"))),
    (status = 404, body = LinksFailure),
))]
pub async fn docs_file(file: web::Path<String>) -> Result<HttpResponse, ApiError> {
    served(&file)
}

//! The API description, OpenAPI 3.1, from the code.
//!
//! Invariant: every route served is described here; `tests/api` compares the two and checks each answer of its
//! requests against the schemas.

use actix_web::{HttpResponse, web};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::http::envelope::{LinksFailure, SocialFailure};
use crate::http::router::{Endpoint, at};
use crate::{auth, http, shortener};

const PATH: &str = "/openapi.json";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "ayrene",
        description = "One set of accounts behind two surfaces: Links (`/api/v1`, `/{code}`) and Social (`/api`).",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        http::health::healthz, http::health::readyz, http::health::metrics,
        http::pages::home, http::pages::style, http::pages::robots,
        document, docs,
        auth::routes::links::register, auth::routes::links::login, auth::routes::links::refresh,
        auth::routes::links::me, auth::routes::links::logout, auth::routes::links::logout_other,
        auth::routes::links::profile, auth::routes::links::sessions,
        auth::routes::social::register, auth::routes::social::login, auth::routes::social::refresh,
        auth::routes::social::me, auth::routes::social::logout,
        shortener::routes::links::shorten, shortener::routes::links::list, shortener::routes::links::visit,
        shortener::routes::links::unlock, shortener::routes::links::fetch, shortener::routes::links::stats,
        shortener::routes::links::update, shortener::routes::links::delete,
        shortener::routes::redirect::follow, shortener::routes::redirect::unlock,
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
    vec![at(PATH).get(document), at("/docs").get(docs)]
}

/// The interactive description, a service of its own below `/docs/`.
pub fn swagger_ui() -> SwaggerUi {
    SwaggerUi::new("/docs/{_:.*}").config(Config::new([PATH]))
}

/// The description, serialised once.
#[derive(Debug, Clone)]
pub struct DocumentText(pub String);

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "operations",
    responses((status = 200, body = serde_json::Value, content_type = "application/json")))]
pub async fn document(text: web::Data<DocumentText>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(text.0.clone())
}

/// The interactive description.
#[utoipa::path(get, path = "/docs", tag = "pages", responses((status = 303, description = "To /docs/")))]
pub async fn docs() -> HttpResponse {
    http::pages::home().await
}

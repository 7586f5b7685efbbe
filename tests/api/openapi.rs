//! The API description describes what is served, all of it and nothing else.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::TestServer;

#[test]
fn every_route_served_is_described_and_every_route_described_is_served() {
    let mut served = BTreeSet::new();
    for endpoint in ayrene::app::endpoints() {
        for method in endpoint.methods() {
            // HEAD comes with every GET; it is described where it has an effect of its own: on the short link.
            if method.as_str() != "HEAD" || endpoint.path() == "/{code}" {
                served.insert(format!("{method} {}", endpoint.path()));
            }
        }
    }
    let document = ayrene::openapi::document_json();
    let described: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    assert_eq!(served, described);
}

#[tokio::test]
async fn the_description_is_served_as_openapi_3_1() {
    let server = TestServer::start();
    let answer = server.client().get("/openapi.json").send().await;
    assert_eq!(answer.status, 200);
    assert!(answer.json["openapi"].as_str().unwrap().starts_with("3.1"), "{}", answer.json["openapi"]);
    assert_eq!(answer.json, ayrene::openapi::document_json());
}

#[test]
fn protected_routes_say_so() {
    let document = ayrene::openapi::document_json();
    let secured = |path: &str, method: &str| document["paths"][path][method]["security"].clone();
    assert_eq!(secured("/api/v1/url/get/{id}", "get"), serde_json::json!([{ "access": [] }]));
    assert_eq!(secured("/api/v1/url", "post"), serde_json::json!([{}, { "access": [] }]));
    assert_eq!(secured("/{code}", "get"), Value::Null);
}

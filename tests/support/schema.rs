//! Checks answers against the API description that the server serves.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::client::Answer;

static DOCUMENT: LazyLock<Value> = LazyLock::new(ayrene::openapi::document_json);
static VALIDATORS: LazyLock<Mutex<HashMap<String, Validator>>> = LazyLock::new(Mutex::default);

/// The described path that `path` belongs to: a literal segment beats a parameter.
pub fn described_path(path: &str) -> Option<&'static str> {
    let path = path.split('?').next().unwrap();
    let fits = |pattern: &str| {
        let (given, pattern): (Vec<_>, Vec<_>) = (path.split('/').collect(), pattern.split('/').collect());
        given.len() == pattern.len()
            && given
                .iter()
                .zip(&pattern)
                .all(|(given, part)| part == given || (part.starts_with('{') && !given.is_empty()))
    };
    let patterns = DOCUMENT["paths"].as_object().unwrap().keys();
    patterns
        .filter(|pattern| fits(pattern))
        .min_by_key(|pattern| pattern.matches('{').count())
        .map(String::as_str)
}

/// Fails the test when the description has no such answer, or its schema does not fit.
pub fn check(method: &str, path: &str, answer: &Answer) {
    let status = answer.status.to_string();
    let Some(pattern) = described_path(path) else {
        assert_eq!(answer.status, 404, "{method} {path} is served and not described: {answer:?}");
        return;
    };
    let described = &DOCUMENT["paths"][pattern];
    let operation = match method {
        "HEAD" if described["head"].is_null() => &described["get"],
        _ => &described[method.to_lowercase()],
    };
    if operation.is_null() {
        assert_eq!(answer.status, 405, "{method} {path} is served and not described: {answer:?}");
        return;
    }
    let response = &operation["responses"][&status];
    assert!(!response.is_null(), "{method} {pattern}: {status} is not described: {answer:?}");
    let content_type = answer.header("content-type").split(';').next().unwrap();
    if answer.text.is_empty() {
        return;
    }
    let content = &response["content"];
    let described = if content[content_type].is_null() { &content["*/*"] } else { &content[content_type] };
    let schema = &described["schema"];
    assert!(!schema.is_null(), "{method} {pattern} {status}: {content_type} is not described: {answer:?}");
    if content_type != "application/json" {
        return;
    }
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    let validator = validators.entry(format!("{method} {pattern} {status}")).or_insert_with(|| {
        let mut root = schema.clone();
        root["components"] = json!({ "schemas": closed(DOCUMENT["components"]["schemas"].clone()) });
        jsonschema::validator_for(&root).unwrap()
    });
    let problems: Vec<String> = validator.iter_errors(&answer.json).map(|error| error.to_string()).collect();
    assert!(
        problems.is_empty(),
        "{method} {pattern} {status} does not fit its schema: {problems:?}\n{}",
        answer.text
    );
}

/// The schemas with properties that are not described refused, so that a test sees an undocumented field.
fn closed(mut schemas: Value) -> Value {
    for schema in schemas.as_object_mut().unwrap().values_mut() {
        if schema.get("properties").is_some() && schema.get("additionalProperties").is_none() {
            schema["additionalProperties"] = json!(false);
        }
    }
    schemas
}

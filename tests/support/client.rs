//! A client that follows no redirect and checks every answer against `/openapi.json`.

use std::net::SocketAddr;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::form::Form;
use super::server::PASSWORD;
use super::{leaks, schema};

/// Sends requests to one server, perhaps with a token.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    address: SocketAddr,
    token: Option<String>,
}

/// An answer that fits the API description.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
    pub text: String,
    /// Null when the body is no JSON.
    pub json: Value,
}

impl Answer {
    /// A header's text, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or("<not text>"))
    }

    /// The names of the fields at fault, on either surface.
    pub fn fields_at_fault(&self) -> Vec<&str> {
        let errors = self.json["details"]["errors"].as_array().or(self.json["errors"].as_array());
        errors
            .map(|errors| errors.iter().filter_map(|error| error["field"].as_str()).collect())
            .unwrap_or_default()
    }
}

/// A request being built.
pub struct Request {
    builder: RequestBuilder,
    method: Method,
    path: String,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, address, token: None }
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Request {
        self.request(Method::POST, path)
    }

    pub fn put(&self, path: &str) -> Request {
        self.request(Method::PUT, path)
    }

    pub fn patch(&self, path: &str) -> Request {
        self.request(Method::PATCH, path)
    }

    pub fn delete(&self, path: &str) -> Request {
        self.request(Method::DELETE, path)
    }

    pub fn request(&self, method: Method, path: &str) -> Request {
        let mut builder = self.http.request(method.clone(), format!("http://{}{path}", self.address));
        if let Some(token) = &self.token {
            builder = builder.bearer_auth(token);
        }
        Request { builder, method, path: path.to_owned() }
    }

    /// Makes an account; returns its id and tokens.
    pub async fn register(&self, email: &str) -> Value {
        let body = serde_json::json!({ "email": email, "password": PASSWORD });
        let answer = self.post("/api/v1/auth/register").json(&body).send().await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json["data"].clone()
    }

    /// Makes a link; returns its code.
    pub async fn shorten(&self, body: &Value) -> String {
        let answer = self.post("/api/v1/url").json(body).send().await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json["data"]["urlCode"].as_str().unwrap().to_owned()
    }
}

impl Request {
    pub fn json(mut self, body: &Value) -> Self {
        self.builder = self.builder.json(body);
        self
    }

    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        self.builder = self.builder.form(fields);
        self
    }

    pub fn body(mut self, content_type: &str, body: impl Into<reqwest::Body>) -> Self {
        self.builder = self.builder.header("content-type", content_type).body(body);
        self
    }

    pub fn multipart(self, form: Form) -> Self {
        self.body(&Form::content_type(), form.body())
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// Sends it; whatever comes back must stand in the API description.
    pub async fn send(self) -> Answer {
        let response = self.builder.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap().to_vec();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        leaks::note(leaks::Place::Answer, &format!("{headers:?} {}", without_query(&self.path, &text)));
        let answer = Answer { status, headers, bytes, text, json };
        schema::check(self.method.as_str(), &self.path, &answer);
        answer
    }
}

/// A text without what the asked address had in its query: a page may give that back in its form, to who has it.
fn without_query(path: &str, text: &str) -> String {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let values = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
    values.filter(|value| !value.is_empty()).fold(text.to_owned(), |text, value| text.replace(value, "?"))
}

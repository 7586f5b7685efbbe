//! Shared HTTP; knows no domain.
//!
//! - [`error`]: the one error type of both surfaces, [`envelope`]: how answers and errors look on each.
//! - [`edge`]: what happens to every request: id, log line, metrics, security headers, rendering of errors.
//! - [`body`]: bounded reading of JSON and forms, [`query`]: numbers in a query, [`client`]: whose request it is,
//!   [`connection`]: how long it may take, `remainder`: what is left of it.
//! - [`server`]: accepting connections, workers and their end. [`lane`]: answers to simple requests, given below actix-http.
//! - [`multipart`]: bounded reading of uploads, [`upload`]: who may send one and where it goes, [`download`]: answers
//!   with what is stored.
//! - [`rate_limit`]: every limit on requests. [`router`]: routes that know their methods.
//! - [`health`]: liveness, readiness, metrics. [`pages`]: what a browser sees, [`assets`]: what pages load.
//!
//! Invariant: every answer with a status of 400 or more is rendered by [`edge`] from an [`error::ApiError`], so
//! no failure can leave in another shape.

pub mod assets;
pub mod body;
pub mod client;
pub mod connection;
pub mod download;
pub mod edge;
pub mod envelope;
pub mod error;
pub mod health;
pub mod lane;
pub mod multipart;
pub mod pages;
pub mod query;
pub mod rate_limit;
mod remainder;
pub mod router;
pub mod server;
pub mod upload;

pub use body::{JsonBody, Then};
pub use error::{ApiError, FieldError};

//! What every test stands on: a Redis of the test binary's own, a server on a free port, a client that checks
//! each answer against the API description.

#![allow(dead_code, unused_imports, reason = "each test binary uses its part")]

pub mod client;
pub mod files;
pub mod form;
pub mod google;
pub mod leaks;
pub mod mail;
pub mod person;
pub mod pictures;
pub mod redis_server;
pub mod s3;
pub mod schema;
pub mod server;
pub mod slow_redis;
pub mod smtp;
pub mod socket;
pub mod tied;

pub use client::{Answer, Client};
pub use mail::Mail;
pub use person::Person;
pub use server::TestServer;

//! The pages as people meet them: in a browser, on a phone and on a desk, in light and in the dark.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod account;
mod browser;
mod driver;
mod failures;
mod home;
mod looks;
mod unlock;
mod warnings;

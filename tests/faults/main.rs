//! The real binary, killed, starved and cut off: what was acknowledged is there afterwards, and nothing hangs.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod auth_mails;
mod clicks;
mod counting;
mod embedded;
mod external;
mod mail;
mod messages;
mod process;
mod purge;
mod realtime;
mod start_stop;
mod uploads;

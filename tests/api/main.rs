//! The HTTP contracts, tested over real sockets against a real Redis. Modules mirror the URLs.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod auth_devices;
mod auth_google;
mod auth_links;
mod auth_phone;
mod auth_reset;
mod auth_sessions;
mod auth_social;
mod auth_throttle;
mod auth_verify;
mod blocks;
mod conversations;
mod download;
mod files;
mod files_lost;
mod leftovers;
mod manners;
mod messages;
mod messages_change;
mod messages_long;
mod messages_read;
mod multipart;
mod notifications;
mod openapi;
mod outbox;
mod pages;
mod pages_account;
mod posts;
mod posts_events;
mod posts_reactions;
mod presence;
mod realtime;
mod redirect;
mod redirect_memory;
mod secrets;
mod sms_webhook;
mod storage_s3;
mod story;
mod uploads;
mod url;
mod url_clicks_mailed;
mod url_otp;
mod url_requests;
mod url_safety;
mod url_stats;
mod user_delete;
mod user_purge;
mod users;

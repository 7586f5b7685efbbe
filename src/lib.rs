//! ayrene: an actor-based server on Redis. One set of accounts, two HTTP surfaces: a URL shortener and a social
//! service.
//!
//! # Layout
//!
//! - [`app`] puts everything together and runs it, [`worker`] what is on each thread; [`config`], [`data_dir`], [`telemetry`] are what it needs first.
//! - [`values`]: ids, text and times. [`http`], [`actor`], [`redis`], [`outbox`], [`journal`],
//!   [`secrets`], [`storage`] and [`media`] are shared plumbing and know no domain.
//! - Domains: [`auth`] (accounts, sessions, tokens), [`users`] (who people are), [`presence`] (who is
//!   here), [`conversation`] (what they write to each other), [`realtime`] (what their devices hear of), [`posts`]
//!   (posts, likes, comments), [`shortener`] (links and clicks), [`notifier`] (what people are told, by whatever way).
//! - [`openapi`] describes all routes.
//!
//! A domain folder has the same files everywhere: `mod.rs` says what it owns, `model.rs` parses, `messages.rs`
//! is what its actor can be asked, `actor.rs` answers, `store.rs` alone speaks to Redis, `keys.rs` lists every
//! key, `routes` is its HTTP, `error.rs` what can go wrong. ARCHITECTURE.md has the rules.

pub mod actor;
pub mod app;
pub mod auth;
pub mod config;
pub mod conversation;
pub mod data_dir;
pub mod http;
pub mod journal;
pub mod media;
pub mod notifier;
pub mod openapi;
pub mod outbox;
pub mod posts;
pub mod presence;
pub mod realtime;
pub mod redis;
pub mod secrets;
pub mod shortener;
pub mod storage;
pub mod telemetry;
pub mod users;
pub mod values;
pub mod worker;

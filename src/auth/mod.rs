//! Accounts' credentials, sessions and tokens. The session manager.
//!
//! Owns: who may log in, under which names, which sessions live, what a token is worth. Its keys are in [`keys`],
//! its messages in [`messages`]; [`extractor::AuthUser`] is how other domains ask who is calling.
//!
//! Invariants: an access token is worth something only while its session lives in Redis, so ending a session
//! ends its tokens on the next request; a refresh token rotates, and one that comes back too late ends its
//! session; every path that must end sessions sends [`messages::EndSessions`].

pub mod actor;
mod closing;
mod courier;
pub mod error;
mod estate;
pub mod extractor;
mod google;
pub mod hasher;
pub mod jwks;
mod keys;
pub mod messages;
pub mod model;
mod names;
mod opening;
mod phone;
mod proofs;
mod purge;
pub mod routes;
mod store;
pub mod tokens;

pub use actor::{Asks, SessionManager};
pub use estate::Estate;
pub use extractor::AuthUser;

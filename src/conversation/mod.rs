//! Direct messages between two people: order, unread counts, receipts, blocks, files.
//!
//! Owns conversations and their messages; keys in [`keys`], messages to its actor in [`messages`].
//!
//! Invariants: order, unread counts, receipts and the intent to tell both sides are one script each, so they agree under
//! any concurrency; what is unread is what a side received after what it has read, less what was deleted; whoever has no
//! part in a conversation cannot tell it from one that does not exist; a file in the store has a message that refers to it,
//! or is registered as being in doubt.

pub mod actor;
pub mod error;
mod files;
mod keys;
pub mod messages;
pub mod model;
mod purge;
mod record;
pub mod routes;
mod store;
pub mod view;

pub use actor::{Asks, Conversations};

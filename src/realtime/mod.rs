//! The realtime surface: each user's log of events, and the sockets that read it.
//!
//! Invariant: the events of a user are numbered without gaps, and each cause gives one event, whoever repeats it.

pub mod actor;
pub mod error;
mod keys;
pub mod messages;
pub mod model;
mod store;

pub use actor::EventLog;

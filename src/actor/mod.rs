//! Shared actor plumbing; knows no domain. See [`ask`].

pub mod ask;

pub use ask::{Ask, AskError, Gate, Mailbox};

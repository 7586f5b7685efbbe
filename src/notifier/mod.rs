//! Notifications: what people are told, over their sockets, by mail and by SMS.
//!
//! Owns each user's list of notifications and what goes out of the house; keys in [`keys`], messages in [`messages`].
//! What somebody is to hear of is a [`model::Notice`]. The script that causes one leaves it, sealed, as an intent in its
//! own slot; whoever carries that intent hands it to [`actor::Notifier`].
//!
//! Invariants: a notice is listed once and sent at least once, whoever repeats it and whoever dies in between; nothing
//! secret in it stands readable in the datastore, in a log line or in a list; the mails and messages of a notice bear
//! one id, by which those that were sent twice can be known.

pub mod actor;
pub mod error;
mod keys;
mod letter;
mod mail;
pub mod messages;
pub mod model;
pub mod record;
pub mod routes;
pub mod sender;
mod store;
pub mod transport;

pub use actor::{Asks, Notifier};

//! Who is here.
//!
//! A user is here while a socket lives or, without one, for a while after a login or another use over HTTP. Both are
//! one number: until when, unless there is another sign of life. So a reader needs nobody who tidies up: when the time
//! has run out the user is offline, and was last seen at the last sign of life.
//!
//! Owns that number, the users' sockets, what users set by hand (`away`, `busy`, or `offline`: here unseen), and the
//! news of changes, on the channel `presence:<id>`. Invariants:
//! - What was set by hand goes with the user: whoever comes back is online.
//! - `seen` stands still while a user is here unseen.
//! - Whoever counts as here stands on a list with a time not later than their own. A sweep looks at those whose time
//!   has come and tells who has gone without a word, once.

pub mod actor;
pub mod error;
mod keys;
pub mod messages;
pub mod model;
mod store;

pub use actor::PresenceKeeper;

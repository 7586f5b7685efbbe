//! The realtime surface: each user's log of events, and the sockets that read it.
//!
//! - [`messages`] and [`actor`]: the log of each user's events, which other domains deliver to.
//! - [`hub`]: what this node hears for all of its sockets; `outbound`: what waits for each of them.
//! - [`session`]: one socket, and the only user of actix-web-actors; [`ways`]: whom it asks; `inflow`: its bytes;
//!   `protocol`: its frames; `grant`: what they bring about; `owed`: their answers; `opening`: how it finds its place.
//!
//! Invariants: the events of a user are numbered without gaps, and each cause gives one event, whoever repeats it. A
//! socket that was told `resumed` gets every event after the one it named, in order, once; one that cannot be given all
//! of them is told so, or closed.

pub mod actor;
mod budget;
pub mod error;
mod grant;
pub mod hub;
mod inflow;
mod keys;
pub mod messages;
pub mod model;
mod opening;
mod outbound;
mod owed;
mod protocol;
pub mod routes;
pub mod session;
mod store;
pub mod ways;

pub use actor::EventLog;
pub use hub::Hub;

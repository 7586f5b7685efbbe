//! Short links: making them, following them, counting every click.
//!
//! Owns links, the index of each user's links, and analytics events; keys in [`keys`], messages in
//! [`messages`]. [`target`] decides which long URLs are acceptable, [`visitor`] what is remembered of a visitor.
//!
//! Invariants: an answered click was counted, in the same step in which the link's state was read, so a link
//! that is deleted, edited or protected anywhere is so for the very next request; the target of a protected
//! link leaves the datastore only for who opened it, or owns it.

pub mod actor;
pub mod error;
mod keys;
pub mod messages;
pub mod model;
pub mod routes;
mod store;
pub mod target;
pub mod visitor;

pub use actor::Shortener;

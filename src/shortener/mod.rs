//! Short links: making them, following them, counting every click.
//!
//! Owns links, the index of each user's links, and analytics events; keys in [`keys`], messages in
//! [`messages`]. [`target`] decides which long URLs are acceptable, [`visitor`] what is remembered of a visitor. How
//! protected links open stands in `unlock`, who gets codes and grants in `otp` and `access`, what owners hear of clicks in
//! `clicks`. [`safety`] knows which targets are not safe for work and which are blocked, `passage` what that means to a visit.
//!
//! Open links are followed from [`memory`], and their clicks wait in the [`ledger`] to be counted.
//!
//! Invariants: an answered click is counted, once, whatever dies; a link that is deleted, edited or protected through this
//! node is so for the very next request, through another one within a quarter of a second; the target of a protected
//! link is told only to who opened it, or owns it.

mod access;
pub mod actor;
mod carrier;
mod clicks;
mod digests;
pub mod error;
mod keys;
pub mod ledger;
mod memory;
pub mod messages;
pub mod model;
mod otp;
mod passage;
pub mod routes;
pub mod safety;
mod standing;
mod store;
pub mod target;
mod unlock;
pub mod visitor;

pub use actor::{Asks, Shortener};
pub use ledger::{Clerk, Ledger};
pub use memory::{Memory, listen};

//! Who people are: ids, names, addresses, profiles.
//!
//! Accounts and their credentials are [`crate::auth`]'s; this module owns what identifies a user and how one
//! looks from outside. Invariant: whoever has signed in has a profile.

pub mod actor;
pub mod error;
mod keys;
pub mod messages;
pub mod model;
mod store;

pub use actor::PeopleKeeper;

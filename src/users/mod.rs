//! Who people are: ids, names, addresses, profiles, and the directory of all.
//!
//! Accounts and their credentials are [`crate::auth`]'s; this module owns what identifies a user and how one
//! looks from outside. Invariants: whoever has signed in has a profile; the directory is an index that may lag behind
//! profiles and never decides what they say: entries that no profile answers to are passed over, and a login repairs
//! what is missing.

pub mod actor;
mod avatar;
pub mod error;
mod keys;
pub mod messages;
pub mod model;
mod profile;
pub mod routes;
mod standing;
mod store;

pub use actor::PeopleKeeper;

//! Who people are: ids, names, addresses, and the user object of the Social surface.
//!
//! Accounts and their credentials are [`crate::auth`]'s; this module owns what identifies a user and how one
//! looks from outside.

pub mod model;

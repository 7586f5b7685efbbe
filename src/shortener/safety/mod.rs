//! Whether what a link leads to is safe: for work, and at all.
//!
//! Owns the lists of hosts ([`lists`]) and what is made of them. Invariant: who asks is answered at once, from memory.

mod hosts;
pub mod lists;
mod words;

pub use lists::{HostLists, ListError, Lists};

//! Whether what a link leads to is safe: for work, and at all.
//!
//! Owns the [`lists`] of hosts, which answer at once and from memory, and the [`classifier`], which reads pages where the
//! lists and words say nothing. Invariants: what a link's maker says of it counts more than what is found out; a host
//! that is blocked is blocked for links that are there already, in the same step in which their visits are counted.

mod address;
pub mod classifier;
mod fetch;
mod hosts;
pub mod lists;
pub mod messages;
mod page;
pub(super) mod undecided;
mod words;

use std::sync::Arc;

pub use classifier::{Classifier, ClassifierWays, ClientError};
pub use lists::{HostLists, ListError, Lists};

/// What a node has to tell safe targets from others.
#[derive(Debug, Clone)]
pub struct Safety {
    /// The lists of hosts.
    pub lists: Arc<Lists>,
    /// Who reads pages, if pages are read.
    pub classifier: Option<ClassifierWays>,
}

//! What the notifier can be asked.

use actix::Message;

use super::error::NotifierError;
use super::model::Notice;

/// Tell people. Repeating it is harmless as long as the intents of a source come in their order, from the oldest that is not
/// settled.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), NotifierError>")]
pub struct Notify {
    /// What the intents belong to, unique among all kinds of sources: `link:<code>`, `user:<id>`.
    pub source: String,
    /// Intents and what each is to tell, in the order of the intents; one intent tells each recipient at most one thing.
    pub notices: Vec<(u64, Notice)>,
}

//! What the event log can be asked.

use actix::Message;

use super::error::RealtimeError;
use super::model::Event;

/// Append events to the logs of those whom they are for, and push them. Repeating it is harmless as long as the intents
/// of a source come in their order, from the oldest that is not settled.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), RealtimeError>")]
pub struct Deliver {
    /// What the intents belong to, unique among all kinds of sources: `conv:<id>`, `post:<id>`.
    pub source: String,
    /// In the order of their intents.
    pub events: Vec<Event>,
}

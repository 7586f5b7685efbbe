//! What the classifier can be asked.

use actix::Message;

use crate::shortener::error::ShortenerError;
use crate::shortener::model::ShortCode;

/// Read the page behind a link and note what it says, unless somebody has.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), ShortenerError>")]
pub struct Classify {
    /// Which.
    pub code: ShortCode,
    /// When it was registered as undecided.
    pub registered_ms: u64,
}

/// Classify links that were left undecided a while ago.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), ShortenerError>")]
pub struct SweepUndecided;

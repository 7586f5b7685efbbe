//! Numbers in a query.
//!
//! Queries are read as text, so that what is wrong with a number names its field as everything else does.

use super::body::invalid_message;
use super::error::{ApiError, FieldError};

/// Highest page that can be asked for.
pub const MAX_PAGE: u32 = 1_000_000;

/// The number in `text`, from 1 to `max`; `default` when there is none. An error is worded for the surface of `path`.
pub fn number(
    path: &str,
    field: &'static str,
    text: Option<&str>,
    default: u32,
    max: u32,
) -> Result<u32, ApiError> {
    let Some(text) = text else { return Ok(default) };
    let parsed = text.parse().ok().filter(|number| (1..=max).contains(number));
    parsed.ok_or_else(|| {
        let problem = format!("must be a number from 1 to {max}");
        ApiError::invalid(invalid_message(path), vec![FieldError::new(field, problem)])
    })
}

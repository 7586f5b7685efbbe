//! Times as the contracts write them, from milliseconds since 1970.

use chrono::{DateTime, SecondsFormat};

/// `2025-12-05T11:04:48.214Z`.
pub fn iso_time(millis: i64) -> String {
    DateTime::from_timestamp_millis(millis).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Epoch seconds as text.
pub fn epoch_secs(millis: i64) -> String {
    millis.div_euclid(1000).to_string()
}

/// The day, `5 December 2025`, in UTC.
pub fn day(millis: i64) -> String {
    DateTime::from_timestamp_millis(millis).unwrap_or_default().format("%-d %B %Y").to_string()
}

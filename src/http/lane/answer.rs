//! What the lane writes.
//!
//! Invariant: a redirect has the headers that [`crate::http::edge`] gives a redirect, with the same values. Nothing is
//! allocated for one, once the room to write it in has grown.

use std::cell::RefCell;
use std::io::Write;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use super::head::Head;
use crate::http::edge::{
    self, CONTENT_TYPE_OPTIONS, DATA_POLICY, FRAME_OPTIONS, NO_STORE, REDIRECT_REFERRER_POLICY, RequestId,
};
use crate::http::rate_limit::{RateLimits, Standing};

const TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\ndate: ";
const FOUND: &[u8] = b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\ndate: ";
const SECOND: Duration = Duration::from_secs(1);

/// From the date's end to the location, the same in all redirects.
static SETTLED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let lines = [
        ("cache-control", NO_STORE),
        ("x-content-type-options", CONTENT_TYPE_OPTIONS),
        ("x-frame-options", FRAME_OPTIONS),
        ("content-security-policy", DATA_POLICY),
        ("referrer-policy", REDIRECT_REFERRER_POLICY),
    ];
    let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("\r\n{lines}location: ").into_bytes()
});

thread_local! {
    static DATE: RefCell<Date> = RefCell::new(Date::at(Instant::now()));
}

/// The `Date` header's value.
struct Date {
    text: Vec<u8>,
    until: Instant,
}

impl Date {
    fn at(now: Instant) -> Self {
        let mut date = Self { text: Vec::new(), until: now };
        date.refresh(now);
        date
    }

    fn refresh(&mut self, now: Instant) {
        let clock = SystemTime::now();
        let past = clock.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.text.clear();
        // Into memory: this cannot fail.
        let _ = write!(self.text, "{}", httpdate::HttpDate::from(clock));
        self.until = now + SECOND - Duration::from_nanos(past.subsec_nanos().into());
    }
}

fn write_date(out: &mut Vec<u8>, now: Instant) {
    DATE.with_borrow_mut(|date| {
        if now >= date.until {
            date.refresh(now);
        }
        out.extend_from_slice(&date.text);
    });
}

/// Appends the answer that sends `request` on to `location`, to a client that stands at `standing`. False, and nothing,
/// if that cannot be the value of a header.
pub fn found(
    out: &mut Vec<u8>,
    request: &Head<'_>,
    location: &[u8],
    standing: Option<(&RateLimits, Standing)>,
) -> bool {
    if location.iter().any(u8::is_ascii_control) {
        return false;
    }
    let id = RequestId::next();
    out.extend_from_slice(FOUND);
    write_date(out, request.received);
    for part in [&SETTLED, location, b"\r\n"] {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(edge::REQUEST_ID.as_str().as_bytes());
    out.extend_from_slice(b": ");
    id.write(out);
    out.extend_from_slice(b"\r\n");
    if let Some((limits, standing)) = standing {
        limits.write_lines(&standing, out);
    }
    out.extend_from_slice(b"\r\n");
    edge::log_redirect(id, request.path, request.received);
    true
}

/// Appends the last answer on a connection whose client does not end a head.
pub(super) fn timeout(out: &mut Vec<u8>, now: Instant) {
    out.extend_from_slice(TIMEOUT);
    write_date(out, now);
    out.extend_from_slice(b"\r\n\r\n");
}

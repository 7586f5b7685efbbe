//! A click as it stands in the journal.
//!
//! Layout, numbers little-endian: flags `u8` · when the link was made, ms `u64` · code: length `u8`, bytes · and, of a click that
//! is recorded by itself: when it was, ms `u64` · HTTP method `u8` · class of the user agent `u8` · IP address: its bytes'
//! number `u8`, bytes · referrer's host: length `u8`, bytes. Invariant: what was encoded decodes to the same; anything else
//! decodes to nothing.

use std::net::IpAddr;

use crate::shortener::visitor::AgentClass;

/// It counts; else it is for the tallies alone, because it was counted when it was answered.
const COUNTS: u8 = 1;
/// The visitor is described.
const DESCRIBED: u8 = 2;
/// Longest record.
const MAX_BYTES: usize = 1 + 8 + 1 + 64 + 8 + 1 + 1 + 1 + 16 + 1 + 255;
const METHODS: [&str; 3] = ["GET", "HEAD", "POST"];

/// A click.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Click<'a> {
    pub(super) code: &'a str,
    /// When the link was made, in ms since 1970.
    pub(super) created_ms: u64,
    pub(super) counts: bool,
    pub(super) visit: Option<Visit<'a>>,
}

/// Who clicked, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shortener) struct Visit<'a> {
    /// In ms since 1970.
    pub(in crate::shortener) time_ms: u64,
    pub(in crate::shortener) http_method: &'static str,
    /// As it is stored.
    pub(in crate::shortener) ip: IpAddr,
    /// Host, or empty.
    pub(in crate::shortener) referrer: &'a str,
    pub(in crate::shortener) agent: AgentClass,
}

/// Where a record is written.
pub(super) struct Buffer {
    bytes: [u8; MAX_BYTES],
    length: usize,
}

impl Buffer {
    fn new() -> Self {
        Self { bytes: [0; MAX_BYTES], length: 0 }
    }

    fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }

    /// At most 255 bytes of it.
    fn put_text(&mut self, text: &[u8]) {
        let text = &text[..text.len().min(u8::MAX.into())];
        self.put(&[text.len() as u8]);
        self.put(text);
    }
}

impl std::ops::Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl<'a> Click<'a> {
    pub(super) fn encode(&self) -> Buffer {
        let mut buffer = Buffer::new();
        let flags = if self.counts { COUNTS } else { 0 } | if self.visit.is_some() { DESCRIBED } else { 0 };
        buffer.put(&[flags]);
        buffer.put(&self.created_ms.to_le_bytes());
        buffer.put_text(self.code.as_bytes());
        if let Some(visit) = &self.visit {
            buffer.put(&visit.time_ms.to_le_bytes());
            let method = METHODS.iter().position(|method| *method == visit.http_method).unwrap_or_default();
            buffer.put(&[method as u8, visit.agent as u8]);
            match visit.ip {
                IpAddr::V4(ip) => buffer.put_text(&ip.octets()),
                IpAddr::V6(ip) => buffer.put_text(&ip.octets()),
            }
            buffer.put_text(visit.referrer.as_bytes());
        }
        buffer
    }

    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        let [flags] = rest.array()?;
        let created_ms = u64::from_le_bytes(rest.array()?);
        let code = std::str::from_utf8(rest.text()?).ok()?;
        let visit = match flags & DESCRIBED {
            0 => None,
            _ => Some(rest.visit()?),
        };
        rest.0.is_empty().then_some(Self { code, created_ms, counts: flags & COUNTS != 0, visit })
    }
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let [length] = self.array()?;
        let (text, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        Some(text)
    }

    fn visit(&mut self) -> Option<Visit<'a>> {
        let time_ms = u64::from_le_bytes(self.array()?);
        let [method, agent] = self.array()?;
        let ip = self.text()?;
        let ip = match (<[u8; 4]>::try_from(ip), <[u8; 16]>::try_from(ip)) {
            (Ok(v4), _) => IpAddr::from(v4),
            (_, Ok(v6)) => IpAddr::from(v6),
            _ => return None,
        };
        Some(Visit {
            time_ms,
            http_method: METHODS.get(usize::from(method)).copied()?,
            ip,
            agent: AgentClass::ALL.get(usize::from(agent)).copied()?,
            referrer: std::str::from_utf8(self.text()?).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn click<'a>(ip: &str, referrer: &'a str) -> Click<'a> {
        let ip = ip.parse().unwrap_or_else(|_| unreachable!());
        let agent = AgentClass::Preview;
        let visit = Visit { time_ms: 1_700_000_000_123, http_method: "HEAD", ip, referrer, agent };
        Click { code: "some-alias", created_ms: 1_690_000_000_000, counts: true, visit: Some(visit) }
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        for click in [
            click("203.0.113.0", "news.example"),
            click("2001:db8::", ""),
            Click { visit: None, ..click("::1", "") },
            Click { counts: false, ..click("::1", "a.example") },
        ] {
            assert_eq!(Click::decode(&click.encode()), Some(click));
        }
    }

    #[test]
    fn no_part_of_a_record_is_a_record() {
        let bytes = click("203.0.113.0", "news.example").encode();
        for length in 0..bytes.len() {
            assert_eq!(Click::decode(&bytes[..length]), None, "{length}");
        }
        let longer = [&*bytes, &[0]].concat();
        assert_eq!(Click::decode(&longer), None);
    }
}

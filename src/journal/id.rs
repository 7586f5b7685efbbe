//! Names of a record and of who wrote it.

use std::fmt;
use std::sync::Arc;

const WRITER_ID_CHARS: usize = 8;
/// Of a record. No two records that a directory ever had share one, and later ones have higher ones; there are gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub(super) u64);

impl Position {
    /// As a number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who writes: a random id that stays with the directory until it is renewed, over restarts too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WriterId(Arc<str>);

impl WriterId {
    /// Eight letters and digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(super) fn generate() -> Self {
        // A zero for the two that are neither letters nor digits.
        let alphabet = nanoid::alphabet::SAFE.map(|c| if c.is_ascii_alphanumeric() { c } else { '0' });
        Self(nanoid::nanoid!(WRITER_ID_CHARS, &alphabet).into())
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let valid = bytes.len() == WRITER_ID_CHARS && bytes.iter().all(u8::is_ascii_alphanumeric);
        str::from_utf8(bytes).ok().filter(|_| valid).map(|id| Self(id.into()))
    }
}

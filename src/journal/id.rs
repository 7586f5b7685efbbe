//! Names of a record and of who wrote it.

use std::fmt;
use std::sync::Arc;

const WRITER_ID_CHARS: usize = 8;
const ALPHANUMERIC: [char; 62] = {
    let mut all = ['0'; 62];
    let mut at = 0;
    while at < 62 {
        let from = if at < 10 {
            b'0'
        } else if at < 36 {
            b'A' - 10
        } else {
            b'a' - 36
        };
        all[at] = (from + at as u8) as char;
        at += 1;
    }
    all
};

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
        Self(nanoid::nanoid!(WRITER_ID_CHARS, &ALPHANUMERIC).into())
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let valid = bytes.len() == WRITER_ID_CHARS && bytes.iter().all(u8::is_ascii_alphanumeric);
        str::from_utf8(bytes).ok().filter(|_| valid).map(|id| Self(id.into()))
    }
}

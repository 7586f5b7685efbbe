//! Codes, protection, and what a link looks like.
//!
//! Invariant: a [`ShortCode`] that exists has the form of one, so everything else is a 404 without a look at
//! the datastore.

mod access;
mod tallies;

use std::collections::HashSet;
use std::fmt;

pub use access::{
    AccessRequest, AllowList, Decision, Grant, Key, Lock, MAX_ALLOWED, RequestId, check_reason,
};

pub use tallies::Tallies;

/// Without characters that are mistaken for each other (0 O o, 1 I l).
const ALPHABET: [char; 56] = [
    '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'J', 'K', 'L', 'M', 'N',
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j',
    'k', 'm', 'n', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z',
];
const CODE_CHARS: std::ops::RangeInclusive<usize> = 3..=64;
/// Longest password of a link, in characters.
const MAX_LINK_PASSWORD: usize = 128;

/// Words that no code may be, although nothing is served there yet: pages to come, and bait for phishing.
const KEPT_BACK: [&str; 24] = [
    // `/api/v1/url/get/…` and `/api/v1/url/stats/…` are no links called so.
    "get",
    "stats",
    "ws",
    "uploads",
    "static",
    "login",
    "logout",
    "register",
    "signin",
    "signup",
    "account",
    "admin",
    "dashboard",
    "settings",
    "recovered",
    "help",
    "about",
    "privacy",
    "terms",
    "abuse",
    "status",
    "well-known",
    "favicon",
    "sitemap",
];

/// What stands behind the host of a short link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShortCode(String);

impl ShortCode {
    /// The code in `text`, if it has the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = CODE_CHARS.contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        well_formed.then(|| Self(text.to_owned()))
    }

    /// A random code that is not reserved.
    pub fn generate(length: usize, reserved: &ReservedWords) -> Self {
        loop {
            let code = Self(nanoid::nanoid!(length, &ALPHABET));
            if !reserved.contains(&code) {
                return code;
            }
        }
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShortCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Words that lead elsewhere than to a link.
#[derive(Debug, Clone)]
pub struct ReservedWords(HashSet<String>);

impl ReservedWords {
    /// The first segments of `paths`, and those kept back.
    pub fn of_paths<'a>(paths: impl IntoIterator<Item = &'a str>) -> Self {
        let served =
            paths.into_iter().filter_map(|path| path.split('/').nth(1)).filter(|word| !word.starts_with('{'));
        Self(served.chain(KEPT_BACK).map(str::to_lowercase).collect())
    }

    /// Whether `code` is one of them, in whatever case.
    pub fn contains(&self, code: &ShortCode) -> bool {
        self.0.contains(&code.as_str().to_ascii_lowercase())
    }
}

/// What stands between a visitor and the long URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Nothing.
    None,
    /// A password.
    Password,
    /// A code mailed to the visitor.
    Otp,
    /// The owner's word.
    Approve,
}

impl Protection {
    /// The protection called `text`; an error says which there are.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "NONE" => Ok(Self::None),
            "PASSWORD" => Ok(Self::Password),
            "OTP" => Ok(Self::Otp),
            "APPROVE" => Ok(Self::Approve),
            _ => Err("must be NONE, PASSWORD, OTP or APPROVE"),
        }
    }

    /// Its name in the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Password => "PASSWORD",
            Self::Otp => "OTP",
            Self::Approve => "APPROVE",
        }
    }
}

/// A link's password before it is hashed: 1 to 128 characters; an error says so.
pub fn parse_link_password(text: &str) -> Result<&str, &'static str> {
    match text.chars().count() {
        1..=MAX_LINK_PASSWORD => Ok(text),
        _ => Err("must be 1 to 128 characters long"),
    }
}

/// A link, for its owner's eyes. Times in ms.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its code.
    pub code: String,
    /// Where it leads, byte for byte as given.
    pub long_url: String,
    /// What stands in between.
    pub protection: Protection,
    /// Who may have a code, with `OTP`.
    pub otp_allowed: AllowList,
    /// Safe for work, by its maker's word or else as found out; `None` until known.
    pub sfw: Option<bool>,
    /// Whether it leads to a blocked host.
    pub blocked: bool,
    /// Whether attempts are recorded one by one.
    pub analytics: bool,
    /// Whether its owner wants mail about clicks.
    pub email_notifications: bool,
    /// Attempts that reached the long URL.
    pub reached: u64,
    /// Attempts that did not.
    pub refused: u64,
    /// When it was made.
    pub created_ms: i64,
    /// When it was last changed.
    pub updated_ms: i64,
}

/// One recorded attempt.
#[derive(Debug, Clone)]
pub struct ClickEvent {
    /// When. ms
    pub time_ms: i64,
    /// Name of the protection at that time.
    pub protection: String,
    /// Whether the long URL was reached.
    pub success: bool,
    /// HTTP method.
    pub http_method: String,
    /// As stored: shortened unless configured otherwise.
    pub ip: String,
    /// Host of the page that the visitor came from, or empty.
    pub referrer: String,
    /// Class of the user agent.
    pub agent: String,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn codes_have_one_form() {
        for right in ["abc", "A-Z_09", &"x".repeat(64)] {
            assert!(ShortCode::parse(right).is_some(), "{right}");
        }
        for wrong in ["", "ab", "a.b", "a/b", "a b", "\u{e4}bc", &"x".repeat(65)] {
            assert!(ShortCode::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn reserved_words_are_so_in_any_case() {
        let reserved = ReservedWords::of_paths(["/api/v1/url", "/metrics", "/{code}"]);
        for word in ["api", "API", "Metrics", "ws", "LOGIN"] {
            assert!(
                reserved.contains(&ShortCode::parse(&format!("{word:_<3}")).unwrap()) || word.len() < 3,
                "{word}"
            );
        }
        assert!(!reserved.contains(&ShortCode::parse("code").unwrap()));
    }

    #[test]
    fn generated_codes_are_unambiguous() {
        let reserved = ReservedWords::of_paths([]);
        for _ in 0..1000 {
            let code = ShortCode::generate(7, &reserved);
            assert_eq!(code.as_str().len(), 7);
            assert!(!code.as_str().contains(['0', 'O', 'o', '1', 'I', 'l']), "{code}");
        }
    }
}

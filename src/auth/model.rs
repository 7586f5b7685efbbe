//! Passwords, phone numbers, session ids, and what a session and an account look like.
//!
//! Invariant: a [`Password`] that exists has a permitted length; whether it is a common one is decided where it
//! is hashed, because that costs time.

use std::fmt;
use std::net::IpAddr;

use secrecy::{ExposeSecret, SecretString};

/// Bounds of a password, in characters. Never truncated: longer ones are refused.
const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=128;
const SESSION_ID_CHARS: usize = 21;

/// A password of permitted length.
#[derive(Debug, Clone)]
pub struct Password(SecretString);

impl Password {
    /// A password for a new account; an error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !PASSWORD_CHARS.contains(&text.chars().count()) {
            return Err("must be 8 to 128 characters long");
        }
        Ok(Self(text.into()))
    }

    /// A password that somebody claims to have; one that no account can have is as wrong as any other.
    pub fn claimed(text: &str) -> Self {
        let fits = text.chars().count() <= *PASSWORD_CHARS.end();
        Self(if fits { text } else { "" }.into())
    }

    /// The bytes to hash.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Digits of a phone number behind its plus sign (ITU-T E.164).
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// A phone number in E.164.
#[derive(Clone, PartialEq, Eq)]
pub struct Phone(String);

impl Phone {
    /// The number in `text`; an error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let digits = text.strip_prefix('+').unwrap_or_default();
        let well_formed = PHONE_DIGITS.contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        let problem = "must be a phone number with its country code, such as +14155550123";
        if well_formed { Ok(Self(text.to_owned())) } else { Err(problem) }
    }

    /// As it is dialled.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Phone")
    }
}

/// The id of a Google account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoogleSub(String);

impl GoogleSub {
    /// The id in `text`, if it can be one (OpenID Connect Core, 2: at most 255 ASCII characters).
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A session's id, as it stands in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionId(String);

impl SessionId {
    /// A new, unguessable id.
    pub fn generate() -> Self {
        Self(nanoid::nanoid!(SESSION_ID_CHARS))
    }

    /// The id in `text`, if it has the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() == SESSION_ID_CHARS
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        well_formed.then(|| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Where a session is opened from.
#[derive(Debug, Clone)]
pub struct Device {
    /// The client's address.
    pub ip: IpAddr,
    /// The network that guesses are counted by: an IPv4 address, an IPv6 /64.
    pub network: IpAddr,
    /// The client's user agent, bounded.
    pub user_agent: String,
}

/// One live session, for its owner's eyes. Times in ms.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// Address that opened it.
    pub ip: String,
    /// User agent that opened it.
    pub user_agent: String,
    /// When it was opened.
    pub created_ms: i64,
    /// When it was last used, to the minute.
    pub seen_ms: i64,
}

/// An account without its credentials. Times in ms.
#[derive(Debug, Clone)]
pub struct Account {
    /// 24 hex characters.
    pub id: String,
    /// As given at registration; empty when the account has none.
    pub email: String,
    /// When the account was made.
    pub created_ms: i64,
    /// When a session was last opened.
    pub login_ms: i64,
    /// When the address was proven to be the user's.
    pub email_verified_ms: Option<i64>,
    /// `EMAIL`, `GOOGLE` or `PHONE`.
    pub signed_up_using: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phone_numbers_are_those_of_e164() {
        for right in ["+1415555", "+14155550123", "+123456789012345"] {
            assert!(Phone::parse(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "+",
            "14155550123",
            "+141555",
            "+1234567890123456",
            "+04155550123",
            "++4155550123",
            "+1 415 555 0123",
            "+1415555012x",
            " +14155550123",
            "+\u{661}\u{664}\u{661}\u{665}",
        ] {
            assert!(Phone::parse(wrong).is_err(), "{wrong}");
        }
    }
}

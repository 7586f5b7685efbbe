//! Parsed identifiers of users and the user object.
//!
//! Invariant: an [`Email`] or [`Username`] that exists is well-formed, and its `key` is what uniqueness is
//! decided by.

use email_address::{EmailAddress, Options};
use serde::Serialize;
use utoipa::ToSchema;

use crate::presence::model::OnlineStatus;
use crate::values::time::iso_time;

/// Longest e-mail address (RFC 5321, 4.5.3.1.3, less the angle brackets).
const MAX_EMAIL: usize = 254;
/// Bounds of a username, in characters.
const USERNAME_CHARS: std::ops::RangeInclusive<usize> = 2..=32;

crate::object_id!(
    /// A user's id.
    UserId
);

/// An e-mail address, as given and as compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    given: String,
    key: String,
}

impl Email {
    /// The address in `text`; an error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let malformed = "must be an e-mail address, such as ada@example.com";
        let text = text.trim();
        if text.len() > MAX_EMAIL {
            return Err("must be at most 254 bytes long");
        }
        let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
        let address = EmailAddress::parse_with_options(text, options).map_err(|_| malformed)?;
        let domain = idna::domain_to_ascii(address.domain()).map_err(|_| malformed)?;
        let key = format!("{}@{domain}", address.local_part().to_lowercase());
        Ok(Self { given: text.to_owned(), key })
    }

    /// As the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.given
    }

    /// Lower case, domain in ASCII: two addresses with one key are one address.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// A name that a user goes by, unique without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// The name in `text`; an error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if !USERNAME_CHARS.contains(&text.chars().count()) {
            return Err("must be 2 to 32 characters long");
        }
        if text.contains('@') {
            return Err("must not contain @, so that it cannot pass for an e-mail address");
        }
        if text.chars().any(|c| c.is_control() || is_invisible(c)) {
            return Err("must not contain control or invisible characters");
        }
        if !text.chars().any(char::is_alphanumeric) {
            return Err("must contain a letter or a digit");
        }
        if text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("user-")) {
            return Err("must not begin with user-, as the names of those do who chose none");
        }
        Ok(Self(text.to_owned()))
    }

    /// The name of a user who did not choose one; unique because the id is.
    pub fn of(id: &UserId) -> Self {
        Self(format!("user-{id}"))
    }

    /// As the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What uniqueness is decided by.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

/// Characters that take no space or turn the text around: two names could look the same.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

/// A user as the author, sender or receiver of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Author {
    /// 24 hex characters.
    #[serde(rename = "_id")]
    pub id: String,
    /// The name at this moment.
    pub username: String,
    /// URL path of the picture, or empty.
    pub avatar: String,
}

impl Author {
    /// Somebody whose account is gone.
    pub fn gone(id: &UserId) -> Self {
        Self { id: id.to_string(), username: "deleted user".to_owned(), avatar: String::new() }
    }
}

/// A user as a participant of a conversation.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// 24 hex characters.
    #[serde(rename = "_id")]
    pub id: String,
    /// The name at this moment.
    pub username: String,
    /// URL path of the picture, or empty.
    pub avatar: String,
    /// Whether the user is here.
    pub online_status: OnlineStatus,
    /// ISO-8601.
    pub last_seen: String,
}

impl Participant {
    /// Somebody whose account is gone.
    pub fn gone(id: &UserId) -> Self {
        let Author { id, username, avatar } = Author::gone(id);
        Self { id, username, avatar, online_status: OnlineStatus::Offline, last_seen: iso_time(0) }
    }
}

/// The full user object of the Social surface.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// 24 hex characters.
    #[serde(rename = "_id")]
    pub id: String,
    /// Unique without regard to case.
    pub username: String,
    /// As given at registration.
    pub email: String,
    /// URL path of the picture, or empty.
    pub avatar: String,
    /// `prefer_not_to_say` until set.
    pub gender: String,
    /// ISO-8601, or null.
    #[schema(required = true)]
    pub date_of_birth: Option<String>,
    /// Free text.
    pub address: String,
    /// Whether the user is here.
    pub online_status: OnlineStatus,
    /// ISO-8601.
    pub last_seen: String,
    /// ISO-8601.
    pub created_at: String,
    /// ISO-8601.
    pub updated_at: String,
    /// Revision of embedded lists; users have none.
    #[serde(rename = "__v")]
    pub revision: u32,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn emails_compare_without_case_and_by_ascii_domain() {
        assert_eq!(Email::parse("Ada@Example.COM").unwrap().key(), "ada@example.com");
        assert_eq!(Email::parse("a@b\u{fc}cher.example").unwrap().key(), "a@xn--bcher-kva.example");
        for wrong in
            ["", "ada", "ada@", "@example.com", "ada@localhost", "a b@example.com", "Ada <ada@example.com>"]
        {
            assert!(Email::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Email::parse(&format!("{}@example.com", "a".repeat(250))).is_err());
    }

    #[test]
    fn usernames_are_short_and_visible() {
        for right in ["Ada", "ada lovelace", "\u{963f}\u{8fbe}"] {
            assert!(Username::parse(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "a",
            "a@b.c",
            "tab\there",
            "zero\u{200b}width",
            "\u{3164}\u{3164}",
            "\u{2800}a",
            "...",
            "USER-me",
            &"x".repeat(33),
        ] {
            assert!(Username::parse(wrong).is_err(), "{wrong}");
        }
    }
}

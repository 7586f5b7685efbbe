//! What protects a link and what opens it: locks and keys, and who asks to be let through.
//!
//! Invariant: an [`AllowList`] names each address once and at most [`MAX_ALLOWED`] of them; a [`RequestId`] that
//! exists has the form of one.

use secrecy::{ExposeSecret, SecretString};

use super::Protection;
use crate::auth::model::Password;
use crate::users::model::Email;
use crate::values::text::TextRule;

/// Addresses that an owner may list.
pub const MAX_ALLOWED: usize = 100;
/// Longest reason of who asks for access, in bytes.
const MAX_REASON: usize = 1_000;
const REQUEST_ID_CHARS: usize = 22;
/// Between a grant's request and its token; neither has it.
const GRANT_SEPARATOR: char = '.';

/// What a new link is protected with.
#[derive(Debug, Clone)]
pub enum Lock {
    /// Nothing.
    None,
    /// A password.
    Password(Password),
    /// Codes mailed to visitors.
    Otp(AllowList),
    /// The owner's word on each visitor.
    Approve,
}

impl Lock {
    /// What it is called.
    pub const fn protection(&self) -> Protection {
        match self {
            Self::None => Protection::None,
            Self::Password(_) => Protection::Password,
            Self::Otp(_) => Protection::Otp,
            Self::Approve => Protection::Approve,
        }
    }
}

/// What a visitor tries to open a link with; each is a claim.
#[derive(Debug, Clone)]
pub enum Key {
    /// The link's password.
    Password(Password),
    /// The code that was mailed to an address.
    Code {
        /// Where it was mailed to.
        email: Email,
        /// As typed.
        code: SecretString,
    },
    /// What an approval's mail had in its link.
    Grant(SecretString),
}

impl Key {
    /// The protection that it is meant for.
    pub const fn protection(&self) -> Protection {
        match self {
            Self::Password(_) => Protection::Password,
            Self::Code { .. } => Protection::Otp,
            Self::Grant(_) => Protection::Approve,
        }
    }
}

/// Who may have a code: the addresses as they are compared. Nobody listed means everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList(Vec<String>);

impl AllowList {
    /// The addresses in `texts`; an error says what is wrong with them.
    pub fn parse(texts: &[String]) -> Result<Self, &'static str> {
        if texts.len() > MAX_ALLOWED {
            return Err("must have at most 100 addresses");
        }
        let mut keys: Vec<String> = Vec::with_capacity(texts.len());
        for text in texts {
            let email = Email::parse(text)?;
            if !keys.iter().any(|key| key == email.key()) {
                keys.push(email.key().to_owned());
            }
        }
        Ok(Self(keys))
    }

    /// From lines, as it is stored.
    pub fn of_lines(lines: &str) -> Self {
        Self(lines.lines().map(str::to_owned).collect())
    }

    /// As it is stored: one line each; empty without any.
    pub fn to_lines(&self) -> String {
        self.0.iter().flat_map(|key| [key.as_str(), "\n"]).collect()
    }

    /// Whether everybody may.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The addresses.
    pub fn into_vec(self) -> Vec<String> {
        self.0
    }
}

/// Names a visitor's request for access among those of its link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The id in `text`, if it has the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() == REQUEST_ID_CHARS
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        well_formed.then(|| Self(text.to_owned()))
    }

    /// The id that begins a digest of whose request it is.
    pub fn of_digest(digest: &str) -> Self {
        Self(digest.chars().take(REQUEST_ID_CHARS).collect())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What lets its bearer through a link, in two parts: whose request was approved, and the secret.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The request.
    pub request: RequestId,
    /// The secret.
    pub token: SecretString,
}

impl Grant {
    /// The grant in `text`, if it has the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let (request, token) = text.split_once(GRANT_SEPARATOR)?;
        Some(Self { request: RequestId::parse(request)?, token: token.into() })
    }

    /// As it stands in a link.
    pub fn to_text(&self) -> String {
        format!("{}{GRANT_SEPARATOR}{}", self.request.as_str(), self.token.expose_secret())
    }
}

/// What an owner says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Let him through.
    Approve,
    /// Do not, or no longer.
    Deny,
}

impl Decision {
    /// The decision called `text`; an error says which there are.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "APPROVE" => Ok(Self::Approve),
            "DENY" => Ok(Self::Deny),
            _ => Err("must be APPROVE or DENY"),
        }
    }

    /// What a request is after it.
    pub const fn outcome(self) -> &'static str {
        match self {
            Self::Approve => "APPROVED",
            Self::Deny => "DENIED",
        }
    }
}

/// A request for access, for the link owner's eyes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRequest {
    /// Names it.
    pub id: RequestId,
    /// Who asks.
    pub email: String,
    /// Why.
    pub reason: Option<String>,
    /// `PENDING`, `APPROVED` or `DENIED`.
    pub status: String,
    /// When it was last asked for. ms
    pub asked_ms: i64,
}

/// Checks why somebody asks: a few lines of text; an error says what is wrong with it.
pub fn check_reason(text: &str) -> Result<(), String> {
    TextRule::lines(MAX_REASON).check(text)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn an_allow_list_names_each_address_once_and_has_a_bound() {
        let parse = |texts: &[&str]| {
            AllowList::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        let list = parse(&["Ada@Example.com", " ada@example.com", "b@example.com"]).unwrap();
        assert_eq!(list.clone().into_vec(), ["ada@example.com", "b@example.com"]);
        assert_eq!(AllowList::of_lines(&list.to_lines()), list);
        assert!(AllowList::of_lines("").is_empty() && parse(&[]).unwrap().to_lines().is_empty());
        for wrong in ["nobody", "a\nb@example.com", "\"a\nb\"@example.com", "\"a\r\n b\"@example.com"] {
            assert!(parse(&[wrong]).is_err(), "{wrong:?}: it would be several lines");
        }
        let many: Vec<String> = (0..=MAX_ALLOWED).map(|number| format!("u{number}@example.com")).collect();
        assert!(AllowList::parse(&many).is_err() && AllowList::parse(&many[1..]).is_ok());
    }

    #[test]
    fn a_grant_is_read_as_it_was_written() {
        let request = RequestId::of_digest(&"a".repeat(43));
        let text = Grant { request: request.clone(), token: "to-ken".into() }.to_text();
        let grant = Grant::parse(&text).unwrap();
        assert_eq!((grant.request, grant.token.expose_secret()), (request, "to-ken"));
        for wrong in ["", ".", "a.b", &"a".repeat(22), &format!("{}.x", "/".repeat(22))] {
            assert!(Grant::parse(wrong).is_none(), "{wrong}");
        }
    }
}

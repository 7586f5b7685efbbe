//! Parsed identifiers of users, what profiles hold, and the user objects.
//!
//! Invariant: an [`Email`] or [`Username`] that exists is well-formed, and its `key` is what uniqueness is
//! decided by; addresses with one key differ in the case of ASCII letters at most, so mail to them goes to one mailbox; a
//! [`DateOfBirth`] is a day.

use chrono::{DateTime, Datelike, NaiveDate};
use email_address::{EmailAddress, Options};
use serde::Serialize;
use utoipa::ToSchema;

use crate::presence::model::OnlineStatus;
use crate::values::text::folded;
use crate::values::time::iso_time;

/// Longest e-mail address (RFC 5321, 4.5.3.1.3, less the angle brackets).
const MAX_EMAIL: usize = 254;
const MALFORMED: &str = "must be an e-mail address, such as ada@example.com";
/// First year of birth that is believed.
const EARLIEST_BIRTH: i32 = 1900;
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
    /// The address in `text`, to which mails can go; an error says what is wrong with it. Its local part is a dot-atom
    /// (RFC 5322, 3.2.3), with the letters of all alphabets (RFC 6531): a quoted one can hold anything, even what reads
    /// as another address, and makes no envelope.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let email = Self::known(text)?;
        if email.key.starts_with('"') { Err(MALFORMED) } else { Ok(email) }
    }

    /// The same to look an account up by, or from one: there are accounts from when quoted addresses were accepted.
    pub fn known(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.len() > MAX_EMAIL {
            return Err("must be at most 254 bytes long");
        }
        let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
        let address = EmailAddress::parse_with_options(text, options).map_err(|_| MALFORMED)?;
        let domain = idna::domain_to_ascii(address.domain()).map_err(|_| MALFORMED)?;
        let local = address.local_part();
        let key = format!("{}@{domain}", local.to_ascii_lowercase());
        if address.domain().is_ascii() {
            return Ok(Self { given: text.to_owned(), key });
        }
        let given = format!("{local}@{domain}");
        // What it folds to need not be a domain any more: a wide @, for one.
        EmailAddress::parse_with_options(&given, options).map_err(|_| MALFORMED)?;
        if given.len() > MAX_EMAIL { Err(MALFORMED) } else { Ok(Self { given, key }) }
    }

    /// As the user wrote it, and where its mails go; a domain in other letters in ASCII, since not every mail server folds them
    /// as we do.
    pub fn as_str(&self) -> &str {
        &self.given
    }

    /// Domain in ASCII, and ASCII letters in lower case: two addresses with one key are one address. No other letter is
    /// folded, because mail to the two would go to two mailboxes: a Kelvin sign is no k there.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What it was compared by when letters of all alphabets were folded, if that was something else.
    pub fn as_before(&self) -> Option<Self> {
        let key = self.key.to_lowercase();
        (key != self.key).then(|| Self { given: self.given.clone(), key })
    }

    /// The mailbox behind it, for limits: what stands behind a plus makes no other one of it, nor do dots at Gmail, which
    /// has two names.
    pub fn mailbox(&self) -> String {
        let (local, domain) = self.key.rsplit_once('@').unwrap_or((&self.key, ""));
        let plain = local.split('+').next().unwrap_or(local);
        match domain {
            "gmail.com" | "googlemail.com" => format!("{}@gmail.com", plain.replace('.', "")),
            _ => format!("{plain}@{domain}"),
        }
    }

    /// Whether it is the plain one of those that lead to its mailbox.
    pub fn is_plain(&self) -> bool {
        let local = |address: &str| address.rsplit_once('@').map(|(local, _)| local.to_owned());
        local(&self.key) == local(&self.mailbox())
    }
}

/// A name that a user goes by; unique among those that look like it, see [`folded`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// The name in `text`; an error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if !USERNAME_CHARS.contains(&text.chars().count()) {
            return Err("must be 2 to 32 characters long");
        }
        let looks_like = folded(text);
        if looks_like.contains('@') {
            return Err("must not contain @, so that it cannot pass for an e-mail address");
        }
        if text.chars().any(|c| c.is_control() || is_invisible(c)) {
            return Err("must not contain control or invisible characters");
        }
        if !text.chars().any(char::is_alphanumeric) {
            return Err("must contain a letter or a digit");
        }
        if looks_like.starts_with("user-") {
            return Err("must not begin with user-, as the names of those do who chose none");
        }
        Ok(Self(text.to_owned()))
    }

    /// The name of a user who did not choose one; unique because the id is.
    pub fn of(id: &UserId) -> Self {
        Self(format!("user-{id}"))
    }

    /// A name that was accepted before, from the datastore.
    pub fn accepted(text: String) -> Self {
        Self(text)
    }

    /// As the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What uniqueness is decided by.
    pub fn key(&self) -> String {
        folded(&self.0)
    }
}

/// Characters that take no space or turn the text around: two names could look the same.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

/// What a user says to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gender {
    /// Male.
    Male,
    /// Female.
    Female,
    /// Neither.
    Other,
    /// Says nothing.
    #[default]
    PreferNotToSay,
}

impl Gender {
    /// The gender in `text`; an error says which there are.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "male" => Ok(Self::Male),
            "female" => Ok(Self::Female),
            "other" => Ok(Self::Other),
            "prefer_not_to_say" => Ok(Self::PreferNotToSay),
            _ => Err("must be one of male, female, other, prefer_not_to_say"),
        }
    }

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Male => "male",
            Self::Female => "female",
            Self::Other => "other",
            Self::PreferNotToSay => "prefer_not_to_say",
        }
    }
}

/// A day of birth, from 1900 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateOfBirth(NaiveDate);

impl DateOfBirth {
    /// The day in `text`, `2001-05-10` or a whole ISO-8601 time, of which the day counts as it is written; an error
    /// says what is wrong with it. `today` is the last that can be.
    pub fn parse(text: &str, today: NaiveDate) -> Result<Self, &'static str> {
        let whole = || DateTime::parse_from_rfc3339(text).ok().map(|time| time.date_naive());
        let date = day(text)
            .or_else(whole)
            .ok_or("must be a date, such as 2001-05-10 or 2001-05-10T00:00:00.000Z")?;
        if date.year() < EARLIEST_BIRTH {
            return Err("must not be before 1900");
        }
        if date > today {
            return Err("must not be in the future");
        }
        Ok(Self(date))
    }

    /// From how it is stored.
    pub fn stored(text: &str) -> Option<Self> {
        day(text).map(Self)
    }

    /// As it is stored: `2001-05-10`.
    pub fn to_text(self) -> String {
        self.0.to_string()
    }

    /// As it is shown: `2001-05-10T00:00:00.000Z`.
    pub fn iso(self) -> String {
        format!("{}T00:00:00.000Z", self.0)
    }
}

/// `2001-05-10` and nothing shorter or longer.
fn day(text: &str) -> Option<NaiveDate> {
    let digits = |range: std::ops::Range<usize>| text.get(range)?.parse::<u32>().ok();
    let plain = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !plain {
        return None;
    }
    NaiveDate::from_ymd_opt(i32::try_from(digits(0..4)?).ok()?, digits(5..7)?, digits(8..10)?)
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

/// A user in the directory.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryUser {
    /// 24 hex characters.
    #[serde(rename = "_id")]
    pub id: String,
    /// The name at this moment.
    pub username: String,
    /// As given at registration, or masked (`a***@example.com`) where the server is set to.
    pub email: String,
    /// URL path of the picture, or empty.
    pub avatar: String,
    /// Whether the user is here.
    pub online_status: OnlineStatus,
    /// ISO-8601.
    pub last_seen: String,
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
    /// As given at registration; somebody else's masked (`a***@example.com`) where the server is set to.
    pub email: String,
    /// URL path of the picture, or empty.
    pub avatar: String,
    /// `prefer_not_to_say` until set.
    pub gender: Gender,
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
    fn emails_have_an_envelope() {
        for right in [
            "ada@example.com",
            "ada.love-lace+x@example.com",
            "!#$%&'*+-/=?^_`{|}~@example.com",
            "j\u{f6}rg@example.com",
            "\u{963f}\u{8fbe}@b\u{fc}cher.example",
            "\u{d55c}.\u{ae00}@example.com",
        ] {
            let to: lettre::Address = Email::parse(right).unwrap().as_str().parse().unwrap();
            let to = lettre::message::Mailbox::new(None, to);
            let message = lettre::Message::builder().from(to.clone()).to(to).body(String::new()).unwrap();
            let sent_to = right.replace("b\u{fc}cher", "xn--bcher-kva");
            assert_eq!(message.envelope().to()[0].to_string(), sent_to);
        }
        for wrong in [
            "\"a b\"@example.com",
            "\"ada\"@example.com",
            "\"evil@x.com\"@example.com",
            "\"a,b\"@example.com",
            "\"a\\\"b\"@example.com",
            "\"a\".b@example.com",
            "a.\"b\"@example.com",
            "ada(comment)@example.com",
            "(comment)ada@example.com",
            "ada@(comment)example.com",
            "ada@example.com(comment)",
            "a,b@example.com",
            "a:b;@example.com",
            "<ada>@example.com",
            ".ada@example.com",
            "ada.@example.com",
            "a..b@example.com",
            "a\\b@example.com",
            "a\u{a0}b@example.com",
            "a\u{202e}b@example.com",
            "a\u{85}b@example.com",
            "a\r\nb@example.com",
            "a\0b@example.com",
        ] {
            assert!(Email::parse(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(Email::known("\"A b\"@example.com").unwrap().key(), "\"a b\"@example.com", "from before");
    }

    #[test]
    fn addresses_with_one_key_differ_in_the_case_of_ascii_letters_alone() {
        // Kelvin sign, long s, dotted I, Greek, wide letters, a ligature, a letter and its accent apart.
        let locals = [
            "k", "\u{212a}", "s", "\u{17f}", "i", "\u{130}", "\u{3b1}", "\u{391}", "a", "\u{ff41}",
            "\u{ff21}",
        ];
        let locals = locals.iter().chain(&["fi", "\u{fb01}", "\u{e9}", "e\u{301}", "\u{c9}"]);
        let keys: Vec<String> = locals
            .clone()
            .filter_map(|local| Email::parse(&format!("{local}@example.com")).ok())
            .map(|email| email.key().to_owned())
            .collect();
        let different: std::collections::HashSet<&String> = keys.iter().collect();
        assert_eq!(different.len(), keys.len(), "{keys:?}");

        let domains = ["kiss.example", "\u{212a}iss.example", "ki\u{17f}s.example", "\u{ff4b}iss.example"];
        let domains = domains.iter().chain(&["KISS.example", "ki\u{df}.example", "ki\u{ad}ss.example"]);
        for domain in domains {
            let Ok(email) = Email::parse(&format!("Ada@{domain}")) else { continue };
            assert_eq!(email.as_str().to_ascii_lowercase(), email.key(), "{domain}");
        }
        assert_eq!(Email::parse("a@b\u{fc}cher.example").unwrap().as_str(), "a@xn--bcher-kva.example");
        for wrong in ["a@b\u{ff20}c.example", "a@b\u{ff0c}c.example", "a@b\u{2100}c.example"] {
            assert!(Email::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_stands_behind_a_plus_makes_no_other_mailbox() {
        for (address, mailbox) in [
            ("Ada+Shop@Example.com", "ada@example.com"),
            ("ada++x@example.com", "ada@example.com"),
            ("ada@example.com", "ada@example.com"),
            ("a.d.a@example.com", "a.d.a@example.com"),
            ("A.d.a+x.y@Gmail.com", "ada@gmail.com"),
            ("ada@googlemail.com", "ada@gmail.com"),
        ] {
            assert_eq!(Email::parse(address).unwrap().mailbox(), mailbox);
        }
        for (address, is_plain) in [
            ("Ada@example.com", true),
            ("a.da@example.com", true),
            ("ada@googlemail.com", true),
            ("a.da@gmail.com", false),
            ("ada+x@example.com", false),
        ] {
            assert_eq!(Email::parse(address).unwrap().is_plain(), is_plain, "{address}");
        }
    }

    #[test]
    fn days_of_birth_are_days_that_were() {
        let today = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
        for right in [
            "2001-05-10",
            "2001-05-10T23:30:00.000Z",
            "2001-05-10T23:30:00-05:00",
            "2001-05-10T00:00:00+02:00",
        ] {
            assert_eq!(
                DateOfBirth::parse(right, today).unwrap().iso(),
                "2001-05-10T00:00:00.000Z",
                "{right}"
            );
        }
        for right in ["1900-01-01", "2026-03-01", "2024-02-29"] {
            assert_eq!(
                DateOfBirth::stored(&DateOfBirth::parse(right, today).unwrap().to_text()),
                day(right).map(DateOfBirth)
            );
        }
        for wrong in [
            "",
            "2001-5-10",
            "+001-05-10",
            "2001-02-30",
            "2025-02-29",
            "1899-12-31",
            "2026-03-02",
            "2026-03-02T00:00:00Z",
            "10.05.2001",
            "2001-05-10 ",
            "2001-05-10T",
            "2001-05-10T25:00:00Z",
            "\u{661}\u{669}\u{669}\u{669}-1",
        ] {
            assert!(DateOfBirth::parse(wrong, today).is_err(), "{wrong}");
        }
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

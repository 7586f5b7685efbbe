//! A profile as it is stored, and how it is shown.

use std::collections::HashMap;

use super::model::{DateOfBirth, DirectoryUser, Gender, Participant, User, UserId};
use crate::presence::model::Presence;
use crate::values::time::iso_time;

/// How a user looks from outside. Times in ms.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) username: String,
    pub(super) renaming: Option<String>,
    email: String,
    avatar: String,
    gender: Gender,
    date_of_birth: Option<DateOfBirth>,
    address: String,
    created_ms: i64,
    updated_ms: i64,
}

impl Profile {
    /// Nothing when there are no fields, or the account is closed: no such user.
    pub(super) fn read(mut fields: HashMap<String, String>) -> Option<Self> {
        let millis = |fields: &HashMap<String, String>, name: &str| {
            fields.get(name).and_then(|text| text.parse().ok()).unwrap_or_default()
        };
        if fields.get("gen").is_some_and(|generation| is_closed(generation)) {
            return None;
        }
        Some(Self {
            username: fields.remove("username")?,
            renaming: fields.remove("renaming"),
            email: fields.remove("email").unwrap_or_default(),
            avatar: fields.remove("avatar").unwrap_or_default(),
            gender: fields.get("gender").and_then(|text| Gender::parse(text).ok()).unwrap_or_default(),
            date_of_birth: fields.get("birth").and_then(|text| DateOfBirth::stored(text)),
            address: fields.remove("address").unwrap_or_default(),
            created_ms: millis(&fields, "created"),
            updated_ms: millis(&fields, "updated"),
        })
    }

    /// Who has never been here was last seen at registration.
    fn last_seen(&self, presence: Presence) -> String {
        iso_time(presence.last_seen_ms.unwrap_or(self.created_ms))
    }

    fn email(&self, masked: bool) -> String {
        if masked { masked_email(&self.email) } else { self.email.clone() }
    }

    pub(super) fn user(&self, id: &UserId, presence: Presence, masked: bool) -> User {
        User {
            id: id.to_string(),
            username: self.username.clone(),
            email: self.email(masked),
            avatar: self.avatar.clone(),
            gender: self.gender,
            date_of_birth: self.date_of_birth.map(DateOfBirth::iso),
            address: self.address.clone(),
            online_status: presence.status,
            last_seen: self.last_seen(presence),
            created_at: iso_time(self.created_ms),
            updated_at: iso_time(self.updated_ms),
            revision: 0,
        }
    }

    pub(super) fn directory_user(&self, id: &UserId, presence: Presence, masked: bool) -> DirectoryUser {
        DirectoryUser {
            id: id.to_string(),
            username: self.username.clone(),
            email: self.email(masked),
            avatar: self.avatar.clone(),
            online_status: presence.status,
            last_seen: self.last_seen(presence),
        }
    }

    pub(super) fn participant(&self, id: &UserId, presence: Presence) -> Participant {
        Participant {
            id: id.to_string(),
            username: self.username.clone(),
            avatar: self.avatar.clone(),
            online_status: presence.status,
            last_seen: self.last_seen(presence),
        }
    }
}

/// Whether an account of this generation, as it is stored, is closed.
pub(super) fn is_closed(generation: &str) -> bool {
    generation.parse::<u64>().is_ok_and(|generation| generation % 2 == 1)
}

/// `a***@example.com`; nothing of an account without an address.
fn masked_email(email: &str) -> String {
    let Some((local, domain)) = email.rsplit_once('@') else { return String::new() };
    let first: String = local.chars().take(1).collect();
    format!("{first}***@{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_address_shows_its_first_letter_and_its_domain() {
        assert_eq!(masked_email("ada@example.com"), "a***@example.com");
        assert_eq!(masked_email("\u{fc}@b\u{fc}cher.example"), "\u{fc}***@b\u{fc}cher.example");
        assert_eq!(masked_email(""), "");
        assert_eq!(masked_email("\"a@b\"@example.com"), "\"***@example.com");
    }
}

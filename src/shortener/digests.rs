//! What of addresses, codes and grants stands in the datastore.
//!
//! Invariant: keyed digests only, so neither a code of six digits nor an address can be guessed from one.

use secrecy::{ExposeSecret, SecretString};

use super::model::{Grant, RequestId, ShortCode};
use crate::secrets::Digester;
use crate::users::model::{Email, UserId};

/// What all our digests are for.
const PURPOSE: &str = "shortener: addresses, codes and grants";

/// Makes them.
#[derive(Debug)]
pub(super) struct Digests(Digester);

impl Digests {
    pub(super) fn new(secret: &SecretString) -> Self {
        Self(Digester::new(secret, PURPOSE))
    }

    /// Of an address, for names of keys.
    pub(super) fn address(&self, email: &Email) -> String {
        self.0.of(&["address", email.key()])
    }

    /// Of the mailbox behind an address, for limits.
    pub(super) fn mailbox(&self, email: &Email) -> String {
        self.0.of(&["mailbox", &email.mailbox()])
    }

    /// Of the same as far as one owner's links go.
    pub(super) fn mailbox_of(&self, owner: &UserId, email: &Email) -> String {
        self.0.of(&["mailbox of", owner.as_str(), &email.mailbox()])
    }

    /// Of a link's owner, for limits that outlive the account.
    pub(super) fn owner(&self, owner: &UserId) -> String {
        self.0.of(&["owner", owner.as_str()])
    }

    /// Of a code that was mailed to an address.
    pub(super) fn code(&self, link: &ShortCode, email: &Email, code: &str) -> String {
        self.0.of(&["code", link.as_str(), email.key(), code])
    }

    /// What an address's request for access to a link is called: always the same.
    pub(super) fn request(&self, link: &ShortCode, email: &Email) -> RequestId {
        RequestId::of_digest(&self.0.of(&["request", link.as_str(), email.key()]))
    }

    /// Of a grant.
    pub(super) fn grant(&self, link: &ShortCode, grant: &Grant) -> String {
        self.0.of(&["grant", link.as_str(), grant.request.as_str(), grant.token.expose_secret()])
    }
}

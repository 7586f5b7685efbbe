//! Brings what a link's owner and its visitors are to be told of to the notifier.
//!
//! Scripts leave `<id>|<sealed notice>`, or `<id>|clicked <owner> <clicks>`, which is made from what they count, or
//! `<id>|nobody`, which is not told and keeps secret that nothing is. The source of an intent is its link's code; towards the
//! notifier `link:<code>`.

use std::rc::Rc;

use secrecy::SecretString;

use super::error::ShortenerError;
use super::keys;
use super::model::ShortCode;
use super::store::Outcome;
use crate::actor::Ask;
use crate::notifier::messages::Notify;
use crate::notifier::model::{Notice, SEAL, What};
use crate::outbox::{Carrier, Intent, Left, Outbox};
use crate::redis::{Key, Keyspace, Redis, RedisFailure};
use crate::secrets::Seal;
use crate::users::model::UserId;

/// The kind of source that links are.
const KIND: &str = "link";
/// An intent of which nobody is told.
const NOBODY: &str = "nobody";

/// Whom a link's notices are left with.
#[derive(Debug, Clone)]
pub(super) struct Post {
    outbox: Rc<Outbox>,
    courier: Rc<Courier>,
}

impl Post {
    pub(super) fn new(redis: Redis, secret: &SecretString, notify: Ask<Notify>) -> Self {
        let courier = Courier { space: redis.keyspace().clone(), seal: Seal::new(secret, SEAL), notify };
        Self { outbox: Rc::new(Outbox::new(redis, KIND)), courier: Rc::new(courier) }
    }

    /// `notice` as scripts take it.
    pub(super) fn seal(&self, notice: &Notice) -> String {
        self.courier.seal.close(notice)
    }

    /// Runs a script that may leave something with the link, under a lease.
    pub(super) async fn leave(
        &self,
        code: &ShortCode,
        script: impl AsyncFn(u64) -> Result<Outcome, RedisFailure>,
    ) -> Result<Outcome, RedisFailure> {
        let run = async |lease_ms| match script(lease_ms).await? {
            Outcome::Lapsed => Ok(None),
            outcome => Ok(Some(outcome)),
        };
        Ok(self.outbox.leave(code.as_str(), run).await?.unwrap_or(Outcome::Lapsed))
    }

    /// Carries what was left. A failure is not the caller's: a sweep repeats it.
    pub(super) async fn relay(&self, code: &ShortCode, left: Left) {
        self.outbox.relay(&self.courier, code.as_str(), left.pending, left.last).await;
    }

    /// The same while the caller goes on.
    pub(super) fn relay_soon(&self, code: &ShortCode, left: Left) {
        self.outbox.relay_later(&self.courier, code.as_str(), left);
    }

    /// The same some time after the caller was answered, so that what is left cannot be told from the time that it takes.
    pub(super) fn relay_unseen(&self, code: &ShortCode, left: Left) {
        self.outbox.relay_unseen(&self.courier, code.as_str(), left);
    }

    /// Carries what crashed nodes left.
    pub(super) async fn sweep(&self) -> Result<(), ShortenerError> {
        self.outbox.sweep(&self.courier).await
    }
}

/// Carries notices from where they were left.
#[derive(Debug)]
struct Courier {
    space: Keyspace,
    seal: Seal,
    notify: Ask<Notify>,
}

impl Courier {
    fn read(&self, code: &str, intent: &Intent) -> Option<(u64, Notice)> {
        if intent.text == NOBODY {
            return None;
        }
        let notice = clicked(code, &intent.text).or_else(|| self.seal.open(&intent.text));
        if notice.is_none() {
            tracing::error!(code, "a notice cannot be opened: was auth.jwt_secret changed? It is dropped");
        }
        Some((intent.id, notice?))
    }
}

impl Carrier for Courier {
    type Error = ShortenerError;

    fn intents(&self, source: &str) -> Key {
        keys::notices(&self.space, source)
    }

    async fn carry(&self, source: &str, intents: &[Intent]) -> Result<(), ShortenerError> {
        let notices = intents.iter().filter_map(|intent| self.read(source, intent)).collect();
        Ok(self.notify.ask(Notify { source: format!("link:{source}"), notices }).await?)
    }
}

/// What `lua/shortener/digest.lua` leaves.
fn clicked(code: &str, text: &str) -> Option<Notice> {
    let (owner, clicks) = text.strip_prefix("clicked ")?.split_once(' ')?;
    let what = What::LinkClicked { short_code: code.to_owned(), clicks: clicks.parse().ok()? };
    Some(Notice::to_user(&UserId::parse(owner)?, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_counts_is_read_and_nothing_else() {
        let owner = "6932b4f00123456789000001";
        let what = What::LinkClicked { short_code: "abc".to_owned(), clicks: 7 };
        let notice = UserId::parse(owner).map(|owner| Notice::to_user(&owner, what));
        assert_eq!(clicked("abc", &format!("clicked {owner} 7")), notice);
        for wrong in ["", "clicked", "clicked x 7", "clicked 6932b4f00123456789000001 x", "sealed"] {
            assert_eq!(clicked("abc", wrong), None, "{wrong}");
        }
    }
}

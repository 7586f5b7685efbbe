//! Brings what accounts and phone numbers are to be told of to the notifier.
//!
//! A script that causes something to be told leaves `<id>|<sealed notice>` in the notices of its own slot, in the same
//! step; ids rise per source. Sources are `user:<id>` and `phone:<digest>`.

use std::rc::Rc;

use super::error::AuthError;
use super::keys;
use crate::actor::Ask;
use crate::notifier::messages::Notify;
use crate::notifier::model::{Notice, SEAL};
use crate::outbox::{Carrier, Intent, Outbox};
use crate::redis::{Key, Keyspace, Redis, RedisFailure};
use crate::secrets::Seal;
use crate::users::model::UserId;
use secrecy::SecretString;

/// The kind of our sources in the outbox.
const KIND: &str = "account";

/// Carries notices from where they were left.
#[derive(Debug)]
pub(super) struct Courier {
    space: Keyspace,
    seal: Seal,
    notify: Ask<Notify>,
}

/// Whom an account's or a number's notices are left with.
#[derive(Debug, Clone)]
pub(super) struct Post {
    outbox: Rc<Outbox>,
    courier: Rc<Courier>,
}

/// A notice that was left, and the oldest ones that wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) last: u64,
    pub(super) pending: Vec<Intent>,
}

impl Left {
    /// From `last` and the members of the notices, as scripts return them.
    pub(super) fn new(last: u64, pending: &[String]) -> Self {
        Self { last, pending: pending.iter().filter_map(|member| Intent::parse(member)).collect() }
    }
}

/// The source that an account is.
pub(super) fn source_of(id: &UserId) -> String {
    format!("user:{id}")
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

    /// Registers `source` before a script leaves something there; returns since when, which the script checks against
    /// [`crate::outbox::LEASE_LIMIT_MS`].
    pub(super) async fn lease(&self, source: &str) -> Result<u64, RedisFailure> {
        self.outbox.lease(source).await
    }

    /// Forgets a lease that a script found too old.
    pub(super) fn drop_lease(&self, source: &str) {
        self.outbox.drop_lease(source);
    }

    /// Carries what was left. A failure is not the caller's: a sweep repeats it.
    pub(super) async fn relay(&self, source: &str, left: Left) {
        self.outbox.relay(&self.courier, source, left.pending, left.last).await;
    }

    /// Carries what crashed nodes left.
    pub(super) async fn sweep(&self) -> Result<(), AuthError> {
        self.outbox.sweep(&self.courier).await
    }
}

impl Carrier for Courier {
    type Error = AuthError;

    fn intents(&self, source: &str) -> Key {
        keys::notices(&self.space, source)
    }

    async fn carry(&self, source: &str, intents: &[Intent]) -> Result<(), AuthError> {
        let read = |intent: &Intent| {
            let notice = self.seal.open(&intent.text);
            if notice.is_none() {
                tracing::error!(
                    source,
                    "a notice cannot be opened: was auth.jwt_secret changed? It is dropped"
                );
            }
            Some((intent.id, notice?))
        };
        let notices = intents.iter().filter_map(read).collect();
        Ok(self.notify.ask(Notify { source: source.to_owned(), notices }).await?)
    }
}

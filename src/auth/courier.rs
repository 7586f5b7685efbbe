//! Brings what accounts and phone numbers are to be told of to the notifier.
//!
//! A script that causes something to be told leaves `<id>|<sealed notice>` in the notices of its own slot, in the same
//! step; ids rise per source. Sources are `user:<id>` and `phone:<digest>`.

use std::rc::Rc;

use super::error::AuthError;
use super::keys;
use crate::actor::{Ask, AskError};
use crate::notifier::messages::Notify;
use crate::notifier::model::{Notice, SEAL};
pub(super) use crate::outbox::Left;
use crate::outbox::{BATCH, Carrier, Intent, LEASE_LIMIT_MS, MAX_WAITING, Outbox};
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

/// What a script leaves a notice with.
#[derive(Debug, Clone)]
pub(super) struct Slip {
    sealed: String,
    lease_ms: u64,
}

impl Slip {
    /// The last arguments of each of those scripts.
    pub(super) fn arguments(self) -> Vec<String> {
        let bounds = [self.lease_ms, LEASE_LIMIT_MS, MAX_WAITING.into(), BATCH as u64];
        let [lease, limit, waiting, batch] = bounds.map(|number| number.to_string());
        vec![self.sealed, lease, limit, waiting, batch]
    }
}

/// Outcome of a script that leaves a notice.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leaving<T> {
    /// Nothing happened: the lease was too old.
    Lapsed,
    /// Nothing happened: too many notices wait.
    Backlog,
    /// The rest of it.
    Done(T),
}

/// The source that an account is.
pub(super) fn source_of(id: &UserId) -> String {
    format!("user:{id}")
}

/// The source that a phone number is, by its digest.
pub(super) fn source_of_phone(digest: &str) -> String {
    format!("phone:{digest}")
}

impl Post {
    pub(super) fn new(redis: Redis, secret: &SecretString, notify: Ask<Notify>) -> Self {
        let courier = Courier { space: redis.keyspace().clone(), seal: Seal::new(secret, SEAL), notify };
        Self { outbox: Rc::new(Outbox::new(redis, KIND)), courier: Rc::new(courier) }
    }

    /// Runs a script that may leave `notice` with `source`, under a lease.
    pub(super) async fn leave<T>(
        &self,
        source: &str,
        notice: &Notice,
        script: impl AsyncFn(Slip) -> Result<Leaving<T>, RedisFailure>,
    ) -> Result<T, AuthError> {
        let sealed = self.courier.seal.close(notice);
        let run = async |lease_ms| match script(Slip { sealed: sealed.clone(), lease_ms }).await? {
            Leaving::Lapsed => Ok(None),
            left => Ok(Some(left)),
        };
        match self.outbox.leave(source, run).await? {
            Some(Leaving::Done(outcome)) => Ok(outcome),
            _ => Err(AuthError::Ask(AskError::Saturated)),
        }
    }

    /// Makes the next lease on `source` take as long as the first one of a source that nobody has heard of.
    pub(super) fn forget(&self, source: &str) {
        self.outbox.drop_lease(source);
    }

    /// Carries what was left, while nobody waits. A failure, and whatever else gets in between, a sweep repairs.
    pub(super) fn relay_later(&self, source: String, left: Left) {
        self.outbox.relay_later(&self.courier, &source, left);
    }

    /// The same some time after the caller was answered, so that whether there is anything to carry cannot be told from the
    /// time that it takes.
    pub(super) fn relay_unseen(&self, source: String, left: Left) {
        self.outbox.relay_unseen(&self.courier, &source, left);
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

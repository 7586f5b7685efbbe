//! The register of sources by itself, for a domain whose leftovers are something else than intents.
//!
//! The protocol is the outbox's: who is about to leave something enters it first, and what he leaves is refused when that
//! was long ago; so whoever looks at the register a while later finds all there is.

use super::Due;
use super::store::OutboxStore;
use crate::redis::{Redis, RedisFailure};

/// A worker's view of the register of one kind of source.
#[derive(Debug, Clone)]
pub struct Register {
    store: OutboxStore,
}

impl Register {
    /// The register on this worker's connection.
    pub fn new(redis: Redis, kind: &str) -> Self {
        Self { store: OutboxStore::new(redis, kind) }
    }

    /// Enters `source`, or enters it anew; returns when, in ms.
    pub async fn enter(&self, source: &str) -> Result<u64, RedisFailure> {
        self.store.lease(source).await
    }

    /// At most `count` sources entered at least `age_ms` ago, the oldest first.
    pub async fn due(&self, age_ms: u64, count: usize) -> Result<Vec<Due>, RedisFailure> {
        self.store.due(age_ms, 0, count).await
    }

    /// Enters `source` anew for who last saw it entered at `seen_ms`; returns when. Nothing when somebody else was quicker:
    /// so an entry is a lease, for who takes it again before it looks due to others.
    pub async fn take(&self, source: &str, seen_ms: u64) -> Result<Option<u64>, RedisFailure> {
        self.store.take(source, seen_ms).await
    }

    /// Takes `source` off unless it was entered again after `entered_ms`.
    pub async fn leave(&self, source: &str, entered_ms: u64) -> Result<(), RedisFailure> {
        self.store.release(source, entered_ms).await?;
        Ok(())
    }
}

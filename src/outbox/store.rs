//! The outbox's only way to the datastore: one function per script.

use redis::{Value, cmd, pipe};

use super::{Due, Intent, keys};
use crate::redis::{Key, Redis, RedisFailure, Script};
use crate::script;

static LEASE: Script = script!("outbox/lease", 1);
static DUE: Script = script!("outbox/due", 1);
static RELEASE: Script = script!("outbox/release", 1);
static TAKE: Script = script!("outbox/take", 1);

#[derive(Debug, Clone)]
pub(super) struct OutboxStore {
    redis: Redis,
    register: Key,
}

impl OutboxStore {
    pub(super) fn new(redis: Redis, kind: &str) -> Self {
        let register = keys::register(redis.keyspace(), kind);
        Self { redis, register }
    }

    pub(super) async fn lease(&self, source: &str) -> Result<u64, RedisFailure> {
        LEASE.keys([&self.register]).arg(source).run(&self.redis).await
    }

    /// Sources registered at least `age_ms` ago and not before `from_ms`, the oldest first.
    pub(super) async fn due(
        &self,
        age_ms: u64,
        from_ms: u64,
        count: usize,
    ) -> Result<Vec<Due>, RedisFailure> {
        let call = DUE.keys([&self.register]).arg(age_ms).arg(from_ms).arg(count);
        let reply: Vec<Value> = call.run(&self.redis).await?;
        let mut items = reply.into_iter();
        let Some(now) = items.next() else { return Ok(Vec::new()) };
        let now_ms: u64 = DUE.read(now)?;
        let entries: Vec<(String, u64)> = DUE.read(Value::Array(items.collect()))?;
        let due = entries.into_iter().map(|(source, registered_ms)| Due {
            source,
            registered_ms,
            age_ms: now_ms.saturating_sub(registered_ms),
        });
        Ok(due.collect())
    }

    /// False when the source has been registered again since.
    pub(super) async fn release(&self, source: &str, registered_ms: u64) -> Result<bool, RedisFailure> {
        RELEASE.keys([&self.register]).arg(source).arg(registered_ms).run(&self.redis).await
    }

    /// When the source is registered from now on; nothing when it has been registered again since `seen_ms`.
    pub(super) async fn take(&self, source: &str, seen_ms: u64) -> Result<Option<u64>, RedisFailure> {
        let now_ms: u64 = TAKE.keys([&self.register]).arg(source).arg(seen_ms).run(&self.redis).await?;
        Ok((now_ms > 0).then_some(now_ms))
    }

    /// The oldest intents that are not settled.
    pub(super) async fn pending(&self, intents: &Key, count: usize) -> Result<Vec<Intent>, RedisFailure> {
        let command = cmd("ZRANGE").arg(intents).arg(0).arg(count - 1).to_owned();
        let members: Vec<String> = self.redis.command("ZRANGE intents", &command).await?;
        Ok(members.iter().filter_map(|member| Intent::parse(member)).collect())
    }

    /// The same of many sources, in one round trip.
    pub(super) async fn pending_of(
        &self,
        intents: &[Key],
        count: usize,
    ) -> Result<Vec<Vec<Intent>>, RedisFailure> {
        if intents.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = pipe();
        for key in intents {
            pipeline.cmd("ZRANGE").arg(key).arg(0).arg(count - 1);
        }
        let sources: Vec<Vec<String>> = self.redis.pipeline("ZRANGE intents", &pipeline).await?;
        let parse = |members: Vec<String>| members.iter().filter_map(|m| Intent::parse(m)).collect();
        Ok(sources.into_iter().map(parse).collect())
    }

    /// Forgets the intents up to `id`.
    pub(super) async fn settle(&self, intents: &Key, id: u64) -> Result<(), RedisFailure> {
        let command = cmd("ZREMRANGEBYSCORE").arg(intents).arg("-inf").arg(id).to_owned();
        self.redis.command("ZREMRANGEBYSCORE intents", &command).await
    }
}

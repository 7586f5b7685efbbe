//! The event log's only way to the datastore: one function per script.

use redis::{Value, cmd};

use super::keys;
use super::messages::{LogOpened, Reached};
use super::model::{Event, Missed, Origin, Resume};
use crate::config::RealtimeConfig;
use crate::redis::{Redis, RedisFailure, Script};
use crate::script;
use crate::users::model::UserId;

static DELIVER: Script = script!("realtime/deliver", 4);
static OPEN: Script = script!("realtime/open", 4);

const HOUR_MS: u64 = 3_600_000;
const EPOCH_CHARS: usize = 12;
/// Sources whose last intent a user's log remembers, and as many before them. An intent is carried within seconds; until it
/// might be carried again, far fewer others tell a user anything.
const MAX_SOURCES: u32 = 4_096;

#[derive(Debug, Clone)]
pub(super) struct LogStore {
    redis: Redis,
    log_events: u32,
    log_ttl_ms: u64,
    resume_bytes: usize,
}

impl LogStore {
    pub(super) fn new(redis: Redis, config: &RealtimeConfig) -> Self {
        Self {
            redis,
            log_events: config.log_events,
            log_ttl_ms: u64::from(config.log_ttl_hours) * HOUR_MS,
            resume_bytes: config.max_resume_bytes,
        }
    }

    pub(super) async fn deliver(
        &self,
        to: &UserId,
        source: &str,
        events: &[&Event],
    ) -> Result<Reached, RedisFailure> {
        let space = self.redis.keyspace();
        let [position, log, carried, before] = keys::all(space, to);
        let mut call = DELIVER
            .keys([&position, &log, &carried, &before])
            .arg(source)
            .arg(keys::events_channel(space, to))
            .arg(self.log_events)
            .arg(MAX_SOURCES);
        for event in events {
            let origin = event.origin.as_ref().map(Origin::to_text).unwrap_or_default();
            call = call.arg(event.intent).arg(origin).arg(&event.body);
        }
        let (applied, nodes): (i64, u32) = call.run(&self.redis).await?;
        Ok(Reached { has_log: applied >= 0, is_heard: nodes > 0 })
    }

    pub(super) async fn has_log(&self, user: &UserId) -> Result<bool, RedisFailure> {
        let [position, ..] = keys::all(self.redis.keyspace(), user);
        self.redis.command("EXISTS position", cmd("EXISTS").arg(position)).await
    }

    /// Removes a user's log.
    pub(super) async fn forget(&self, user: &UserId) -> Result<(), RedisFailure> {
        self.redis.command("UNLINK log", cmd("UNLINK").arg(&keys::all(self.redis.keyspace(), user))).await
    }

    pub(super) async fn open(
        &self,
        user: &UserId,
        resume: Option<&Resume>,
    ) -> Result<LogOpened, RedisFailure> {
        let space = self.redis.keyspace();
        let [position, log, carried, before] = keys::all(space, user);
        let reply: Vec<Value> = OPEN
            .keys([&position, &log, &carried, &before])
            .arg(nanoid::nanoid!(EPOCH_CHARS))
            .arg(self.log_ttl_ms)
            .arg(resume.map_or("", |resume| &resume.epoch))
            .arg(resume.map_or(0, |resume| resume.seq))
            .arg(self.log_events)
            .arg(self.resume_bytes)
            .run(&self.redis)
            .await?;
        let mut items = reply.into_iter();
        let head: Vec<Value> = items.by_ref().take(3).collect();
        let (epoch, seq, resumed): (String, u64, u8) = OPEN.read(Value::Array(head))?;
        let missed: Vec<(String, String)> = OPEN.read(Value::Array(items.collect()))?;
        let missed = missed.into_iter().map(|(origin, frame)| Missed { origin, frame }).collect();
        Ok(LogOpened { epoch, seq, missed: (resumed == 1).then_some(missed) })
    }
}

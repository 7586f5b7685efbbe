//! The event log's only way to the datastore: one function per script.

use super::keys;
use super::model::{Event, Origin};
use crate::config::RealtimeConfig;
use crate::redis::{Redis, RedisFailure, Script};
use crate::script;
use crate::users::model::UserId;

static DELIVER: Script = script!("realtime/deliver", 3);

#[derive(Debug, Clone)]
pub(super) struct LogStore {
    redis: Redis,
    log_events: u32,
}

impl LogStore {
    pub(super) fn new(redis: Redis, config: &RealtimeConfig) -> Self {
        Self { redis, log_events: config.log_events }
    }

    pub(super) async fn deliver(
        &self,
        to: &UserId,
        source: &str,
        events: &[&Event],
    ) -> Result<(), RedisFailure> {
        let space = self.redis.keyspace();
        let (position, log, carried) =
            (keys::position(space, to), keys::log(space, to), keys::carried(space, to));
        let mut call = DELIVER
            .keys([&position, &log, &carried])
            .arg(source)
            .arg(space.channel("user", to.as_str()))
            .arg(self.log_events);
        for event in events {
            let origin = event.origin.as_ref().map(Origin::to_text).unwrap_or_default();
            call = call.arg(event.intent).arg(origin).arg(&event.body);
        }
        let _applied: i64 = call.run(&self.redis).await?;
        Ok(())
    }
}

//! The presence keeper's only way to the datastore: one function per script.

use redis::{FromRedisValue, Value, cmd, from_redis_value, pipe};

use super::keys;
use super::messages::Attention;
use super::model::{OnlineStatus, Presence};
use crate::redis::{Key, Redis, RedisFailure, Script};
use crate::script;
use crate::users::model::UserId;

static BEAT: Script = script!("presence/beat", 2);
static CLOSE: Script = script!("presence/close", 2);
static SET_STATUS: Script = script!("presence/set_status", 2);
static SIGN_IN: Script = script!("presence/sign_in", 2);
static SIGN_OUT: Script = script!("presence/sign_out", 2);
static TOUCH: Script = script!("presence/touch", 2);
static EXPIRE: Script = script!("presence/expire", 1);
static ENLIST: Script = script!("presence/enlist", 1);
static DUE: Script = script!("presence/due", 1);
static RESCHEDULE: Script = script!("presence/reschedule", 1);

const FETCH: &str = "HMGET presences";

/// What became of a socket that closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Closed {
    Forgotten,
    OthersLive,
    Gone,
}

/// Somebody on the list whose time may have run out.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) user: String,
    due_ms: i64,
}

#[derive(Debug, Clone)]
pub(super) struct PresenceStore {
    redis: Redis,
}

impl PresenceStore {
    pub(super) fn new(redis: Redis) -> Self {
        Self { redis }
    }

    fn keys(&self, id: &UserId) -> [Key; 2] {
        let space = self.redis.keyspace();
        [keys::presence(space, id), keys::sockets(space, id)]
    }

    fn channel(&self, id: &UserId) -> String {
        keys::channel(self.redis.keyspace(), id)
    }

    /// True when the socket is new.
    pub(super) async fn beat(&self, id: &UserId, socket: &str, ttl_ms: u64) -> Result<bool, RedisFailure> {
        let [presence, sockets] = self.keys(id);
        let call = BEAT.keys([&presence, &sockets]).arg(socket).arg(ttl_ms).arg(self.channel(id));
        call.run(&self.redis).await
    }

    pub(super) async fn close(&self, id: &UserId, socket: &str) -> Result<Closed, RedisFailure> {
        let [presence, sockets] = self.keys(id);
        let call = CLOSE.keys([&presence, &sockets]).arg(socket).arg(self.channel(id));
        let code: u8 = call.run(&self.redis).await?;
        Ok(match code {
            0 => Closed::Forgotten,
            1 => Closed::OthersLive,
            _ => Closed::Gone,
        })
    }

    pub(super) async fn set_status(
        &self,
        id: &UserId,
        status: OnlineStatus,
        http_ttl_ms: u64,
    ) -> Result<Presence, RedisFailure> {
        let [presence, sockets] = self.keys(id);
        let call = SET_STATUS
            .keys([&presence, &sockets])
            .arg(status.as_str())
            .arg(http_ttl_ms)
            .arg(self.channel(id));
        let (_changed, seen_ms): (u8, i64) = call.run(&self.redis).await?;
        Ok(Presence { status, last_seen_ms: (seen_ms > 0).then_some(seen_ms) })
    }

    pub(super) async fn sign_in(
        &self,
        id: &UserId,
        at_us: i64,
        http_ttl_ms: u64,
    ) -> Result<(), RedisFailure> {
        let [presence, sockets] = self.keys(id);
        let call = SIGN_IN.keys([&presence, &sockets]).arg(http_ttl_ms).arg(at_us).arg(self.channel(id));
        let _code: u8 = call.run(&self.redis).await?;
        Ok(())
    }

    pub(super) async fn sign_out(&self, id: &UserId, at_us: i64) -> Result<(), RedisFailure> {
        let [presence, sockets] = self.keys(id);
        let call = SIGN_OUT.keys([&presence, &sockets]).arg(at_us).arg(self.channel(id));
        let _code: u8 = call.run(&self.redis).await?;
        Ok(())
    }

    /// False when the user is not here.
    pub(super) async fn touch(&self, id: &UserId, http_ttl_ms: u64) -> Result<bool, RedisFailure> {
        let [presence, sockets] = self.keys(id);
        let code: u8 = TOUCH.keys([&presence, &sockets]).arg(http_ttl_ms).run(&self.redis).await?;
        Ok(code != 0)
    }

    /// Until when the user is here; 0 when the user has gone.
    pub(super) async fn expire(&self, id: &UserId) -> Result<i64, RedisFailure> {
        let [presence, _] = self.keys(id);
        EXPIRE.keys([&presence]).arg(self.channel(id)).run(&self.redis).await
    }

    /// False when the user will be looked at sooner.
    pub(super) async fn enlist(&self, id: &UserId, delay_ms: u64) -> Result<bool, RedisFailure> {
        let list = keys::list_of(self.redis.keyspace(), id);
        ENLIST.keys([&list]).arg(id.as_str()).arg(delay_ms).run(&self.redis).await
    }

    pub(super) async fn due(&self, shard: &str, count: usize) -> Result<Vec<Due>, RedisFailure> {
        let list = keys::list(self.redis.keyspace(), shard);
        let entries: Vec<(String, i64)> = DUE.keys([&list]).arg(count).run(&self.redis).await?;
        Ok(entries.into_iter().map(|(user, due_ms)| Due { user, due_ms }).collect())
    }

    /// When to look at each next; 0: never.
    pub(super) async fn reschedule(&self, shard: &str, looks: &[(Due, i64)]) -> Result<(), RedisFailure> {
        let list = keys::list(self.redis.keyspace(), shard);
        let mut call = RESCHEDULE.keys([&list]);
        for (due, next_ms) in looks {
            call = call.arg(&due.user).arg(due.due_ms).arg(*next_ms);
        }
        let _changed: usize = call.run(&self.redis).await?;
        Ok(())
    }

    /// Removes all that is kept of a user. The list comes first: what it leads to is not looked for again.
    pub(super) async fn forget(&self, id: &UserId) -> Result<(), RedisFailure> {
        let list = keys::list_of(self.redis.keyspace(), id);
        let _listed: u8 = self.redis.command("ZREM presence", cmd("ZREM").arg(list).arg(id.as_str())).await?;
        self.redis.command("DEL presence", cmd("DEL").arg(&self.keys(id))).await
    }

    /// A socket that has run out is taken for dead, though it may not have been looked at yet.
    pub(super) async fn attention(&self, id: &UserId) -> Result<Attention, RedisFailure> {
        let [presence, sockets] = self.keys(id);
        let mut pipeline = pipe();
        pipeline.cmd("TIME").cmd("ZREVRANGE").arg(sockets).arg(0).arg(0).arg("WITHSCORES");
        pipeline.cmd("HGET").arg(presence).arg("seen");
        type Reply = ((i64, i64), Vec<(String, i64)>, Option<i64>);
        let ((secs, micros), last, seen): Reply = self.redis.pipeline("ZREVRANGE sockets", &pipeline).await?;
        let now_ms = secs * 1000 + micros / 1000;
        let listens = last.first().is_some_and(|(_, until_ms)| *until_ms > now_ms);
        Ok(Attention { listens, last_seen_ms: seen.unwrap_or_default() })
    }

    /// In the order of `ids`.
    pub(super) async fn presences(&self, ids: &[UserId]) -> Result<Vec<Presence>, RedisFailure> {
        let mut pipeline = pipe();
        pipeline.cmd("TIME");
        for id in ids {
            let key = keys::presence(self.redis.keyspace(), id);
            pipeline.cmd("HMGET").arg(key).arg(&["status", "until", "seen"]);
        }
        let mut replies = self.redis.pipeline::<Vec<Value>>(FETCH, &pipeline).await?.into_iter();
        let (secs, micros): (i64, i64) = read(replies.next().unwrap_or(Value::Nil))?;
        let now_ms = secs * 1000 + micros / 1000;
        replies.map(|reply| Ok(presence(now_ms, read(reply)?))).collect()
    }
}

fn read<T: FromRedisValue>(reply: Value) -> Result<T, RedisFailure> {
    from_redis_value(reply).map_err(|error| RedisFailure::of(FETCH, error.into()))
}

fn presence(
    now_ms: i64,
    (by_hand, until_ms, seen_ms): (Option<String>, Option<i64>, Option<i64>),
) -> Presence {
    let status = match by_hand.as_deref().map(OnlineStatus::parse) {
        _ if until_ms.unwrap_or_default() <= now_ms => OnlineStatus::Offline,
        Some(Ok(status)) => status,
        _ => OnlineStatus::Online,
    };
    Presence { status, last_seen_ms: seen_ms }
}

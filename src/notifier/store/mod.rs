//! The notifier's only way to the datastore: one function per script. [`queue`] is what senders do with what waits.

pub(in crate::notifier) mod queue;

use std::collections::HashMap;
use std::time::Duration;

use redis::{cmd, pipe};

use super::keys;
use super::letter::Way;
use super::model::Mailing;
use super::record::Record;
use crate::config::NotifierConfig;
use crate::redis::{Redis, RedisFailure, Script};
use crate::script;
use crate::users::model::UserId;

static NOTE: Script = script!("notifier/note", 4);
static CHANGE: Script = script!("notifier/change", 2);
static REMOVE: Script = script!("notifier/remove", 2);
static ALLOW: Script = script!("notifier/allow", 1);
static ENQUEUE: Script = script!("notifier/enqueue", 4);

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Sources whose last intent a list remembers, and as many before them.
const MAX_SOURCES: u32 = 4_096;
/// The same of a queue.
const MAX_QUEUED_SOURCES: u32 = 65_536;

/// What becomes true of a notification.
#[derive(Debug, Clone, Copy)]
pub(in crate::notifier) enum Mark {
    Read,
    Sent,
}

/// Something to list.
#[derive(Debug)]
pub(in crate::notifier) struct Entry {
    pub(in crate::notifier) intent: u64,
    /// Before this a notification about the same topic is too old to count in. ms
    pub(in crate::notifier) since_ms: i64,
    pub(in crate::notifier) id: String,
    pub(in crate::notifier) record: Record,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::notifier) enum Noted {
    Listed,
    Counted,
}

/// What became of letters.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::notifier) enum Queued {
    All,
    /// There was no room for some, which nobody waits for.
    But {
        dropped: u64,
    },
    /// There was no room for all of them.
    Full,
}

#[derive(Debug, Clone)]
pub(in crate::notifier) struct NotifierStore {
    redis: Redis,
    max_per_user: u32,
    keep_ms: u64,
    max_waiting: u32,
}

impl NotifierStore {
    pub(in crate::notifier) fn new(redis: Redis, config: &NotifierConfig) -> Self {
        Self {
            redis,
            max_per_user: config.max_per_user,
            keep_ms: (DAY * config.keep_days).as_millis() as u64,
            max_waiting: config.max_waiting,
        }
    }

    /// What became of each, in their order.
    pub(in crate::notifier) async fn note(
        &self,
        to: &UserId,
        source: &str,
        entries: &[Entry],
    ) -> Result<Vec<Noted>, RedisFailure> {
        let [list, topics, noted, before] = keys::list(self.redis.keyspace(), to);
        let mut call = NOTE
            .keys([&list, &topics, &noted, &before])
            .arg(source)
            .arg(self.max_per_user)
            .arg(self.keep_ms)
            .arg(MAX_SOURCES);
        for Entry { intent, since_ms, id, record } in entries {
            let topic = record.topic.as_deref().unwrap_or_default();
            call = call.arg(intent).arg(topic).arg(since_ms).arg(id).arg(json(record));
        }
        let codes: Vec<u8> = call.run(&self.redis).await?;
        Ok(codes.into_iter().map(|code| if code == 1 { Noted::Listed } else { Noted::Counted }).collect())
    }

    /// False when there is no such notification.
    pub(in crate::notifier) async fn change(
        &self,
        of: &UserId,
        id: &str,
        mark: Mark,
    ) -> Result<bool, RedisFailure> {
        let [list, topics, ..] = keys::list(self.redis.keyspace(), of);
        let field = match mark {
            Mark::Read => "read",
            Mark::Sent => "success",
        };
        CHANGE.keys([&list, &topics]).arg(id).arg(field).run(&self.redis).await
    }

    /// False when there is no such notification.
    pub(in crate::notifier) async fn remove(&self, of: &UserId, id: &str) -> Result<bool, RedisFailure> {
        let [list, topics, ..] = keys::list(self.redis.keyspace(), of);
        REMOVE.keys([&list, &topics]).arg(id).run(&self.redis).await
    }

    /// All notifications of a user, in no order.
    pub(in crate::notifier) async fn all(&self, of: &UserId) -> Result<Vec<(String, Record)>, RedisFailure> {
        let [list, ..] = keys::list(self.redis.keyspace(), of);
        let all: HashMap<String, String> =
            self.redis.command("HGETALL notifications", cmd("HGETALL").arg(list)).await?;
        let read = |(id, json): (String, String)| Some((id, serde_json::from_str(&json).ok()?));
        Ok(all.into_iter().filter_map(read).collect())
    }

    /// What a user wants by mail.
    pub(in crate::notifier) async fn mailing(&self, of: &UserId) -> Result<Mailing, RedisFailure> {
        let key = keys::mailing(self.redis.keyspace(), of);
        let command = cmd("HMGET").arg(key).arg(&["messages", "likes", "comments"]).to_owned();
        let fields: (Option<u8>, Option<u8>, Option<u8>) =
            self.redis.command("HMGET mailing", &command).await?;
        Ok(Mailing { messages: fields.0.is_some(), likes: fields.1.is_some(), comments: fields.2.is_some() })
    }

    pub(in crate::notifier) async fn set_mailing(
        &self,
        of: &UserId,
        changes: &[(&'static str, bool)],
    ) -> Result<(), RedisFailure> {
        let key = keys::mailing(self.redis.keyspace(), of);
        let mut pipeline = pipe();
        pipeline.atomic();
        for (field, on) in changes {
            match on {
                true => pipeline.cmd("HSET").arg(&key).arg(*field).arg(1).ignore(),
                false => pipeline.cmd("HDEL").arg(&key).arg(*field).ignore(),
            };
        }
        self.redis.pipeline("HSET mailing", &pipeline).await
    }

    /// Removes what a user was told, and wishes.
    pub(in crate::notifier) async fn forget(&self, of: &UserId) -> Result<(), RedisFailure> {
        let space = self.redis.keyspace();
        let mut command = cmd("UNLINK");
        command.arg(&keys::list(space, of)).arg(keys::mailing(space, of));
        self.redis.command("UNLINK notifications", &command).await
    }

    /// Whether one more mail may go to an address today; `digest` is the address', `letter` the mail.
    pub(in crate::notifier) async fn allow(
        &self,
        digest: &str,
        letter: &str,
        limit: u32,
    ) -> Result<bool, RedisFailure> {
        let key = keys::mailed(self.redis.keyspace(), digest);
        ALLOW.keys([&key]).arg(letter).arg(limit).arg(DAY.as_secs()).run(&self.redis).await
    }

    pub(in crate::notifier) async fn enqueue(
        &self,
        way: Way,
        source: &str,
        letters: &[(u64, String)],
    ) -> Result<Queued, RedisFailure> {
        let space = self.redis.keyspace();
        let [later, queued, before] =
            ["later", "queued", "queued_before"].map(|part| keys::queue_part(space, way, part));
        let call = ENQUEUE.keys([&keys::queue(space, way), &later, &queued, &before]);
        let call = call.arg(source).arg(self.max_waiting).arg(MAX_QUEUED_SOURCES);
        let call = call.arg(u8::from(way.may_drop())).arg(letters);
        let (dropped, _queued): (i64, u64) = call.run(&self.redis).await?;
        Ok(match dropped {
            -1 => Queued::Full,
            0 => Queued::All,
            dropped => Queued::But { dropped: dropped.unsigned_abs() },
        })
    }
}

fn json(record: &Record) -> String {
    serde_json::to_string(record).unwrap_or_else(|error| unreachable!("plain data: {error}"))
}

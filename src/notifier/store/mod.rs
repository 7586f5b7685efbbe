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
    /// What it is about, if those about the same are counted together.
    pub(in crate::notifier) topic: Option<String>,
    /// Id and record.
    pub(in crate::notifier) push: Option<(String, Record)>,
    /// The same of its mail.
    pub(in crate::notifier) mail: Option<(String, Record)>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::notifier) enum Noted {
    Listed,
    Counted,
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
        for Entry { intent, topic, push, mail } in entries {
            call = call.arg(intent).arg(topic.as_deref().unwrap_or_default());
            for item in [push, mail] {
                let (id, record) =
                    item.as_ref().map_or(("", String::new()), |(id, record)| (id, json(record)));
                call = call.arg(id).arg(record);
            }
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

    /// Counts a mail to an address that nobody has proven to be his; how many that makes today.
    pub(in crate::notifier) async fn count_mail(&self, digest: &str) -> Result<u32, RedisFailure> {
        let key = keys::mailed(self.redis.keyspace(), digest);
        let mut pipeline = pipe();
        pipeline.atomic().cmd("INCR").arg(&key);
        pipeline.cmd("EXPIRE").arg(&key).arg(DAY.as_secs()).arg("NX").ignore();
        let (count,): (u32,) = self.redis.pipeline("INCR mailed", &pipeline).await?;
        Ok(count)
    }

    /// False when too many letters wait.
    pub(in crate::notifier) async fn enqueue(
        &self,
        way: Way,
        source: &str,
        letters: &[(u64, String)],
    ) -> Result<bool, RedisFailure> {
        let space = self.redis.keyspace();
        let [later, queued, before] =
            ["later", "queued", "queued_before"].map(|part| keys::queue_part(space, way, part));
        let call = ENQUEUE.keys([&keys::queue(space, way), &later, &queued, &before]);
        let call = call.arg(source).arg(self.max_waiting).arg(MAX_QUEUED_SOURCES).arg(letters);
        let queued: i64 = call.run(&self.redis).await?;
        Ok(queued >= 0)
    }
}

fn json(record: &Record) -> String {
    serde_json::to_string(record).unwrap_or_else(|error| unreachable!("plain data: {error}"))
}

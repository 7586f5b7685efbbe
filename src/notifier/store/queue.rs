//! The queue of letters that wait to be sent: its way to the datastore.

use redis::cmd;
use redis::streams::{StreamAutoClaimReply, StreamId, StreamInfoConsumersReply, StreamReadReply};

use crate::notifier::keys;
use crate::notifier::letter::Way;
use crate::redis::lending::Lender;
use crate::redis::{Key, Redis, RedisFailure, Script};
use crate::script;

static SETTLE: Script = script!("notifier/settle", 3);
static WAKE: Script = script!("notifier/wake", 3);

/// The consumer group of all nodes.
const GROUP: &str = "senders";
/// Letters given up that are kept, and for how long.
const MAX_DEAD: u32 = 1_000;
const DEAD_LIFE_MS: u64 = 30 * 24 * 3_600_000;
/// Letters whose time has come that are put back at once.
const WAKE_COUNT: u32 = 100;
/// A consumer that has nothing under way and was not heard of for this long is one of a process that is gone.
const FORGET_CONSUMER_MS: usize = 3_600_000;

/// A letter that somebody has taken to send it.
#[derive(Debug)]
pub(in crate::notifier) struct Taken {
    /// Its entry.
    pub(in crate::notifier) entry: String,
    /// The letter.
    pub(in crate::notifier) sealed: String,
    /// When it was first queued. ms
    pub(in crate::notifier) since_ms: i64,
    /// How often it was tried before.
    pub(in crate::notifier) tries: u32,
}

/// How a try ended.
#[derive(Debug)]
pub(in crate::notifier) enum Outcome {
    Sent,
    /// It would have come too late.
    Expired,
    Later {
        wait_ms: u64,
        why: String,
    },
    Dead {
        why: String,
    },
}

/// How a queue stands.
#[derive(Debug)]
pub(in crate::notifier) struct Standing {
    pub(in crate::notifier) woken: u64,
    pub(in crate::notifier) waiting: u64,
    pub(in crate::notifier) dead: u64,
    pub(in crate::notifier) oldest_ms: u64,
}

/// One way's queue, for one consumer.
#[derive(Debug)]
pub(in crate::notifier) struct Queue {
    redis: Redis,
    lender: Lender,
    consumer: String,
    stream: Key,
    later: Key,
    dead: Key,
}

impl Queue {
    pub(in crate::notifier) fn new(redis: Redis, lender: Lender, way: Way) -> Self {
        let space = redis.keyspace();
        let [later, dead] = ["later", "dead"].map(|part| keys::queue_part(space, way, part));
        Self { stream: keys::queue(space, way), later, dead, consumer: nanoid::nanoid!(), redis, lender }
    }

    /// Makes the queue if there is none.
    pub(in crate::notifier) async fn open(&self) -> Result<(), RedisFailure> {
        let mut command = cmd("XGROUP");
        command.arg("CREATE").arg(&self.stream).arg(GROUP).arg(0).arg("MKSTREAM");
        match self.redis.command::<()>("XGROUP CREATE", &command).await {
            Err(RedisFailure::Unexpected { source, .. }) if source.code() == Some("BUSYGROUP") => Ok(()),
            outcome => outcome,
        }
    }

    /// At most `count` letters that nobody has taken; waits a moment for the first.
    pub(in crate::notifier) async fn take(&self, count: usize) -> Result<Vec<Taken>, RedisFailure> {
        let mut command = cmd("XREADGROUP");
        command.arg("GROUP").arg(GROUP).arg(&self.consumer).arg("COUNT").arg(count);
        command.arg("BLOCK").arg(self.lender.block_ms()).arg("STREAMS").arg(&self.stream).arg(">");
        let reply: Option<StreamReadReply> = self.lender.command("XREADGROUP outgoing", &command).await?;
        let streams = reply.into_iter().flat_map(|reply| reply.keys);
        Ok(streams.flat_map(|stream| stream.ids).filter_map(taken).collect())
    }

    /// At most `count` letters that somebody took at least `idle_ms` ago and never settled.
    pub(in crate::notifier) async fn reclaim(
        &self,
        idle_ms: u64,
        count: usize,
    ) -> Result<Vec<Taken>, RedisFailure> {
        let mut command = cmd("XAUTOCLAIM");
        command.arg(&self.stream).arg(GROUP).arg(&self.consumer).arg(idle_ms).arg("0-0");
        command.arg("COUNT").arg(count);
        let reply: StreamAutoClaimReply = self.redis.command("XAUTOCLAIM outgoing", &command).await?;
        Ok(reply.claimed.into_iter().filter_map(taken).collect())
    }

    /// False when somebody else has settled it.
    pub(in crate::notifier) async fn settle(
        &self,
        entry: &str,
        outcome: &Outcome,
    ) -> Result<bool, RedisFailure> {
        let (verb, detail) = match outcome {
            Outcome::Sent | Outcome::Expired => ("sent", String::new()),
            Outcome::Later { wait_ms, .. } => ("later", wait_ms.to_string()),
            Outcome::Dead { why } => ("dead", why.clone()),
        };
        let call = SETTLE.keys([&self.stream, &self.later, &self.dead]).arg(GROUP).arg(entry);
        call.arg(verb).arg(detail).arg(MAX_DEAD).arg(DEAD_LIFE_MS).run(&self.redis).await
    }

    /// Puts letters whose time has come back, and says how the queue stands.
    pub(in crate::notifier) async fn wake(&self) -> Result<Standing, RedisFailure> {
        let call = WAKE.keys([&self.stream, &self.later, &self.dead]).arg(WAKE_COUNT);
        let (woken, waiting, dead, oldest_ms): (u64, u64, u64, u64) = call.run(&self.redis).await?;
        Ok(Standing { woken, waiting, dead, oldest_ms })
    }

    /// Forgets consumers of processes that are gone.
    pub(in crate::notifier) async fn tidy(&self) -> Result<(), RedisFailure> {
        let mut command = cmd("XINFO");
        command.arg("CONSUMERS").arg(&self.stream).arg(GROUP);
        let reply: StreamInfoConsumersReply = self.redis.command("XINFO CONSUMERS", &command).await?;
        for consumer in reply.consumers {
            if consumer.pending == 0 && consumer.idle > FORGET_CONSUMER_MS {
                let mut command = cmd("XGROUP");
                command.arg("DELCONSUMER").arg(&self.stream).arg(GROUP).arg(consumer.name);
                self.redis.command::<i64>("XGROUP DELCONSUMER", &command).await?;
            }
        }
        Ok(())
    }
}

fn taken(entry: StreamId) -> Option<Taken> {
    Some(Taken {
        sealed: entry.get("l")?,
        since_ms: entry.get("t")?,
        tries: entry.get("n")?,
        entry: entry.id,
    })
}

//! What the store does for links that are remembered: looks them up, and counts clicks that are answered already.

use redis::{cmd, pipe};

use super::LinkStore;
use crate::outbox::LEASE_LIMIT_MS;
use crate::redis::{Redis, RedisFailure, Script};
use crate::script;
use crate::shortener::keys;
use crate::shortener::memory::OpenLink;
use crate::shortener::model::ShortCode;

static COUNT: Script = script!("shortener/count", 1, 3);
static BEAT: Script = script!("shortener/beat", 0);
static TRIM_TALLIES: Script = script!("shortener/trim_tallies", 1);

/// A marker that its journal has not moved for so long is dropped, as `lua/shortener/count.lua` has it too, and what is as old in
/// a journal is not read any more.
pub(in crate::shortener) const MARKER_LIFE_US: u64 = 30 * 24 * 3600 * 1_000_000;

/// What a link is to somebody who has not seen it yet.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::shortener) enum Looked {
    /// There is none, or its owner's account is closed.
    Missing,
    /// Anybody may follow it.
    Open(OpenLink),
    /// To be decided with each visit.
    Guarded,
    /// The same, until it has been held against the lists of blocked hosts.
    Unvetted,
}

/// Clicks on one link, to be counted together.
#[derive(Debug)]
pub(in crate::shortener) struct Count {
    pub(in crate::shortener) code: ShortCode,
    pub(in crate::shortener) created_ms: u64,
    /// Positions in the journal.
    pub(in crate::shortener) first: u64,
    pub(in crate::shortener) last: u64,
    pub(in crate::shortener) clicks: u64,
    /// Events and tallies as `lua/shortener/count.lua` takes them, if there are any.
    pub(in crate::shortener) recorded: Option<String>,
}

/// What became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shortener) enum Counted {
    /// The link is gone.
    Gone,
    /// Nothing yet, see [`super::Followed::Unentered`].
    Unentered { never_told: bool },
    /// Counted.
    Done,
    /// They had been.
    Before,
    /// Some of them had been; the others were not.
    Partly,
    /// Counted, and there are too many tallies by now.
    Untrimmed,
}

/// Sends beats.
#[derive(Debug, Clone)]
pub(in crate::shortener) struct Pulse {
    redis: Redis,
    channel: String,
}

impl Pulse {
    pub(in crate::shortener) fn new(redis: Redis) -> Self {
        let channel = keys::changes(redis.keyspace());
        Self { redis, channel }
    }

    pub(in crate::shortener) async fn beat(&self, beat: &str) -> Result<(), RedisFailure> {
        BEAT.keys([]).arg(&self.channel).arg(beat).run(&self.redis).await
    }
}

impl LinkStore {
    /// `edition` is that of the lists of blocked hosts.
    pub(in crate::shortener) async fn look(
        &self,
        code: &ShortCode,
        edition: Option<&str>,
    ) -> Result<Looked, RedisFailure> {
        type Fields = (
            Option<String>,
            Option<String>,
            Option<String>,
            Option<String>,
            Option<String>,
            Option<String>,
            Option<u64>,
            Option<u64>,
        );
        let fields = &["u", "m", "a", "s", "j", "b", "z", "t"];
        let command = cmd("HMGET").arg(self.link(code)).arg(fields).to_owned();
        let (target, method, records, said, found, stamp, generation, created_ms): Fields =
            self.redis.command("HMGET link", &command).await?;
        let is_suspended = generation.is_some_and(|generation| generation % 2 == 1);
        let (Some(target), Some(created_ms), false) = (target, created_ms, is_suspended) else {
            return Ok(Looked::Missing);
        };
        // A target that no header can name is found out about where failures are told.
        let is_odd = target.bytes().any(|byte| byte.is_ascii_control());
        if method.is_some() || said.or(found).as_deref() == Some("0") || is_odd {
            return Ok(Looked::Guarded);
        }
        if edition.is_some() && stamp.as_deref() != edition {
            return Ok(Looked::Unvetted);
        }
        Ok(Looked::Open(OpenLink {
            target: target.into(),
            created_ms,
            records: records.is_some(),
            edition: edition.map(Into::into),
        }))
    }

    /// Counts clicks that `writer` has in its journal. The counts are of different links.
    pub(in crate::shortener) async fn count(
        &self,
        writer: &str,
        counts: &[&Count],
        entered_ms: Option<u64>,
    ) -> Result<Vec<Result<Counted, RedisFailure>>, RedisFailure> {
        let field = format!("@{writer}");
        let mut calls = COUNT.many();
        for Count { code, created_ms, first, last, clicks, recorded } in counts {
            let link = self.link(code);
            let call = match recorded {
                None => calls.add([&link]),
                Some(_) => calls.add([&link, &self.events(code), &self.tallies(code)]),
            };
            call.arg(&field).arg(first).arg(last).arg(created_ms).arg(clicks);
            match (recorded, entered_ms) {
                (None, None) => {}
                (Some(recorded), None) => drop(call.arg(recorded)),
                (recorded, Some(entered_ms)) => {
                    call.arg(recorded.as_deref().unwrap_or_default()).arg(entered_ms).arg(LEASE_LIMIT_MS);
                }
            }
        }
        let outcomes = calls.run::<u8>(&self.redis).await?;
        Ok(outcomes.into_iter().map(|outcome| outcome.map(counted)).collect())
    }

    /// The last position of `writer` that is counted at each of these links; zero where none is.
    pub(in crate::shortener) async fn markers(
        &self,
        writer: &str,
        codes: &[ShortCode],
    ) -> Result<Vec<u64>, RedisFailure> {
        let field = format!("@{writer}");
        let mut pipeline = pipe();
        for code in codes {
            pipeline.cmd("HGET").arg(self.link(code)).arg(&field);
        }
        let markers: Vec<Option<u64>> = self.redis.pipeline("HGET links", &pipeline).await?;
        Ok(markers.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// When a link was made whose clicks are recorded by themselves; nothing for others.
    pub(in crate::shortener) async fn recorded_since(
        &self,
        code: &ShortCode,
    ) -> Result<Option<u64>, RedisFailure> {
        let command = cmd("HMGET").arg(self.link(code)).arg(&["a", "t"]).to_owned();
        let (records, created_ms): (Option<String>, Option<u64>) =
            self.redis.command("HMGET link", &command).await?;
        Ok(created_ms.filter(|_| records.is_some()))
    }

    /// Drops tallies that are too old, and the smallest where there are too many.
    pub(in crate::shortener) async fn trim_tallies(&self, code: &ShortCode) -> Result<(), RedisFailure> {
        TRIM_TALLIES.keys([&self.tallies(code)]).run(&self.redis).await
    }
}

fn counted(code: u8) -> Counted {
    match code {
        0 => Counted::Gone,
        1 => Counted::Unentered { never_told: false },
        2 => Counted::Unentered { never_told: true },
        4 => Counted::Before,
        5 => Counted::Partly,
        6 => Counted::Untrimmed,
        _ => Counted::Done,
    }
}

//! What the store does for links that are remembered: looks them up, and counts clicks that are answered already.

use redis::{cmd, pipe};

use super::LinkStore;
use crate::outbox::LEASE_LIMIT_MS;
use crate::redis::{Key, Redis, RedisFailure, Script};
use crate::script;
use crate::shortener::keys;
use crate::shortener::memory::OpenLink;
use crate::shortener::model::ShortCode;

/// Links of a slot in one call of the script: about a tenth of a millisecond.
const LINKS_AT_ONCE: usize = 64;

static COUNT: Script = script!("shortener/count", 1, LINKS_AT_ONCE);
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
    /// Of the link.
    pub(in crate::shortener) slot: u16,
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
            target,
            created_ms,
            records: records.is_some(),
            edition: edition.map(Into::into),
        }))
    }

    /// Counts clicks that `writer` has in its journal. The counts are of different links; plain ones of a slot that follow each
    /// other are one call. `entered_ms` is for one alone.
    pub(in crate::shortener) async fn count(
        &self,
        writer: &str,
        counts: &[&Count],
        entered_ms: Option<u64>,
    ) -> Result<Vec<Result<Counted, RedisFailure>>, RedisFailure> {
        let field = format!("@{writer}");
        let lease = entered_ms.map(|_| LEASE_LIMIT_MS);
        let mut calls = COUNT.many();
        let mut sizes = Vec::new();
        for group in together(counts) {
            let recorded = group[0].recorded.as_deref();
            let mut keys: Vec<Key> = group.iter().map(|count| self.link(&count.code)).collect();
            if recorded.is_some() {
                keys.extend([self.events(&group[0].code), self.tallies(&group[0].code)]);
            }
            let call = calls.add(&keys.iter().collect::<Vec<_>>());
            call.arg(&field).arg(optional(entered_ms)).arg(optional(lease)).arg(recorded.unwrap_or_default());
            for Count { first, last, created_ms, clicks, .. } in group {
                call.arg(first).arg(last).arg(created_ms).arg(clicks);
            }
            sizes.push(group.len());
        }
        let outcomes = calls.run::<Vec<u64>>(&self.redis).await?;
        Ok(outcomes.into_iter().zip(sizes).flat_map(|(outcome, size)| each(outcome, size)).collect())
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

/// Counts of which one call of the script takes care.
fn together<'a>(counts: &'a [&'a Count]) -> impl Iterator<Item = &'a [&'a Count]> {
    let is_plain = |count: &Count| count.recorded.is_none();
    counts
        .chunk_by(move |one, next| one.slot == next.slot && is_plain(one) && is_plain(next))
        .flat_map(|group| group.chunks(LINKS_AT_ONCE))
}

fn optional(number: Option<u64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// What a call for so many links means for each.
fn each(outcome: Result<Vec<u64>, RedisFailure>, links: usize) -> Vec<Result<Counted, RedisFailure>> {
    match outcome {
        Ok(codes) if codes.len() == links => codes.into_iter().map(counted).collect(),
        Ok(_) => (0..links).map(|_| Err(unexpected("not as many answers as links"))).collect(),
        Err(failure) => vec![Err(failure); links],
    }
}

fn counted(code: u64) -> Result<Counted, RedisFailure> {
    Ok(match code {
        0 => Counted::Gone,
        1 => Counted::Unentered { never_told: false },
        2 => Counted::Unentered { never_told: true },
        3 => Counted::Done,
        4 => Counted::Before,
        5 => Counted::Partly,
        6 => Counted::Untrimmed,
        _ => return Err(unexpected("no link is under its key")),
    })
}

fn unexpected(what: &'static str) -> RedisFailure {
    RedisFailure::malformed("shortener/count", what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(slot: u16, recorded: Option<&str>) -> Count {
        let code = ShortCode::parse("abc").unwrap_or_else(|| unreachable!());
        let recorded = recorded.map(str::to_owned);
        Count { code, slot, created_ms: 1, first: 1, last: 1, clicks: 1, recorded }
    }

    #[test]
    fn plain_links_of_a_slot_are_counted_together() {
        let counts = [count(1, None), count(1, None), count(2, None), count(2, Some("")), count(2, None)];
        let counts: Vec<&Count> = counts.iter().collect();
        assert_eq!(together(&counts).map(<[_]>::len).collect::<Vec<_>>(), [2, 1, 1, 1]);
    }

    #[test]
    fn a_call_is_no_longer_than_it_may_be() {
        let counts: Vec<Count> = (0..LINKS_AT_ONCE + 1).map(|_| count(1, None)).collect();
        let counts: Vec<&Count> = counts.iter().collect();
        assert_eq!(together(&counts).map(<[_]>::len).collect::<Vec<_>>(), [LINKS_AT_ONCE, 1]);
    }
}

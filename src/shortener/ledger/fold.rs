//! Clicks of the journal added up by link, so that the datastore has work per link and not per click.
//!
//! Invariant: each click of a batch is in exactly one [`Count`]; the counts of a wave are of different links, and those of one
//! link follow each other from wave to wave in the order of their positions. A wave is in the order of slots.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use ahash::RandomState;
use compact_str::CompactString;
use serde::Serialize;

use super::record::{Click, Visit};
use crate::config::ShortenerConfig;
use crate::shortener::keys;
use crate::shortener::model::ShortCode;
use crate::shortener::store::Count;

/// Events that one call of the script records: about a millisecond of the datastore's time.
const EVENTS_PER_COUNT: usize = 500;
/// How long tallies live after the last click.
const TALLIES_TTL_SECS: u64 = 400 * 24 * 3600;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Counts of different links.
pub(super) type Wave = Vec<Count>;

/// What is kept of events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retention {
    /// The newest of a link.
    pub(super) events: u32,
    /// Seconds after the last one.
    pub(super) ttl_secs: u64,
}

impl Retention {
    pub(super) fn of(config: &ShortenerConfig) -> Self {
        Self { events: config.events_per_link, ttl_secs: u64::from(config.events_ttl_days) * DAY_MS / 1000 }
    }
}

#[derive(Serialize)]
struct Event {
    t: u64,
    h: &'static str,
    i: String,
    r: String,
    a: &'static str,
}

/// As `lua/shortener/count.lua` takes it.
#[derive(Serialize)]
struct Argument<'a> {
    keep: u32,
    ttl: u64,
    list: &'a [Event],
    tallies_ttl: u64,
    tallies: Vec<serde_json::Value>,
}

#[derive(Debug)]
struct Fold {
    wave: usize,
    created_ms: u64,
    first: u64,
    last: u64,
    clicks: u64,
    /// Of those that are recorded by themselves.
    recorded: Option<Box<Recorded>>,
}

#[derive(Default)]
struct Recorded {
    events: Vec<Event>,
    tallies: HashMap<String, u64, RandomState>,
}

impl std::fmt::Debug for Recorded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Recorded").field("events", &self.events.len()).finish_non_exhaustive()
    }
}

impl Recorded {
    fn add(&mut self, visit: &Visit<'_>, counts: bool) {
        let agent = visit.agent.as_str();
        for field in [
            format!("h{}", visit.time_ms / HOUR_MS),
            format!("d{}", visit.time_ms / DAY_MS),
            format!("r{}", visit.referrer),
            format!("a{agent}"),
        ] {
            *self.tallies.entry(field).or_default() += 1;
        }
        // What the tallies alone are for has its event already.
        if counts {
            self.events.push(Event {
                t: visit.time_ms,
                h: visit.http_method,
                i: visit.ip.to_string(),
                r: visit.referrer.to_owned(),
                a: agent,
            });
        }
    }
}

impl Fold {
    fn begin(wave: usize, created_ms: u64, position: u64) -> Self {
        Self { wave, created_ms, first: position, last: position, clicks: 0, recorded: None }
    }

    fn add(&mut self, position: u64, click: &Click<'_>) {
        self.last = position;
        self.clicks += u64::from(click.counts);
        if let Some(visit) = &click.visit {
            self.recorded.get_or_insert_default().add(visit, click.counts);
        }
    }

    fn is_full(&self) -> bool {
        self.recorded.as_ref().is_some_and(|recorded| recorded.events.len() >= EVENTS_PER_COUNT)
    }

    fn finish(self, code: ShortCode, retention: Retention) -> Count {
        let Self { created_ms, first, last, clicks, recorded, .. } = self;
        let recorded = recorded.map(|recorded| {
            let tallies = recorded.tallies.iter();
            json(&Argument {
                keep: retention.events,
                ttl: retention.ttl_secs,
                list: &recorded.events,
                tallies_ttl: TALLIES_TTL_SECS,
                tallies: tallies.flat_map(|(field, by)| [field.as_str().into(), (*by).into()]).collect(),
            })
        });
        Count { slot: keys::slot(&code), code, created_ms, first, last, clicks, recorded }
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| unreachable!("plain text and numbers: {error}"))
}

/// Adds up.
#[derive(Debug)]
pub(super) struct Folder {
    retention: Retention,
    folds: HashMap<CompactString, Fold, RandomState>,
    waves: Vec<Wave>,
    events: usize,
}

impl Folder {
    pub(super) fn new(retention: Retention) -> Self {
        Self { retention, folds: HashMap::default(), waves: Vec::new(), events: 0 }
    }

    /// Links and events so far.
    pub(super) fn size(&self) -> usize {
        self.folds.len() + self.events
    }

    /// The positions of one link's clicks rise.
    pub(super) fn add(&mut self, position: u64, click: &Click<'_>) {
        self.events += usize::from(click.visit.is_some());
        let fold = match self.folds.get_mut(click.code) {
            Some(fold) => fold,
            None => match self.folds.entry(click.code.into()) {
                Entry::Vacant(vacant) => vacant.insert(Fold::begin(0, click.created_ms, position)),
                Entry::Occupied(_) => unreachable!("it is not there"),
            },
        };
        if fold.is_full() || fold.created_ms != click.created_ms {
            let next = Fold::begin(fold.wave + 1, click.created_ms, position);
            let full = std::mem::replace(fold, next);
            fold.add(position, click);
            self.put(click.code, full);
        } else {
            fold.add(position, click);
        }
    }

    fn put(&mut self, code: &str, fold: Fold) {
        // Only codes are written; one that is none any more has no link.
        let Some(code) = ShortCode::parse(code) else { return };
        let wave = fold.wave;
        while self.waves.len() <= wave {
            self.waves.push(Wave::new());
        }
        self.waves[wave].push(fold.finish(code, self.retention));
    }

    pub(super) fn finish(mut self) -> Vec<Wave> {
        for (code, fold) in std::mem::take(&mut self.folds) {
            self.put(&code, fold);
        }
        for wave in &mut self.waves {
            wave.sort_unstable_by_key(|count| count.slot);
        }
        self.waves
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shortener::visitor::AgentClass;

    const RETENTION: Retention = Retention { events: 10, ttl_secs: 60 };

    fn plain(code: &str, created_ms: u64) -> Click<'_> {
        Click { code, created_ms, counts: true, visit: None }
    }

    fn recorded(code: &str) -> Click<'_> {
        let ip = [203, 0, 113, 0].into();
        let visit = Visit { time_ms: DAY_MS, http_method: "GET", ip, referrer: "", agent: AgentClass::Bot };
        Click { visit: Some(visit), ..plain(code, 1) }
    }

    #[test]
    fn clicks_of_a_link_are_one_count() {
        let mut folder = Folder::new(RETENTION);
        for (position, code) in ["aaa", "bbb", "aaa", "aaa"].iter().enumerate() {
            folder.add(position as u64 + 10, &plain(code, 1));
        }
        let [wave] = &mut folder.finish()[..] else { unreachable!("one wave") };
        wave.sort_by(|one, other| one.code.as_str().cmp(other.code.as_str()));
        let seen: Vec<_> =
            wave.iter().map(|count| (count.code.as_str(), count.first, count.last, count.clicks)).collect();
        assert_eq!(seen, [("aaa", 10, 13, 3), ("bbb", 11, 11, 1)]);
    }

    #[test]
    fn too_many_events_for_one_count_follow_each_other() {
        let mut folder = Folder::new(RETENTION);
        let clicks = EVENTS_PER_COUNT as u64 * 2 + 1;
        (0..clicks).for_each(|position| folder.add(position, &recorded("aaa")));
        let waves = folder.finish();
        let seen: Vec<_> = waves.iter().map(|wave| (wave.len(), wave[0].first, wave[0].last)).collect();
        assert_eq!(seen, [(1, 0, 499), (1, 500, 999), (1, 1000, 1000)]);
        assert_eq!(waves.iter().flatten().map(|count| count.clicks).sum::<u64>(), clicks);
        let recorded = waves[2][0].recorded.as_deref().unwrap_or_default();
        assert!(recorded.contains(r#""h24",1"#) && recorded.contains(r#""t":86400000"#), "{recorded}");
    }

    #[test]
    fn a_link_that_was_made_anew_is_another_one() {
        let mut folder = Folder::new(RETENTION);
        folder.add(1, &plain("aaa", 1));
        folder.add(2, &plain("aaa", 2));
        let seen: Vec<_> = folder.finish().iter().map(|wave| (wave[0].created_ms, wave[0].clicks)).collect();
        assert_eq!(seen, [(1, 1), (2, 1)]);
    }

    #[test]
    fn what_was_counted_already_is_only_tallied() {
        let mut folder = Folder::new(RETENTION);
        folder.add(1, &Click { counts: false, ..recorded("aaa") });
        let waves = folder.finish();
        let recorded = waves[0][0].recorded.as_deref().unwrap_or_default();
        assert_eq!(waves[0][0].clicks, 0);
        assert!(recorded.contains(r#""list":[]"#) && recorded.contains(r#""abot",1"#), "{recorded}");
    }
}

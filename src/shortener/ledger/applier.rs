//! Brings clicks of the journal to the datastore.
//!
//! Invariants: what may have been counted in parts, by a process that died, is compared link by link with what the
//! datastore says it has of it; what is sent again, because nobody knows what became of it, is sent unchanged; of one link,
//! no click is counted before an earlier one of this journal.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;

use super::Ledger;
use super::fold::{Folder, Retention, Wave};
use super::record::Click;
use crate::journal::{Batch, WriterId};
use crate::redis::RedisFailure;
use crate::shortener::clicks::Teller;
use crate::shortener::error::ShortenerError;
use crate::shortener::model::ShortCode;
use crate::shortener::store::{Count, Counted, LinkStore, MARKER_LIFE_US};

/// Links in one round trip while there is time: so few that it keeps a redirect from a processor for a tenth of a millisecond.
const FEW_LINKS: usize = 8;
/// Links in one round trip when time is short, so that the way there and back costs little beside them.
const LINKS: usize = 64;
/// Links whose markers are asked for in one round trip.
const MARKERS: usize = 1_000;
/// Pause between tries while the datastore is away.
const RETRY: Duration = Duration::from_millis(100);
/// How often what the datastore does not understand is tried.
const TRIES: usize = 5;
/// Links and events of a part, which is what bounds its memory.
const MAX_FOLDED: usize = 524_288;
/// After a call as many times as long is rested as it took: most of the time of datastore and processor is for others, and the
/// longer clicks wait, the more of them are one call.
const REST: u32 = 12;
const LONGEST_REST: Duration = Duration::from_millis(200);
/// In half this time rests begin to shrink, and then there are none: clicks are not to wait for ever.
const LONGEST: Duration = Duration::from_secs(30);

/// Counts what it is given, however long that takes.
#[derive(Debug)]
pub(in crate::shortener) struct Applier {
    ledger: Arc<Ledger>,
    store: LinkStore,
    teller: Rc<Teller>,
    retention: Retention,
    /// In whose place clicks are counted that somebody else's positions are in the way of.
    substitute: RefCell<Option<WriterId>>,
}

impl Applier {
    pub(in crate::shortener) fn new(
        ledger: Arc<Ledger>,
        store: LinkStore,
        teller: Rc<Teller>,
        retention: Retention,
    ) -> Self {
        Self { ledger, store, teller, retention, substitute: RefCell::default() }
    }

    /// A part of the journal that begins with `batch`.
    pub(super) fn begin(&self, batch: &Batch) -> Part {
        let folder = Folder::new(self.retention);
        let mut part = Part { writer: batch.writer.clone(), folder, begun: Instant::now() };
        part.add(batch);
        part
    }

    /// Counts what was read first by this process; returns when that is done.
    pub(super) async fn apply(&self, part: Part) {
        let Part { writer, folder, begun } = part;
        for some in trips(folder, || trip(self.lateness(begun))) {
            let started = Instant::now();
            self.count(writer.as_str(), some, false).await;
            self.rest(started.elapsed(), begun).await;
        }
    }

    /// Counts a batch that an earlier process left, of which parts may be counted.
    pub(super) async fn recover(&self, batch: &Batch) {
        let writer = batch.writer.as_str();
        let clicks = self.not_counted(writer, clicks(batch).collect()).await;
        let mut folder = Folder::new(self.retention);
        for (position, click) in &clicks {
            folder.add(*position, click);
        }
        for some in trips(folder, || LINKS) {
            self.count(writer, some, true).await;
        }
    }

    /// Leaves processor and datastore to others after work that took `time`, the less the longer the part takes and the fuller
    /// the journal is. Little by little, because whoever comes meanwhile would feel it all at once.
    pub(super) async fn rest(&self, time: Duration, begun: Instant) {
        let patience = (2.0 - 2.0 * self.lateness(begun)).clamp(0.0, 1.0);
        self.ledger.rest((time * REST).min(LONGEST_REST).mul_f64(patience)).await;
    }

    /// How much of the time, or of the journal's room, a part that was begun then has used up; 1 is all.
    fn lateness(&self, begun: Instant) -> f64 {
        begun.elapsed().div_duration_f64(LONGEST).max(self.ledger.journal.fullness())
    }

    /// What the datastore does not have yet of what an earlier process left.
    async fn not_counted<'a>(&self, writer: &str, clicks: Vec<(u64, Click<'a>)>) -> Vec<(u64, Click<'a>)> {
        let codes: HashSet<&str> = clicks.iter().map(|(_, click)| click.code).collect();
        let codes: Vec<ShortCode> = codes.into_iter().filter_map(ShortCode::parse).collect();
        let mut counted: HashMap<&str, u64> = HashMap::with_capacity(codes.len());
        for some in codes.chunks(MARKERS) {
            let markers = loop {
                match self.store.markers(writer, some).await {
                    Ok(markers) => break markers,
                    Err(error) => pause(&error).await,
                }
            };
            counted.extend(some.iter().map(ShortCode::as_str).zip(markers));
        }
        let now_us = Utc::now().timestamp_micros().unsigned_abs();
        let found = clicks.len();
        let (left, old): (Vec<_>, Vec<_>) = clicks
            .into_iter()
            .filter(|(position, click)| counted.get(click.code).is_some_and(|marker| position > marker))
            .partition(|(position, _)| now_us.saturating_sub(*position) < MARKER_LIFE_US);
        if !old.is_empty() {
            // Their markers may be gone, so nobody knows whether they were counted.
            tracing::error!(clicks = old.len(), "clicks of more than 30 days ago are not counted any more");
            given_up(old.len() as u64);
        }
        tracing::info!(found, left = left.len(), "an earlier process left clicks in the journal");
        left
    }

    /// Counts clicks on different links. `repeated`: parts of this may have been sent before.
    async fn count(&self, writer: &str, mut waiting: Vec<Count>, mut repeated: bool) {
        let mut misunderstood = 0;
        while !waiting.is_empty() {
            let refs: Vec<&Count> = waiting.iter().collect();
            let failure = match self.store.count(writer, &refs, None).await {
                Err(error) => Some(error),
                Ok(outcomes) => {
                    let mut failure = None;
                    let mut left = Vec::new();
                    for (count, outcome) in waiting.into_iter().zip(outcomes) {
                        if let Err(error) = self.settle(writer, &count, outcome, repeated).await {
                            failure = Some(error);
                            left.push(count);
                        }
                    }
                    waiting = left;
                    failure
                }
            };
            repeated = true;
            let Some(error) = failure else { continue };
            misunderstood += usize::from(matches!(error, RedisFailure::Unexpected { .. }));
            if misunderstood > TRIES {
                let clicks = waiting.iter().map(|count| count.clicks).sum();
                tracing::error!(%error, clicks, "clicks are given up: the datastore cannot take them");
                return given_up(clicks);
            }
            pause(&error).await;
        }
    }

    /// Does what an outcome asks for; an error when the clicks are to be counted again.
    async fn settle(
        &self,
        writer: &str,
        count: &Count,
        outcome: Result<Counted, RedisFailure>,
        repeated: bool,
    ) -> Result<(), RedisFailure> {
        match outcome? {
            Counted::Before if repeated => Ok(()),
            Counted::Before | Counted::Partly => self.substitute(count).await,
            Counted::Unentered { .. } => self.count_entered(writer, count).await,
            Counted::Untrimmed => self.store.trim_tallies(&count.code).await,
            Counted::Done | Counted::Gone => Ok(()),
        }
    }

    /// Counts clicks on one link, of which its owner may want to hear.
    async fn count_entered(&self, writer: &str, count: &Count) -> Result<(), RedisFailure> {
        let counting = async |entered| self.count_one(writer, count, entered).await;
        match self.teller.counted(&count.code, counting).await {
            Ok(_) => Ok(()),
            Err(ShortenerError::Redis(failure)) => Err(failure),
            Err(error) => Err(RedisFailure::of("shortener/count", io::Error::other(error).into())),
        }
    }

    async fn count_one(
        &self,
        writer: &str,
        count: &Count,
        entered_ms: Option<u64>,
    ) -> Result<Counted, RedisFailure> {
        let mut outcomes = self.store.count(writer, &[count], entered_ms).await?;
        outcomes.pop().unwrap_or_else(|| Err(RedisFailure::malformed("shortener/count", "no answer")))
    }

    /// Somebody else has counted positions under our name: a copy of this data directory is in use. From now on the journal
    /// has another name, under which these clicks are counted too.
    async fn substitute(&self, count: &Count) -> Result<(), RedisFailure> {
        let known = self.substitute.borrow().clone();
        let writer = match known {
            Some(writer) => writer,
            None => {
                tracing::error!(
                    "another node counts from a copy of this data directory; give each node its own"
                );
                let writer = self
                    .ledger
                    .journal
                    .renew_writer()
                    .map_err(|error| RedisFailure::of("shortener/count", error.into()))?;
                self.substitute.borrow_mut().insert(writer).clone()
            }
        };
        self.count_entered(writer.as_str(), count).await
    }
}

/// Clicks of one writer that this process was the first to read, added up.
#[derive(Debug)]
pub(super) struct Part {
    writer: WriterId,
    folder: Folder,
    pub(super) begun: Instant,
}

impl Part {
    pub(super) fn takes(&self, batch: &Batch) -> bool {
        !batch.recovered && batch.writer == self.writer
    }

    pub(super) fn is_full(&self) -> bool {
        self.folder.size() >= MAX_FOLDED
    }

    pub(super) fn add(&mut self, batch: &Batch) {
        for (position, click) in clicks(batch) {
            self.folder.add(position, &click);
        }
    }
}

/// What was added up, each time so many links as one round trip is for then.
fn trips(folder: Folder, links: impl Fn() -> usize) -> impl Iterator<Item = Wave> {
    let mut waves = folder.finish().into_iter();
    let mut wave = Wave::new();
    std::iter::from_fn(move || {
        while wave.is_empty() {
            wave = waves.next()?;
        }
        Some(wave.split_off(wave.len().saturating_sub(links())))
    })
}

/// Links in one round trip of a part that is so late. It reaches the most when rests begin to shrink.
fn trip(lateness: f64) -> usize {
    let more = (LINKS - FEW_LINKS) as f64 * (2.0 * lateness).clamp(0.0, 1.0);
    FEW_LINKS + more as usize
}

fn clicks(batch: &Batch) -> impl Iterator<Item = (u64, Click<'_>)> {
    batch.iter().filter_map(|(position, record)| {
        let click = Click::decode(record);
        if click.is_none() {
            tracing::error!(%position, "a record of the journal is no click");
        }
        Some((position.get(), click?))
    })
}

async fn pause(error: &RedisFailure) {
    tracing::debug!(%error, "clicks wait for the datastore");
    tokio::time::sleep(RETRY).await;
}

fn given_up(clicks: u64) {
    metrics::counter!("ayrene_clicks_given_up_total").increment(clicks);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_a_part_the_more_links_are_one_round_trip() {
        assert_eq!([0.0, 0.25, 0.5, 1.0, 7.0].map(trip), [FEW_LINKS, 36, LINKS, LINKS, LINKS]);
    }
}

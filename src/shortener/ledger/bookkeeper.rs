//! Works off the journal of clicks.
//!
//! Owns the reading end, on a thread of its own: adding up and waiting for the datastore must hold up no redirect. Invariant: a
//! part of the journal is given up only when all of it is counted.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Message, WrapFuture};
use secrecy::SecretString;

use super::Ledger;
use super::applier::Applier;
use super::fold::Retention;
use crate::actor::{Ask, stand_back};
use crate::config::ShortenerConfig;
use crate::journal::{Journal, Reader};
use crate::notifier::messages::Notify;
use crate::redis::Redis;
use crate::shortener::carrier::Post;
use crate::shortener::clicks::Teller;
use crate::shortener::error::ShortenerError;
use crate::shortener::memory::Memory;
use crate::shortener::store::LinkStore;

/// Pause between two looks at the journal.
const PAUSE: Duration = Duration::from_millis(50);
/// Pause after the journal could not be read.
const RETRY: Duration = Duration::from_secs(1);
/// Records read at once, which takes about as long as a redirect may wait behind it: a few tenths of a millisecond.
const BATCH: usize = 1_024;
/// How long the last clicks may take.
pub const CLOSING: Duration = Duration::from_secs(8);
/// How often the next segment is looked for.
const PREPARE: Duration = Duration::from_millis(50);
const GAUGES: Duration = Duration::from_secs(1);
/// Moments remembered for the age of the first click that waits.
const MOMENTS: usize = 4096;

/// Counts everything and leaves an empty journal; nothing is appended any more.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), ShortenerError>")]
pub struct Close;

/// Counts clicks.
#[derive(Debug)]
pub struct Bookkeeper {
    books: Rc<Books>,
}

#[derive(Debug)]
struct Books {
    ledger: Arc<Ledger>,
    memory: Arc<Memory>,
    applier: Applier,
    sync_every: Duration,
    reader: RefCell<Option<Reader>>,
    /// When the journal ended where, the oldest first.
    moments: RefCell<VecDeque<(u64, Instant)>>,
}

impl Bookkeeper {
    /// A bookkeeper on the current thread, `redis` being its connection; there is one per ledger.
    pub fn new(
        ledger: Arc<Ledger>,
        memory: Arc<Memory>,
        redis: Redis,
        secret: &SecretString,
        notify: Ask<Notify>,
        config: &ShortenerConfig,
    ) -> Self {
        let store = LinkStore::new(redis.clone(), redis.clone(), config);
        let post = Post::new(redis.clone(), secret, notify);
        let teller = Rc::new(Teller::new(redis, store.clone(), post));
        let books = Books {
            reader: RefCell::new(Some(ledger.journal.reader())),
            applier: Applier::new(ledger.clone(), store, teller, Retention::of(config)),
            sync_every: Duration::from_millis(config.journal_sync_ms),
            memory,
            ledger,
            moments: RefCell::default(),
        };
        Self { books: Rc::new(books) }
    }
}

impl Actor for Bookkeeper {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let books = &self.books;
        context.spawn(books.clone().keep().into_actor(self));
        context.spawn(books.clone().show().into_actor(self));
        context.spawn(prepare(books.ledger.journal.clone()).into_actor(self));
        context.spawn(sync(books.ledger.journal.clone(), books.sync_every).into_actor(self));
    }
}

crate::delegate!(Bookkeeper, books {
    Close => close,
});

impl Books {
    fn journal(&self) -> &Journal {
        &self.ledger.journal
    }

    async fn keep(self: Rc<Self>) {
        stand_back();
        loop {
            let _ = tokio::time::timeout(PAUSE, self.ledger.wanted.notified()).await;
            let Some(mut reader) = self.reader.borrow_mut().take() else { return };
            let outcome = self.work_off(&mut reader).await;
            *self.reader.borrow_mut() = Some(reader);
            if let Err(error) = outcome {
                tracing::error!(%error, "the journal of clicks cannot be read");
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Counts all that is in the journal when it begins.
    async fn work_off(&self, reader: &mut Reader) -> io::Result<()> {
        let end = self.journal().end();
        let mut next = None;
        while next.is_some() || reader.position() < end {
            let Some(batch) = next.take().map_or_else(|| reader.read(BATCH), |batch| Ok(Some(batch)))? else {
                break;
            };
            let mut outcome = Ok(());
            if batch.recovered {
                self.applier.recover(&batch).await;
            } else {
                let mut part = self.applier.begin(&batch);
                while reader.position() < end && !part.is_full() {
                    let started = Instant::now();
                    match reader.read(BATCH) {
                        Ok(Some(more)) if part.takes(&more) => {
                            part.add(&more);
                            self.applier.rest(started.elapsed(), part.begun).await;
                        }
                        Ok(more) => {
                            next = more;
                            break;
                        }
                        // What has been read is counted all the same: it is not read again.
                        Err(error) => {
                            outcome = Err(error);
                            break;
                        }
                    }
                }
                self.applier.apply(part).await;
            }
            if next.is_none() {
                reader.release()?;
                self.ledger.applied.send_replace(reader.position().get());
            }
            outcome?;
        }
        self.ledger.applied.send_replace(reader.position().get());
        Ok(())
    }

    async fn close(&self, _: Close) -> Result<(), ShortenerError> {
        let deadline = Instant::now() + CLOSING;
        while self.journal().waiting() > 0 && !self.memory.is_alone() && Instant::now() < deadline {
            self.ledger.settle().await;
        }
        let reader = self.reader.borrow_mut().take();
        if let Some(reader) = reader
            && let Err(error) = reader.close()
        {
            tracing::error!(%error, "the journal of clicks is not closed; the next start reads it again");
        }
        Ok(())
    }

    /// Shows how things stand, again and again.
    async fn show(self: Rc<Self>) {
        let bytes = metrics::gauge!("ayrene_journal_bytes");
        let waiting = metrics::gauge!("ayrene_journal_waiting_clicks");
        let oldest = metrics::gauge!("ayrene_journal_oldest_seconds");
        let fallbacks = metrics::counter!("ayrene_journal_fallbacks_total");
        let links = metrics::gauge!("ayrene_link_memory_links");
        let remembered = metrics::gauge!("ayrene_link_memory_bytes");
        let hits = metrics::counter!("ayrene_link_memory_hits_total");
        let misses = metrics::counter!("ayrene_link_memory_misses_total");
        let stale = metrics::counter!("ayrene_stale_serves_total");
        let proof = metrics::gauge!("ayrene_link_memory_proof_age_seconds");
        loop {
            bytes.set(self.journal().bytes() as f64);
            waiting.set(self.journal().waiting() as f64);
            oldest.set(self.oldest().as_secs_f64());
            fallbacks.absolute(self.ledger.fallbacks.load(Ordering::Relaxed));
            hits.absolute(self.journal().appended());
            let memory = self.memory.stats();
            links.set(memory.links as f64);
            remembered.set(memory.bytes as f64);
            misses.absolute(memory.misses);
            stale.absolute(memory.stale_serves);
            proof.set(memory.proof_age_us as f64 / 1e6);
            tokio::time::sleep(GAUGES).await;
        }
    }

    /// Age of the first click that is not counted, to about a second.
    fn oldest(&self) -> Duration {
        let (end, applied) = (self.journal().end().get(), *self.ledger.applied.borrow());
        let mut moments = self.moments.borrow_mut();
        moments.push_back((end, Instant::now()));
        // What had come by then is counted; of the rest the first moment tells the age.
        while moments.front().is_some_and(|(end, _)| *end <= applied) || moments.len() > MOMENTS {
            moments.pop_front();
        }
        moments.front().map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }
}

/// Makes the journal's next segment ahead of need: making one takes longer than a redirect may wait.
async fn prepare(journal: Arc<Journal>) {
    loop {
        let journal = journal.clone();
        // What is in the way the journal says itself.
        let _ = tokio::task::spawn_blocking(move || journal.prepare()).await;
        tokio::time::sleep(PREPARE).await;
    }
}

/// Brings the journal to the disk.
async fn sync(journal: Arc<Journal>, every: Duration) {
    let mut worked = true;
    loop {
        tokio::time::sleep(every).await;
        let journal = journal.clone();
        let synced = tokio::task::spawn_blocking(move || journal.sync()).await;
        let synced = synced.unwrap_or_else(|error| Err(io::Error::other(error)));
        if let (Err(error), true) = (&synced, worked) {
            tracing::error!(%error, "the journal of clicks is not synced to the disk");
        }
        worked = synced.is_ok();
    }
}

//! Intents: what a script leaves in its own slot so that what belongs into other slots happens too.
//!
//! A change and its consequences live in different slots, which no script can touch together. So the script writes an
//! intent beside its change, in the same step; afterwards intents are carried to where they belong and settled.
//! Whoever makes changes registers the source first, so any node can find what a crashed one left.
//!
//! Owns the register of sources and the carrying. Invariants:
//! - An intent exists only while its source is registered: a script refuses to leave one under a lease older than
//!   [`LEASE_LIMIT_MS`], and sources stay registered for longer than that.
//! - The intents of a source are carried in the order of their ids, from the oldest that is not settled, without gaps.
//!   They may be carried more than once; so a carrier remembers, per source and where it writes, the highest id that it
//!   applied, and applies none that is not higher.

mod keys;
mod register;
mod store;
mod sweep;

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, Instant};

use quick_cache::unsync::Cache;
use tokio::sync::oneshot;

use crate::redis::{Key, Redis, RedisFailure};
use crate::secrets;
pub use register::Register;
use store::OutboxStore;
use sweep::Swept;

/// A lease is used again for this long, ...
const LEASE_REUSE: Duration = Duration::from_secs(10);
/// ... accepted by scripts up to this age, ...
pub const LEASE_LIMIT_MS: u64 = 12_000;
/// ... and forgotten no sooner than at this one.
const RELEASE_AGE_MS: u64 = 15_000;
/// Waited for by who wants all of a source's intents carried, whatever their ids.
const EVERYTHING: u64 = u64::MAX;
/// Intents carried at once, which scripts return no more of.
pub const BATCH: usize = 64;
/// Intents that may wait beside one source; beyond it scripts refuse to leave more.
pub const MAX_WAITING: u32 = 1_000;
/// How often a script starts over because its lease lapsed under it.
const LEASE_TRIES: usize = 3;
/// Leases remembered per worker.
const LEASES: usize = 65_536;
/// How long somebody waits for his intent to be carried; it will be, by this node or another.
const PATIENCE: Duration = Duration::from_secs(2);

/// Something left to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Rising per source.
    pub id: u64,
    /// What, in the words of its domain.
    pub text: String,
}

impl Intent {
    /// Reads `<id>|<text>`.
    pub fn parse(member: &str) -> Option<Self> {
        let (id, text) = member.split_once('|')?;
        Some(Self { id: id.parse().ok()?, text: text.to_owned() })
    }
}

/// An intent that a script left.
#[derive(Debug, PartialEq, Eq)]
pub struct Left {
    /// Its id.
    pub last: u64,
    /// The oldest ones that wait beside it.
    pub pending: Vec<Intent>,
}

impl Left {
    /// From the intent's id and the oldest members, as scripts return them.
    pub fn new(last: u64, pending: &[String]) -> Self {
        Self { last, pending: pending.iter().filter_map(|member| Intent::parse(member)).collect() }
    }
}

/// A source that was registered a while ago.
#[derive(Debug)]
pub struct Due {
    /// Its name.
    pub source: String,
    /// When it was last registered, in ms.
    pub registered_ms: u64,
    /// How long ago that was.
    pub age_ms: u64,
}

/// Who brings intents to where they belong.
pub trait Carrier: 'static {
    /// Why it could not.
    type Error: std::fmt::Display + From<RedisFailure>;

    /// The key of a source's intents.
    fn intents(&self, source: &str) -> Key;

    /// Carries `intents`, in their order. Called again with the same ones after a failure or a crash.
    fn carry(&self, source: &str, intents: &[Intent]) -> impl Future<Output = Result<(), Self::Error>>;
}

/// Who waits for which intent.
type Waiter = (u64, oneshot::Sender<()>);

/// A worker's outbox for one kind of source.
pub struct Outbox {
    store: OutboxStore,
    leases: RefCell<Cache<String, (Instant, u64)>>,
    /// Sources whose intents are being carried, with who waits for which id.
    flights: RefCell<HashMap<String, Vec<Waiter>>>,
    swept: RefCell<Swept>,
}

/// Stands for the entry of a source in the flights, which goes with it, be it by a panic.
struct Flight {
    outbox: Rc<Outbox>,
    source: String,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.outbox.flights.borrow_mut().remove(&self.source);
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Outbox").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Outbox {
    /// An outbox on this worker's connection.
    pub fn new(redis: Redis, kind: &str) -> Self {
        Self {
            store: OutboxStore::new(redis, kind),
            leases: RefCell::new(Cache::new(LEASES)),
            flights: RefCell::default(),
            swept: RefCell::default(),
        }
    }

    /// Makes sure that `source` is registered; returns since when, which its scripts want to know.
    pub async fn lease(&self, source: &str) -> Result<u64, RedisFailure> {
        let known = self.leases.borrow().get(source).copied();
        if let Some((since, lease_ms)) = known
            && since.elapsed() < LEASE_REUSE
        {
            return Ok(lease_ms);
        }
        let since = Instant::now();
        let lease_ms = self.store.lease(source).await?;
        self.leases.borrow_mut().insert(source.to_owned(), (since, lease_ms));
        Ok(lease_ms)
    }

    /// Forgets a lease that a script found too old.
    pub fn drop_lease(&self, source: &str) {
        self.leases.borrow_mut().remove(source);
    }

    /// Runs a script that may leave something with `source`, under a lease. The script says nothing when the lease was too old,
    /// and is run again under a fresh one; nothing in the end when it has said so every time.
    pub async fn leave<T>(
        &self,
        source: &str,
        script: impl AsyncFn(u64) -> Result<Option<T>, RedisFailure>,
    ) -> Result<Option<T>, RedisFailure> {
        for _ in 0..LEASE_TRIES {
            if let Some(outcome) = script(self.lease(source).await?).await? {
                return Ok(Some(outcome));
            }
            self.drop_lease(source);
        }
        Ok(None)
    }

    /// Carries what was left while the caller goes on.
    pub fn relay_later<C: Carrier>(self: &Rc<Self>, carrier: &Rc<C>, source: &str, left: Left) {
        let (outbox, carrier, source) = (self.clone(), carrier.clone(), source.to_owned());
        actix::spawn(async move { outbox.relay(&carrier, &source, left.pending, left.last).await });
    }

    /// The same some time after the caller was answered, so that whether there is anything to carry cannot be told from the
    /// time that it takes.
    pub fn relay_unseen<C: Carrier>(self: &Rc<Self>, carrier: &Rc<C>, source: &str, left: Left) {
        let (outbox, carrier, source) = (self.clone(), carrier.clone(), source.to_owned());
        actix::spawn(async move {
            actix::clock::sleep(secrets::delay()).await;
            outbox.relay(&carrier, &source, left.pending, left.last).await;
        });
    }

    /// Carries the intents of `source` at least up to `last`. `pending` are the oldest ones, as the script that left
    /// `last` saw them. Changes that meet here are carried together. A failure is not the caller's: a sweep repeats it.
    pub async fn relay<C: Carrier>(
        self: &Rc<Self>,
        carrier: &Rc<C>,
        source: &str,
        pending: Vec<Intent>,
        last: u64,
    ) {
        let (sender, receiver) = oneshot::channel();
        if self.is_first(source, (last, sender)) {
            let (flight, carrier) =
                (Flight { outbox: self.clone(), source: source.to_owned() }, carrier.clone());
            actix::spawn(async move {
                let Flight { outbox, source } = &flight;
                if let Err(error) = outbox.fly(&*carrier, source, pending).await {
                    tracing::warn!(%error, source, "intents are left for a sweep");
                }
            });
        }
        let _ = actix::clock::timeout(PATIENCE, receiver).await;
    }

    /// Enters who waits; true when nobody is carrying for that source yet.
    fn is_first(&self, source: &str, waiter: Waiter) -> bool {
        match self.flights.borrow_mut().entry(source.to_owned()) {
            Entry::Occupied(mut flight) => {
                flight.get_mut().push(waiter);
                false
            }
            Entry::Vacant(place) => {
                place.insert(vec![waiter]);
                true
            }
        }
    }

    /// Carries batch after batch until nobody waits for a later one.
    async fn fly<C: Carrier>(
        &self,
        carrier: &C,
        source: &str,
        mut pending: Vec<Intent>,
    ) -> Result<(), C::Error> {
        let key = carrier.intents(source);
        let mut awaited = 0;
        loop {
            match pending.last().map(|intent| intent.id) {
                Some(last) => {
                    carrier.carry(source, &pending).await?;
                    self.land(source, last);
                    self.store.settle(&key, last).await?;
                }
                // Somebody else has carried all that was waited for when this look began.
                None => self.land(source, awaited),
            }
            match self.awaited(source) {
                Some(last) => awaited = last,
                None => return Ok(()),
            }
            pending = self.store.pending(&key, BATCH).await?;
        }
    }

    /// The highest id that somebody waits for.
    fn awaited(&self, source: &str) -> Option<u64> {
        self.flights.borrow().get(source)?.iter().map(|(id, _)| *id).max()
    }

    /// Wakes who waited for an id up to `last`.
    fn land(&self, source: &str, last: u64) {
        if let Some(waiters) = self.flights.borrow_mut().get_mut(source) {
            for (_, waiter) in waiters.extract_if(.., |(id, _)| *id <= last) {
                let _ = waiter.send(());
            }
        }
    }
}

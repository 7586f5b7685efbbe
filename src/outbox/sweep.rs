//! Carrying what crashed nodes left, or we after a failure.
//!
//! Invariant: every source that something was left beside gets its turn, however many there are and however many of them
//! fail or hang: several are carried for at once, and a sweep begins after the last source that the one before got to.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::ready;
use futures_util::{StreamExt, stream};

use super::{Carrier, EVERYTHING, Outbox, RELEASE_AGE_MS};
use crate::redis::Key;

/// How long a sweep goes on to the next source.
const SWEEP_TIME: Duration = Duration::from_secs(5);
/// Sources that it carries for at once.
const SWEEP_WIDTH: usize = 16;
/// Sources that it looks at at once.
const SWEEP_COUNT: usize = 1_000;

/// Where a source stands on the register: when it was last registered, in ms, and its name.
type Place = (u64, String);

/// What is known from one sweep to the next.
#[derive(Debug, Default)]
pub(super) struct Swept {
    /// The oldest intent of each source in which the last one found any.
    oldest: HashMap<String, u64>,
    /// The last source that one got to.
    reached: Option<Place>,
}

impl Outbox {
    /// Carries what others, or we, have left, and takes quiet sources off the register. What waits may just have been
    /// left; what still waits at the next sweep should have been carried long ago.
    pub async fn sweep<C: Carrier>(self: &Rc<Self>, carrier: &Rc<C>) -> Result<(), C::Error> {
        let left = self.look_over(&**carrier).await?;
        let reached = self.swept.borrow().reached.clone().unwrap_or_default();
        let later = left.range((Bound::Excluded(&reached), Bound::Unbounded));
        let turns = later.chain(left.range(..=&reached));
        let started = Instant::now();
        let in_time = stream::iter(turns).take_while(|_| ready(started.elapsed() < SWEEP_TIME));
        let carry = async |place: &Place| {
            tracing::info!(source = place.1, "carrying what was left");
            self.swept.borrow_mut().reached = Some(place.clone());
            self.relay(carrier, &place.1, Vec::new(), EVERYTHING).await;
        };
        in_time.for_each_concurrent(SWEEP_WIDTH, carry).await;
        Ok(())
    }

    /// Looks at the whole register; returns the sources that something was left beside.
    async fn look_over<C: Carrier>(&self, carrier: &C) -> Result<BTreeSet<Place>, C::Error> {
        let before = std::mem::take(&mut self.swept.borrow_mut().oldest);
        let (mut left, mut from_ms) = (BTreeSet::new(), 0);
        loop {
            let due = self.store.due(0, from_ms, SWEEP_COUNT).await?;
            let keys: Vec<Key> = due.iter().map(|due| carrier.intents(&due.source)).collect();
            let pending = self.store.pending_of(&keys, 1).await?;
            for (due, pending) in due.iter().zip(pending) {
                let source = &due.source;
                let Some(oldest) = pending.first().map(|intent| intent.id) else {
                    if due.age_ms > RELEASE_AGE_MS {
                        self.store.release(source, due.registered_ms).await?;
                    }
                    continue;
                };
                self.swept.borrow_mut().oldest.insert(source.clone(), oldest);
                if before.get(source) == Some(&oldest) && !self.flights.borrow().contains_key(source) {
                    left.insert((due.registered_ms, source.clone()));
                }
            }
            // The next ones begin with those of the same millisecond: none is passed over.
            match due.last() {
                Some(last) if due.len() == SWEEP_COUNT && last.registered_ms > from_ms => {
                    from_ms = last.registered_ms;
                }
                _ => return Ok(left),
            }
        }
    }
}

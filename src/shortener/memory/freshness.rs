//! How long ago what is remembered was certainly true.
//!
//! Whoever changes a link publishes its code in the same step. A beat is published the same way by this process; when it is
//! heard, everything published before it was sent has been heard. So all that is remembered is as fresh as the sending of
//! the last beat that was heard, whether anybody follows links or not: one message per interval proves any number of links.
//! Invariant: a proof never covers what was read under an earlier subscription, since something may have been missed
//! between the two.
//!
//! All times are microseconds since the process began to remember.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Without an answer for this long the datastore counts as away.
const AWAY_US: u64 = 400_000;
/// Ended subscriptions of which it is known when they were last proven.
const ENDED: u64 = 64;

/// The proofs so far.
#[derive(Debug)]
pub(super) struct Freshness {
    started: Instant,
    /// When the last beat that was heard had been sent.
    horizon_us: AtomicU64,
    /// Counts subscriptions.
    epoch: AtomicU64,
    /// Horizons at which the last of them ended, by their number.
    ended_us: [AtomicU64; ENDED as usize],
    /// When the datastore last answered.
    answered_us: AtomicU64,
    failed: AtomicBool,
}

impl Freshness {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            horizon_us: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            ended_us: [const { AtomicU64::new(0) }; ENDED as usize],
            answered_us: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        }
    }

    pub(super) fn now_us(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// A subscription has begun; what was read before it is proven no more.
    pub(super) fn begin_epoch(&self) {
        let before = self.epoch();
        self.ended_us[(before % ENDED) as usize]
            .store(self.horizon_us.load(Ordering::Acquire), Ordering::Release);
        self.epoch.store(before + 1, Ordering::Release);
    }

    /// A beat was heard that had been sent then.
    pub(super) fn heard(&self, sent_us: u64) {
        self.horizon_us.fetch_max(sent_us, Ordering::AcqRel);
    }

    /// The datastore has answered.
    pub(super) fn answered(&self) {
        self.answered_us.store(self.now_us(), Ordering::Release);
        self.failed.store(false, Ordering::Release);
    }

    /// It has not.
    pub(super) fn failed(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Whether the datastore is not to be reached, as far as is known.
    pub(super) fn is_away(&self, now_us: u64) -> bool {
        self.failed.load(Ordering::Acquire)
            || now_us.saturating_sub(self.answered_us.load(Ordering::Acquire)) > AWAY_US
    }

    /// How long ago something was certainly true that was read at `read_us` under the subscription `epoch`.
    pub(super) fn age_us(&self, read_us: u64, epoch: u64, now_us: u64) -> u64 {
        // The horizon before the epoch: one that is newer than a change of epoch proves nothing of the earlier.
        let horizon_us = self.horizon_us.load(Ordering::Acquire);
        let proven_us = if epoch == self.epoch() { read_us.max(horizon_us) } else { read_us };
        now_us.saturating_sub(proven_us)
    }

    /// The same, when it is enough to know how long it stayed true.
    pub(super) fn last_age_us(&self, read_us: u64, epoch: u64, now_us: u64) -> u64 {
        let current = self.epoch();
        if epoch == current || current - epoch > ENDED {
            return self.age_us(read_us, epoch, now_us);
        }
        let ended_us = self.ended_us[(epoch % ENDED) as usize].load(Ordering::Acquire);
        now_us.saturating_sub(read_us.max(ended_us))
    }

    /// Age of the last proof.
    pub(super) fn horizon_age_us(&self) -> u64 {
        self.now_us().saturating_sub(self.horizon_us.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_proves_what_was_read_before_it() {
        let freshness = Freshness::new();
        assert_eq!(freshness.age_us(100, 0, 1_000), 900);
        freshness.heard(700);
        assert_eq!(freshness.age_us(100, 0, 1_000), 300);
        assert_eq!(freshness.age_us(900, 0, 1_000), 100);
        freshness.heard(600);
        assert_eq!(freshness.age_us(100, 0, 1_000), 300, "proofs are not taken back");
    }

    #[test]
    fn a_beat_proves_nothing_of_an_earlier_subscription() {
        let freshness = Freshness::new();
        freshness.heard(500);
        freshness.begin_epoch();
        freshness.heard(900);
        assert_eq!(freshness.age_us(100, 0, 1_000), 900);
        assert_eq!(freshness.last_age_us(100, 0, 1_000), 500, "it was true when the subscription ended");
        assert_eq!(freshness.age_us(100, 1, 1_000), 100);
    }
}

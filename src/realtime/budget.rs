//! How many frames a connection may still send.

use std::time::Instant;

use crate::config::Quota;

/// A bucket that refills evenly; without a quota it is never empty.
#[derive(Debug)]
pub(super) struct Budget {
    quota: Option<Quota>,
    tokens: f64,
    filled: Instant,
}

impl Budget {
    /// A full bucket.
    pub(super) fn new(quota: Option<Quota>) -> Self {
        let tokens = quota.map_or(0.0, |quota| f64::from(quota.requests));
        Self { quota, tokens, filled: Instant::now() }
    }

    /// Takes one; false when there is none left.
    pub(super) fn spend(&mut self) -> bool {
        let Some(Quota { requests, per_secs }) = self.quota else { return true };
        let (now, full) = (Instant::now(), f64::from(requests));
        let refill = now.duration_since(self.filled).as_secs_f64() * full / f64::from(per_secs);
        self.tokens = (self.tokens + refill).min(full);
        self.filled = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

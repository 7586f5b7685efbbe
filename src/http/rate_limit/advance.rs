//! Requests of busy clients, counted many at once.
//!
//! All threads count a client's requests in one place, which is what they wait for most when a client that may send thousands
//! per second does. Such a client's requests are counted in advance, in shares of what it may send in a millisecond, and each thread
//! answers for its own share. Invariant: no request passes that was not counted, within the last second; what is counted in vain is
//! at most one share per second and thread, a thousandth of the limit.

use std::cell::RefCell;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::web;
use ahash::RandomState;
use governor::clock::{Clock, QuantaInstant, Reference};

use super::{Limit, LimitedAction, RateLimits, Standing, Subject, Verdict};
use crate::http::client;

/// What part of a second's requests is counted at once.
const SHARE: u64 = 1000;
/// How long after that they may come.
const VALID: Duration = Duration::from_secs(1);
/// Clients whose requests a thread counts in advance; those of others are counted one by one.
const PLACES: usize = 256;

/// One limit, as one thread counts.
#[derive(Debug)]
pub struct Advance {
    limits: web::Data<RateLimits>,
    action: LimitedAction,
    /// None under a limit that is too low for this.
    share: Option<NonZeroU32>,
    places: RefCell<Box<[Option<Counted>]>>,
    hasher: RandomState,
}

/// Requests that were counted.
#[derive(Debug, Clone)]
struct Counted {
    client: IpAddr,
    at: QuantaInstant,
    /// How many are still to come.
    left: u32,
    /// What the limit allows beside those.
    remaining: u32,
}

impl Advance {
    /// For the current thread.
    pub fn new(limits: web::Data<RateLimits>, action: LimitedAction) -> Self {
        let share = limits.limits.get(action as usize).and_then(|limit| {
            let share = u64::from(limit.quota.requests) / u64::from(limit.quota.per_secs) / SHARE;
            NonZeroU32::new(u32::try_from(share).unwrap_or(u32::MAX)).filter(|share| share.get() > 1)
        });
        let places = if share.is_some() { PLACES } else { 0 };
        Self {
            limits,
            action,
            share,
            places: RefCell::new(vec![None; places].into()),
            hasher: RandomState::new(),
        }
    }

    /// What the limits are.
    pub fn limits(&self) -> &RateLimits {
        &self.limits
    }

    /// Counts one request of `client`, as [`RateLimits::check`] does.
    pub fn check(&self, client: IpAddr) -> Verdict {
        let client = client::limit_key(client);
        self.checked_in_advance(client)
            .unwrap_or_else(|| self.limits.check_subject(self.action, &Subject::Address(client)))
    }

    /// Nothing if this one has to be counted by itself.
    fn checked_in_advance(&self, client: IpAddr) -> Option<Verdict> {
        let share = self.share?;
        let limit = self.limits.limits.get(self.action as usize)?;
        let now = self.limits.clock.now();
        let mut places = self.places.borrow_mut();
        let place = &mut places[self.hasher.hash_one(client) as usize % PLACES];
        match place.as_ref().filter(|counted| now.duration_since(counted.at) < VALID.into()) {
            Some(counted) if counted.client != client => return None,
            Some(counted) if counted.left > 0 => {}
            _ => *place = Some(count(limit, client, now, share)?),
        }
        let counted = place.as_mut()?;
        counted.left -= 1;
        Some(Verdict::Within(Standing::new(self.action, limit.quota, counted.remaining + counted.left)))
    }
}

/// Counts a share of requests, if the limit allows as many now.
fn count(limit: &Limit, client: IpAddr, at: QuantaInstant, share: NonZeroU32) -> Option<Counted> {
    let snapshot = limit.limiter.check_key_n(&Subject::Address(client), share).ok()?.ok()?;
    Some(Counted { client, at, left: share.get(), remaining: snapshot.remaining_burst_capacity() })
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::config::{self, Quota};

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));

    fn limits(requests: u32, per_secs: u32) -> web::Data<RateLimits> {
        let mut config =
            config::load(None).unwrap_or_else(|error| unreachable!("{error}")).config.rate_limits;
        config.redirect = Quota { requests, per_secs };
        web::Data::new(RateLimits::new(&config))
    }

    fn advance(limits: &web::Data<RateLimits>) -> Advance {
        Advance::new(limits.clone(), LimitedAction::Redirect)
    }

    fn remaining(verdict: Verdict) -> Option<u32> {
        match verdict {
            Verdict::Within(standing) => Some(standing.remaining),
            Verdict::Unlimited | Verdict::Over { .. } => None,
        }
    }

    #[test]
    fn threads_let_no_more_pass_together_than_the_limit_and_hardly_fewer() {
        // So many come back per second that the test's own time matters little.
        const LIMIT: u32 = 40_000;
        let limits = limits(LIMIT, 10);
        let passed: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let limits = limits.clone();
                    scope.spawn(move || {
                        let advance = advance(&limits);
                        (0..LIMIT).filter(|_| remaining(advance.check(CLIENT)).is_some()).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_default()).sum()
        });
        let share = LIMIT as usize / 10 / SHARE as usize;
        assert_eq!(share, 4);
        let came_back = 4_000;
        assert!((LIMIT as usize..=LIMIT as usize + came_back).contains(&passed), "{passed}");
    }

    #[test]
    fn what_remains_is_told_for_one_request_at_a_time() {
        let limits = limits(10_000, 1);
        let advance = advance(&limits);
        let told: Vec<_> = (0..5).map(|_| remaining(advance.check(CLIENT))).collect();
        assert_eq!(told, [9_999, 9_998, 9_997, 9_996, 9_995].map(Some));
        // The first share of ten is counted for all.
        assert!(remaining(limits.check(LimitedAction::Redirect, CLIENT)).is_some_and(|told| told >= 9_989));
    }

    #[test]
    fn under_a_low_limit_requests_are_counted_one_by_one() {
        let limits = limits(1_999, 1);
        let advance = advance(&limits);
        assert_eq!(remaining(advance.check(CLIENT)), Some(1_998));
        assert_eq!(remaining(limits.check(LimitedAction::Redirect, CLIENT)), Some(1_997));
    }

    #[test]
    fn who_finds_no_place_is_counted_all_the_same() {
        let limits = limits(1_000_000, 1);
        let advance = advance(&limits);
        for client in 0..4 * PLACES as u32 {
            let client = IpAddr::V4(client.into());
            assert!(remaining(advance.check(client)).is_some_and(|told| told >= 999_999 - 1_000));
            assert!(remaining(advance.check(client)).is_some_and(|told| told >= 999_998 - 1_000));
        }
        let places = advance.places.borrow();
        assert!(places.iter().flatten().all(|counted| counted.left >= 998));
    }
}

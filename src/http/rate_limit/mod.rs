//! Limits on requests, per IP address and per user.
//!
//! Owns every limit: an action is one variant of [`LimitedAction`], its quota one key of `[rate_limits]`.
//! Counting is by governor (GCRA), in this process. Invariant: a request over a limit has no effect but its 429.
//!
//! See [`advance`] for how a thread counts many requests at once.

mod action;
mod advance;

use std::future::{Ready, ready};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, web};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;

pub use action::LimitedAction;
pub use advance::Advance;

use super::client;
use super::error::ApiError;
use crate::config::{Quota, RateLimitConfig};

/// How often counters that are full again are dropped.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
const POLICY: &str = "ratelimit-policy";
const STANDING: &str = "ratelimit";

/// Who is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    Address(IpAddr),
    User(String),
}

type Keyed =
    governor::RateLimiter<Subject, DashMapStateStore<Subject>, DefaultClock, StateInformationMiddleware>;

#[derive(Debug)]
struct Limit {
    quota: Quota,
    limiter: Keyed,
    /// The `RateLimit-Policy` header.
    policy: HeaderValue,
}

/// Where a client stands with a limit, for the response's headers.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    action: LimitedAction,
    remaining: u32,
    reset_secs: u64,
}

impl Standing {
    fn new(action: LimitedAction, quota: Quota, remaining: u32) -> Self {
        let missing = u64::from(quota.requests.saturating_sub(remaining)) * u64::from(quota.per_secs);
        Self { action, remaining, reset_secs: missing.div_ceil(u64::from(quota.requests)) }
    }

    /// Appends the value of the `RateLimit` header.
    fn write(self, out: &mut Vec<u8>) {
        let (mut first, mut second) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (remaining, reset) = (first.format(self.remaining), second.format(self.reset_secs));
        for part in ["\"", self.action.name(), "\";r=", remaining, ";t=", reset] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

/// What a limit says of one request more.
#[derive(Debug, Clone, Copy)]
pub enum Verdict {
    /// There is no such limit.
    Unlimited,
    /// Counted.
    Within(Standing),
    /// Not counted: that would be one too many.
    Over {
        /// With nothing left.
        standing: Standing,
        /// Seconds until the next is allowed.
        wait_secs: u64,
    },
}

/// All limits of this process.
#[derive(Debug)]
pub struct RateLimits {
    limits: Vec<Limit>,
    clock: DefaultClock,
}

impl RateLimits {
    /// Limits as configured; none when they are off.
    pub fn new(config: &RateLimitConfig) -> Self {
        let limits = if config.enabled {
            LimitedAction::ALL.iter().map(|&action| Limit::new(action, action.quota(config))).collect()
        } else {
            Vec::new()
        };
        Self { limits, clock: DefaultClock::default() }
    }

    /// Drops the counters of those who have been quiet, for as long as the current thread's runtime lives.
    pub fn sweep_forever(limits: web::Data<Self>) {
        actix::spawn(async move {
            loop {
                actix::clock::sleep(SWEEP_EVERY).await;
                for limit in &limits.limits {
                    limit.limiter.retain_recent();
                    limit.limiter.shrink_to_fit();
                }
            }
        });
    }

    /// Counts one request of `client` against `action`.
    pub fn check(&self, action: LimitedAction, client: IpAddr) -> Verdict {
        self.check_subject(action, &Subject::Address(client::limit_key(client)))
    }

    /// The `RateLimit-Policy` header of `action`, if that is limited.
    pub fn policy(&self, action: LimitedAction) -> Option<&HeaderValue> {
        self.limits.get(action as usize).map(|limit| &limit.policy)
    }

    /// The header lines of an answer to who stands at `standing`.
    pub fn write_lines(&self, standing: &Standing, out: &mut Vec<u8>) {
        let Some(policy) = self.policy(standing.action) else { return };
        for part in [POLICY.as_bytes(), b": ", policy.as_bytes(), b"\r\n", STANDING.as_bytes(), b": "] {
            out.extend_from_slice(part);
        }
        standing.write(out);
        out.extend_from_slice(b"\r\n");
    }

    fn check_subject(&self, action: LimitedAction, subject: &Subject) -> Verdict {
        let Some(Limit { quota, limiter, .. }) = self.limits.get(action as usize) else {
            return Verdict::Unlimited;
        };
        match limiter.check_key(subject) {
            Ok(snapshot) => {
                Verdict::Within(Standing::new(action, *quota, snapshot.remaining_burst_capacity()))
            }
            Err(not_until) => {
                let wait = not_until.wait_time_from(self.clock.now());
                let wait_secs = wait.as_millis().div_ceil(1000) as u64;
                Verdict::Over { standing: Standing::new(action, *quota, 0), wait_secs }
            }
        }
    }

    fn count(&self, request: &HttpRequest, action: LimitedAction, subject: &Subject) -> Result<(), ApiError> {
        match self.check_subject(action, subject) {
            Verdict::Unlimited => Ok(()),
            Verdict::Within(standing) => {
                request.extensions_mut().insert(standing);
                Ok(())
            }
            Verdict::Over { standing, wait_secs } => {
                request.extensions_mut().insert(standing);
                metrics::counter!("ayrene_rate_limited_total", "action" => action.name()).increment(1);
                Err(ApiError::too_many(action.message(), wait_secs))
            }
        }
    }
}

impl Limit {
    fn new(action: LimitedAction, quota: Quota) -> Self {
        let requests = NonZeroU32::new(quota.requests).unwrap_or(NonZeroU32::MIN);
        let period = Duration::from_secs(u64::from(quota.per_secs)) / requests.get();
        let governed = governor::Quota::with_period(period.max(Duration::from_nanos(1)))
            .unwrap_or_else(|| governor::Quota::per_second(requests))
            .allow_burst(requests);
        let policy = format!("\"{}\";q={};w={}", action.name(), quota.requests, quota.per_secs);
        let policy = HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static(""));
        Self { quota, limiter: governor::RateLimiter::dashmap(governed).with_middleware(), policy }
    }
}

/// Counts `request` against its client's address; an error when that was one too many.
pub fn by_address(request: &HttpRequest, action: LimitedAction) -> Result<(), ApiError> {
    let subject = || Subject::Address(client::limit_key(client::ip(request)));
    match request.app_data::<web::Data<RateLimits>>() {
        Some(limits) => limits.count(request, action, &subject()),
        None => Ok(()),
    }
}

/// Counts `request` against the user `user_id`; an error when that was one too many.
pub fn by_user(request: &HttpRequest, action: LimitedAction, user_id: &str) -> Result<(), ApiError> {
    match request.app_data::<web::Data<RateLimits>>() {
        Some(limits) => limits.count(request, action, &Subject::User(user_id.to_owned())),
        None => Ok(()),
    }
}

/// Counts the request against its address before any later argument of the handler, such as its body, is read.
/// `ACTION` is a [`LimitedAction`] as a number.
#[derive(Debug, Clone, Copy)]
pub struct Charged<const ACTION: usize>;

impl<const ACTION: usize> FromRequest for Charged<ACTION> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(by_address(request, LimitedAction::ALL[ACTION]).map(|()| Self))
    }
}

/// Puts the last limit's standing into the answer (draft-ietf-httpapi-ratelimit-headers-10).
pub fn write_headers(request: &HttpRequest, headers: &mut HeaderMap) {
    let Some(standing) = request.extensions_mut().remove::<Standing>() else { return };
    let Some(limits) = request.app_data::<web::Data<RateLimits>>() else { return };
    if let Some(policy) = limits.policy(standing.action) {
        headers.insert(HeaderName::from_static(POLICY), policy.clone());
    }
    let mut value = Vec::new();
    standing.write(&mut value);
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(HeaderName::from_static(STANDING), value);
    }
}

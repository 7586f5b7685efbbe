//! Growing waits after wrong guesses, counted in Redis so that all nodes agree.
//!
//! Owns the `throttle/` scripts. Invariant: a guess is counted *before* it is evaluated, so parallel guesses
//! cannot slip past each other; a right guess takes its own count back. There is no lock-out: after the wait
//! the next guess is always evaluated.

use std::time::Duration;

use super::connection::{Redis, RedisFailure};
use super::key::Key;
use super::script::Script;
use crate::config::GuessConfig;
use crate::script;

static BEGIN: Script = script!("throttle/begin", 1);
static FORGIVE: Script = script!("throttle/forgive", 1);

/// What the throttle says to a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Evaluate it; it has been counted.
    Go,
    /// Do not evaluate it before this much time has passed.
    Wait(Duration),
}

impl Verdict {
    /// Nothing, or how long to wait: a second at least, because that is what `Retry-After` can say.
    pub fn pass(self) -> Result<(), Duration> {
        match self {
            Self::Go => Ok(()),
            Self::Wait(time) => Err(time.max(Duration::from_secs(1))),
        }
    }
}

/// Counts a guess under `key` and says whether it may be evaluated.
pub async fn begin(redis: &Redis, key: &Key, policy: GuessConfig) -> Result<Verdict, RedisFailure> {
    let wait_ms: u64 = BEGIN
        .keys([key])
        .arg(policy.free)
        .arg(u64::from(policy.first_wait_secs) * 1000)
        .arg(u64::from(policy.max_wait_secs) * 1000)
        .arg(u64::from(policy.forget_secs) * 1000)
        .run(redis)
        .await?;
    Ok(if wait_ms == 0 { Verdict::Go } else { Verdict::Wait(Duration::from_millis(wait_ms)) })
}

/// Takes back one counted guess: it was right, or was never evaluated.
pub async fn forgive(redis: &Redis, key: &Key) -> Result<(), RedisFailure> {
    FORGIVE.keys([key]).run(redis).await
}

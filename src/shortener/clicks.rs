//! What owners hear of clicks: of the first one at once, then of the sum, at most one mail per
//! `shortener.click_digest_secs` and link.
//!
//! The scripts that count a click count it as untold too, in the same step; `lua/shortener/digest.lua` turns the count into
//! a word to the owner. Invariant: a link with untold clicks stands in the register of such links. The first click since
//! the last word is counted only right after the link was entered, and a link leaves the register no sooner than any
//! such click can still come.

use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join;
use futures_util::stream;

use super::actor::Links;
use super::carrier::Post;
use super::error::ShortenerError;
use super::messages::Sweep;
use super::model::ShortCode;
use super::store::{Counted, Followed, LinkStore, Outcome};
use crate::outbox::{Due, LEASE_LIMIT_MS, Register};
use crate::redis::{Redis, RedisFailure};

/// The kind of the register of links with untold clicks.
const UNTOLD: &str = "digest";
/// How often a click starts over because its link's entry lapsed under it.
const ENTRY_TRIES: usize = 3;
/// An entry is good for clicks until [`LEASE_LIMIT_MS`], so it stays for longer.
const LEAVE_AGE_MS: u64 = LEASE_LIMIT_MS + 3_000;
/// Links that a sweep tells of, how many at a time, and how long it begins with others.
const SWEEP_COUNT: usize = 1_000;
const SWEEP_PARALLEL: usize = 16;
const SWEEP_TIME: Duration = Duration::from_secs(4);

/// What a script says that counts clicks.
pub(super) trait Counting {
    /// Whether nothing was counted because the link has to be entered first; then, whether its owner was never told of any.
    fn is_unentered(&self) -> Option<bool>;
}

impl Counting for Followed {
    fn is_unentered(&self) -> Option<bool> {
        match self {
            Self::Unentered { never_told } => Some(*never_told),
            _ => None,
        }
    }
}

impl Counting for Counted {
    fn is_unentered(&self) -> Option<bool> {
        match self {
            Self::Unentered { never_told } => Some(*never_told),
            _ => None,
        }
    }
}

/// Tells owners of clicks.
#[derive(Debug)]
pub(super) struct Teller {
    store: LinkStore,
    untold: Register,
    post: Post,
}

impl Teller {
    pub(super) fn new(redis: Redis, store: LinkStore, post: Post) -> Self {
        Self { store, untold: Register::new(redis, UNTOLD), post }
    }

    /// Tells the link's owner of what is untold, unless he was told too recently. False if it must be looked at again.
    async fn tell(&self, code: &ShortCode) -> Result<bool, ShortenerError> {
        match self.post.leave(code, async |lease_ms| self.store.digest(code, lease_ms).await).await? {
            Outcome::Left(left) => self.post.relay(code, left).await,
            Outcome::Unfit => return Ok(false),
            Outcome::Lapsed | Outcome::Backlog | Outcome::Full => return Err(ShortenerError::Backlog),
            Outcome::Missing | Outcome::Nothing | Outcome::Silent => {}
        }
        Ok(true)
    }

    /// Lets `count` count clicks; what that needs when the owner wants to hear of them, it gets: the time when the link was
    /// entered among those with untold clicks.
    pub(super) async fn counted<C: Counting>(
        self: &Rc<Self>,
        code: &ShortCode,
        count: impl AsyncFn(Option<u64>) -> Result<C, RedisFailure>,
    ) -> Result<C, ShortenerError> {
        let (mut entered_ms, mut first) = (None, false);
        for _ in 0..ENTRY_TRIES {
            let counted = count(entered_ms).await?;
            match counted.is_unentered() {
                Some(never_told) => {
                    first = never_told;
                    entered_ms = Some(self.untold.enter(code.as_str()).await?);
                }
                None => {
                    if first {
                        self.tell_soon(code.clone());
                    }
                    return Ok(counted);
                }
            }
        }
        Err(ShortenerError::Contended)
    }

    /// Tells of clicks while the visitor goes on; if that fails, a sweep does it.
    fn tell_soon(self: &Rc<Self>, code: ShortCode) {
        let teller = self.clone();
        actix::spawn(async move {
            if let Err(error) = teller.tell(&code).await {
                tracing::warn!(%error, %code, "clicks are told later");
            }
        });
    }

    /// Tells of links whose time has come, the oldest first.
    async fn sweep(&self) -> Result<(), ShortenerError> {
        let started = Instant::now();
        let due = self.untold.due(self.store.digest_ms(), SWEEP_COUNT).await?;
        let one = async |due: Due| {
            if started.elapsed() < SWEEP_TIME
                && let Err(error) = self.tell_due(&due).await
            {
                tracing::warn!(%error, code = due.source, "clicks are told later");
            }
        };
        stream::iter(due).map(one).buffer_unordered(SWEEP_PARALLEL).for_each(async |()| {}).await;
        Ok(())
    }

    async fn tell_due(&self, due: &Due) -> Result<(), ShortenerError> {
        let Some(code) = ShortCode::parse(&due.source) else {
            return Ok(self.untold.leave(&due.source, due.registered_ms).await?);
        };
        match self.tell(&code).await {
            // Out of the way of those behind it.
            Err(ShortenerError::Backlog) => {
                self.untold.enter(code.as_str()).await?;
            }
            told => {
                if told? && due.age_ms > LEAVE_AGE_MS {
                    self.untold.leave(code.as_str(), due.registered_ms).await?;
                }
            }
        }
        Ok(())
    }
}

impl Links {
    pub(super) async fn sweep(&self, _: Sweep) -> Result<(), ShortenerError> {
        let (carried, told) = join(self.post.sweep(), self.teller.sweep()).await;
        carried.and(told)
    }
}

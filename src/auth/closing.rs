//! Closing accounts, bringing them back, and bringing what they own in line.
//!
//! An account's generation rises with each closing and each recovery: odd is closed. It is the truth; what the account
//! owns lies in other slots and follows it, page by page: profile, links, posts. Whoever closes an account or brings it
//! back walks at once, for as long as somebody waits and then on; what is left, and what was just being made meanwhile, a
//! sweep finds in the register of accounts to look at, `closing`.
//!
//! Invariants: an account stands in that register before its generation changes, and is walked through once more after the
//! last request that began before has ended; a step is refused by whatever is in line with a later generation, so walks
//! may overlap and come late. An entry of the register is the lease of who took it last: with each page he takes it anew,
//! and stops when somebody else has.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::actor::Manager;
use super::courier::source_of;
use super::error::AuthError;
use super::messages::{CloseAccount, SweepClosed};
use super::store::{Closed, Recovered, Taken};
use crate::notifier::model::{Notice, What};
use crate::outbox::Due;
use crate::posts::messages::AlignPosts;
use crate::presence::messages::{ForgetPresence, SignedOut};
use crate::shortener::messages::AlignLinks;
use crate::users::messages::AlignProfile;
use crate::users::model::UserId;

/// The kind of the register of accounts to look at, ...
pub(super) const AT_HAND: &str = "closing";
/// ... and of that of closed ones, by when they were closed.
pub(super) const CLOSED: &str = "closed";
/// How long who closes an account, or logs in to a closed one, waits for what it owns to follow.
const PATIENCE: Duration = Duration::from_secs(3);
/// An entry that was not taken for so long is anybody's; requests end sooner.
const ABANDONED_MS: u64 = 15_000;
/// Accounts that a sweep looks at, and how many are walked through at a time.
const SWEEP_COUNT: usize = 64;
pub(super) const AT_ONCE: usize = 4;

/// Turns failures of those who keep what an account owns into ours.
pub(super) fn estate(error: impl std::fmt::Display) -> AuthError {
    AuthError::Estate(error.to_string())
}

impl Manager {
    pub(super) async fn close_account(self: &Rc<Self>, message: CloseAccount) -> Result<(), AuthError> {
        let CloseAccount { user_id: id } = message;
        let email = self.account(&id).await?.email;
        // Who has no address is told by the answer alone.
        let tells = !email.is_empty();
        let until_ms = chrono::Utc::now().timestamp_millis() + self.recovery_ms as i64;
        let notice = Notice::to_user(&id, What::AccountClosed { email, until_ms });
        let entered_ms = Cell::new(0);
        let close = async |slip| {
            self.closed.enter(id.as_str()).await?;
            entered_ms.set(self.at_hand.enter(id.as_str()).await?);
            self.store.close_account(&id, entered_ms.get(), tells, slip).await
        };
        let source = source_of(&id);
        let closed = self.post.leave(&source, &notice, close).await?.ok_or(AuthError::AccountGone)?;
        let Closed::Now { at_us, left } = closed else { return Ok(()) };
        metrics::counter!("ayrene_accounts_closed_total").increment(1);
        tracing::info!(user_id = %id, "an account was closed");
        let out = SignedOut { user_id: id.clone(), at_us };
        if let Err(error) = self.asks.signed_out.ask(out).await {
            tracing::warn!(%error, user_id = %id, "presence has not heard of a closed account");
        }
        self.follow(&id, entered_ms.get()).await;
        if let Some(left) = left {
            self.post.relay_later(source, left);
        }
        Ok(())
    }

    /// Brings a closed account back, and what it owns; fine when it was open.
    pub(super) async fn recover(self: &Rc<Self>, id: &UserId) -> Result<(), AuthError> {
        let (source, notice) = (source_of(id), Notice::to_user(id, What::AccountRecovered));
        let entered_ms = Cell::new(0);
        let recover = async |slip| {
            entered_ms.set(self.at_hand.enter(id.as_str()).await?);
            self.store.recover_account(id, entered_ms.get(), slip).await
        };
        let recovered = self.post.leave(&source, &notice, recover).await?.ok_or(AuthError::AccountGone)?;
        let Recovered::Now { left } = recovered else { return Ok(()) };
        metrics::counter!("ayrene_accounts_recovered_total").increment(1);
        tracing::info!(user_id = %id, "a closed account was brought back");
        self.follow(id, entered_ms.get()).await;
        self.post.relay_later(source, left);
        Ok(())
    }

    /// Walks through what the account owns; waits for that a while. The register keeps the account for a sweep.
    async fn follow(self: &Rc<Self>, id: &UserId, held_ms: u64) {
        let (manager, id) = (self.clone(), id.clone());
        let walk = actix::spawn(async move {
            if let Err(error) = manager.align(&id, held_ms).await {
                tracing::warn!(%error, user_id = %id, "what an account owns is left for a sweep");
            }
        });
        let _ = actix::clock::timeout(PATIENCE, walk).await;
    }

    /// Brings all that the account owns in line with it. Returns since when it is ours; nothing when somebody else has
    /// taken it meanwhile, who does the rest.
    async fn align(&self, id: &UserId, held_ms: u64) -> Result<Option<u64>, AuthError> {
        let Some(standing) = self.store.standing(id).await? else { return Ok(Some(held_ms)) };
        if standing.is_closed() {
            // When somebody was last here is nobody's business any more.
            let forget = ForgetPresence { user_id: id.clone() };
            self.asks.estate.forget_presence.ask(forget).await.map_err(estate)?;
        }
        let profile = AlignProfile { user_id: id.clone(), standing };
        self.asks.estate.align_profile.ask(profile).await.map_err(estate)?;
        let (mut held, mut before) = (Some(held_ms), None);
        while let Some(held_ms) = held {
            let page = AlignPosts { author: id.clone(), standing, before };
            before = self.asks.estate.align_posts.ask(page).await.map_err(estate)?;
            if before.is_none() {
                break;
            }
            held = self.at_hand.take(id.as_str(), held_ms).await?;
        }
        let mut before_us = None;
        while let Some(held_ms) = held {
            let page = AlignLinks { owner: id.clone(), standing, before_us };
            before_us = self.asks.estate.align_links.ask(page).await.map_err(estate)?;
            if before_us.is_none() {
                break;
            }
            held = self.at_hand.take(id.as_str(), held_ms).await?;
        }
        Ok(held)
    }

    /// Goes on with what crashed nodes left, looks once more after what was just closed or brought back, and takes
    /// accounts whose time has run out.
    pub(super) async fn sweep_closed(self: &Rc<Self>, _: SweepClosed) -> Result<(), AuthError> {
        for due in self.closed.due(self.recovery_ms, SWEEP_COUNT).await? {
            self.take(&due).await?;
        }
        for due in self.at_hand.due(ABANDONED_MS, SWEEP_COUNT).await? {
            self.attend(&due.source, due.registered_ms).await?;
        }
        Ok(())
    }

    /// Takes a closed account whose time has run out. It is at hand before it leaves the register of closed ones.
    async fn take(self: &Rc<Self>, due: &Due) -> Result<(), AuthError> {
        let Some(id) = UserId::parse(&due.source) else { return Ok(()) };
        match self.store.take_account(&id).await? {
            Taken::NoAccount | Taken::Open => self.closed.leave(&due.source, due.registered_ms).await?,
            // It was closed for longer than is the rule now.
            Taken::Early => {
                self.closed.enter(&due.source).await?;
            }
            Taken::Ours => {
                let held_ms = self.at_hand.enter(&due.source).await?;
                self.closed.leave(&due.source, due.registered_ms).await?;
                self.attend(&due.source, held_ms).await?;
            }
        }
        Ok(())
    }

    /// Does what is to be done about an account at hand, unless too many are under way or somebody else was quicker.
    async fn attend(self: &Rc<Self>, source: &str, seen_ms: u64) -> Result<(), AuthError> {
        let Some(id) = UserId::parse(source) else { return Ok(()) };
        let Ok(turn) = self.turns.clone().try_acquire_owned() else { return Ok(()) };
        let Some(held_ms) = self.at_hand.take(source, seen_ms).await? else { return Ok(()) };
        let manager = self.clone();
        actix::spawn(async move {
            if let Err(error) = manager.settle(&id, held_ms).await {
                tracing::warn!(%error, user_id = %id, "an account is left for a later sweep");
            }
            drop(turn);
        });
        Ok(())
    }

    async fn settle(&self, id: &UserId, held_ms: u64) -> Result<(), AuthError> {
        let held = if self.store.is_taken(id).await? {
            self.purge(id, held_ms).await?
        } else {
            self.align(id, held_ms).await?
        };
        if let Some(held_ms) = held {
            self.at_hand.leave(id.as_str(), held_ms).await?;
        }
        Ok(())
    }
}

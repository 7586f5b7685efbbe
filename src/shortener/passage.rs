//! Following a link past the lists of blocked hosts, and what they say of targets.
//!
//! A link remembers the edition of the lists that its target was held against. Invariant: no link is followed, counted as
//! followed or unlocked under lists that nobody has held it against; so a list that changes holds for the next visit, and a
//! visit costs more than one script only once per link and edition.

use std::time::Duration;

use super::actor::Links;
use super::error::ShortenerError;
use super::ledger::Followed as Passage;
use super::memory::Remembered;
use super::messages::{Visit, Visited};
use super::model::{Link, ShortCode};
use super::store::{Attempt, Changes, Followed, Looked};
use super::target::LongUrl;
use super::visitor::Visitor;
use crate::redis::RedisFailure;

/// How often a visit starts over because link or lists changed meanwhile.
const TRIES: usize = 3;
/// How long the datastore may take to say what a link is.
const LOOK_TIME: Duration = Duration::from_millis(400);

impl Links {
    /// Where a visit ends; it is counted, or will be, whatever happens.
    pub(super) async fn visit(&self, message: Visit) -> Result<Visited, ShortenerError> {
        let Visit { code, visitor, takes_notice } = message;
        match self.clerk.follow(code.as_str(), || visitor.clone()) {
            Passage::Open(link) => return Ok(Visited::Open(link.target_text())),
            Passage::Unknown => {
                if let Some(link) = self.look(&code, &visitor).await? {
                    return Ok(Visited::Open(link.target_text()));
                }
            }
            Passage::Guarded | Passage::Full => {}
        }
        let visited = self.follow(&code, &self.attempt(&visitor), takes_notice).await?;
        if matches!(visited, Visited::Open(_)) {
            self.tally_soon(code, visitor);
        }
        Ok(visited)
    }

    /// Follows a link that is not remembered, if it is open, and remembers it. Looking twice does no harm, so an answer that
    /// was lost can be done without: what was remembered long ago is better than nothing.
    async fn look(&self, code: &ShortCode, visitor: &Visitor) -> Result<Option<Remembered>, ShortenerError> {
        let lists = self.places.safety.lists.blocking();
        let edition = lists.as_ref().and_then(|lists| lists.edition());
        let memory = self.clerk.memory();
        let reading = memory.begin_reading(code);
        let looked = actix::clock::timeout(LOOK_TIME, self.store.look(code, edition)).await;
        let passage = match looked.unwrap_or_else(|_| Err(RedisFailure::late("HMGET link"))) {
            Ok(Looked::Missing) => return Err(ShortenerError::NotFound),
            Ok(Looked::Open(link)) => {
                let link = memory.remember(code, reading, link);
                self.clerk.counted(code.as_str(), link, || visitor.clone())
            }
            Ok(Looked::Guarded) => {
                memory.remember_guarded(code, reading);
                Passage::Guarded
            }
            Ok(Looked::Unvetted) => Passage::Guarded,
            Err(failure) => match self.clerk.follow_stale(code.as_str(), || visitor.clone()) {
                Passage::Open(link) => Passage::Open(link),
                _ => return Err(failure.into()),
            },
        };
        Ok(match passage {
            Passage::Open(link) => Some(link),
            _ => None,
        })
    }

    /// Tallies a click that was counted by a script, if its link wants that, while the visitor goes on.
    pub(super) fn tally_soon(&self, code: ShortCode, visitor: Visitor) {
        if self.clerk.is_full() {
            return;
        }
        let (store, clerk) = (self.store.clone(), self.clerk.clone());
        actix::spawn(async move {
            match store.recorded_since(&code).await {
                Ok(Some(created_ms)) => clerk.tally(&code, created_ms, &visitor),
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, %code, "a click is not tallied"),
            }
        });
    }

    /// Lets the datastore decide and count a visit.
    pub(super) async fn follow(
        &self,
        code: &ShortCode,
        attempt: &Attempt,
        takes_notice: bool,
    ) -> Result<Visited, ShortenerError> {
        let lists = self.places.safety.lists.blocking();
        let edition = lists.as_ref().and_then(|lists| lists.edition());
        let visit = async |entered| self.store.visit(code, attempt, takes_notice, edition, entered).await;
        for _ in 0..TRIES {
            match self.teller.counted(code, visit).await? {
                Followed::Missing => return Err(ShortenerError::NotFound),
                Followed::Open(url) => return Ok(Visited::Open(url)),
                Followed::Protected(protection) => return Ok(Visited::Protected(protection)),
                Followed::Notice => return Ok(Visited::Notice),
                Followed::Blocked => return Err(ShortenerError::Blocked),
                Followed::Unvetted(url) => {
                    let stamp = lists.as_ref().and_then(|lists| lists.stamp(&url)).unwrap_or_default();
                    self.store.vet(code, &url, &stamp).await?;
                }
                Followed::Unentered { .. } | Followed::Changed => break,
            }
        }
        Err(ShortenerError::Contended)
    }

    /// Ends a try to unlock a link that leads to a blocked host; it is counted as an attempt.
    pub(super) async fn stop_if_blocked(
        &self,
        code: &ShortCode,
        attempt: &Attempt,
    ) -> Result<(), ShortenerError> {
        if self.places.safety.lists.blocking().is_none() {
            return Ok(());
        }
        let guard = self.store.guard(code).await?.ok_or(ShortenerError::NotFound)?;
        if self.is_blocked(&guard.target) {
            self.follow(code, attempt, false).await?;
        }
        Ok(())
    }

    pub(super) fn is_blocked(&self, target: &str) -> bool {
        self.places.safety.lists.blocking().is_some_and(|lists| lists.block(target))
    }

    /// Adds what is known of a target at once: whether it is safe for work, which is returned, and that it is not blocked.
    pub(super) fn finding(&self, target: &LongUrl, changes: &mut Changes) -> Option<bool> {
        let lists = self.places.safety.lists.current();
        changes.extend(lists.stamp(target.as_str()).map(|stamp| ("b", stamp)));
        let finding = lists.warn_of(target.as_str()).then_some(false);
        changes.extend(finding.map(|_| ("j", "0".to_owned())));
        finding
    }

    /// `link` for its owner.
    pub(super) fn shown(&self, link: Link) -> Link {
        Link { blocked: self.is_blocked(&link.long_url), ..link }
    }
}

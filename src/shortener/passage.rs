//! Following a link past the lists of blocked hosts, and what they say of targets.
//!
//! A link remembers the edition of the lists that its target was held against. Invariant: no link is followed, counted as
//! followed or unlocked under lists that nobody has held it against; so a list that changes holds for the next visit, and a
//! visit costs more than one script only once per link and edition.

use super::actor::Links;
use super::error::ShortenerError;
use super::messages::Visited;
use super::model::{Link, ShortCode};
use super::store::{Attempt, Changes, Followed};
use super::target::LongUrl;

/// How often a visit starts over because link or lists changed meanwhile.
const TRIES: usize = 3;

impl Links {
    /// Where a visit ends; it is counted.
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
            match self.counted(code, visit).await? {
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

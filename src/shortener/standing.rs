//! What becomes of a user's links when the account is closed, comes back, or is purged.
//!
//! Invariant: what is done to a link depends on nothing but the link and the account's generation, so every step can be
//! repeated, and one that comes late changes nothing.

use futures_util::future::try_join_all;

use super::actor::Links;
use super::error::ShortenerError;
use super::messages::{AlignLinks, PurgeLinks};
use super::model::ShortCode;

/// Links that one message looks at.
const PAGE: u64 = 100;

impl Links {
    /// Brings a page of links in line; returns where the next one begins, if there is one.
    pub(super) async fn align(&self, message: AlignLinks) -> Result<Option<u64>, ShortenerError> {
        let AlignLinks { owner, standing, before_us } = message;
        let (codes, next) = self.store.codes_before(&owner, before_us, PAGE).await?;
        try_join_all(codes.iter().map(|code| self.store.suspend(code, &owner, standing))).await?;
        Ok(next)
    }

    /// Removes some links with all that hangs on them; false when there are none left. A link goes before its entry in
    /// the list: what a crash leaves is found there again.
    pub(super) async fn purge(&self, message: PurgeLinks) -> Result<bool, ShortenerError> {
        let PurgeLinks { owner } = message;
        let (codes, _) = self.store.codes_before(&owner, None, PAGE).await?;
        if codes.is_empty() {
            return Ok(false);
        }
        try_join_all(codes.iter().map(|code| self.store.purge(code, &owner))).await?;
        let codes: Vec<&str> = codes.iter().map(ShortCode::as_str).collect();
        self.store.drop_listings(&owner, &codes).await?;
        Ok(true)
    }
}

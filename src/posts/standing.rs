//! What becomes of a user's posts when the account is closed, comes back, or is purged.
//!
//! A hidden post keeps its likes and comments, and is in no feed. Invariant: generations of a post never go back, so every
//! step can be repeated, and one that comes late changes nothing.

use futures_util::future::try_join_all;

use super::actor::Keeper;
use super::error::PostsError;
use super::messages::{AlignPosts, DeletePost, PurgePosts, Start};
use super::model::PostId;
use crate::users::model::UserId;

/// Posts that one message looks at.
const PAGE: u32 = 100;

impl Keeper {
    /// Brings a page of posts in line; returns the last one if there may be more. Feeds follow what the posts say
    /// afterwards, which may be ahead of what was asked for.
    pub(super) async fn align(&self, message: AlignPosts) -> Result<Option<PostId>, PostsError> {
        let AlignPosts { author, standing, before } = message;
        let ids = self.page(&author, before).await?;
        let next = ids.last().filter(|_| ids.len() == PAGE as usize).cloned();
        let ids: Vec<PostId> =
            ids.into_iter().filter(|id| id.stamp().micros() <= standing.as_of_us).collect();
        let suspended = ids.iter().map(|id| self.store.suspend(id, &author, standing.generation));
        let generations = try_join_all(suspended).await?;
        let (mut hidden, mut shown) = (Vec::new(), Vec::new());
        for (id, generation) in ids.iter().zip(generations) {
            match generation {
                0 => {}
                odd if odd % 2 == 1 => hidden.push(id.as_str()),
                _ => shown.push(id),
            }
        }
        if !hidden.is_empty() {
            self.store.unlist(None, &hidden).await?;
        }
        if !shown.is_empty() {
            self.store.relist(&shown).await?;
        }
        Ok(next)
    }

    /// Removes some posts; false when there are none left.
    pub(super) async fn purge(&self, message: PurgePosts) -> Result<bool, PostsError> {
        let PurgePosts { author } = message;
        let ids = self.page(&author, None).await?;
        for id in &ids {
            match self.delete(DeletePost { user: author.clone(), id: id.clone() }).await {
                Ok(()) | Err(PostsError::NotFound | PostsError::NotAuthor) => {}
                Err(error) => return Err(error),
            }
        }
        // Also those that lead nowhere.
        let listed: Vec<&str> = ids.iter().map(PostId::as_str).collect();
        if !listed.is_empty() {
            self.store.unlist(None, &listed).await?;
            self.store.unlist(Some(&author), &listed).await?;
        }
        Ok(!ids.is_empty())
    }

    async fn page(&self, author: &UserId, before: Option<PostId>) -> Result<Vec<PostId>, PostsError> {
        let start = before.map_or(Start::Page(1), Start::Before);
        Ok(self.store.listed(Some(author), &start, PAGE).await?.ids)
    }
}

//! Purging what an account owned, and the account.
//!
//! Only an account that was taken is purged, which nobody can bring back. Every step is bounded and can be repeated: each
//! domain removes things before what leads to them, and the account, which leads to all, goes last. So a purge that was
//! killed goes on where the next one finds something.

use super::actor::Manager;
use super::closing::estate;
use super::error::AuthError;
use crate::conversation::messages::{PurgeConversations, Purged};
use crate::notifier::messages::ForgetNotifications;
use crate::posts::messages::PurgePosts;
use crate::presence::messages::ForgetPresence;
use crate::realtime::messages::ForgetLog;
use crate::shortener::messages::PurgeLinks;
use crate::users::messages::{FetchNames, PurgeProfile};
use crate::users::model::{UserId, Username};

impl Manager {
    /// Returns since when the account was ours; nothing when somebody else has taken it meanwhile, who does the rest.
    pub(super) async fn purge(&self, id: &UserId, held_ms: u64) -> Result<Option<u64>, AuthError> {
        let Some(held_ms) = self.purge_links_and_posts(id, held_ms).await? else { return Ok(None) };
        let Some(held_ms) = self.purge_conversations(id, held_ms).await? else { return Ok(None) };
        let ways = &self.asks.estate;
        ways.forget_presence.ask(ForgetPresence { user_id: id.clone() }).await.map_err(estate)?;
        ways.forget_log.ask(ForgetLog { user: id.clone() }).await.map_err(estate)?;
        ways.forget_notifications.ask(ForgetNotifications { user: id.clone() }).await.map_err(estate)?;
        self.store.forget_guessers(id).await?;
        self.release_names(id).await?;
        ways.purge_profile.ask(PurgeProfile { user_id: id.clone() }).await.map_err(estate)?;
        self.store.erase_account(id).await?;
        metrics::counter!("ayrene_accounts_purged_total").increment(1);
        tracing::info!(user_id = %id, "an account was purged");
        Ok(Some(held_ms))
    }

    async fn purge_links_and_posts(&self, id: &UserId, held_ms: u64) -> Result<Option<u64>, AuthError> {
        let ways = &self.asks.estate;
        let mut held = Some(held_ms);
        while let Some(held_ms) = held {
            if !ways.purge_links.ask(PurgeLinks { owner: id.clone() }).await.map_err(estate)? {
                break;
            }
            held = self.at_hand.take(id.as_str(), held_ms).await?;
        }
        while let Some(held_ms) = held {
            if !ways.purge_posts.ask(PurgePosts { author: id.clone() }).await.map_err(estate)? {
                break;
            }
            held = self.at_hand.take(id.as_str(), held_ms).await?;
        }
        Ok(held)
    }

    async fn purge_conversations(&self, id: &UserId, held_ms: u64) -> Result<Option<u64>, AuthError> {
        let (mut held, mut place) = (Some(held_ms), None);
        while let Some(held_ms) = held {
            let page = PurgeConversations { user: id.clone(), place };
            match self.asks.estate.purge_conversations.ask(page).await.map_err(estate)? {
                Purged::All => break,
                Purged::UpTo(next) => place = next,
            }
            held = self.at_hand.take(id.as_str(), held_ms).await?;
        }
        Ok(held)
    }

    /// Gives back whatever names are claimed for the account.
    async fn release_names(&self, id: &UserId) -> Result<(), AuthError> {
        let names = self.asks.names.ask(FetchNames { user_id: id.clone() }).await?;
        let Some(credentials) = self.store.any_credentials(id).await? else { return Ok(()) };
        let (current, next) = names.map_or((None, None), |names| (Some(names.username), names.renaming));
        let first = credentials.first_username.clone();
        let usernames: Vec<Username> = [Some(first), current, next].into_iter().flatten().collect();
        Ok(self.store.release_names(id, &credentials, &usernames).await?)
    }
}

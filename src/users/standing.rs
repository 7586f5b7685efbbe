//! What becomes of a profile whose account is closed, comes back, or is purged.
//!
//! Invariant: a profile shows itself only while its generation is even, and generations never go back; so whoever comes
//! late with an older one changes nothing.

use super::actor::Keeper;
use super::avatar::object_of;
use super::error::UsersError;
use super::messages::{AlignProfile, IsShown, PurgeProfile, Standing};
use super::store::Entry;

impl Standing {
    /// Whether the account is closed.
    pub fn is_closed(self) -> bool {
        self.generation % 2 == 1
    }
}

impl Keeper {
    /// The directory follows the profile: whatever was asked for, the profile may be ahead.
    pub(super) async fn align(&self, message: AlignProfile) -> Result<(), UsersError> {
        let AlignProfile { user_id, standing } = message;
        let Some(aligned) = self.store.align(&user_id, standing.generation).await? else { return Ok(()) };
        let standing = Standing { generation: aligned.generation, ..standing };
        if let Some(avatar) = object_of(&aligned.avatar) {
            self.store.veil(avatar.last_segment(), standing.generation).await?;
        }
        let entry = Entry::new(&aligned.username, &user_id);
        if standing.is_closed() {
            self.store.unlist(&[entry]).await?;
        } else {
            self.store.list(&entry).await?;
        }
        Ok(())
    }

    pub(super) async fn is_shown(&self, message: IsShown) -> Result<bool, UsersError> {
        Ok(self.store.generation_of(&message.avatar).await? % 2 == 0)
    }

    /// The profile goes last: it knows what else there is.
    pub(super) async fn purge(&self, message: PurgeProfile) -> Result<(), UsersError> {
        let PurgeProfile { user_id } = message;
        let Some(names) = self.store.names(&user_id).await? else { return Ok(()) };
        let avatar = self.store.avatar(&user_id).await?;
        if let Some(object) = avatar.as_deref().and_then(object_of) {
            self.storage.delete(&object).await?;
            self.store.unveil(object.last_segment()).await?;
        }
        let entries: Vec<Entry> = [Some(&names.username), names.renaming.as_ref()]
            .into_iter()
            .flatten()
            .map(|name| Entry::new(name.as_str(), &user_id))
            .collect();
        self.store.unlist(&entries).await?;
        Ok(self.store.erase(&user_id).await?)
    }
}

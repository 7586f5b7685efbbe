//! What becomes of the conversations of a user who is gone for good.
//!
//! What was said stays with the other one, under nobody's name; files go, by the way on which messages are deleted. A
//! conversation that nobody is left of goes as a whole. Invariant: it leaves the user's list only when all that is done, so
//! it is found again after a crash.

use std::rc::Rc;

use super::actor::Keeper;
use super::error::ConversationError;
use super::messages::{DeleteMessage, PurgeConversations, PurgePlace, Purged};
use super::model::{Content, Conversation, Tag};
use crate::users::messages::FetchNames;
use crate::users::model::UserId;

/// Messages that one message of ours looks at.
const PAGE: u64 = 100;

impl Keeper {
    /// One page of one conversation.
    pub(super) async fn purge(
        self: &Rc<Self>,
        message: PurgeConversations,
    ) -> Result<Purged, ConversationError> {
        let PurgeConversations { user, place } = message;
        let place = match place {
            Some(place) => place,
            None => match self.store.list(&user, None, 1).await?.pop() {
                Some((id, _)) => PurgePlace { id, below: None },
                None => {
                    self.store.forget_lists(&user).await?;
                    return Ok(Purged::All);
                }
            },
        };
        let known = match Tag::of(place.id.as_str()) {
            Some(tag) => self.any_conversation(&tag).await?,
            None => None,
        };
        if let Some(conversation) = known.filter(|conversation| conversation.side_of(&user).is_some()) {
            let last = match place.below {
                Some(below) => below - 1,
                None => self.store.extent(&conversation.tag()).await?.0,
            };
            let first = last.saturating_sub(PAGE - 1).max(1);
            self.purge_files(&user, &conversation, first, last).await?;
            if first > 1 {
                return Ok(Purged::UpTo(Some(PurgePlace { below: Some(first), ..place })));
            }
            if self.is_deserted(&user, &conversation).await? {
                self.store.erase(&conversation).await?;
            }
        }
        self.store.unlist(&user, &place.id).await?;
        Ok(Purged::UpTo(None))
    }

    /// Deletes what `user` sent there, if it is a file.
    async fn purge_files(
        self: &Rc<Self>,
        user: &UserId,
        conversation: &Conversation,
        first: u64,
        last: u64,
    ) -> Result<(), ConversationError> {
        let (tag, side) = self.part(conversation, user)?;
        for message in self.store.messages(conversation, first, last).await? {
            if message.side == side && matches!(message.content, Content::File(..)) {
                let id = message.place.id(&tag);
                self.delete(DeleteMessage { user: user.clone(), message: id }).await?;
            }
        }
        Ok(())
    }

    /// Whether nobody else will ever read it.
    async fn is_deserted(
        &self,
        user: &UserId,
        conversation: &Conversation,
    ) -> Result<bool, ConversationError> {
        let other = conversation.people.iter().find(|person| *person != user);
        match other {
            Some(other) => Ok(self.asks.names.ask(FetchNames { user_id: other.clone() }).await?.is_none()),
            None => Ok(true),
        }
    }
}

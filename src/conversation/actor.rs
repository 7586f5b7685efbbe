//! The conversations' actor: one per worker, all state in Redis.
//!
//! What must be atomic is one script in the conversation's slot. What belongs into the slots of the two participants,
//! their lists and their logs of events, is left as an intent by that script and carried right after it; so whoever got
//! an answer finds the message in the lists, and a crash in between costs nobody an event.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix::{Actor, Context};
use chrono::Utc;
use futures_util::future::{try_join, try_join_all};
use quick_cache::unsync::Cache;

use super::error::ConversationError;
use super::files::Files;
use super::messages::{
    Acknowledge, ConversationPage, DeleteMessage, EditMessage, FetchAttachment, FetchMessages, ListBlocks,
    ListConversations, ListPlace, MarkRead, Marked, MaySend, MessagePage, PurgeConversations, SendFile,
    SendMessage, Sent, SetBlock, Shown, Sweep, Type, Upto,
};
use super::model::{
    Attachment, Content, Conversation, ConversationId, Intent, Message, MessageId, MessageType, Place, Side,
    Tag,
};
use super::store::{Appended, ConversationStore, Edited, Erased, Left, Opened, Received, Retry};
use super::view::{ConversationRead, MessageView, Receipt};
use crate::actor::Ask;
use crate::config::ConversationConfig;
use crate::notifier::messages::Notify;
use crate::notifier::model::{Notice, What};
use crate::outbox::{self, Carrier, Outbox};
use crate::realtime::messages::Deliver;
use crate::realtime::model::{Event, EventKind, Origin, encode};
use crate::redis::{Key, Redis, RedisFailure};
use crate::storage::Storage;
use crate::users::messages::{FetchNames, FetchPeople, People};
use crate::users::model::UserId;

/// The kind of our sources in the outbox.
const KIND: &str = "conv";
/// Conversations whose people a worker remembers: they never change.
const KNOWN: usize = 65_536;
/// An account that was open so long ago is looked at while a message to it is appended, and not before: who writes much
/// should not wait twice for each message.
const OPEN_FOR: Duration = Duration::from_millis(250);
/// New messages that are remembered until their intents are carried.
const FRESH: usize = 4_096;
/// Tries of a change that finds its lease too old, or a tag taken.
const TRIES: usize = 3;
/// Tries of a block while others change the same one.
const BLOCK_TRIES: usize = 32;

/// Owns conversations.
#[derive(Debug)]
pub struct Conversations {
    keeper: Rc<Keeper>,
}

/// The ways to others.
#[derive(Debug)]
pub struct Asks {
    /// To the people's actor.
    pub people: Ask<FetchPeople>,
    /// To the same.
    pub names: Ask<FetchNames>,
    /// To the event log.
    pub deliver: Ask<Deliver>,
    /// To the notifier.
    pub notify: Ask<Notify>,
}

pub(super) struct Keeper {
    pub(super) store: ConversationStore,
    files: Files,
    outbox: Rc<Outbox>,
    pub(super) asks: Asks,
    /// Accounts that were open when they were last looked at.
    opened: RefCell<Cache<UserId, Instant>>,
    /// By their two people.
    pairs: RefCell<Cache<[UserId; 2], Conversation>>,
    /// By their tags.
    tags: RefCell<Cache<Tag, Conversation>>,
    /// Messages made by this worker, by source and number, as they were sent.
    fresh: RefCell<Cache<(String, u64), Shown>>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Keeper").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Conversations {
    /// An actor on this worker's connections.
    pub fn new(redis: Redis, bulk: Redis, storage: Storage, asks: Asks, config: &ConversationConfig) -> Self {
        let store = ConversationStore::new(redis.clone(), bulk, config);
        let keeper = Keeper {
            files: Files::new(redis.clone(), store.clone(), storage),
            outbox: Rc::new(Outbox::new(redis, KIND)),
            store,
            asks,
            opened: RefCell::new(Cache::new(KNOWN)),
            pairs: RefCell::new(Cache::new(KNOWN)),
            tags: RefCell::new(Cache::new(KNOWN)),
            fresh: RefCell::new(Cache::new(FRESH)),
        };
        Self { keeper: Rc::new(keeper) }
    }
}

impl Actor for Conversations {
    type Context = Context<Self>;
}

crate::delegate!(Conversations, keeper {
    SendMessage => send,
    SendFile => send_file,
    MarkRead => mark_read,
    Acknowledge => acknowledge,
    EditMessage => edit,
    DeleteMessage => delete,
    FetchMessages => fetch,
    ListConversations => list,
    FetchAttachment => fetch_attachment,
    MaySend => may_send,
    SetBlock => set_block,
    ListBlocks => list_blocks,
    PurgeConversations => purge,
    Type => tell_typing,
    Sweep => sweep,
});

/// The people of a conversation in their order.
fn ordered(one: &UserId, other: &UserId) -> [UserId; 2] {
    if one <= other { [one.clone(), other.clone()] } else { [other.clone(), one.clone()] }
}

impl Keeper {
    async fn send(self: &Rc<Self>, message: SendMessage) -> Result<Sent, ConversationError> {
        let SendMessage { from, to, content, client_id, origin } = message;
        let mut conversation = self.open(&from, &to).await?;
        let waits_for_event = origin.is_some();
        let origin = origin.as_ref().map(Origin::to_text).unwrap_or_default();
        for _ in 0..TRIES {
            let (tag, side) = self.part(&conversation, &from)?;
            let lease = self.outbox.lease(tag.as_str()).await?;
            let append = self.store.append(&conversation, side, &content, client_id.as_ref(), lease, &origin);
            let append = async { Ok(append.await?) };
            let (appended, people) = if self.was_open(&to) {
                try_join(append, self.people_of(&conversation)).await?
            } else {
                let people = self.people_of(&conversation).await?;
                self.open_at(&to, &people)?;
                (append.await?, people)
            };
            match appended {
                Appended::Missing => {
                    self.forget(&conversation);
                    conversation = self.open(&from, &to).await?;
                }
                Appended::Again(retry) => self.before_retry(&tag, retry)?,
                Appended::Unreserved => return Err(ConversationError::Busy),
                Appended::Blocked => return Err(ConversationError::Blocked),
                Appended::Full => return Err(ConversationError::Full),
                Appended::Before { seq } => {
                    let message = self.store.message_at(&conversation, seq).await?;
                    let message = message.ok_or(ConversationError::NotFound)?;
                    return Ok(Sent { shown: Shown { conversation, message, people }, fresh: false });
                }
                Appended::Done { message, left } => {
                    let is_open = self.open_at(&to, &people);
                    let shown = Shown { conversation, message: *message, people };
                    if let Err(closed) = is_open {
                        // The account was closed this moment.
                        let id = shown.message.place.id(&tag);
                        self.relay(&tag, left).await;
                        self.delete(DeleteMessage { user: from, message: id }).await?;
                        return Err(closed);
                    }
                    let key = (tag.to_string(), shown.message.place.seq);
                    self.fresh.borrow_mut().insert(key, shown.clone());
                    if waits_for_event {
                        // Its next message may be appended meanwhile, and carried together with others.
                        let keeper = self.clone();
                        actix::spawn(async move { keeper.relay(&tag, left).await });
                    } else {
                        self.relay(&tag, left).await;
                    }
                    return Ok(Sent { shown, fresh: true });
                }
            }
        }
        Err(ConversationError::Busy)
    }

    /// However the send ends, and even if nobody learns how, the conversation knows whether a message refers to the file.
    async fn send_file(self: &Rc<Self>, message: SendFile) -> Result<Sent, ConversationError> {
        let SendFile { message, upload } = message;
        let conversation = self.open(&message.from, &message.to).await?;
        let doubt = self.files.reserve(&conversation.tag(), upload.name().last_segment()).await?;
        // After a failure the file does not exist, as far as the store could see to that; a sweep looks again.
        upload.commit().await?;
        let sent = self.send(message).await;
        self.files.try_resolve(&doubt).await;
        sent
    }

    async fn mark_read(self: &Rc<Self>, message: MarkRead) -> Result<Marked, ConversationError> {
        let MarkRead { user, upto, origin } = message;
        let (conversation, upto) = self.meant(&user, upto).await?;
        let origin = origin.as_ref().map(Origin::to_text).unwrap_or_default();
        let (unread, told) = self.receive(&conversation, &user, upto, true, &origin).await?;
        Ok(Marked { conversation, unread, told })
    }

    /// What somebody marks: a conversation of his, and perhaps a message in it.
    async fn meant(
        &self,
        user: &UserId,
        upto: Upto,
    ) -> Result<(Conversation, Option<u64>), ConversationError> {
        let missing = ConversationError::NotFound;
        match upto {
            Upto::Conversation(tag) => Ok((self.conversation(&tag, user).await?, None)),
            Upto::Message(id) => {
                let (conversation, message) = self.message(user, &id).await?;
                Ok((conversation, Some(message.place.seq)))
            }
            Upto::Any(id) => {
                let tag = Tag::of(&id).ok_or(missing)?;
                match self.conversation(&tag, user).await {
                    Ok(conversation) if conversation.id.as_str() == id => return Ok((conversation, None)),
                    Ok(conversation) => {
                        if let Some(place) = Place::of(&id)
                            && self.store.message(&conversation, place).await?.is_some()
                        {
                            return Ok((conversation, Some(place.seq)));
                        }
                    }
                    Err(ConversationError::NotFound) => {}
                    Err(error) => return Err(error),
                }
                let other = UserId::parse(&id).ok_or(ConversationError::NotFound)?;
                let people = ordered(user, &other);
                let id = self.store.pair(&people).await?.ok_or(ConversationError::NotFound)?;
                Ok((Conversation { id, people }, None))
            }
        }
    }

    async fn acknowledge(self: &Rc<Self>, message: Acknowledge) -> Result<(), ConversationError> {
        let Acknowledge { user, messages } = message;
        for id in messages {
            match self.place(&user, &id).await {
                Ok((conversation, place)) if place.seq > 0 => {
                    self.receive(&conversation, &user, Some(place.seq), false, "").await?;
                }
                Ok(_) | Err(ConversationError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Notes how far `user` has received or read; returns what is unread, and whether anybody is told.
    async fn receive(
        self: &Rc<Self>,
        conversation: &Conversation,
        user: &UserId,
        upto: Option<u64>,
        reading: bool,
        origin: &str,
    ) -> Result<(u64, bool), ConversationError> {
        let (tag, side) = self.part(conversation, user)?;
        for _ in 0..TRIES {
            let lease = self.outbox.lease(tag.as_str()).await?;
            match self.store.receive(&tag, side, upto, reading, lease, origin).await? {
                Received::Missing => return Err(ConversationError::NotFound),
                Received::Again(retry) => self.before_retry(&tag, retry)?,
                Received::Done { unread, left } => {
                    let told = left.is_some();
                    if let Some(left) = left {
                        self.relay(&tag, left).await;
                    }
                    return Ok((unread, told));
                }
            }
        }
        Err(ConversationError::Busy)
    }

    async fn edit(self: &Rc<Self>, message: EditMessage) -> Result<Shown, ConversationError> {
        let EditMessage { user, message: id, content } = message;
        let (conversation, place) = self.place(&user, &id).await?;
        let (tag, side) = self.part(&conversation, &user)?;
        for _ in 0..TRIES {
            let lease = self.outbox.lease(tag.as_str()).await?;
            match self.store.edit(&tag, side, place, &content, lease).await? {
                Edited::Missing => return Err(ConversationError::NotFound),
                Edited::NotSender => return Err(ConversationError::NotSender),
                Edited::Deleted => return Err(ConversationError::Deleted),
                Edited::NotText => return Err(ConversationError::NotText),
                Edited::Blocked => return Err(ConversationError::Blocked),
                Edited::Again(retry) => self.before_retry(&tag, retry)?,
                Edited::Done { left } => {
                    self.relay(&tag, left).await;
                    return self.show(conversation, place).await;
                }
            }
        }
        Err(ConversationError::Busy)
    }

    pub(super) async fn delete(self: &Rc<Self>, message: DeleteMessage) -> Result<Shown, ConversationError> {
        let DeleteMessage { user, message: id } = message;
        let (conversation, found) = self.message(&user, &id).await?;
        let (tag, side) = self.part(&conversation, &user)?;
        let place = found.place;
        let object = found.content.object().filter(|_| found.side == side);
        for _ in 0..TRIES {
            let lease = self.outbox.lease(tag.as_str()).await?;
            // Under a lease that is not newer, so the script refuses before this is too long ago.
            let doubt = match object {
                Some(object) => Some(self.files.doubt(&tag, object).await?),
                None => None,
            };
            match self.store.delete(&tag, side, place, lease).await? {
                Erased::Missing => return Err(ConversationError::NotFound),
                Erased::NotSender => return Err(ConversationError::NotSender),
                Erased::Again(retry) => self.before_retry(&tag, retry)?,
                Erased::Before => return self.show(conversation, place).await,
                Erased::Done { left } => {
                    if let Some(doubt) = doubt {
                        // Nobody can fetch it any more, so nobody need wait for its end.
                        let files = self.files.clone();
                        actix::spawn(async move { files.try_resolve(&doubt).await });
                    }
                    self.relay(&tag, left).await;
                    return self.show(conversation, place).await;
                }
            }
        }
        Err(ConversationError::Busy)
    }

    async fn show(&self, conversation: Conversation, place: Place) -> Result<Shown, ConversationError> {
        let (message, people) = try_join(
            async { Ok(self.store.message(&conversation, place).await?) },
            self.people_of(&conversation),
        )
        .await?;
        Ok(Shown { message: message.ok_or(ConversationError::NotFound)?, conversation, people })
    }

    async fn fetch(self: &Rc<Self>, message: FetchMessages) -> Result<MessagePage, ConversationError> {
        let FetchMessages { user, with, before, limit } = message;
        let (conversation, last) = match before {
            Some(id) => {
                let (conversation, message) = self.message(&user, &id).await?;
                if conversation.people != ordered(&user, &with) {
                    return Err(ConversationError::NotFound);
                }
                (conversation, message.place.seq - 1)
            }
            None => {
                let conversation = self.open(&user, &with).await?;
                let (length, last_ms) = self.store.extent(&conversation.tag()).await?;
                if length == 0 {
                    self.store.index(&user, &conversation.id, last_ms).await?;
                }
                (conversation, length)
            }
        };
        if last > 0 {
            self.receive(&conversation, &user, Some(last), false, "").await?;
        }
        let first = last.saturating_sub(u64::from(limit)) + 1;
        let (messages, people) = try_join(
            async { Ok(self.store.messages(&conversation, first, last).await?) },
            self.people_of(&conversation),
        )
        .await?;
        Ok(MessagePage { conversation, messages, more: first > 1, people })
    }

    async fn list(
        self: &Rc<Self>,
        message: ListConversations,
    ) -> Result<ConversationPage, ConversationError> {
        let ListConversations { user, before, limit } = message;
        let limit = limit as usize;
        let after = match &before {
            Some(ListPlace { last_ms: Some(ms), id }) => Some((*ms, id)),
            Some(ListPlace { last_ms: None, id }) => {
                let ms = self.store.listed(&user, id).await?;
                Some((ms.ok_or(ConversationError::NotFound)?, id))
            }
            None => None,
        };
        let mut entries = self.store.list(&user, after, limit + 1).await?;
        let next = (entries.len() > limit).then(|| {
            entries.truncate(limit);
            entries.last().map(|(id, ms)| ListPlace { last_ms: Some(*ms), id: id.clone() })
        });
        let ids: Vec<ConversationId> = entries.into_iter().map(|(id, _)| id).collect();
        let conversations = self.store.overviews(&ids).await?;
        Ok(ConversationPage { conversations, next: next.flatten() })
    }

    async fn fetch_attachment(
        self: &Rc<Self>,
        message: FetchAttachment,
    ) -> Result<(MessageType, Attachment), ConversationError> {
        let FetchAttachment { user, message: id, object } = message;
        let (conversation, message) = self.message(&user, &id).await?;
        let sender = conversation.person(message.side);
        if *sender != user {
            self.exists(sender).await.map_err(|error| match error {
                ConversationError::UnknownUser => ConversationError::NotFound,
                error => error,
            })?;
        }
        match message.content {
            Content::File(kind, file) if file.object == object => Ok((kind, file)),
            _ => Err(ConversationError::NotFound),
        }
    }

    async fn may_send(self: &Rc<Self>, message: MaySend) -> Result<(), ConversationError> {
        let MaySend { from, to } = message;
        let people = ordered(&from, &to);
        let Some(id) = self.store.pair(&people).await? else {
            return self.exists(&to).await;
        };
        let conversation = Conversation { id, people };
        let (tag, side) = self.part(&conversation, &from)?;
        let blocked = async { Ok(self.store.has_blocked(&tag, side.other()).await?) };
        if try_join(blocked, self.exists(&to)).await?.0 {
            return Err(ConversationError::Blocked);
        }
        Ok(())
    }

    /// The list decides and the conversation says the same, because the script that appends looks there. What counts
    /// comes first when blocking and last when unblocking, so that a crash in between blocks.
    async fn set_block(self: &Rc<Self>, message: SetBlock) -> Result<(), ConversationError> {
        let SetBlock { user, other, blocked } = message;
        if user == other {
            return Err(ConversationError::OwnBlock);
        }
        let conversation = self.open(&user, &other).await?;
        let (tag, side) = self.part(&conversation, &user)?;
        if blocked {
            self.store.block(&tag, side, true).await?;
        }
        let fits = self.store.block_list(&user, &other, blocked).await?;
        // Of several who change the list at once, the last to write here has seen the list as it stays.
        let mut listed = self.store.lists(&user, &other).await?;
        for _ in 0..BLOCK_TRIES {
            if !self.store.block(&tag, side, listed).await? {
                self.forget(&conversation);
                return Err(ConversationError::Busy);
            }
            let before = std::mem::replace(&mut listed, self.store.lists(&user, &other).await?);
            if before == listed {
                return if fits { Ok(()) } else { Err(ConversationError::TooManyBlocks) };
            }
        }
        Err(ConversationError::Busy)
    }

    async fn list_blocks(self: &Rc<Self>, message: ListBlocks) -> Result<Vec<UserId>, ConversationError> {
        Ok(self.store.blocks(&message.user).await?)
    }

    /// Nobody is told who has no conversation with the one who types.
    async fn tell_typing(self: &Rc<Self>, message: Type) -> Result<(), ConversationError> {
        let Type { from, to, typing } = message;
        let people = ordered(&from, &to);
        let known = self.pairs.borrow().get(&people).cloned();
        let conversation = match known {
            Some(conversation) => conversation,
            None => match self.store.pair(&people).await? {
                Some(id) => Conversation { id, people },
                None => return Ok(()),
            },
        };
        let (tag, side) = self.part(&conversation, &from)?;
        let data = serde_json::json!({ "userId": from.as_str(), "conversationId": conversation.id.as_str(), "typing": typing });
        self.store.tell_typing(&tag, side, &to, &format!("push\n{}", encode("typing", &data))).await?;
        Ok(())
    }

    async fn sweep(self: &Rc<Self>, _: Sweep) -> Result<(), ConversationError> {
        self.outbox.sweep(self).await?;
        self.files.sweep().await
    }

    /// The conversation of two people, made if there is none. Its id is claimed for the pair after it is written and
    /// before it is made to stay, so a crash leaves nothing that matters.
    async fn open(&self, user: &UserId, other: &UserId) -> Result<Conversation, ConversationError> {
        let people = ordered(user, other);
        let known = self.pairs.borrow().get(&people).cloned();
        if let Some(conversation) = known {
            return Ok(conversation);
        }
        let conversation = match self.store.pair(&people).await? {
            Some(id) => Conversation { id, people: people.clone() },
            None => {
                self.exists(other).await?;
                self.found(&people).await?
            }
        };
        if self.store.open(&conversation, true).await? == Opened::Taken {
            return Err(ConversationError::Busy);
        }
        self.pairs.borrow_mut().insert(people, conversation.clone());
        self.tags.borrow_mut().insert(conversation.tag(), conversation.clone());
        Ok(conversation)
    }

    async fn found(&self, people: &[UserId; 2]) -> Result<Conversation, ConversationError> {
        for _ in 0..TRIES {
            let id = ConversationId::generate_apart(Utc::now());
            let conversation = Conversation { id, people: people.clone() };
            if self.store.open(&conversation, false).await? == Opened::Ready {
                let id = self.store.claim_pair(people, &conversation.id).await?;
                return Ok(Conversation { id, ..conversation });
            }
        }
        Err(ConversationError::Busy)
    }

    /// Whether an account was open a moment ago.
    fn was_open(&self, user: &UserId) -> bool {
        self.opened.borrow().get(user).is_some_and(|at: &Instant| at.elapsed() < OPEN_FOR)
    }

    /// Remembers that an account is open; an error when it is not.
    fn open_at(&self, user: &UserId, people: &People) -> Result<(), ConversationError> {
        if !people.0.contains_key(user) {
            self.opened.borrow_mut().remove(user);
            return Err(ConversationError::UnknownUser);
        }
        self.opened.borrow_mut().insert(user.clone(), Instant::now());
        Ok(())
    }

    async fn exists(&self, user: &UserId) -> Result<(), ConversationError> {
        let people: People = self.asks.people.ask(FetchPeople { ids: vec![user.clone()] }).await?;
        if people.0.contains_key(user) { Ok(()) } else { Err(ConversationError::UnknownUser) }
    }

    /// A conversation that is not in the datastore: it was lost, and is to be made again.
    fn forget(&self, conversation: &Conversation) {
        self.pairs.borrow_mut().remove(&conversation.people);
        self.tags.borrow_mut().remove(&conversation.tag());
    }

    /// The conversation under `tag`, if `user` has a part in it.
    async fn conversation(&self, tag: &Tag, user: &UserId) -> Result<Conversation, ConversationError> {
        let conversation = self.any_conversation(tag).await?.ok_or(ConversationError::NotFound)?;
        match conversation.side_of(user) {
            Some(_) => Ok(conversation),
            None => Err(ConversationError::NotFound),
        }
    }

    pub(super) async fn any_conversation(&self, tag: &Tag) -> Result<Option<Conversation>, RedisFailure> {
        let known = self.tags.borrow().get(tag).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let found = self.store.known(tag).await?;
        if let Some(conversation) = &found {
            self.tags.borrow_mut().insert(tag.clone(), conversation.clone());
        }
        Ok(found)
    }

    /// Where a message would be that `user` has a part in.
    async fn place(&self, user: &UserId, id: &MessageId) -> Result<(Conversation, Place), ConversationError> {
        let (tag, place) =
            Tag::of(id.as_str()).zip(Place::of(id.as_str())).ok_or(ConversationError::NotFound)?;
        Ok((self.conversation(&tag, user).await?, place))
    }

    /// A message that `user` has a part in.
    async fn message(
        &self,
        user: &UserId,
        id: &MessageId,
    ) -> Result<(Conversation, Message), ConversationError> {
        let (conversation, place) = self.place(user, id).await?;
        let message = self.store.message(&conversation, place).await?.ok_or(ConversationError::NotFound)?;
        Ok((conversation, message))
    }

    pub(super) fn part(
        &self,
        conversation: &Conversation,
        user: &UserId,
    ) -> Result<(Tag, Side), ConversationError> {
        let side = conversation.side_of(user).ok_or(ConversationError::NotFound)?;
        Ok((conversation.tag(), side))
    }

    async fn people_of(&self, conversation: &Conversation) -> Result<People, ConversationError> {
        Ok(self.asks.people.ask(FetchPeople { ids: conversation.people.to_vec() }).await?)
    }

    fn before_retry(&self, tag: &Tag, retry: Retry) -> Result<(), ConversationError> {
        match retry {
            Retry::Lapsed => {
                self.outbox.drop_lease(tag.as_str());
                Ok(())
            }
            Retry::Busy => Err(ConversationError::Busy),
        }
    }

    async fn relay(self: &Rc<Self>, tag: &Tag, left: Left) {
        self.outbox.relay(self, tag.as_str(), left.pending, left.number).await;
    }

    /// The messages that `intents` are about: from memory where this worker made them, else as they are now.
    async fn shown(
        &self,
        source: &str,
        conversation: &Conversation,
        intents: &[(u64, Intent)],
    ) -> Result<Vec<(u64, Shown)>, ConversationError> {
        let mut people = None;
        let mut shown = Vec::new();
        for (number, intent) in intents {
            let Some(seq) = intent.shows() else { continue };
            let fresh = match intent {
                Intent::New { .. } => {
                    self.fresh.borrow_mut().remove(&(source.to_owned(), seq)).map(|(_, shown)| shown)
                }
                _ => None,
            };
            if let Some(fresh) = fresh {
                shown.push((*number, fresh));
                continue;
            }
            if people.is_none() {
                people = Some(self.people_of(conversation).await?);
            }
            if let (Some(message), Some(people)) = (self.store.message_at(conversation, seq).await?, &people)
            {
                let conversation = conversation.clone();
                shown.push((*number, Shown { conversation, message, people: people.clone() }));
            }
        }
        Ok(shown)
    }
}

impl Carrier for Keeper {
    type Error = ConversationError;

    fn intents(&self, source: &str) -> Key {
        self.store.intents_key(&Tag::of_source(source))
    }

    async fn carry(&self, source: &str, intents: &[outbox::Intent]) -> Result<(), ConversationError> {
        let tag = Tag::of_source(source);
        let Some(conversation) = self.any_conversation(&tag).await? else { return Ok(()) };
        let read = |intent: &outbox::Intent| Some((intent.id, Intent::parse(&intent.text)?));
        let intents: Vec<(u64, Intent)> = intents.iter().filter_map(read).collect();
        let shown = self.shown(source, &conversation, &intents).await?;
        let mut events = Vec::new();
        for (number, intent) in &intents {
            let message = shown.iter().find(|(of, _)| of == number).map(|(_, shown)| shown);
            events.extend(events_of(&conversation, *number, intent, message));
        }
        let is_new = |number: &u64| {
            intents.iter().any(|(of, intent)| of == number && matches!(intent, Intent::New { .. }))
        };
        let new: Vec<_> = shown.iter().filter(|(number, _)| is_new(number)).collect();
        let newest = new.iter().map(|(_, shown)| shown.message.created_ms).max();
        let indexed = newest.into_iter().flat_map(|last_ms| {
            let people = &conversation.people[..if conversation.is_with_oneself() { 1 } else { 2 }];
            people.iter().map(move |person| (person, last_ms))
        });
        let index = try_join_all(
            indexed.map(|(person, last_ms)| self.store.index(person, &conversation.id, last_ms)),
        );
        let source = format!("{KIND}:{source}");
        let deliver = self.asks.deliver.ask(Deliver { source: source.clone(), events });
        let index = async { Ok::<_, ConversationError>(index.await?) };
        let (_, reached) = try_join(index, async { Ok(deliver.await?) }).await?;
        // Whose devices have heard of it is told nothing more.
        let heard = |user: &UserId| reached.iter().any(|(to, reached)| to == user && reached.is_heard);
        let notices: Vec<(u64, Notice)> =
            new.iter().filter_map(|(number, shown)| Some((*number, notice(shown, heard)?))).collect();
        if !notices.is_empty() {
            self.asks.notify.ask(Notify { source, notices }).await?;
        }
        Ok(())
    }
}

/// What the receiver of a message is told who has not heard of it.
fn notice(shown: &Shown, heard: impl Fn(&UserId) -> bool) -> Option<Notice> {
    let Shown { conversation, message, people } = shown;
    let [from, to] = [message.side, message.side.other()].map(|side| conversation.person(side));
    let what = What::MessageReceived {
        conversation_id: conversation.id.to_string(),
        from: people.author(from).username,
    };
    (from != to && !heard(to)).then(|| Notice::to_user(to, what))
}

/// Who is to hear of an intent, and what.
fn events_of(conversation: &Conversation, number: u64, intent: &Intent, shown: Option<&Shown>) -> Vec<Event> {
    let both = |kind: EventKind, origin: Option<&Origin>| {
        let Some(shown) = shown else { return Vec::new() };
        let view = MessageView::shown(shown);
        let sender = shown.message.side;
        let event = Event::new(number, conversation.person(sender).clone(), kind, &view);
        if conversation.is_with_oneself() {
            return vec![event.caused_by(origin.cloned())];
        }
        let other = Event { to: conversation.person(sender.other()).clone(), ..event.clone() };
        vec![other, event.caused_by(origin.cloned())]
    };
    let tag = conversation.tag();
    let receipt = |side: Side, upto: Place, at_ms: i64, kind: EventKind| {
        let receipt = Receipt::new(conversation, &upto.id(&tag), at_ms);
        Event::new(number, conversation.person(side.other()).clone(), kind, &receipt)
    };
    match intent {
        Intent::New { origin, .. } => both(EventKind::MessageNew, origin.as_ref()),
        Intent::Edit { .. } => both(EventKind::MessageUpdated, None),
        Intent::Delete { .. } => both(EventKind::MessageDeleted, None),
        Intent::Received { side, upto, at_ms } => {
            vec![receipt(*side, *upto, *at_ms, EventKind::MessageDelivered)]
        }
        Intent::Read { side, upto, at_ms, unread, origin } => {
            let data =
                ConversationRead { conversation_id: conversation.id.to_string(), unread_count: *unread };
            let reader = conversation.person(*side).clone();
            let own =
                Event::new(number, reader, EventKind::ConversationRead, &data).caused_by(origin.clone());
            vec![receipt(*side, *upto, *at_ms, EventKind::MessageRead), own]
        }
    }
}

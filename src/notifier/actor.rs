//! The notifier: one per worker, all state in Redis.
//!
//! A notice becomes up to three things: an entry of its receiver's list, an event for the receiver's sockets, and letters
//! in the queues of what goes out. They lie in different slots, so each step may be repeated, and the intent that the
//! notice comes from is settled when all are done.

use std::collections::HashSet;
use std::rc::Rc;

use actix::{Actor, Context};
use aws_lc_rs::digest;
use futures_util::future::try_join_all;
use secrecy::SecretString;

use super::error::NotifierError;
use super::letter::{self, Letter, Way};
use super::messages::{
    Change, ChangeNotification, ForgetNotifications, ListNotifications, NotificationPage, Notify, SetMailing,
};
use super::model::{Mailing, Notice, Recipient, SEAL, What};
use super::record::{Channel, Notification, Record};
use super::store::{Entry, Mark, Noted, NotifierStore, Queued};
use crate::actor::Ask;
use crate::config::NotifierConfig;
use crate::presence::messages::FetchAttention;
use crate::realtime::messages::{Deliver, HasLog};
use crate::realtime::model::{Event, EventKind};
use crate::redis::Redis;
use crate::secrets::{Digester, Seal};
use crate::users::messages::{Contact, FetchContact};
use crate::users::model::{Email, UserId};

/// What is about the same is counted in one notification for so long. ms
const GROUPED_MS: i64 = 3_600_000;
/// Messages of a conversation are, at the least, for so long, even if one looks in now and then. ms
const SEEN_MS: i64 = 600_000;

/// Owns notifications.
#[derive(Debug)]
pub struct Notifier {
    desk: Rc<Desk>,
}

/// The ways to others.
#[derive(Debug)]
pub struct Asks {
    /// To the people's actor.
    pub contact: Ask<FetchContact>,
    /// To the presence keeper.
    pub attention: Ask<FetchAttention>,
    /// To the event log.
    pub deliver: Ask<Deliver>,
    /// To the same.
    pub has_log: Ask<HasLog>,
}

#[derive(Debug)]
struct Desk {
    store: NotifierStore,
    asks: Asks,
    seal: Seal,
    digester: Digester,
    unverified_per_day: u32,
}

/// Where a user is written to.
struct Address {
    email: String,
    /// Nobody has proven that it is the user's.
    is_limited: bool,
}

impl AsRef<str> for Address {
    fn as_ref(&self) -> &str {
        &self.email
    }
}

impl Notifier {
    /// A notifier on this worker's connection.
    pub fn new(redis: Redis, secret: &SecretString, asks: Asks, config: &NotifierConfig) -> Self {
        let desk = Desk {
            store: NotifierStore::new(redis, config),
            asks,
            seal: Seal::new(secret, SEAL),
            digester: Digester::new(secret, "notifier: addresses"),
            unverified_per_day: config.unverified_per_day,
        };
        Self { desk: Rc::new(desk) }
    }
}

impl Actor for Notifier {
    type Context = Context<Self>;
}

crate::delegate!(Notifier, desk {
    Notify => notify,
    ListNotifications => list,
    ChangeNotification => change,
    SetMailing => set_mailing,
    ForgetNotifications => forget,
});

impl Desk {
    async fn notify(&self, message: Notify) -> Result<(), NotifierError> {
        let Notify { source, notices } = message;
        let mut letters: Vec<(Way, u64, String)> = Vec::new();
        let mut per_user: Vec<(UserId, Vec<(u64, What)>)> = Vec::new();
        for (intent, Notice { to, what }) in notices {
            match to {
                Recipient::User(id) => match per_user.iter_mut().find(|(user, _)| *user == id) {
                    Some((_, told)) => told.push((intent, what)),
                    None => per_user.push((id, vec![(intent, what)])),
                },
                Recipient::Address(to) => {
                    let id = self.letter_id(&source, intent, &to);
                    letters.push((Way::Mail, intent, self.letter(id, to, what, None)));
                }
                Recipient::Phone(to) => {
                    let id = self.letter_id(&source, intent, &to);
                    letters.push((Way::Sms, intent, self.letter(id, to, what, None)));
                }
            }
        }
        for (user, told) in per_user {
            letters.extend(self.tell(&source, &user, told).await?);
        }
        letters.sort_by_key(|(_, intent, _)| *intent);
        for way in Way::ALL {
            let mine = letters.extract_if(.., |(of, ..)| *of == way);
            let mine: Vec<(u64, String)> = mine.map(|(_, intent, sealed)| (intent, sealed)).collect();
            if mine.is_empty() {
                continue;
            }
            match self.store.enqueue(way, &source, &mine).await? {
                Queued::All => {}
                Queued::But { dropped } => {
                    metrics::counter!("ayrene_outgoing_total", "way" => way.as_str(), "outcome" => "dropped")
                        .increment(dropped);
                }
                Queued::Full => return Err(NotifierError::Backlog),
            }
        }
        Ok(())
    }

    /// Lists what a user is to hear of and pushes it; returns the mails that it takes.
    async fn tell(
        &self,
        source: &str,
        user: &UserId,
        mut told: Vec<(u64, What)>,
    ) -> Result<Vec<(Way, u64, String)>, NotifierError> {
        let now_ms = chrono::Utc::now().timestamp_millis();
        let is_message = |(_, what): &(u64, What)| matches!(what, What::MessageReceived { .. });
        // Who has been here since the last word about a conversation has seen it; others are told once in a while.
        let mut since_ms = now_ms - GROUPED_MS;
        if told.iter().any(is_message) {
            let attention = self.asks.attention.ask(FetchAttention { user_id: user.clone() }).await?;
            since_ms = attention.last_seen_ms.min(now_ms - SEEN_MS);
            if attention.listens {
                told.retain(|told| !is_message(told));
            }
        }
        let pushed = told.iter().filter(|(_, what)| what.is_pushed());
        let entries: Vec<Entry> = pushed
            .map(|(intent, what)| entry(source, *intent, user, what, Channel::Push, since_ms))
            .collect();
        let noted = match entries.is_empty() {
            true => Vec::new(),
            false => self.store.note(user, source, &entries).await?,
        };
        let counted: HashSet<u64> = entries
            .iter()
            .zip(&noted)
            .filter(|(_, noted)| **noted == Noted::Counted)
            .map(|(entry, _)| entry.intent)
            .collect();
        told.retain(|(intent, _)| !counted.contains(intent));
        let listed = entries.into_iter().filter(|entry| !counted.contains(&entry.intent)).collect();
        self.push(source, user, listed, &told).await?;
        self.mails(source, user, told).await
    }

    /// Tells the user's devices. A user without a log has had no socket for long, and nobody would hear of it.
    async fn push(
        &self,
        source: &str,
        user: &UserId,
        listed: Vec<Entry>,
        told: &[(u64, What)],
    ) -> Result<(), NotifierError> {
        let has_event =
            |entry: &Entry| told.iter().any(|(intent, what)| *intent == entry.intent && what.has_event());
        if listed.is_empty() {
            return Ok(());
        }
        let at = chrono::Utc::now().timestamp_millis();
        let events: Vec<Event> = listed
            .iter()
            .filter(|entry| !has_event(entry))
            .map(|entry| {
                let record = Record { at, success: true, ..entry.record.clone() };
                let shown = Notification::new(entry.id.clone(), record);
                Event::new(entry.intent, user.clone(), EventKind::NotificationNew, &shown)
            })
            .collect();
        let reached = match events.is_empty() {
            true => self.asks.has_log.ask(HasLog { user: user.clone() }).await?,
            false => {
                let deliver = Deliver { source: format!("note:{source}"), events };
                self.asks.deliver.ask(deliver).await?.iter().any(|(_, reached)| reached.has_log)
            }
        };
        if reached {
            let marks = listed.iter().map(|entry| self.store.change(user, &entry.id, Mark::Sent));
            try_join_all(marks).await?;
        }
        Ok(())
    }

    /// Lists the mails that a user gets, and makes them.
    async fn mails(
        &self,
        source: &str,
        user: &UserId,
        told: Vec<(u64, What)>,
    ) -> Result<Vec<(Way, u64, String)>, NotifierError> {
        let mut letters = Vec::new();
        let mut entries = Vec::new();
        for (intent, what) in told {
            let Some(to) = self.address(user, &what).await? else { continue };
            let id = self.letter_id(source, intent, &to);
            if !self.may_go(user, &to, &id, &what).await? {
                continue;
            }
            let entry = entry(source, intent, user, &what, Channel::Email, 0);
            let way = if what.is_awaited() { Way::Mail } else { Way::Bulk };
            let listed = Some((user.clone(), entry.id.clone()));
            letters.push((way, intent, self.letter(id, to.email, what, listed)));
            entries.push(entry);
        }
        if !entries.is_empty() {
            self.store.note(user, &format!("mail:{source}"), &entries).await?;
        }
        Ok(letters)
    }

    /// Where the mail about `what` goes, if there is to be one.
    async fn address(&self, user: &UserId, what: &What) -> Result<Option<Address>, NotifierError> {
        if let Some(email) = what.own_address() {
            return Ok(Some(Address { email: email.to_owned(), is_limited: false }));
        }
        if let Some(wanted) = what.is_optional()
            && !wanted(&self.store.mailing(user).await?)
        {
            return Ok(None);
        }
        let contact = self.asks.contact.ask(FetchContact { id: user.clone() }).await?;
        let address = contact.and_then(|Contact { email, verified, .. }| {
            Some(Address { email: email?, is_limited: !verified })
        });
        Ok(address)
    }

    /// An address that nobody has proven gets a few mails a day; what concerns an account's safety is counted by itself.
    async fn may_go(
        &self,
        user: &UserId,
        to: &Address,
        letter: &str,
        what: &What,
    ) -> Result<bool, NotifierError> {
        if !to.is_limited {
            return Ok(true);
        }
        let kind = if what.is_awaited() { "awaited" } else { "bulk" };
        let mailbox = Email::parse(&to.email).map_or_else(|_| to.email.clone(), |email| email.mailbox());
        let digest = self.digester.of(&["mailed", kind, &mailbox]);
        let goes = self.store.allow(&digest, letter, self.unverified_per_day).await?;
        if !goes {
            tracing::info!(%user, kind = what.kind(), "no mail: enough for an address that nobody has proven");
        }
        Ok(goes)
    }

    /// The same in every copy of a letter.
    fn letter_id(&self, source: &str, intent: u64, to: &impl AsRef<str>) -> String {
        self.digester.of(&["letter", source, &intent.to_string(), to.as_ref()])[..22].to_owned()
    }

    /// Sealed, as it waits.
    fn letter(&self, id: String, to: String, what: What, listed: Option<(UserId, String)>) -> String {
        let until_ms = what.life_ms().map(|life_ms| chrono::Utc::now().timestamp_millis() + life_ms);
        self.seal.close(&Letter { id, to, what, listed, until_ms })
    }

    async fn list(&self, message: ListNotifications) -> Result<NotificationPage, NotifierError> {
        let ListNotifications { user, page, limit } = message;
        let mut all = self.store.all(&user).await?;
        all.sort_by(|(id, record), (other_id, other)| (other.at, other_id).cmp(&(record.at, id)));
        let total = all.len() as u64;
        let unread = all.iter().filter(|(_, record)| !record.read).count() as u64;
        let skip = (page as usize - 1).saturating_mul(limit as usize);
        let shown = all.into_iter().skip(skip).take(limit as usize);
        let notifications = shown.map(|(id, record)| Notification::new(id, record)).collect();
        Ok(NotificationPage { notifications, total, unread })
    }

    async fn change(&self, message: ChangeNotification) -> Result<(), NotifierError> {
        let ChangeNotification { user, id, change } = message;
        let found = match change {
            Change::Read => self.store.change(&user, &id, Mark::Read).await?,
            Change::Delete => self.store.remove(&user, &id).await?,
        };
        if found { Ok(()) } else { Err(NotifierError::NotFound) }
    }

    async fn forget(&self, message: ForgetNotifications) -> Result<(), NotifierError> {
        Ok(self.store.forget(&message.user).await?)
    }

    async fn set_mailing(&self, message: SetMailing) -> Result<Mailing, NotifierError> {
        let SetMailing { user, messages, likes, comments } = message;
        let wishes = [("messages", messages), ("likes", likes), ("comments", comments)];
        let changes: Vec<_> = wishes.into_iter().filter_map(|(field, on)| Some((field, on?))).collect();
        if !changes.is_empty() {
            self.store.set_mailing(&user, &changes).await?;
        }
        Ok(self.store.mailing(&user).await?)
    }
}

fn entry(source: &str, intent: u64, user: &UserId, what: &What, channel: Channel, since_ms: i64) -> Entry {
    let topic = what.topic().filter(|_| channel == Channel::Push);
    let record = Record::new(channel, what.kind(), topic, letter::summary(what));
    Entry { intent, since_ms, id: notification_id(source, intent, user, channel), record }
}

/// The same whenever it is made again.
fn notification_id(source: &str, intent: u64, user: &UserId, channel: Channel) -> String {
    let name = format!("{source}\n{intent}\n{user}\n{channel:?}");
    let digest = digest::digest(&digest::SHA256, name.as_bytes());
    data_encoding::HEXLOWER.encode(&digest.as_ref()[..12])
}

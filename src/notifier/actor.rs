//! The notifier: one per worker, all state in Redis.
//!
//! A notice becomes up to three things: an entry of its receiver's list, an event for the receiver's sockets, and letters
//! in the queues of what goes out. They lie in different slots, so each step may be repeated, and the intent that the
//! notice comes from is settled when all are done.

use std::collections::HashMap;
use std::rc::Rc;

use actix::{Actor, Context};
use aws_lc_rs::digest;
use secrecy::SecretString;

use super::error::NotifierError;
use super::letter::{self, Letter, Way};
use super::messages::{
    Change, ChangeNotification, ForgetNotifications, ListNotifications, NotificationPage, Notify, SetMailing,
};
use super::model::{Mailing, Notice, Recipient, SEAL, What};
use super::record::{Channel, Notification, Record};
use super::store::{Entry, Mark, Noted, NotifierStore};
use crate::actor::Ask;
use crate::config::NotifierConfig;
use crate::presence::messages::FetchPresence;
use crate::presence::model::OnlineStatus;
use crate::realtime::messages::{Deliver, HasLog};
use crate::realtime::model::{Event, EventKind};
use crate::redis::Redis;
use crate::secrets::{Digester, Seal};
use crate::users::messages::{Contact, FetchContact};
use crate::users::model::UserId;

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
    pub presence: Ask<FetchPresence>,
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

/// Letters of one way, by intent.
type Letters = Vec<(u64, String)>;

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
        let (mut mails, mut texts): (Letters, Letters) = (Vec::new(), Vec::new());
        let mut per_user: Vec<(UserId, Vec<(u64, What)>)> = Vec::new();
        for (intent, Notice { to, what }) in notices {
            match to {
                Recipient::User(id) => match per_user.iter_mut().find(|(user, _)| *user == id) {
                    Some((_, told)) => told.push((intent, what)),
                    None => per_user.push((id, vec![(intent, what)])),
                },
                Recipient::Address(to) => {
                    mails.push((intent, self.letter(&source, intent, &to, what, None)));
                }
                Recipient::Phone(to) => {
                    texts.push((intent, self.letter(&source, intent, &to, what, None)));
                }
            }
        }
        for (user, told) in per_user {
            mails.extend(self.tell(&source, &user, told).await?);
        }
        mails.sort_by_key(|(intent, _)| *intent);
        for (way, letters) in [(Way::Mail, mails), (Way::Sms, texts)] {
            if !letters.is_empty() && !self.store.enqueue(way, &source, &letters).await? {
                return Err(NotifierError::Backlog);
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
    ) -> Result<Letters, NotifierError> {
        let is_message = |(_, what): &(u64, What)| matches!(what, What::MessageReceived { .. });
        if told.iter().any(is_message) && self.is_here(user).await? {
            told.retain(|told| !is_message(told));
        }
        let (mut entries, mut addresses) = (Vec::new(), Vec::new());
        // What is optional has the same answer for all of its kind.
        let mut known: HashMap<&str, Option<String>> = HashMap::new();
        for (intent, what) in &told {
            let address = match known.get(what.kind()).filter(|_| what.is_optional().is_some()) {
                Some(address) => address.clone(),
                None => self.address(user, what).await?,
            };
            known.insert(what.kind(), address.clone());
            let entry = entry(source, *intent, user, what, address.is_some());
            addresses.push(address);
            entries.push(entry);
        }
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let noted = self.store.note(user, source, &entries).await?;
        let mut letters = Letters::new();
        for (((intent, what), address), (entry, noted)) in
            told.into_iter().zip(addresses).zip(entries.into_iter().zip(noted))
        {
            if noted == Noted::Counted {
                continue;
            }
            if let Some((id, record)) = entry.push
                && self.push(source, intent, user, &what, (&id, record)).await?
            {
                self.store.change(user, &id, Mark::Sent).await?;
            }
            if let Some((to, (id, _))) = address.zip(entry.mail) {
                let listed = Some((user.clone(), id));
                letters.push((intent, self.letter(source, intent, &to, what, listed)));
            }
        }
        Ok(letters)
    }

    /// False when nobody would hear of it: a user without a log has had no socket for long.
    async fn push(
        &self,
        source: &str,
        intent: u64,
        user: &UserId,
        what: &What,
        (id, record): (&str, Record),
    ) -> Result<bool, NotifierError> {
        if what.has_event() {
            return Ok(self.asks.has_log.ask(HasLog { user: user.clone() }).await?);
        }
        let at = chrono::Utc::now().timestamp_millis();
        let shown = Notification::new(id.to_owned(), Record { at, success: true, ..record });
        let event = Event::new(intent, user.clone(), EventKind::NotificationNew, &shown);
        let deliver = Deliver { source: format!("note:{source}"), events: vec![event] };
        Ok(self.asks.deliver.ask(deliver).await? > 0)
    }

    async fn is_here(&self, user: &UserId) -> Result<bool, NotifierError> {
        let presence = self.asks.presence.ask(FetchPresence { ids: vec![user.clone()] }).await?;
        Ok(presence.get(user).is_some_and(|presence| presence.status != OnlineStatus::Offline))
    }

    /// Where the mail about `what` goes, if there is to be one.
    async fn address(&self, user: &UserId, what: &What) -> Result<Option<String>, NotifierError> {
        if let Some(email) = what.own_address() {
            return Ok(Some(email.to_owned()));
        }
        if let Some(wanted) = what.is_optional() {
            let mailing = self.store.mailing(user).await?;
            if !wanted(&mailing) {
                return Ok(None);
            }
        }
        let contact = self.asks.contact.ask(FetchContact { id: user.clone() }).await?;
        let Some(Contact { email: Some(email), verified, .. }) = contact else { return Ok(None) };
        if !verified
            && self.store.count_mail(&self.digester.of(&[&email.to_lowercase()])).await?
                > self.unverified_per_day
        {
            tracing::info!(%user, kind = what.kind(), "no mail: enough for an address that nobody has proven");
            return Ok(None);
        }
        Ok(Some(email))
    }

    /// Sealed, as it waits.
    fn letter(
        &self,
        source: &str,
        intent: u64,
        to: &str,
        what: What,
        listed: Option<(UserId, String)>,
    ) -> String {
        let id = self.digester.of(&["letter", source, &intent.to_string(), to])[..22].to_owned();
        self.seal.close(&Letter { id, to: to.to_owned(), what, listed })
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

fn entry(source: &str, intent: u64, user: &UserId, what: &What, mailed: bool) -> Entry {
    let topic = what.topic();
    let listed = |channel: Channel| {
        let topic = topic.as_deref().filter(|_| channel == Channel::Push);
        let record = Record::new(channel, what.kind(), topic, letter::summary(what));
        (notification_id(source, intent, user, channel), record)
    };
    let push = what.is_pushed().then(|| listed(Channel::Push));
    let mail = mailed.then(|| listed(Channel::Email));
    Entry { intent, topic, push, mail }
}

/// The same whenever it is made again.
fn notification_id(source: &str, intent: u64, user: &UserId, channel: Channel) -> String {
    let name = format!("{source}\n{intent}\n{user}\n{channel:?}");
    let digest = digest::digest(&digest::SHA256, name.as_bytes());
    data_encoding::HEXLOWER.encode(&digest.as_ref()[..12])
}

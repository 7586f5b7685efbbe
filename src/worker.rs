//! What runs on a thread: its connections to the datastore and its actors.
//!
//! Owns who asks whom: a domain's actor gets the ways to others narrowed to the messages it needs. Invariant: the asks
//! have no cycle, so no two actors wait for each other.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, Arbiter, Message};
use actix_web::rt::task::JoinHandle;
use actix_web::web;
use secrecy::SecretString;

use crate::actor::{Ask, AskError, Gate, Mailbox};
use crate::auth::hasher::PasswordHasher;
use crate::auth::jwks::GoogleKeys;
use crate::auth::messages::ChangeUsername;
use crate::auth::{Asks, Estate, SessionManager};
use crate::config::Config;
use crate::conversation::Conversations;
use crate::conversation::messages::SendFile;
use crate::media::Painter;
use crate::notifier::messages::Notify;
use crate::notifier::sender::{Senders, Ways as WaysOut};
use crate::notifier::{self, Notifier};
use crate::posts::PostKeeper;
use crate::presence::PresenceKeeper;
use crate::presence::messages::SetStatus;
use crate::realtime::ways::Ways;
use crate::realtime::{EventLog, Hub};
use crate::redis::Redis;
use crate::redis::connection::RedisTarget;
use crate::shortener::actor::OwnPlaces;
use crate::shortener::ledger::bookkeeper::{Bookkeeper, CLOSING, Close};
use crate::shortener::safety::Safety;
use crate::shortener::safety::messages::SweepUndecided;
use crate::shortener::{Clerk, Ledger, Memory, Shortener};
use crate::storage::Storage;
use crate::users::PeopleKeeper;
use crate::users::messages::{FetchParticipants, FetchPeople, FetchUser};
use crate::{auth, conversation, posts, presence, shortener};

/// What every thread's actors are made from.
#[derive(Debug)]
pub struct Blueprint {
    /// The settings.
    pub config: Config,
    /// Where the datastore is.
    pub redis: RedisTarget,
    /// What tokens are signed with.
    pub secret: SecretString,
    /// The pool that hashes passwords.
    pub hasher: Mailbox<PasswordHasher>,
    /// Who has the keys that Google signs with.
    pub google: Mailbox<GoogleKeys>,
    /// The node's ear.
    pub hub: Addr<Hub>,
    /// The pool that scales pictures.
    pub painter: Mailbox<Painter>,
    /// Where uploads are kept.
    pub storage: Storage,
    /// What links must not lead to.
    pub places: OwnPlaces,
    /// Links that are followed without asking the datastore.
    pub memory: Arc<Memory>,
    /// Their clicks.
    pub ledger: Arc<Ledger>,
}

impl Blueprint {
    fn connect(&self) -> Redis {
        match self.redis.connect() {
            Ok(redis) => redis,
            Err(error) => unreachable!("a lazy connection does not fail: {error}"),
        }
    }

    /// Who follows links that are remembered, on the current thread.
    pub fn clerk(&self) -> Clerk {
        let Self { memory, ledger, places, config, .. } = self;
        let lists = places.safety.lists.clone();
        Clerk::new(memory.clone(), ledger.clone(), lists, config.shortener.full_ips)
    }

    fn gate(&self) -> Gate {
        let actors = &self.config.actors;
        Gate::new(actors.max_in_flight, Duration::from_millis(actors.timeout_ms))
    }

    /// For messages with a file: the store may take longer than any datastore.
    fn file_gate(&self) -> Gate {
        let timeout = Duration::from_millis(self.config.actors.timeout_ms) + self.storage.longest_commit();
        Gate::new(self.config.uploads.max_concurrent, timeout)
    }
}

/// What several domains' actors stand on, on one thread.
struct Base {
    redis: Redis,
    /// For large answers, which must not stand in front of small ones.
    bulk: Redis,
    events: Mailbox<EventLog>,
    people: Mailbox<PeopleKeeper>,
    presence: Mailbox<PresenceKeeper>,
    /// Tells people.
    notifier: Mailbox<Notifier>,
    /// Follows links that are remembered.
    clerk: Rc<Clerk>,
}

impl Base {
    fn start(blueprint: &Blueprint) -> Self {
        let (redis, bulk) = (blueprint.connect(), blueprint.connect());
        let config = &blueprint.config;
        let presence = PresenceKeeper::new(redis.clone(), &config.presence, &config.realtime);
        let presence = Mailbox::new(presence.start(), blueprint.gate());
        let storage = blueprint.storage.clone();
        let people = PeopleKeeper::new(redis.clone(), storage, presence.narrow(), &config.directory);
        let people = Mailbox::new(people.start(), blueprint.gate());
        let events = EventLog::new(redis.clone(), &blueprint.config.realtime);
        let events = Mailbox::new(events.start(), blueprint.gate());
        let asks = notifier::Asks {
            contact: people.narrow(),
            attention: presence.narrow(),
            deliver: events.narrow(),
            has_log: events.narrow(),
        };
        let notifier = Notifier::new(redis.clone(), &blueprint.secret, asks, &config.notifier);
        Self {
            events,
            people,
            clerk: Rc::new(blueprint.clerk()),
            notifier: Mailbox::new(notifier.start(), blueprint.gate()),
            presence,
            redis,
            bulk,
        }
    }

    fn sessions(&self, blueprint: &Blueprint, owned: &Owned) -> SessionManager {
        let Blueprint { config, secret, hasher, google, .. } = blueprint;
        let asks = Asks {
            hash: hasher.narrow(),
            verify: hasher.narrow(),
            welcome: self.people.narrow(),
            note_verified: self.people.narrow(),
            names: self.people.narrow(),
            begin_rename: self.people.narrow(),
            finish_rename: self.people.narrow(),
            signed_in: self.presence.narrow(),
            signed_out: self.presence.narrow(),
            touch: self.presence.narrow(),
            notify: self.notifier.narrow(),
            google_key: google.narrow(),
            estate: Estate {
                align_profile: self.people.narrow(),
                purge_profile: self.people.narrow(),
                align_links: owned.links.narrow(),
                purge_links: owned.links.narrow(),
                align_posts: owned.posts.narrow(),
                purge_posts: owned.posts.narrow(),
                purge_conversations: owned.conversations.narrow(),
                forget_log: self.events.narrow(),
                forget_presence: self.presence.narrow(),
                forget_notifications: self.notifier.narrow(),
            },
        };
        SessionManager::new(self.redis.clone(), secret, asks, &config.auth, &config.google)
    }

    fn conversations(&self, blueprint: &Blueprint) -> Conversations {
        Conversations::new(
            self.redis.clone(),
            self.bulk.clone(),
            blueprint.storage.clone(),
            conversation::Asks {
                people: self.people.narrow(),
                names: self.people.narrow(),
                deliver: self.events.narrow(),
                notify: self.notifier.narrow(),
            },
            &blueprint.config.conversation,
        )
    }

    fn links(&self, blueprint: &Blueprint) -> Shortener {
        let Blueprint { config, secret, hasher, places, .. } = blueprint;
        let asks = shortener::Asks {
            hash: hasher.narrow(),
            verify: hasher.narrow(),
            notify: self.notifier.narrow(),
        };
        let ways = shortener::actor::Ways {
            redis: self.redis.clone(),
            bulk: self.bulk.clone(),
            clerk: self.clerk.clone(),
        };
        Shortener::new(ways, places.clone(), secret, asks, &config.shortener)
    }

    fn posts(&self, blueprint: &Blueprint) -> PostKeeper {
        PostKeeper::new(
            self.redis.clone(),
            self.bulk.clone(),
            posts::Asks {
                people: self.people.narrow(),
                deliver: self.events.narrow(),
                notify: self.notifier.narrow(),
            },
            &blueprint.config.posts,
        )
    }
}

/// Who keeps what accounts own, on one thread.
struct Owned {
    links: Mailbox<Shortener>,
    conversations: Mailbox<Conversations>,
    posts: Mailbox<PostKeeper>,
}

impl Owned {
    fn start(blueprint: &Blueprint, base: &Base) -> Self {
        Self {
            links: Mailbox::new(base.links(blueprint).start(), blueprint.gate()),
            conversations: Mailbox::new(base.conversations(blueprint).start(), blueprint.gate()),
            posts: Mailbox::new(base.posts(blueprint).start(), blueprint.gate()),
        }
    }
}

/// An HTTP worker's own.
#[derive(Debug)]
pub struct Worker {
    redis: Redis,
    presence: Mailbox<PresenceKeeper>,
    people: Mailbox<PeopleKeeper>,
    sessions: Mailbox<SessionManager>,
    conversations: Mailbox<Conversations>,
    files: Ask<SendFile>,
    posts: Mailbox<PostKeeper>,
    links: Mailbox<Shortener>,
    notifier: Mailbox<Notifier>,
    ways: Ways,
}

impl Worker {
    /// Starts the actors on the current thread.
    pub fn start(blueprint: &Blueprint) -> Self {
        let base = Base::start(blueprint);
        let owned = Owned::start(blueprint, &base);
        let sessions = Mailbox::new(base.sessions(blueprint, &owned).start(), blueprint.gate());
        let Owned { links, conversations, posts } = owned;
        let files = conversations.behind(blueprint.file_gate()).narrow();
        let ways = ways(blueprint, &base, &sessions, &conversations);
        Self {
            sessions,
            links,
            conversations,
            files,
            posts,
            ways,
            notifier: base.notifier,
            people: base.people,
            presence: base.presence,
            redis: base.redis,
        }
    }

    /// Hands the handlers their ways to the actors.
    pub fn register(self, services: &mut web::ServiceConfig) {
        services
            .app_data(web::Data::new(self.redis))
            .app_data(web::Data::new(self.presence.narrow::<SetStatus>()))
            .app_data(web::Data::new(self.people.narrow::<FetchPeople>()))
            .app_data(web::Data::new(self.people.narrow::<FetchParticipants>()))
            .app_data(web::Data::new(self.ways))
            .app_data(web::Data::new(self.people.narrow::<FetchUser>()))
            .app_data(web::Data::new(self.people))
            .app_data(web::Data::new(self.sessions.narrow::<ChangeUsername>()))
            .app_data(web::Data::new(self.sessions))
            .app_data(web::Data::new(self.conversations))
            .app_data(web::Data::new(self.files))
            .app_data(web::Data::new(self.posts))
            .app_data(web::Data::new(self.notifier))
            .app_data(web::Data::new(self.links));
    }
}

/// A socket's ways to the actors of its thread.
fn ways(
    blueprint: &Blueprint,
    base: &Base,
    sessions: &Mailbox<SessionManager>,
    conversations: &Mailbox<Conversations>,
) -> Ways {
    Ways {
        hub: blueprint.hub.clone(),
        open_log: base.events.narrow(),
        authenticate: sessions.narrow(),
        check_session: sessions.narrow(),
        send: conversations.narrow(),
        read: conversations.narrow(),
        edit: conversations.narrow(),
        delete: conversations.narrow(),
        acknowledge: conversations.narrow(),
        typing: conversations.narrow(),
        opened: base.presence.narrow(),
        beat: base.presence.narrow(),
        closed: base.presence.narrow(),
        set_status: base.presence.narrow(),
        presence: base.presence.narrow(),
    }
}

/// How often a node looks after what others left undone.
const SWEEP_EVERY: Duration = Duration::from_secs(2);

/// What a node does unasked, on the main thread, until this is dropped.
#[derive(Debug)]
pub struct Background {
    tasks: Vec<JoinHandle<()>>,
    senders: Option<Senders>,
    bookkeeper: Mailbox<Bookkeeper>,
}

impl Background {
    /// Starts the actors on the current thread, and to send what waits over `ways_out`.
    pub fn start(blueprint: &Blueprint, ways_out: WaysOut) -> Self {
        let config = &blueprint.config;
        let base = Base::start(blueprint);
        let senders = ways_out.start(&blueprint.redis, &base.redis, &blueprint.secret, &config.notifier);
        let bookkeeper = start_bookkeeper(blueprint, base.notifier.narrow());
        let owned = Owned::start(blueprint, &base);
        let sessions = Mailbox::new(base.sessions(blueprint, &owned).start(), blueprint.gate());
        let Owned { links, conversations, posts } = owned;
        let ear = shortener::listen(blueprint.memory.clone(), blueprint.redis.clone(), base.redis.clone());
        let beat = Duration::from_millis(config.realtime.sweep_interval_ms());
        let sweeps = [
            repeat("presence is not swept", base.presence.narrow(), || presence::messages::Sweep, beat),
            repeat(
                "conversations are not swept",
                conversations.narrow(),
                || conversation::messages::Sweep,
                SWEEP_EVERY,
            ),
            repeat("posts are not swept", posts.narrow(), || posts::messages::Sweep, SWEEP_EVERY),
            repeat("links are not swept", links.narrow(), || shortener::messages::Sweep, SWEEP_EVERY),
            repeat("accounts are not swept", sessions.narrow(), || auth::messages::Sweep, SWEEP_EVERY),
            repeat(
                "closed accounts are not swept",
                sessions.narrow(),
                || auth::messages::SweepClosed,
                SWEEP_EVERY,
            ),
        ];
        let tasks = sweeps.into_iter().chain(tend(&blueprint.places.safety)).chain([ear]).collect();
        Self { tasks, senders: Some(senders), bookkeeper }
    }
}

/// On a thread of its own: adding up many clicks must not keep others waiting.
fn start_bookkeeper(blueprint: &Blueprint, notify: Ask<Notify>) -> Mailbox<Bookkeeper> {
    let (target, secret) = (blueprint.redis.clone(), blueprint.secret.clone());
    let (ledger, memory) = (blueprint.ledger.clone(), blueprint.memory.clone());
    let config = blueprint.config.shortener.clone();
    let start = move |_: &mut actix::Context<Bookkeeper>| match target.connect() {
        Ok(redis) => Bookkeeper::new(ledger, memory, redis, &secret, notify, &config),
        Err(error) => unreachable!("a lazy connection does not fail: {error}"),
    };
    let address = Bookkeeper::start_in_arbiter(&Arbiter::new().handle(), start);
    Mailbox::new(address, Gate::new(1, CLOSING + Duration::from_secs(2)))
}

/// What follows the lists of hosts, and what looks after links that were left undecided.
fn tend(safety: &Safety) -> impl Iterator<Item = JoinHandle<()>> {
    let classifier = safety.classifier.clone();
    let sweep =
        classifier.map(|ways| repeat("links are not classified", ways.sweep, || SweepUndecided, SWEEP_EVERY));
    std::iter::once(safety.lists.follow()).chain(sweep)
}

impl Background {
    /// Begins nothing more, lets letters that are being handed over finish, and counts the clicks that were answered.
    pub async fn stop(mut self) {
        if let Some(senders) = self.senders.take() {
            senders.stop().await;
        }
        if let Err(error) = self.bookkeeper.ask(Close).await {
            tracing::warn!(%error, "clicks are left in the journal for the next start");
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Asks again and again; says so when it stops to work, not every time that it does not.
fn repeat<M, E>(
    failure: &'static str,
    ask: Ask<M>,
    message: impl Fn() -> M + 'static,
    every: Duration,
) -> JoinHandle<()>
where
    M: Message<Result = Result<(), E>> + Send + 'static,
    E: From<AskError> + std::error::Error + Send + 'static,
{
    actix::spawn(async move {
        let mut worked = true;
        loop {
            actix::clock::sleep(every).await;
            let outcome = ask.ask(message()).await;
            if let (Err(error), true) = (&outcome, worked) {
                tracing::warn!(%error, failure);
            }
            worked = outcome.is_ok();
        }
    })
}

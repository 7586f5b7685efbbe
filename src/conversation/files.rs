//! Files of messages in the store.
//!
//! A file and the message that refers to it live in different places, which no step can change together. So a file is in
//! doubt before it exists, and again from the moment in which its message is deleted; both in the conversation's slot,
//! where the scripts that append and delete messages end and begin the doubt.
//!
//! Invariants: a file that no message refers to is in doubt, and a file in doubt is in the register; a message refers to a
//! file only if it was reserved for it, and what is condemned never is again. So it is known of each file in doubt whether
//! it can go, whatever was killed when, and whether or not somebody learnt how a send ended.

use std::time::{Duration, Instant};

use super::error::ConversationError;
use super::model::Tag;
use super::store::ConversationStore;
use crate::outbox::{Due, Register};
use crate::redis::{Redis, RedisFailure};
use crate::storage::{ObjectName, Storage};

/// The kind of our sources in the register.
const KIND: &str = "file";
/// Where files lie in the store.
const FOLDER: &str = "files";
/// Who brought a file into doubt has this long to see to it, which is longer than a commit and a send may take.
const DOUBT_MS: u64 = 600_000;
/// Files that a sweep looks at, and how long it goes on to the next one: a store may be slow.
const SWEEP_COUNT: usize = 64;
const SWEEP_TIME: Duration = Duration::from_secs(2);

/// A name that nobody can guess for a file's object.
pub(super) fn fresh_name() -> ObjectName {
    ObjectName::unguessable(FOLDER, "")
}

/// The name of the object that an attachment calls `object`.
pub(super) fn name_of(object: &str) -> Option<ObjectName> {
    ObjectName::parse(&format!("{FOLDER}/{object}"))
}

/// A file that perhaps nothing refers to.
#[derive(Debug, Clone)]
pub(super) struct Doubt {
    tag: Tag,
    object: String,
    since_ms: u64,
}

impl Doubt {
    /// Its name in the register.
    fn source(&self) -> String {
        format!("{}/{}", self.tag, self.object)
    }

    fn of(due: Due) -> Self {
        let (tag, object) = due.source.split_once('/').unwrap_or_default();
        Self { tag: Tag::of_source(tag), object: object.to_owned(), since_ms: due.registered_ms }
    }
}

/// A worker's way to the files.
#[derive(Debug, Clone)]
pub(super) struct Files {
    register: Register,
    store: ConversationStore,
    storage: Storage,
}

impl Files {
    pub(super) fn new(redis: Redis, store: ConversationStore, storage: Storage) -> Self {
        Self { register: Register::new(redis, KIND), store, storage }
    }

    /// Registers a file that is about to come into doubt.
    pub(super) async fn doubt(&self, tag: &Tag, object: &str) -> Result<Doubt, RedisFailure> {
        let mut doubt = Doubt { tag: tag.clone(), object: object.to_owned(), since_ms: 0 };
        doubt.since_ms = self.register.enter(&doubt.source()).await?;
        Ok(doubt)
    }

    /// Lets one message refer to a file that does not exist yet.
    pub(super) async fn reserve(&self, tag: &Tag, object: &str) -> Result<Doubt, ConversationError> {
        let doubt = self.doubt(tag, object).await?;
        match self.store.reserve(tag, object, doubt.since_ms).await? {
            true => Ok(doubt),
            false => Err(ConversationError::Busy),
        }
    }

    /// Removes the file unless a message refers to it, and ends the doubt.
    pub(super) async fn resolve(&self, doubt: &Doubt) -> Result<(), ConversationError> {
        let Doubt { tag, object, .. } = doubt;
        if self.store.condemn(tag, object).await? {
            if let Some(name) = name_of(object) {
                self.storage.delete(&name).await?;
            }
            self.store.forget_file(tag, object).await?;
        }
        Ok(self.register.leave(&doubt.source(), doubt.since_ms).await?)
    }

    /// The same for who has nobody to tell of a failure: a sweep repeats it.
    pub(super) async fn try_resolve(&self, doubt: &Doubt) {
        if let Err(error) = self.resolve(doubt).await {
            tracing::warn!(%error, object = doubt.object, "a file is left for a sweep");
        }
    }

    /// Resolves what others, or we, have left in doubt.
    pub(super) async fn sweep(&self) -> Result<(), ConversationError> {
        let started = Instant::now();
        for due in self.register.due(DOUBT_MS, SWEEP_COUNT).await? {
            if started.elapsed() > SWEEP_TIME {
                break;
            }
            let doubt = Doubt::of(due);
            tracing::info!(object = doubt.object, "resolving what was left in doubt");
            if let Err(error) = self.resolve(&doubt).await {
                // Behind the others, so that one that cannot be removed does not stand in their way.
                self.register.enter(&doubt.source()).await?;
                return Err(error);
            }
        }
        Ok(())
    }
}

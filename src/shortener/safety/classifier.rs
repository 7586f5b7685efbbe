//! The classifier: one per node, reads pages behind the requests' backs.
//!
//! Invariant: a link whose page is to be read is in the register from before it led there until it was read; so what did
//! not fit into the queue, or was lost with a node, is found there by any node. Until then the link counts as safe.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context};
use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::Lists;
use super::fetch::{Fetcher, Impression, Reach};
use super::messages::{Classify, SweepUndecided};
use crate::actor::{Ask, AskError, Gate, Mailbox};
use crate::config::Config;
use crate::outbox::Register;
use crate::redis::Redis;
use crate::shortener::error::ShortenerError;
use crate::shortener::model::ShortCode;
use crate::shortener::store::LinkStore;

/// The kind of our sources in the register.
pub(super) const KIND: &str = "classify";
/// How long a link waits for its turn, ...
const PATIENCE: Duration = Duration::from_secs(240);
/// ... after which it, or one that no queue had room for, is left to a sweep. Longer than a turn and a read page take.
const LEFT_MS: u64 = 300_000;
const SWEEP_COUNT: usize = 32;

/// Classifies links by their pages.
#[derive(Debug)]
pub struct Classifier {
    desk: Rc<Desk>,
}

#[derive(Debug)]
struct Desk {
    store: LinkStore,
    register: Register,
    lists: Arc<Lists>,
    fetcher: Fetcher,
    turns: Semaphore,
}

/// Why no pages can be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read pages: {0}")]
pub struct ClientError(reqwest::Error);

/// The ways to a node's classifier.
#[derive(Debug, Clone)]
pub struct ClassifierWays {
    /// The queue.
    pub classify: Ask<Classify>,
    /// After what was left.
    pub sweep: Ask<SweepUndecided>,
}

impl Classifier {
    /// Starts a classifier on the current thread.
    pub fn start_here(
        redis: Redis,
        lists: Arc<Lists>,
        config: &Config,
    ) -> Result<ClassifierWays, ClientError> {
        let desk = Desk {
            store: LinkStore::new(redis.clone(), redis.clone(), &config.shortener),
            register: Register::new(redis, KIND),
            lists,
            fetcher: Fetcher::new(Reach::PUBLIC).map_err(ClientError)?,
            turns: Semaphore::new(config.safety.parallel),
        };
        let address = Self { desk: Rc::new(desk) }.start();
        let queue = Gate::new(config.safety.queue, Duration::from_millis(LEFT_MS));
        Ok(ClassifierWays {
            classify: Mailbox::new(address.clone(), queue).narrow(),
            sweep: Mailbox::new(address, Gate::new(1, Duration::from_millis(LEFT_MS))).narrow(),
        })
    }
}

impl Actor for Classifier {
    type Context = Context<Self>;
}

crate::delegate!(Classifier, desk {
    Classify => classify,
    SweepUndecided => sweep,
});

impl Desk {
    async fn classify(&self, message: Classify) -> Result<(), ShortenerError> {
        let Classify { code, registered_ms } = message;
        let turn = actix::clock::timeout(PATIENCE, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| AskError::TimedOut)?;
        if let Some(url) = self.store.undecided(&code).await? {
            let lists = self.lists.current();
            let is_known = |url: &str| lists.warn_of(url) || lists.block(url);
            let impression = match is_known(&url) {
                true => Impression::NotSafe,
                false => self.fetcher.look(&url, is_known).await,
            };
            if impression != Impression::None {
                self.store.classify(&code, &url, impression == Impression::Safe).await?;
            }
        }
        Ok(self.register.leave(code.as_str(), registered_ms).await?)
    }

    async fn sweep(&self, _: SweepUndecided) -> Result<(), ShortenerError> {
        let due = self.register.due(LEFT_MS, SWEEP_COUNT).await?;
        let due = due.into_iter().filter_map(|due| Some((ShortCode::parse(&due.source)?, due.registered_ms)));
        let classified = due.map(|(code, registered_ms)| self.classify(Classify { code, registered_ms }));
        join_all(classified).await.into_iter().collect()
    }
}

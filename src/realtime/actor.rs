//! The event log: one per worker, all state in Redis.

use std::rc::Rc;

use actix::{Actor, Context};
use futures_util::future::try_join_all;

use super::error::RealtimeError;
use super::messages::{Deliver, ForgetLog, HasLog, LogOpened, OpenLog, Reached};
use super::model::Event;
use super::store::LogStore;
use crate::config::RealtimeConfig;
use crate::redis::Redis;
use crate::users::model::UserId;

/// Owns the users' logs of events.
#[derive(Debug)]
pub struct EventLog {
    log: Rc<Log>,
}

#[derive(Debug)]
struct Log {
    store: LogStore,
}

impl EventLog {
    /// A log on this worker's connection.
    pub fn new(redis: Redis, config: &RealtimeConfig) -> Self {
        Self { log: Rc::new(Log { store: LogStore::new(redis, config) }) }
    }
}

impl Actor for EventLog {
    type Context = Context<Self>;
}

crate::delegate!(EventLog, log {
    Deliver => deliver,
    OpenLog => open,
    HasLog => has_log,
    ForgetLog => forget,
});

impl Log {
    /// One script per user, all at once; each applies its events in their order.
    async fn deliver(&self, message: Deliver) -> Result<Vec<(UserId, Reached)>, RealtimeError> {
        let mut per_user: Vec<(&UserId, Vec<&Event>)> = Vec::new();
        for event in &message.events {
            match per_user.iter_mut().find(|(to, _)| *to == &event.to) {
                Some((_, events)) => events.push(event),
                None => per_user.push((&event.to, vec![event])),
            }
        }
        let deliveries = per_user.iter().map(|(to, events)| self.store.deliver(to, &message.source, events));
        let reached = try_join_all(deliveries).await?;
        Ok(per_user.iter().map(|(to, _)| (*to).clone()).zip(reached).collect())
    }

    async fn has_log(&self, message: HasLog) -> Result<bool, RealtimeError> {
        Ok(self.store.has_log(&message.user).await?)
    }

    async fn forget(&self, message: ForgetLog) -> Result<(), RealtimeError> {
        Ok(self.store.forget(&message.user).await?)
    }

    async fn open(&self, message: OpenLog) -> Result<LogOpened, RealtimeError> {
        Ok(self.store.open(&message.user, message.resume.as_ref()).await?)
    }
}

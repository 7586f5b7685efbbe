//! The presence keeper: one per worker, all state in Redis.

use std::collections::HashMap;
use std::rc::Rc;

use actix::{Actor, Context};
use futures_util::future::{try_join, try_join_all};

use super::error::PresenceError;
use super::keys::SHARDS;
use super::messages::{
    Attention, FetchAttention, FetchPresence, ForgetPresence, SetStatus, SignedIn, SignedOut, SocketClosed,
    SocketOpened, SocketsBeat, Sweep, Touch,
};
use super::model::Presence;
use super::store::{Closed, PresenceStore};
use crate::config::{PresenceConfig, RealtimeConfig};
use crate::redis::Redis;
use crate::users::model::UserId;

/// Users of one list that a sweep looks at at once.
const BATCH: usize = 256;

/// Owns presence.
#[derive(Debug)]
pub struct PresenceKeeper {
    keeper: Rc<Keeper>,
}

#[derive(Debug)]
struct Keeper {
    store: PresenceStore,
    socket_ttl_ms: u64,
    http_ttl_ms: u64,
}

impl PresenceKeeper {
    /// A keeper on this worker's connection.
    pub fn new(redis: Redis, config: &PresenceConfig, realtime: &RealtimeConfig) -> Self {
        let keeper = Keeper {
            store: PresenceStore::new(redis),
            socket_ttl_ms: realtime.socket_ttl_ms(),
            http_ttl_ms: config.http_ttl_secs * 1000,
        };
        Self { keeper: Rc::new(keeper) }
    }
}

impl Actor for PresenceKeeper {
    type Context = Context<Self>;
}

crate::delegate!(PresenceKeeper, keeper {
    SocketOpened => socket_opened,
    SocketsBeat => sockets_beat,
    SocketClosed => socket_closed,
    SetStatus => set_status,
    SignedIn => signed_in,
    SignedOut => signed_out,
    Touch => touch,
    FetchPresence => fetch_presence,
    FetchAttention => fetch_attention,
    ForgetPresence => forget,
    Sweep => sweep,
});

impl Keeper {
    /// The list lives in another slot and comes first: who stands on it without being here is taken off.
    async fn socket_opened(&self, message: SocketOpened) -> Result<(), PresenceError> {
        let SocketOpened { user_id, socket } = message;
        let enlist = self.store.enlist(&user_id, self.socket_ttl_ms);
        try_join(enlist, self.store.beat(&user_id, &socket, self.socket_ttl_ms)).await?;
        Ok(())
    }

    async fn sockets_beat(&self, message: SocketsBeat) -> Result<(), PresenceError> {
        try_join_all(message.sockets.iter().map(|(user_id, socket)| self.beat(user_id, socket))).await?;
        Ok(())
    }

    /// A socket that nobody knew had run out: its user may have been taken off the list.
    async fn beat(&self, user_id: &UserId, socket: &str) -> Result<(), PresenceError> {
        if self.store.beat(user_id, socket, self.socket_ttl_ms).await? {
            self.store.enlist(user_id, self.socket_ttl_ms).await?;
        }
        Ok(())
    }

    async fn forget(&self, message: ForgetPresence) -> Result<(), PresenceError> {
        Ok(self.store.forget(&message.user_id).await?)
    }

    async fn socket_closed(&self, message: SocketClosed) -> Result<(), PresenceError> {
        let SocketClosed { user_id, socket } = message;
        if self.store.close(&user_id, &socket).await? == Closed::OthersLive {
            // They may run out before this one would have.
            self.store.enlist(&user_id, 0).await?;
        }
        Ok(())
    }

    async fn set_status(&self, message: SetStatus) -> Result<Presence, PresenceError> {
        let SetStatus { user_id, status } = message;
        let enlist = self.store.enlist(&user_id, self.http_ttl_ms);
        let (_, presence) =
            try_join(enlist, self.store.set_status(&user_id, status, self.http_ttl_ms)).await?;
        Ok(presence)
    }

    async fn signed_in(&self, message: SignedIn) -> Result<(), PresenceError> {
        let SignedIn { user_id, at_us } = message;
        let enlist = self.store.enlist(&user_id, self.http_ttl_ms);
        try_join(enlist, self.store.sign_in(&user_id, at_us, self.http_ttl_ms)).await?;
        Ok(())
    }

    async fn signed_out(&self, message: SignedOut) -> Result<(), PresenceError> {
        Ok(self.store.sign_out(&message.user_id, message.at_us).await?)
    }

    async fn touch(&self, message: Touch) -> Result<(), PresenceError> {
        let Touch { user_id, at_us } = message;
        if self.store.touch(&user_id, self.http_ttl_ms).await? {
            return Ok(());
        }
        // As with a login; if all sessions have ended meanwhile, it is late.
        self.signed_in(SignedIn { user_id, at_us }).await
    }

    async fn fetch_presence(
        &self,
        message: FetchPresence,
    ) -> Result<HashMap<UserId, Presence>, PresenceError> {
        let mut ids = message.ids;
        ids.sort();
        ids.dedup();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let presences = self.store.presences(&ids).await?;
        Ok(ids.into_iter().zip(presences).collect())
    }

    async fn fetch_attention(&self, message: FetchAttention) -> Result<Attention, PresenceError> {
        Ok(self.store.attention(&message.user_id).await?)
    }

    async fn sweep(&self, _: Sweep) -> Result<(), PresenceError> {
        try_join_all(SHARDS.map(|shard| self.sweep_shard(shard))).await?;
        Ok(())
    }

    async fn sweep_shard(&self, shard: &str) -> Result<(), PresenceError> {
        loop {
            let due = self.store.due(shard, BATCH).await?;
            let last = due.len() < BATCH;
            let looks = due.into_iter().map(|due| async {
                let next_ms = match UserId::parse(&due.user) {
                    Some(user_id) => self.store.expire(&user_id).await?,
                    None => 0,
                };
                Ok::<_, PresenceError>((due, next_ms))
            });
            let looks = try_join_all(looks).await?;
            if !looks.is_empty() {
                self.store.reschedule(shard, &looks).await?;
            }
            if last {
                return Ok(());
            }
        }
    }
}

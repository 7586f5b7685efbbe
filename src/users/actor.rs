//! The people's actor: one per worker, all state in Redis.

use std::rc::Rc;

use actix::{Actor, Context};

use super::error::UsersError;
use super::messages::{FetchParticipants, FetchPeople, People, Welcome};
use super::model::{Participant, UserId};
use super::store::PeopleStore;
use crate::presence::model::OnlineStatus;
use crate::redis::Redis;

/// Owns profiles.
#[derive(Debug)]
pub struct PeopleKeeper {
    keeper: Rc<Keeper>,
}

#[derive(Debug)]
struct Keeper {
    store: PeopleStore,
}

impl PeopleKeeper {
    /// A keeper on this worker's connection.
    pub fn new(redis: Redis) -> Self {
        Self { keeper: Rc::new(Keeper { store: PeopleStore::new(redis) }) }
    }
}

impl Actor for PeopleKeeper {
    type Context = Context<Self>;
}

crate::delegate!(PeopleKeeper, keeper {
    Welcome => welcome,
    FetchPeople => fetch_people,
    FetchParticipants => fetch_participants,
});

impl Keeper {
    async fn welcome(&self, message: Welcome) -> Result<(), UsersError> {
        self.store.welcome(&message).await?;
        Ok(())
    }

    async fn fetch_people(&self, message: FetchPeople) -> Result<People, UsersError> {
        let mut ids = message.ids;
        ids.sort();
        ids.dedup();
        Ok(self.store.people(&ids).await?)
    }

    async fn fetch_participants(
        &self,
        message: FetchParticipants,
    ) -> Result<std::collections::HashMap<UserId, Participant>, UsersError> {
        let people = self.fetch_people(FetchPeople { ids: message.ids }).await?;
        Ok(people
            .0
            .into_iter()
            .map(|(id, a)| {
                let p = Participant {
                    id: a.id,
                    username: a.username,
                    avatar: a.avatar,
                    online_status: OnlineStatus::Offline,
                    last_seen: String::new(),
                };
                (id, p)
            })
            .collect())
    }
}

//! The people's only way to the datastore: one function per script.

use std::collections::HashMap;

use redis::pipe;

use super::keys;
use super::messages::{People, Welcome};
use super::model::{Author, UserId};
use crate::redis::{Redis, RedisFailure, Script};
use crate::script;

static WELCOME: Script = script!("users/welcome", 1);

#[derive(Debug, Clone)]
pub(super) struct PeopleStore {
    redis: Redis,
}

impl PeopleStore {
    pub(super) fn new(redis: Redis) -> Self {
        Self { redis }
    }

    /// False when the profile was there.
    pub(super) async fn welcome(&self, user: &Welcome) -> Result<bool, RedisFailure> {
        WELCOME
            .keys([&keys::profile(self.redis.keyspace(), &user.user_id)])
            .arg(user.created_ms)
            .arg(&user.username)
            .arg(&user.email)
            .run(&self.redis)
            .await
    }

    pub(super) async fn people(&self, ids: &[UserId]) -> Result<People, RedisFailure> {
        if ids.is_empty() {
            return Ok(People::default());
        }
        let mut pipeline = pipe();
        for id in ids {
            pipeline.cmd("HMGET").arg(keys::profile(self.redis.keyspace(), id)).arg(&["username", "avatar"]);
        }
        let rows: Vec<(Option<String>, Option<String>)> =
            self.redis.pipeline("HMGET profiles", &pipeline).await?;
        let people = ids.iter().zip(rows).filter_map(|(id, (username, avatar))| {
            let author =
                Author { id: id.to_string(), username: username?, avatar: avatar.unwrap_or_default() };
            Some((id.clone(), author))
        });
        Ok(People(people.collect::<HashMap<_, _>>()))
    }
}

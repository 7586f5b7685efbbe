//! Wrong passwords, and who may guess again when.

use std::net::IpAddr;

use redis::cmd;

use super::AuthStore;
use crate::auth::keys::{self, KNOWN_SECS};
use crate::config::GuessConfig;
use crate::redis::throttle::{self, Verdict};
use crate::redis::{Key, RedisFailure};

impl AuthStore {
    pub(in crate::auth) async fn begin_guess_from(
        &self,
        ip: IpAddr,
        policy: GuessConfig,
    ) -> Result<Verdict, RedisFailure> {
        throttle::begin(&self.redis, &keys::ip_guesses(self.redis.keyspace(), ip), policy).await
    }

    pub(in crate::auth) async fn forgive_guess_from(&self, ip: IpAddr) -> Result<(), RedisFailure> {
        throttle::forgive(&self.redis, &keys::ip_guesses(self.redis.keyspace(), ip)).await
    }

    /// An address that has logged in to this account before has a count of its own, so that strangers who
    /// guess cannot make its owner wait.
    pub(in crate::auth) async fn guess_key(&self, who: &str, ip: IpAddr) -> Result<Key, RedisFailure> {
        let space = self.redis.keyspace();
        let known: bool = self
            .redis
            .command("EXISTS known", cmd("EXISTS").arg(keys::known_address(space, who, ip)))
            .await?;
        Ok(if known { keys::account_guesses_from(space, who, ip) } else { keys::account_guesses(space, who) })
    }

    pub(in crate::auth) async fn begin_guess(
        &self,
        key: &Key,
        policy: GuessConfig,
    ) -> Result<Verdict, RedisFailure> {
        throttle::begin(&self.redis, key, policy).await
    }

    pub(in crate::auth) async fn forgive_guess(&self, key: &Key) -> Result<(), RedisFailure> {
        throttle::forgive(&self.redis, key).await
    }

    /// Forgets the wrong guesses at an account, but for those from other addresses that have logged in before.
    pub(in crate::auth) async fn forget_guesses(&self, who: &str, ip: IpAddr) -> Result<(), RedisFailure> {
        let space = self.redis.keyspace();
        let mut command = cmd("DEL");
        command.arg(keys::account_guesses(space, who)).arg(keys::account_guesses_from(space, who, ip));
        self.redis.command("DEL guesses", &command).await
    }

    pub(in crate::auth) async fn remember_address(&self, who: &str, ip: IpAddr) -> Result<(), RedisFailure> {
        let key = keys::known_address(self.redis.keyspace(), who, ip);
        self.redis.command("SET known", cmd("SET").arg(key).arg(1).arg("EX").arg(KNOWN_SECS)).await
    }
}

//! Wrong passwords, and who may guess again when.

use std::net::IpAddr;

use redis::{cmd, pipe};

use super::AuthStore;
use crate::auth::keys::{self, KNOWN_ADDRESSES, KNOWN_MS};
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
        let known = self.is_known(who, ip).await?;
        Ok(if known { keys::account_guesses_from(space, who, ip) } else { keys::account_guesses(space, who) })
    }

    /// Whether an address has logged in to this account lately.
    pub(in crate::auth) async fn is_known(&self, who: &str, ip: IpAddr) -> Result<bool, RedisFailure> {
        let key = keys::known_addresses(self.redis.keyspace(), who);
        let command = cmd("ZSCORE").arg(key).arg(ip.to_string()).to_owned();
        let since_ms: Option<f64> = self.redis.command("ZSCORE known", &command).await?;
        let oldest_ms = chrono::Utc::now().timestamp_millis() - KNOWN_MS;
        Ok(since_ms.is_some_and(|since_ms| since_ms as i64 > oldest_ms))
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
        let key = keys::known_addresses(self.redis.keyspace(), who);
        let mut pipeline = pipe();
        pipeline.cmd("ZADD").arg(&key).arg(chrono::Utc::now().timestamp_millis()).arg(ip.to_string());
        pipeline.cmd("ZREMRANGEBYRANK").arg(&key).arg(0).arg(-KNOWN_ADDRESSES - 1);
        pipeline.cmd("PEXPIRE").arg(&key).arg(KNOWN_MS);
        self.redis.pipeline("ZADD known", pipeline.ignore()).await
    }
}

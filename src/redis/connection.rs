//! The connection every worker shares among its requests.
//!
//! Owns reconnecting and the meaning of failures. Invariant: no call waits longer than the configured
//! connect and response timeouts together; while the datastore is away calls fail at once, and a heartbeat
//! per connection brings it back without waiting for a request to fail first.

use std::path::Path;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{
    ConnectionAddr, ErrorKind, FromRedisValue, IntoConnectionInfo, ProtocolVersion, ServerErrorKind,
};
use secrecy::ExposeSecret;

use super::key::Keyspace;
use crate::config::RedisConfig;

/// How often a connection proves that it lives. Recovery takes at most about two of these.
const HEARTBEAT: Duration = Duration::from_millis(400);

/// Why the datastore did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RedisFailure {
    /// It cannot serve now: away, loading, full, failing over. Trying again later makes sense.
    #[error("{call}: the datastore is unavailable: {source}")]
    Unavailable {
        /// The script or command.
        call: &'static str,
        /// What the client reported.
        source: redis::RedisError,
    },
    /// It answered something this code does not expect: a bug, or foreign data under our keys.
    #[error("{call}: {source}")]
    Unexpected {
        /// The script or command.
        call: &'static str,
        /// What the client reported.
        source: redis::RedisError,
    },
}

impl RedisFailure {
    /// Sorts a client error into "later" and "never".
    pub fn of(call: &'static str, source: redis::RedisError) -> Self {
        let passing = match source.kind() {
            // Parse: whoever answers there does not speak our protocol, so it is not our datastore.
            ErrorKind::Io
            | ErrorKind::Parse
            | ErrorKind::ClusterConnectionNotFound
            | ErrorKind::AuthenticationFailed => true,
            ErrorKind::Server(kind) => matches!(
                kind,
                ServerErrorKind::BusyLoading
                    | ServerErrorKind::TryAgain
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::ReadOnly
                    // The script was sent along, and forgotten by a restart in between.
                    | ServerErrorKind::NoScript
            ),
            _ => false,
        };
        let full_or_failing =
            matches!(source.code(), Some("OOM" | "MISCONF" | "BUSY" | "NOREPLICAS" | "NOAUTH"));
        if passing || full_or_failing || source.is_timeout() || source.is_connection_dropped() {
            Self::Unavailable { call, source }
        } else {
            Self::Unexpected { call, source }
        }
    }

    /// It has not answered in the time that somebody had for it.
    pub fn late(call: &'static str) -> Self {
        Self::of(call, std::io::Error::from(std::io::ErrorKind::TimedOut).into())
    }

    /// Data of ours that does not look as it should.
    pub fn malformed(call: &'static str, what: &'static str) -> Self {
        Self::of(call, (ErrorKind::UnexpectedReturnType, what).into())
    }
}

/// A worker's handle on the datastore: cheap to clone, all clones share one connection.
#[derive(Clone)]
pub struct Redis {
    manager: ConnectionManager,
    keyspace: Keyspace,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Redis").field("keyspace", &self.keyspace).finish_non_exhaustive()
    }
}

/// Where the datastore is and how to talk to it; one per process, turned into one [`Redis`] per worker.
#[derive(Clone)]
pub struct RedisTarget {
    client: redis::Client,
    timeouts: ConnectionManagerConfig,
    connect_timeout: Duration,
    keyspace: Keyspace,
}

impl std::fmt::Debug for RedisTarget {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RedisTarget").field("keyspace", &self.keyspace).finish_non_exhaustive()
    }
}

impl RedisTarget {
    /// The server at `config.url`, or the one behind `socket` when it is embedded.
    pub fn parse(config: &RedisConfig, socket: Option<&Path>) -> Result<Self, redis::RedisError> {
        // rediss:// needs a provider; an error only says that the process has one already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let info = match socket {
            Some(path) => ConnectionAddr::Unix(path.to_owned()).into_connection_info()?,
            None => config.url.expose_secret().into_connection_info()?,
        };
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client = redis::Client::open(info.set_redis_settings(settings))?;
        let connect_timeout = Duration::from_millis(config.connect_timeout_ms);
        let timeouts = ConnectionManagerConfig::new()
            .set_response_timeout(Some(Duration::from_millis(config.response_timeout_ms)))
            .set_connection_timeout(Some(connect_timeout))
            .set_number_of_retries(0);
        Ok(Self { client, timeouts, connect_timeout, keyspace: Keyspace::new(&config.key_prefix) })
    }

    /// Opens a connection that only listens.
    pub(super) async fn pubsub(&self) -> Result<redis::aio::PubSub, redis::RedisError> {
        self.client.get_async_pubsub().await
    }

    /// For connections that are opened elsewhere in this module.
    pub(super) fn connection_info(&self) -> redis::ConnectionInfo {
        self.client.get_connection_info().clone()
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// The names of this installation's keys and channels.
    pub fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    /// Opens a connection that belongs to the current thread's runtime and keeps itself alive there.
    /// Returns at once: the datastore need not be there yet.
    pub fn connect(&self) -> Result<Redis, redis::RedisError> {
        let manager = ConnectionManager::new_lazy_with_config(self.client.clone(), self.timeouts.clone())?;
        let redis = Redis { manager, keyspace: self.keyspace.clone() };
        keep_alive(redis.clone());
        Ok(redis)
    }
}

fn keep_alive(redis: Redis) {
    actix::spawn(async move {
        let mut was_up = true;
        loop {
            let up = redis.ping().await;
            match (&up, was_up) {
                (Err(error), true) => tracing::warn!(%error, "datastore lost"),
                (Ok(()), false) => tracing::info!("datastore back"),
                _ => {}
            }
            was_up = up.is_ok();
            actix::clock::sleep(HEARTBEAT).await;
        }
    });
}

impl Redis {
    /// The names of this installation's keys.
    pub fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    /// The shared connection.
    pub fn connection(&self) -> ConnectionManager {
        self.manager.clone()
    }

    /// Sends one command.
    pub async fn command<T: FromRedisValue>(
        &self,
        name: &'static str,
        command: &redis::Cmd,
    ) -> Result<T, RedisFailure> {
        command.query_async(&mut self.connection()).await.map_err(|error| RedisFailure::of(name, error))
    }

    /// Sends several commands in one round trip.
    pub async fn pipeline<T: FromRedisValue>(
        &self,
        name: &'static str,
        pipeline: &redis::Pipeline,
    ) -> Result<T, RedisFailure> {
        pipeline.query_async(&mut self.connection()).await.map_err(|error| RedisFailure::of(name, error))
    }

    /// Whether the datastore answers.
    pub async fn ping(&self) -> Result<(), RedisFailure> {
        self.command("PING", &redis::cmd("PING")).await
    }
}

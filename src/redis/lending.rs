//! Connections lent to whoever blocks on one.
//!
//! Everything that is answered at once shares a worker's one connection. A command that waits for something to happen would
//! make all others wait behind it, so it gets a connection of its own from here.

use std::time::Duration;

use deadpool_redis::{Manager, Pool, Runtime, Timeouts};
use redis::{AsyncConnectionConfig, FromRedisValue};

use super::connection::{RedisFailure, RedisTarget};

/// How much longer than it blocks a command may take.
const MARGIN: Duration = Duration::from_secs(2);

/// Lends connections.
#[derive(Clone)]
pub struct Lender {
    pool: Pool,
    longest_block: Duration,
}

impl std::fmt::Debug for Lender {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Lender").field("status", &self.pool.status()).finish_non_exhaustive()
    }
}

impl Lender {
    /// At most `size` connections to `target`, for commands that block no longer than `longest_block`.
    pub fn new(target: &RedisTarget, size: usize, longest_block: Duration) -> Self {
        let patience = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(target.connect_timeout()))
            .set_response_timeout(Some(longest_block + MARGIN));
        let manager = Manager::new_with_config(target.connection_info(), patience)
            .unwrap_or_else(|error| unreachable!("a client was made of it before: {error}"));
        let timeouts = Timeouts { wait: Some(MARGIN), create: Some(MARGIN), recycle: Some(MARGIN) };
        let pool = Pool::builder(manager).max_size(size).timeouts(timeouts).runtime(Runtime::Tokio1).build();
        let pool = pool.unwrap_or_else(|error| unreachable!("a runtime is given: {error}"));
        Self { pool, longest_block }
    }

    /// How long a command may block. ms
    pub fn block_ms(&self) -> u64 {
        self.longest_block.as_millis() as u64
    }

    /// Sends one command that may block.
    pub async fn command<T: FromRedisValue>(
        &self,
        name: &'static str,
        command: &redis::Cmd,
    ) -> Result<T, RedisFailure> {
        let mut connection = self.pool.get().await.map_err(|error| {
            let cause = std::io::Error::other(error.to_string());
            RedisFailure::of(name, cause.into())
        })?;
        command.query_async(&mut connection).await.map_err(|error| RedisFailure::of(name, error))
    }
}

//! Lua scripts: embedded in the binary, named after their file, called by hash.
//!
//! Owns the way a script is called. One file under `lua/` is one [`Script`]; its keys come through KEYS and
//! share one hash tag. Redis is sent the script's SHA-1; after a restart it answers NOSCRIPT, which
//! means that nothing ran, and the client loads the source and calls again.

use std::sync::LazyLock;

use redis::{FromRedisValue, ToRedisArgs};

use super::connection::{Redis, RedisFailure};
use super::key::Key;

/// A script under `lua/`.
#[derive(Debug)]
pub struct Script {
    name: &'static str,
    key_count: usize,
    compiled: LazyLock<redis::Script>,
}

impl Script {
    /// Used by [`crate::script!`].
    pub const fn new(name: &'static str, key_count: usize, compile: fn() -> redis::Script) -> Self {
        Self { name, key_count, compiled: LazyLock::new(compile) }
    }

    /// The script's path below `lua/`, without the ending.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// A reply of this script as a typed value.
    pub fn read<T: FromRedisValue>(&self, reply: redis::Value) -> Result<T, RedisFailure> {
        redis::from_redis_value(reply).map_err(|error| RedisFailure::of(self.name, error.into()))
    }

    /// Starts a call with its keys, in the order of the script's header.
    pub fn keys<const N: usize>(&self, keys: [&Key; N]) -> Call<'_> {
        debug_assert_eq!(N, self.key_count, "{} takes {} keys", self.name, self.key_count);
        debug_assert!(
            keys.windows(2).all(|pair| pair[0].slot() == pair[1].slot()),
            "{}: keys in different slots: {keys:?}",
            self.name
        );
        let mut invocation = self.compiled.prepare_invoke();
        for key in keys {
            invocation.key(key.as_str());
        }
        Call { script: self, invocation }
    }
}

/// A script with its keys and the arguments given so far.
#[derive(Debug)]
pub struct Call<'a> {
    script: &'a Script,
    invocation: redis::ScriptInvocation<'a>,
}

impl Call<'_> {
    /// Adds one argument, or each item of a list.
    pub fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        self.invocation.arg(argument);
        self
    }

    /// Runs the script.
    pub async fn run<T: FromRedisValue>(self, redis: &Redis) -> Result<T, RedisFailure> {
        let mut connection = redis.connection();
        self.invocation
            .invoke_async(&mut connection)
            .await
            .map_err(|error| RedisFailure::of(self.script.name, error))
    }
}

/// `script!("domain/verb", keys)`: the script in `lua/domain/verb.lua`.
#[macro_export]
macro_rules! script {
    ($name:literal, $keys:literal) => {
        $crate::redis::Script::new($name, $keys, || {
            ::redis::Script::new(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/lua/", $name, ".lua")))
        })
    };
}

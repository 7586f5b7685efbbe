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
    /// Fewest and most.
    key_counts: (usize, usize),
    source: &'static str,
    compiled: LazyLock<redis::Script>,
}

impl Script {
    /// Used by [`crate::script!`].
    pub const fn new(
        name: &'static str,
        key_counts: (usize, usize),
        source: &'static str,
        compile: fn() -> redis::Script,
    ) -> Self {
        Self { name, key_counts, source, compiled: LazyLock::new(compile) }
    }

    /// The script's path below `lua/`, without the ending.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// A reply of this script as a typed value.
    pub fn read<T: FromRedisValue>(&self, reply: redis::Value) -> Result<T, RedisFailure> {
        redis::from_redis_value(reply).map_err(|error| RedisFailure::of(self.name, error.into()))
    }

    fn check_keys(&self, keys: &[&Key]) {
        let (fewest, most) = self.key_counts;
        debug_assert!((fewest..=most).contains(&keys.len()), "{} takes {fewest} to {most} keys", self.name);
        debug_assert!(
            keys.windows(2).all(|pair| pair[0].slot() == pair[1].slot()),
            "{}: keys in different slots: {keys:?}",
            self.name
        );
    }

    /// Starts many calls that go to the datastore together. Each stands for itself: some may fail.
    pub fn many(&self) -> Calls<'_> {
        let mut pipeline = redis::pipe();
        // The source goes along, because a server that does not know the script says so for each call.
        pipeline.cmd("SCRIPT").arg("LOAD").arg(self.source).ignore();
        Calls { script: self, pipeline }
    }

    /// Starts a call with its keys, in the order of the script's header.
    pub fn keys<const N: usize>(&self, keys: [&Key; N]) -> Call<'_> {
        self.check_keys(&keys);
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

/// Calls of one script that go to the datastore together, in this order.
#[derive(Debug)]
pub struct Calls<'a> {
    script: &'a Script,
    pipeline: redis::Pipeline,
}

impl Calls<'_> {
    /// Adds a call, to which arguments can be added until the next one.
    pub fn add(&mut self, keys: &[&Key]) -> &mut redis::Pipeline {
        self.script.check_keys(keys);
        let call = self.pipeline.cmd("EVALSHA").arg(self.script.compiled.get_hash()).arg(keys.len());
        for key in keys {
            call.arg(key.as_str());
        }
        call
    }

    /// Runs them; what each came to, in their order, unless nobody knows of any.
    pub async fn run<T: FromRedisValue>(
        mut self,
        redis: &Redis,
    ) -> Result<Vec<Result<T, RedisFailure>>, RedisFailure> {
        let name = self.script.name;
        let outcomes: Vec<Result<T, redis::RedisError>> =
            redis.pipeline(name, self.pipeline.ignore_errors()).await?;
        Ok(outcomes
            .into_iter()
            .map(|outcome| outcome.map_err(|error| RedisFailure::of(name, error)))
            .collect())
    }
}

/// `script!("domain/verb", keys)`: the script in `lua/domain/verb.lua`; with two numbers, the fewest and the most keys.
#[macro_export]
macro_rules! script {
    ($name:literal, $keys:literal) => {
        $crate::script!($name, $keys, $keys)
    };
    ($name:literal, $fewest:literal, $most:expr) => {
        $crate::redis::Script::new(
            $name,
            ($fewest, $most),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/lua/", $name, ".lua")),
            || {
                ::redis::Script::new(include_str!(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/lua/",
                    $name,
                    ".lua"
                )))
            },
        )
    };
}

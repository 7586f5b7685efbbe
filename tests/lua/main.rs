//! Every script on a real Redis: its header, its slot, one test per return code.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod auth;
mod auth_closing;
mod auth_devices;
mod auth_google;
mod auth_notices;
mod auth_phone;
mod auth_proofs;
mod conversation;
mod conversation_counts;
mod conversation_files;
mod files;
mod notifier;
mod outbox;
mod posts;
mod presence;
mod realtime;
mod shortener;
mod shortener_access;
mod shortener_counting;
mod shortener_safety;
mod throttle;
mod users;

use redis::{FromRedisValue, Value};

/// A connection with keys of its own: `{t:<random>}` is the hash tag of all of them.
pub struct Bench {
    pub redis: redis::Connection,
    tag: String,
}

impl Default for Bench {
    fn default() -> Self {
        Self { redis: support::redis_server::connection(), tag: format!("{{t:{}}}", nanoid::nanoid!(10)) }
    }
}

impl Bench {
    pub fn new() -> Self {
        Self::default()
    }

    /// A key of this test.
    pub fn key(&self, part: &str) -> String {
        format!("{}:{part}", self.tag)
    }

    /// Runs `lua/<name>.lua` as the server does.
    pub fn run<T: FromRedisValue>(&mut self, name: &str, keys: &[&str], arguments: &[&str]) -> T {
        let path = format!("{}/lua/{name}.lua", env!("CARGO_MANIFEST_DIR"));
        let script = redis::Script::new(&std::fs::read_to_string(path).unwrap());
        let mut call = script.prepare_invoke();
        for key in keys {
            call.key(self.key(key));
        }
        for argument in arguments {
            call.arg(*argument);
        }
        call.invoke(&mut self.redis).unwrap()
    }

    /// A plain command whose first argument is one of this test's keys.
    pub fn command<T: FromRedisValue>(&mut self, name: &str, key: &str, arguments: &[&str]) -> T {
        redis::cmd(name).arg(self.key(key)).arg(arguments).query(&mut self.redis).unwrap()
    }

    /// The first number of a script's array.
    pub fn code(&mut self, name: &str, keys: &[&str], arguments: &[&str]) -> i64 {
        let reply: Vec<Value> = self.run(name, keys, arguments);
        redis::from_redis_value(reply[0].clone()).unwrap()
    }
}

//! Shared datastore plumbing; knows no domain.
//!
//! - [`connection`]: the shared connection a worker sends everything over, and what its failures mean.
//! - [`key`]: key names, hash tags and cluster slots.
//! - [`script`]: Lua scripts by name, with their number of keys.
//! - [`lending`]: connections lent to whoever blocks on one.
//! - [`subscription`]: what a node listens to, over one connection.
//! - [`throttle`]: growing waits after wrong guesses.
//! - [`embedded`]: the `redis-server` we run ourselves when no other is configured.
//!
//! Invariant: all keys of one script call share a hash tag, so the same code runs on one server and on a
//! cluster; debug builds check it on every call.

pub mod connection;
pub mod embedded;
pub mod key;
pub mod lending;
pub mod script;
pub mod subscription;
pub mod throttle;

pub use connection::{Redis, RedisFailure};
pub use key::{Key, Keyspace};
pub use script::Script;

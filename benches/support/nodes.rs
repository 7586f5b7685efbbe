//! Nodes of ayrene that share a Redis.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::process::{Process, free_address};

/// A Redis of the bench's own with its log on.
pub(crate) struct Redis {
    pub(crate) process: Process,
    /// Where it is.
    pub(crate) url: String,
}

/// Starts one on a free port.
pub(crate) fn redis(dir: &Path) -> io::Result<Redis> {
    let address = free_address()?;
    let port = address.port().to_string();
    let dir = dir.to_string_lossy();
    let start = |binary| {
        let mut command = Command::new(binary);
        command.args(["--bind", "127.0.0.1", "--port", &port, "--dir", &dir, "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "everysec"]);
        Process::start(&mut command, address)
    };
    let process = start("redis-server").or_else(|_| start("valkey-server"))?;
    Ok(Redis { process, url: format!("redis://{address}") })
}

impl Redis {
    /// Appends per second of the script that sends a message, with this many under way on one connection.
    pub(crate) async fn append_rate(
        &self,
        under_way: usize,
        duration: Duration,
    ) -> Result<f64, Box<dyn std::error::Error + Send + Sync>> {
        let connection = redis::Client::open(self.url.as_str())?.get_multiplexed_async_connection().await?;
        let script = redis::Script::new(include_str!("../../lua/conversation/append.lua"));
        let mut setup = connection.clone();
        let (a, b) = ("0".repeat(24), "1".repeat(24));
        for slot in 0..under_way {
            let _: () = redis::cmd("DEL")
                .arg(format!("bench:{{conv:{slot}}}:messages"))
                .query_async(&mut setup)
                .await?;
            let _: () = redis::cmd("HSET")
                .arg(format!("bench:{{conv:{slot}}}"))
                .arg(&["id", "x", "a", &a, "b", &b, "q", "0", "o", "0"])
                .query_async(&mut setup)
                .await?;
        }
        let (now, _): (u64, u64) = redis::cmd("TIME").query_async(&mut setup).await?;
        let started = Instant::now();
        let deadline = started + duration;
        let appends = (0..under_way).map(|slot| {
            let (mut connection, script) = (connection.clone(), &script);
            async move {
                let mut count = 0u64;
                while Instant::now() < deadline {
                    let mut call = script.prepare_invoke();
                    for part in ["", ":messages", ":intents", ":client:none", ":files"] {
                        call.key(format!("bench:{{conv:{slot}}}{part}"));
                    }
                    call.arg("0")
                        .arg("{\"k\":\"text\",\"c\":\"a message of usual length, as people write them\"}");
                    call.arg("")
                        .arg(now * 1000)
                        .arg(1_000_000_000u64)
                        .arg("")
                        .arg(16_777_215)
                        .arg(1_000_000_000)
                        .arg(1)
                        .arg("");
                    let _: redis::Value = call.invoke_async(&mut connection).await?;
                    count += 1;
                }
                Ok::<_, redis::RedisError>(count)
            }
        });
        let counts = futures_util::future::try_join_all(appends).await?;
        let rate = counts.iter().sum::<u64>() as f64 / started.elapsed().as_secs_f64();
        for slot in 0..under_way {
            let keys: Vec<String> = ["", ":messages", ":intents"]
                .iter()
                .map(|part| format!("bench:{{conv:{slot}}}{part}"))
                .collect();
            let _: () = redis::cmd("UNLINK").arg(keys).query_async(&mut setup).await?;
        }
        Ok(rate)
    }

    /// Writes posts by `author` as the server keeps them, each older than any real one.
    pub(crate) async fn seed_posts(
        &self,
        author: &str,
        count: usize,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut connection =
            redis::Client::open(self.url.as_str())?.get_multiplexed_async_connection().await?;
        let numbers: Vec<usize> = (0..count).collect();
        for chunk in numbers.chunks(5_000) {
            let mut pipeline = redis::pipe();
            for number in chunk {
                // Made in 2020, one a second, the later the older.
                let secs = 1_600_000_000 - number;
                let (id, micros) = (format!("{secs:08x}{number:016x}"), secs as u64 * 1_000_000);
                let fields =
                    [("u", author), ("t", "Seeded"), ("d", "by a bench"), ("b", "A short post"), ("v", "0")];
                let key = format!("ay:{{post:{id}}}");
                pipeline.cmd("HSET").arg(key).arg(&fields).arg("m").arg(micros / 1000).ignore();
                pipeline.cmd("ZADD").arg("ay:{posts:feed}").arg(micros).arg(&id).ignore();
            }
            let _: () = pipeline.query_async(&mut connection).await?;
        }
        Ok(())
    }
}

/// ayrene on somebody else's Redis, its limits out of the way.
pub(crate) fn node(data_dir: &Path, redis_url: &str, workers: usize) -> io::Result<Process> {
    let address = free_address()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_ayrene"));
    command
        .env("AYRENE__SERVER__BIND", address.to_string())
        .env("AYRENE__SERVER__WORKERS", workers.to_string())
        .env("AYRENE__DATA_DIR", data_dir)
        .env("AYRENE__REDIS__URL", redis_url)
        .env("AYRENE__AUTH__JWT_SECRET", "the secret of a bench, 32 bytes or more")
        .env("AYRENE__AUTH__ARGON2_MEMORY_KIB", "64")
        .env("AYRENE__AUTH__ARGON2_ITERATIONS", "1")
        .env("AYRENE__RATE_LIMITS__ENABLED", "false")
        .env("AYRENE__POSTS__FEED_LENGTH", "10000000")
        .env("AYRENE__REALTIME__FRAMES__REQUESTS", "2000000000")
        .env("AYRENE__REALTIME__FRAMES__PER_SECS", "1")
        .env("AYRENE__REALTIME__MAX_SOCKETS_PER_USER", "1000")
        .env("AYRENE__LOG__LEVEL", "warn");
    Process::start(&mut command, address)
}

//! Links by the million: written to Redis as the shortener's scripts write them, and what they weigh there.

use std::error::Error;
use std::time::{Duration, Instant};

use redis::{Commands, Connection};

type Failure = Box<dyn Error + Send + Sync>;

const BATCH: usize = 10_000;
/// In which Redis moves a million keys to a larger table, and more.
const MILLION_KEYS: Duration = Duration::from_secs(1);

/// Blocking connection to the server at `url`, which may still be loading.
pub(crate) fn connect(url: &str) -> Result<Connection, Failure> {
    let client = redis::Client::open(url)?;
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let attempt = client.get_connection().and_then(|mut connection| {
            redis::cmd("PING").query::<String>(&mut connection)?;
            Ok(connection)
        });
        match attempt {
            Ok(connection) => return Ok(connection),
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Makes `count` open links `/0000000`, `/0000001`, ..., and waits until Redis has put its log in order.
pub(crate) fn open_links(connection: &mut Connection, count: usize) -> Result<(), Failure> {
    write(connection, count, |rank| format!("{rank:07}"), &[])
}

/// The same, protected by a password: `/lock-0000000`, ...
pub(crate) fn protected_links(connection: &mut Connection, count: usize) -> Result<(), Failure> {
    write(connection, count, |rank| format!("lock-{rank:07}"), &[("m", "PASSWORD"), ("h", "none")])
}

/// Fields as in `lua/shortener/claim.lua`: a guest's link.
fn write(
    connection: &mut Connection,
    count: usize,
    code: impl Fn(usize) -> String,
    more: &[(&str, &str)],
) -> Result<(), Failure> {
    // Rewrites of the log come when all is written, once, instead of in the middle of the load.
    set(connection, "auto-aof-rewrite-percentage", "0")?;
    let (secs, _): (u64, u64) = redis::cmd("TIME").query(connection)?;
    let now = secs * 1000;
    let mut next = 0;
    while next < count {
        let mut batch = redis::pipe();
        let end = (next + BATCH).min(count);
        for rank in next..end {
            let key = format!("ay:{{link:{}}}", code(rank));
            let command = batch.cmd("HSET").arg(key).arg("t").arg(now).arg("d").arg(now).arg("u");
            command.arg(format!("https://example.com/articles/{rank}/a-title-of-usual-length"));
            command.arg(more).ignore();
        }
        let () = batch.query(connection)?;
        next = end;
    }
    if count > BATCH {
        settle(connection)?;
        settle_table(connection, count)?;
    }
    set(connection, "auto-aof-rewrite-percentage", "100")
}

fn set(connection: &mut Connection, name: &str, value: &str) -> Result<(), Failure> {
    let () = redis::cmd("CONFIG").arg("SET").arg(name).arg(value).query(connection)?;
    Ok(())
}

/// Rewrites the log and waits for the end of that.
fn settle(connection: &mut Connection) -> Result<(), Failure> {
    let _: String = redis::cmd("BGREWRITEAOF").query(connection)?;
    let deadline = Instant::now() + Duration::from_secs(300);
    while Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
        let info = info(connection, "persistence")?;
        if field(&info, "aof_rewrite_in_progress") == Some(0)
            && field(&info, "aof_rewrite_scheduled") == Some(0)
        {
            return Ok(());
        }
    }
    Err("Redis does not end the rewrite of its log".into())
}

/// Gives Redis the time to grow its table of keys to the end, at half of its time. By itself that goes on for minutes behind
/// a fast load, with two tables to look into; no server that has been up for a while is in that state.
fn settle_table(connection: &mut Connection, count: usize) -> Result<(), Failure> {
    set(connection, "hz", "500")?;
    std::thread::sleep(MILLION_KEYS * (count / 1_000_000) as u32);
    set(connection, "hz", "10")
}

fn info(connection: &mut Connection, section: &str) -> Result<String, Failure> {
    Ok(redis::cmd("INFO").arg(section).query(connection)?)
}

fn field(info: &str, name: &str) -> Option<u64> {
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line?.trim().parse().ok()
}

/// All memory that Redis has given out, in bytes.
pub(crate) fn used_memory(connection: &mut Connection) -> Result<u64, Failure> {
    field(&info(connection, "memory")?, "used_memory").ok_or_else(|| "INFO without used_memory".into())
}

/// Bytes per link over those of `codes`, by `MEMORY USAGE`.
pub(crate) fn bytes_per_link(connection: &mut Connection, codes: &[String]) -> Result<f64, Failure> {
    let mut sum = 0;
    for code in codes {
        let key = format!("ay:{{link:{code}}}");
        sum += redis::cmd("MEMORY").arg("USAGE").arg(key).query::<Option<u64>>(connection)?.unwrap_or(0);
    }
    Ok(sum as f64 / codes.len() as f64)
}

/// Fields of a link, for a look at what the server has written.
pub(crate) fn fields(connection: &mut Connection, code: &str) -> Result<Vec<String>, Failure> {
    let mut names: Vec<String> = connection.hkeys(format!("ay:{{link:{code}}}"))?;
    names.sort();
    Ok(names)
}

//! How long another node goes on answering with a link's old target.
//!
//! Two nodes on one Redis. The link is edited through one; the other is asked all the time (under traffic), or just once,
//! some time after the edit (without traffic). Time runs from when the edit was answered to when an old answer came.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::report::Table;
use super::support::servers::{self, Ayrene};
use super::{Failure, Plan, scratch};

const EDITS: u32 = 50;
/// What the design promises.
const BOUND: Duration = Duration::from_millis(250);

pub(crate) fn run(plan: &Plan) -> Result<Value, Failure> {
    let base = tempfile::tempdir()?;
    let workers = plan.options.cores.workers();
    let node = |name: &str| -> Result<Ayrene, Failure> {
        let node = Ayrene::new(scratch(base.path(), name)?, workers)?;
        Ok(node.with("AYRENE__AUTH__JWT_SECRET", "the secret of a bench, 32 bytes or more"))
    };
    let here = node("here")?;
    let edited = here.start()?;
    let asked = node("there")?.with("AYRENE__REDIS__URL", &here.redis_url()).start()?;
    let token = servers::register(edited.address)?;

    println!("\nstaleness: {EDITS} edits through one node, looked at through another");
    let mut table = Table::new(&["", "old answers", "latest, ms after the edit", "beyond 250 ms"]);
    let mut report = json!({});
    for (name, key, look) in [
        ("under traffic", "under_traffic", under_traffic as Look),
        ("without traffic", "without_traffic", without_traffic as Look),
    ] {
        let stale = look(edited.address, asked.address, &token)?;
        let latest = stale.iter().max().copied().unwrap_or_default();
        let beyond = stale.iter().filter(|&&late| late > BOUND).count();
        let latest_ms = latest.as_secs_f64() * 1000.0;
        table.row([name.to_owned(), stale.len().to_string(), format!("{latest_ms:.1}"), beyond.to_string()]);
        report[key] = json!({ "old_answers": stale.len(), "latest_ms": latest_ms, "beyond_bound": beyond });
    }
    table.print();
    Ok(report)
}

/// Times after the edit at which an old answer came.
type Look = fn(SocketAddr, SocketAddr, &str) -> Result<Vec<Duration>, Failure>;

fn number(target: Option<String>) -> Option<u32> {
    target?.rsplit('/').next()?.parse().ok()
}

fn edit(address: SocketAddr, token: &str, code: &str, number: u32) -> Result<(), Failure> {
    let change = json!({ "newLongUrl": format!("https://example.com/{number}") }).to_string();
    let path = format!("/api/v1/url/{code}");
    let (status, body) = servers::request(address, "PATCH", &path, Some(token), &change)?;
    if status == 200 { Ok(()) } else { Err(format!("edit: {status} {body}").into()) }
}

fn under_traffic(edited: SocketAddr, asked: SocketAddr, token: &str) -> Result<Vec<Duration>, Failure> {
    let code = servers::shorten(edited, Some(token), "https://example.com/0")?;
    let path = format!("/{code}");
    let (ended, answers) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let edits = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    let target = servers::target(asked, &path).ok().flatten();
                    let answer = (Instant::now(), number(target));
                    answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(answer);
                }
            });
        }
        let edits: Result<Vec<Instant>, Failure> = (1..=EDITS)
            .map(|number| {
                // Not in step with any beat of the server's.
                std::thread::sleep(Duration::from_millis(300 + u64::from(number * 37 % 100)));
                edit(edited, token, &code, number).map(|()| Instant::now())
            })
            .collect();
        std::thread::sleep(2 * BOUND);
        ended.store(true, Ordering::Relaxed);
        edits
    })?;
    let answers = answers.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let stale = answers.iter().filter_map(|(at, number)| {
        // The edit after the one that this answer knows.
        let superseded = *edits.get((*number)? as usize)?;
        at.checked_duration_since(superseded).filter(|late| !late.is_zero())
    });
    Ok(stale.collect())
}

fn without_traffic(edited: SocketAddr, asked: SocketAddr, token: &str) -> Result<Vec<Duration>, Failure> {
    let code = servers::shorten(edited, Some(token), "https://example.com/0")?;
    let path = format!("/{code}");
    let mut stale = Vec::new();
    for now in 1..=EDITS {
        // So that the other node remembers it, and then has not been asked for a while.
        servers::target(asked, &path)?;
        std::thread::sleep(Duration::from_millis(u64::from(now * 37 % 300)));
        edit(edited, token, &code, now)?;
        let edited_at = Instant::now();
        // From at once to somewhat beyond the bound.
        std::thread::sleep(BOUND * (now % 25) / 20);
        if number(servers::target(asked, &path)?) != Some(now) {
            stale.push(edited_at.elapsed());
        }
    }
    Ok(stale)
}

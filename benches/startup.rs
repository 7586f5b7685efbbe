//! How soon a server is ready, and what it then weighs.
//!
//! `cargo bench --bench startup [-- --links N] [--rounds N] [--seconds N] [--cores 0,1] [--json FILE]`
//!
//! From the start of the process to the first 200 of `/readyz`: with nothing, with a million links in Redis' log, and after
//! a `kill -9` in the middle of a load while Redis stood still, so that as many clicks as possible wait to be counted.

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::print_stdout,
    reason = "a bench, with parts shared by all"
)]

#[path = "support/mod.rs"]
mod support;

use std::error::Error;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use support::load::{Load, Pace};
use support::options::Options;
use support::process::Process;
use support::report::{Table, grouped, median};
use support::servers::{Ayrene, request};
use support::traffic::Spread;
use support::{load, process, report, seed, traffic};

type Failure = Box<dyn Error + Send + Sync>;

/// Links that clicks wait for.
const CLICKED: usize = 1_000;

fn main() -> Result<(), Failure> {
    let mut links = 1_000_000;
    let mut options = Options::new(5, 2, 64);
    options.read(|name, value| {
        if name == "links" {
            links = value.parse()?;
            return Ok(true);
        }
        Ok(false)
    })?;
    options.cores.as_server()?;
    let mut table = Table::new(&["data", "ready after, ms (median)", "slowest", "resident KB", "Redis KB"]);
    let mut rows = Vec::new();
    let many = format!("{} links", grouped(links as f64));
    let cases = [("nothing", 0, false), (many.as_str(), links, false), ("killed under load", CLICKED, true)];
    for (name, links, killed) in cases {
        let scratch = tempfile::tempdir()?;
        let ayrene = Ayrene::new(scratch.path().join("data"), options.cores.workers())?;
        if links > 0 {
            let _server = ayrene.start()?;
            seed::open_links(&mut seed::connect(&ayrene.redis_url())?, links)?;
        }
        let (mut times, mut weights, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            if links == 0 && ayrene.data_dir.exists() {
                std::fs::remove_dir_all(&ayrene.data_dir)?;
            }
            if killed {
                waiting.push(die_under_load(&options, &ayrene)? as f64);
            }
            let (ready, server) = start(&ayrene)?;
            times.push(ready.as_secs_f64() * 1000.0);
            let redis = server.children().into_iter().filter_map(process::resident_kb).sum::<u64>();
            weights.push([server.resident_kb().unwrap_or_default() as f64, redis as f64]);
        }
        let resident = [0, 1].map(|index| median(weights.iter().map(|weight| weight[index])));
        let slowest = times.iter().copied().fold(0.0, f64::max);
        let middle = median(times);
        table.row([
            name.to_owned(),
            format!("{middle:.0}"),
            format!("{slowest:.0}"),
            grouped(resident[0]),
            grouped(resident[1]),
        ]);
        rows.push(json!({
            "data": name, "links": links, "ready_ms": middle, "slowest_ms": slowest,
            "resident_kb": resident[0], "redis_resident_kb": resident[1],
            "answered_before_the_kill": waiting.iter().copied().reduce(f64::max),
        }));
        if killed {
            println!(
                "{} redirects answered while Redis stood still, before the kill",
                grouped(median(waiting))
            );
        }
    }
    table.print();
    Ok(report::write("startup", options.json.as_deref(), json!({ "starts": rows }))?)
}

/// Time from the start of the process to the first 200 of `/readyz`.
fn start(ayrene: &Ayrene) -> Result<(Duration, Process), Failure> {
    let started = Instant::now();
    let process = ayrene.spawn()?;
    loop {
        if matches!(request(ayrene.address, "GET", "/readyz", None, ""), Ok((200, _))) {
            return Ok((started.elapsed(), process));
        }
        if started.elapsed() > Duration::from_secs(120) {
            return Err("the server does not get ready".into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Loads a server whose Redis stands still, and kills it; returns the redirects that were answered meanwhile.
fn die_under_load(options: &Options, ayrene: &Ayrene) -> Result<u64, Failure> {
    let (_, mut server) = start(ayrene)?;
    let requests = Arc::new(traffic::requests(Spread::Zipf, CLICKED, traffic::seeded));
    let load = Load {
        address: ayrene.address,
        connections: options.connections,
        threads: 1,
        duration: options.duration,
        expected: "HTTP/1.1 302",
        pace: Pace::Closed,
    };
    load::run(&load, &requests)?;
    signal(&server, "-STOP")?;
    let outcome = load::run(&load, &requests)?;
    let redis = server.children();
    server.kill()?;
    for id in redis {
        Command::new("kill").args(["-CONT", &id.to_string()]).status()?;
    }
    Ok(outcome.answered)
}

fn signal(server: &Process, signal: &str) -> Result<(), Failure> {
    for id in server.children() {
        Command::new("kill").args([signal, &id.to_string()]).status()?;
    }
    Ok(())
}

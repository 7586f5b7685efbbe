//! Messages, likes and feeds: how many a second, how late, and whether each arrived once.
//!
//! `cargo bench --bench social [-- --seconds N] [--pairs N] [--sockets N] [--posts N] [--json FILE]`
//!
//! Real sockets to real server processes on a real Redis with its log on, all on the same cores as the load; so look at
//! the ratios: the send path is compared with its Redis script alone, run in the same alternating rounds.

#![allow(missing_docs, unreachable_pub, clippy::print_stdout, reason = "a bench")]

#[path = "support/nodes.rs"]
mod nodes;
#[path = "support/process.rs"]
mod process;
#[path = "support/sockets.rs"]
mod sockets;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use process::Process;
use serde_json::json;
use sockets::{Failure, Outcome, Pace, User};

/// Messages that a sender may have unanswered.
const WINDOW: usize = 8;
/// Of the best rate, at which latency is looked at.
const EASY: f64 = 0.5;
const GOAL: f64 = 10_000.0;

struct Options {
    rounds: usize,
    seconds: u64,
    pairs: usize,
    sockets: usize,
    json: Option<PathBuf>,
}

fn main() -> Result<(), Failure> {
    let options = options()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(bench(&options))
}

fn options() -> Result<Options, Failure> {
    use lexopt::prelude::*;
    let mut options = Options { rounds: 3, seconds: 5, pairs: 32, sockets: 5_000, json: None };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("rounds") => options.rounds = parser.value()?.parse()?,
            Long("seconds") => options.seconds = parser.value()?.parse()?,
            Long("pairs") => options.pairs = parser.value()?.parse()?,
            Long("sockets") => options.sockets = parser.value()?.parse()?,
            Long("json") => options.json = Some(parser.value()?.into()),
            // What cargo itself passes.
            Long("bench") => {}
            _ => return Err(argument.unexpected().into()),
        }
    }
    Ok(options)
}

async fn bench(options: &Options) -> Result<(), Failure> {
    let scratch = tempfile::tempdir()?;
    let redis = nodes::redis(scratch.path())?;
    let workers = std::thread::available_parallelism()?.get();
    let nodes = [1, 2].map(|node| nodes::node(&scratch.path().join(node.to_string()), &redis.url, workers));
    let [one, two] = nodes;
    let (one, two) = (one?, two?);
    let mut report = json!({});

    let users = sockets::register(one.address, 2 * options.pairs).await?;
    let pairs: Vec<(User, User)> = users.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    let duration = Duration::from_secs(options.seconds);

    println!("{:<44}{:>10}{:>10}{:>10}{:>7}{:>9}", "", "msg/s", "p50 ms", "p99 ms", "lost", "doubled");
    let mut faults = 0;
    let mut show = |name: &str, outcome: &Outcome| {
        println!(
            "{name:<44}{:>10.0}{:>10.2}{:>10.2}{:>7}{:>9}",
            outcome.rate(),
            outcome.quantile(0.5),
            outcome.quantile(0.99),
            outcome.lost(),
            outcome.doubled
        );
        faults += outcome.lost() + outcome.doubled + outcome.disordered + outcome.refused;
        json!({ "name": name, "messages_per_second": outcome.rate(), "p50_ms": outcome.quantile(0.5),
            "p99_ms": outcome.quantile(0.99), "sent": outcome.sent, "lost": outcome.lost(),
            "doubled": outcome.doubled, "disordered": outcome.disordered, "refused": outcome.refused })
    };
    let mut rows = Vec::new();
    let mut ratios = Vec::new();
    for round in 1..=options.rounds {
        let script = redis.append_rate(options.pairs * WINDOW, duration).await?;
        println!("{:<44}{script:>10.0}", format!("{round}: the append script alone"));
        let outcome = sockets::run(one.address, one.address, &pairs, Pace::Window(WINDOW), duration).await?;
        rows.push(show(
            &format!("{round}: one node, {} pairs, {WINDOW} unanswered", options.pairs),
            &outcome,
        ));
        ratios.push(outcome.rate() / script);
        let outcome = sockets::run(one.address, two.address, &pairs, Pace::Window(WINDOW), duration).await?;
        rows.push(show(&format!("{round}: from one node to the other"), &outcome));
        let pace = Pace::Rate(GOAL * EASY);
        let outcome = sockets::run(one.address, one.address, &pairs, pace, duration).await?;
        rows.push(show(&format!("{round}: one node, {:.0} a second", GOAL * EASY), &outcome));
    }
    ratios.sort_by(f64::total_cmp);
    println!("messages delivered per append of the script alone (median): {:.2}", ratios[ratios.len() / 2]);
    report["messages"] = json!(rows);
    report["ratio_to_script"] = json!(ratios[ratios.len() / 2]);

    report["kb_per_socket"] = json!(idle_sockets(&two, &users, options.sockets).await?);
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_string_pretty(&report)?)?;
    }
    if faults > 0 {
        return Err(format!("{faults} messages were lost, doubled, out of order or refused").into());
    }
    Ok(())
}

/// What an idle socket costs the server, in KB of resident memory.
async fn idle_sockets(node: &Process, users: &[User], count: usize) -> Result<f64, Failure> {
    let before = resident_kb(node.id()).unwrap_or_default();
    let started = Instant::now();
    let mut open = Vec::new();
    for index in 0..count {
        open.push(sockets::connect(node.address, &users[index % users.len()].token).await?);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = resident_kb(node.id()).unwrap_or_default();
    let each = (after.saturating_sub(before)) as f64 / count as f64;
    println!(
        "{count} idle sockets: {each:.1} KB each ({before} -> {after} KB resident), opened in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    Ok(each)
}

fn resident_kb(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

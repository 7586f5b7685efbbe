//! How fast short links redirect, and whether every answered click was counted.
//!
//! `cargo bench --bench redirect [-- --urls FILE] [--rounds N] [--seconds N] [--connections N] [--json FILE]`
//!
//! Makes links from a list of real URLs (one a line; by default the home pages of Debian's packages, else made-up
//! ones), then drives `GET /{code}` under Zipf traffic over them, in alternating rounds with a bare actix-web
//! handler and, where installed, nginx's `return 302`, all with as many workers as cores. The load generator runs
//! on the same cores: the ratios are what the figures are for.

#![allow(missing_docs, unreachable_pub, clippy::print_stdout, reason = "a bench")]

#[path = "support/load.rs"]
mod load;
#[path = "support/process.rs"]
mod process;
#[path = "support/servers.rs"]
mod servers;
#[path = "support/zipf.rs"]
mod zipf;

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use load::{Load, Outcome};
use serde_json::{Value, json};
use servers::request;

const TRAFFIC: usize = 1 << 20;

struct Options {
    urls: Option<PathBuf>,
    rounds: usize,
    seconds: u64,
    connections: usize,
    json: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Ok(arguments) = std::env::var(servers::BARE_SERVER) {
        return Ok(servers::run_bare(&arguments)?);
    }
    let options = options()?;
    let workers = std::thread::available_parallelism()?.get();
    let urls = urls(&options)?;
    let scratch = tempfile::tempdir()?;

    let ayrene = servers::ayrene(&scratch.path().join("data"), workers)?;
    let bare = servers::bare(workers)?;
    let nginx = servers::nginx(scratch.path(), workers)?;
    println!("links      {} URLs to shorten ...", urls.len());
    let started = Instant::now();
    let (token, codes, refused) = shorten_all(ayrene.address, &urls)?;
    let took = started.elapsed().as_secs_f64();
    println!(
        "           {} made in {took:.1} s ({:.0}/s), {} refused",
        codes.len(),
        codes.len() as f64 / took,
        refused.len()
    );
    for (problem, example) in summary(&refused) {
        println!("           refused: {problem}, such as {example}");
    }

    let ranks = zipf::ranks(codes.len(), TRAFFIC);
    let requests = ranks.iter().map(|&rank| load::get(&format!("/{}", codes[rank]), ""));
    let requests = Arc::new(requests.collect());
    let mut contenders = vec![("ayrene", ayrene.address), ("bare actix-web", bare.address)];
    contenders.extend(nginx.as_ref().map(|nginx| ("nginx return 302", nginx.address)));
    let before = ayrene.cpu().unwrap_or_default();
    let rounds = run_rounds(&options, &contenders, &requests)?;
    let used = ayrene.cpu().unwrap_or_default() - before;

    let clicks = clicks_of_all(ayrene.address, &token)?;
    let answered: u64 = rounds[0].iter().map(|outcome| outcome.answered).sum();
    println!(
        "\nprocessor time of the server per click: {:.1} us",
        used.as_secs_f64() * 1e6 / answered as f64
    );
    report(&options, &contenders, &rounds, answered, clicks, codes.len(), resident_kb(ayrene.id()))?;
    if answered != clicks {
        return Err(format!("{answered} clicks answered, {clicks} counted").into());
    }
    Ok(())
}

fn options() -> Result<Options, Box<dyn Error>> {
    use lexopt::prelude::*;
    let mut options = Options { urls: None, rounds: 5, seconds: 5, connections: 64, json: None };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("urls") => options.urls = Some(parser.value()?.into()),
            Long("rounds") => options.rounds = parser.value()?.parse()?,
            Long("seconds") => options.seconds = parser.value()?.parse()?,
            Long("connections") => options.connections = parser.value()?.parse()?,
            Long("json") => options.json = Some(parser.value()?.into()),
            // What cargo itself passes.
            Long("bench") => {}
            _ => return Err(argument.unexpected().into()),
        }
    }
    Ok(options)
}

/// URLs found in the wild: a file, else the home pages of Debian's packages, else made up.
fn urls(options: &Options) -> Result<Vec<String>, Box<dyn Error>> {
    let mut urls: Vec<String> = match &options.urls {
        Some(file) => std::fs::read_to_string(file)?.lines().map(str::to_owned).collect(),
        None => {
            let dump = Command::new("apt-cache")
                .arg("dumpavail")
                .output()
                .map(|output| output.stdout)
                .unwrap_or_default();
            let text = String::from_utf8_lossy(&dump);
            text.lines().filter_map(|line| line.strip_prefix("Homepage: ")).map(str::to_owned).collect()
        }
    };
    urls.retain(|url| !url.is_empty());
    urls.sort();
    urls.dedup();
    if urls.is_empty() {
        println!("links      no list of real URLs here: made-up ones");
        urls = (0..20_000)
            .map(|number| format!("https://example.com/articles/{number}/a-title-of-usual-length"))
            .collect();
    }
    Ok(urls)
}

type Shortened = (String, Vec<String>, Vec<(String, String)>);

/// Makes a link of every URL with one account; returns its token, the codes, and the refused with their reason.
fn shorten_all(address: SocketAddr, urls: &[String]) -> Result<Shortened, Box<dyn Error>> {
    let account = json!({ "email": "bench@example.com", "password": "a long and odd password" }).to_string();
    let (status, body) = request(address, "POST", "/api/v1/auth/register", None, &account)?;
    let body: Value = serde_json::from_str(&body)?;
    let token = body["data"]["accessToken"].as_str().ok_or(format!("register: {status} {body}"))?.to_owned();
    let (mut codes, mut refused) = (Vec::new(), Vec::new());
    for url in urls {
        let link = json!({ "longUrl": url }).to_string();
        let (status, body) = request(address, "POST", "/api/v1/url", Some(&token), &link)?;
        let body: Value = serde_json::from_str(&body)?;
        match (status, body["data"]["urlCode"].as_str()) {
            (201, Some(code)) => codes.push(code.to_owned()),
            (400, _) => refused.push((body["details"]["errors"][0]["message"].to_string(), url.clone())),
            _ => return Err(format!("{url}: {status} {body}").into()),
        }
    }
    Ok((token, codes, refused))
}

fn summary(refused: &[(String, String)]) -> Vec<(String, String)> {
    let mut reasons: Vec<(String, String, usize)> = Vec::new();
    for (problem, url) in refused {
        match reasons.iter_mut().find(|(known, ..)| known == problem) {
            Some((.., count)) => *count += 1,
            None => reasons.push((problem.clone(), url.clone(), 1)),
        }
    }
    reasons.into_iter().map(|(problem, url, count)| (format!("{count} x {problem}"), url)).collect()
}

/// Alternating rounds; outcomes per contender.
fn run_rounds(
    options: &Options,
    contenders: &[(&str, SocketAddr)],
    requests: &Arc<Vec<Vec<u8>>>,
) -> Result<Vec<Vec<Outcome>>, Box<dyn Error>> {
    let mut rounds = vec![Vec::new(); contenders.len()];
    for round in 1..=options.rounds {
        for (index, (name, address)) in contenders.iter().enumerate() {
            let load = Load {
                address: *address,
                connections: options.connections,
                duration: Duration::from_secs(options.seconds),
                expected: "HTTP/1.1 302",
            };
            let outcome = load::run(&load, requests)?;
            println!("round {round}    {name:<18}{:>9.0} req/s", outcome.rate());
            rounds[index].push(outcome);
        }
    }
    Ok(rounds)
}

/// The sum of `totalSuccessClicks` over all links of the account.
fn clicks_of_all(address: SocketAddr, token: &str) -> Result<u64, Box<dyn Error>> {
    let mut clicks = 0;
    for page in 1.. {
        let (_, body) =
            request(address, "GET", &format!("/api/v1/url?limit=100&page={page}"), Some(token), "")?;
        let body: Value = serde_json::from_str(&body)?;
        let links = body["data"]["urls"].as_array().ok_or(format!("list: {body}"))?;
        clicks += links.iter().filter_map(|link| link["totalSuccessClicks"].as_u64()).sum::<u64>();
        if body["data"]["hasNext"] != true {
            break;
        }
    }
    Ok(clicks)
}

fn resident_kb(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn report(
    options: &Options,
    contenders: &[(&str, SocketAddr)],
    rounds: &[Vec<Outcome>],
    answered: u64,
    clicks: u64,
    links: usize,
    resident_kb: Option<u64>,
) -> Result<(), Box<dyn Error>> {
    println!(
        "\n{:<18}{:>9}{:>10}{:>10}{:>8}  ratio of ayrene (median of rounds)",
        "", "req/s", "p50 us", "p99 us", "errors"
    );
    let mut rows = Vec::new();
    for ((name, _), outcomes) in contenders.iter().zip(rounds) {
        let ratios = rounds[0].iter().zip(outcomes).map(|(ours, theirs)| ours.rate() / theirs.rate());
        let mut latency = outcomes[0].latency.clone();
        outcomes[1..].iter().try_for_each(|outcome| latency.add(&outcome.latency))?;
        let row = json!({
            "name": name,
            "requests_per_second": median(outcomes.iter().map(Outcome::rate).collect()),
            "p50_micros": latency.value_at_quantile(0.5),
            "p99_micros": latency.value_at_quantile(0.99),
            "errors": outcomes.iter().map(|outcome| outcome.errors).sum::<u64>(),
            "ayrene_ratio": median(ratios.collect()),
        });
        println!(
            "{name:<18}{:>9.0}{:>10}{:>10}{:>8}  {:.2}",
            row["requests_per_second"].as_f64().unwrap_or_default(),
            row["p50_micros"].to_string(),
            row["p99_micros"].to_string(),
            row["errors"].to_string(),
            row["ayrene_ratio"].as_f64().unwrap_or_default()
        );
        rows.push(row);
    }
    println!("\nclicks answered {answered}, counted {clicks}");
    if let Some(kb) = resident_kb {
        println!("resident after the load: {kb} KB");
    }
    if let Some(file) = &options.json {
        let report = json!({
            "links": links, "connections": options.connections, "rounds": options.rounds, "seconds": options.seconds,
            "clicks_answered": answered, "clicks_counted": clicks, "contenders": rows, "resident_kb": resident_kb,
        });
        std::fs::write(file, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}

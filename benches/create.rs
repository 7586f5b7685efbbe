//! How fast links are made: guests' and accounts', over the API.
//!
//! `cargo bench --bench create [-- --urls FILE] [--rounds N] [--seconds N] [--connections N] [--cores 0,1] [--json FILE]`
//!
//! URLs are real where there is a list of them: a file, one a line, or by default the home pages of Debian's packages; else
//! made up. What is refused is said with its reason.

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
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use support::load::{Load, Outcome, Pace};
use support::options::Options;
use support::report::{Table, grouped, median, millis};
use support::servers::{Ayrene, request};
use support::{load, report, seed, servers};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut list: Option<PathBuf> = None;
    let mut options = Options::new(3, 3, 32);
    options.read(|name, value| {
        if name == "urls" {
            list = Some(value.into());
            return Ok(true);
        }
        Ok(false)
    })?;
    options.cores.as_server()?;
    let urls = urls(list.as_deref())?;
    println!(
        "{}; {} connections, {} URLs",
        options.cores.description(),
        options.connections,
        grouped(urls.len() as f64)
    );
    let scratch = tempfile::tempdir()?;
    let ayrene = Ayrene::new(scratch.path().join("data"), options.cores.workers())?;
    let server = ayrene.start()?;
    let token = servers::register(ayrene.address)?;
    let (accepted, refused) = screen(&ayrene, &urls)?;
    for (problem, count, example) in &refused {
        println!("refused: {count} x {problem}, such as {example}");
    }

    let makers = [("guests", None), ("an account", Some(token.as_str()))];
    let mut rounds: [Vec<Outcome>; 2] = Default::default();
    let mut used = [0.0; 2];
    for _ in 0..options.rounds {
        for (index, (_, token)) in makers.iter().enumerate() {
            let requests = Arc::new(accepted.iter().map(|url| post(url, *token)).collect());
            let load = Load {
                address: ayrene.address,
                connections: options.connections,
                threads: 1,
                duration: options.duration,
                expected: "HTTP/1.1 201",
                pace: Pace::Closed,
            };
            let before = server.cpu().unwrap_or_default();
            options.cores.as_generator()?;
            rounds[index].push(load::run(&load, &requests)?);
            options.cores.as_server()?;
            used[index] += (server.cpu().unwrap_or_default() - before).as_secs_f64();
        }
    }
    let mut table = Table::new(&["links made by", "links/s", "p50 ms", "p99 ms", "errors", "server us"]);
    let mut rows = Vec::new();
    for (index, (name, _)) in makers.iter().enumerate() {
        let outcomes = &rounds[index];
        let middle = |value: &dyn Fn(&Outcome) -> f64| median(outcomes.iter().map(value));
        let (p50, p99) = (
            middle(&|outcome| outcome.quantile(0.5) as f64),
            middle(&|outcome| outcome.quantile(0.99) as f64),
        );
        let errors: u64 = outcomes.iter().map(Outcome::errors).sum();
        let micros = used[index] * 1e6 / outcomes.iter().map(|outcome| outcome.answered).sum::<u64>() as f64;
        let rate = middle(&Outcome::rate);
        table.row([
            (*name).to_owned(),
            grouped(rate),
            millis(p50 as u64),
            millis(p99 as u64),
            errors.to_string(),
            format!("{micros:.0}"),
        ]);
        rows.push(json!({
            "name": name, "links_per_second": rate, "p50_micros": p50, "p99_micros": p99, "errors": errors,
            "server_micros": micros,
        }));
    }
    table.print();
    let weight = weight(&ayrene, &token)?;
    println!("MEMORY USAGE of an account's link to one of these URLs: {weight:.0} bytes on average");
    let refused: Vec<_> =
        refused.iter().map(|(problem, count, _)| json!({ "problem": problem, "count": count })).collect();
    let report = json!({
        "urls": urls.len(), "refused": refused, "makers": rows, "bytes_per_link": weight,
        "generator_shares_cores": options.cores.shared(),
    });
    Ok(report::write("create", options.json.as_deref(), report)?)
}

/// URLs found in the wild: a file, else the home pages of Debian's packages, else made up.
fn urls(list: Option<&Path>) -> Result<Vec<String>, Failure> {
    let mut urls: Vec<String> = match list {
        Some(file) => std::fs::read_to_string(file)?.lines().map(str::to_owned).collect(),
        None => {
            let dump = Command::new("apt-cache").arg("dumpavail").output();
            let text = dump.map(|output| output.stdout).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            text.lines().filter_map(|line| line.strip_prefix("Homepage: ")).map(str::to_owned).collect()
        }
    };
    urls.retain(|url| !url.is_empty());
    urls.sort();
    urls.dedup();
    if urls.is_empty() {
        println!("no list of real URLs here: made-up ones");
        let made_up = |number| format!("https://example.com/articles/{number}/a-title-of-usual-length");
        urls = (0..20_000).map(made_up).collect();
    }
    Ok(urls)
}

type Refused = Vec<(String, usize, String)>;

/// Shortens each URL once: those that are taken, and the others by reason.
fn screen(ayrene: &Ayrene, urls: &[String]) -> Result<(Vec<String>, Refused), Failure> {
    let (mut accepted, mut refused): (Vec<String>, Refused) = Default::default();
    for url in urls {
        let link = json!({ "longUrl": url }).to_string();
        let (status, body) = request(ayrene.address, "POST", "/api/v1/url", None, &link)?;
        if status == 201 {
            accepted.push(url.clone());
            continue;
        }
        let body: Value = serde_json::from_str(&body)?;
        if status != 400 {
            return Err(format!("{url}: {status} {body}").into());
        }
        let problem = body["details"]["errors"][0]["message"].to_string();
        match refused.iter_mut().find(|(known, ..)| *known == problem) {
            Some((_, count, _)) => *count += 1,
            None => refused.push((problem, 1, url.clone())),
        }
    }
    Ok((accepted, refused))
}

fn post(url: &str, token: Option<&str>) -> Vec<u8> {
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    load::with_body("POST", "/api/v1/url", &token, &json!({ "longUrl": url }).to_string())
}

/// Of the account's newest links.
fn weight(ayrene: &Ayrene, token: &str) -> Result<f64, Failure> {
    let mut codes = Vec::new();
    for page in 1..=10 {
        let path = format!("/api/v1/url?limit=100&page={page}");
        let (_, body) = request(ayrene.address, "GET", &path, Some(token), "")?;
        let body: Value = serde_json::from_str(&body)?;
        let links = body["data"]["urls"].as_array().ok_or_else(|| format!("list: {body}"))?;
        codes.extend(links.iter().filter_map(|link| link["urlCode"].as_str()).map(str::to_owned));
    }
    seed::bytes_per_link(&mut seed::connect(&ayrene.redis_url())?, &codes)
}

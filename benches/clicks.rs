//! Whether every answered click was counted, once: quietly, with the server killed, and with its Redis killed.
//!
//! `cargo bench --bench clicks [-- --rounds N] [--seconds N] [--connections N] [--links N] [--kills N] [--cores 0,1]
//! [--json FILE]`
//!
//! Each round loads the redirect of all links for some seconds, waiting for every answer, and kills something `--kills`
//! times in the middle (`kill -9`). A click without an answer, or answered with an error, may count or not. So
//! answered <= counted <= answered + undecided must hold, and with nothing killed both must be equal.

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
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::load::{Load, Outcome, Pace};
use support::options::Options;
use support::process::Process;
use support::report::{Table, grouped};
use support::servers::{Ayrene, request};
use support::{load, report, servers, zipf};

type Failure = Box<dyn Error + Send + Sync>;

/// Draws in the table of requests.
const TRAFFIC: usize = 1 << 16;
/// How long a server that is back may take to count what it had kept.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// What is killed in the middle of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Nobody,
    Server,
    Redis,
}

fn main() -> Result<(), Failure> {
    let (mut links, mut kills) = (1_000, 3);
    let mut options = Options::new(2, 4, 64);
    options.read(|name, value| {
        match name {
            "links" => links = value.parse()?,
            "kills" => kills = value.parse()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    options.cores.as_server()?;
    println!("{}; {} connections, {links} links", options.cores.description(), options.connections);
    let scratch = tempfile::tempdir()?;
    let ayrene = Ayrene::new(scratch.path().join("data"), options.cores.workers())?
        .with("AYRENE__AUTH__ACCESS_TTL_SECS", "86400")
        // It has reason to complain.
        .with("AYRENE__LOG__LEVEL", "off");
    let mut server = ayrene.start()?;
    let token = servers::register(ayrene.address)?;
    let codes = (0..links).map(|number| {
        servers::shorten(ayrene.address, Some(&token), &format!("https://example.com/articles/{number}"))
    });
    let codes = codes.collect::<Result<Vec<_>, _>>()?;
    let ranks = zipf::ranks(codes.len(), TRAFFIC);
    let requests = ranks.iter().map(|&rank| load::get(&format!("/{}", codes[rank]), ""));
    let requests = Arc::new(requests.collect());

    let mut table = Table::new(&["", "answered", "counted", "without an answer", "errors", "per s", "holds"]);
    let (mut rows, mut broken) = (Vec::new(), 0);
    let mut counted_before = 0;
    for round in 1..=options.rounds {
        for (victim, name) in [
            (Victim::Nobody, "nothing killed"),
            (Victim::Server, "server killed"),
            (Victim::Redis, "Redis killed"),
        ] {
            let outcome = under_fire(&options, &ayrene, &mut server, &requests, victim, kills)?;
            let undecided = outcome.others + outcome.unanswered;
            let wanted = outcome.answered..=outcome.answered + undecided;
            let counted = settled(&ayrene, &token, counted_before, &wanted)?;
            counted_before += counted;
            let holds = wanted.contains(&counted);
            broken += usize::from(!holds);
            table.row([
                format!("{round}: {name}"),
                grouped(outcome.answered as f64),
                grouped(counted as f64),
                grouped(outcome.unanswered as f64),
                grouped(outcome.others as f64),
                grouped(outcome.rate()),
                if holds { "yes" } else { "NO" }.to_owned(),
            ]);
            rows.push(json!({
                "what": name, "answered": outcome.answered, "counted": counted,
                "unanswered": outcome.unanswered, "errors": outcome.others, "per_second": outcome.rate(),
                "holds": holds, "kills": if victim == Victim::Nobody { 0 } else { kills },
            }));
        }
    }
    table.print();
    report::write("clicks", options.json.as_deref(), json!({ "links": links, "rounds": rows }))?;
    if broken > 0 {
        return Err(format!("in {broken} rounds clicks were lost or counted twice").into());
    }
    println!("answered <= counted <= answered + undecided, in all rounds");
    Ok(())
}

/// Loads the server and kills the victim now and then meanwhile.
fn under_fire(
    options: &Options,
    ayrene: &Ayrene,
    server: &mut Process,
    requests: &Arc<Vec<Vec<u8>>>,
    victim: Victim,
    kills: u32,
) -> Result<Outcome, Failure> {
    let load = Load {
        address: ayrene.address,
        connections: options.connections,
        threads: 1,
        duration: options.duration,
        expected: "HTTP/1.1 302",
        pace: Pace::Closed,
    };
    options.cores.as_generator()?;
    let requests = requests.clone();
    let generator = std::thread::spawn(move || load::run(&load, &requests));
    options.cores.as_server()?;
    if victim != Victim::Nobody {
        for _ in 0..kills {
            std::thread::sleep(options.duration / (kills + 1));
            match victim {
                Victim::Server => {
                    server.kill()?;
                    *server = ayrene.start()?;
                }
                // The server starts it again.
                Victim::Redis | Victim::Nobody => {
                    for child in server.children() {
                        Command::new("kill").args(["-9", &child.to_string()]).status()?;
                    }
                }
            }
        }
    }
    Ok(generator.join().map_err(|_| "the load generator panicked")??)
}

/// Clicks counted since `before`, as soon as they are in `wanted` and stay the same; or what they are in the end.
fn settled(
    ayrene: &Ayrene,
    token: &str,
    before: u64,
    wanted: &std::ops::RangeInclusive<u64>,
) -> Result<u64, Failure> {
    let deadline = Instant::now() + SETTLED_WITHIN;
    let mut last = None;
    loop {
        let counted = clicks_of_all(ayrene.address, token).ok().map(|clicks| clicks - before);
        if let Some(counted) = counted
            && (Instant::now() > deadline || last == Some(counted) && wanted.contains(&counted))
        {
            return Ok(counted);
        }
        if Instant::now() > deadline {
            return Err("the server does not come back".into());
        }
        last = counted;
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// The sum of `totalSuccessClicks` over all links of the account.
fn clicks_of_all(address: SocketAddr, token: &str) -> Result<u64, Failure> {
    let mut clicks = 0;
    for page in 1.. {
        let path = format!("/api/v1/url?limit=100&page={page}");
        let (_, body) = request(address, "GET", &path, Some(token), "")?;
        let body: Value = serde_json::from_str(&body)?;
        let links = body["data"]["urls"].as_array().ok_or_else(|| format!("list: {body}"))?;
        clicks += links.iter().filter_map(|link| link["totalSuccessClicks"].as_u64()).sum::<u64>();
        if body["data"]["hasNext"] != true {
            break;
        }
    }
    Ok(clicks)
}

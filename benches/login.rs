//! A login storm: what redirects feel while passwords are hashed at full load.
//!
//! `cargo bench --bench login [-- --rate N] [--logins N] [--rounds N] [--seconds N] [--settling MS] [--connections N]
//! [--cores 0,1] [--json FILE]`
//!
//! Redirects come at a fixed modest rate all the time. In turns of `--seconds` the machine has nothing else to do; then a
//! program that has nothing to do with the server computes, with as many threads as hash passwords and as little urgency; then
//! `--logins` clients log in as fast as they are answered, with argon2 at its default cost. p99 in the storm may not rise above
//! twice that of the quiet; the program shows what of it is the machine's, some of which run both processors worse than one.

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
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde_json::json;
use support::load::{Load, Outcome, Pace};
use support::options::Options;
use support::report::{Table, grouped, median, millis};
use support::servers::Ayrene;
use support::traffic::Spread;
use support::{load, report, seed, servers, traffic};

type Failure = Box<dyn Error + Send + Sync>;

const LINKS: usize = 10_000;
const FOUND: &str = "HTTP/1.1 302";
const PANICKED: &str = "a thread panicked";
const PHASES: [&str; 4] = ["redirects, quiet", "redirects, beside a program", "redirects, storm", "logins"];

fn main() -> Result<(), Failure> {
    let (mut rate, mut logins) = (5_000.0, 16);
    let mut options = Options::new(15, 1, 32);
    options.read(|name, value| {
        match name {
            "rate" => rate = value.parse()?,
            "logins" => logins = value.parse()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    options.cores.as_server()?;
    println!("{}; {} redirects/s, {logins} clients log in", options.cores.description(), grouped(rate));
    let hashers = ayrene::config::load(None)?.config.auth.hash_thread_count();
    let scratch = tempfile::tempdir()?;
    let node = Ayrene::new(scratch.path().join("data"), options.cores.workers())?
        // All log in to one account from one address.
        .with("AYRENE__AUTH__ACCOUNT_GUESSES__FREE", "1000000")
        .with("AYRENE__AUTH__IP_GUESSES__FREE", "1000000");
    let _server = node.start()?;
    seed::open_links(&mut seed::connect(&node.redis_url())?, LINKS)?;
    servers::register(node.address)?;
    let credentials = json!({ "email": servers::EMAIL, "password": servers::PASSWORD }).to_string();
    let login = load::with_body("POST", "/api/v1/auth/login", "", &credentials);

    let redirects = Load {
        address: node.address,
        connections: options.connections,
        threads: 1,
        duration: options.duration,
        expected: FOUND,
        pace: Pace::Rate { per_second: rate, settling: options.settling },
    };
    let storm = Load {
        connections: logins,
        expected: "HTTP/1.1 200",
        pace: Pace::Closed,
        duration: redirects.duration + options.settling,
        ..redirects.clone()
    };
    let links = Arc::new(traffic::requests(Spread::Zipf, LINKS, traffic::seeded));
    let logins = Arc::new(vec![login]);

    options.cores.as_generator()?;
    let follow = || {
        let (redirects, links) = (redirects.clone(), links.clone());
        let following = std::thread::spawn(move || {
            // Clients elsewhere would not wait for our hashers either.
            ayrene::actor::answer_promptly();
            load::run(&redirects, &links)
        });
        following.join().map_err(|_| PANICKED)?.map_err(Failure::from)
    };
    follow()?;
    let [mut quiet, mut beside, mut stormy, mut hashed] = [const { Vec::new() }; 4];
    for _ in 0..options.rounds {
        quiet.push(follow()?);
        let program = Program::start(hashers);
        beside.push(follow()?);
        program.stop()?;
        let (storm, logins) = (storm.clone(), logins.clone());
        let hashing = std::thread::spawn(move || load::run(&storm, &logins));
        stormy.push(follow()?);
        hashed.push(hashing.join().map_err(|_| PANICKED)??);
    }
    report(&options, rate, [&quiet, &beside, &stormy, &hashed])
}

/// Threads that compute and want nothing else.
struct Program {
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Program {
    fn start(threads: usize) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let threads = (0..threads).map(|_| {
            let ended = ended.clone();
            std::thread::spawn(move || {
                ayrene::actor::stand_back();
                while !ended.load(Ordering::Relaxed) {
                    std::hint::black_box(
                        (0..10_000_u64).fold(1_u64, |hash, number| hash.wrapping_mul(31) ^ number),
                    );
                }
            })
        });
        Self { threads: threads.collect(), ended }
    }

    fn stop(self) -> Result<(), Failure> {
        self.ended.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().map_err(|_| PANICKED)?;
        }
        Ok(())
    }
}

fn report(options: &Options, rate: f64, outcomes: [&Vec<Outcome>; 4]) -> Result<(), Failure> {
    let mut table = Table::new(&[
        "",
        "answered/s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "errors",
        "not sent",
        "generator late",
    ]);
    let mut rows = Vec::new();
    for (name, outcomes) in PHASES.iter().zip(outcomes) {
        let middle = |value: &dyn Fn(&Outcome) -> f64| median(outcomes.iter().map(value));
        let quantile = |share| middle(&|outcome| outcome.quantile(share) as f64);
        let errors: u64 = outcomes.iter().map(|outcome| outcome.others + outcome.unanswered).sum();
        let unsent: u64 = outcomes.iter().map(|outcome| outcome.unsent).sum();
        let late = middle(&|outcome| outcome.lateness.value_at_quantile(0.99) as f64);
        let answered = middle(&Outcome::rate);
        table.row([
            (*name).to_owned(),
            format!("{answered:.1}"),
            millis(quantile(0.5) as u64),
            millis(quantile(0.99) as u64),
            millis(quantile(0.999) as u64),
            errors.to_string(),
            unsent.to_string(),
            if late > 0.0 { format!("{late:.0} us") } else { "-".to_owned() },
        ]);
        rows.push(json!({
            "name": name, "answered_per_second": answered, "p50_micros": quantile(0.5),
            "p99_micros": quantile(0.99), "p999_micros": quantile(0.999), "errors": errors,
            "unsent": unsent, "generator_late_p99_micros": late,
        }));
    }
    table.print();
    let [quiet, beside, stormy, _] = outcomes;
    let ratio_to_quiet = |outcomes: &[Outcome]| {
        let p99 = |outcome: &Outcome| outcome.quantile(0.99) as f64;
        median(outcomes.iter().zip(quiet).map(|(this, quiet)| p99(this) / p99(quiet)))
    };
    let (ratio, machine) = (ratio_to_quiet(stormy), ratio_to_quiet(beside));
    println!(
        "p99 to that in the quiet, median of {} rounds: storm {ratio:.2}, beside a program {machine:.2}",
        quiet.len()
    );
    println!("`generator late`: p99 of how late the generator itself looked at what was due.");
    if options.cores.shared() {
        println!("The generator shares the cores: that the hasher takes them delays it too.");
    }
    let report = json!({
        "rate": rate, "rows": rows, "p99_ratio": ratio, "p99_ratio_beside_a_program": machine,
        "generator_shares_cores": options.cores.shared(),
    });
    Ok(report::write("login", options.json.as_deref(), report)?)
}

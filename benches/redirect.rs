//! How fast short links redirect, beside servers that do nothing else.
//!
//! `cargo bench --bench redirect [-- --scenario LIST] [--links N] [--rounds N] [--seconds N] [--settling MS]
//! [--connections N] [--sizes 1000,5000000] [--shares 60,80] [--cores 0,1] [--generator-cores 2,3] [--plots DIR] [--json FILE]`
//!
//! Scenarios, by commas: `hot` (one link), `zipf` (over `--links`, 100,000), `uniform` (over a million), `misses` and
//! `protected`, each in alternating rounds with a bare actix-web server and nginx; `load` (latency at 10 to 100 %, or `--shares`, of
//! nginx's peak), `scale` (throughput at 1,000 to 5 million links, or `--sizes`), `staleness` (two nodes on one Redis). `all`, the default, is
//! all of them.

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::print_stdout,
    reason = "a bench, with parts shared by all"
)]

#[path = "redirect/offered.rs"]
mod offered;
#[path = "redirect/plot.rs"]
mod plot;
#[path = "redirect/scale.rs"]
mod scale;
#[path = "redirect/staleness.rs"]
mod staleness;

#[path = "support/mod.rs"]
mod support;

use std::error::Error;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::contenders::Contender;
use support::drive::{Driver, Round};
use support::options::Options;
use support::report::{Table, grouped, median, millis};
use support::servers::Ayrene;
use support::traffic::Spread;
use support::{contenders, report, seed, servers, traffic};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

pub(crate) const FOUND: &str = "HTTP/1.1 302";
/// Links of `uniform`.
const MANY: usize = 1_000_000;
/// Links that are protected.
const PROTECTED: usize = 10_000;
const SCENARIOS: [&str; 8] = ["hot", "zipf", "uniform", "misses", "protected", "load", "scale", "staleness"];

/// Options of this bench.
pub(crate) struct Plan {
    pub(crate) options: Options,
    scenarios: Vec<String>,
    pub(crate) links: usize,
    /// Sizes of `scale`.
    pub(crate) sizes: Vec<usize>,
    /// Of nginx's peak, in percent: what `load` offers.
    pub(crate) shares: Vec<u64>,
    plots: PathBuf,
}

fn main() -> Result<(), Failure> {
    if let Ok(arguments) = std::env::var(servers::BARE_SERVER) {
        return Ok(servers::run_bare(&arguments)?);
    }
    let plan = plan()?;
    plan.options.cores.as_server()?;
    println!("{}; {} connections", plan.options.cores.description(), plan.options.connections);
    let mut report = json!({
        "connections": plan.options.connections, "rounds": plan.options.rounds,
        "seconds": plan.options.duration.as_secs(),
        "settling_millis": plan.options.settling.as_millis() as u64, "links": plan.links,
        "cores": plan.options.cores.description(), "generator_shares_cores": plan.options.cores.shared(),
    });
    compare(&plan, &mut report)?;
    if plan.has("scale") {
        report["scale"] = scale::run(&plan)?;
        plot::scale(&plan.plots, &report["scale"])?;
    }
    if plan.has("staleness") {
        report["staleness"] = staleness::run(&plan)?;
    }
    let errors = errors(&report);
    report::write("redirect", plan.options.json.as_deref(), report)?;
    if errors > 0 {
        return Err(format!("{errors} requests did not get the answer that they should").into());
    }
    Ok(())
}

/// Of all scenarios together.
fn errors(report: &Value) -> u64 {
    let scenarios = report["scenarios"].as_object().into_iter().flat_map(|scenarios| scenarios.values());
    let rows = scenarios
        .filter_map(Value::as_array)
        .flatten()
        .chain(report["load"]["points"].as_array().into_iter().flatten());
    rows.filter_map(|row| row["errors"].as_u64()).sum()
}

impl Plan {
    fn has(&self, scenario: &str) -> bool {
        self.scenarios.iter().any(|name| name == scenario)
    }
}

fn plan() -> Result<Plan, Failure> {
    let mut scenarios: Vec<String> = Vec::new();
    let (mut links, mut plots) = (100_000, report::folder());
    let mut sizes = vec![1_000, 10_000, 100_000, 1_000_000, 5_000_000];
    let mut shares: Vec<u64> = (10..=100).step_by(10).collect();
    let mut options = Options::new(3, 2, 64);
    options.read(|name, value| {
        match name {
            "scenario" => scenarios.extend(value.split(',').map(str::to_owned)),
            "links" => links = value.parse()?,
            "shares" => shares = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "sizes" => sizes = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "plots" => plots = value.into(),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if let Some(unknown) = scenarios.iter().find(|name| !SCENARIOS.contains(&name.as_str()) && *name != "all")
    {
        return Err(format!("no scenario {unknown}; there are all, {}", SCENARIOS.join(", ")).into());
    }
    if scenarios.is_empty() || scenarios.iter().any(|name| name == "all") {
        scenarios = SCENARIOS.map(str::to_owned).to_vec();
    }
    Ok(Plan { options, scenarios, links, sizes, shares, plots })
}

/// The scenarios that compare servers; all on one set of links.
fn compare(plan: &Plan, report: &mut Value) -> Result<(), Failure> {
    const COMPARED: [&str; 6] = ["hot", "zipf", "uniform", "misses", "protected", "load"];
    if !COMPARED.iter().any(|name| plan.has(name)) {
        return Ok(());
    }
    let scratch = tempfile::tempdir()?;
    let workers = plan.options.cores.workers();
    let ayrene = Ayrene::new(scratch.path().join("data"), workers)?;
    let contenders = contenders::start(scratch.path(), &ayrene, workers)?;
    let links = if plan.has("uniform") { plan.links.max(MANY) } else { plan.links };
    let mut redis = seed::connect(&ayrene.redis_url())?;
    seed::open_links(&mut redis, links)?;
    seed::protected_links(&mut redis, PROTECTED)?;
    println!("{} links", grouped(links as f64));

    type Scenario = (&'static str, &'static str, Spread, usize, fn(usize) -> String);
    let scenarios: [Scenario; 5] = [
        ("hot", FOUND, Spread::Hot, 1, traffic::seeded),
        ("zipf", FOUND, Spread::Zipf, plan.links, traffic::seeded),
        ("uniform", FOUND, Spread::Uniform, MANY, traffic::seeded),
        ("misses", "HTTP/1.1 404", Spread::Uniform, MANY, |rank| format!("{}{rank:07}", servers::MISSING)),
        ("protected", "HTTP/1.1 401", Spread::Zipf, PROTECTED, |rank| {
            format!("{}{rank:07}", servers::PROTECTED)
        }),
    ];
    for (name, expected, spread, links, path) in scenarios {
        if plan.has(name) {
            let requests = traffic::requests(spread, links, path);
            let driver =
                Driver::new(scratch.path(), requests, &plan.options.cores, plan.options.connections)?;
            if expected == FOUND && links > 1 {
                walk(&driver, &contenders)?;
            }
            report["scenarios"][name] = rounds(plan, name, &driver, &contenders, expected)?;
        }
    }
    if plan.has("load") {
        let requests = traffic::requests(Spread::Zipf, plan.links, traffic::seeded);
        let driver = Driver::new(scratch.path(), requests, &plan.options.cores, plan.options.connections)?;
        walk(&driver, &contenders)?;
        report["load"] = offered::run(plan, &driver, &contenders)?;
        plot::load(&plan.plots, &report["load"])?;
    }
    if let Some(kb) = contenders[0].process.resident_kb() {
        println!("ayrene is resident with {} KB after all that", grouped(kb as f64));
        report["resident_kb"] = json!(kb);
    }
    Ok(())
}

/// Alternating rounds of one scenario.
fn rounds(
    plan: &Plan,
    name: &str,
    driver: &Driver,
    contenders: &[Contender],
    expected: &'static str,
) -> Result<Value, Failure> {
    println!(
        "\n{name}: {} rounds of {} s by {}",
        plan.options.rounds,
        plan.options.duration.as_secs(),
        driver.name()
    );
    warm_up(driver, contenders, expected)?;
    let mut rounds: Vec<Vec<Round>> = vec![Vec::new(); contenders.len()];
    for _ in 0..plan.options.rounds {
        for (contender, rounds) in contenders.iter().zip(&mut rounds) {
            rounds.push(driver.closed(&contender.process, expected, plan.options.duration)?);
            contender.finish()?;
        }
    }
    let reference = rounds.last().filter(|_| contenders.len() > 2).cloned();
    let mut table = Table::new(&[
        name,
        "req/s",
        "to nginx",
        "p50 ms",
        "p99 ms",
        "errors",
        "server us",
        "Redis us",
        "generator us",
    ]);
    let mut rows = Vec::new();
    for (contender, rounds) in contenders.iter().zip(&rounds) {
        let middle = |value: fn(&Round) -> f64| median(rounds.iter().map(value));
        let ratio = reference.as_ref().map(|reference| {
            median(rounds.iter().zip(reference).map(|(ours, theirs)| ours.rate / theirs.rate))
        });
        let errors: u64 = rounds.iter().map(|round| round.errors).sum();
        // nginx answers in workers, which are its children; the only child of ayrene is Redis.
        let [server, redis, generator] =
            [0, 1, 2].map(|index| median(rounds.iter().map(|round| round.cpu_micros[index])));
        let (server, redis) = if contender.name == "nginx" { (server + redis, 0.0) } else { (server, redis) };
        let (p50, p99) = (middle(|round| round.p50_micros as f64), middle(|round| round.p99_micros as f64));
        let rate = middle(|round| round.rate);
        table.row([
            contender.name.to_owned(),
            grouped(rate),
            ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")),
            millis(p50 as u64),
            millis(p99 as u64),
            errors.to_string(),
            format!("{server:.1}"),
            format!("{redis:.1}"),
            format!("{generator:.1}"),
        ]);
        rows.push(json!({
            "name": contender.name, "requests_per_second": rate, "ratio_to_nginx": ratio, "p50_micros": p50,
            "p99_micros": p99, "errors": errors, "server_micros": server, "redis_micros": redis,
            "generator_micros": generator,
            "rounds": rounds.iter().map(|round| round.rate).collect::<Vec<_>>(),
        }));
    }
    table.print();
    if plan.options.cores.shared() {
        println!("The generator took its time from the same cores: look at the ratios, not at the rates.");
    }
    Ok(json!(rows))
}

/// Everybody is asked for every link once: redirects of known links are what is compared.
fn walk(driver: &Driver, contenders: &[Contender]) -> Result<(), Failure> {
    for contender in contenders {
        driver.walk(&contender.process, FOUND)?;
        contender.finish()?;
    }
    Ok(())
}

/// Everybody gets one uncounted second of the same load.
fn warm_up(driver: &Driver, contenders: &[Contender], expected: &'static str) -> Result<(), Failure> {
    for contender in contenders {
        let round = driver.closed(&contender.process, expected, std::time::Duration::from_secs(1))?;
        if round.errors > 0 {
            let name = contender.name;
            return Err(
                format!("{name}: {} of {} requests without {expected}", round.errors, round.answers).into()
            );
        }
        contender.finish()?;
    }
    Ok(())
}

/// A folder for the table of requests of wrk, and the rest.
pub(crate) fn scratch(base: &Path, name: &str) -> std::io::Result<PathBuf> {
    let folder = base.join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

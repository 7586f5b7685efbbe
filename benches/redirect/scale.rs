//! Throughput against the number of links, and what a link weighs in Redis.
//!
//! Every size has a node and a Redis of its own and all are up together, so that rounds can alternate. Each is warmed the
//! same way: by one uncounted measurement of the same traffic.

use serde_json::{Value, json};

use super::support::drive::{Driver, Round};
use super::support::process::Process;
use super::support::report::{Table, grouped, median, millis};
use super::support::servers::{Ayrene, request};
use super::support::traffic::{self, Spread};
use super::{FOUND, Failure, Plan, scratch, seed, servers};

/// Links made through the API, to weigh them.
const WEIGHED: usize = 1_000;

struct Node {
    links: usize,
    process: Process,
    driver: Driver,
    rounds: Vec<Round>,
    /// Memory that Redis took for all, by link.
    bytes_per_link: f64,
}

pub(crate) fn run(plan: &Plan) -> Result<Value, Failure> {
    let base = tempfile::tempdir()?;
    let workers = plan.options.cores.workers();
    let nginx = servers::nginx(base.path(), workers)?;
    let nodes = plan.sizes.iter().map(|&links| node(plan, base.path(), links));
    let mut nodes = nodes.collect::<Result<Vec<_>, _>>()?;
    let weights = weigh(plan, base.path())?;

    for node in &nodes {
        node.driver.closed(&node.process, FOUND, plan.options.duration)?;
    }
    let (mut ratios, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..plan.options.rounds.max(1) {
        for node in &mut nodes {
            let round = node.driver.closed(&node.process, FOUND, plan.options.duration)?;
            if round.errors > 0 {
                return Err(format!("{} links: {} errors", node.links, round.errors).into());
            }
            node.rounds.push(round);
        }
        let last = |node: Option<&Node>| node.and_then(|node| Some(node.rounds.last()?.rate));
        ratios.extend(last(nodes.last()).zip(last(nodes.first())).map(|(most, least)| most / least));
        if let Some(nginx) = &nginx {
            beside.push(nodes[0].driver.closed(nginx, FOUND, plan.options.duration)?.rate);
        }
    }
    Ok(report(&nodes, median(ratios), (!beside.is_empty()).then(|| median(beside)), weights))
}

fn node(plan: &Plan, base: &std::path::Path, links: usize) -> Result<Node, Failure> {
    let folder = scratch(base, &links.to_string())?;
    let ayrene = Ayrene::new(folder.join("data"), plan.options.cores.workers())?;
    let process = ayrene.start()?;
    let mut redis = seed::connect(&ayrene.redis_url())?;
    let (before, started) = (seed::used_memory(&mut redis)?, std::time::Instant::now());
    seed::open_links(&mut redis, links)?;
    let bytes_per_link = (seed::used_memory(&mut redis)? - before) as f64 / links as f64;
    println!("{} links written in {:.1} s", grouped(links as f64), started.elapsed().as_secs_f64());
    let requests = traffic::requests(Spread::Zipf, links, traffic::seeded);
    let driver = Driver::new(&folder, requests, &plan.options.cores, plan.options.connections)?;
    Ok(Node { links, process, driver, rounds: Vec::new(), bytes_per_link })
}

/// Bytes of a link as the API makes it: a guest's and an account's.
fn weigh(plan: &Plan, base: &std::path::Path) -> Result<[f64; 2], Failure> {
    let ayrene = Ayrene::new(base.join("weighed"), plan.options.cores.workers())?;
    let process = ayrene.start()?;
    let token = servers::register(process.address)?;
    let mut redis = seed::connect(&ayrene.redis_url())?;
    let mut weights = [0.0; 2];
    for (weight, token) in weights.iter_mut().zip([None, Some(token.as_str())]) {
        let codes = (0..WEIGHED).map(|number| {
            let url = format!("https://example.com/articles/{number:07}/a-title-of-usual-length");
            servers::shorten(process.address, token, &url)
        });
        let codes = codes.collect::<Result<Vec<_>, _>>()?;
        // A click or more, as links have.
        for code in &codes {
            request(process.address, "GET", &format!("/{code}"), None, "")?;
        }
        std::thread::sleep(std::time::Duration::from_secs(1));
        *weight = seed::bytes_per_link(&mut redis, &codes)?;
        println!(
            "fields of a link made through the API and clicked: {:?}",
            seed::fields(&mut redis, &codes[0])?
        );
    }
    Ok(weights)
}

fn report(nodes: &[Node], ratio: f64, nginx: Option<f64>, weights: [f64; 2]) -> Value {
    let mut table = Table::new(&[
        "links",
        "req/s",
        "p99 ms",
        "us server",
        "us datastore",
        "us generator",
        "Redis bytes per link, all told",
    ]);
    let mut points = Vec::new();
    for node in nodes {
        let middle = |value: &dyn Fn(&Round) -> f64| median(node.rounds.iter().map(value));
        let (rate, p99) = (middle(&|round| round.rate), middle(&|round| round.p99_micros as f64));
        let cpu_micros = [0, 1, 2].map(|process| middle(&|round| round.cpu_micros[process]));
        let [server, datastore, generator] = cpu_micros.map(|micros| format!("{micros:.1}"));
        table.row([
            grouped(node.links as f64),
            grouped(rate),
            millis(p99 as u64),
            server,
            datastore,
            generator,
            format!("{:.0}", node.bytes_per_link),
        ]);
        points.push(json!({
            "links": node.links, "requests_per_second": rate, "p99_micros": p99, "cpu_micros": cpu_micros,
            "rates": node.rounds.iter().map(|round| round.rate).collect::<Vec<_>>(),
            "bytes_per_link_all_told": node.bytes_per_link, "resident_kb": node.process.resident_kb(),
        }));
    }
    table.print();
    if let Some(nginx) = nginx {
        println!("nginx in the same rounds: {} req/s", grouped(nginx));
    }
    println!("throughput with the most links to that with the fewest (median of rounds): {ratio:.2}");
    println!(
        "MEMORY USAGE per link made through the API: {:.0} bytes a guest's, {:.0} an account's",
        weights[0], weights[1]
    );
    json!({
        "points": points, "most_to_fewest": ratio, "nginx": nginx,
        "bytes_per_guest_link": weights[0], "bytes_per_account_link": weights[1],
    })
}

//! Messages, likes and feeds: how many a second, how late, and whether each arrived once.
//!
//! `cargo bench --bench social [-- --rounds N] [--seconds N] [--pairs N] [--sockets N] [--posts N] [--cores 0,1]
//! [--json FILE]`
//!
//! Real sockets to real server processes on a real Redis with its log on, all on the same cores as the load; so look at
//! the ratios: the send path is compared with its Redis script alone, run in the same alternating rounds.

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::print_stdout,
    reason = "a bench, with parts shared by all"
)]

#[path = "support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::load::Load;
use support::options::Options;
use support::process::Process;
use support::report::median;
use support::sockets::{Failure, Pace, User};
use support::{load, nodes, report, sockets};

/// Messages that a sender may have unanswered.
const WINDOW: usize = 8;
/// Of the best rate, at which latency is looked at.
const EASY: f64 = 0.5;
const GOAL: f64 = 10_000.0;

struct Plan {
    options: Options,
    pairs: usize,
    sockets: usize,
    posts: usize,
}

fn main() -> Result<(), Failure> {
    let plan = plan()?;
    plan.options.cores.as_server()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(bench(&plan))
}

fn plan() -> Result<Plan, Failure> {
    let (mut pairs, mut sockets, mut posts) = (32, 5_000, 1_000_000);
    let mut options = Options::new(3, 5, 16);
    options.read(|name, value| {
        match name {
            "pairs" => pairs = value.parse()?,
            "sockets" => sockets = value.parse()?,
            "posts" => posts = value.parse()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(Plan { options, pairs, sockets, posts })
}

async fn bench(plan: &Plan) -> Result<(), Failure> {
    let scratch = tempfile::tempdir()?;
    let redis = nodes::redis(scratch.path())?;
    let workers = std::thread::available_parallelism()?.get();
    let nodes = [1, 2].map(|node| nodes::node(&scratch.path().join(node.to_string()), &redis.url, workers));
    let [one, two] = nodes;
    let (one, two) = (one?, two?);
    let mut report = json!({});

    let users = sockets::register(one.address, 2 * plan.pairs).await?;
    let pairs: Vec<(User, User)> = users.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    let duration = plan.options.duration;

    println!(
        "{:<44}{:>9}{:>9}{:>9}{:>6}{:>9}{:>11}{:>10}",
        "", "msg/s", "p50 ms", "p99 ms", "lost", "doubled", "server us", "redis us"
    );
    let mut faults = 0;
    let mut rows = Vec::new();
    let mut ratios = Vec::new();
    for round in 1..=plan.options.rounds {
        let script = redis.append_rate(plan.pairs * WINDOW, duration).await?;
        println!("{:<44}{script:>9.0}", format!("{round}: the append script alone"));
        let easy = Pace::Rate(GOAL * EASY);
        let runs = [
            (format!("{} pairs, {WINDOW} unanswered", plan.pairs), &one, Pace::Window(WINDOW)),
            ("the same, from one node to the other".to_owned(), &two, Pace::Window(WINDOW)),
            (format!("{:.0} a second", GOAL * EASY), &one, easy),
        ];
        for (name, receiving, pace) in runs {
            let before = cpu(&[&one, &two], &redis);
            let outcome = sockets::run(one.address, receiving.address, &pairs, pace, duration).await?;
            let used = cpu(&[&one, &two], &redis);
            let share =
                |index: usize| (used[index] - before[index]).as_secs_f64() * 1e6 / outcome.delivered as f64;
            println!(
                "{:<44}{:>9.0}{:>9.2}{:>9.2}{:>6}{:>9}{:>11.0}{:>10.0}",
                format!("{round}: {name}"),
                outcome.rate(),
                outcome.quantile(0.5),
                outcome.quantile(0.99),
                outcome.lost(),
                outcome.doubled,
                share(0),
                share(1)
            );
            faults += outcome.lost() + outcome.doubled + outcome.disordered + outcome.refused;
            if matches!(pace, Pace::Window(_)) && receiving.address == one.address {
                ratios.push(outcome.rate() / script);
            }
            rows.push(
                json!({ "name": name, "messages_per_second": outcome.rate(), "p50_ms": outcome.quantile(0.5),
                "p99_ms": outcome.quantile(0.99), "sent": outcome.sent, "lost": outcome.lost(),
                "doubled": outcome.doubled, "disordered": outcome.disordered, "refused": outcome.refused,
                "server_micros": share(0), "redis_micros": share(1) }),
            );
        }
    }
    let ratio = median(ratios);
    println!("messages delivered per append of the script alone (median): {ratio:.2}");
    report["ratio_to_script"] = json!(ratio);
    report["messages"] = json!(rows);
    report["kb_per_socket"] = json!(idle_sockets(&two, &users, plan.sockets).await?);
    report["likes"] = likes(one.address, &users, duration).await?;
    report["feed"] = feed(scratch.path(), plan, duration).await?;
    report::write("social", plan.options.json.as_deref(), report)?;
    if faults > 0 {
        return Err(format!("{faults} messages were lost, doubled, out of order or refused").into());
    }
    Ok(())
}

/// Processor time used so far by the servers and by Redis.
fn cpu(nodes: &[&Process], redis: &nodes::Redis) -> [Duration; 2] {
    let servers = nodes.iter().filter_map(|node| node.cpu()).sum();
    [servers, redis.process.cpu().unwrap_or_default()]
}

/// What an idle socket costs the server, in KB of resident memory.
async fn idle_sockets(node: &Process, users: &[User], count: usize) -> Result<f64, Failure> {
    let before = node.resident_kb().unwrap_or_default();
    let started = Instant::now();
    let mut open = Vec::new();
    for index in 0..count {
        open.push(sockets::connect(node.address, &users[index % users.len()].token).await?);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = node.resident_kb().unwrap_or_default();
    let each = (after.saturating_sub(before)) as f64 / count as f64;
    println!(
        "{count} idle sockets: {each:.1} KB each ({before} -> {after} KB resident), opened in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    Ok(each)
}

fn bearer(user: &User) -> String {
    format!("Authorization: Bearer {}\r\n", user.token)
}

async fn drive(
    address: SocketAddr,
    connections: usize,
    requests: Vec<Vec<u8>>,
    duration: Duration,
) -> Result<load::Outcome, Failure> {
    let (threads, pace) = (1, load::Pace::Closed);
    let load = Load { address, connections, threads, duration, expected: "HTTP/1.1 200", pace };
    let requests = Arc::new(requests);
    let outcome = tokio::task::spawn_blocking(move || load::run(&load, &requests)).await??;
    if outcome.errors() > 0 {
        return Err(format!("{} requests failed", outcome.errors()).into());
    }
    Ok(outcome)
}

async fn post(address: SocketAddr, author: &User, title: &str) -> Result<String, Failure> {
    let body =
        json!({ "title": title, "description": "of a bench", "content": "as long as a short post is" });
    let request = reqwest::Client::new().post(format!("http://{address}/api/posts")).json(&body);
    let answer: Value = request.bearer_auth(&author.token).send().await?.json().await?;
    answer["post"]["_id"].as_str().map(str::to_owned).ok_or_else(|| format!("post: {answer}").into())
}

/// Toggles by many users at once: on one post, and each on another.
async fn likes(address: SocketAddr, users: &[User], duration: Duration) -> Result<Value, Failure> {
    let hot = post(address, &users[0], "hot").await?;
    let mut many = Vec::new();
    for user in users {
        many.push(post(address, user, "one of many").await?);
    }
    let like = |post: &String, user: &User| {
        load::bodiless("POST", &format!("/api/posts/{post}/like"), &bearer(user))
    };
    let on_one = users.iter().map(|user| like(&hot, user)).collect();
    let on_many = users.iter().zip(&many).map(|(user, post)| like(post, user)).collect();
    let one = drive(address, users.len(), on_one, duration).await?;
    let many = drive(address, users.len(), on_many, duration).await?;
    let path = format!("http://{address}/api/posts/{hot}");
    let request = reqwest::Client::new().get(path).bearer_auth(&users[0].token);
    let answer: Value = request.send().await?.json().await?;
    let (count, revision) = (&answer["post"]["likesCount"], answer["post"]["__v"].as_u64());
    println!(
        "likes: {:.0}/s on one post, {:.0}/s on many; answered {}, __v {}, likesCount {count}",
        one.rate(),
        many.rate(),
        one.answered,
        revision.unwrap_or_default()
    );
    if revision != Some(one.answered) {
        return Err("likes answered and counted differ".into());
    }
    Ok(json!({ "one_post_per_second": one.rate(), "many_posts_per_second": many.rate() }))
}

/// The newest page, and pages from anywhere, of a short feed and of a long one, each on a Redis of its own, in
/// alternating rounds.
async fn feed(scratch: &Path, plan: &Plan, duration: Duration) -> Result<Value, Failure> {
    const SHORT: usize = 1_000;
    let mut feeds = Vec::new();
    for posts in [SHORT, plan.posts] {
        let dir = scratch.join(format!("feed-{posts}"));
        std::fs::create_dir(&dir)?;
        let redis = nodes::redis(&dir)?;
        let workers = std::thread::available_parallelism()?.get();
        let node = nodes::node(&dir.join("data"), &redis.url, workers)?;
        let user = sockets::register(node.address, 1).await?.remove(0);
        redis.seed_posts(&user.id, posts).await?;
        let pages = (posts / 10) as u64;
        let page = |number: u64| load::get(&format!("/api/posts?limit=10&page={number}"), &bearer(&user));
        let number = |draw: u64| if draw.is_multiple_of(2) { 1 } else { 1 + draw * 7919 % pages };
        let reads: Vec<_> = (0..256).map(|draw| page(number(draw))).collect();
        drive(node.address, 16, reads.clone(), duration / 4).await?;
        feeds.push((redis, node, reads));
    }
    let (mut rates, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
    for _ in 0..plan.options.rounds.max(1) {
        for ((_, node, reads), rates) in feeds.iter().zip(&mut rates) {
            rates.push(drive(node.address, 16, reads.clone(), duration).await?.rate());
        }
        ratios.extend(rates[0].last().zip(rates[1].last()).map(|(short, long)| short / long));
    }
    let [short, long] = rates.map(median);
    let ratio = median(ratios);
    println!(
        "feed: {short:.0} pages/s of {SHORT} posts, {long:.0} pages/s of {} posts; ratio {ratio:.2}",
        plan.posts
    );
    Ok(json!({ "short_per_second": short, "long_per_second": long, "ratio": ratio }))
}

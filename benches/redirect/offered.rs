//! Latency and throughput against offered load: fixed rates from 10 to 100 % of nginx's peak, servers alternating. The peak is
//! what nginx reaches with the generator that offers the load, which needs more of the cores than wrk.
//!
//! Latency runs from when a request was due. The generator says when it did not keep its own schedule.

use serde_json::{Value, json};

use super::support::contenders::Contender;
use super::support::drive::Driver;
use super::support::load::{Outcome, Pace};
use super::support::report::{Table, grouped, median, millis};
use super::{FOUND, Failure, Plan};

/// Share of nginx's peak at which p99 is compared.
const COMPARED_AT: u64 = 80;
/// When more than one in a hundred looks of the generator at what was due is later than this, it is said aloud: ten ticks.
const LATE_MICROS: u64 = 1000;

pub(crate) fn run(plan: &Plan, driver: &Driver, contenders: &[Contender]) -> Result<Value, Failure> {
    let Some(nginx) = contenders.iter().find(|contender| contender.name == "nginx") else {
        println!("load: it is offered in shares of nginx's peak, and nginx is not installed");
        return Ok(Value::Null);
    };
    let rounds = plan.options.rounds.max(1);
    let peaks = (0..rounds).map(|_| driver.peak(&nginx.process, FOUND, plan.options.duration));
    let peaks = peaks.collect::<Result<Vec<_>, _>>()?;
    let peak = median(peaks.iter().map(|round| round.rate));
    println!("\nload: shares of nginx's peak of {} req/s, {rounds} rounds each", grouped(peak));

    let compared = [&contenders[0], nginx];
    let mut table = Table::new(&[
        "offered",
        "req/s",
        "",
        "answered/s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "not sent",
        "generator late, p99",
        "cores",
    ]);
    let (mut rows, mut late) = (Vec::new(), false);
    for &percent in &plan.shares {
        let rate = peak * percent as f64 / 100.0;
        let pace = Pace::Rate { per_second: rate, settling: plan.options.settling };
        let mut outcomes: [Vec<(Outcome, f64)>; 2] = Default::default();
        for _ in 0..rounds {
            for (contender, outcomes) in compared.iter().zip(&mut outcomes) {
                outcomes.push(driver.at_rate(&contender.process, FOUND, plan.options.duration, pace)?);
                contender.finish()?;
            }
        }
        for (contender, outcomes) in compared.iter().zip(&outcomes) {
            let row = row(contender.name, percent, rate, outcomes);
            late |= row["generator_late_p99_micros"].as_u64() > Some(LATE_MICROS);
            print_row(&mut table, &row);
            rows.push(row);
        }
    }
    table.print();
    if late {
        println!(
            "Where `generator late` is beyond {LATE_MICROS} us, the generator was kept from its own schedule: part of the latency is its own."
        );
    }
    if plan.options.cores.shared() {
        println!(
            "`cores`: processor time that the generator took, in cores; it took it from the servers' cores."
        );
    }
    let ratio = p99_ratio(&rows);
    if let Some(ratio) = ratio {
        println!("p99 at {COMPARED_AT} % of nginx's peak: {ratio:.2} times nginx's");
    }
    Ok(json!({ "nginx_peak": peak, "p99_ratio_at_80_percent": ratio, "points": rows }))
}

/// The median of the rounds, number by number.
fn row(name: &str, percent: u64, rate: f64, outcomes: &[(Outcome, f64)]) -> Value {
    let middle = |value: &dyn Fn(&Outcome) -> f64| median(outcomes.iter().map(|(outcome, _)| value(outcome)));
    let errors: u64 = outcomes.iter().map(|(outcome, _)| outcome.others + outcome.unanswered).sum();
    json!({
        "name": name, "percent": percent, "offered": rate, "answered": middle(&Outcome::rate),
        "p50_micros": middle(&|outcome| outcome.quantile(0.5) as f64) as u64,
        "p99_micros": middle(&|outcome| outcome.quantile(0.99) as f64) as u64,
        "p999_micros": middle(&|outcome| outcome.quantile(0.999) as f64) as u64,
        "unsent": middle(&|outcome| outcome.unsent as f64) as u64,
        "p99_micros_of_rounds": outcomes.iter().map(|(outcome, _)| outcome.quantile(0.99)).collect::<Vec<_>>(),
        "errors": errors,
        "generator_late_p99_micros": middle(&|outcome| outcome.lateness.value_at_quantile(0.99) as f64) as u64,
        "generator_cores": median(outcomes.iter().map(|(_, cores)| *cores)),
    })
}

fn print_row(table: &mut Table, row: &Value) {
    let number = |name: &str| row[name].as_f64().unwrap_or_default();
    let micros = |name: &str| row[name].as_u64().unwrap_or_default();
    table.row([
        format!("{} %", micros("percent")),
        grouped(number("offered")),
        row["name"].as_str().unwrap_or_default().to_owned(),
        grouped(number("answered")),
        millis(micros("p50_micros")),
        millis(micros("p99_micros")),
        millis(micros("p999_micros")),
        grouped(number("unsent")),
        format!("{} us", micros("generator_late_p99_micros")),
        format!("{:.2}", number("generator_cores")),
    ]);
}

fn p99_ratio(rows: &[Value]) -> Option<f64> {
    let p99 = |name: &str| {
        let row = rows.iter().find(|row| row["name"] == name && row["percent"] == COMPARED_AT)?;
        row["p99_micros"].as_f64()
    };
    Some(p99("ayrene")? / p99("nginx")?)
}

//! Logs and metrics, set up once per process.
//!
//! Logs go to standard error, so that standard output stays for people and scripts. What is recorded for every redirect goes
//! through [`tally`].

pub mod tally;

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogConfig, LogFormat};

/// Upper bounds of the latency buckets, in seconds.
const LATENCY_BUCKETS: [f64; 12] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// How often what histograms have recorded is folded into their buckets.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// Why there is no telemetry.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` is neither a level nor a list of directives.
    #[error("setting `log.level`: {0}")]
    Level(#[from] ParseError),
    /// A logger exists already.
    #[error("cannot set up logs: {0}")]
    Logs(#[from] tracing_subscriber::util::TryInitError),
    /// A recorder exists already.
    #[error("cannot set up metrics: {0}")]
    Metrics(#[from] BuildError),
}

/// Sends this process's logs to standard error.
pub fn init_logs(config: &LogConfig) -> Result<(), TelemetryError> {
    // A malformed request or frame is its sender's error: not for everybody to write into our log at level ERROR.
    let filter = EnvFilter::try_new(format!("actix_http::h1=off,actix_http::ws=off,{}", config.level))?;
    let registry = tracing_subscriber::registry().with(filter);
    match config.format {
        LogFormat::Text => {
            let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
            registry
                .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(ansi))
                .try_init()?;
        }
        LogFormat::Json => {
            registry.with(tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr)).try_init()?;
        }
    }
    Ok(())
}

/// Records this process's metrics; the handle renders them.
pub fn init_metrics() -> Result<PrometheusHandle, TelemetryError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &LATENCY_BUCKETS)?
        .install_recorder()?;
    metrics::describe_counter!("ayrene_http_requests_total", "Requests answered, by route and status");
    metrics::describe_histogram!("ayrene_http_request_seconds", "Time to answer, by route");
    metrics::describe_counter!("ayrene_rate_limited_total", "Requests refused by a rate limit, by action");
    metrics::describe_counter!(
        "ayrene_links_created_total",
        "Links made, by whether their maker has an account"
    );
    metrics::describe_counter!("ayrene_visits_total", "Short links followed, by outcome");
    metrics::describe_gauge!("ayrene_journal_bytes", "Size of the journal of clicks on disk");
    metrics::describe_gauge!("ayrene_journal_waiting_clicks", "Clicks answered and not counted yet");
    metrics::describe_gauge!(
        "ayrene_journal_oldest_seconds",
        "Age of the first click that is not counted yet"
    );
    metrics::describe_counter!(
        "ayrene_journal_fallbacks_total",
        "Clicks that the journal had no room for: counted by the datastore first, or refused"
    );
    metrics::describe_counter!("ayrene_clicks_given_up_total", "Answered clicks that could not be counted");
    metrics::describe_counter!("ayrene_link_memory_hits_total", "Links followed from memory");
    metrics::describe_counter!("ayrene_link_memory_misses_total", "Links that had to be read first");
    metrics::describe_gauge!("ayrene_link_memory_links", "Links remembered");
    metrics::describe_gauge!("ayrene_link_memory_bytes", "Memory of links remembered");
    metrics::describe_gauge!("ayrene_link_memory_proof_age_seconds", "Age of what is certain of them");
    metrics::describe_counter!("ayrene_stale_serves_total", "Links followed while the datastore was away");
    metrics::describe_counter!("ayrene_password_hashes_total", "Passwords hashed or verified");
    metrics::describe_gauge!("ayrene_sockets", "Sockets that are open");
    metrics::describe_counter!("ayrene_sockets_closed_total", "Sockets closed by the server, by close code");
    metrics::describe_counter!("ayrene_socket_overflows_total", "Sockets whose client reads too slowly");
    metrics::describe_counter!("ayrene_pushes_dropped_total", "Typing and presence not sent to slow clients");
    metrics::describe_counter!(
        "ayrene_outgoing_total",
        "Mails and SMS by way and outcome: sent, later, dead, expired, dropped"
    );
    metrics::describe_gauge!("ayrene_outgoing_waiting", "Mails and SMS that wait to be sent, by way");
    metrics::describe_gauge!("ayrene_outgoing_dead", "Mails and SMS given up within 30 days, by way");
    metrics::describe_gauge!(
        "ayrene_outgoing_oldest_seconds",
        "Age of the first mail or SMS that waits, by way"
    );
    Ok(handle)
}

/// Folds what histograms have recorded, for as long as the current thread's runtime lives: until then each recording
/// takes memory, whether anybody asks for metrics or not.
pub fn tidy_forever(metrics: PrometheusHandle) {
    actix::spawn(async move {
        loop {
            actix::clock::sleep(TIDY_EVERY).await;
            tally::publish();
            metrics.run_upkeep();
        }
    });
}

/// All metrics by now, as Prometheus reads them.
pub fn render(metrics: &PrometheusHandle) -> String {
    tally::publish();
    metrics.render()
}

//! The servers that take part in the alternating rounds.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use super::process::Process;
use super::servers::{self, Ayrene};

type Failure = Box<dyn Error + Send + Sync>;

/// A server with its name.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) process: Process,
    /// Of a server that puts work off.
    watch: Option<Watch>,
}

/// A link, and the token of its owner.
#[derive(Debug)]
struct Watch {
    path: String,
    token: String,
}

/// How long what was put off may take.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How often ayrene brings its gauges up to date, and a little more.
const GAUGES: Duration = Duration::from_millis(1_100);

impl Contender {
    /// Waits until it has nothing left to do: clicks of its own rounds are not to be counted in the rounds of others. Who looks
    /// at a link of his own makes it hurry.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        let Some(watch) = &self.watch else { return Ok(()) };
        let started = Instant::now();
        while started.elapsed() < LONGEST_WAIT {
            let looked = Instant::now();
            let (status, body) =
                servers::request(self.process.address, "GET", &watch.path, Some(&watch.token), "")?;
            if status != 200 {
                return Err(format!("a look at a link: {status} {body}").into());
            }
            std::thread::sleep(GAUGES.saturating_sub(looked.elapsed()));
            if servers::metric(self.process.address, "ayrene_journal_waiting_clicks")? == Some(0.0) {
                return Ok(());
            }
        }
        Err(format!("clicks are not counted after {} s", LONGEST_WAIT.as_secs()).into())
    }
}

/// ayrene, a bare actix-web server, and nginx where installed; in this order.
pub(crate) fn start(scratch: &Path, ayrene: &Ayrene, workers: usize) -> Result<Vec<Contender>, Failure> {
    let process = ayrene.start()?;
    let token = servers::register(process.address)?;
    let code = servers::shorten(process.address, Some(&token), "https://example.com/")?;
    let watch = Watch { path: format!("/api/v1/url/get/{code}"), token };
    let mut contenders = vec![
        Contender { name: "ayrene", process, watch: Some(watch) },
        Contender { name: "bare actix-web", process: servers::bare(workers)?, watch: None },
    ];
    match servers::nginx(scratch, workers)? {
        Some(process) => contenders.push(Contender { name: "nginx", process, watch: None }),
        None => println!("nginx is not installed here: no comparison with it"),
    }
    Ok(contenders)
}

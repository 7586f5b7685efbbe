//! A closed loop against a server, by wrk where it is installed and else by our own generator, with the processor time of
//! all who took part.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cores::Cores;
use super::load::{self, Load, Pace};
use super::process::{self, Process};
use super::wrk;

type Failure = Box<dyn Error + Send + Sync>;

/// How long it may take to ask for everything once.
const LONGEST_WALK: Duration = Duration::from_secs(120);

/// What came of one measurement.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    /// Answers per second.
    pub(crate) rate: f64,
    pub(crate) p50_micros: u64,
    pub(crate) p99_micros: u64,
    pub(crate) answers: u64,
    /// Requests without the expected answer.
    pub(crate) errors: u64,
    /// Processor time per answer, in microseconds: of the server, of its children (a datastore, or workers), and of the
    /// load generator.
    pub(crate) cpu_micros: [f64; 3],
}

/// A table of requests and who sends them.
#[derive(Debug)]
pub(crate) struct Driver {
    requests: Arc<Vec<Vec<u8>>>,
    /// The same for wrk, where it is installed.
    wrk: Option<wrk::Prepared>,
    cores: Cores,
    connections: usize,
}

impl Driver {
    /// `scratch` is a folder for the table.
    pub(crate) fn new(
        scratch: &Path,
        requests: Vec<Vec<u8>>,
        cores: &Cores,
        connections: usize,
    ) -> Result<Self, Failure> {
        let wrk = if wrk::is_there() { Some(wrk::prepare(scratch, &requests)?) } else { None };
        Ok(Self { requests: Arc::new(requests), wrk, cores: cores.clone(), connections })
    }

    /// Who sends, for people.
    pub(crate) fn name(&self) -> &'static str {
        if self.wrk.is_some() { "wrk" } else { "the bench's own generator" }
    }

    /// Closed loop for `duration`; `expected` is the status that counts.
    pub(crate) fn closed(
        &self,
        server: &Process,
        expected: &'static str,
        duration: Duration,
    ) -> Result<Round, Failure> {
        let before = times(server);
        self.cores.as_generator()?;
        let mut round = match &self.wrk {
            Some(prepared) => self.by_wrk(prepared, server, expected, duration)?,
            None => self.by_ourselves(server, expected, duration)?,
        };
        self.cores.as_server()?;
        let after = times(server);
        let answers = round.answers.max(1) as f64;
        round.cpu_micros[0] = (after[0].saturating_sub(before[0])).as_secs_f64() * 1e6 / answers;
        round.cpu_micros[1] = (after[1].saturating_sub(before[1])).as_secs_f64() * 1e6 / answers;
        Ok(round)
    }

    fn by_wrk(
        &self,
        prepared: &wrk::Prepared,
        server: &Process,
        expected: &str,
        duration: Duration,
    ) -> Result<Round, Failure> {
        let threads = self.cores.generator.len().max(1);
        let counts = wrk::run(prepared, server.address, threads, self.connections, duration)?;
        // It knows statuses only as "400 and more".
        let wrong = if expected >= "HTTP/1.1 4" { counts.requests - counts.refused } else { counts.refused };
        let answers = counts.requests - wrong;
        Ok(Round {
            rate: answers as f64 / counts.elapsed.as_secs_f64(),
            p50_micros: counts.p50_micros,
            p99_micros: counts.p99_micros,
            answers,
            errors: wrong + counts.failed,
            cpu_micros: [0.0, 0.0, counts.cpu.as_secs_f64() * 1e6 / answers.max(1) as f64],
        })
    }

    fn by_ourselves(
        &self,
        server: &Process,
        expected: &'static str,
        duration: Duration,
    ) -> Result<Round, Failure> {
        let before = process::cpu(std::process::id()).unwrap_or_default();
        let outcome = load::run(&self.load(server, expected, duration, Pace::Closed), &self.requests)?;
        let used = process::cpu(std::process::id()).unwrap_or_default().saturating_sub(before);
        Ok(Round {
            rate: outcome.rate(),
            p50_micros: outcome.quantile(0.5),
            p99_micros: outcome.quantile(0.99),
            answers: outcome.answered,
            errors: outcome.errors(),
            cpu_micros: [0.0, 0.0, used.as_secs_f64() * 1e6 / outcome.answered.max(1) as f64],
        })
    }

    /// As many as there can be in `duration` by our own generator: what [`Self::at_rate`] is to be compared with.
    pub(crate) fn peak(
        &self,
        server: &Process,
        expected: &'static str,
        duration: Duration,
    ) -> Result<Round, Failure> {
        self.cores.as_generator()?;
        let round = self.by_ourselves(server, expected, duration)?;
        self.cores.as_server()?;
        Ok(round)
    }

    /// Asks for all that is in the table, so that whoever remembers has it in memory.
    pub(crate) fn walk(&self, server: &Process, expected: &'static str) -> Result<(), Failure> {
        let load = self.load(server, expected, LONGEST_WALK, Pace::Once);
        self.cores.as_generator()?;
        let outcome = load::run(&load, &self.requests)?;
        self.cores.as_server()?;
        if outcome.errors() > 0 {
            return Err(format!("{} requests without {expected}", outcome.errors()).into());
        }
        Ok(())
    }

    /// A fixed rate, `pace`, for `duration`, by our own generator; also the share of one core that the generator took.
    pub(crate) fn at_rate(
        &self,
        server: &Process,
        expected: &'static str,
        duration: Duration,
        pace: Pace,
    ) -> Result<(load::Outcome, f64), Failure> {
        self.cores.as_generator()?;
        let (before, started) = (process::cpu(std::process::id()).unwrap_or_default(), Instant::now());
        let outcome = load::run(&self.load(server, expected, duration, pace), &self.requests)?;
        let used = process::cpu(std::process::id()).unwrap_or_default().saturating_sub(before);
        self.cores.as_server()?;
        Ok((outcome, used.as_secs_f64() / started.elapsed().as_secs_f64()))
    }

    fn load(&self, server: &Process, expected: &'static str, duration: Duration, pace: Pace) -> Load {
        Load {
            address: server.address,
            connections: self.connections,
            threads: self.cores.generator.len().max(1),
            duration,
            expected,
            pace,
        }
    }
}

fn times(server: &Process) -> [Duration; 2] {
    [server.cpu().unwrap_or_default(), server.cpu_of_children().unwrap_or_default()]
}

//! Options that the benches have in common.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use super::cores::{self, Cores};

/// Where connections begin depends on where the generator's threads happened to start.
const SETTLING: Duration = Duration::from_millis(500);

/// What any bench takes.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    /// Of each measurement.
    pub(crate) duration: Duration,
    /// How long what is offered at a fixed rate is not measured, after connections were opened.
    pub(crate) settling: Duration,
    pub(crate) connections: usize,
    pub(crate) cores: Cores,
    /// Where the report goes instead.
    pub(crate) json: Option<PathBuf>,
}

impl Options {
    pub(crate) fn new(rounds: usize, seconds: u64, connections: usize) -> Self {
        let duration = Duration::from_secs(seconds);
        Self { rounds, duration, settling: SETTLING, connections, cores: Cores::standard(), json: None }
    }

    /// Reads the command line; `own` is given the name of an option that is not here, and its value.
    pub(crate) fn read(
        &mut self,
        mut own: impl FnMut(&str, String) -> Result<bool, Box<dyn Error + Send + Sync>>,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        use lexopt::prelude::*;
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            let Long(name) = argument else { return Err(argument.unexpected().into()) };
            let name = name.to_owned();
            // What cargo itself passes.
            if name == "bench" {
                continue;
            }
            let value = parser.value()?.string()?;
            match name.as_str() {
                "rounds" => self.rounds = value.parse()?,
                "seconds" => self.duration = Duration::from_secs(value.parse()?),
                "settling" => self.settling = Duration::from_millis(value.parse()?),
                "connections" => self.connections = value.parse()?,
                "cores" => {
                    self.cores.servers = cores::parse(&value)?;
                    self.cores.generator = self.cores.servers.clone();
                }
                "generator-cores" => self.cores.generator = cores::parse(&value)?,
                "json" => self.json = Some(value.into()),
                _ if own(&name, value)? => {}
                _ => return Err(format!("no such option: --{name}").into()),
            }
        }
        Ok(())
    }
}

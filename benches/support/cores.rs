//! Which cores servers and load generators run on: the same by default, as on the reference machine, which has two.
//!
//! A process inherits them from who starts it, so everything a bench starts is where the bench was at that moment.

use std::error::Error;

/// Cores of the servers, and of what loads them.
#[derive(Debug, Clone)]
pub(crate) struct Cores {
    pub(crate) servers: Vec<usize>,
    pub(crate) generator: Vec<usize>,
}

impl Cores {
    /// The first two cores for both, until options say otherwise.
    pub(crate) fn standard() -> Self {
        let available = std::thread::available_parallelism().map_or(1, usize::from);
        let servers: Vec<usize> = (0..available.min(2)).collect();
        Self { generator: servers.clone(), servers }
    }

    /// Workers of each server.
    pub(crate) fn workers(&self) -> usize {
        self.servers.len()
    }

    /// Whether generator and servers take time from each other.
    pub(crate) fn shared(&self) -> bool {
        self.servers.iter().any(|core| self.generator.contains(core))
    }

    /// What is started from now on by this thread is a server.
    pub(crate) fn as_server(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        pin(&self.servers)
    }

    /// What is started from now on by this thread loads servers.
    pub(crate) fn as_generator(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        pin(&self.generator)
    }

    /// For people.
    pub(crate) fn description(&self) -> String {
        if self.servers == self.generator {
            return format!("servers and load generator share the cores {:?}", self.servers);
        }
        let warning = if self.shared() { " (some shared)" } else { "" };
        format!("servers on the cores {:?}, load generator on {:?}{warning}", self.servers, self.generator)
    }
}

/// Numbers with commas between.
pub(crate) fn parse(list: &str) -> Result<Vec<usize>, std::num::ParseIntError> {
    list.split(',').map(|core| core.trim().parse()).collect()
}

#[cfg(target_os = "linux")]
fn pin(cores: &[usize]) -> Result<(), Box<dyn Error + Send + Sync>> {
    use rustix::thread::{CpuSet, sched_setaffinity};
    let mut set = CpuSet::new();
    cores.iter().for_each(|&core| set.set(core));
    sched_setaffinity(None, &set)
        .map_err(|error| format!("the cores {cores:?} are not to be had: {error}").into())
}

/// Elsewhere the system decides.
#[cfg(not(target_os = "linux"))]
fn pin(_: &[usize]) -> Result<(), Box<dyn Error + Send + Sync>> {
    Ok(())
}

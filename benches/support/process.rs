//! Servers as processes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server in a process of its own, ended when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts `command` and waits until it accepts connections on `address`.
    pub(crate) fn start(command: &mut Command, address: SocketAddr) -> io::Result<Self> {
        let process = Self::spawn(command, address)?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("{command:?} does not listen on {address}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    /// Starts `command`, which is to listen on `address`, and does not wait.
    pub(crate) fn spawn(command: &mut Command, address: SocketAddr) -> io::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn()?;
        Ok(Self { child, address })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time that it has used; Linux only.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        cpu(self.id())
    }

    /// The same of the processes that it has started, such as workers or a datastore.
    pub(crate) fn cpu_of_children(&self) -> Option<Duration> {
        self.children().into_iter().map(cpu).sum()
    }

    /// Resident memory; Linux only.
    pub(crate) fn resident_kb(&self) -> Option<u64> {
        resident_kb(self.id())
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Processes that it has started.
    pub(crate) fn children(&self) -> Vec<u32> {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let parent = self.id().to_string();
        ids.filter(|&id| stat(id).is_some_and(|fields| fields.get(1) == Some(&parent))).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // SIGTERM, so that a server of ours ends its datastore too.
            let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        }
        let _ = self.child.wait();
    }
}

/// Processor time that a process has used; Linux only.
pub(crate) fn cpu(id: u32) -> Option<Duration> {
    let fields = stat(id)?;
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // USER_HZ is 100 on every Linux there is.
    Some(Duration::from_millis(ticks * 10))
}

/// Resident memory of a process; Linux only.
pub(crate) fn resident_kb(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// `/proc/<id>/stat` from the third field on: state, parent, ...
fn stat(id: u32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

/// An address nobody listens on.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

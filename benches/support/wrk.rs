//! wrk as the load generator of a closed loop.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

const SCRIPT: &str = include_str!("wrk.lua");
/// What ends a request's first line.
const VERSION: &str = " HTTP/1.1\r\n";

/// What wrk saw.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    pub(crate) elapsed: Duration,
    /// Answers with a status of 400 or more.
    pub(crate) refused: u64,
    /// Connections that failed, and requests that took too long.
    pub(crate) failed: u64,
    pub(crate) p50_micros: u64,
    pub(crate) p99_micros: u64,
    /// Processor time that wrk took.
    pub(crate) cpu: Duration,
}

/// Whether it is installed.
pub(crate) fn is_there() -> bool {
    // It has no option that succeeds without a server.
    Command::new("wrk").arg("-v").output().is_ok()
}

/// What [`run`] is to send, as files.
#[derive(Debug)]
pub(crate) struct Prepared {
    dir: PathBuf,
    /// Bytes of the part of each request that is its own.
    width: usize,
}

/// Writes down GETs of paths of one length that differ in nothing else, and the script that sends them. Each gets a number
/// in a header: wrk keeps one copy of equal texts, and would have less to do where the same few links are asked for.
pub(crate) fn prepare(dir: &Path, requests: &[Vec<u8>]) -> Result<Prepared, Box<dyn Error + Send + Sync>> {
    let first = requests.first().and_then(|request| path(request)).ok_or("no GET to send")?;
    let (mut rows, mut width) = (Vec::new(), 0);
    for (number, request) in requests.iter().enumerate() {
        if path(request).as_ref() != Some(&first) {
            return Err("wrk is given paths of one length".into());
        }
        let before = rows.len();
        rows.extend_from_slice(&request[..first.end]);
        write!(rows, "{VERSION}X-Number: {number:07}\r\n")?;
        width = rows.len() - before;
    }
    std::fs::write(dir.join("wrk.lua"), SCRIPT)?;
    std::fs::write(dir.join("wrk.rows"), rows)?;
    std::fs::write(dir.join("wrk.rest"), &requests[0][first.end + VERSION.len()..])?;
    Ok(Prepared { dir: dir.to_owned(), width })
}

/// Where the path of a GET stands.
fn path(request: &[u8]) -> Option<Range<usize>> {
    let method = b"GET ";
    let length = request.strip_prefix(method)?.iter().position(|&byte| byte == b' ')?;
    Some(method.len()..method.len() + length)
}

/// Drives `address` with what was prepared.
pub(crate) fn run(
    prepared: &Prepared,
    address: SocketAddr,
    threads: usize,
    connections: usize,
    duration: Duration,
) -> Result<Counts, Box<dyn Error + Send + Sync>> {
    let mut command = Command::new("wrk");
    command.args(["-t", &threads.to_string(), "-c", &connections.to_string()]);
    command.args(["-d", &format!("{}s", duration.as_secs()), "-s"]).arg(prepared.dir.join("wrk.lua"));
    command.arg(format!("http://{address}/")).arg("--");
    command.arg(prepared.dir.join("wrk.rows")).arg(prepared.width.to_string());
    command.arg(prepared.dir.join("wrk.rest")).arg(threads.to_string());
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let failed = || format!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find(|line| line.starts_with('{')).ok_or_else(failed)?;
    let ready = text.lines().rev().find_map(|line| line.strip_prefix("ready ")).ok_or_else(failed)?;
    let counts: Value = serde_json::from_str(line)?;
    let number = |name: &str| counts[name].as_u64().unwrap_or_default();
    let cpu = counts["cpu"].as_f64().unwrap_or_default() - ready.trim().parse::<f64>()?;
    Ok(Counts {
        requests: number("requests"),
        elapsed: Duration::from_micros(number("micros")),
        refused: number("status"),
        failed: number("socket"),
        p50_micros: number("p50"),
        p99_micros: number("p99"),
        cpu: Duration::from_secs_f64(cpu.max(0.0)),
    })
}

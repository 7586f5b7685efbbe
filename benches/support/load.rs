//! A closed-loop HTTP/1.1 load generator that counts what was answered, exactly.
//!
//! It exists because the question here is "was every answered click counted": a general tool ends its run with
//! requests in flight, this one waits for every answer it asked for. One thread, one task per connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came of a run.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// Answers with the expected status.
    pub(crate) answered: u64,
    /// Other answers, and requests without one.
    pub(crate) errors: u64,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// Microseconds per answer.
    pub(crate) latency: Histogram<u64>,
}

impl Outcome {
    /// Expected answers per second.
    pub(crate) fn rate(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64()
    }
}

/// What to send, and how.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// Where.
    pub(crate) address: SocketAddr,
    /// Connections, each with one request in flight.
    pub(crate) connections: usize,
    /// How long.
    pub(crate) duration: Duration,
    /// Status line that counts as an answer, such as `HTTP/1.1 302`.
    pub(crate) expected: &'static str,
}

/// A GET of `path` as a browser would send it, more or less.
pub(crate) fn get(path: &str, headers: &str) -> Vec<u8> {
    bodiless("GET", path, headers)
}

/// A request without a body; `headers` are whole lines.
pub(crate) fn bodiless(method: &str, path: &str, headers: &str) -> Vec<u8> {
    let length = if method == "GET" { "" } else { "Content-Length: 0\r\n" };
    format!(
        "{method} {path} HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n{headers}{length}\r\n"
    )
    .into_bytes()
}

/// Runs `load` over `requests`, which every connection walks from a start of its own; on a runtime of its own.
pub(crate) fn run(load: &Load, requests: &Arc<Vec<Vec<u8>>>) -> io::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let started = Instant::now();
        let deadline = started + load.duration;
        let tasks: Vec<_> = (0..load.connections)
            .map(|index| tokio::spawn(connection(load.clone(), requests.clone(), index, deadline)))
            .collect();
        let mut total = Outcome { answered: 0, errors: 0, elapsed: Duration::ZERO, latency: histogram() };
        for task in tasks {
            let part = task.await.map_err(io::Error::other)?;
            total.answered += part.answered;
            total.errors += part.errors;
            total.latency.add(&part.latency).map_err(io::Error::other)?;
        }
        total.elapsed = started.elapsed();
        Ok(total)
    })
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).unwrap_or_else(|error| unreachable!("fixed bounds: {error}"))
}

async fn connection(load: Load, requests: Arc<Vec<Vec<u8>>>, index: usize, deadline: Instant) -> Outcome {
    let mut outcome = Outcome { answered: 0, errors: 0, elapsed: Duration::ZERO, latency: histogram() };
    let mut position = index * requests.len() / load.connections;
    let mut buffer = Vec::with_capacity(16 * 1024);
    while Instant::now() < deadline {
        let Ok(mut stream) = TcpStream::connect(load.address).await else {
            outcome.errors += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        while Instant::now() < deadline {
            let request = &requests[position % requests.len()];
            position += 1;
            let sent = Instant::now();
            match exchange(&mut stream, request, &mut buffer).await {
                Ok(head) => {
                    let micros = sent.elapsed().as_micros() as u64;
                    if head.starts_with(load.expected.as_bytes()) {
                        outcome.answered += 1;
                        outcome.latency.saturating_record(micros.max(1));
                    } else {
                        outcome.errors += 1;
                    }
                }
                Err(_) => {
                    outcome.errors += 1;
                    break;
                }
            }
        }
    }
    outcome
}

/// Sends a request and reads one whole answer; returns its head.
async fn exchange<'b>(
    stream: &mut TcpStream,
    request: &[u8],
    buffer: &'b mut Vec<u8>,
) -> io::Result<&'b [u8]> {
    stream.write_all(request).await?;
    buffer.clear();
    let head_end = loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let length = content_length(&buffer[..head_end]);
    while buffer.len() < head_end + length {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(&buffer[..head_end])
}

fn content_length(head: &[u8]) -> usize {
    let text = String::from_utf8_lossy(head);
    let line =
        text.split("\r\n").find(|line| line.len() > 15 && line[..15].eq_ignore_ascii_case("content-length:"));
    line.and_then(|line| line[15..].trim().parse().ok()).unwrap_or(0)
}

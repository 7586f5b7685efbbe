//! The servers that are compared: ayrene itself, a bare actix-web handler, nginx.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use super::process::{Process, free_address};

/// ayrene on an empty data directory, its limits on but out of the way of one address that makes all requests.
pub(crate) fn ayrene(data_dir: &Path, workers: usize) -> io::Result<Process> {
    let address = free_address()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_ayrene"));
    command
        .env("AYRENE__SERVER__BIND", address.to_string())
        .env("AYRENE__SERVER__WORKERS", workers.to_string())
        .env("AYRENE__DATA_DIR", data_dir)
        .env("AYRENE__RATE_LIMITS__REDIRECT__REQUESTS", "2000000000")
        .env("AYRENE__RATE_LIMITS__REDIRECT__PER_SECS", "1")
        .env("AYRENE__RATE_LIMITS__SHORTEN__REQUESTS", "2000000000")
        .env("AYRENE__RATE_LIMITS__SHORTEN__PER_SECS", "1")
        .env("AYRENE__RATE_LIMITS__API__REQUESTS", "2000000000")
        .env("AYRENE__RATE_LIMITS__USER__REQUESTS", "2000000000")
        .env("AYRENE__LOG__LEVEL", "warn");
    Process::start(&mut command, address)
}

/// nginx that answers every path with 302, if it is installed.
pub(crate) fn nginx(dir: &Path, workers: usize) -> io::Result<Option<Process>> {
    let Some(binary) = ["/usr/sbin/nginx", "/usr/bin/nginx", "/opt/homebrew/bin/nginx"]
        .iter()
        .find(|path| Path::new(path).exists())
    else {
        return Ok(None);
    };
    let address = free_address()?;
    let conf = dir.join("nginx.conf");
    let text = format!(
        "worker_processes {workers};\ndaemon off;\npid {dir}/nginx.pid;\nerror_log {dir}/nginx.err;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 600;\n\
         client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;\n\
         server {{ listen {address} backlog=4096; location / {{ return 302 https://example.com/; }} }} }}\n",
        dir = dir.display()
    );
    std::fs::write(&conf, text)?;
    let mut command = Command::new(binary);
    command.arg("-c").arg(&conf).arg("-e").arg(dir.join("nginx.err"));
    Process::start(&mut command, address).map(Some)
}

/// This bench as a bare actix-web server: what the framework costs alone.
pub(crate) fn bare(workers: usize) -> io::Result<Process> {
    let address = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.env(BARE_SERVER, format!("{address},{workers}"));
    Process::start(&mut command, address)
}

/// Set in a process that is to be the bare server.
pub(crate) const BARE_SERVER: &str = "AYRENE_BENCH_BARE_SERVER";

/// Body of the process started by [`bare`].
pub(crate) fn run_bare(arguments: &str) -> io::Result<()> {
    use actix_web::{App, HttpResponse, HttpServer, web};
    let (address, workers) = arguments.split_once(',').ok_or(io::ErrorKind::InvalidInput)?;
    let workers = workers.parse().map_err(io::Error::other)?;
    let redirect = || async {
        HttpResponse::Found()
            .insert_header(("Location", "https://example.com/"))
            .insert_header(("Cache-Control", "no-store"))
            .finish()
    };
    let server = HttpServer::new(move || App::new().route("/{code}", web::get().to(redirect)));
    let server = server.workers(workers).backlog(4096).bind(address)?;
    actix_web::rt::System::new().block_on(server.run())
}

/// A whole HTTP exchange on a connection of its own; returns status and body.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: bench.example\r\nConnection: close\r\n{token}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no answer"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok((status, body.to_owned()))
}

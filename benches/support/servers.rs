//! The servers that are compared: ayrene itself, a bare actix-web handler, nginx.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::process::{Process, free_address};

/// Of the account that [`register`] makes.
pub(crate) const EMAIL: &str = "bench@example.com";
pub(crate) const PASSWORD: &str = "a long and odd password";

/// How ayrene is to be started, any number of times.
#[derive(Debug, Clone)]
pub(crate) struct Ayrene {
    /// Where everything of it is kept.
    pub(crate) data_dir: PathBuf,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    workers: usize,
    settings: Vec<(&'static str, String)>,
}

impl Ayrene {
    /// On `data_dir` with its own Redis; its limits are on but out of the way of one address that makes all requests.
    pub(crate) fn new(data_dir: PathBuf, workers: usize) -> io::Result<Self> {
        const OUT_OF_THE_WAY: &str = "2000000000";
        let settings = [
            ("AYRENE__RATE_LIMITS__REDIRECT__REQUESTS", OUT_OF_THE_WAY),
            ("AYRENE__RATE_LIMITS__REDIRECT__PER_SECS", "1"),
            ("AYRENE__RATE_LIMITS__SHORTEN__REQUESTS", OUT_OF_THE_WAY),
            ("AYRENE__RATE_LIMITS__SHORTEN__PER_SECS", "1"),
            ("AYRENE__RATE_LIMITS__SHORTEN_GUEST__REQUESTS", OUT_OF_THE_WAY),
            ("AYRENE__RATE_LIMITS__LOGIN__REQUESTS", OUT_OF_THE_WAY),
            ("AYRENE__RATE_LIMITS__API__REQUESTS", OUT_OF_THE_WAY),
            ("AYRENE__RATE_LIMITS__USER__REQUESTS", OUT_OF_THE_WAY),
            ("AYRENE__SHORTENER__MAX_LINKS_PER_USER", "1000000"),
            // A day: benches log in once.
            ("AYRENE__AUTH__ACCESS_TTL_SECS", "86400"),
            ("AYRENE__LOG__LEVEL", "error"),
        ];
        let settings = settings.map(|(name, value)| (name, value.to_owned())).to_vec();
        Ok(Self { data_dir, address: free_address()?, workers, settings })
    }

    /// With one more setting.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.settings.push((name, value.to_owned()));
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ayrene"));
        command
            .env("AYRENE__SERVER__BIND", self.address.to_string())
            .env("AYRENE__SERVER__WORKERS", self.workers.to_string())
            .env("AYRENE__DATA_DIR", &self.data_dir)
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it and returns when it listens.
    pub(crate) fn start(&self) -> io::Result<Process> {
        Process::start(&mut self.command(), self.address)
    }

    /// Starts it and returns at once.
    pub(crate) fn spawn(&self) -> io::Result<Process> {
        Process::spawn(&mut self.command(), self.address)
    }

    /// Of its embedded Redis.
    pub(crate) fn redis_url(&self) -> String {
        format!("redis+unix://{}", self.data_dir.join("redis/redis.sock").display())
    }
}

/// Paths that begin like this are missing at nginx and the bare server too; see [`nginx`].
pub(crate) const MISSING: &str = "/miss-";
/// Paths that begin like this are protected there.
pub(crate) const PROTECTED: &str = "/lock-";

/// nginx that answers paths with 302 (missing ones with 404, protected ones with 401), if it is installed.
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
         server {{ listen {address} backlog=4096; location / {{ return 302 https://example.com/; }}\n\
         location {MISSING} {{ return 404; }} location {PROTECTED} {{ return 401; }} }} }}\n",
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
    let missing = || async { HttpResponse::NotFound().finish() };
    let protected = || async { HttpResponse::Unauthorized().finish() };
    let server = HttpServer::new(move || {
        App::new()
            .route("/miss-{code}", web::get().to(missing))
            .route("/lock-{code}", web::get().to(protected))
            .route("/{code}", web::get().to(redirect))
    });
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
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = body.len();
    let headers = format!("{token}Content-Type: application/json\r\nContent-Length: {length}\r\n");
    let answer = exchange(address, &format!("{method} {path}"), &headers, body)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no answer"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok((status, body.to_owned()))
}

/// Where a GET of `path` is redirected to.
pub(crate) fn target(address: SocketAddr, path: &str) -> io::Result<Option<String>> {
    let answer = exchange(address, &format!("GET {path}"), "", "")?;
    let mut lines = answer.lines().take_while(|line| !line.is_empty());
    let target = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
    });
    Ok(target)
}

/// What a server says of itself under this name, without labels.
pub(crate) fn metric(address: SocketAddr, name: &str) -> io::Result<Option<f64>> {
    let answer = exchange(address, "GET /metrics", "", "")?;
    let value = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value.and_then(|value| value.trim().parse().ok()))
}

fn exchange(address: SocketAddr, what: &str, headers: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "{what} HTTP/1.1\r\nHost: bench.example\r\nConnection: close\r\n{headers}\r\n{body}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The access token of a new account.
pub(crate) fn register(address: SocketAddr) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let account = json!({ "email": EMAIL, "password": PASSWORD }).to_string();
    let (status, body) = request(address, "POST", "/api/v1/auth/register", None, &account)?;
    let body: Value = serde_json::from_str(&body)?;
    let token = body["data"]["accessToken"].as_str().map(str::to_owned);
    token.ok_or_else(|| format!("register: {status} {body}").into())
}

/// The code of a new link.
pub(crate) fn shorten(
    address: SocketAddr,
    token: Option<&str>,
    url: &str,
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let link = json!({ "longUrl": url }).to_string();
    let (status, body) = request(address, "POST", "/api/v1/url", token, &link)?;
    let body: Value = serde_json::from_str(&body)?;
    let code = body["data"]["urlCode"].as_str().map(str::to_owned);
    code.ok_or_else(|| format!("shorten: {status} {body}").into())
}

//! The server as a process, and plain HTTP to it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// `ayrene` on a free port with a data directory that the test owns.
pub struct Server {
    pub child: Child,
    pub address: SocketAddr,
    /// What it has written to standard error so far.
    pub log: Arc<Mutex<String>>,
}

/// The binary with a data directory, a free port and cheap hashes.
pub fn command(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ayrene"));
    command
        .env("AYRENE__SERVER__BIND", "127.0.0.1:0")
        .env("AYRENE__SERVER__WORKERS", "2")
        .env("AYRENE__DATA_DIR", data_dir)
        .env("AYRENE__RATE_LIMITS__ENABLED", "false")
        .env("AYRENE__AUTH__ARGON2_MEMORY_KIB", "64")
        .env("AYRENE__AUTH__ARGON2_ITERATIONS", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Server {
    pub fn start(data_dir: &Path) -> Self {
        Self::start_with(&mut command(data_dir))
    }

    /// Starts it and waits for the line that says where it listens.
    pub fn start_with(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, sink) = (child.stderr.take().unwrap(), log.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                *sink.lock().unwrap() += &(line + "\n");
            }
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(address) = line.trim().strip_prefix("ayrene listens on http://") else {
            std::thread::sleep(Duration::from_millis(200));
            panic!("it does not start: {line:?} {}", log.lock().unwrap());
        };
        Self { address: address.parse().unwrap(), child, log }
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits for its end; ten seconds at most.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The process id of its embedded Redis.
    pub fn redis_pid(&self) -> u32 {
        let output = Command::new("pgrep").args(["-P", &self.child.id().to_string()]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("one child")
    }

    pub fn get(&self, path: &str) -> io::Result<Reply> {
        request(self.address, "GET", path, None, "")
    }

    /// Makes an account; returns its token.
    pub fn register(&self, email: &str) -> String {
        let body =
            serde_json::json!({ "email": email, "password": super::support::server::PASSWORD }).to_string();
        let reply = request(self.address, "POST", "/api/v1/auth/register", None, &body).unwrap();
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json["data"]["accessToken"].as_str().unwrap().to_owned()
    }

    /// Makes a link; returns its code if that was acknowledged.
    pub fn shorten(&self, token: &str, url: &str) -> Option<String> {
        let body = serde_json::json!({ "longUrl": url }).to_string();
        let reply = request(self.address, "POST", "/api/v1/url", Some(token), &body).ok()?;
        (reply.status == 201).then(|| reply.json["data"]["urlCode"].as_str().unwrap().to_owned())
    }

    /// `totalClicks` and `totalSuccessClicks`.
    pub fn clicks(&self, token: &str, code: &str) -> (u64, u64) {
        let reply =
            request(self.address, "GET", &format!("/api/v1/url/get/{code}"), Some(token), "").unwrap();
        let url = &reply.json["data"]["url"];
        (url["totalClicks"].as_u64().unwrap(), url["totalSuccessClicks"].as_u64().unwrap())
    }

    /// Waits until it is ready; returns how long that took.
    pub fn wait_until_ready(&self) -> Duration {
        let started = Instant::now();
        super::support::redis_server::wait_until("the server is ready", || {
            self.get("/readyz").is_ok_and(|reply| reply.status == 200)
        });
        started.elapsed()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let log = self.log.lock().unwrap();
            for secret in [super::support::server::PASSWORD, " eyJ", "$argon2"] {
                assert!(!log.contains(secret), "the log has {secret} in it");
            }
        }
    }
}

pub fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

/// Whether a process exists and is no zombie.
pub fn lives(pid: u32) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub text: String,
    pub json: Value,
    pub took: Duration,
}

/// One exchange on a connection of its own, five seconds at most.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> io::Result<Reply> {
    let started = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = body.len();
    // In one piece: of a body that comes after its answer the server waits for the end, and we for the server's.
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n{token}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status =
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Reply {
        status,
        head: head.to_owned(),
        text: body.to_owned(),
        json: serde_json::from_str(body).unwrap_or(Value::Null),
        took: started.elapsed(),
    })
}

/// What became of clicks sent without pause.
#[derive(Debug, Default, Clone, Copy)]
pub struct Clicked {
    pub answered: u64,
    pub unanswered: u64,
}

/// Clicks on `code` from four connections until `stop`, whatever comes back.
pub fn click_until(address: SocketAddr, code: &str, stop: &std::sync::atomic::AtomicBool) -> Clicked {
    use std::sync::atomic::Ordering;
    let clicker = || {
        let mut clicked = Clicked::default();
        while !stop.load(Ordering::Relaxed) {
            match request(address, "GET", &format!("/{code}"), None, "") {
                Ok(reply) if reply.status == 302 => clicked.answered += 1,
                Ok(reply) => {
                    assert_eq!(reply.status, 503, "{reply:?}");
                    clicked.unanswered += 1;
                }
                Err(_) => {
                    clicked.unanswered += 1;
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
        clicked
    };
    std::thread::scope(|scope| {
        let clickers: Vec<_> = (0..4).map(|_| scope.spawn(clicker)).collect();
        clickers.into_iter().map(|clicker| clicker.join().unwrap()).fold(Clicked::default(), |sum, part| {
            Clicked { answered: sum.answered + part.answered, unanswered: sum.unanswered + part.unanswered }
        })
    })
}

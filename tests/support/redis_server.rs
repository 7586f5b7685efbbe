//! A `redis-server` for the whole test binary, on a unix socket, ended with it.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::tied;

static SHARED: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
static CHILD: Mutex<Option<Child>> = Mutex::new(None);

/// The URL of the binary's Redis, which the first caller starts.
pub fn shared_url() -> String {
    let (_, socket) = SHARED.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("redis.sock");
        let child = spawn_on(&socket, &["--enable-debug-command", "yes"]);
        *CHILD.lock().unwrap() = Some(child);
        (dir, socket)
    });
    format!("redis+unix://{}", socket.display())
}

/// Starts a server on a unix socket and waits until it listens.
pub fn spawn_on(socket: &Path, arguments: &[&str]) -> Child {
    let common = ["--port", "0", "--unixsocket", socket.to_str().unwrap(), "--save", ""];
    let child = spawn(&[&common, arguments].concat());
    wait_until("redis-server listens", || UnixStream::connect(socket).is_ok());
    child
}

/// The name of the server that is installed.
pub fn binary() -> &'static str {
    let installed = |name: &&str| {
        Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    ["redis-server", "valkey-server"]
        .into_iter()
        .find(installed)
        .expect("redis-server or valkey-server is installed")
}

/// Starts a server with these arguments. It dies with this process.
pub fn spawn(arguments: &[&str]) -> Child {
    tied::spawn(binary(), arguments, "-KILL")
}

/// A synchronous connection to the binary's Redis.
pub fn connection() -> redis::Connection {
    redis::Client::open(shared_url()).unwrap().get_connection().unwrap()
}

/// Waits for a condition, ten seconds at most.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not within ten seconds: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

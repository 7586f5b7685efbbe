//! A datastore that somebody else runs, on a unix socket: no client can take its address while it is away.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::process::signal;
use crate::support::redis_server::{binary, wait_until};

/// A datastore that keeps everything it has answered through its own death: as the embedded one it writes before it answers,
/// and leaves it to the system when that reaches the disk.
pub struct Store {
    dir: tempfile::TempDir,
    child: Option<Child>,
}

impl Store {
    pub fn start() -> Self {
        let mut store = Self { dir: tempfile::tempdir().unwrap(), child: None };
        store.begin();
        store
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    pub fn url(&self) -> String {
        url(&self.socket())
    }

    /// Starts it after its end, with its data; returns when it has read them.
    pub fn begin(&mut self) {
        self.begin_at(&self.socket());
    }

    /// The same where nobody looks for it; returns a connection.
    pub fn begin_elsewhere(&mut self) -> redis::Connection {
        self.begin_at(&self.dir.path().join("elsewhere.sock"))
    }

    fn begin_at(&mut self, socket: &Path) -> redis::Connection {
        assert!(self.child.is_none(), "it runs");
        let child = Command::new(binary())
            .args(["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "no"])
            .args(["--dir".as_ref(), self.dir.path(), "--unixsocket".as_ref(), socket])
            .stdout(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
        wait_until("Redis listens", || UnixStream::connect(socket).is_ok());
        let mut connection = redis::Client::open(url(socket)).unwrap().get_connection().unwrap();
        wait_until("Redis has its data", || redis::cmd("PING").exec(&mut connection).is_ok());
        connection
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        signal(self.child.as_ref().expect("it runs").id(), name);
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

fn url(socket: &Path) -> String {
    format!("redis+unix://{}", socket.display())
}

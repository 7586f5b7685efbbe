//! The datastore we run ourselves: a supervised `redis-server` or `valkey-server` on a unix socket.
//!
//! Owns the child process and the directory `<data>/redis`. Invariants: at most one server writes the
//! append-only file (the data directory is locked, and a leftover of a killed process is waited out before a new
//! one starts); the child ends when this process ends, however it ends; a child that dies is started again.

use std::io;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

use crate::config::{Fsync, RedisConfig};

const CONF: &str = include_str!("../../config/redis.conf");
const SOCKET: &str = "redis.sock";
const LOG: &str = "redis.log";
const OLDEST_MAJOR: u32 = 7;
const MAX_LOG_BYTES: u64 = 10 << 20;
/// Longest socket path that every platform takes (macOS: 104 bytes with the terminator).
const MAX_SOCKET_PATH: usize = 103;
const POLL: Duration = Duration::from_millis(25);
const SYNC_EVERY: Duration = Duration::from_secs(1);
const START_LIMIT: Duration = Duration::from_secs(20);
const STOP_LIMIT: Duration = Duration::from_secs(15);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);

/// Why there is no embedded datastore.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// No server binary on this machine.
    #[error(
        "neither redis-server nor valkey-server is installed. Install one (`apt-get install redis-server`, \
         `dnf install valkey`, `apk add redis`, `brew install redis`), or set redis.url to a server that runs elsewhere"
    )]
    NotInstalled,
    /// A binary that is too old or not a server at all.
    #[error(
        "{binary} is not Redis 7 or Valkey: `--version` says `{version}`. Install a newer one or set redis.server_bin"
    )]
    TooOld {
        /// What was asked.
        binary: PathBuf,
        /// What it answered.
        version: String,
    },
    /// The socket's path does not fit a socket address.
    #[error("the path {0} is too long for a unix socket; choose a shorter data_dir")]
    PathTooLong(PathBuf),
    /// A leftover server does not end.
    #[error("another Redis holds {0} and does not end; stop it first")]
    Occupied(PathBuf),
    /// It ended right after its start.
    #[error("the embedded datastore does not start. The end of {log}:\n{tail}")]
    Died {
        /// Its log file.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// Files or processes could not be handled.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// The operating system's answer.
        source: io::Error,
    },
}

fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> EmbeddedError {
    let what = what.into();
    move |source| EmbeddedError::Io { what, source }
}

/// The running child and its keeper.
#[derive(Debug)]
pub struct Embedded {
    socket: PathBuf,
    stop: mpsc::Sender<()>,
    supervisor: JoinHandle<()>,
}

impl Embedded {
    /// Starts the server in `<data_dir>/redis` and returns when it listens (it may still be loading).
    pub fn start(config: &RedisConfig, data_dir: &Path) -> Result<Self, EmbeddedError> {
        let dir = data_dir.join("redis");
        std::fs::create_dir_all(&dir).map_err(failed(format!("cannot create {}", dir.display())))?;
        let socket = dir.join(SOCKET);
        if socket.as_os_str().len() > MAX_SOCKET_PATH {
            return Err(EmbeddedError::PathTooLong(socket));
        }
        let plan = Arc::new(Plan::new(config, dir)?);
        end_leftover(&socket)?;

        let (stop, stopped) = mpsc::channel();
        let (started, ready) = mpsc::channel();
        let supervisor = std::thread::Builder::new()
            .name("redis-supervisor".to_owned())
            .spawn({
                let (plan, socket) = (plan.clone(), socket.clone());
                move || supervise(&plan, &socket, &started, &stopped)
            })
            .map_err(failed("cannot start a thread"))?;
        if config.fsync == Fsync::EverySecond {
            std::thread::Builder::new()
                .name("redis-fsync".to_owned())
                .spawn(move || sync_forever(&plan.dir.join("appendonlydir")))
                .map_err(failed("cannot start a thread"))?;
        }
        let embedded = Self { socket, stop, supervisor };
        match ready.recv() {
            Ok(Ok(())) => Ok(embedded),
            Ok(Err(error)) => Err(error),
            Err(mpsc::RecvError) => Err(failed("the supervisor ended")(io::Error::other("thread panicked"))),
        }
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Ends the server, its log flushed, and waits for that.
    pub fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.supervisor.join();
    }
}

/// What it takes to start the child, any number of times.
#[derive(Debug)]
struct Plan {
    binary: PathBuf,
    dir: PathBuf,
    fsync: Fsync,
}

impl Plan {
    fn new(config: &RedisConfig, dir: PathBuf) -> Result<Self, EmbeddedError> {
        let binary = find_binary(&config.server_bin)?;
        let dir = dir.canonicalize().map_err(failed(format!("cannot resolve {}", dir.display())))?;
        let conf = dir.join("redis.conf");
        std::fs::write(&conf, CONF).map_err(failed(format!("cannot write {}", conf.display())))?;
        let log = dir.join(LOG);
        if std::fs::metadata(&log).is_ok_and(|meta| meta.len() > MAX_LOG_BYTES) {
            std::fs::remove_file(&log).map_err(failed(format!("cannot remove {}", log.display())))?;
        }
        Ok(Self { binary, dir, fsync: config.fsync })
    }

    fn spawn(&self) -> io::Result<Child> {
        let appendfsync = match self.fsync {
            Fsync::EverySecond => "no",
            Fsync::Always => "always",
        };
        let mut command = Command::new(&self.binary);
        command
            .arg(self.dir.join("redis.conf"))
            .args(["--unixsocket", SOCKET, "--logfile", LOG, "--appendfsync", appendfsync, "--dir"])
            .arg(&self.dir)
            .current_dir(&self.dir)
            // Ctrl-C in a terminal goes to the whole process group: the datastore must outlive the drain.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        end_with_parent(&mut command);
        command.spawn()
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read(self.dir.join(LOG)).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().rev().take(8).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// Lets the kernel end the child when the thread that starts it is gone, even by `kill -9`. Elsewhere than
/// on Linux the next start ends the leftover instead, see [`end_leftover`].
fn end_with_parent(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        let parent = rustix::process::getpid();
        let ask_kernel = move || {
            rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
            // The parent may have died before the line above took effect.
            if rustix::process::getppid() != Some(parent) {
                return Err(io::Error::other("the server has ended"));
            }
            Ok(())
        };
        #[expect(unsafe_code, reason = "the only way to act between fork and exec")]
        // SAFETY: runs in the forked child; makes two system calls and neither allocates nor locks.
        unsafe {
            command.pre_exec(ask_kernel);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

fn find_binary(configured: &str) -> Result<PathBuf, EmbeddedError> {
    let binary = if configured.is_empty() {
        let path = std::env::var_os("PATH").unwrap_or_default();
        ["redis-server", "valkey-server"]
            .iter()
            .flat_map(|name| std::env::split_paths(&path).map(move |dir| dir.join(name)))
            .find(|candidate| candidate.is_file())
            .ok_or(EmbeddedError::NotInstalled)?
    } else {
        PathBuf::from(configured)
    };
    let output = Command::new(&binary)
        .arg("--version")
        .output()
        .map_err(failed(format!("cannot run {}", binary.display())))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let major = version.split_whitespace().find_map(|word| {
        word.strip_prefix("v=").or_else(|| word.strip_prefix('v'))?.split('.').next()?.parse::<u32>().ok()
    });
    if major.is_none_or(|major| major < OLDEST_MAJOR) {
        return Err(EmbeddedError::TooOld { binary, version });
    }
    Ok(binary)
}

/// A server that listens on our socket belongs to a process that was killed a moment ago: two writers on one
/// log would destroy it, so it is told to end and waited for.
fn end_leftover(socket: &Path) -> Result<(), EmbeddedError> {
    let deadline = Instant::now() + STOP_LIMIT;
    while let Ok(mut stream) = UnixStream::connect(socket) {
        if Instant::now() > deadline {
            return Err(EmbeddedError::Occupied(socket.to_owned()));
        }
        // The log is flushed on shutdown; NOSAVE only skips the snapshot that we do not use.
        let _ = io::Write::write_all(&mut stream, b"SHUTDOWN NOSAVE\r\n");
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// Body of the supervisor thread: reports the first start, then restarts until told to stop.
fn supervise(
    plan: &Plan,
    socket: &Path,
    started: &mpsc::Sender<Result<(), EmbeddedError>>,
    stopped: &mpsc::Receiver<()>,
) {
    let mut child = match first_start(plan, socket) {
        Ok(child) => child,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    let _ = started.send(Ok(()));
    let mut backoff = POLL;
    let mut since = Instant::now();
    loop {
        match stopped.recv_timeout(POLL) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return end(&mut child),
        }
        match child.try_wait() {
            Ok(None) => continue,
            Ok(Some(status)) => tracing::error!(%status, "the embedded datastore died, starting it again"),
            Err(error) => tracing::error!(%error, "cannot watch the embedded datastore"),
        }
        backoff = if since.elapsed() > LONGEST_BACKOFF { POLL } else { (backoff * 2).min(LONGEST_BACKOFF) };
        std::thread::sleep(backoff);
        since = Instant::now();
        match plan.spawn() {
            Ok(next) => child = next,
            Err(error) => tracing::error!(%error, "cannot start the embedded datastore"),
        }
    }
}

fn first_start(plan: &Plan, socket: &Path) -> Result<Child, EmbeddedError> {
    let mut child = plan.spawn().map_err(failed(format!("cannot start {}", plan.binary.display())))?;
    let deadline = Instant::now() + START_LIMIT;
    while UnixStream::connect(socket).is_err() {
        let exited = child.try_wait().map_err(failed("cannot watch the embedded datastore"))?;
        if exited.is_some() || Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(EmbeddedError::Died { log: plan.dir.join(LOG), tail: plan.log_tail() });
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(child)
}

fn end(child: &mut Child) {
    if !matches!(child.try_wait(), Ok(None)) {
        return;
    }
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
    let deadline = Instant::now() + STOP_LIMIT;
    while Instant::now() < deadline {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(POLL);
    }
    tracing::error!("the embedded datastore does not end, killing it");
    let _ = child.kill();
    let _ = child.wait();
}

/// Body of the fsync thread; it ends with the process.
fn sync_forever(log_dir: &Path) {
    let mut synced = SystemTime::UNIX_EPOCH;
    loop {
        std::thread::sleep(SYNC_EVERY);
        match sync_changed(log_dir, synced) {
            Ok(newest) => synced = newest,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::error!(%error, "cannot sync the datastore's log"),
        }
    }
}

/// Syncs the log files changed since `synced`; returns the time of the newest change. Any descriptor of a
/// file syncs all of its dirty pages (fsync(2)), so ours serves for what Redis wrote.
fn sync_changed(log_dir: &Path, synced: SystemTime) -> io::Result<SystemTime> {
    let mut newest = synced;
    for entry in std::fs::read_dir(log_dir)? {
        let entry = entry?;
        let changed = entry.metadata()?.modified()?;
        if changed >= synced {
            std::fs::File::open(entry.path())?.sync_data()?;
            newest = newest.max(changed);
        }
    }
    Ok(newest)
}

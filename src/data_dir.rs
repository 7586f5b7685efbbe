//! The data directory: one process owns it, and secrets that nobody configured live in it.
//!
//! Invariant: while a [`DataDir`] exists no other process has one for the same path (an advisory lock that the
//! kernel drops with the process, so nothing is stale after `kill -9`).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use secrecy::SecretString;

const LOCK: &str = "lock";
const JWT_SECRET: &str = "jwt_secret";
/// A process that was killed this moment may hold the lock a little longer.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_POLL: Duration = Duration::from_millis(10);

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another server runs on it.
    #[error(
        "another ayrene runs on the data directory {0}; stop it, or give this one its own with AYRENE__DATA_DIR"
    )]
    InUse(PathBuf),
    /// The file system refused.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
}

/// A directory that this process alone owns.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates the directory if need be, private to this user, and locks it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))?;
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(at(&lock_path))?;
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { path: path.to_owned(), _lock: lock }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(LOCK_POLL),
                Err(TryLockError::WouldBlock) => return Err(DataDirError::InUse(path.to_owned())),
                Err(TryLockError::Error(source)) => return Err(DataDirError::Io { path: lock_path, source }),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The generated token secret: made on the first start, the same ever after.
    pub fn jwt_secret(&self) -> Result<SecretString, DataDirError> {
        let path = self.path.join(JWT_SECRET);
        match std::fs::read_to_string(&path) {
            Ok(secret) if secret.len() >= crate::config::MIN_SECRET_BYTES => return Ok(secret.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(DataDirError::Io { path, source }),
        }
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|error| at(&path)(io::Error::other(error)))?;
        let secret = data_encoding::HEXLOWER.encode(&bytes);
        write_whole(&path, secret.as_bytes()).map_err(at(&path))?;
        Ok(secret.into())
    }
}

/// Writes a private file beside `path` (its ending is `new`) and renames it, so that a crash leaves the old file or the
/// new one.
pub(crate) fn write_whole(path: &Path, contents: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
    file.write_all(contents)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> DataDirError + '_ {
    move |source| DataDirError::Io { path: path.to_owned(), source }
}

//! Where uploads are kept: a folder of this machine, or S3.
//!
//! Owns the bytes of objects by their [`ObjectName`]; what they are and who may have them is the domains' affair. All
//! work is done on a thread of its own ([`thread`]), so that neither a slow disk nor TLS holds up a worker.
//!
//! Invariants: an object is there whole, and durable as far as the backend goes, or not at all; an [`Upload`] that is
//! not committed leaves nothing behind; no call waits much longer than `storage.timeout_secs`.

mod backend;
mod name;
mod read;
mod thread;
mod upload;

use std::future::Future;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use object_store::{GetOptions, GetRange, ObjectStore as _, ObjectStoreExt as _, PutPayload};

pub use name::ObjectName;
pub use read::{Chunks, Stored};
pub use thread::StorageThread;
pub use upload::Upload;

use crate::config::StorageConfig;
use backend::Backend;
use thread::Tasks;

/// How much longer a caller waits than the operation may take: only a thread that is stuck takes that long.
const GRACE: Duration = Duration::from_secs(1);

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// More bytes than allowed.
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// No such object.
    #[error("no such object")]
    NotFound,
    /// The backend did not answer in time.
    #[error("the store did not answer in time")]
    TimedOut,
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopped,
    /// The backend refused.
    #[error("the store failed: {0}")]
    Failed(object_store::Error),
}

impl From<object_store::Error> for StorageError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            error => Self::Failed(error),
        }
    }
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be used.
    #[error("cannot use the folder of uploads {path}: {source}")]
    Folder {
        /// The folder, or what is in it.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The settings make no sense to the backend.
    #[error("setting `storage.…`: {0}")]
    Settings(#[from] object_store::Error),
    /// No thread for it.
    #[error("cannot start the storage thread: {0}")]
    Thread(io::Error),
}

/// The store, shared by all workers.
#[derive(Debug, Clone)]
pub struct Storage {
    backend: Backend,
    tasks: Tasks,
    patience: Duration,
}

impl Storage {
    /// Opens the configured store and removes what a crash left half-written in a local one. The thread must outlive
    /// all use; end it with [`StorageThread::stop`].
    pub fn open(config: &StorageConfig, data_dir: &Path) -> Result<(Self, StorageThread), OpenError> {
        let patience = Duration::from_secs(config.timeout_secs);
        Self::over(backend::open(config, data_dir, patience)?, patience)
    }

    fn over(backend: Backend, patience: Duration) -> Result<(Self, StorageThread), OpenError> {
        let thread = StorageThread::start(patience).map_err(OpenError::Thread)?;
        Ok((Self { backend, tasks: thread.tasks(), patience }, thread))
    }

    /// Begins an object of at most `max_bytes`, which exists from [`Upload::commit`] on.
    pub fn begin(&self, name: ObjectName, max_bytes: u64) -> Upload {
        Upload::begin(self, name, max_bytes)
    }

    /// How long [`Upload::commit`] may take.
    pub fn longest_commit(&self) -> Duration {
        upload::longest_commit(self.patience)
    }

    /// Writes a small object.
    pub async fn put(&self, name: &ObjectName, bytes: Bytes) -> Result<(), StorageError> {
        let (store, location) = (self.backend.store.clone(), name.location());
        self.run(async move { store.put(&location, PutPayload::from(bytes)).await }).await?;
        Ok(())
    }

    /// The size of an object.
    pub async fn size(&self, name: &ObjectName) -> Result<u64, StorageError> {
        let (store, location) = (self.backend.store.clone(), name.location());
        Ok(self.run(async move { store.head(&location).await }).await?.size)
    }

    /// Opens an object, or a range of it that lies within its size.
    pub async fn open_object(
        &self,
        name: &ObjectName,
        range: Option<Range<u64>>,
    ) -> Result<Stored, StorageError> {
        let (store, location) = (self.backend.store.clone(), name.location());
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let result = self.run(async move { store.get_opts(&location, options).await }).await?;
        Ok(read::pump(&self.tasks, result, self.patience))
    }

    /// Removes an object; one that is not there is fine.
    pub async fn delete(&self, name: &ObjectName) -> Result<(), StorageError> {
        let (store, location) = (self.backend.store.clone(), name.location());
        match self.run(async move { store.delete(&location).await }).await {
            Ok(()) | Err(StorageError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Runs one operation on the storage thread, to its end even if the caller goes away.
    async fn run<T: Send + 'static>(
        &self,
        operation: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> Result<T, StorageError> {
        let patience = self.patience;
        let task = self.tasks.spawn(in_time(patience, operation));
        match tokio::time::timeout(patience + GRACE, task).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(StorageError::Stopped),
            Err(_) => Err(StorageError::TimedOut),
        }
    }
}

/// `operation`, or a timeout instead.
async fn in_time<T>(
    patience: Duration,
    operation: impl Future<Output = object_store::Result<T>>,
) -> Result<T, StorageError> {
    match tokio::time::timeout(patience, operation).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(StorageError::TimedOut),
    }
}

#[cfg(test)]
mod tests;

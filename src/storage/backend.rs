//! The stores there are: a local folder, S3 and what speaks like it.

use std::fmt;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use secrecy::ExposeSecret;

use super::OpenError;
use crate::config::{StorageConfig, StoragePlace};

const FOLDER: &str = "uploads";
/// Names of objects have no such character; those of half-written files do.
const HALF_WRITTEN: char = '#';
const LOCAL_PART_BYTES: usize = 256 * 1024;
/// S3 takes no smaller part but the last.
const S3_PART_BYTES: usize = 5 * 1024 * 1024;
const S3_RETRIES: usize = 2;

/// A store, and what is particular about it.
#[derive(Clone)]
pub(super) struct Backend {
    pub(super) store: Arc<dyn ObjectStore>,
    /// The size of parts that suits it.
    pub(super) part_bytes: usize,
    /// Where it is, if on this machine.
    pub(super) folder: Option<PathBuf>,
}

/// By the store's own short name: its fields hold the key.
impl fmt::Debug for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.store)
    }
}

impl Backend {
    /// Removes what an unfinished upload has left that its own abort does not: the local store forgets its draft when
    /// the last step fails. A name is used once, so the draft's number is the first.
    pub(super) async fn remove_draft(&self, location: &ObjectPath) {
        let Some(folder) = &self.folder else { return };
        let draft = folder.join(format!("{location}{HALF_WRITTEN}1"));
        let removed = tokio::task::spawn_blocking(move || std::fs::remove_file(draft)).await;
        if let Ok(Err(error)) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, object = %location, "an unfinished upload could not be removed");
        }
    }
}

pub(super) fn open(
    config: &StorageConfig,
    data_dir: &Path,
    patience: Duration,
) -> Result<Backend, OpenError> {
    match &config.url {
        StoragePlace::Local => open_local(data_dir),
        StoragePlace::S3 { bucket, prefix } => open_s3(config, bucket, prefix, patience),
    }
}

fn open_local(data_dir: &Path) -> Result<Backend, OpenError> {
    let folder = data_dir.join(FOLDER);
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Folder { path, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(at(&folder))?;
    File::open(data_dir).and_then(|dir| dir.sync_all()).map_err(at(data_dir))?;
    remove_half_written(&folder).map_err(at(&folder))?;
    let store = LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true);
    Ok(Backend { store: Arc::new(store), part_bytes: LOCAL_PART_BYTES, folder: Some(folder) })
}

/// Removes what was being written when a process died. Nobody else writes: the data directory is locked.
fn remove_half_written(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_half_written(&entry.path())?;
        } else if entry.file_name().to_string_lossy().contains(HALF_WRITTEN) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn open_s3(
    config: &StorageConfig,
    bucket: &str,
    prefix: &str,
    patience: Duration,
) -> Result<Backend, OpenError> {
    // The waits are bounded above, per operation and per piece; a limit on a whole download would cut slow readers.
    let client = ClientOptions::new()
        .with_allow_http(config.s3_allow_http)
        .with_connect_timeout(patience)
        .with_timeout_disabled();
    let retry =
        RetryConfig { max_retries: S3_RETRIES, retry_timeout: patience, backoff: BackoffConfig::default() };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&config.s3_region)
        .with_client_options(client)
        .with_retry(retry)
        // One object at a time is deleted, and not everything that speaks S3 knows the bulk call.
        .with_disable_bulk_delete(true);
    if !config.s3_endpoint.is_empty() {
        builder = builder.with_endpoint(&config.s3_endpoint);
    }
    if !config.s3_access_key_id.is_empty() {
        builder = builder
            .with_access_key_id(&config.s3_access_key_id)
            .with_secret_access_key(config.s3_secret_access_key.expose_secret());
    }
    let store = builder.build()?;
    let store: Arc<dyn ObjectStore> = match prefix {
        "" => Arc::new(store),
        prefix => Arc::new(PrefixStore::new(store, prefix)),
    };
    Ok(Backend { store, part_bytes: S3_PART_BYTES, folder: None })
}

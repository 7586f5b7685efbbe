//! Letters as files, for machines without a mail server, and for tests.
//!
//! Invariant: a file that is there is whole, and only its owner may read it: there are codes and links in it.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{SendFailure, TransportError};

/// A folder of letters.
#[derive(Debug)]
pub(in crate::notifier) struct Folder(PathBuf);

impl Folder {
    pub(super) fn open(path: PathBuf) -> Result<Self, TransportError> {
        match std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path) {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(TransportError::Folder { folder: path.display().to_string(), source }),
        }
    }

    /// Writes a file under a name that is its own in every copy of the letter.
    pub(super) async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), SendFailure> {
        // Of copies that are written at once each has a part of its own.
        let part = self.0.join(format!(".{name}.{}", nanoid::nanoid!(6)));
        let (folder, whole) = (self.0.clone(), self.0.join(name));
        let written = tokio::task::spawn_blocking(move || {
            write(&part, &bytes)?;
            std::fs::rename(&part, &whole)?;
            std::fs::File::open(folder)?.sync_all()
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(SendFailure::Later(error.to_string())),
            Err(error) => Err(SendFailure::Later(error.to_string())),
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

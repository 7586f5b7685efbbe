//! Writing an object piece by piece.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt as _, PutPayload};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::backend::Backend;
use super::{GRACE, ObjectName, Storage, StorageError, in_time};

/// An object that is being written and exists once it is committed. Dropped before that, its traces are removed by the
/// storage thread, whatever becomes of the request.
#[derive(Debug)]
pub struct Upload {
    name: ObjectName,
    size: u64,
    max_bytes: u64,
    patience: Duration,
    steps: mpsc::Sender<Step>,
    outcome: Option<JoinHandle<Result<(), StorageError>>>,
}

#[derive(Debug)]
enum Step {
    Write(Bytes),
    Commit(oneshot::Sender<Published>),
}

/// It exists. Whoever hears that answers; if this is dropped instead, nobody has heard it.
#[derive(Debug)]
struct Published(oneshot::Sender<()>);

/// How long one step may take: another may wait in the channel before it.
const fn longest_step(patience: Duration) -> Duration {
    patience.saturating_mul(2).saturating_add(GRACE)
}

/// A part, the publication, and taking it back if that fails.
pub(super) const fn longest_commit(patience: Duration) -> Duration {
    longest_step(patience).saturating_mul(2)
}

impl Upload {
    pub(super) fn begin(storage: &Storage, name: ObjectName, max_bytes: u64) -> Self {
        let (steps, receiver) = mpsc::channel(1);
        let draft = Draft {
            backend: storage.backend.clone(),
            location: name.location(),
            patience: storage.patience,
            buffer: BytesMut::new(),
            parts: None,
        };
        let outcome = Some(storage.tasks.spawn(draft.follow(receiver)));
        Self { name, size: 0, max_bytes, patience: storage.patience, steps, outcome }
    }

    /// The name it will have.
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends `bytes`. After an error the upload is good for nothing but [`Upload::discard`].
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        let size = self.size + bytes.len() as u64;
        if size > self.max_bytes {
            return Err(StorageError::TooLarge(self.max_bytes));
        }
        self.size = size;
        match tokio::time::timeout(longest_step(self.patience), self.steps.send(Step::Write(bytes))).await {
            Ok(Ok(())) => Ok(()),
            // The draft has ended, which it does by itself only with an error.
            Ok(Err(_)) => self.outcome().await.and(Err(StorageError::Stopped)),
            Err(_) => Err(StorageError::TimedOut),
        }
    }

    /// Makes the object exist, whole and durable; returns its size. After an error, or dropped before it is done, it
    /// does not exist.
    pub async fn commit(mut self) -> Result<u64, StorageError> {
        let patience = longest_commit(self.patience);
        let (done, published) = oneshot::channel();
        let finish = async {
            let _ = self.steps.send(Step::Commit(done)).await;
            match published.await {
                Ok(Published(heard)) => heard.send(()).map_err(|()| StorageError::Stopped),
                Err(_) => self.outcome().await.and(Err(StorageError::Stopped)),
            }
        };
        match tokio::time::timeout(patience, finish).await {
            Ok(outcome) => outcome.map(|()| self.size),
            Err(_) => Err(StorageError::TimedOut),
        }
    }

    /// Removes every trace and waits until that is done. Dropping does the same without waiting.
    pub async fn discard(self) {
        let Self { steps, outcome, patience, .. } = self;
        drop(steps);
        if let Some(outcome) = outcome {
            let _ = tokio::time::timeout(longest_step(patience), outcome).await;
        }
    }

    async fn outcome(&mut self) -> Result<(), StorageError> {
        match self.outcome.take() {
            Some(task) => task.await.unwrap_or(Err(StorageError::Stopped)),
            None => Err(StorageError::Stopped),
        }
    }
}

/// The storage thread's side of an upload. What fits into one part is written in one go at the end; more is written in
/// parts, so that memory holds one part of each upload and no more.
struct Draft {
    backend: Backend,
    location: Path,
    patience: Duration,
    buffer: BytesMut,
    parts: Option<Box<dyn MultipartUpload>>,
}

impl Draft {
    async fn follow(mut self, mut steps: mpsc::Receiver<Step>) -> Result<(), StorageError> {
        let mut committed = false;
        let outcome = loop {
            match steps.recv().await {
                Some(Step::Write(bytes)) => {
                    if let Err(error) = self.append(bytes).await {
                        break Err(error);
                    }
                }
                Some(Step::Commit(done)) => {
                    committed = true;
                    break match self.publish().await {
                        Ok(()) => {
                            let (answer, heard) = oneshot::channel();
                            let _ = done.send(Published(answer));
                            heard.await.map_err(|_| StorageError::Stopped)
                        }
                        Err(error) => Err(error),
                    };
                }
                None => break Err(StorageError::Stopped),
            }
        };
        if outcome.is_err() {
            self.remove(committed).await;
        }
        outcome
    }

    async fn append(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        self.buffer.extend_from_slice(&bytes);
        while self.buffer.len() >= self.backend.part_bytes {
            let part = self.buffer.split_to(self.backend.part_bytes).freeze();
            self.write_part(part).await?;
        }
        Ok(())
    }

    async fn write_part(&mut self, part: Bytes) -> Result<(), StorageError> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => {
                none.insert(in_time(self.patience, self.backend.store.put_multipart(&self.location)).await?)
            }
        };
        in_time(self.patience, parts.put_part(PutPayload::from(part))).await
    }

    async fn publish(&mut self) -> Result<(), StorageError> {
        let rest = self.buffer.split().freeze();
        if self.parts.is_none() {
            in_time(self.patience, self.backend.store.put(&self.location, PutPayload::from(rest))).await?;
            return Ok(());
        }
        if !rest.is_empty() {
            self.write_part(rest).await?;
        }
        if let Some(parts) = &mut self.parts {
            in_time(self.patience, parts.complete()).await?;
        }
        Ok(())
    }

    /// Takes everything back. A publication that failed may have happened all the same: its answer was lost.
    async fn remove(&mut self, perhaps_published: bool) {
        if let Some(mut parts) = self.parts.take()
            && let Err(error) = in_time(self.patience, parts.abort()).await
            && !perhaps_published
        {
            tracing::warn!(%error, object = %self.location, "an unfinished upload could not be removed");
        }
        self.backend.remove_draft(&self.location).await;
        if perhaps_published
            && let Err(error) = in_time(self.patience, self.backend.store.delete(&self.location)).await
            && !matches!(error, StorageError::NotFound)
        {
            tracing::warn!(%error, object = %self.location, "a failed upload could not be removed");
        }
    }
}

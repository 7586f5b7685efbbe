//! Reading objects, a bounded piece at a time.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use object_store::{GetResult, GetResultPayload};
use tokio::sync::mpsc;

use super::thread::Tasks;
use super::{StorageError, in_time};

/// Bytes read from a file at once.
const CHUNK: usize = 64 * 1024;

/// An open object.
#[derive(Debug)]
pub struct Stored {
    /// Bytes of the whole object.
    pub size: u64,
    /// Which of them come.
    pub range: Range<u64>,
    /// The bytes.
    pub chunks: Chunks,
}

/// The bytes of an object as they come. Dropping it ends the reading.
#[derive(Debug)]
pub struct Chunks(mpsc::Receiver<Result<Bytes, StorageError>>);

impl Stream for Chunks {
    type Item = Result<Bytes, StorageError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// Reads on the storage thread, one chunk ahead of who takes them.
pub(super) fn pump(tasks: &Tasks, result: GetResult, patience: Duration) -> Stored {
    let (size, range) = (result.meta.size, result.range.clone());
    let (sender, receiver) = mpsc::channel(1);
    tasks.spawn(async move {
        let mut chunks = chunks(result);
        loop {
            let next = in_time(patience, async { chunks.next().await.transpose() }).await;
            let Some(item) = next.transpose() else { break };
            let failed = item.is_err();
            if sender.send(item).await.is_err() || failed {
                break;
            }
        }
    });
    Stored { size, range, chunks: Chunks(receiver) }
}

fn chunks(result: GetResult) -> BoxStream<'static, object_store::Result<Bytes>> {
    match result.payload {
        GetResultPayload::Stream(stream) => stream,
        GetResultPayload::File(file, _) => stream::try_unfold((file, result.range), read_chunk).boxed(),
    }
}

type Reading = (File, Range<u64>);

/// The crate's own stream of a file goes to the blocking threads for every 8 KiB.
async fn read_chunk((file, range): Reading) -> object_store::Result<Option<(Bytes, Reading)>> {
    if range.is_empty() {
        return Ok(None);
    }
    let read = tokio::task::spawn_blocking(move || {
        let wanted = usize::try_from(range.end - range.start).map_or(CHUNK, |rest| rest.min(CHUNK));
        let mut buffer = vec![0; wanted];
        file.read_exact_at(&mut buffer, range.start)?;
        Ok::<_, io::Error>((Bytes::from(buffer), (file, range.start + wanted as u64..range.end)))
    });
    match read.await? {
        Ok(chunk) => Ok(Some(chunk)),
        Err(error) => Err(object_store::Error::Generic { store: "LocalFileSystem", source: error.into() }),
    }
}

//! The thread that all storage work is done on.

use std::future::Future;
use std::io;
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// Blocking file operations at a time, on threads that come and go.
const BLOCKING_THREADS: usize = 16;

/// The way to the thread.
#[derive(Debug, Clone)]
pub(super) struct Tasks {
    handle: Handle,
    tracker: TaskTracker,
}

impl Tasks {
    pub(super) fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn_on(work, &self.handle)
    }
}

/// A thread with a runtime of its own. What is under way when it is told to stop gets a bounded time to clean up.
#[derive(Debug)]
pub struct StorageThread {
    tasks: Tasks,
    patience: Duration,
    stop: oneshot::Sender<()>,
    stopped: mpsc::Receiver<()>,
}

impl StorageThread {
    pub(super) fn start(patience: Duration) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("storage-io")
            .build()?;
        let tasks = Tasks { handle: runtime.handle().clone(), tracker: TaskTracker::new() };
        let ((stop, told), (end, stopped)) = (oneshot::channel::<()>(), mpsc::channel());
        let tracker = tasks.tracker.clone();
        std::thread::Builder::new().name("storage".to_owned()).spawn(move || {
            runtime.block_on(async {
                // An error means that the other side has been dropped: told, too.
                let _ = told.await;
                tracker.close();
                let _ = tokio::time::timeout(patience, tracker.wait()).await;
            });
            runtime.shutdown_timeout(Duration::ZERO);
            let _ = end.send(());
        })?;
        Ok(Self { tasks, patience, stop, stopped })
    }

    pub(super) fn tasks(&self) -> Tasks {
        self.tasks.clone()
    }

    /// Waits for uploads to be cleaned up, then ends the thread.
    pub fn stop(self) {
        let _ = self.stop.send(());
        if self.stopped.recv_timeout(self.patience + super::GRACE).is_err() {
            tracing::warn!("the storage thread does not end");
        }
    }
}

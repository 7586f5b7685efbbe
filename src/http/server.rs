//! Accepting connections, and which worker serves which.
//!
//! Owns the listening socket, the workers' threads and the end of both. A connection goes to the worker that belongs to
//! the processor on which the kernel handles its packets (`SO_INCOMING_CPU`), so that reading and answering stay where the bytes
//! are already; measured on two processors with 64 connections, that is worth up to twice the throughput. Invariants: no
//! worker has many more connections than another for that, and none has more than allowed: while all are full, who comes
//! next waits in the kernel; a graceful end lets every request that was begun be answered, within its time.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix::Arbiter;
use actix_service::{Service, ServiceFactory};
use actix_web::rt::net::TcpStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// A worker may have this many connections more than the one with the fewest, and a quarter more than it, before
/// where packets are handled does not matter any more.
const SLACK: usize = 16;
/// Pause after the system could not accept, for want of files or memory.
const RETRY: Duration = Duration::from_millis(100);
/// How often the end of the last connection is looked for.
const DRAIN_POLL: Duration = Duration::from_millis(20);

/// How much is served.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Threads.
    pub workers: usize,
    /// Connections of each.
    pub connections: usize,
    /// How long requests may take to finish at the end.
    pub shutdown: Duration,
}

/// How a server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Run,
    Finish,
    Drop,
}

/// Ends a server from elsewhere.
#[derive(Debug, Clone)]
pub struct StopHandle(watch::Sender<Order>);

impl StopHandle {
    /// Ends it; `graceful`: after the requests under way.
    pub fn stop(&self, graceful: bool) {
        self.0.send_replace(if graceful { Order::Finish } else { Order::Drop });
    }
}

/// The connections of one worker.
#[derive(Debug, Default)]
struct Load(AtomicUsize);

/// A connection as long as it is open.
#[derive(Debug)]
struct Open {
    load: Arc<Load>,
    closed: Arc<Notify>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.load.0.fetch_sub(1, Ordering::AcqRel);
        self.closed.notify_one();
    }
}

#[derive(Debug)]
struct Worker {
    arbiter: Arbiter,
    load: Arc<Load>,
    queue: mpsc::UnboundedSender<(std::net::TcpStream, Open)>,
}

/// Workers that are ready to serve, and a socket that is not accepted from yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    limits: ServerLimits,
    workers: Vec<Worker>,
    order: watch::Sender<Order>,
    stopping: CancellationToken,
}

impl Server {
    /// Starts the workers; `make` is called on each of their threads and makes what serves its connections. `stopping`
    /// is cancelled when the end begins.
    pub fn start<F, S>(
        listener: TcpListener,
        limits: ServerLimits,
        stopping: CancellationToken,
        make: F,
    ) -> Self
    where
        F: Fn() -> S + Clone + Send + 'static,
        S: ServiceFactory<TcpStream, Config = ()> + 'static,
        S::InitError: std::fmt::Debug,
    {
        let workers = (0..limits.workers).map(|_| start_worker(make.clone())).collect();
        Self { listener, limits, workers, order: watch::Sender::new(Order::Run), stopping }
    }

    /// Ends it from elsewhere.
    pub fn handle(&self) -> StopHandle {
        StopHandle(self.order.clone())
    }

    /// Serves until `signal` or the handle ends it.
    pub async fn run(self, signal: impl Future<Output = ()>) -> io::Result<()> {
        let Self { listener, limits, workers, order, stopping } = self;
        let closed = Arc::new(Notify::new());
        let loads: Vec<_> = workers.iter().map(|worker| worker.load.clone()).collect();
        let acceptor = Acceptor {
            queues: workers.iter().map(|worker| worker.queue.clone()).collect(),
            loads: loads.clone(),
            most: limits.connections,
            closed,
        };
        let thread = acceptor.start(listener, stopping.clone())?;
        let mut orders = order.subscribe();
        tokio::select! {
            () = signal => order.send_replace(Order::Finish),
            _ = orders.wait_for(|order| *order != Order::Run) => Order::Run,
        };
        stopping.cancel();
        let deadline = Instant::now() + limits.shutdown;
        let open = || loads.iter().any(|load| load.0.load(Ordering::Acquire) > 0);
        while *order.borrow() == Order::Finish && open() && Instant::now() < deadline {
            actix::clock::sleep(DRAIN_POLL).await;
        }
        for Worker { arbiter, .. } in workers {
            arbiter.stop();
            if arbiter.join().is_err() {
                tracing::error!("a worker panicked");
            }
        }
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the acceptor panicked")))
    }
}

fn start_worker<F, S>(make: F) -> Worker
where
    F: Fn() -> S + Send + 'static,
    S: ServiceFactory<TcpStream, Config = ()> + 'static,
    S::InitError: std::fmt::Debug,
{
    let arbiter = Arbiter::new();
    let (queue, mut accepted) = mpsc::unbounded_channel::<(std::net::TcpStream, Open)>();
    arbiter.spawn_fn(move || {
        let starting = make().new_service(());
        actix::spawn(async move {
            let service = match starting.await {
                Ok(service) => service,
                Err(error) => return tracing::error!(?error, "a worker does not start"),
            };
            while let Some((stream, open)) = accepted.recv().await {
                if std::future::poll_fn(|context| service.poll_ready(context)).await.is_err() {
                    return tracing::error!("a worker has ended");
                }
                // Who has gone by now has no stream.
                let Ok(stream) = TcpStream::from_std(stream) else { continue };
                let served = service.call(stream);
                actix::spawn(async move {
                    // Why a connection ended is its client's affair, or was logged where it happened.
                    let _ = served.await;
                    drop(open);
                });
            }
        });
    });
    Worker { arbiter, load: Arc::default(), queue }
}

/// Gives connections to workers, on a thread of its own.
struct Acceptor {
    queues: Vec<mpsc::UnboundedSender<(std::net::TcpStream, Open)>>,
    loads: Vec<Arc<Load>>,
    most: usize,
    closed: Arc<Notify>,
}

impl Acceptor {
    fn start(
        self,
        listener: TcpListener,
        stopping: CancellationToken,
    ) -> io::Result<JoinHandle<io::Result<()>>> {
        listener.set_nonblocking(true)?;
        std::thread::Builder::new().name("acceptor".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                stopping.run_until_cancelled(self.accept(&listener)).await;
                Ok(())
            })
        })
    }

    async fn accept(&self, listener: &tokio::net::TcpListener) {
        loop {
            while self.loads.iter().all(|load| load.0.load(Ordering::Acquire) >= self.most) {
                self.closed.notified().await;
            }
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) if is_of_one(&error) => continue,
                Err(error) => {
                    tracing::error!(%error, "connections cannot be accepted");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            let worker = self.worker_for(&stream);
            // What cannot leave this thread's runtime is as good as gone.
            let Ok(stream) = stream.into_std() else { continue };
            let load = self.loads[worker].clone();
            load.0.fetch_add(1, Ordering::AcqRel);
            let _ = self.queues[worker].send((stream, Open { load, closed: self.closed.clone() }));
        }
    }

    fn worker_for(&self, stream: &tokio::net::TcpStream) -> usize {
        let counts: Vec<usize> = self.loads.iter().map(|load| load.0.load(Ordering::Acquire)).collect();
        choose(&counts, processor_of(stream), self.most)
    }
}

/// Of workers with these connections, the one for a connection that `processor` handles the packets of.
fn choose(counts: &[usize], processor: Option<usize>, most: usize) -> usize {
    let (least, fewest) =
        counts.iter().copied().enumerate().min_by_key(|(_, count)| *count).unwrap_or_default();
    let near = processor.map(|processor| processor % counts.len());
    near.filter(|near| counts[*near] < most && counts[*near] <= fewest + fewest / 4 + SLACK).unwrap_or(least)
}

#[cfg(target_os = "linux")]
fn processor_of(stream: &tokio::net::TcpStream) -> Option<usize> {
    rustix::net::sockopt::socket_incoming_cpu(stream).ok()?.try_into().ok()
}

#[cfg(not(target_os = "linux"))]
fn processor_of(_: &tokio::net::TcpStream) -> Option<usize> {
    None
}

/// Whether only one connection is concerned.
fn is_of_one(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_goes_to_the_worker_of_its_processor() {
        assert_eq!(choose(&[0, 0], Some(1), 100), 1);
        assert_eq!(choose(&[10, 0], Some(0), 100), 0);
        assert_eq!(choose(&[0, 0, 0], Some(4), 100), 1, "more processors than workers");
    }

    #[test]
    fn balance_comes_before_nearness() {
        assert_eq!(choose(&[17, 0], Some(0), 100), 1);
        assert_eq!(choose(&[1_000, 800, 900], Some(0), 10_000), 0);
        assert_eq!(choose(&[1_017, 800, 900], Some(0), 10_000), 1);
        assert_eq!(choose(&[3, 2], None, 100), 1, "nobody knows the processor");
    }

    #[test]
    fn a_full_worker_gets_none() {
        assert_eq!(choose(&[100, 99], Some(0), 100), 1);
    }
}

//! Accepting connections, and which worker serves which.
//!
//! Owns the listening socket, the workers' threads and the end of both. Each worker accepts for itself: one that is asleep on
//! the processor where a client's packets come in is the first to be woken, and serves them there. Measured with two workers
//! and clients on the same two processors, that is worth half as much throughput again as dealing connections out in turn.
//! Invariants: no worker takes more when it has many more connections than another, and none has more than allowed: while
//! all are full, who comes next waits in the kernel; a graceful end lets every request that was begun be answered, within
//! its time.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix::Arbiter;
use actix_service::{Service, ServiceFactory};
use actix_web::rt::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A worker may have this many connections more than the one with the fewest, and a quarter more than it, before it leaves
/// those that come to others.
const SLACK: usize = 64;
/// How long it leaves them before it looks again.
const TURN: Duration = Duration::from_millis(1);
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

/// How many connections each worker has.
#[derive(Debug)]
struct Loads {
    counts: Vec<AtomicUsize>,
    most: usize,
}

impl Loads {
    fn are_none(&self) -> bool {
        self.counts.iter().all(|count| count.load(Ordering::Acquire) == 0)
    }

    /// Whether it is for `worker` to take another.
    fn leave_to(&self, worker: usize) -> bool {
        let own = self.counts[worker].load(Ordering::Acquire);
        let fewest = self.counts.iter().map(|count| count.load(Ordering::Acquire)).min().unwrap_or(own);
        own < self.most && own <= fewest + fewest / 4 + SLACK
    }
}

/// A connection as long as it is open.
struct Open {
    loads: Arc<Loads>,
    worker: usize,
}

impl Open {
    fn new(loads: Arc<Loads>, worker: usize) -> Self {
        loads.counts[worker].fetch_add(1, Ordering::AcqRel);
        Self { loads, worker }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.loads.counts[self.worker].fetch_sub(1, Ordering::AcqRel);
    }
}

/// Workers that are ready to serve, from a socket on which connections wait meanwhile.
#[derive(Debug)]
pub struct Server {
    workers: Vec<Arbiter>,
    loads: Arc<Loads>,
    shutdown: Duration,
    order: watch::Sender<Order>,
    /// Workers accept from when this is cancelled ...
    starting: CancellationToken,
    /// ... to when this is.
    stopping: CancellationToken,
}

impl Server {
    /// Starts the workers; `make` is called on each of their threads and makes what serves its connections. `stopping`
    /// is cancelled when the end begins.
    pub fn start<F, S>(
        listener: &TcpListener,
        limits: ServerLimits,
        stopping: CancellationToken,
        make: F,
    ) -> io::Result<Self>
    where
        F: Fn() -> S + Clone + Send + 'static,
        S: ServiceFactory<TcpStream, Config = ()> + 'static,
        S::InitError: std::fmt::Debug,
    {
        listener.set_nonblocking(true)?;
        let counts = (0..limits.workers).map(|_| AtomicUsize::new(0)).collect();
        let loads = Arc::new(Loads { counts, most: limits.connections });
        let starting = CancellationToken::new();
        let workers = (0..limits.workers).map(|number| {
            let (listener, loads) = (listener.try_clone()?, loads.clone());
            let (starting, stopping, make) = (starting.clone(), stopping.clone(), make.clone());
            let arbiter = Arbiter::new();
            arbiter.spawn_fn(move || {
                let made = make().new_service(());
                actix::spawn(async move {
                    let service = match made.await {
                        Ok(service) => service,
                        Err(error) => return tracing::error!(?error, "a worker does not start"),
                    };
                    starting.cancelled().await;
                    let accepted =
                        stopping.run_until_cancelled(accept(listener, service, loads, number)).await;
                    if let Some(Err(error)) = accepted {
                        tracing::error!(%error, "a worker cannot listen");
                    }
                });
            });
            Ok(arbiter)
        });
        let workers = workers.collect::<io::Result<_>>()?;
        let order = watch::Sender::new(Order::Run);
        Ok(Self { workers, loads, shutdown: limits.shutdown, order, starting, stopping })
    }

    /// Ends it from elsewhere.
    pub fn handle(&self) -> StopHandle {
        StopHandle(self.order.clone())
    }

    /// Serves until `signal` or the handle ends it.
    pub async fn run(self, signal: impl Future<Output = ()>) {
        let Self { workers, loads, shutdown, order, starting, stopping } = self;
        starting.cancel();
        let mut orders = order.subscribe();
        tokio::select! {
            () = signal => drop(order.send_replace(Order::Finish)),
            _ = orders.wait_for(|order| *order != Order::Run) => {}
        }
        stopping.cancel();
        let deadline = Instant::now() + shutdown;
        while *order.borrow() == Order::Finish && !loads.are_none() && Instant::now() < deadline {
            actix::clock::sleep(DRAIN_POLL).await;
        }
        for arbiter in workers {
            arbiter.stop();
            if arbiter.join().is_err() {
                tracing::error!("a worker panicked");
            }
        }
    }
}

/// Takes connections and serves them on the current thread.
async fn accept<S>(listener: TcpListener, service: S, loads: Arc<Loads>, worker: usize) -> io::Result<()>
where
    S: Service<TcpStream> + 'static,
{
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        if !loads.leave_to(worker) {
            actix::clock::sleep(TURN).await;
            continue;
        }
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) if is_of_one(&error) => continue,
            Err(error) => {
                tracing::error!(%error, "connections cannot be accepted");
                actix::clock::sleep(RETRY).await;
                continue;
            }
        };
        let open = Open::new(loads.clone(), worker);
        if std::future::poll_fn(|context| service.poll_ready(context)).await.is_err() {
            return Err(io::Error::other("its service has ended"));
        }
        let served = service.call(stream);
        actix::spawn(async move {
            // Why a connection ended is its client's affair, or was logged where it happened.
            let _ = served.await;
            drop(open);
        });
    }
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

    fn loads(counts: &[usize]) -> Loads {
        Loads { counts: counts.iter().map(|count| AtomicUsize::new(*count)).collect(), most: 1_000 }
    }

    #[test]
    fn a_worker_with_many_more_than_another_leaves_the_next_to_it() {
        assert!(loads(&[64, 0]).leave_to(0));
        assert!(!loads(&[65, 0]).leave_to(0));
        assert!(loads(&[65, 0]).leave_to(1));
        assert!(loads(&[864, 640, 700]).leave_to(0));
        assert!(!loads(&[865, 640, 700]).leave_to(0));
    }

    #[test]
    fn a_full_worker_takes_none() {
        assert!(!loads(&[1_000, 1_000]).leave_to(0));
        assert!(loads(&[999, 1_000]).leave_to(0));
    }
}

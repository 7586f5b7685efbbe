//! Accepting connections and serving them, on as many threads as there are workers.
//!
//! Owns the listening socket, the workers' threads and the end of both. Each worker accepts; [`team`] says who serves what,
//! and [`seat`] keeps that in balance. Invariants: while all are full, who comes next waits in the kernel; a graceful end lets
//! every request that was begun be answered, within its time.

mod processor;
mod seat;
mod team;

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Arbiter;
use actix_service::{Service, ServiceFactory};
use actix_web::rt::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub use seat::Seat;
use team::{Handed, Open, Team};

/// How long a worker that has enough leaves connections to others before it looks again.
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

/// A connection to be served.
#[derive(Debug)]
pub struct Connection {
    /// Its socket.
    pub stream: TcpStream,
    /// It has been served, and everything that came was answered.
    pub is_known: bool,
}

/// Workers that are ready to serve, from a socket on which connections wait meanwhile.
#[derive(Debug)]
pub struct Server {
    workers: Vec<Arbiter>,
    team: Arc<Team>,
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
        F: Fn(Rc<Seat>) -> S + Clone + Send + 'static,
        S: ServiceFactory<Connection, Config = ()> + 'static,
        S::InitError: std::fmt::Debug,
    {
        listener.set_nonblocking(true)?;
        let (team, inboxes) = Team::new(limits.workers, limits.connections);
        let starting = CancellationToken::new();
        let workers = inboxes.into_iter().enumerate().map(|(worker, inbox)| {
            let (listener, team) = (listener.try_clone()?, team.clone());
            let (starting, stopping, make) = (starting.clone(), stopping.clone(), make.clone());
            let arbiter = Arbiter::new();
            arbiter.spawn_fn(move || {
                let seat = Seat::new(team.clone(), worker);
                let made = make(seat.clone()).new_service(());
                actix::spawn(async move {
                    let service = match made.await {
                        Ok(service) => Rc::new(service),
                        Err(error) => return tracing::error!(?error, "a worker does not start"),
                    };
                    starting.cancelled().await;
                    actix::spawn(receive(inbox, service.clone()));
                    actix::spawn(seat.keep_balance());
                    let accepted =
                        stopping.run_until_cancelled(accept(listener, service, team, worker)).await;
                    if let Some(Err(error)) = accepted {
                        tracing::error!(%error, "a worker cannot listen");
                    }
                });
            });
            Ok(arbiter)
        });
        let workers = workers.collect::<io::Result<_>>()?;
        let order = watch::Sender::new(Order::Run);
        Ok(Self { workers, team, shutdown: limits.shutdown, order, starting, stopping })
    }

    /// Ends it from elsewhere.
    pub fn handle(&self) -> StopHandle {
        StopHandle(self.order.clone())
    }

    /// Serves until `signal` or the handle ends it.
    pub async fn run(self, signal: impl Future<Output = ()>) {
        let Self { workers, team, shutdown, order, starting, stopping } = self;
        starting.cancel();
        let mut orders = order.subscribe();
        tokio::select! {
            () = signal => drop(order.send_replace(Order::Finish)),
            _ = orders.wait_for(|order| *order != Order::Run) => {}
        }
        stopping.cancel();
        let deadline = Instant::now() + shutdown;
        while *order.borrow() == Order::Finish && team.has_connections() && Instant::now() < deadline {
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

/// Takes connections and serves them on the current thread, or lets their own workers do so.
async fn accept<S>(listener: TcpListener, service: Rc<S>, team: Arc<Team>, worker: usize) -> io::Result<()>
where
    S: Service<Connection> + 'static,
{
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        if !team.leaves_to(worker) {
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
        let home = team.home(&stream, worker);
        if home != worker && team.hand(&stream, home, false).is_ok() {
            continue;
        }
        let open = team.open(worker);
        serve(&*service, Connection { stream, is_known: false }, open).await?;
    }
}

/// Serves what others hand over.
async fn receive<S>(mut inbox: mpsc::UnboundedReceiver<Handed>, service: Rc<S>)
where
    S: Service<Connection> + 'static,
{
    while let Some(Handed { socket, open, is_known }) = inbox.recv().await {
        let served = match TcpStream::from_std(socket) {
            Ok(stream) => serve(&*service, Connection { stream, is_known }, open).await,
            Err(error) => Err(error),
        };
        if let Err(error) = served {
            tracing::error!(%error, "a connection is lost between two workers");
        }
    }
}

/// Serves a connection on the current thread.
async fn serve<S>(service: &S, connection: Connection, open: Open) -> io::Result<()>
where
    S: Service<Connection> + 'static,
{
    if std::future::poll_fn(|context| service.poll_ready(context)).await.is_err() {
        return Err(io::Error::other("its service has ended"));
    }
    let served = service.call(connection);
    actix::spawn(async move {
        // Why a connection ended is its client's affair, or was logged where it happened.
        let _ = served.await;
        drop(open);
    });
    Ok(())
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

//! The composition root: datastore, actors, server.
//!
//! Owns the order of start and stop. Start: data directory, listener, datastore, then per worker a connection
//! and its actors. Stop, on SIGTERM or SIGINT: no new connections, requests in flight finish, then the datastore
//! ends with its log flushed; so nothing acknowledged is lost.

use std::future::ready;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, SyncArbiter};
use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use actix_web::{App, web};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::ExposeSecret;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::actor::{Gate, Mailbox, answer_promptly, stand_back};
use crate::auth;
use crate::auth::error::HashError;
use crate::auth::hasher::PasswordHasher;
use crate::auth::jwks::GoogleKeys;
use crate::config::Config;
use crate::conversation;
use crate::conversation::routes::MessageRules;
use crate::data_dir::{DataDir, DataDirError};
use crate::http::body::BodyLimits;
use crate::http::client::{AllowedOrigins, TrustedProxies};
use crate::http::connection::{Patience, PatientStream};
use crate::http::health::MetricsAccess;
use crate::http::lane::{LaneStream, LaneWorker, Waits};
use crate::http::rate_limit::RateLimits;
use crate::http::router::Endpoint;
use crate::http::server::{Connection, Server, ServerLimits, StopHandle};
use crate::http::upload::Uploads;
use crate::http::{ApiError, FieldError, assets, body, edge, health, pages, router};
use crate::journal::{Journal, JournalError, Limits};
use crate::media::Painter;
use crate::notifier;
use crate::notifier::sender::Ways;
use crate::notifier::transport::TransportError;
use crate::openapi;
use crate::posts;
use crate::realtime;
use crate::realtime::hub::{GoAway, Hub};
use crate::realtime::ways::SocketRules;
use crate::redis::connection::RedisTarget;
use crate::redis::embedded::{Embedded, EmbeddedError};
use crate::shortener;
use crate::shortener::actor::OwnPlaces;
use crate::shortener::model::ReservedWords;
use crate::shortener::routes::lane::ShortLinks;
use crate::shortener::safety::{Classifier, ClientError, ListError, Lists, Safety};
use crate::shortener::target::OwnHosts;
use crate::shortener::{Ledger, Memory};
use crate::storage::{self, Storage, StorageThread};
use crate::telemetry;
use crate::users;
use crate::values::PublicUrl;
use crate::worker::{Background, Blueprint, Worker};

/// Parts of the journal at the least, so that a small one has room again bit by bit, and the size of one.
const SEGMENTS: u64 = 8;
const SEGMENT_BYTES: u64 = 8 << 20;
const LEAST_SEGMENT_BYTES: u64 = 64 << 10;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;
/// What a handler may take besides hashing a password: a few calls of the datastore.
const HANDLING: Duration = Duration::from_secs(3);

/// Why the server does not start, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// No embedded datastore.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// No place for clicks.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// No place for uploads.
    #[error(transparent)]
    Storage(#[from] storage::OpenError),
    /// No way out for mail or SMS.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// `redis.url` makes no sense.
    #[error("setting `redis.url`: {0}")]
    RedisUrl(#[from] redis::RedisError),
    /// Nobody can listen there.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A list of hosts cannot be read.
    #[error("setting `safety.nsfw_lists` or `safety.blocked_lists`: {0}")]
    HostList(#[from] ListError),
    /// `safety.fetch` is on, and there is nothing to fetch with.
    #[error("setting `safety.fetch`: {0}")]
    PageClient(#[from] ClientError),
    /// argon2 refuses its parameters.
    #[error("setting `auth.argon2_…`: {0}")]
    Hasher(#[from] HashError),
    /// The server ended with an error.
    #[error("the server failed: {0}")]
    Server(#[from] io::Error),
}

/// A server that listens, and what must end after it.
pub struct Application {
    server: Server,
    /// Ends it.
    signal: Pin<Box<dyn Future<Output = ()>>>,
    address: SocketAddr,
    public_url: Url,
    embedded: Option<Embedded>,
    storage: StorageThread,
    background: Background,
    _data_dir: DataDir,
}

/// Every route that is served, in the order of registration.
pub fn endpoints() -> Vec<Endpoint> {
    [
        health::routes(),
        openapi::routes(),
        pages::routes(),
        assets::routes(),
        auth::routes::links::routes(),
        auth::routes::google::routes(),
        auth::routes::mails::routes(),
        auth::routes::pages::routes(),
        auth::routes::social::routes(),
        auth::routes::phone::routes(),
        conversation::routes::files::routes(),
        conversation::routes::routes(),
        realtime::routes::routes(),
        users::routes::routes(),
        users::routes::avatar::routes(),
        notifier::routes::routes(),
        posts::routes::routes(),
        shortener::routes::home::routes(),
        shortener::routes::links::routes(),
        shortener::routes::access::routes(),
        shortener::routes::redirect::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl std::fmt::Debug for Application {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Application").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Application {
    /// Starts everything but the accepting of connections, which begins with [`Self::run_until_stopped`]. Must be
    /// called within an actix system.
    pub fn build(config: Config, metrics: PrometheusHandle) -> Result<Self, StartError> {
        allow_many_connections();
        let lists = Arc::new(Lists::load(&config.safety)?);
        let data_dir = DataDir::open(&config.data_dir)?;
        let secret = match config.auth.jwt_secret.expose_secret() {
            "" => data_dir.jwt_secret()?,
            _ => config.auth.jwt_secret.clone(),
        };
        let (storage, storage_thread) = Storage::open(&config.storage, data_dir.path())?;
        let listener = listen(config.server.bind)
            .map_err(|source| StartError::Listen { address: config.server.bind, source })?;
        let embedded = match config.redis.is_embedded() {
            true => Some(Embedded::start(&config.redis, data_dir.path())?),
            false => None,
        };
        let redis = RedisTarget::parse(&config.redis, embedded.as_ref().map(Embedded::socket))?;
        let address = listener.local_addr()?;
        let public_url = config.server.public_url.clone().unwrap_or_else(|| default_url(address));
        let reserved = ReservedWords::of_paths(endpoints().iter().map(Endpoint::path));
        let classifier = match config.safety.fetch {
            true => Some(Classifier::start_here(redis.connect()?, lists.clone(), &config)?),
            false => None,
        };
        let places = OwnPlaces {
            reserved: Arc::new(reserved),
            safety: Safety { lists, classifier },
            hosts: Arc::new(OwnHosts::gather(&public_url, &config.server.own_hosts, address)),
        };
        let ways_out = Ways::open(&config, data_dir.path(), &PublicUrl(public_url.clone()))?;
        let hasher = start_hasher(&config)?;
        let hub = Hub::new(redis.clone(), config.realtime.max_sockets_per_user).start();
        let painter = start_painter(&config);
        let ledger = Arc::new(open_ledger(config.shortener.journal_bytes, data_dir.path())?);
        let memory = Arc::new(Memory::new(config.shortener.cache_size(), config.shortener.stale_if_down));
        let google = start_google_keys(&config);
        let blueprint = Arc::new(Blueprint {
            config,
            redis,
            secret,
            hasher,
            google,
            hub,
            painter,
            storage,
            places,
            memory,
            ledger,
        });
        let background = Background::start(&blueprint, ways_out);
        let server = serve(blueprint, &listener, &public_url, metrics)?;
        Ok(Self {
            server,
            signal: Box::pin(stop_signal()?),
            address,
            public_url,
            embedded,
            storage: storage_thread,
            background,
            _data_dir: data_dir,
        })
    }

    /// The port listened on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The address listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What short links begin with.
    pub fn public_url(&self) -> &Url {
        &self.public_url
    }

    /// Stops the server from elsewhere.
    pub fn handle(&self) -> StopHandle {
        self.server.handle()
    }

    /// Serves until told to stop, then lets everything finish.
    pub async fn run_until_stopped(self) -> Result<(), StartError> {
        self.server.run(self.signal).await;
        self.background.stop().await;
        self.storage.stop();
        if let Some(embedded) = self.embedded {
            embedded.stop();
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Each connection is a file: as many as the system lets us have.
fn allow_many_connections() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "open files stay limited to {:?}", limit.current);
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The bound address as a URL; everywhere means this machine.
fn default_url(mut address: SocketAddr) -> Url {
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let text = format!("http://{address}/");
    Url::parse(&text).unwrap_or_else(|error| unreachable!("{text}: {error}"))
}

fn open_ledger(max_bytes: u64, data_dir: &Path) -> Result<Ledger, JournalError> {
    let segment_bytes = (max_bytes / SEGMENTS).clamp(LEAST_SEGMENT_BYTES, SEGMENT_BYTES);
    let journal = Journal::open(&data_dir.join("journal"), Limits { segment_bytes, max_bytes })?;
    Ok(Ledger::new(Arc::new(journal)))
}

fn start_hasher(config: &Config) -> Result<Mailbox<PasswordHasher>, StartError> {
    let threads = config.auth.hash_thread_count();
    PasswordHasher::new(&config.auth)?;
    let auth = config.auth.clone();
    let address: Addr<PasswordHasher> = SyncArbiter::start(threads, move || {
        stand_back();
        match PasswordHasher::new(&auth) {
            Ok(hasher) => hasher,
            Err(error) => unreachable!("these parameters were accepted a moment ago: {error}"),
        }
    });
    let gate =
        Gate::new(threads + config.auth.hash_queue, Duration::from_secs(config.auth.hash_timeout_secs));
    Ok(Mailbox::new(address, gate))
}

/// Who waits for a key waits for one fetch at most, and a little more.
fn start_google_keys(config: &Config) -> Mailbox<GoogleKeys> {
    let timeout = Duration::from_secs(config.google.timeout_secs) + HANDLING;
    Mailbox::new(GoogleKeys::new(&config.google).start(), Gate::new(config.actors.max_in_flight, timeout))
}

fn start_painter(config: &Config) -> Mailbox<Painter> {
    let uploads = &config.uploads;
    let max_pixels = uploads.max_avatar_pixels;
    let address = SyncArbiter::start(uploads.image_threads, move || {
        stand_back();
        Painter::new(max_pixels)
    });
    let gate = Gate::new(
        uploads.image_threads + uploads.image_queue,
        Duration::from_secs(uploads.image_timeout_secs),
    );
    Mailbox::new(address, gate)
}

fn serve(
    blueprint: Arc<Blueprint>,
    listener: &TcpListener,
    public_url: &Url,
    metrics: PrometheusHandle,
) -> io::Result<Server> {
    let settings = blueprint.config.server.clone();
    let blueprint_hub = blueprint.hub.clone();
    let patience = patience(&blueprint.config);
    let waits = Waits {
        head: Duration::from_secs(settings.head_timeout_secs),
        idle: Duration::from_secs(settings.keep_alive_secs),
    };
    let linger = Duration::from_secs(settings.body_timeout_secs);
    let shared = Shared::new(&blueprint, public_url, metrics);
    RateLimits::sweep_forever(shared.limits.clone());
    telemetry::tidy_forever(shared.metrics.get_ref().clone());
    let (lane_blueprint, proxies, quotas) =
        (blueprint.clone(), shared.proxies.clone(), shared.limits.clone());
    let app = move || {
        let worker = Worker::start(&blueprint);
        App::new()
            .configure(|services| {
                shared.register(services);
                worker.register(services);
                router::register(services, endpoints());
            })
            .wrap(from_fn(edge::edge))
    };
    let stopping = CancellationToken::new();
    let (hub, going) = (blueprint_hub, stopping.clone());
    actix::spawn(async move {
        going.cancelled().await;
        hub.do_send(GoAway);
    });
    let limits = ServerLimits {
        workers: settings.worker_count(),
        connections: settings.max_connections,
        shutdown: Duration::from_secs(settings.shutdown_timeout_secs),
    };
    let ending = stopping.clone();
    Server::start(listener, limits, stopping, move |seat| {
        answer_promptly();
        // A worker's own: every connection looks at it with every request, under a lock.
        let ending = ending.child_token();
        let stopped = move || ending.clone().cancelled_owned();
        let service = app().into_factory().map_err(|error: actix_web::Error| error.error_response());
        let links = ShortLinks::new(lane_blueprint.clerk(), proxies.clone(), quotas.clone());
        let lane = LaneWorker::new(Rc::new(links), waits, seat);
        let http = HttpService::build()
            .graceful_shutdown_signal(stopped)
            // Of what the lane answers it knows nothing: the stream times heads and idling.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(Duration::ZERO)
            // What a client still sends of a body that has been refused is read and forgotten for a while, because
            // closing at once would take the answer from it.
            .client_disconnect_timeout(linger)
            .on_connect_ext(|stream: &LaneStream, data| {
                data.insert(stream.answer_clock());
            })
            .h1(map_config(service, |()| AppConfig::default()));
        fn_service(move |Connection { stream, is_known }| {
            let peer = stream.peer_addr().ok();
            let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
            let _ = stream.set_nodelay(true);
            let stream = PatientStream::new(stream, patience);
            let begin = if is_known { LaneStream::resumed } else { LaneStream::new };
            let stream = begin(stream, address, lane.clone());
            ready(Ok::<_, DispatchError>((stream, peer)))
        })
        .and_then(http)
    })
}

/// An answer takes at most its request, a password's hash and a little more.
fn patience(config: &Config) -> Patience {
    let server = &config.server;
    let [head, body, idle, hashing] = [
        server.head_timeout_secs,
        server.body_timeout_secs,
        server.keep_alive_secs,
        config.auth.hash_timeout_secs,
    ]
    .map(Duration::from_secs);
    Patience { answer: head + body + hashing + HANDLING, write: body, idle: idle + head }
}

/// What all workers' handlers look things up in.
#[derive(Clone)]
struct Shared {
    proxies: web::Data<TrustedProxies>,
    access: web::Data<MetricsAccess>,
    origins: web::Data<AllowedOrigins>,
    public_url: web::Data<PublicUrl>,
    metrics: web::Data<PrometheusHandle>,
    bodies: web::Data<BodyLimits>,
    limits: web::Data<RateLimits>,
    messages: web::Data<MessageRules>,
    sockets: web::Data<SocketRules>,
    uploads: web::Data<Uploads>,
    painter: web::Data<Mailbox<Painter>>,
    storage: web::Data<Storage>,
}

impl Shared {
    fn new(blueprint: &Blueprint, public_url: &Url, metrics: PrometheusHandle) -> Self {
        let Blueprint { config, painter, storage, .. } = blueprint;
        let server = &config.server;
        let mut origins = server.allowed_origins.clone();
        origins.push(public_url.origin().ascii_serialization());
        let timeout = Duration::from_secs(server.body_timeout_secs);
        Self {
            proxies: web::Data::new(TrustedProxies(server.trusted_proxies.clone())),
            access: web::Data::new(MetricsAccess(server.metrics_allowed.clone())),
            origins: web::Data::new(AllowedOrigins(origins)),
            public_url: web::Data::new(PublicUrl(public_url.clone())),
            metrics: web::Data::new(metrics),
            bodies: web::Data::new(BodyLimits { max_bytes: server.max_body_bytes, timeout }),
            limits: web::Data::new(RateLimits::new(&config.rate_limits)),
            messages: web::Data::new(MessageRules { max_bytes: config.conversation.max_message_bytes }),
            sockets: web::Data::new(SocketRules::new(config)),
            uploads: web::Data::new(Uploads::new(&config.uploads, server)),
            painter: web::Data::new(painter.clone()),
            storage: web::Data::new(storage.clone()),
        }
    }

    fn register(&self, services: &mut web::ServiceConfig) {
        services
            .app_data(self.proxies.clone())
            .app_data(self.access.clone())
            .app_data(self.origins.clone())
            .app_data(self.public_url.clone())
            .app_data(self.metrics.clone())
            .app_data(self.bodies.clone())
            .app_data(self.limits.clone())
            .app_data(self.messages.clone())
            .app_data(self.sockets.clone())
            .app_data(self.uploads.clone())
            .app_data(self.painter.clone())
            .app_data(self.storage.clone())
            .app_data(query_errors())
            .app_data(path_errors());
    }
}

/// Ends when SIGTERM or Ctrl-C comes, which both drain; from the call on, neither kills the process any more.
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: requests in flight finish first");
    })
}

fn query_errors() -> web::QueryConfig {
    web::QueryConfig::default().error_handler(|error, request| {
        let field = FieldError::new("", format!("the query cannot be read: {error}"));
        ApiError::invalid(body::invalid_message(request.path()), vec![field]).into()
    })
}

fn path_errors() -> web::PathConfig {
    web::PathConfig::default()
        .error_handler(|_, _| ApiError::not_found("There is nothing at this path").into())
}

//! A server in this process: port 0, a key prefix and data directory of its own, the binary's Redis.

use std::sync::OnceLock;
use std::thread::JoinHandle;

use ayrene::app::Application;
use ayrene::config::{self, Config};
use ayrene::http::server::StopHandle;
use ayrene::telemetry;
use metrics_exporter_prometheus::PrometheusHandle;

use super::client::Client;
use super::person::Person;
use super::{files, leaks, redis_server};

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// A running server; it stops when dropped.
pub struct TestServer {
    pub address: std::net::SocketAddr,
    pub prefix: String,
    handle: StopHandle,
    thread: Option<JoinHandle<()>>,
    data: tempfile::TempDir,
    /// Where what is said since its start begins.
    said: usize,
}

/// The defaults, made light: one worker, cheap hashes, limits out of the way, and time for a Redis that shares busy
/// processors with many tests.
pub fn light_config() -> Config {
    let mut config = config::load(None).unwrap().config;
    config.server.bind = "127.0.0.1:0".parse().unwrap();
    config.server.workers = 1;
    config.server.shutdown_timeout_secs = 1;
    config.redis.url = redis_server::shared_url().into();
    config.redis.key_prefix = format!("test-{}:", nanoid::nanoid!(8));
    config.redis.response_timeout_ms = 5_000;
    config.auth.argon2_memory_kib = 64;
    config.auth.argon2_iterations = 1;
    config.auth.hash_threads = 1;
    config.rate_limits.enabled = false;
    config
}

impl TestServer {
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// A server with settings changed.
    pub fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        leaks::listen();
        let said = leaks::now();
        let mut config = light_config();
        change(&mut config);
        let data = tempfile::tempdir().unwrap();
        config.data_dir = data.path().to_owned();
        let prefix = config.redis.key_prefix.clone();
        let metrics = METRICS.get_or_init(|| telemetry::init_metrics().unwrap()).clone();
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix::System::new().block_on(async move {
                let application = Application::build(config, metrics).unwrap();
                sender.send((application.address(), application.handle())).unwrap();
                application.run_until_stopped().await.unwrap();
            });
        });
        let (address, handle) = receiver.recv().expect("the server starts");
        Self { address, prefix, handle, thread: Some(thread), data, said }
    }

    /// A client without a token.
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// A client of a new account.
    pub async fn user(&self) -> Client {
        let client = self.client();
        let account = client.register(&format!("{}@example.com", nanoid::nanoid!(10))).await;
        client.with_token(account["accessToken"].as_str().unwrap())
    }

    /// The server's data directory.
    pub fn data(&self) -> &std::path::Path {
        self.data.path()
    }

    /// Every file in the folder of uploads, half-written ones too.
    pub fn uploads(&self) -> Vec<String> {
        files::below(&self.data.path().join("uploads"))
    }

    /// Somebody with an account.
    pub async fn person(&self, name: &str) -> Person {
        Person::new(self, name).await
    }

    /// A key's full name.
    pub fn key(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    /// Stops the server and waits for it.
    pub fn stop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.handle.stop(false);
            let _ = thread.join();
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
        if !std::thread::panicking() {
            leaks::check(self.said, self.data.path());
        }
    }
}

/// Good enough for an account, and nobody's.
pub const PASSWORD: &str = "plum tractor 71 violet";

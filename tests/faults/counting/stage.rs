//! A server with links, and the comparison that every case ends with.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::crowd::{CLIENTS, Crowd, Tally};
use super::store::Store;
use crate::process::{Reply, Server, command, request};

const LINKS: usize = 5;
/// Between two clicks of a connection: some thousands a second in all, and a core left for the others.
const PACE: Duration = Duration::from_millis(1);
/// How long clicks may wait for a datastore that is there.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server on a data directory of its own.
pub struct Stage {
    pub server: Server,
    pub token: String,
    pub codes: Vec<String>,
    pub dir: tempfile::TempDir,
    settings: Vec<(String, String)>,
    /// Where the datastore is, past all proxies.
    redis: String,
    /// How often the server has ended.
    kills: u64,
}

impl Stage {
    /// A server with its embedded datastore.
    pub fn embedded(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let redis = format!("redis+unix://{}", dir.path().join("redis/redis.sock").display());
        Self::open(dir, redis, settings, |command| command)
    }

    /// A server in front of one's own datastore.
    pub fn before(store: &Store, settings: &[(&str, &str)]) -> Self {
        let url = store.url();
        let settings = [&[("AYRENE__REDIS__URL", url.as_str())], settings].concat();
        Self::open(tempfile::tempdir().unwrap(), url.clone(), &settings, |command| command)
    }

    /// Starts a server as `wrap` says, and makes an account and links.
    pub fn open(
        dir: tempfile::TempDir,
        redis: String,
        settings: &[(&str, &str)],
        wrap: impl FnOnce(Command) -> Command,
    ) -> Self {
        let settings: Vec<_> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut command = command(dir.path());
        command.envs(settings.iter().cloned());
        let server = Server::start_with(&mut wrap(command));
        server.wait_until_ready();
        let token = server.register("ada@example.com");
        let mut stage = Self { server, token, codes: Vec::new(), dir, settings, redis, kills: 0 };
        stage.codes = (0..LINKS)
            .map(|number| stage.shorten(json!({ "longUrl": format!("https://example.com/{number}") })))
            .collect();
        stage
    }

    /// Makes a link of its owner; returns the code.
    pub fn shorten(&self, body: Value) -> String {
        let reply = self.ask("POST", "/api/v1/url", &body);
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json["data"]["urlCode"].as_str().unwrap().to_owned()
    }

    /// A request of the links' owner.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Reply {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        request(self.server.address, method, path, Some(&self.token), &body).unwrap()
    }

    /// Changes a link.
    pub fn change(&self, code: &str, body: Value) {
        let reply = self.ask("PATCH", &format!("/api/v1/url/{code}"), &body);
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    /// People who follow the links.
    pub fn crowd(&self) -> Crowd {
        Crowd::gather(self.server.address, &self.codes, PACE, "")
    }

    /// How this server is started.
    pub fn command(&self) -> Command {
        let mut command = command(self.dir.path());
        command.envs(self.settings.iter().cloned());
        command
    }

    /// `kill -9`; returns when it is dead.
    pub fn kill(&mut self) {
        self.server.signal("KILL");
        self.server.wait();
        self.kills += 1;
    }

    /// Ends it as an operator would.
    pub fn terminate(&mut self) {
        self.server.signal("TERM");
        assert!(self.server.wait().success());
        self.kills += 1;
    }

    /// Starts it after its end. It listens; whether it is ready is another question.
    pub fn listen(&mut self) {
        self.server = Server::start_with(&mut self.command());
    }

    /// The same, until it is ready.
    pub fn restart(&mut self) {
        self.listen();
        self.server.wait_until_ready();
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// What stands in the datastore itself.
    pub fn store(&self) -> redis::Connection {
        redis::Client::open(self.redis.as_str()).unwrap().get_connection().unwrap()
    }

    /// A number from `/metrics`, summed over labels; nothing if it is not there.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let reply = self.server.get("/metrics").unwrap();
        let values = reply.text.lines().filter_map(|line| {
            let (key, value) = line.rsplit_once(' ')?;
            (key.split('{').next() == Some(name)).then(|| value.parse::<f64>().unwrap())
        });
        values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
    }

    /// A number that must be there.
    pub fn measured(&self, name: &str) -> f64 {
        self.metric(name).unwrap_or_else(|| panic!("/metrics has no {name}"))
    }

    /// What the links' owner reads at a path; asked again while a datastore comes back, which each worker sees by itself.
    pub fn read(&self, path: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let reply = self.ask("GET", path, &Value::Null);
            if reply.status == 200 {
                return reply.json["data"].clone();
            }
            assert!(reply.status == 503 && Instant::now() < deadline, "{reply:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The clicks of a link as its owner reads them, in all and those that reached the long URL.
    pub fn clicks(&self, code: &str) -> (u64, u64) {
        let data = self.read(&format!("/api/v1/url/get/{code}"));
        let [total, reached] =
            ["totalClicks", "totalSuccessClicks"].map(|name| data["url"][name].as_u64().unwrap());
        (total, reached)
    }

    /// What was answered is what was counted, link by link: for who owns the links, and in the datastore.
    pub fn compare(&self, tallies: &[Tally]) {
        let cut: u64 = tallies.iter().map(|tally| tally.cut).sum();
        // One under way on each connection, and one more that came as the process died.
        assert!(cut <= 2 * self.kills * CLIENTS, "{cut} requests without an answer, {} kills", self.kills);
        let answered: u64 = tallies.iter().map(|tally| tally.redirected).sum();
        assert!(answered > 0);
        for (code, tally) in self.codes.iter().zip(tallies) {
            // What waited for a datastore may take more than the moment that a reader is made to wait.
            let deadline = Instant::now() + PATIENCE;
            let (mut total, mut reached) = self.clicks(code);
            while reached < tally.redirected && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
                (total, reached) = self.clicks(code);
            }
            assert_eq!(total, reached, "{code}");
            within(*tally, reached, "its owner's count");
        }
        self.wait_until_applied();
        // Once nothing waits nothing is counted any more, neither at once nor a moment later.
        for _ in 0..2 {
            let mut store = self.store();
            for (code, tally) in self.codes.iter().zip(tallies) {
                within(*tally, stored(&mut store, code), "the datastore's count");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until the journal has nothing that the datastore does not have.
    fn wait_until_applied(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.measured("ayrene_journal_waiting_clicks") > 0.0 {
            assert!(Instant::now() < deadline, "clicks wait for good");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A count that neither lost nor doubled.
pub fn within(tally: Tally, counted: u64, whose: &str) {
    assert!(tally.redirected <= counted, "{whose}: {counted} of {tally:?}: clicks were lost");
    assert!(counted <= tally.redirected + tally.cut, "{whose}: {counted} of {tally:?}: clicks were doubled");
}

/// The count in a link's hash.
pub fn stored(store: &mut redis::Connection, code: &str) -> u64 {
    let key = format!("ay:{{link:{code}}}");
    redis::cmd("HGET").arg(key).arg("k").query::<Option<u64>>(store).unwrap().unwrap_or(0)
}

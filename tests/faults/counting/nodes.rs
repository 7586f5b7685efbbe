//! Two servers on one datastore: how long one of them answers what the other one has changed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::proxy::Proxy;
use super::stage::Stage;
use super::store::Store;
use super::wire::{Wire, value};
use super::{Ends, say};
use crate::process::{Reply, Server, command, request};

/// What is promised.
pub const BOUND: Duration = Duration::from_millis(250);
const HTML: &str = "Accept: text/html\r\n";
const SECRET: (&str, &str) = ("AYRENE__AUTH__JWT_SECRET", "0123456789abcdef0123456789abcdef");

/// Changes that matter to who follows a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Edited,
    Protected,
    Deleted,
    Unsafe,
    MadeAnew,
    Closed,
}

pub const CHANGES: [Change; 6] =
    [Change::Edited, Change::Protected, Change::Deleted, Change::Unsafe, Change::MadeAnew, Change::Closed];

/// The servers. Links are changed at `near`, the other one has a way of its own to the datastore.
pub struct Nodes {
    pub near: Stage,
    pub far: Server,
    pub way: Proxy,
    _store: Store,
    _far_dir: tempfile::TempDir,
}

impl Nodes {
    pub fn start() -> Self {
        let store = Store::start();
        let near = Stage::before(&store, &[SECRET]);
        let (way, dir) = (Proxy::start(store.socket()), tempfile::tempdir().unwrap());
        let mut command = command(dir.path());
        let far = Server::start_with(command.env("AYRENE__REDIS__URL", way.url()).env(SECRET.0, SECRET.1));
        far.wait_until_ready();
        Self { near, far, way, _store: store, _far_dir: dir }
    }
}

/// A link that both servers remember, and what is about to become of it.
pub struct Case {
    change: Change,
    owner: String,
    code: String,
    path: String,
}

/// What a visitor is told: status and target.
fn state(reply: &Reply) -> String {
    format!("{} {}", reply.status, value(&reply.head, "location"))
}

impl Case {
    /// A link of an account of its own.
    pub fn new(nodes: &Nodes, change: Change) -> Self {
        let owner = nodes.near.server.register(&format!("{}@example.com", nanoid::nanoid!(10, &LETTERS)));
        let code = nanoid::nanoid!(10, &LETTERS);
        let case = Self { change, owner, path: format!("/{code}"), code };
        case.make(nodes, "https://example.com/old");
        for server in [&nodes.near.server, &nodes.far] {
            let mut wire = Wire::new(server.address);
            for _ in 0..5 {
                assert_eq!(case.state(&mut wire), OLD);
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        case
    }

    fn ask(&self, nodes: &Nodes, method: &str, path: &str, body: Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let reply =
            request(nodes.near.server.address, method, path, Some(&self.owner), &body).expect("an answer");
        assert!((200..300).contains(&reply.status), "{method} {path} {reply:?}");
    }

    fn make(&self, nodes: &Nodes, target: &str) {
        let body = json!({ "longUrl": target, "customAlias": self.code, "isUrlSFW": true });
        self.ask(nodes, "POST", "/api/v1/url", body);
    }

    /// Changes the link; returns when that was answered.
    pub fn change(&self, nodes: &Nodes) -> Instant {
        let path = format!("/api/v1/url/{}", self.code);
        match self.change {
            Change::Edited => {
                self.ask(nodes, "PATCH", &path, json!({ "newLongUrl": "https://example.com/new" }))
            }
            Change::Protected => {
                let lock = json!({ "newProtectionMethod": "PASSWORD", "newPassword": "sesame" });
                self.ask(nodes, "PATCH", &path, lock);
            }
            Change::Unsafe => self.ask(nodes, "PATCH", &path, json!({ "newIsUrlSFW": false })),
            Change::Deleted => self.ask(nodes, "DELETE", &path, Value::Null),
            Change::MadeAnew => {
                self.ask(nodes, "DELETE", &path, Value::Null);
                self.make(nodes, "https://example.com/new");
            }
            Change::Closed => self.ask(nodes, "DELETE", "/api/v1/user/me", Value::Null),
        }
        Instant::now()
    }

    /// What a browser is told.
    pub fn state(&self, wire: &mut Wire) -> String {
        state(&wire.fetch(&self.path, HTML))
    }

    /// What it must be told in the end.
    pub fn new_state(&self) -> &'static str {
        match self.change {
            Change::Edited | Change::MadeAnew => "302 https://example.com/new",
            Change::Protected => "401 ",
            Change::Unsafe => "200 ",
            Change::Deleted | Change::Closed => "404 ",
        }
    }

    /// Whether it is what the change has ended.
    pub fn is_new(&self, state: &str) -> bool {
        // Between its deletion and its second making there is no link.
        assert!(state == OLD || state == self.new_state() || state == "404 ", "{:?}: {state}", self.change);
        state == self.new_state()
    }

    /// Follows the link at both servers without pause while it is changed; returns the age of the far one's last old answer.
    pub fn hammered(&self, nodes: &Nodes) -> Duration {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let ends = Ends(&stop);
            let follow = |address| {
                let stop = &stop;
                scope.spawn(move || self.last_old(address, stop))
            };
            let far = [follow(nodes.far.address), follow(nodes.far.address)];
            let near = [follow(nodes.near.address()), follow(nodes.near.address())];
            super::pause(30, 120);
            let changed = self.change(nodes);
            self.is_new_here(nodes);
            std::thread::sleep(BOUND + Duration::from_millis(100));
            drop(ends);
            let age = |follower: ScopedJoinHandle<'_, Option<Instant>>| {
                let last_old = follower.join().expect("known answers");
                last_old.map_or(Duration::ZERO, |last_old| last_old.saturating_duration_since(changed))
            };
            for late in near.map(age) {
                assert!(late <= self.bound_here(), "{:?}: old through itself, {late:?} late", self.change);
            }
            let ages = far.map(age);
            ages[0].max(ages[1])
        })
    }

    /// Follows the link until `stop`; returns when the last request was begun that got an old answer.
    fn last_old(&self, address: SocketAddr, stop: &AtomicBool) -> Option<Instant> {
        let (mut wire, mut last_old) = (Wire::new(address), None);
        while !stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            if !self.is_new(&self.state(&mut wire)) {
                last_old = Some(begun);
            }
        }
        last_old
    }

    /// How old an answer may be at the server that made the change. An account's links are closed by whichever server comes
    /// first.
    fn bound_here(&self) -> Duration {
        if self.change == Change::Closed { BOUND } else { Duration::ZERO }
    }

    /// Leaves the far server alone, changes the link, and looks twice: at some moment, and when the time is over.
    pub fn idle(&self, nodes: &Nodes) -> Duration {
        super::pause(250, 400);
        let mut wire = Wire::new(nodes.far.address);
        let changed = self.change(nodes);
        self.is_new_here(nodes);
        std::thread::sleep(Duration::from_millis(super::below(200)));
        let begun = Instant::now();
        let age = if self.is_new(&self.state(&mut wire)) { Duration::ZERO } else { begun - changed };
        std::thread::sleep(BOUND.saturating_sub(changed.elapsed()));
        assert!(self.is_new(&self.state(&mut wire)), "{:?}: old after {BOUND:?}", self.change);
        age
    }

    /// At the server that has changed it the next answer is new, on every connection.
    fn is_new_here(&self, nodes: &Nodes) {
        if self.bound_here() > Duration::ZERO {
            return;
        }
        for _ in 0..4 {
            let mut wire = Wire::new(nodes.near.address());
            assert_eq!(self.state(&mut wire), self.new_state(), "{:?}: at once, through itself", self.change);
        }
    }
}

const OLD: &str = "302 https://example.com/old";
const LETTERS: [char; 16] = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'k', 'm', 'n', 'p', 'q', 'r', 's', 't'];

/// Says how old answers were, and holds them against the promise.
pub fn judge(what: &str, mut ages: Vec<(Duration, Change)>) {
    ages.sort_unstable_by_key(|(age, _)| *age);
    let ((median, _), (worst, change)) = (ages[ages.len() / 2], ages[ages.len() - 1]);
    say(&format!(
        "{what}: {} changes, old answers for {median:?} (median) and {worst:?} (longest)",
        ages.len()
    ));
    assert!(worst <= BOUND, "{what}: {change:?} was unknown after {worst:?}");
}

//! Accounts with many links, whose server is killed while they are closed, brought back and purged.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::process::{Server, command, request};
use crate::support::server::PASSWORD;

const LINKS: usize = 20_000;
const EMAIL: &str = "ada@example.com";

fn start(dir: &Path) -> Server {
    let server = Server::start_with(command(dir).env("AYRENE__AUTH__RECOVERY_SECS", "1"));
    server.wait_until_ready();
    server
}

struct Scene<'a> {
    dir: &'a Path,
    server: Server,
    user: String,
}

impl<'a> Scene<'a> {
    fn new(dir: &'a Path) -> Self {
        let server = start(dir);
        let token = server.register(EMAIL);
        let me = request(server.address, "GET", "/api/v1/auth/me", Some(&token), "").unwrap();
        let user = me.json["data"]["id"].as_str().unwrap().to_owned();
        let scene = Self { dir, server, user };
        let mut redis = scene.redis();
        let made = chrono::Utc::now().timestamp_millis();
        for chunk in (0..LINKS).collect::<Vec<_>>().chunks(1_000) {
            let mut pipeline = redis::pipe();
            for number in chunk {
                let link = [("u", "https://example.com/"), ("o", scene.user.as_str())];
                pipeline.cmd("HSET").arg(link_key(*number)).arg(&link).arg("t").arg(made).ignore();
                let listed = made * 1_000 + *number as i64;
                pipeline.cmd("ZADD").arg(scene.key("links")).arg(listed).arg(link_code(*number)).ignore();
            }
            pipeline.exec(&mut redis).unwrap();
        }
        scene
    }

    fn key(&self, part: &str) -> String {
        format!("ay:{{user:{}}}:{part}", self.user)
    }

    fn redis(&self) -> redis::Connection {
        let socket = self.dir.join("redis/redis.sock");
        let client = redis::Client::open(format!("redis+unix://{}", socket.display())).unwrap();
        client.get_connection().unwrap()
    }

    fn log_in(&self) -> (u16, String) {
        let body = json!({ "email": EMAIL, "password": PASSWORD }).to_string();
        let reply = request(self.server.address, "POST", "/api/v1/auth/login", None, &body);
        let Ok(reply) = reply else { return (0, String::new()) };
        (reply.status, reply.json["data"]["accessToken"].as_str().unwrap_or_default().to_owned())
    }

    /// Kills the server while `begin` is under way and `some` has happened, and starts it again.
    fn kill_during(&mut self, begin: impl Fn(&Self) + Sync, some: impl Fn(&mut redis::Connection) -> bool) {
        let scene = &*self;
        let mut redis = scene.redis();
        std::thread::scope(|scope| {
            scope.spawn(|| begin(scene));
            wait_until("it has begun", || some(&mut redis));
            scene.server.signal("KILL");
        });
        self.server.wait();
        self.server = start(self.dir);
    }

    /// As if whoever was at it had been gone for a while.
    fn hurry(&self) {
        let due = ["XX", "1", self.user.as_str()];
        redis::cmd("ZADD").arg("ay:{outbox:closing}").arg(&due).exec(&mut self.redis()).unwrap();
    }

    /// Links that work, or not, by what they say.
    fn suspended(&self) -> usize {
        let mut redis = self.redis();
        let mut pipeline = redis::pipe();
        for number in 0..LINKS {
            pipeline.cmd("HGET").arg(link_key(number)).arg("z");
        }
        let generations: Vec<Option<u64>> = pipeline.query(&mut redis).unwrap();
        generations.iter().filter(|own| own.is_some_and(|own| own % 2 == 1)).count()
    }

    fn status(&self, number: usize) -> u16 {
        self.server.get(&format!("/{}", link_code(number))).unwrap().status
    }
}

fn link_code(number: usize) -> String {
    format!("link{number}")
}

fn link_key(number: usize) -> String {
    format!("ay:{{link:{}}}", link_code(number))
}

fn generation(redis: &mut redis::Connection, number: usize) -> u64 {
    let stored: Option<u64> = redis::cmd("HGET").arg(link_key(number)).arg("z").query(redis).unwrap();
    stored.unwrap_or_default()
}

/// A minute at most: there is much to do.
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn wherever_a_server_is_killed_what_an_account_owns_follows_it_to_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(dir.path());
    let token = scene.log_in().1;
    // The test decides when the time has run out.
    let mut redis = scene.redis();
    let account = scene.key("account");
    let keep = |redis: &mut redis::Connection, account: &str, until: u64| {
        redis::cmd("HSET").arg(account).arg("until").arg(until).exec(redis).unwrap();
    };
    drop(redis);

    scene.kill_during(
        |scene| {
            let _ = request(scene.server.address, "DELETE", "/api/v1/user/me", Some(&token), "");
        },
        |redis| {
            let closed = generation(redis, LINKS - 1) == 1;
            if closed {
                keep(redis, &account, u64::MAX >> 12);
            }
            closed
        },
    );
    assert!(scene.suspended() < LINKS, "it was killed too late");
    scene.hurry();
    wait_until("all links are suspended", || scene.suspended() == LINKS);
    assert_eq!((scene.status(0), scene.status(LINKS - 1)), (404, 404));

    scene.kill_during(
        |scene| {
            scene.log_in();
        },
        |redis| generation(redis, LINKS - 1) == 2,
    );
    assert!(scene.suspended() > 0, "it was killed too late");
    scene.hurry();
    wait_until("all links work again", || scene.suspended() == 0);
    assert_eq!((scene.status(0), scene.status(LINKS - 1)), (302, 302));

    let token = scene.log_in().1;
    let closed = request(scene.server.address, "DELETE", "/api/v1/user/me", Some(&token), "").unwrap();
    assert_eq!(closed.status, 200, "{closed:?}");
    let links = scene.key("links");
    let left =
        |redis: &mut redis::Connection| -> usize { redis::cmd("ZCARD").arg(&links).query(redis).unwrap() };
    for round in 1..=3 {
        // After the first round it has been taken, and nothing decides any more.
        scene.kill_during(|scene| scene.hurry(), |redis| left(redis) < LINKS - round * 3_000);
        assert!(left(&mut scene.redis()) > 0, "it was killed too late");
        assert_eq!(scene.log_in().0, 401, "nobody can bring it back");
        assert_eq!(scene.status(0), 404);
    }
    scene.hurry();
    redis = scene.redis();
    wait_until("the account is gone", || {
        !redis::cmd("EXISTS").arg(&account).query::<bool>(&mut redis).unwrap()
    });
    let mine: Vec<String> = redis::cmd("KEYS").arg(format!("*{}*", scene.user)).query(&mut redis).unwrap();
    assert!(mine.is_empty(), "{mine:?}");
    for number in [0, 1, LINKS / 2, LINKS - 1] {
        let link: Vec<String> = redis::cmd("HGETALL").arg(link_key(number)).query(&mut redis).unwrap();
        assert_eq!(link, ["x", "1"]);
    }
    scene.server.register(EMAIL);
}

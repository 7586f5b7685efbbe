//! Messages in flight when the server, or all of it, is killed: each acknowledged one is there once, and told once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::{Server, command, request, signal};
use crate::support::redis_server::wait_until;
use crate::support::server::PASSWORD;

const ROUNDS: usize = 3;
/// Connections that send at the same time, from each side.
const SENDERS: usize = 6;
/// Acknowledged sends of a round after which the kill comes.
const BEFORE_KILL: usize = 60;
/// A log keeps all events of the test.
const LOG_EVENTS: &str = "100000";

struct Person {
    id: String,
    token: String,
}

/// A send: who, what, and the client id under which it can be repeated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Sending {
    side: usize,
    text: String,
}

struct Scene<'a> {
    dir: &'a std::path::Path,
    server: Server,
    people: [Person; 2],
}

fn start(dir: &std::path::Path) -> Server {
    let server = Server::start_with(command(dir).env("AYRENE__REALTIME__LOG_EVENTS", LOG_EVENTS));
    server.wait_until_ready();
    server
}

fn register(server: &Server, name: &str) -> Person {
    let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD, "username": name });
    let reply = request(server.address, "POST", "/api/auth/register", None, &body.to_string()).unwrap();
    assert_eq!(reply.status, 201, "{reply:?}");
    Person {
        id: reply.json["user"]["_id"].as_str().unwrap().to_owned(),
        token: reply.json["accessToken"].as_str().unwrap().to_owned(),
    }
}

impl<'a> Scene<'a> {
    fn new(dir: &'a std::path::Path) -> Self {
        let server = start(dir);
        let people = ["ada", "bob"].map(|name| register(&server, name));
        let scene = Self { dir, server, people };
        let mut redis = scene.redis();
        for person in &scene.people {
            let key = format!("ay:{{user:{}}}:position", person.id);
            redis::cmd("HSET").arg(key).arg(&["epoch", "e", "seq", "0"]).exec(&mut redis).unwrap();
        }
        scene
    }

    fn redis(&self) -> redis::Connection {
        let socket = self.dir.join("redis/redis.sock");
        let client = redis::Client::open(format!("redis+unix://{}", socket.display())).unwrap();
        client.get_connection().unwrap()
    }

    /// What `side` reads at a path. Right after Redis came back a connection may still find out.
    fn read(&self, side: usize, path: &str) -> Value {
        let mut read = Value::Null;
        wait_until("it can be read", || {
            let token = Some(self.people[side].token.as_str());
            let reply = request(self.server.address, "GET", path, token, "").unwrap();
            assert!(matches!(reply.status, 200 | 503), "{reply:?}");
            read = reply.json;
            reply.status == 200
        });
        read
    }

    /// Whether it was acknowledged.
    fn send(&self, Sending { side, text }: &Sending) -> bool {
        let body = json!({ "receiverId": self.people[1 - side].id, "content": text, "clientId": format!("of {text}") });
        let token = Some(self.people[*side].token.as_str());
        match request(self.server.address, "POST", "/api/messages/send", token, &body.to_string()) {
            Ok(reply) => {
                assert!(matches!(reply.status, 201 | 503), "{reply:?}");
                reply.status == 201
            }
            Err(_) => false,
        }
    }

    /// Both send from many connections until the server dies; returns what was acknowledged, and what was not.
    fn send_until_killed(&self, round: usize, kill: impl Fn(&Server)) -> [BTreeSet<Sending>; 2] {
        let [acknowledged, unanswered]: [Mutex<BTreeSet<Sending>>; 2] = Default::default();
        let count = AtomicUsize::new(0);
        let sender = &|side: usize, number: usize| {
            for turn in 0.. {
                let sending = Sending { side, text: format!("{round}/{side}/{number}/{turn}") };
                if !self.send(&sending) {
                    unanswered.lock().unwrap().insert(sending);
                    return;
                }
                acknowledged.lock().unwrap().insert(sending);
                count.fetch_add(1, Ordering::Relaxed);
            }
        };
        std::thread::scope(|scope| {
            for number in 0..2 * SENDERS {
                scope.spawn(move || sender(number % 2, number / 2));
            }
            wait_until("messages flow", || count.load(Ordering::Relaxed) >= BEFORE_KILL);
            kill(&self.server);
        });
        [acknowledged, unanswered].map(|set| set.into_inner().unwrap())
    }

    /// Starts the server anew if it was killed; one that lives has its datastore back before long.
    fn recover(&mut self, was_killed: bool) {
        if was_killed {
            self.server.wait();
            self.server = start(self.dir);
        }
        self.server.wait_until_ready();
    }

    /// Waits until nothing is left to be told; returns how long that took.
    fn settle(&self) -> Duration {
        let started = Instant::now();
        let mut redis = self.redis();
        wait_until("no intent waits", || {
            let keys: Vec<String> = redis::cmd("KEYS").arg("ay:{conv:*}:intents").query(&mut redis).unwrap();
            keys.is_empty()
        });
        started.elapsed()
    }

    /// Every message in its order, as `side` reads it.
    fn messages(&self, side: usize) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let other = &self.people[1 - side].id;
            let path = format!("/api/messages/conversation/{other}?limit=100{cursor}");
            let page = self.read(side, &path);
            all.splice(0..0, page["messages"].as_array().unwrap().iter().cloned());
            match page["nextBefore"].as_str() {
                Some(before) => cursor = format!("&before={before}"),
                None => return all,
            }
        }
    }

    /// The messages that were told to `side`, in the order of its log, which has no gaps.
    fn told(&self, side: usize) -> Vec<String> {
        let log = format!("ay:{{user:{}}}:log", self.people[side].id);
        let entries: Vec<(String, [String; 4])> =
            redis::cmd("XRANGE").arg(log).arg("-").arg("+").query(&mut self.redis()).unwrap();
        let mut told = Vec::new();
        for (seq, (id, [_, frame, _, _])) in (1_u64..).zip(&entries) {
            let event: Value = serde_json::from_str(frame).unwrap();
            assert_eq!((id, &event["seq"]), (&format!("{seq}-1"), &json!(seq)));
            if event["type"] == "message.new" {
                told.push(event["data"]["content"].as_str().unwrap().to_owned());
            }
        }
        told
    }

    fn unread(&self) -> Value {
        let list = self.read(0, "/api/messages/conversations");
        assert_eq!(list["conversations"].as_array().unwrap().len(), 1, "{list}");
        list["conversations"][0]["unreadCount"].clone()
    }

    /// What was acknowledged is there once, nothing is there twice, and both were told of what is there, in its order.
    fn agrees(&self, acknowledged: &BTreeSet<Sending>, unanswered: &BTreeSet<Sending>) {
        let (told_a, told_b) = (self.told(0), self.told(1));
        let unread = self.unread();
        let messages = self.messages(0);
        let texts: Vec<&str> = messages.iter().map(|message| message["content"].as_str().unwrap()).collect();
        let mut times: HashMap<&str, usize> = HashMap::new();
        for text in &texts {
            *times.entry(text).or_default() += 1;
        }
        assert!(times.values().all(|times| *times == 1), "doubled: {times:?}");
        for sending in acknowledged {
            assert!(times.contains_key(sending.text.as_str()), "{sending:?} was acknowledged and is lost");
        }
        assert!(texts.len() <= acknowledged.len() + unanswered.len());
        assert_eq!(told_a, texts, "told to ada");
        assert_eq!(told_b, texts, "told to bob");
        for (side, person) in self.people.iter().enumerate() {
            let received = messages.iter().filter(|message| message["receiver"]["_id"] == person.id);
            assert_eq!(unread[&person.id], received.count(), "unread of {side}");
        }
        let of_bob: Vec<Value> = self.messages(1).iter().map(|message| message["_id"].clone()).collect();
        assert!(messages.iter().map(|message| &message["_id"]).eq(&of_bob));
    }
}

/// Messages flow while `kill` happens, again and again; the server may live on.
fn survives(kill: impl Fn(&Server), ends_server: bool) {
    let dir = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(dir.path());
    let (mut acknowledged, mut unanswered) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..ROUNDS {
        let [done, open] = scene.send_until_killed(round, &kill);
        acknowledged.extend(done);
        unanswered.extend(open);
        scene.recover(ends_server);
        let took = scene.settle();
        assert!(took < Duration::from_secs(5), "what was left was told only after {took:?}");
        scene.agrees(&acknowledged, &unanswered);
    }
    // A client that got no answer asks again under the same client id.
    for sending in &unanswered {
        assert!(scene.send(sending), "{sending:?}");
    }
    acknowledged.append(&mut unanswered);
    scene.settle();
    scene.agrees(&acknowledged, &unanswered);
    assert_eq!(scene.messages(0).len(), acknowledged.len());
}

#[test]
fn kill_9_of_the_server_among_sends_loses_and_doubles_nothing() {
    survives(|server| server.signal("KILL"), true);
}

#[test]
fn kill_9_of_redis_among_sends_loses_and_doubles_nothing() {
    survives(|server| signal(server.redis_pid(), "KILL"), false);
}

#[test]
fn kill_9_of_server_and_redis_among_sends_loses_and_doubles_nothing() {
    let both = |server: &Server| {
        let redis = server.redis_pid();
        server.signal("KILL");
        signal(redis, "KILL");
    };
    survives(both, true);
}

//! What a node that died between a change and its consequences leaves behind, and that each consequence comes once.

use std::collections::HashMap;

use futures_util::future::join_all;
use redis::Value as RedisValue;
use serde_json::Value;

use crate::support::person::id;
use crate::support::redis_server::{self, wait_until};
use crate::support::{Person, TestServer};

/// A conversation that was never listed, with logs for both, and a hand in the datastore.
struct Scene {
    server: TestServer,
    redis: redis::Connection,
    ada: Person,
    bob: Person,
    tag: String,
}

impl Scene {
    async fn new(server: TestServer) -> Self {
        let (ada, bob) = (Person::new(&server, "ada").await, Person::new(&server, "bob").await);
        assert_eq!(ada.block(&bob.id).await.status, 200);
        assert_eq!(ada.unblock(&bob.id).await.status, 200);
        let mut redis = redis_server::connection();
        let mut people = [ada.id.clone(), bob.id.clone()];
        people.sort();
        let pair = server.key(&format!("{{pair:{}:{}}}", people[0], people[1]));
        let conversation: String = redis::cmd("GET").arg(pair).query(&mut redis).unwrap();
        for person in [&ada, &bob] {
            let key = server.key(&format!("{{user:{}}}:position", person.id));
            redis::cmd("HSET").arg(key).arg(&["epoch", "e", "seq", "0"]).exec(&mut redis).unwrap();
        }
        Self { tag: conversation[8..18].to_owned(), server, redis, ada, bob }
    }

    fn key(&self, part: &str) -> String {
        self.server.key(&format!("{{conv:{}}}{part}", self.tag))
    }

    /// Registers a source, as a node does before it changes anything.
    fn register(&mut self, source: &str, age_ms: u64) -> u64 {
        let (secs, micros): (u64, u64) = redis::cmd("TIME").query(&mut self.redis).unwrap();
        let since = secs * 1000 + micros / 1000 - age_ms;
        let register = self.server.key("{outbox:conv}");
        redis::cmd("ZADD").arg(register).arg(since).arg(source).exec(&mut self.redis).unwrap();
        since
    }

    /// What a node does of a send before it dies.
    fn append(&mut self, text: &str) {
        let since = self.register(&self.tag.clone(), 0);
        let script =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/lua/conversation/append.lua"));
        let script = redis::Script::new(&script.unwrap());
        let mut call = script.prepare_invoke();
        for part in ["", ":messages", ":intents", ":client:none", ":files"] {
            call.key(self.key(part));
        }
        let side = if self.ada.id < self.bob.id { "0" } else { "1" };
        call.arg(side).arg(serde_json::json!({ "k": "text", "c": text }).to_string()).arg("");
        call.arg(since).arg(12_000).arg("").arg(1_000_000).arg(1_000).arg(64).arg("");
        let reply: Vec<RedisValue> = call.invoke(&mut self.redis).unwrap();
        assert_eq!(reply[0], RedisValue::Int(6));
    }

    fn waits(&mut self) -> u64 {
        redis::cmd("ZCARD").arg(self.key(":intents")).query(&mut self.redis).unwrap()
    }

    fn until_nothing_waits(&mut self) {
        wait_until("what was left is carried", || self.waits() == 0);
    }

    /// Somebody's events, which must be numbered without gaps.
    fn events(&mut self, person: &Person) -> Vec<Value> {
        let log = self.server.key(&format!("{{user:{}}}:log", person.id));
        let entries: Vec<(String, [String; 4])> =
            redis::cmd("XRANGE").arg(log).arg("-").arg("+").query(&mut self.redis).unwrap();
        let events = (1_u64..).zip(&entries).map(|(seq, (id, [_, frame, _, _]))| {
            let event: Value = serde_json::from_str(frame).unwrap();
            assert_eq!((id, &event["seq"]), (&format!("{seq}-1"), &seq.into()));
            event
        });
        events.collect()
    }
}

#[tokio::test]
async fn a_message_whose_node_died_is_told_once_and_listed() {
    let mut scene = Scene::new(TestServer::start()).await;
    let (ada, bob) = (scene.ada.clone(), scene.bob.clone());
    scene.append("left behind");
    scene.until_nothing_waits();
    for person in [&ada, &bob] {
        let events = scene.events(person);
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(
            (&events[0]["type"], &events[0]["data"]["content"]),
            (&"message.new".into(), &"left behind".into())
        );
        let list = person.conversations().await;
        assert_eq!(list[0]["lastMessage"]["_id"], events[0]["data"]["_id"]);
        assert_eq!(list[0]["unreadCount"][&bob.id], 1);
    }
    // It died after telling and before noting that it had.
    let again = "1|new|1|";
    redis::cmd("ZADD").arg(scene.key(":intents")).arg(1).arg(again).exec(&mut scene.redis).unwrap();
    scene.until_nothing_waits();
    assert_eq!((scene.events(&ada).len(), scene.events(&bob).len()), (1, 1));
}

#[tokio::test]
async fn as_much_as_may_be_left_is_carried_at_once_by_whichever_node() {
    let one = TestServer::start();
    let _two = TestServer::start_with(|config| config.redis.key_prefix = one.prefix.clone());
    let mut scene = Scene::new(one).await;
    let (ada, bob) = (scene.ada.clone(), scene.bob.clone());
    for number in 0..900 {
        scene.append(&number.to_string());
    }
    scene.until_nothing_waits();
    for person in [&ada, &bob] {
        let events = scene.events(person);
        let texts =
            events.iter().map(|event| event["data"]["content"].as_str().unwrap().parse::<i32>().unwrap());
        assert!(texts.eq(0..900), "each once, in order");
    }
}

#[tokio::test]
async fn what_was_left_is_found_behind_thousands_of_quiet_conversations() {
    let mut scene = Scene::new(TestServer::start()).await;
    for number in 0..2_500 {
        scene.register(&format!("{number:010x}"), 9_000);
    }
    scene.append("left behind");
    scene.until_nothing_waits();
    let bob = scene.bob.clone();
    assert_eq!(scene.events(&bob).len(), 1);
}

#[tokio::test]
async fn quiet_conversations_leave_the_register() {
    let mut scene = Scene::new(TestServer::start()).await;
    for number in 0..2_500 {
        scene.register(&format!("{number:010x}"), 60_000 + number);
    }
    let register = scene.server.key("{outbox:conv}");
    wait_until("they are off the register", || {
        let left: u64 =
            redis::cmd("ZCOUNT").arg(&register).arg("-inf").arg("(1e15").query(&mut scene.redis).unwrap();
        left <= 1
    });
}

#[tokio::test]
async fn every_event_comes_once_and_in_order_however_many_nodes_and_workers_carry() {
    let secret = "0123456789abcdef0123456789abcdef";
    let one = TestServer::start_with(|config| {
        config.server.workers = 3;
        config.auth.jwt_secret = secret.to_owned().into();
    });
    let two = TestServer::start_with(|config| {
        config.server.workers = 2;
        config.redis.key_prefix = one.prefix.clone();
        config.auth.jwt_secret = secret.to_owned().into();
    });
    let mut scene = Scene::new(one).await;
    let (ada, bob) = (scene.ada.clone(), scene.bob.clone());
    let bob_elsewhere = bob.at(&two);
    let talks = (0..80).map(|number| {
        let (ada, bob) = (&ada, &bob_elsewhere);
        async move {
            let (me, other) = if number % 2 == 0 { (ada, bob) } else { (bob, ada) };
            let sent = me.send(other, &number.to_string()).await;
            match number % 4 {
                0 => assert_eq!(me.edit(id(&sent), "edited").await.status, 200),
                1 => assert_eq!(me.delete(id(&sent)).await.status, 200),
                2 => assert_eq!(other.mark_read(id(&sent)).await.status, 200),
                _ => {}
            }
            id(&sent).to_owned()
        }
    });
    let mut sent = join_all(talks).await;
    sent.sort();
    scene.until_nothing_waits();
    for person in [&ada, &bob] {
        let events = scene.events(person);
        let mut by_kind: HashMap<&str, Vec<String>> = HashMap::new();
        for event in &events {
            let of = event["data"]["_id"].as_str().or(event["data"]["upTo"].as_str()).unwrap_or_default();
            by_kind
                .entry(event["type"].as_str().unwrap())
                .or_default()
                .push(of.get(18..).unwrap_or_default().to_owned());
        }
        let places: Vec<String> = sent.iter().map(|id| id[18..].to_owned()).collect();
        let mut expected = places.clone();
        expected.sort();
        assert_eq!(by_kind["message.new"], expected, "in the order of the conversation");
        for kind in ["message.updated", "message.deleted"] {
            let mut changed = by_kind[kind].clone();
            changed.sort();
            changed.dedup();
            assert_eq!((changed.len(), by_kind[kind].len()), (20, 20), "{kind}");
        }
        if person.id == ada.id {
            let read = &by_kind["message.read"];
            assert!(read.is_sorted_by(|one, next| one < next), "{read:?}");
        }
    }
}

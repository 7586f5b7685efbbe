//! What the author of a post hears of, as it stands in the author's log.

use redis::Connection;
use serde_json::{Value, json};

use crate::posts::{Person, fetch, id};
use crate::support::TestServer;
use crate::support::redis_server::{connection, wait_until};

/// A user's log, which the first socket would have begun.
struct Log<'a> {
    server: &'a TestServer,
    user: &'a str,
    redis: Connection,
}

impl<'a> Log<'a> {
    fn begin(server: &'a TestServer, user: &'a str) -> Self {
        let mut log = Self { server, user, redis: connection() };
        let key = log.key("position");
        let _: () =
            redis::cmd("HSET").arg(key).arg(&["epoch", "e", "seq", "0"]).query(&mut log.redis).unwrap();
        log
    }

    fn key(&self, part: &str) -> String {
        self.server.key(&format!("{{user:{}}}:{part}", self.user))
    }

    /// What happened; the notifications of it are the notifier's.
    fn events(&mut self) -> Vec<Value> {
        let key = self.key("log");
        let entries: Vec<(String, Vec<String>)> =
            redis::cmd("XRANGE").arg(key).arg("-").arg("+").query(&mut self.redis).unwrap();
        let events = entries.iter().map(|(_, fields)| serde_json::from_str::<Value>(&fields[1]).unwrap());
        events.filter(|event| event["type"] != "notification.new").collect()
    }
}

#[tokio::test]
async fn the_author_hears_of_others_likes_and_comments() {
    let server = TestServer::start();
    let (ada, bob) = (Person::new(&server, "Ada").await, Person::new(&server, "Bob").await);
    let mut log = Log::begin(&server, &ada.id);
    let mut bobs = Log::begin(&server, &bob.id);
    let post = ada.post("mine").await;
    let path = format!("/api/posts/{}", id(&post));
    for person in [&ada, &bob] {
        assert_eq!(person.client.post(&format!("{path}/like")).send().await.status, 200);
        // Said already, and taken back: nothing to hear.
        assert_eq!(person.client.put(&format!("{path}/like")).send().await.status, 200);
    }
    let mut comments = Vec::new();
    for person in [&ada, &bob] {
        let body = json!({ "text": "a | b\n\"c\"" });
        let answer = person.client.post(&format!("{path}/comment")).json(&body).send().await;
        comments.push(answer.json["comment"].clone());
    }
    assert_eq!(bob.client.delete(&format!("{path}/like")).send().await.status, 200);
    let like = json!({
        "type": "post.liked", "seq": 1,
        "data": { "postId": id(&post), "user": bob.author(), "likesCount": 2, "at": log.events()[0]["data"]["at"] },
    });
    let comment = json!({
        "type": "post.commented", "seq": 3,
        "data": { "postId": id(&post), "comment": comments[1], "commentsCount": 2 },
    });
    assert_eq!(log.events(), [like, comment], "an answered change has been told already");
    assert_eq!(comments[1]["user"], bob.author());
    assert!(bobs.events().is_empty());
    assert_eq!(fetch(&bob.client, id(&post)).await["__v"], 5);
    let intents = server.key(&format!("{{post:{}}}:intents", id(&post)));
    wait_until("the intents are settled", || {
        redis::cmd("EXISTS").arg(&intents).query::<i64>(&mut log.redis).unwrap() == 0
    });
}

#[tokio::test]
async fn what_a_crashed_node_left_is_told_by_a_sweep_and_once() {
    let server = TestServer::start();
    let (ada, bob) = (Person::new(&server, "Ada").await, Person::new(&server, "Bob").await);
    let mut log = Log::begin(&server, &ada.id);
    let post = ada.post("mine").await;
    let intents = server.key(&format!("{{post:{}}}:intents", id(&post)));
    let register = server.key("{outbox:post}");
    let mut redis = connection();
    let now = chrono::Utc::now().timestamp_millis();
    let mut leave = |stamp: i64, count: u32| {
        let intent = format!("{stamp}|liked {} {} {count}", ada.id, bob.id);
        let _: () = redis::cmd("ZADD").arg(&intents).arg(stamp).arg(intent).query(&mut redis).unwrap();
        let _: () =
            redis::cmd("ZADD").arg(&register).arg(now - 5_000).arg(id(&post)).query(&mut redis).unwrap();
    };
    leave(now * 1000, 7);
    let mut probe = connection();
    let mut settled = || redis::cmd("EXISTS").arg(&intents).query::<i64>(&mut probe).unwrap() == 0;
    wait_until("a sweep carries it", &mut settled);
    let events = log.events();
    assert_eq!((events.len(), &events[0]["type"], &events[0]["seq"]), (1, &json!("post.liked"), &json!(1)));
    assert_eq!((&events[0]["data"]["user"], &events[0]["data"]["likesCount"]), (&bob.author(), &json!(7)));
    // A node that ended between carrying and settling leaves the same one again, and perhaps more.
    leave(now * 1000, 7);
    leave(now * 1000 + 1, 8);
    wait_until("the next sweep carries the rest", &mut settled);
    let counts: Vec<Value> = log.events().iter().map(|event| event["data"]["likesCount"].clone()).collect();
    assert_eq!(counts, [json!(7), json!(8)], "each once");
}

#[tokio::test]
async fn a_like_is_refused_before_its_event_would_have_no_place() {
    let server = TestServer::start_with(|config| config.posts.max_waiting_events = 1);
    let (ada, bob) = (Person::new(&server, "Ada").await, Person::new(&server, "Bob").await);
    let post = ada.post("mine").await;
    let path = format!("/api/posts/{}", id(&post));
    let intents = server.key(&format!("{{post:{}}}:intents", id(&post)));
    let mut redis = connection();
    // Of the far future: what is carried meanwhile does not settle it.
    let waiting = format!("9000000000000000|liked {} {} 1", ada.id, bob.id);
    let _: () =
        redis::cmd("ZADD").arg(&intents).arg("9000000000000000").arg(waiting).query(&mut redis).unwrap();
    let liked = bob.client.put(&format!("{path}/like")).send().await;
    let commented = bob.client.post(&format!("{path}/comment")).json(&json!({ "text": "x" })).send().await;
    for refused in [liked, commented] {
        assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{refused:?}");
    }
    assert_eq!(fetch(&bob.client, id(&post)).await, post, "nothing changed");
    assert_eq!(ada.client.put(&format!("{path}/like")).send().await.status, 200, "one's own tells nobody");
}

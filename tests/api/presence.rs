//! Presence as others see it: over HTTP, by sockets, and when a node dies.

use std::time::{Duration, Instant};

use actix::Actor;
use ayrene::presence::PresenceKeeper;
use ayrene::presence::messages::SocketOpened;
use ayrene::redis::connection::RedisTarget;
use ayrene::users::model::UserId;
use serde_json::{Value, json};

use crate::support::server::light_config;
use crate::support::socket::Socket;
use crate::support::{Answer, Client, Person, TestServer, redis_server};

async fn set_status(client: &Client, body: Value) -> Answer {
    client.put("/api/users/status").json(&body).send().await
}

/// How `who` looks to `viewer`: status and time.
async fn look(viewer: &Person, who: &Person) -> (String, String) {
    let answer = viewer.client.get(&format!("/api/users/{}", who.id)).send().await;
    let text = |field: &str| answer.json["user"][field].as_str().unwrap().to_owned();
    (text("onlineStatus"), text("lastSeen"))
}

async fn status(viewer: &Person, who: &Person) -> String {
    look(viewer, who).await.0
}

/// Waits until `who` looks like that.
async fn until(viewer: &Person, who: &Person, wanted: &str) {
    let started = Instant::now();
    while status(viewer, who).await != wanted {
        assert!(started.elapsed() < Duration::from_secs(10), "not {wanted} within ten seconds");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A field of a user's presence, in ms.
fn millis(server: &TestServer, who: &Person, field: &str) -> i64 {
    let key = server.key(&format!("{{user:{}}}:presence", who.id));
    redis::cmd("HGET").arg(key).arg(field).query(&mut redis_server::connection()).unwrap()
}

/// As the API writes a time.
fn iso(millis: i64) -> String {
    ayrene::values::time::iso_time(millis)
}

/// ms since 1970.
fn datastore_clock() -> i64 {
    let (secs, micros): (i64, i64) = redis::cmd("TIME").query(&mut redis_server::connection()).unwrap();
    secs * 1000 + micros / 1000
}

/// Waits until a sweep has told that the user of that presence has gone. Returns when that was, by the datastore's clock,
/// and for how many of the ms since `until` this thread was held up: by a machine that others keep busy, as a node is then
/// too. Where nobody does, that is next to nothing.
fn watch_the_sweep(presence: &str, until: i64) -> (i64, i64) {
    const NAP: Duration = Duration::from_millis(5);
    let mut redis = redis_server::connection();
    let (mut held_up, deadline) = (Duration::ZERO, Instant::now() + Duration::from_secs(20));
    loop {
        let lap = Instant::now();
        std::thread::sleep(NAP);
        let ((secs, micros), told): ((i64, i64), i64) =
            redis::pipe().atomic().cmd("TIME").hget(presence, "until").query(&mut redis).unwrap();
        let now = secs * 1000 + micros / 1000;
        if now >= until {
            held_up += lap.elapsed().saturating_sub(NAP);
        }
        if told == 0 {
            return (now, i64::try_from(held_up.as_millis()).unwrap());
        }
        assert!(Instant::now() < deadline, "nobody tells");
    }
}

/// Opens a socket on a node that is gone when this returns.
async fn open_on_a_node_that_dies(server: &TestServer, who: &Person, heartbeat_ms: u64) {
    let mut config = light_config();
    config.redis.key_prefix = server.prefix.clone();
    config.realtime.heartbeat_ms = heartbeat_ms;
    let opened = SocketOpened { user_id: UserId::parse(&who.id).unwrap(), socket: nanoid::nanoid!() };
    let node = std::thread::spawn(move || {
        actix::System::new().block_on(async move {
            let redis = RedisTarget::parse(&config.redis, None).unwrap().connect().unwrap();
            let keeper = PresenceKeeper::new(redis, &config.presence, &config.realtime).start();
            keeper.send(opened).await.unwrap().unwrap();
        });
    });
    tokio::task::spawn_blocking(move || node.join().unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_login_makes_online_and_the_last_logout_offline() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let registered = look(&bob, &ada).await;
    assert_eq!(registered.0, "offline", "a registration is no login");
    let created = ada.client.get("/api/auth/me").send().await.json["user"]["createdAt"].clone();
    assert_eq!(json!(registered.1), created, "last seen then");
    let phone = ada.log_in().await;
    assert_eq!(status(&bob, &ada).await, "online");
    assert_eq!(phone.post("/api/auth/logout").send().await.status, 200);
    assert_eq!(status(&bob, &ada).await, "online", "another session lives");
    let login_seen = millis(&server, &ada, "seen");
    assert_eq!(ada.client.delete("/api/v1/auth/logout").send().await.status, 200, "on the other surface");
    let (gone, seen) = look(&bob, &ada).await;
    assert_eq!(gone, "offline");
    assert!(millis(&server, &ada, "seen") > login_seen);
    assert_eq!(seen, iso(millis(&server, &ada, "seen")));
}

#[tokio::test]
async fn a_stolen_refresh_token_takes_the_user_offline_with_its_session() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    ada.client.delete("/api/v1/auth/logout").send().await;
    let body = json!({ "email": ada.email, "password": crate::support::server::PASSWORD });
    let first = server.client().post("/api/auth/login").json(&body).send().await.json;
    let refresh = async |token: &Value| {
        server.client().post("/api/auth/refresh").json(&json!({ "refreshToken": token })).send().await
    };
    let second = refresh(&first["refreshToken"]).await.json;
    refresh(&second["refreshToken"]).await;
    assert_eq!(status(&bob, &ada).await, "online");
    assert_eq!(refresh(&first["refreshToken"]).await.status, 401);
    assert_eq!(status(&bob, &ada).await, "offline");
}

#[tokio::test]
async fn who_says_nothing_more_over_http_is_offline_by_and_by() {
    let server = TestServer::start_with(|config| {
        config.presence.http_ttl_secs = 1;
        config.realtime.heartbeat_ms = 1000;
    });
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let (mut watcher, _) = Socket::connect(server.address, bob.client.token()).await;
    watcher.ask("presence.watch", json!({ "userIds": [ada.id] })).await;
    ada.log_in().await;
    let seen = millis(&server, &ada, "seen");
    assert_eq!(status(&bob, &ada).await, "online");
    until(&bob, &ada, "offline").await;
    assert_eq!(look(&bob, &ada).await.1, iso(seen), "the last sign of life counts, not that it ran out");
    for expected in ["online", "offline"] {
        let push = watcher.push("presence").await;
        assert_eq!(push["data"], json!({ "userId": ada.id, "status": expected, "lastSeen": iso(seen) }));
    }
}

#[tokio::test]
async fn use_over_http_begins_presence_and_prolongs_it() {
    let server = TestServer::start();
    let ada = server.person("ada").await;
    let mut redis = redis_server::connection();
    let mut use_it = async |client: &Client| {
        // As if the sessions had not been used for long.
        let key = server.key(&format!("{{user:{}}}:sessions", ada.id));
        let sessions: Vec<(String, String)> = redis::cmd("HGETALL").arg(&key).query(&mut redis).unwrap();
        for (id, session) in sessions {
            let mut session: Value = serde_json::from_str(&session).unwrap();
            session["seen"] = 1000.into();
            redis::cmd("HSET").arg(&key).arg(id).arg(session.to_string()).exec(&mut redis).unwrap();
        }
        assert_eq!(client.get("/api/auth/me").send().await.status, 200);
    };
    let presence = server.key(&format!("{{user:{}}}:presence", ada.id));
    assert_eq!(ada.client.get("/api/auth/me").send().await.json["user"]["onlineStatus"], "offline");
    let bob = server.person("bob").await;
    let (mut watcher, _) = Socket::connect(server.address, bob.client.token()).await;
    watcher.ask("presence.watch", json!({ "userIds": [ada.id] })).await;
    let phone = ada.log_in().await;
    assert_eq!(watcher.push("presence").await["data"]["status"], "online");
    let mut redis = redis_server::connection();
    for client in [&ada.client, &phone] {
        redis::cmd("HSET").arg(&presence).arg("until").arg(1000).exec(&mut redis).unwrap();
        use_it(client).await;
        assert_eq!(watcher.push("presence").await["data"]["status"], "online", "back after a while");
        assert_eq!(status(&bob, &ada).await, "online");
    }
    let soon = millis(&server, &ada, "until") - 890_000;
    redis::cmd("HSET").arg(&presence).arg("until").arg(soon).exec(&mut redis).unwrap();
    use_it(&phone).await;
    redis_server::wait_until("the use is noted", || millis(&server, &ada, "until") > soon + 800_000);
}

#[tokio::test]
async fn a_status_set_by_hand_is_shown_everywhere() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    for (wanted, body) in [
        ("away", json!({ "status": "away" })),
        ("busy", json!({ "status": "busy", "_id": ada.id })),
        ("offline", json!({ "status": "offline", "_id": null })),
        ("online", json!({ "status": "online", "more": 1 })),
    ] {
        let answer = set_status(&ada.client, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json, json!({ "message": "Status updated successfully", "status": wanted }));
        assert_eq!(status(&bob, &ada).await, wanted);
        let listed = bob.client.get("/api/users?search=ada").send().await;
        assert_eq!(listed.json["users"][0]["onlineStatus"], wanted);
        let me = ada.client.get("/api/auth/me").send().await;
        assert_eq!(me.json["user"]["onlineStatus"], wanted);
    }
    let message = json!({ "receiverId": ada.id, "content": "Hello" });
    assert_eq!(bob.client.post("/api/messages/send").json(&message).send().await.status, 201);
    set_status(&ada.client, json!({ "status": "busy" })).await;
    let conversations = bob.client.get("/api/messages/conversations").send().await;
    let participants = conversations.json["conversations"][0]["participants"].as_array().unwrap();
    let participant = participants.iter().find(|one| one["_id"] == ada.id).unwrap();
    assert_eq!(participant["onlineStatus"], "busy");
    assert_eq!(participant["lastSeen"], iso(millis(&server, &ada, "seen")));
    ada.log_in().await;
    assert_eq!(status(&bob, &ada).await, "online", "a login begins anew");
}

#[tokio::test]
async fn wrong_statuses_and_those_of_others_are_refused() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    set_status(&bob.client, json!({ "status": "away" })).await;
    for (body, field) in [
        (json!({}), "status"),
        (json!({ "status": null }), "status"),
        (json!({ "status": "" }), "status"),
        (json!({ "status": "ONLINE" }), "status"),
        (json!({ "status": "asleep" }), "status"),
        (json!({ "status": 1 }), "status"),
        (json!({ "status": ["online"] }), "status"),
        (json!({ "status": "x".repeat(50_000) }), "status"),
        (json!({ "status": "online", "_id": 7 }), "_id"),
    ] {
        let answer = set_status(&ada.client, body).await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec![field]));
    }
    for id in [bob.id.as_str(), "", "nonsense", "0123456789abcdef01234567"] {
        let answer = set_status(&ada.client, json!({ "status": "busy", "_id": id })).await;
        assert_eq!((answer.status, &answer.json["success"]), (403, &json!(false)), "{id}");
    }
    assert_eq!((status(&bob, &ada).await, status(&ada, &bob).await), ("offline".into(), "away".into()));
    assert_eq!(set_status(&server.client(), json!({ "status": "busy" })).await.status, 401);
}

#[tokio::test]
async fn devices_add_up_and_a_status_holds_while_one_is_open() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let (phone, _) = Socket::connect(server.address, ada.client.token()).await;
    assert_eq!(status(&bob, &ada).await, "online");
    set_status(&ada.client, json!({ "status": "busy" })).await;
    let (laptop, _) = Socket::connect(server.address, ada.client.token()).await;
    phone.cut();
    let sockets = server.key(&format!("{{user:{}}}:sockets", ada.id));
    let count = || redis::cmd("ZCARD").arg(&sockets).query::<u8>(&mut redis_server::connection()).unwrap();
    redis_server::wait_until("the phone is gone", || count() == 1);
    ada.log_in().await;
    assert_eq!(status(&bob, &ada).await, "busy", "another device is open");
    laptop.cut();
    until(&bob, &ada, "offline").await;
    let (_, seen) = look(&bob, &ada).await;
    assert_eq!(seen, iso(millis(&server, &ada, "seen")));
    let (_phone, _) = Socket::connect(server.address, ada.client.token()).await;
    assert_eq!(status(&bob, &ada).await, "online", "what was set by hand is gone");
}

#[tokio::test]
async fn users_of_a_dead_node_are_offline_within_two_heartbeats() {
    const HEARTBEAT_MS: u64 = 2000;
    let server = TestServer::start_with(|config| config.realtime.heartbeat_ms = HEARTBEAT_MS);
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let (mut watcher, _) = Socket::connect(server.address, bob.client.token()).await;
    let states = watcher.ask("presence.watch", json!({ "userIds": [ada.id] })).await;
    assert_eq!(states["data"]["states"][0]["status"], "offline", "{states}");
    open_on_a_node_that_dies(&server, &ada, HEARTBEAT_MS).await;
    let last_beat = millis(&server, &ada, "seen");
    set_status(&ada.client, json!({ "status": "away" })).await;
    let last_sign = millis(&server, &ada, "seen");
    for expected in ["online", "away"] {
        assert_eq!(watcher.push("presence").await["data"]["status"], expected);
    }
    let (heartbeat, until) = (HEARTBEAT_MS as i64, millis(&server, &ada, "until"));
    assert!((heartbeat..2 * heartbeat).contains(&(until - last_beat)), "{} ms", until - last_beat);
    let presence = server.key(&format!("{{user:{}}}:presence", ada.id));
    let telling = tokio::task::spawn_blocking(move || watch_the_sweep(&presence, until));
    // To who reads: offline from that moment on, and not before. The datastore's clock decides; how long a request of this
    // test takes does not matter.
    loop {
        let asked = datastore_clock();
        let status = status(&bob, &ada).await;
        if status == "offline" {
            assert!(datastore_clock() >= until, "too early");
            break;
        }
        assert!(status == "away" && asked < until, "{status} {} ms later", asked - until);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let push = watcher.push("presence").await;
    assert_eq!(push["data"], json!({ "userId": ada.id, "status": "offline", "lastSeen": iso(last_sign) }));
    assert_eq!(look(&bob, &ada).await.1, iso(last_sign), "when the last sign of life came");
    let (told, held_up) = telling.await.unwrap();
    let told_ms = told - last_beat;
    assert!(told_ms < 2 * heartbeat + held_up, "{told_ms} ms, of which the machine held us up for {held_up}");
}

#[tokio::test]
async fn a_device_on_a_living_node_outlives_one_on_a_dead_node() {
    let server = TestServer::start_with(|config| config.realtime.heartbeat_ms = 1000);
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let (mut living, _) = Socket::connect(server.address, ada.client.token()).await;
    open_on_a_node_that_dies(&server, &ada, 1000).await;
    let sockets = server.key(&format!("{{user:{}}}:sockets", ada.id));
    let count = || redis::cmd("ZCARD").arg(&sockets).query::<u8>(&mut redis_server::connection()).unwrap();
    assert_eq!(count(), 2);
    // Reading answers the pings.
    let deadline = Instant::now() + Duration::from_secs(10);
    while count() > 1 {
        assert!(Instant::now() < deadline, "the dead socket is still counted");
        assert!(living.is_quiet(Duration::from_millis(100)).await);
        assert_eq!(status(&bob, &ada).await, "online");
    }
    assert!(living.is_quiet(Duration::from_millis(2500)).await);
    assert_eq!(status(&bob, &ada).await, "online");
}

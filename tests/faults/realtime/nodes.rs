//! Two processes before one Redis, and what is true of them while both live.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::external::{Redis, free_port};
use crate::process::{Server, command};
use crate::support::person::Person;
use crate::support::redis_server::wait_until;

/// A Redis that loses nothing, and two servers that share it.
pub struct Nodes {
    pub redis: Redis,
    pub port: u16,
    pub servers: Vec<Server>,
    dir: tempfile::TempDir,
}

impl Nodes {
    /// Two servers with these settings besides.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_many(2, settings)
    }

    /// As many servers.
    pub fn start_many(count: usize, settings: &[(&str, &str)]) -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let redis = start_redis(port, &dir);
        let start = |number: usize| {
            let mut command = command(&dir.path().join(format!("node-{number}")));
            command
                .env("AYRENE__REDIS__URL", format!("redis://127.0.0.1:{port}"))
                .env("AYRENE__AUTH__JWT_SECRET", "0123456789abcdef0123456789abcdef")
                .envs(settings.iter().copied());
            let server = Server::start_with(&mut command);
            server.wait_until_ready();
            server
        };
        let servers = (0..count).map(start).collect();
        Self { redis, port, servers, dir }
    }

    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.address).collect()
    }

    pub fn connection(&self) -> redis::Connection {
        redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap().get_connection().unwrap()
    }

    /// Kills Redis, and starts it again on what it has written.
    pub fn restart_redis(&mut self) {
        self.redis.child.kill().unwrap();
        self.redis.child.wait().unwrap();
        self.redis = start_redis(self.port, &self.dir);
    }

    /// Somebody with an account, at the first node.
    pub async fn person(&self, name: &str) -> Person {
        Person::register(self.servers[0].address, name).await
    }
}

fn start_redis(port: u16, dir: &tempfile::TempDir) -> Redis {
    let dir = dir.path().to_str().unwrap();
    Redis::start(port, &["--appendonly", "yes", "--appendfsync", "always", "--dir", dir])
}

#[tokio::test]
async fn two_nodes_are_one_service() {
    let nodes = Nodes::start(&[]);
    let (ada, bob) = (nodes.person("ada").await, nodes.person("bob").await);
    let [first, second] = [0, 1].map(|number: usize| nodes.servers[number].address);
    let (mut hers, _) = ada.at_address(first).connect().await;
    let (mut his, hello) = bob.at_address(second).connect().await;
    let answer = hers.ask("message.send", json!({ "receiverId": bob.id, "content": "over there" })).await;
    assert_eq!((&answer["type"], &answer["seq"]), (&json!("ok"), &json!(1)));
    let push = his.push("message.new").await;
    assert_eq!((&push["data"], &push["seq"]), (&answer["data"], &json!(1)));
    his.granted("typing", json!({ "receiverId": ada.id, "typing": true })).await;
    let mut kinds = [hers.next().await, hers.next().await].map(|frame| frame["type"].clone());
    kinds.sort_by_key(Value::to_string);
    assert_eq!(kinds, ["message.delivered", "typing"]);
    let watched = hers.granted("presence.watch", json!({ "userIds": [bob.id] })).await;
    assert_eq!(watched["states"][0]["status"], "online");
    his.granted("presence.set", json!({ "status": "busy" })).await;
    assert_eq!(hers.push("presence").await["data"]["status"], "busy");
    // He goes on at the other node, from where he was.
    his.cut();
    hers.granted("message.send", json!({ "receiverId": bob.id, "content": "missed" })).await;
    let (mut his, again) = bob.at_address(first).resume(&hello["epoch"], 1).await;
    assert_eq!((&again["resumed"], &again["epoch"]), (&json!(true), &hello["epoch"]));
    let missed = his.push("message.new").await;
    assert_eq!((&missed["data"]["content"], &missed["seq"]), (&json!("missed"), &json!(2)));
}

#[tokio::test]
async fn a_session_that_ends_at_one_node_ends_its_sockets_at_the_other_within_a_second() {
    let nodes = Nodes::start(&[]);
    let ada = nodes.person("ada").await;
    let other = ada.log_in().await;
    let (mut socket, _) = ada.at_address(nodes.servers[1].address).connect().await;
    let (mut spared, _) =
        Person { client: other.clone(), ..ada.clone() }.at_address(nodes.servers[1].address).connect().await;
    let started = Instant::now();
    assert_eq!(ada.client.post("/api/auth/logout").send().await.status, 200);
    socket.push("session.revoked").await;
    assert_eq!(socket.close_code().await, 3502);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    spared.granted("presence.set", json!({ "status": "online" })).await;
    // Ended from another session, and by a refresh token that was used twice.
    let third = ada.log_in().await;
    let (mut socket, hello) =
        Person { client: third, ..ada.clone() }.at_address(nodes.servers[1].address).connect().await;
    let session = hello["sessionId"].as_str().unwrap();
    let started = Instant::now();
    assert_eq!(other.delete(&format!("/api/v1/auth/logout/{session}")).send().await.status, 200);
    socket.push("session.revoked").await;
    assert_eq!(socket.close_code().await, 3502);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_node_listens_with_two_connections_however_many_sockets_it_has() {
    let nodes = Nodes::start_many(1, &[("AYRENE__REALTIME__MAX_SOCKETS_PER_USER", "1000")]);
    let ada = nodes.person("ada").await;
    let clients = || {
        let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut nodes.connection()).unwrap();
        let listening = list.lines().filter(|line| line.contains("flags=P")).count();
        (list.lines().count(), listening)
    };
    let before = clients();
    let mut sockets = Vec::new();
    for _ in 0..100 {
        sockets.push(ada.connect().await);
    }
    let (count, listening) = clients();
    assert!(count <= before.0 + 1, "{count} connections, {before:?} before");
    assert_eq!(listening, 2, "one for all sockets, one for links that change");
}

#[tokio::test]
async fn connections_that_come_and_go_leave_nothing_behind() {
    let nodes = Nodes::start_many(1, &[("AYRENE__REALTIME__RESUME_GRACE_MS", "0")]);
    let ada = nodes.person("ada").await;
    let bob = nodes.person("bob").await;
    let address = nodes.servers[0].address;
    let memory = || {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", nodes.servers[0].child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let storm = |count: usize| {
        let (ada, bob) = (ada.clone(), bob.id.clone());
        async move {
            let one = |number: usize| {
                let (token, bob) = (ada.client.token(), bob.clone());
                async move {
                    let bearer = format!("Bearer {token}");
                    let headers = [("authorization", bearer.as_str())];
                    let mut socket = crate::support::socket::Socket::upgrade(address, &headers).await;
                    match number % 3 {
                        // While it opens.
                        0 => {}
                        1 => drop(socket.push("hello").await),
                        _ => {
                            socket.push("hello").await;
                            socket.granted("presence.watch", json!({ "userIds": [bob] })).await;
                        }
                    }
                    socket.cut();
                }
            };
            for batch in (0..count).collect::<Vec<_>>().chunks(20) {
                futures_util::future::join_all(batch.iter().map(|number| one(*number))).await;
            }
        }
    };
    let settled = || {
        let metrics = nodes.servers[0].get("/metrics");
        let channels: Vec<String> =
            redis::cmd("PUBSUB").arg("CHANNELS").query(&mut nodes.connection()).unwrap();
        let sockets: i64 = redis::cmd("EXISTS")
            .arg(format!("ay:{{user:{}}}:sockets", ada.id))
            .query(&mut nodes.connection())
            .unwrap();
        metrics.is_ok_and(|reply| reply.text.contains("ayrene_sockets 0"))
            && channels == ["ay:links:changed"]
            && sockets == 0
    };
    storm(500).await;
    wait_until("all sockets are forgotten", settled);
    let before = memory();
    storm(2000).await;
    wait_until("all sockets are forgotten", settled);
    let after = memory();
    // A connection that is kept costs 10 KiB or more.
    assert!(after < before + 6 * 1024, "{before} kB grew to {after} kB");
}

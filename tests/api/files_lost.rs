//! Files of messages that are not sent, not sent twice, or deleted: nothing of them is left.

use std::io::{Read, Write};

use ayrene::config::StoragePlace;
use futures_util::future::join_all;
use redis::Commands;
use serde_json::{Value, json};

use crate::files::{begin, count, couple, form, post, sent, url};
use crate::support::person::id;
use crate::support::redis_server::{self, wait_until};
use crate::support::s3::S3;
use crate::support::socket::Socket;
use crate::support::{Person, TestServer};

/// What stands in the datastore about files.
struct Doubts<'a> {
    server: &'a TestServer,
    redis: redis::Connection,
}

impl<'a> Doubts<'a> {
    fn of(server: &'a TestServer) -> Self {
        Self { server, redis: redis_server::connection() }
    }

    fn register(&self) -> String {
        self.server.key("{outbox:file}")
    }

    fn registered(&mut self) -> usize {
        self.redis.zcard(self.register()).unwrap()
    }

    /// Makes everything registered so far, and `source`, old.
    fn age(&mut self, source: &str) {
        let register = self.register();
        let mut sources: Vec<String> = self.redis.zrange(&register, 0, -1).unwrap();
        sources.push(source.to_owned());
        for source in sources {
            let _: () = self.redis.zadd(&register, source, 1).unwrap();
        }
    }

    fn note(&mut self, tag: &str, object: &str, state: &str) {
        let key = self.server.key(&format!("{{conv:{tag}}}:files"));
        let _: () = self.redis.hset(key, object, state).unwrap();
    }

    fn noted(&mut self, tag: &str) -> usize {
        self.redis.hlen(self.server.key(&format!("{{conv:{tag}}}:files"))).unwrap()
    }
}

/// What names the keys of a message's conversation.
fn tag(message: &Value) -> &str {
    &id(message)[8..18]
}

fn object(message: &Value) -> &str {
    url(message).split_once('-').unwrap().1
}

#[tokio::test]
async fn a_connection_that_is_cut_leaves_nothing() {
    let server = TestServer::start();
    let (ada, bob) = couple(&server).await;
    let body = form(&bob, "a.bin", &vec![7; 4_000_000]).body();
    // In the middle of the file, and right before the end of the form.
    for sent in [2_000_000, body.len() - 4] {
        let mut stream = begin(&ada.client, server.address, body.len());
        stream.write_all(&body[..sent]).unwrap();
        wait_until("the file is being written", || !server.uploads().is_empty());
        drop(stream);
        wait_until("it is gone", || server.uploads().is_empty());
    }
    assert_eq!(count(&ada, &bob).await, 0);
    assert_eq!(Doubts::of(&server).registered(), 0);
}

#[tokio::test]
async fn a_conversation_that_is_full_takes_no_file() {
    let server = TestServer::start_with(|config| config.conversation.max_messages = 1);
    let (ada, bob) = couple(&server).await;
    let first = sent(&ada, &bob, "a", b"first").await;
    let refused = post(&ada, form(&bob, "b", b"second")).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert_eq!(server.uploads().len(), 1);
    assert!(server.uploads()[0].ends_with(object(&first)));
    let mut doubts = Doubts::of(&server);
    assert_eq!((doubts.registered(), doubts.noted(tag(&first))), (0, 0));
}

#[tokio::test]
async fn a_retry_returns_the_first_message_and_leaves_one_file() {
    let server = TestServer::start();
    let (ada, bob) = couple(&server).await;
    let (mut his, _) = Socket::auth(server.address, bob.client.token(), None).await;
    let send = async |from: &Person, to: &Person, id: &str| {
        let answer = post(from, form(to, "a.bin", &[7; 300_000]).text("clientId", id)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json["message"].clone()
    };
    let first = send(&ada, &bob, "one").await;
    assert_eq!(his.push("message.new").await["data"], first);
    let again = send(&ada, &bob, "one").await;
    assert_eq!((&again["_id"], &again["fileUrl"]), (&first["_id"], &first["fileUrl"]));
    assert_eq!(server.uploads().len(), 1);
    assert_eq!(bob.client.get(url(&first)).send().await.bytes.len(), 300_000);
    // A text under the same name was sent before, too.
    let text = json!({ "receiverId": bob.id, "content": "text", "clientId": "one" });
    let answer = ada.try_send(text).await;
    assert_eq!(answer.json["message"]["_id"], first["_id"]);
    let together = join_all((0..6).map(|_| send(&ada, &bob, "two"))).await;
    assert!(together.iter().all(|message| message["fileUrl"] == together[0]["fileUrl"]));
    assert_ne!(send(&bob, &ada, "two").await["_id"], together[0]["_id"], "somebody else's");
    assert_eq!((count(&ada, &bob).await, server.uploads().len()), (3, 3));
    let mut doubts = Doubts::of(&server);
    assert_eq!((doubts.registered(), doubts.noted(tag(&first))), (0, 0));
}

#[tokio::test]
async fn a_deleted_message_has_no_file() {
    let server = TestServer::start();
    let (ada, bob) = couple(&server).await;
    let kept = sent(&ada, &bob, "kept", b"kept").await;
    let (mut hers, _) = Socket::auth(server.address, ada.client.token(), None).await;
    for over_socket in [false, true] {
        let message = sent(&ada, &bob, "a.bin", &[7; 300_000]).await;
        let etag = bob.client.get(url(&message)).send().await.header("etag").to_owned();
        assert_eq!(bob.delete(id(&message)).await.status, 403, "somebody else's");
        assert_eq!(bob.client.get(url(&message)).send().await.status, 200);
        if over_socket {
            let answer = hers.ask("message.delete", json!({ "messageId": message["_id"] })).await;
            assert_eq!((&answer["type"], &answer["data"]["fileUrl"]), (&json!("ok"), &Value::Null));
        } else {
            assert_eq!(ada.delete(id(&message)).await.status, 200);
        }
        for person in [&ada, &bob] {
            for (name, value) in [("if-none-match", etag.as_str()), ("range", "bytes=0-1"), ("accept", "*/*")]
            {
                assert_eq!(person.client.get(url(&message)).header(name, value).send().await.status, 404);
            }
        }
        wait_until("the file is gone", || server.uploads().len() == 1);
        assert_eq!(ada.delete(id(&message)).await.status, 200, "again");
    }
    assert_eq!(bob.client.get(url(&kept)).send().await.text, "kept");
    let mut doubts = Doubts::of(&server);
    wait_until("nothing is in doubt", || doubts.registered() == 0 && doubts.noted(tag(&kept)) == 0);
}

#[tokio::test]
async fn what_a_crash_left_is_removed_and_nothing_else() {
    let server = TestServer::start();
    let (ada, bob) = couple(&server).await;
    let kept = sent(&ada, &bob, "kept", b"kept").await;
    let lost: Vec<String> = ["sent", "deleted"].map(|what| format!("{what}-{}", nanoid::nanoid!(20))).into();
    let folder = server.uploads()[0].rsplit_once('/').unwrap().0.to_owned();
    for object in &lost {
        std::fs::write(format!("{folder}/{object}"), "lost").unwrap();
    }
    let (mut doubts, tag) = (Doubts::of(&server), tag(&kept));
    // Between the reservation and the message, and between the deletion and the end of the file.
    for (object, state) in lost.iter().zip(["1", "0"]) {
        doubts.note(tag, object, state);
        doubts.age(&format!("{tag}/{object}"));
    }
    // Between the message and the end of the doubt; and before anything was done, or in words of nobody.
    doubts.age(&format!("{tag}/{}", object(&kept)));
    doubts.age(&format!("{tag}/never"));
    wait_until("nothing is in doubt", || doubts.registered() == 0 && doubts.noted(tag) == 0);
    assert_eq!(server.uploads().len(), 1);
    assert_eq!(bob.client.get(url(&kept)).send().await.text, "kept");
}

/// A server that keeps its files in `s3`, and whatever `change` says.
fn on_s3(s3: &S3, change: impl FnOnce(&mut ayrene::config::Config)) -> TestServer {
    TestServer::start_with(|config| {
        config.storage.url = StoragePlace::S3 { bucket: "uploads".to_owned(), prefix: String::new() };
        config.storage.s3_endpoint = format!("http://{}", s3.address);
        config.storage.s3_allow_http = true;
        config.storage.s3_access_key_id = "id".to_owned();
        config.storage.s3_secret_access_key = "secret".into();
        change(config);
    })
}

#[tokio::test]
async fn files_may_be_kept_in_a_bucket() {
    let s3 = S3::start();
    let server = on_s3(&s3, |_| {});
    let (ada, bob) = couple(&server).await;
    let content: Vec<u8> = (0..12_000_000u32).map(|n| (n / 251) as u8).collect();
    let message = sent(&ada, &bob, "a.bin", &content).await;
    assert!(bob.client.get(url(&message)).send().await.bytes == content);
    let part = bob.client.get(url(&message)).header("range", "bytes=6000000-6000009").send().await;
    assert_eq!((part.status, part.bytes.as_slice()), (206, &content[6_000_000..6_000_010]));
    s3.contents.lock().unwrap().refuse_completion = true;
    let refused = post(&ada, form(&bob, "b.bin", &content)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    assert_eq!(count(&ada, &bob).await, 1);
    assert_eq!(ada.delete(id(&message)).await.status, 200);
    wait_until("the object is gone", || s3.contents.lock().unwrap().objects.is_empty());
    assert!(s3.contents.lock().unwrap().unfinished.is_empty());
}

#[tokio::test]
async fn a_send_that_nobody_learns_the_end_of_leaves_a_file_only_with_its_message() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("redis.sock");
    let mut child = redis_server::spawn_on(&socket, &[]);
    let redis_url = format!("redis+unix://{}", socket.display());
    let s3 = S3::start();
    let server = on_s3(&s3, |config| {
        config.redis.url = redis_url.as_str().into();
        config.redis.response_timeout_ms = 600;
    });
    let mut doubts = Doubts {
        server: &server,
        redis: redis::Client::open(redis_url.as_str()).unwrap().get_connection().unwrap(),
    };
    let (ada, bob) = couple(&server).await;
    let first = sent(&ada, &bob, "first", b"first").await;

    s3.contents.lock().unwrap().hold = true;
    let second = || form(&bob, "second", b"second").text("clientId", "second");
    let body = second().body();
    let mut lost = begin(&ada.client, server.address, body.len());
    lost.write_all(&body).unwrap();
    wait_until("the file is reserved", || doubts.noted(tag(&first)) == 1);
    let _: () = redis::cmd("CLIENT").arg("PAUSE").arg(2_000).query(&mut doubts.redis).unwrap();
    s3.contents.lock().unwrap().hold = false;
    let mut status = [0; 12];
    lost.read_exact(&mut status).unwrap();
    assert_eq!(std::str::from_utf8(&status).unwrap(), "HTTP/1.1 503");

    let mut retry = post(&ada, second()).await;
    while retry.status == 503 {
        retry = post(&ada, second()).await;
    }
    assert_eq!(retry.status, 201, "{retry:?}");
    assert_eq!(bob.client.get(url(&retry.json["message"])).send().await.text, "second");
    doubts.age(&format!("{}/never", tag(&first)));
    wait_until("nothing is in doubt", || doubts.registered() == 0 && doubts.noted(tag(&first)) == 0);
    assert_eq!((count(&ada, &bob).await, s3.contents.lock().unwrap().objects.len()), (2, 2));
    assert_eq!(bob.client.get(url(&retry.json["message"])).send().await.text, "second");
    drop(server);
    child.kill().unwrap();
    child.wait().unwrap();
}

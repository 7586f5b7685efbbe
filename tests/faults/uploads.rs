//! Large files: memory that does not grow with them, and nothing left of one whose server was killed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::process::{Server, request};
use crate::support::files;
use crate::support::form::Form;
use crate::support::redis_server::wait_until;

/// Somebody with a token, who sends files to himself.
fn account(server: &Server) -> (String, String) {
    let token = server.register("ada@example.com");
    let me = request(server.address, "GET", "/api/auth/me", Some(&token), "").unwrap();
    (me.json["user"]["_id"].as_str().unwrap().to_owned(), token)
}

/// The head of an upload.
fn head(token: &str, length: usize) -> String {
    format!(
        "POST /api/messages/send-file HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Type: {}\r\nContent-Length: {length}\r\n\r\n",
        Form::content_type()
    )
}

/// An upload of which `sent` bytes have been sent.
fn upload(server: &Server, token: &str, body: &[u8], sent: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(head(token, body.len()).as_bytes()).unwrap();
    stream.write_all(&body[..sent]).unwrap();
    stream
}

/// The message in a whole answer.
fn message(answer: &str) -> Option<Value> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 201"), "{answer}");
    Some(serde_json::from_str::<Value>(body).ok()?["message"].clone())
}

/// The message that a finished upload became.
fn finished(mut stream: TcpStream) -> Value {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    message(&answer).unwrap()
}

/// The message that a file became, unless the server died first.
fn try_upload(server: &Server, token: &str, body: &[u8]) -> Option<Value> {
    let mut stream = TcpStream::connect(server.address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(head(token, body.len()).as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    message(&answer)
}

/// Bytes of a file that come.
fn download(server: &Server, token: &str, path: &str) -> usize {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer.len() - answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() - 4
}

/// The most memory that a process has had so far, in bytes.
#[cfg(target_os = "linux")]
fn peak_memory(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[cfg(target_os = "linux")]
#[test]
fn many_large_files_at_once_are_never_in_memory() {
    const AT_ONCE: usize = 4;
    const FILE_BYTES: usize = 25 << 20;
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let (id, token) = account(&server);
    let small = Form::new().text("receiverId", &id).file("file", "a", b"x").body();
    finished(upload(&server, &token, &small, small.len()));
    let before = peak_memory(server.child.id());
    let body = Form::new().text("receiverId", &id).file("file", "a", &vec![7; FILE_BYTES]).body();
    // All of them are under way before the first one ends.
    let streams: Vec<TcpStream> =
        (0..AT_ONCE).map(|_| upload(&server, &token, &body, body.len() / 2)).collect();
    let finish = |mut stream: TcpStream| {
        stream.write_all(&body[body.len() / 2..]).unwrap();
        let message = finished(stream);
        assert_eq!(message["fileSize"], FILE_BYTES);
        assert_eq!(download(&server, &token, message["fileUrl"].as_str().unwrap()), FILE_BYTES);
    };
    std::thread::scope(|scope| {
        for stream in streams {
            scope.spawn(|| finish(stream));
        }
    });
    let (all, grown) = (AT_ONCE * FILE_BYTES, peak_memory(server.child.id()) - before);
    assert!(grown < all / 4 * 3, "files of {all} bytes took {grown} bytes of memory");
}

#[test]
fn a_killed_server_leaves_no_half_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    let (id, token) = account(&server);
    let body = Form::new().text("receiverId", &id).file("file", "a", &vec![7; 4 << 20]).body();
    let whole = finished(upload(&server, &token, &body, body.len()));
    let _half = upload(&server, &token, &body, 3 << 20);
    let uploads = || files::below(&dir.path().join("uploads"));
    wait_until("the other one is being written", || uploads().len() == 2);
    server.signal("KILL");
    server.wait();
    let server = Server::start(dir.path());
    server.wait_until_ready();
    assert_eq!(uploads().len(), 1);
    assert_eq!(download(&server, &token, whole["fileUrl"].as_str().unwrap()), 4 << 20);
}

/// All messages that somebody has sent to himself.
fn own_messages(server: &Server, id: &str, token: &str) -> Vec<Value> {
    let (mut all, mut before) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/messages/conversation/{id}?limit=100{before}");
        let page = request(server.address, "GET", &path, Some(token), "").unwrap();
        assert_eq!(page.status, 200, "{page:?}");
        all.extend(page.json["messages"].as_array().unwrap().clone());
        match page.json["nextBefore"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => return all,
        }
    }
}

#[test]
fn wherever_a_server_is_killed_each_file_has_its_message_and_each_message_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    let (id, token) = account(&server);
    let body = Form::new().text("receiverId", &id).file("file", "a", &vec![7; 300_000]).body();
    let mut acknowledged = Vec::new();
    for round in 0..6 {
        let send = || {
            let mut sent = Vec::new();
            while let Some(message) = try_upload(&server, &token, &body) {
                sent.push(message["_id"].clone());
            }
            sent
        };
        std::thread::scope(|scope| {
            let senders: Vec<_> = (0..2).map(|_| scope.spawn(send)).collect();
            std::thread::sleep(Duration::from_millis(150 + 37 * round));
            server.signal("KILL");
            senders.into_iter().for_each(|sender| acknowledged.extend(sender.join().unwrap()));
        });
        server.wait();
        server = Server::start(dir.path());
        server.wait_until_ready();
    }
    // As if ten minutes had passed.
    let socket = format!("redis+unix://{}", dir.path().join("redis/redis.sock").display());
    let mut redis = redis::Client::open(socket).unwrap().get_connection().unwrap();
    let register = "ay:{outbox:file}";
    let left: Vec<String> = redis::cmd("ZRANGE").arg(register).arg(0).arg(-1).query(&mut redis).unwrap();
    for source in &left {
        redis::cmd("ZADD").arg(register).arg(1).arg(source).exec(&mut redis).unwrap();
    }
    wait_until("nothing is in doubt", || {
        redis::cmd("EXISTS").arg(register).query::<u8>(&mut redis).unwrap() == 0
    });
    let messages = own_messages(&server, &id, &token);
    let lost = acknowledged.iter().filter(|id| !messages.iter().any(|message| message["_id"] == **id));
    assert_eq!(lost.count(), 0, "acknowledged and gone");
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    assert_eq!(
        files::below(&dir.path().join("uploads")).len(),
        messages.len(),
        "{} were in doubt",
        left.len()
    );
    for message in &messages {
        assert_eq!(download(&server, &token, message["fileUrl"].as_str().unwrap()), 300_000);
    }
}

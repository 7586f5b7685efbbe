//! Mail through a real SMTP server, which is slow, picky or away, from a server that is killed.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::process::{Server, command, request};
use crate::support::mail::Mail;
use crate::support::redis_server::wait_until;
use crate::support::smtp::SmtpServer;

/// Whoever likes a post, and whose post it is.
struct Scene {
    author: String,
    fan: String,
}

fn smtp(data_dir: &std::path::Path, url: &str) -> Command {
    let mut command = command(data_dir);
    command
        .env("AYRENE__MAIL__TRANSPORT", "smtp")
        .env("AYRENE__MAIL__SMTP_URL", url)
        .env("AYRENE__MAIL__TIMEOUT_SECS", "2")
        .env("AYRENE__MAIL__FROM", "Ayrene <post@links.example>")
        .env("AYRENE__NOTIFIER__FIRST_RETRY_SECS", "1")
        .env("AYRENE__NOTIFIER__MAX_RETRY_SECS", "2");
    command
}

impl Scene {
    /// Two accounts; the author of posts wants mail about likes.
    fn new(server: &Server, author: &str) -> Self {
        let scene = Self { author: server.register(author), fan: server.register("fan@example.com") };
        let wish = json!({ "mailLikes": true }).to_string();
        let path = "/api/v1/user/notification-settings";
        let reply = request(server.address, "PATCH", path, Some(&scene.author), &wish).unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
        scene
    }

    /// A post, liked by the other.
    fn like(&self, server: &Server) {
        let post = json!({ "title": "t", "description": "d", "content": "c" }).to_string();
        let reply = request(server.address, "POST", "/api/posts", Some(&self.author), &post).unwrap();
        let path = format!("/api/posts/{}/like", reply.json["post"]["_id"].as_str().unwrap());
        assert_eq!(request(server.address, "PUT", &path, Some(&self.fan), "").unwrap().status, 200);
    }
}

fn about_likes(smtp: &SmtpServer) -> Vec<Mail> {
    smtp.mails().into_iter().filter(|mail| mail.subject.contains("likes your post")).collect()
}

#[test]
fn mail_goes_out_with_tls_and_a_login() {
    for (tls, scheme, query) in [("starttls", "smtp", "?tls=required"), ("implicit", "smtps", "")] {
        let smtp_server = SmtpServer::start(&["--tls", tls, "--login", "ayrene:s3cret"]);
        let data = tempfile::tempdir().unwrap();
        let url = format!("{scheme}://ayrene:s3cret@localhost:{}{query}", smtp_server.port);
        let mut command = smtp(data.path(), &url);
        let server = Server::start_with(command.env("SSL_CERT_FILE", smtp_server.authority()));
        server.wait_until_ready();
        Scene::new(&server, "ada@example.com").like(&server);
        wait_until("the mail is taken", || !about_likes(&smtp_server).is_empty());
        let mails = about_likes(&smtp_server);
        assert_eq!((mails.len(), mails[0].to.as_str()), (1, "ada@example.com"), "{mails:?}");
        assert_eq!(mails[0].from, "post@links.example");
        assert!(mails[0].message_id.ends_with("@links.example"), "{mails:?}");
        assert!(mails[0].html.contains("likes your post") && mails[0].text.contains("likes your post"));
        assert!(!server.log.lock().unwrap().contains("s3cret"));
    }
}

#[test]
fn a_mail_server_that_is_away_for_a_while_loses_no_mail() {
    // A port that is free.
    let port = SmtpServer::start(&[]).port;
    let data = tempfile::tempdir().unwrap();
    let mut command = smtp(data.path(), &format!("smtp://127.0.0.1:{port}"));
    let server = Server::start_with(&mut command);
    server.wait_until_ready();
    let scene = Scene::new(&server, "ada@example.com");
    for _ in 0..20 {
        scene.like(&server);
    }
    wait_until("mails wait", || waiting(&server) >= 20.0);
    let smtp_server = SmtpServer::start(&["--port", &port.to_string()]);
    wait_until("every mail is taken", || about_likes(&smtp_server).len() >= 20);
    wait_until("nothing waits", || waiting(&server) == 0.0);
    let mails = about_likes(&smtp_server);
    let ids: std::collections::HashSet<_> = mails.iter().map(|mail| mail.message_id.clone()).collect();
    assert_eq!((mails.len(), ids.len()), (20, 20), "each once");
}

/// A gauge of the mail queue.
fn waiting(server: &Server) -> f64 {
    gauge(server, "ayrene_outgoing_waiting{way=\"bulk\"}")
}

fn gauge(server: &Server, name: &str) -> f64 {
    let text = server.get("/metrics").unwrap().text;
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(-1.0)
}

#[test]
fn an_address_that_does_not_exist_is_given_up_and_one_that_is_busy_tried_again() {
    let smtp_server = SmtpServer::start(&[]);
    let data = tempfile::tempdir().unwrap();
    let mut command = smtp(data.path(), &format!("smtp://127.0.0.1:{}", smtp_server.port));
    let server = Server::start_with(&mut command);
    server.wait_until_ready();
    Scene::new(&server, "nobody@example.com").like(&server);
    wait_until("it is given up", || gauge(&server, "ayrene_outgoing_dead{way=\"bulk\"}") >= 1.0);
    let later =
        Scene { author: server.register("later@example.com"), fan: server.register("f2@example.com") };
    let wish = json!({ "mailLikes": true }).to_string();
    let path = "/api/v1/user/notification-settings";
    request(server.address, "PATCH", path, Some(&later.author), &wish).unwrap();
    later.like(&server);
    wait_until("it is taken in the end", || about_likes(&smtp_server).len() == 1);
    assert_eq!(about_likes(&smtp_server)[0].to, "later@example.com");
}

#[test]
fn a_goodbye_without_an_answer_and_a_refused_sender_send_no_mail_twice_and_lose_none() {
    for options in [&["--hang-quit"][..], &["--refuse-senders", "2"]] {
        let smtp_server = SmtpServer::start(options);
        let data = tempfile::tempdir().unwrap();
        let mut command = smtp(data.path(), &format!("smtp://127.0.0.1:{}", smtp_server.port));
        let server = Server::start_with(&mut command);
        server.wait_until_ready();
        Scene::new(&server, "ada@example.com").like(&server);
        wait_until("the mail is taken", || !about_likes(&smtp_server).is_empty());
        // Longer than a try and the wait for the next one.
        std::thread::sleep(Duration::from_secs(5));
        assert_eq!(about_likes(&smtp_server).len(), 1, "{options:?}");
        assert_eq!(gauge(&server, "ayrene_outgoing_dead{way=\"bulk\"}"), 0.0, "{options:?}");
    }
}

#[test]
fn letters_that_nobody_waits_for_hold_up_neither_messages_nor_likes() {
    // Nobody listens there.
    let port = SmtpServer::start(&[]).port;
    let data = tempfile::tempdir().unwrap();
    let mut command = smtp(data.path(), &format!("smtp://127.0.0.1:{port}"));
    let server = Server::start_with(
        command.env("AYRENE__NOTIFIER__MAX_WAITING", "3").env("AYRENE__POSTS__MAX_WAITING_EVENTS", "3"),
    );
    server.wait_until_ready();
    let scene = Scene::new(&server, "ada@example.com");
    for _ in 0..10 {
        scene.like(&server);
    }
    let dropped = "ayrene_outgoing_total{way=\"bulk\",outcome=\"dropped\"}";
    wait_until("the rest is dropped", || gauge(&server, dropped) == 7.0);
}

#[test]
fn a_mail_whose_sender_was_killed_arrives_with_the_same_id() {
    let smtp_server = SmtpServer::start(&["--slow", "1.5"]);
    let data = tempfile::tempdir().unwrap();
    let url = format!("smtp://127.0.0.1:{}", smtp_server.port);
    let mut server = Server::start_with(&mut smtp(data.path(), &url));
    server.wait_until_ready();
    Scene::new(&server, "ada@example.com").like(&server);
    wait_until("the mail server has it and has not said so", || !about_likes(&smtp_server).is_empty());
    server.child.kill().unwrap();
    server.wait();
    let server = Server::start_with(&mut smtp(data.path(), &url));
    let deadline = Instant::now() + Duration::from_secs(40);
    while about_likes(&smtp_server).len() < 2 {
        assert!(Instant::now() < deadline, "it is not sent again");
        std::thread::sleep(Duration::from_millis(50));
    }
    let mails = about_likes(&smtp_server);
    assert_eq!(mails[0].message_id, mails[1].message_id);
    wait_until("nothing waits", || waiting(&server) == 0.0);
}

#[test]
fn a_stop_lets_a_mail_that_is_being_handed_over_finish() {
    let smtp_server = SmtpServer::start(&["--slow", "1"]);
    let data = tempfile::tempdir().unwrap();
    let url = format!("smtp://127.0.0.1:{}", smtp_server.port);
    let mut server = Server::start_with(&mut smtp(data.path(), &url));
    server.wait_until_ready();
    Scene::new(&server, "ada@example.com").like(&server);
    wait_until("the mail server has it and has not said so", || !about_likes(&smtp_server).is_empty());
    server.signal("TERM");
    assert!(server.wait().success());
    let server = Server::start_with(&mut smtp(data.path(), &url));
    wait_until("nothing waits", || waiting(&server) == 0.0);
    assert_eq!(about_likes(&smtp_server).len(), 1);
}

#[test]
fn a_kill_between_a_cause_and_its_mail_loses_none() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::start(data.path());
    server.wait_until_ready();
    let scene = Scene::new(&server, "ada@example.com");
    for _ in 0..10 {
        scene.like(&server);
    }
    // Whatever step the last ones are at.
    server.child.kill().unwrap();
    server.wait();
    let mut server = Server::start(data.path());
    let mails = || {
        let all = crate::support::mail::mails_in(data.path());
        all.into_iter().filter(|mail| mail.subject.contains("likes your post")).count()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while mails() < 10 {
        assert!(Instant::now() < deadline, "{} of 10 mails", mails());
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(mails(), 10, "a file that is sent twice is one file");
    server.signal("TERM");
    server.wait();
}

//! Mails that were promised right before everything was killed: they go out afterwards, and their links work.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::process::{Server, command, request};
use crate::support::Mail;
use crate::support::mail::mails_in;
use crate::support::server::PASSWORD;

const NEW: &str = "quartz harbour 19 lantern";
const ROUNDS: usize = 2;
/// A mail that was being sent at the kill is sent again when its sender must be dead, the mail's timeout and ten seconds
/// later.
const MAIL_TIMEOUT_SECS: &str = "1";
const PATIENCE: Duration = Duration::from_secs(30);

fn start(dir: &std::path::Path) -> Server {
    let server = Server::start_with(command(dir).env("AYRENE__MAIL__TIMEOUT_SECS", MAIL_TIMEOUT_SECS));
    server.wait_until_ready();
    server
}

/// The newest mail to somebody about something, as soon as there is one.
fn mail(dir: &std::path::Path, to: &str, subject: &str) -> Mail {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut mails = mails_in(dir).into_iter().rev();
        if let Some(found) = mails.find(|mail| mail.to == to && mail.subject.contains(subject)) {
            return found;
        }
        assert!(Instant::now() < deadline, "no mail to {to} about {subject}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn status(server: &Server, method: &str, path: &str, body: &serde_json::Value) -> u16 {
    request(server.address, method, path, None, &body.to_string()).unwrap().status
}

#[test]
fn mails_asked_for_right_before_a_kill_arrive_after_the_restart() {
    let data = tempfile::tempdir().unwrap();
    let dir = data.path();
    let mut server = start(dir);
    for round in 0..ROUNDS {
        let email = format!("ada{round}@example.com");
        server.register(&email);
        let body = json!({ "email": email });
        assert_eq!(status(&server, "POST", "/api/v1/auth/reset-password", &body), 200);
        server.signal("KILL");
        server.wait();
        server = start(dir);

        let verify = mail(dir, &email, "Confirm your e-mail address").path();
        assert_eq!(status(&server, "PATCH", &format!("/api/v1/user{verify}"), &json!({})), 200);
        let reset = format!("/api/v1/auth{}", mail(dir, &email, "Reset your password").path());
        let new = json!({ "newPassword": NEW });
        assert_eq!(status(&server, "POST", &reset, &new), 200);
        server.signal("KILL");
        server.wait();
        server = start(dir);

        assert_eq!(status(&server, "POST", &reset, &new), 401, "used is used");
        for (password, expected) in [(PASSWORD, 401), (NEW, 200)] {
            let login = json!({ "email": email, "password": password });
            assert_eq!(status(&server, "POST", "/api/v1/auth/login", &login), expected);
        }
        mail(dir, &email, "password was changed");
    }
}

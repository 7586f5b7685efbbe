//! An SMTP server for tests, run by `smtp_server.py` in a process of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::mail::Mail;

/// A server that keeps what it takes; it ends when dropped.
pub struct SmtpServer {
    pub port: u16,
    folder: tempfile::TempDir,
    child: Child,
}

impl SmtpServer {
    /// A server with these options of `smtp_server.py`.
    pub fn start(options: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(root.join(".venv/bin/python"))
            .args(["-W", "ignore"])
            .arg(root.join("tests/support/smtp_server.py"))
            .arg(folder.path())
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("scripts/venv has been run");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("it listens");
        Self { port, folder, child }
    }

    /// The authority that its certificate is from.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The mails that it has taken, the oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        super::mail::mails_at(self.folder.path())
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

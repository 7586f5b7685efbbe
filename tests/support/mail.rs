//! What went out of a server with the `file` transports: mails and SMS.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mail_parser::MessageParser;

use super::server::TestServer;

/// How long something may take to go out.
const PATIENCE: Duration = Duration::from_secs(15);

/// A mail, decoded.
#[derive(Debug, Clone)]
pub struct Mail {
    pub to: String,
    pub from: String,
    pub subject: String,
    pub message_id: String,
    pub text: String,
    pub html: String,
    /// As it was sent.
    pub raw: String,
}

impl Mail {
    /// Decodes what an `.eml` file, or an SMTP server, has.
    pub fn parse(raw: &[u8]) -> Self {
        let message = MessageParser::default().parse(raw).expect("a mail");
        let address = |address: Option<&mail_parser::Address>| {
            let first = address.and_then(|address| address.first()).and_then(|first| first.address());
            first.unwrap_or_default().to_owned()
        };
        Self {
            to: address(message.to()),
            from: address(message.from()),
            subject: message.subject().unwrap_or_default().to_owned(),
            message_id: message.message_id().unwrap_or_default().to_owned(),
            text: message.body_text(0).unwrap_or_default().into_owned(),
            html: message.body_html(0).unwrap_or_default().into_owned(),
            raw: String::from_utf8_lossy(raw).into_owned(),
        }
    }

    /// The first link in its text.
    pub fn link(&self) -> String {
        let start = self.text.find("http").unwrap_or_else(|| panic!("no link in {self:?}"));
        self.text[start..].split_whitespace().next().unwrap().to_owned()
    }

    /// The path and query of that link.
    pub fn path(&self) -> String {
        let link = self.link();
        let rest = link.split_once("://").unwrap().1;
        rest[rest.find('/').unwrap()..].to_owned()
    }

    /// How many clicks on a link it tells of, if it does.
    pub fn clicks(&self) -> Option<u64> {
        let (_, times) = self.subject.split_once("was clicked")?;
        Some(times.split_whitespace().next().map_or(1, |times| times.parse().unwrap()))
    }

    /// The six digits in its text.
    pub fn code(&self) -> String {
        code(&self.text)
    }
}

/// The six digits in a text.
pub fn code(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_digit());
    words.into_iter().find(|word| word.len() == 6).unwrap_or_else(|| panic!("no code in {text}")).to_owned()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|ending| ending == "eml" || ending == "txt"))
        .collect();
    files.sort_by_key(|path| path.metadata().and_then(|data| data.modified()).ok());
    files
}

/// The mails in a folder, the oldest first.
pub fn mails_at(folder: &Path) -> Vec<Mail> {
    files(folder).iter().map(|path| Mail::parse(&std::fs::read(path).unwrap())).collect()
}

/// The mails in a data directory, the oldest first.
pub fn mails_in(data_dir: &Path) -> Vec<Mail> {
    mails_at(&data_dir.join("mail"))
}

/// The SMS in a data directory, the oldest first: numbers and texts.
pub fn sms_in(data_dir: &Path) -> Vec<(String, String)> {
    let parse = |path: &PathBuf| {
        let raw = std::fs::read_to_string(path).unwrap();
        let (head, text) = raw.split_once("\n\n").expect("a head and a text");
        let to = head.lines().find_map(|line| line.strip_prefix("To: ")).expect("a receiver");
        (to.to_owned(), text.trim_end().to_owned())
    };
    files(&data_dir.join("sms")).iter().map(parse).collect()
}

/// What `find` finds, as soon as it does.
pub async fn eventually<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl TestServer {
    /// The mails to an address so far, the oldest first.
    pub fn mails_to(&self, to: &str) -> Vec<Mail> {
        mails_in(self.data()).into_iter().filter(|mail| mail.to == to).collect()
    }

    /// The newest mail to an address whose subject has this in it, as soon as there is one.
    pub async fn mail_to(&self, to: &str, subject: &str) -> Mail {
        let find = || self.mails_to(to).into_iter().rev().find(|mail| mail.subject.contains(subject));
        eventually(&format!("a mail to {to} about {subject}"), find).await
    }

    /// The mails to an address about something, as soon as there are `count`.
    pub async fn mails_about(&self, to: &str, subject: &str, count: usize) -> Vec<Mail> {
        let find = || {
            let all = self.mails_to(to).into_iter();
            let found: Vec<Mail> = all.filter(|mail| mail.subject.contains(subject)).collect();
            (found.len() >= count).then_some(found)
        };
        eventually(&format!("{count} mails to {to} about {subject}"), find).await
    }

    /// The SMS to a number so far, the oldest first.
    pub fn sms_to(&self, to: &str) -> Vec<String> {
        sms_in(self.data()).into_iter().filter(|(number, _)| number == to).map(|(_, text)| text).collect()
    }

    /// The SMS to a number, as soon as there are `count`.
    pub async fn sms_about(&self, to: &str, count: usize) -> Vec<String> {
        let find = || Some(self.sms_to(to)).filter(|all| all.len() >= count);
        eventually(&format!("{count} SMS to {to}"), find).await
    }
}

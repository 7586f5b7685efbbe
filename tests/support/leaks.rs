//! Looks for secrets in everything that the servers of a test binary say: log lines, answers, frames.
//!
//! All of it is written down; when a server stops, what was said while it ran is searched for what only a mail, an SMS or
//! the one who chose it may know.

use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, Once};

use tracing_subscriber::fmt::MakeWriter;

use super::mail::{mails_in, sms_in};
use super::server::PASSWORD;

/// Longest text that is written down; what is longer is an upload or a post.
const MAX_TEXT: usize = 64 * 1024;

static SAID: Mutex<Vec<Said>> = Mutex::new(Vec::new());

/// Where something was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Log,
    Answer,
    Frame,
}

#[derive(Debug)]
struct Said {
    place: Place,
    text: String,
}

/// Writes down what was said.
pub fn note(place: Place, text: &str) {
    if text.len() <= MAX_TEXT {
        SAID.lock().unwrap().push(Said { place, text: text.to_owned() });
    }
}

/// Where the next thing said will stand.
pub fn now() -> usize {
    SAID.lock().unwrap().len()
}

/// Listens to the log of this process, down to what is said for debugging.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let filter = tracing_subscriber::EnvFilter::new("info,ayrene=trace");
        let subscriber =
            tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Lines);
        tracing::subscriber::set_global_default(subscriber.finish()).expect("nobody else listens");
    });
}

#[derive(Clone, Copy)]
struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        note(Place::Log, &String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        *self
    }
}

/// The values in the queries of a text's links, and the six-digit codes in it.
fn secrets_of(text: &str) -> Vec<String> {
    let words = text.split_whitespace();
    let values = words.filter(|word| word.starts_with("http")).flat_map(|link| {
        let query = link.split_once('?').map_or("", |(_, query)| query);
        query.split('&').filter(|pair| !pair.starts_with("tokenId=")).filter_map(|pair| pair.split_once('='))
    });
    let codes = text.split(|c: char| !c.is_ascii_alphanumeric());
    let codes = codes.filter(|word| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit()));
    values.map(|(_, value)| value.to_owned()).chain(codes.map(str::to_owned)).collect()
}

/// Whether `text` has `secret` as a word of its own: a code's digits may stand within a number, and a request may take as many
/// microseconds as a code says.
fn has(text: &str, secret: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.match_indices(secret).any(|(start, _)| {
        let (before, after) = (&text[..start], &text[start + secret.len()..]);
        let is_time = before.ends_with("micros=");
        !is_time && !is_part(before.chars().next_back()) && !is_part(after.chars().next())
    })
}

/// Whether a session's token begins in `text`; ids may have its first letters inside.
fn has_token(text: &str) -> bool {
    text.match_indices("eyJ").any(|(start, _)| {
        !text[..start]
            .chars()
            .next_back()
            .is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            && text[start..].contains('.')
    })
}

/// Fails when something that was said since `since` has a secret in it.
pub fn check(since: usize, data_dir: &Path) {
    let mut sent = Vec::new();
    sent.extend(mails_in(data_dir).iter().flat_map(|mail| secrets_of(&mail.text)));
    sent.extend(sms_in(data_dir).iter().flat_map(|(_, text)| secrets_of(text)));
    let leak = SAID.lock().unwrap()[since..].iter().find_map(|Said { place, text }| {
        let leaked = sent.iter().find(|secret| has(text, secret)).map(String::as_str);
        let always = || [PASSWORD, "$argon2"].into_iter().find(|secret| text.contains(secret));
        // Only answers may carry tokens of sessions: to whom they are for.
        let token = || (*place != Place::Answer && has_token(text)).then_some("a token");
        let secret = leaked.or_else(always).or_else(token)?;
        Some(format!("{place:?} has {secret} in it: {text}"))
    });
    assert_eq!(leak, None);
}

//! The ways out: mail to files or an SMTP server, SMS to files or a gateway.
//!
//! Invariant: who says `Ok` has the letter for good; a letter may be handed over more often than once, always with the
//! same id.

mod file;
mod smtp;
mod webhook;

use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;

use super::letter::{self, Letter, Way};
use super::mail::Mail;
use crate::config::{Config, MailTransport, SmsTransport};
use crate::values::PublicUrl;
use file::Folder;
use smtp::Smtp;
use webhook::Webhook;

/// Why there is no way out.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The folder cannot be made or written to.
    #[error("cannot keep letters in {folder}: {source}")]
    Folder {
        /// Which.
        folder: String,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A setting makes no sense.
    #[error("setting `{key}`: {problem}")]
    Setting {
        /// Its name.
        key: &'static str,
        /// What is wrong.
        problem: String,
    },
}

/// Why a letter did not go out.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendFailure {
    /// It may be taken later.
    #[error("{0}")]
    Later(String),
    /// It never will be.
    #[error("{0}")]
    Never(String),
}

/// A way out.
#[derive(Debug)]
pub(super) enum Transport {
    MailFiles(Folder, Composer),
    Smtp(Smtp, Composer),
    SmsFiles(Folder),
    Webhook(Box<Webhook>),
}

/// Makes mails of letters.
#[derive(Debug, Clone)]
pub(super) struct Composer {
    public: PublicUrl,
    from: lettre::message::Mailbox,
}

impl Transport {
    /// The way that the settings have.
    pub(super) fn open(
        way: Way,
        config: &Config,
        data_dir: &Path,
        public: &PublicUrl,
    ) -> Result<Self, TransportError> {
        match way {
            Way::Mail | Way::Bulk => {
                let composer = Composer::new(&config.mail.from, public)?;
                match config.mail.transport {
                    MailTransport::File => {
                        Ok(Self::MailFiles(Folder::open(data_dir.join("mail"))?, composer))
                    }
                    MailTransport::Smtp => {
                        let timeout = Duration::from_secs(config.mail.timeout_secs);
                        Ok(Self::Smtp(Smtp::open(&config.mail.smtp_url, timeout)?, composer))
                    }
                }
            }
            Way::Sms => match config.sms.transport {
                SmsTransport::File => Ok(Self::SmsFiles(Folder::open(data_dir.join("sms"))?)),
                SmsTransport::Webhook => {
                    let (url, secret): (&str, &SecretString) =
                        (&config.sms.webhook_url, &config.sms.webhook_secret);
                    Ok(Self::Webhook(Box::new(Webhook::open(
                        url,
                        secret,
                        Duration::from_secs(config.sms.timeout_secs),
                    )?)))
                }
            },
        }
    }

    /// Hands a letter over that was first queued at `since_ms`.
    pub(super) async fn send(&self, letter: &Letter, since_ms: i64) -> Result<(), SendFailure> {
        match self {
            Self::MailFiles(folder, composer) => {
                let mail = composer.compose(letter, since_ms)?;
                folder.put(&file_name(letter, since_ms, "eml"), mail.formatted()).await
            }
            Self::Smtp(smtp, composer) => {
                let mail = composer.compose(letter, since_ms)?;
                smtp.send(mail.envelope(), &mail.formatted()).await
            }
            Self::SmsFiles(folder) => {
                let text = format!("To: {}\nId: {}\n\n{}\n", letter.to, letter.id, letter::sms(&letter.what));
                folder.put(&file_name(letter, since_ms, "txt"), text.into_bytes()).await
            }
            Self::Webhook(webhook) => webhook.send(letter).await,
        }
    }
}

/// The same for every copy of a letter; files stand in the order of time.
fn file_name(letter: &Letter, since_ms: i64, ending: &str) -> String {
    let time = chrono::DateTime::from_timestamp_millis(since_ms).unwrap_or_default();
    format!("{}-{}.{ending}", time.format("%Y%m%dT%H%M%S%3fZ"), letter.id)
}

impl Composer {
    fn new(from: &str, public: &PublicUrl) -> Result<Self, TransportError> {
        let setting = |problem: String| TransportError::Setting { key: "mail.from", problem };
        let from = match from {
            "" => {
                let host = public.0.host_str().unwrap_or("localhost").trim_matches(['[', ']']);
                // An address for a machine without a name.
                let host = if host.parse::<std::net::IpAddr>().is_ok() { "localhost" } else { host };
                format!("ayrene <no-reply@{host}>")
            }
            from => from.to_owned(),
        };
        let from = from.parse().map_err(|error: lettre::address::AddressError| setting(error.to_string()))?;
        Ok(Self { public: public.clone(), from })
    }

    fn compose(&self, letter: &Letter, since_ms: i64) -> Result<lettre::Message, SendFailure> {
        use lettre::message::{MultiPart, header};
        let never = |error: &dyn std::fmt::Display| SendFailure::Never(error.to_string());
        let Mail { subject, text, html } =
            Mail::of(&letter.what, &self.public).map_err(|error| never(&error))?;
        let to: lettre::Address = letter.to.parse().map_err(|error| never(&error))?;
        let date = std::time::UNIX_EPOCH + Duration::from_millis(since_ms.unsigned_abs());
        lettre::Message::builder()
            .from(self.from.clone())
            .to(lettre::message::Mailbox::new(None, to))
            .subject(subject)
            .date(date)
            .message_id(Some(format!("<{}@{}>", letter.id, self.from.email.domain())))
            // Nobody's holiday answers to it (RFC 3834).
            .raw_header(header::HeaderValue::new(
                header::HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .multipart(
                MultiPart::alternative()
                    .singlepart(part(text, header::ContentType::TEXT_PLAIN))
                    .singlepart(part(html, header::ContentType::TEXT_HTML)),
            )
            .map_err(|error| never(&error))
    }
}

/// Longest line of a mail, in bytes, without its end (RFC 5322, 2.1.1).
const MAX_LINE: usize = 998;

/// As it is where that is allowed, so that links can be copied from the source too.
fn part(text: String, kind: lettre::message::header::ContentType) -> lettre::message::SinglePart {
    use lettre::message::header::ContentTransferEncoding;
    use lettre::message::{Body, SinglePart};
    let is_plain = text.is_ascii() && text.lines().all(|line| line.len() <= MAX_LINE);
    let body = if is_plain {
        let lines = text.replace("\r\n", "\n").replace('\n', "\r\n");
        Body::dangerous_pre_encoded(lines.into_bytes(), ContentTransferEncoding::SevenBit)
    } else {
        Body::new(text)
    };
    SinglePart::builder().header(kind).body(body)
}

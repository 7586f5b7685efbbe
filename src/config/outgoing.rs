//! Settings of what goes out of the house: mail, SMS, notifications; and of whose word on identity is taken.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Host, Url};

use super::{ConfigError, list};

/// How mail leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTransport {
    /// A file per mail in the data directory.
    File,
    /// An SMTP server.
    Smtp,
}

/// `[mail]`.
#[derive(Debug, Clone, Deserialize)]
pub struct MailConfig {
    /// How.
    pub transport: MailTransport,
    /// Which server, with what encryption and login; secret because it may carry a password.
    pub smtp_url: SecretString,
    /// The sender; empty means no-reply at the public URL's host.
    pub from: String,
    /// Seconds for a mail to be taken.
    pub timeout_secs: u64,
}

/// How SMS leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmsTransport {
    /// A file per message in the data directory.
    File,
    /// A signed request to a gateway.
    Webhook,
}

/// `[sms]`.
#[derive(Debug, Clone, Deserialize)]
pub struct SmsConfig {
    /// How.
    pub transport: SmsTransport,
    /// Where the gateway is.
    pub webhook_url: String,
    /// What requests to it are signed with.
    pub webhook_secret: SecretString,
    /// Seconds for a message to be taken.
    pub timeout_secs: u64,
}

/// `[google]`.
#[derive(Debug, Clone, Deserialize)]
pub struct GoogleConfig {
    /// Our client ids, for which tokens must have been issued; none turns Google off.
    #[serde(deserialize_with = "list")]
    pub client_ids: Vec<String>,
    /// Where the keys are that tokens are signed with.
    pub jwks_url: Url,
    /// Seconds for the keys to arrive.
    pub timeout_secs: u64,
}

/// `[notifier]`.
#[derive(Debug, Clone, Deserialize)]
pub struct NotifierConfig {
    /// Newest notifications kept per user.
    pub max_per_user: u32,
    /// Days that they are kept after the newest.
    pub keep_days: u32,
    /// Mails a day to an address that nobody has proven to be his, but those that he asked for.
    pub unverified_per_day: u32,
    /// Letters sent at a time by one node, per way.
    pub parallel: usize,
    /// Letters that may wait, per way.
    pub max_waiting: u32,
    /// Seconds until the first retry; each further wait is twice as long.
    pub first_retry_secs: u64,
    /// Longest wait between two tries.
    pub max_retry_secs: u64,
    /// Hours after which a letter is given up.
    pub give_up_hours: u32,
}

fn refuse(key: &'static str, problem: &str) -> Result<(), ConfigError> {
    Err(ConfigError::Invalid { key, problem: problem.to_owned() })
}

impl MailConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.transport == MailTransport::Smtp && self.smtp_url.expose_secret().is_empty() {
            return refuse("mail.smtp_url", "is needed when mail.transport is smtp");
        }
        if !(1..=60).contains(&self.timeout_secs) {
            return refuse("mail.timeout_secs", "must be from 1 to 60");
        }
        Ok(())
    }
}

impl SmsConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.transport == SmsTransport::Webhook {
            let url = Url::parse(&self.webhook_url).ok();
            if !url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
                return refuse(
                    "sms.webhook_url",
                    "must be an http or https URL when sms.transport is webhook",
                );
            }
            if self.webhook_secret.expose_secret().len() < 16 {
                return refuse(
                    "sms.webhook_secret",
                    "must be 16 bytes or longer: messages are signed with it",
                );
            }
        }
        if !(1..=60).contains(&self.timeout_secs) {
            return refuse("sms.timeout_secs", "must be from 1 to 60");
        }
        Ok(())
    }
}

impl GoogleConfig {
    /// Whether nobody in between can put keys of his own in the place of Google's.
    pub(super) fn is_private(&self) -> bool {
        let is_local = match self.jwks_url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        self.jwks_url.scheme() == "https" || is_local
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !matches!(self.jwks_url.scheme(), "http" | "https") {
            return refuse("google.jwks_url", "must be an http or https URL");
        }
        if !(1..=60).contains(&self.timeout_secs) {
            return refuse("google.timeout_secs", "must be from 1 to 60");
        }
        Ok(())
    }
}

impl NotifierConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let counts = [self.max_per_user, self.keep_days, self.max_waiting, self.give_up_hours];
        if counts.contains(&0) || self.parallel == 0 || self.first_retry_secs == 0 {
            return refuse("notifier.…", "must be 1 or more; only unverified_per_day may be 0");
        }
        if self.max_retry_secs < self.first_retry_secs {
            return refuse("notifier.max_retry_secs", "must not be less than notifier.first_retry_secs");
        }
        Ok(())
    }
}

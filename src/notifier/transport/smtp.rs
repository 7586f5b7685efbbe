//! Mail to an SMTP server (RFC 5321), over lettre's connection.
//!
//! Invariant: a mail has been taken when the server has said so after its text, whatever becomes of the goodbye. One that
//! no later try will find a receiver for is told from all others.

use std::borrow::Cow;
use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::{SendFailure, TransportError};

/// Replies to a receiver's address that may mean that there is no such one (RFC 5321, 4.2.3), ...
const NO_SUCH_ADDRESS: [u16; 3] = [550, 551, 553];
/// ... and the codes that mean it (RFC 3463, 3.2; RFC 7505). With another one it is we who are refused, perhaps for now.
const BAD_ADDRESS: [&str; 5] = ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"];
/// Longest goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// Whether the way to the server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tls {
    None,
    /// After the greeting, if the server has it.
    Opportunistic,
    /// After the greeting.
    Upgraded,
    /// From the first byte.
    Implicit,
}

/// An SMTP server.
pub(in crate::notifier) struct Smtp {
    host: String,
    port: u16,
    tls: Tls,
    login: Option<Credentials>,
    /// What we call ourselves.
    name: ClientId,
    timeout: Duration,
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Smtp")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Smtp {
    /// The server at `smtps://user:password@host:port`, or `smtp://…?tls=required`, `opportunistic` or none.
    pub(super) fn open(url: &SecretString, timeout: Duration) -> Result<Self, TransportError> {
        let refuse = |problem: &str| {
            Err(TransportError::Setting { key: "mail.smtp_url", problem: problem.to_owned() })
        };
        let Ok(url) = Url::parse(url.expose_secret()) else { return refuse("is not a URL") };
        let wish = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
        let (tls, port) = match (url.scheme(), wish.as_deref()) {
            ("smtps", _) => (Tls::Implicit, 465),
            ("smtp", None | Some("none")) => (Tls::None, 25),
            ("smtp", Some("opportunistic")) => (Tls::Opportunistic, 587),
            ("smtp", Some("required")) => (Tls::Upgraded, 587),
            _ => return refuse("must be smtps://host, smtp://host?tls=required or smtp://host"),
        };
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
            return refuse("names no host");
        };
        let host = host.trim_matches(['[', ']']).to_owned();
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned);
        let login = match (decoded(url.username()), url.password().map(decoded)) {
            (Some(user), Some(Some(password))) if !user.is_empty() => Some(Credentials::new(user, password)),
            (Some(user), None) if user.is_empty() => None,
            _ => return refuse("has a user without a password, or one that cannot be decoded"),
        };
        if login.is_some() && matches!(tls, Tls::None | Tls::Opportunistic) && !is_loopback(&host) {
            return refuse("would send a password readable: use smtps:// or ?tls=required");
        }
        Ok(Self { port: url.port().unwrap_or(port), host, tls, login, name: ClientId::default(), timeout })
    }

    /// Hands a mail over.
    pub(super) async fn send(&self, envelope: &Envelope, mail: &[u8]) -> Result<(), SendFailure> {
        let Ok(outcome) = actix::clock::timeout(self.timeout, self.converse(envelope, mail)).await else {
            return Err(SendFailure::Later("the server did not take it in time".to_owned()));
        };
        let mut connection = outcome?;
        actix::spawn(async move {
            let _ = actix::clock::timeout(GOODBYE, connection.quit()).await;
        });
        Ok(())
    }

    async fn converse(&self, envelope: &Envelope, mail: &[u8]) -> Result<AsyncSmtpConnection, SendFailure> {
        let mut connection = self.connect().await.map_err(|error| later(&error))?;
        let mut parameters = Vec::new();
        let addresses = envelope.to().iter().chain(envelope.from());
        if !addresses.map(AsRef::<str>::as_ref).all(str::is_ascii) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(SendFailure::Never("the server takes no such address (SMTPUTF8)".to_owned()));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let from = Mail::new(envelope.from().cloned(), parameters);
        connection.command(from).await.map_err(|error| later(&error))?;
        for to in envelope.to() {
            let reply = connection.command(Rcpt::new(to.clone(), Vec::new())).await;
            reply.map_err(|error| if is_unknown(&error) { never(&error) } else { later(&error) })?;
        }
        connection.command(Data).await.map_err(|error| later(&error))?;
        connection.message(mail).await.map_err(|error| later(&error))?;
        Ok(connection)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let parameters = || TlsParameters::new(self.host.clone());
        let first = (self.tls == Tls::Implicit).then(parameters).transpose()?;
        let server = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.timeout), &self.name, first, None).await?;
        let upgrades = match self.tls {
            Tls::Upgraded => true,
            Tls::Opportunistic => connection.can_starttls(),
            Tls::None | Tls::Implicit => false,
        };
        if upgrades {
            connection.starttls(parameters()?, &self.name).await?;
        }
        if let Some(login) = &self.login {
            connection.auth(DEFAULT_MECHANISMS, login).await?;
        }
        Ok(connection)
    }
}

fn is_loopback(host: &str) -> bool {
    match Host::parse(host) {
        Ok(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        _ => host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
    }
}

/// Whether a reply to a receiver's address says that there is no such one.
fn is_unknown(error: &Error) -> bool {
    if !error.status().is_some_and(|code| NO_SUCH_ADDRESS.contains(&u16::from(code))) {
        return false;
    }
    enhanced(error).is_none_or(|code| BAD_ADDRESS.contains(&code.as_str()))
}

/// The enhanced status code of a reply (RFC 2034), such as 5.1.1.
fn enhanced(error: &Error) -> Option<String> {
    let text = error.source()?.to_string();
    let code = text.split_whitespace().next()?;
    let parts: Vec<&str> = code.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (parts.len() == 3 && parts.iter().all(is_number)).then(|| code.to_owned())
}

/// Without the server's words, which may have the address in them.
fn problem(error: &Error) -> String {
    match error.status() {
        Some(code) => format!("the server said {code} {}", enhanced(error).unwrap_or_default()),
        None => {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            format!("{error}: {cause}")
        }
    }
}

fn later(error: &Error) -> SendFailure {
    SendFailure::Later(problem(error))
}

fn never(error: &Error) -> SendFailure {
    SendFailure::Never(problem(error))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn open(url: &str) -> Result<Smtp, TransportError> {
        Smtp::open(&url.to_owned().into(), Duration::from_secs(1))
    }

    #[test]
    fn urls_say_server_encryption_and_login() {
        for (url, host, port, tls, logs_in) in [
            ("smtp://127.0.0.1:2525", "127.0.0.1", 2525, Tls::None, false),
            ("smtp://mail.example", "mail.example", 25, Tls::None, false),
            ("smtp://a:b%40c@mail.example?tls=required", "mail.example", 587, Tls::Upgraded, true),
            ("smtps://a%40b:c@mail.example", "mail.example", 465, Tls::Implicit, true),
            ("smtp://a:b@[::1]:26", "::1", 26, Tls::None, true),
            ("smtp://mail.example?tls=opportunistic", "mail.example", 587, Tls::Opportunistic, false),
        ] {
            let smtp = open(url).unwrap();
            let found = (smtp.host.as_str(), smtp.port, smtp.tls, smtp.login.is_some());
            assert_eq!(found, (host, port, tls, logs_in), "{url}");
        }
    }

    #[test]
    fn a_password_does_not_travel_readable_and_errors_do_not_show_it() {
        for url in [
            "smtp://a:s3cret@mail.example",
            "smtp://a:s3cret@mail.example?tls=opportunistic",
            "smtp://a:s3cret@mail.example?tls=perhaps",
            "http://a:s3cret@mail.example",
            "smtp://s3cret@mail.example",
            "smtp://a:s3cret%ff@mail.example?tls=required",
            "s3cret",
        ] {
            let error = open(url).unwrap_err().to_string();
            assert!(error.contains("mail.smtp_url") && !error.contains("s3cret"), "{error}");
        }
    }
}

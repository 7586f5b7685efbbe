//! Mail to an SMTP server.

use std::time::Duration;

use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};

use super::{SendFailure, TransportError};

/// Replies that speak of the receiver's address (RFC 5321, 4.2.3): no later try will find it better. Others may change:
/// a wrong password, a relay that refuses us, a full disk.
const NO_SUCH_ADDRESS: [u16; 3] = [550, 551, 553];

/// An SMTP server.
pub(in crate::notifier) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    timeout: Duration,
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Smtp")
    }
}

impl Smtp {
    pub(super) fn open(url: &SecretString, timeout: Duration) -> Result<Self, TransportError> {
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret())
            .map_err(|error| TransportError::Setting { key: "mail.smtp_url", problem: error.to_string() })?;
        Ok(Self { transport: builder.timeout(Some(timeout)).build(), timeout })
    }

    pub(super) async fn send(&self, mail: Message) -> Result<(), SendFailure> {
        // The transport's own timeout is one of each step.
        match actix::clock::timeout(self.timeout, self.transport.send(mail)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let code = error.status().map_or(0, u16::from);
                let problem = with_sources(&error);
                if NO_SUCH_ADDRESS.contains(&code) {
                    Err(SendFailure::Never(problem))
                } else {
                    Err(SendFailure::Later(problem))
                }
            }
            Err(_) => Err(SendFailure::Later("the mail server did not take it in time".to_owned())),
        }
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

//! SMS to a gateway: a signed POST of JSON.
//!
//! The gateway knows us by `X-Ayrene-Signature: t=<seconds>,v1=<HMAC-SHA256 of "<t>.<body>" in hex>`, and a message that
//! comes twice by its `id`.

use std::time::Duration;

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{SendFailure, TransportError};
use crate::notifier::letter::{self, Letter};

/// A gateway.
pub(in crate::notifier) struct Webhook {
    http: reqwest::Client,
    url: String,
    key: hmac::Key,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Webhook")
    }
}

impl Webhook {
    pub(super) fn open(url: &str, secret: &SecretString, timeout: Duration) -> Result<Self, TransportError> {
        let http = reqwest::Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| TransportError::Setting {
                key: "sms.webhook_url",
                problem: error.to_string(),
            })?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        Ok(Self { http, url: url.to_owned(), key })
    }

    pub(super) async fn send(&self, letter: &Letter) -> Result<(), SendFailure> {
        let text = letter::sms(&letter.what);
        let body = json!({ "id": letter.id, "to": letter.to, "text": text }).to_string();
        let secs = chrono::Utc::now().timestamp();
        let signature = hmac::sign(&self.key, format!("{secs}.{body}").as_bytes());
        let signature = data_encoding::HEXLOWER.encode(signature.as_ref());
        let request = self
            .http
            .post(&self.url)
            .header("content-type", "application/json")
            .header("x-ayrene-signature", format!("t={secs},v1={signature}"))
            .body(body);
        match request.send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(SendFailure::Later(format!("the gateway answered {}", response.status()))),
            // Its text may have the URL in it, and that a key.
            Err(error) => Err(SendFailure::Later(error.without_url().to_string())),
        }
    }
}

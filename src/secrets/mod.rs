//! What is derived from the one configured secret: seals and keyed digests. Knows no domain.
//!
//! Owns how something that must not be readable stands in the datastore. Invariants: what is kept to be compared is a
//! [`Digester`]'s digest, which says nothing without the secret, however few possibilities there are; what is kept to be
//! read again is sealed. Each purpose has a key of its own, so nothing made for one passes for another.

use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Characters of a [`token`]: 190 bits.
const TOKEN_CHARS: usize = 32;
const DIGITS: [char; 10] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
/// Digits of a [`one_time_code`].
pub const CODE_DIGITS: usize = 6;

/// The shortest [`delay`], and by how much of up to 255 steps it is longer.
const SHORTEST_DELAY: Duration = Duration::from_millis(100);
const DELAY_STEP: Duration = Duration::from_millis(2);

/// The key of one purpose.
fn key(secret: &SecretString, purpose: &str) -> hmac::Tag {
    let root = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    hmac::sign(&root, purpose.as_bytes())
}

/// A new, unguessable token that can stand in a URL.
pub fn token() -> String {
    nanoid::nanoid!(TOKEN_CHARS)
}

/// A new code that people type.
pub fn one_time_code() -> String {
    nanoid::nanoid!(CODE_DIGITS, &DIGITS)
}

/// How long to put off work that only a secret answer causes: long enough to be over before it is seen, and never the same.
pub fn delay() -> Duration {
    let random = nanoid::rngs::default(1).into_iter().map(u32::from).sum::<u32>();
    SHORTEST_DELAY + random * DELAY_STEP
}

/// Makes digests of secrets.
#[derive(Clone)]
pub struct Digester(hmac::Key);

impl std::fmt::Debug for Digester {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Digester")
    }
}

impl Digester {
    /// Digests for `purpose`, such as `auth: reset tokens`.
    pub fn new(secret: &SecretString, purpose: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key(secret, purpose).as_ref()))
    }

    /// The digest of what stands in `parts`: 256 bits, as text.
    pub fn of(&self, parts: &[&str]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            // Lengths in between, so that no two lists of parts look the same.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        data_encoding::BASE64URL_NOPAD.encode(context.sign().as_ref())
    }
}

/// Seals values: AES-256-GCM under random nonces.
pub struct Seal(RandomizedNonceKey);

impl std::fmt::Debug for Seal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Seal")
    }
}

impl Seal {
    /// A seal for `purpose`, such as `notifier: notices`.
    pub fn new(secret: &SecretString, purpose: &str) -> Self {
        match RandomizedNonceKey::new(&AES_256_GCM, key(secret, purpose).as_ref()) {
            Ok(key) => Self(key),
            Err(error) => unreachable!("HMAC-SHA256 gives the 32 bytes that AES-256 takes: {error}"),
        }
    }

    /// `value` as text that only [`Self::open`] reads.
    pub fn close(&self, value: &impl Serialize) -> String {
        let mut bytes = serde_json::to_vec(value).unwrap_or_else(|error| unreachable!("plain data: {error}"));
        match self.0.seal_in_place_append_tag(Aad::empty(), &mut bytes) {
            Ok(nonce) => data_encoding::BASE64URL_NOPAD.encode(&[nonce.as_ref(), &bytes[..]].concat()),
            Err(error) => unreachable!("a few kilobytes are not too much to seal: {error}"),
        }
    }

    /// What was sealed; nothing when it was not sealed with this secret, or has been changed since.
    pub fn open<T: DeserializeOwned>(&self, sealed: &str) -> Option<T> {
        let mut bytes = data_encoding::BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
        let nonce = Nonce::try_assume_unique_for_key(bytes.get(..NONCE_LEN)?).ok()?;
        let plain = self.0.open_in_place(nonce, Aad::empty(), &mut bytes[NONCE_LEN..]).ok()?;
        serde_json::from_slice(plain).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        text.to_owned().into()
    }

    #[test]
    fn what_is_sealed_is_read_by_its_own_seal_alone() {
        let seal = Seal::new(&secret("one"), "a");
        let sealed = seal.close(&("plum", 7));
        assert!(!sealed.contains("plum"));
        assert_ne!(sealed, seal.close(&("plum", 7)));
        assert_eq!(seal.open(&sealed), Some(("plum".to_owned(), 7)));
        for other in [Seal::new(&secret("one"), "b"), Seal::new(&secret("two"), "a")] {
            assert_eq!(other.open::<(String, u8)>(&sealed), None);
        }
        for wrong in ["", "AAAA", &sealed[..sealed.len() - 2], &format!("{sealed}AA"), "not base64!"] {
            assert_eq!(seal.open::<(String, u8)>(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn digests_differ_by_secret_purpose_and_parts() {
        let digester = Digester::new(&secret("one"), "a");
        assert_eq!(digester.of(&["x", "yz"]), digester.of(&["x", "yz"]));
        for other in [
            digester.of(&["xy", "z"]),
            digester.of(&["x", "yz", ""]),
            Digester::new(&secret("one"), "b").of(&["x", "yz"]),
            Digester::new(&secret("two"), "a").of(&["x", "yz"]),
        ] {
            assert_ne!(digester.of(&["x", "yz"]), other);
        }
    }

    #[test]
    fn codes_are_six_digits() {
        let code = one_time_code();
        assert!(code.len() == CODE_DIGITS && code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
    }
}

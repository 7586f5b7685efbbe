//! The keys that Google signs with: one actor per process.
//!
//! Owns the key set and when it is fetched. Invariants: one fetch at a time, bounded in time and size; a key that is not
//! in the set has it fetched again at most once a minute, whoever asks for whatever; a set that is out of date serves on
//! while its server is away, but not forever.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Context};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyAlgorithm, PublicKeyUse};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use super::error::AuthError;
use super::messages::FetchGoogleKey;
use crate::config::GoogleConfig;

/// Bounds of how long a set is fresh, whatever its server says.
const FRESH: std::ops::RangeInclusive<Duration> = Duration::from_secs(300)..=Duration::from_secs(86_400);
/// How much longer a set serves that cannot be fetched again.
const STALE: Duration = Duration::from_secs(86_400);
/// Pause between two fetches for keys that are not in the set, and between two tries to replace one that is out of date.
const PAUSE: Duration = Duration::from_secs(60);
/// Pause between two tries while there is no set at all.
const PAUSE_WITHOUT: Duration = Duration::from_secs(5);
/// Largest set, in bytes and keys; Google's has two or three keys.
const MAX_BYTES: usize = 256 * 1024;
const MAX_KEYS: usize = 64;

/// Owns Google's keys.
#[derive(Debug)]
pub struct GoogleKeys {
    ring: Rc<Ring>,
}

#[derive(Debug)]
struct Ring {
    url: Url,
    timeout: Duration,
    state: std::cell::RefCell<State>,
    /// Held by who fetches.
    turn: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    /// No fetch before, because the last one failed.
    next_try: Option<Instant>,
    /// No fetch for a missing key before.
    next_search: Option<Instant>,
}

#[derive(Debug)]
struct Held {
    keys: HashMap<String, Arc<DecodingKey>>,
    fresh_until: Instant,
}

/// What can be said without asking Google's server.
enum Look {
    Found(Arc<DecodingKey>),
    Unknown,
    Away,
    /// Fetch; `search` when for the sake of a missing key.
    Fetch {
        search: bool,
    },
}

/// A key set as it is served. A key of a kind that we do not know is no reason to refuse the others.
#[derive(Deserialize)]
struct Served {
    keys: Vec<serde_json::Value>,
}

/// Why there is no new set.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("the answer has the status {0}")]
    Status(u16),
    #[error("the answer is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("the answer is no key set: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("the answer has no key that we can use")]
    NoKeys,
}

impl GoogleKeys {
    /// Keys from the configured place; none until the first one is asked for.
    pub fn new(config: &GoogleConfig) -> Self {
        let ring = Ring {
            url: config.jwks_url.clone(),
            timeout: Duration::from_secs(config.timeout_secs),
            state: std::cell::RefCell::default(),
            turn: Mutex::new(()),
        };
        Self { ring: Rc::new(ring) }
    }
}

impl Actor for GoogleKeys {
    type Context = Context<Self>;
}

crate::delegate!(GoogleKeys, ring {
    FetchGoogleKey => key,
});

impl State {
    fn look(&self, kid: &str, now: Instant) -> Look {
        let is_due = |at: Option<Instant>| at.is_none_or(|at| at <= now);
        let Some(held) = self.usable(now) else {
            return if is_due(self.next_try) { Look::Fetch { search: false } } else { Look::Away };
        };
        let fresh = held.fresh_until > now;
        match held.keys.get(kid) {
            _ if !fresh && is_due(self.next_try) => Look::Fetch { search: false },
            Some(key) => Look::Found(key.clone()),
            None if !fresh => Look::Away,
            None if is_due(self.next_search) => Look::Fetch { search: true },
            None => Look::Unknown,
        }
    }

    fn usable(&self, now: Instant) -> Option<&Held> {
        self.held.as_ref().filter(|held| held.fresh_until + STALE > now)
    }

    fn key(&self, kid: &str, now: Instant) -> Option<Arc<DecodingKey>> {
        self.usable(now)?.keys.get(kid).cloned()
    }
}

impl Ring {
    /// Nothing when Google has no such key.
    async fn key(&self, message: FetchGoogleKey) -> Result<Option<Arc<DecodingKey>>, AuthError> {
        let FetchGoogleKey { kid } = message;
        let look = self.look(&kid);
        let Look::Fetch { .. } = look else { return settle(look) };
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(_) => {
                let known = self.state.borrow().key(&kid, Instant::now());
                if known.is_some() {
                    // Out of date, and about to be replaced: no reason to wait.
                    return Ok(known);
                }
                self.turn.lock().await
            }
        };
        // Who had the turn before may have fetched it.
        let look = self.look(&kid);
        let Look::Fetch { search } = look else { return settle(look) };
        let fetched = fetch(&self.url, self.timeout).await;
        let now = Instant::now();
        let mut state = self.state.borrow_mut();
        if search {
            state.next_search = Some(now + PAUSE);
        }
        let outcome = if fetched.is_ok() { "ok" } else { "failed" };
        metrics::counter!("ayrene_google_key_fetches_total", "outcome" => outcome).increment(1);
        match fetched {
            Ok((keys, life)) => {
                state.held = Some(Held { keys, fresh_until: now + life });
                state.next_try = None;
                Ok(state.key(&kid, now))
            }
            Err(error) => {
                tracing::warn!(%error, url = %self.url, "Google's keys cannot be fetched");
                let pause = if state.usable(now).is_some() { PAUSE } else { PAUSE_WITHOUT };
                state.next_try = Some(now + pause);
                if search { Err(AuthError::GoogleKeysAway) } else { settle(state.look(&kid, now)) }
            }
        }
    }

    fn look(&self, kid: &str) -> Look {
        self.state.borrow().look(kid, Instant::now())
    }
}

fn settle(look: Look) -> Result<Option<Arc<DecodingKey>>, AuthError> {
    match look {
        Look::Found(key) => Ok(Some(key)),
        Look::Unknown => Ok(None),
        Look::Away | Look::Fetch { .. } => Err(AuthError::GoogleKeysAway),
    }
}

/// The keys, and how long they are fresh.
async fn fetch(
    url: &Url,
    timeout: Duration,
) -> Result<(HashMap<String, Arc<DecodingKey>>, Duration), FetchError> {
    let client = reqwest::Client::builder()
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()?;
    let mut response = client.get(url.clone()).send().await?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    let control = response.headers().get(reqwest::header::CACHE_CONTROL);
    let life = control.and_then(|value| max_age(value.to_str().ok()?)).unwrap_or(*FRESH.start());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    let keys = read_keys(&body)?;
    Ok((keys, life.clamp(*FRESH.start(), *FRESH.end())))
}

/// `max-age` of a `Cache-Control` header (RFC 9111, 5.2.2.1).
fn max_age(control: &str) -> Option<Duration> {
    let directives = control.split(',').map(str::trim);
    let secs = directives.filter_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| value.trim_matches('"').parse().ok())?
    });
    secs.min().map(Duration::from_secs)
}

fn read_keys(body: &[u8]) -> Result<HashMap<String, Arc<DecodingKey>>, FetchError> {
    let Served { keys } = serde_json::from_slice(body)?;
    let read = |key: serde_json::Value| {
        let Jwk { common, algorithm } = serde_json::from_value(key).ok()?;
        let signs = common.public_key_use.is_none_or(|purpose| purpose == PublicKeyUse::Signature)
            && common.key_algorithm.is_none_or(|algorithm| algorithm == KeyAlgorithm::RS256);
        let AlgorithmParameters::RSA(rsa) = algorithm else { return None };
        let key = DecodingKey::from_rsa_components(&rsa.n, &rsa.e).ok()?;
        signs.then_some((common.key_id?, Arc::new(key)))
    };
    let keys: HashMap<_, _> = keys.into_iter().filter_map(read).take(MAX_KEYS).collect();
    if keys.is_empty() { Err(FetchError::NoKeys) } else { Ok(keys) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    const RSA: &str = r#"{"kty":"RSA","kid":"a","use":"sig","alg":"RS256","n":"AQAB","e":"AQAB"}"#;

    fn served(keys: &str) -> Result<HashMap<String, Arc<DecodingKey>>, FetchError> {
        read_keys(format!(r#"{{"keys":[{keys}]}}"#).as_bytes())
    }

    fn state(now: Instant, fresh_secs: i64) -> State {
        let keys = served(RSA).unwrap();
        let fresh_until = match u64::try_from(fresh_secs) {
            Ok(secs) => now + Duration::from_secs(secs),
            Err(_) => now - Duration::from_secs(fresh_secs.unsigned_abs()),
        };
        State { held: Some(Held { keys, fresh_until }), next_try: None, next_search: None }
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(10 * 86_400)
    }

    #[test]
    fn a_fresh_set_answers_and_is_fetched_for_a_missing_key_after_a_pause() {
        let now = later();
        let mut state = state(now, 60);
        assert!(matches!(state.look("a", now), Look::Found(_)));
        assert!(matches!(state.look("b", now), Look::Fetch { search: true }));
        state.next_search = Some(now + PAUSE);
        assert!(matches!(state.look("b", now), Look::Unknown));
        assert!(matches!(state.look("b", now + PAUSE), Look::Fetch { .. }));
    }

    #[test]
    fn a_set_that_is_out_of_date_is_fetched_again_and_serves_meanwhile() {
        let now = later();
        let mut state = state(now, -60);
        assert!(matches!(state.look("a", now), Look::Fetch { search: false }));
        state.next_try = Some(now + PAUSE);
        assert!(matches!(state.look("a", now), Look::Found(_)));
        assert!(matches!(state.look("b", now), Look::Away), "nobody can tell");
    }

    #[test]
    fn a_set_that_is_too_old_is_none() {
        let now = later();
        let mut state = state(now, -86_400);
        assert!(matches!(state.look("a", now), Look::Fetch { search: false }));
        state.next_try = Some(now + PAUSE_WITHOUT);
        assert!(matches!(state.look("a", now), Look::Away));
    }

    #[test]
    fn of_a_set_the_keys_that_can_be_used_are_kept() {
        let others = [
            r#"{"kty":"EC","kid":"b","crv":"P-256","x":"AQAB","y":"AQAB"}"#,
            r#"{"kty":"unheard","kid":"c"}"#,
            r#"{"kty":"RSA","kid":"d","use":"enc","n":"AQAB","e":"AQAB"}"#,
            r#"{"kty":"RSA","kid":"e","alg":"RS512","n":"AQAB","e":"AQAB"}"#,
            r#"{"kty":"RSA","use":"sig","n":"AQAB","e":"AQAB"}"#,
            r#"{"kty":"RSA","kid":"f"}"#,
            "7",
        ];
        let all = served(&format!("{},{RSA}", others.join(","))).unwrap();
        assert_eq!(all.keys().collect::<Vec<_>>(), ["a"]);
        assert!(matches!(served(&others.join(",")), Err(FetchError::NoKeys)));
        assert!(matches!(read_keys(b"<html>"), Err(FetchError::Malformed(_))));
    }

    #[test]
    fn the_age_in_a_header_is_read() {
        for (control, secs) in [
            ("public, max-age=21600, must-revalidate, no-transform", Some(21_600)),
            ("Max-Age=\"7\"", Some(7)),
            ("s-maxage=9, max-age=5", Some(5)),
            ("max-age=-1", None),
            ("no-store", None),
        ] {
            assert_eq!(max_age(control), secs.map(Duration::from_secs), "{control}");
        }
    }
}

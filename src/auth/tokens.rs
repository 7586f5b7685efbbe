//! Access and refresh tokens: JWT, HS256.
//!
//! Invariant: the two kinds differ in `typ`, `aud` and key, so neither ever passes for the other. Signing is
//! deterministic: the same claims give the same token, which is how a lost reply can be repeated.

use aws_lc_rs::hmac;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::AuthError;
use super::model::SessionId;
use crate::config::AuthConfig;
use crate::users::model::UserId;

const ACCESS: Kind = Kind { typ: "access", audience: "ayrene:access" };
const REFRESH: Kind = Kind { typ: "refresh", audience: "ayrene:refresh" };

struct Kind {
    typ: &'static str,
    audience: &'static str,
}

#[derive(Debug, Serialize, Deserialize)]
struct AccessClaims {
    #[serde(rename = "userId")]
    user_id: String,
    sid: String,
    jti: String,
    typ: String,
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct RefreshClaims {
    #[serde(rename = "userId")]
    user_id: String,
    sid: String,
    #[serde(rename = "gen")]
    generation: u64,
    jti: String,
    typ: String,
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
}

/// What a refresh token says. Times in ms.
#[derive(Debug, Clone)]
pub struct RefreshToken {
    /// Whose.
    pub user_id: UserId,
    /// Of which session.
    pub session_id: SessionId,
    /// How often the session's token had been exchanged before this one was made, plus one.
    pub generation: u64,
    /// Unique name of the token.
    pub jti: String,
    /// When it was made.
    pub issued_ms: i64,
    /// When it ends.
    pub expires_ms: i64,
}

struct Keys {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

/// Makes and reads tokens.
pub struct Tokens {
    access: Keys,
    refresh: Keys,
    issuer: String,
    access_ttl_secs: i64,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tokens").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Tokens {
    /// Tokens signed with keys derived from `secret`.
    pub fn new(secret: &SecretString, config: &AuthConfig) -> Self {
        Self {
            access: Keys::derive(secret, &ACCESS, &config.issuer),
            refresh: Keys::derive(secret, &REFRESH, &config.issuer),
            issuer: config.issuer.clone(),
            access_ttl_secs: config.access_ttl_secs as i64,
        }
    }

    /// An access token of a session, from now on.
    pub fn access(&self, user_id: &UserId, session_id: &SessionId) -> Result<String, AuthError> {
        let now = chrono::Utc::now().timestamp();
        self.access.sign(&AccessClaims {
            user_id: user_id.to_string(),
            sid: session_id.to_string(),
            jti: nanoid::nanoid!(),
            typ: ACCESS.typ.to_owned(),
            iss: self.issuer.clone(),
            aud: ACCESS.audience.to_owned(),
            iat: now,
            exp: now + self.access_ttl_secs,
        })
    }

    /// The signed form of a refresh token.
    pub fn refresh(&self, token: &RefreshToken) -> Result<String, AuthError> {
        self.refresh.sign(&RefreshClaims {
            user_id: token.user_id.to_string(),
            sid: token.session_id.to_string(),
            generation: token.generation,
            jti: token.jti.clone(),
            typ: REFRESH.typ.to_owned(),
            iss: self.issuer.clone(),
            aud: REFRESH.audience.to_owned(),
            iat: token.issued_ms / 1000,
            exp: token.expires_ms / 1000,
        })
    }

    /// Whose session an access token belongs to.
    pub fn read_access(&self, token: &str) -> Result<(UserId, SessionId), AuthError> {
        let claims: AccessClaims = self.access.read(token)?;
        if claims.typ != ACCESS.typ {
            return Err(AuthError::InvalidToken);
        }
        whose(&claims.user_id, &claims.sid)
    }

    /// What a refresh token says.
    pub fn read_refresh(&self, token: &str) -> Result<RefreshToken, AuthError> {
        let claims: RefreshClaims = self.refresh.read(token)?;
        if claims.typ != REFRESH.typ {
            return Err(AuthError::InvalidToken);
        }
        let (user_id, session_id) = whose(&claims.user_id, &claims.sid)?;
        Ok(RefreshToken {
            user_id,
            session_id,
            generation: claims.generation,
            jti: claims.jti,
            issued_ms: claims.iat * 1000,
            expires_ms: claims.exp * 1000,
        })
    }
}

fn whose(user_id: &str, session_id: &str) -> Result<(UserId, SessionId), AuthError> {
    UserId::parse(user_id).zip(SessionId::parse(session_id)).ok_or(AuthError::InvalidToken)
}

impl Keys {
    /// HMAC of the kind's name under the secret: one secret to configure, two keys in use.
    fn derive(secret: &SecretString, kind: &Kind, issuer: &str) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let key = hmac::sign(&root, kind.audience.as_bytes());
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.set_audience(&[kind.audience]);
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss"]);
        Self {
            encoding: EncodingKey::from_secret(key.as_ref()),
            decoding: DecodingKey::from_secret(key.as_ref()),
            validation,
        }
    }

    fn sign(&self, claims: &impl Serialize) -> Result<String, AuthError> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.encoding)
            .map_err(|error| AuthError::Crypto(error.to_string()))
    }

    fn read<T: DeserializeOwned>(&self, token: &str) -> Result<T, AuthError> {
        if !is_token(token) {
            return Err(AuthError::MalformedToken);
        }
        jsonwebtoken::decode(token, &self.decoding, &self.validation)
            .map(|data| data.claims)
            .map_err(|_| AuthError::InvalidToken)
    }
}

/// Whether `text` has the form of a JWT (RFC 7519, 3): three parts, the first two JSON objects in base64url.
fn is_token(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let is_object = |part: &&str| {
        let bytes = data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).ok();
        bytes.is_some_and(|bytes| serde_json::from_slice::<serde_json::Map<_, _>>(&bytes).is_ok())
    };
    parts.len() == 3 && parts[..2].iter().all(is_object)
}

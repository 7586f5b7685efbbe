//! The session manager's only way to the datastore: one function per script.

mod closing;
mod google;
mod guesses;
mod opening;
mod phone;
mod proofs;

pub(super) use closing::{Closed, Recovered, Taken};
pub(super) use google::Linked;
pub(super) use opening::{News, Opened, Opening};
pub(super) use phone::{Asker, Guessed, Issued};

use std::collections::HashMap;

use redis::cmd;
use serde::Deserialize;

use super::courier::{self, Leaving, Left};
use super::keys::{self, PENDING_MS, ProofKind};
use super::model::{Account, GoogleSub, Session, SessionId};
use super::tokens::RefreshToken;
use crate::config::{AuthConfig, GuessConfig};
use crate::redis::{Key, Redis, RedisFailure, Script};
use crate::script;
use crate::users::model::{Email, UserId, Username};

static CLAIM: Script = script!("auth/claim", 1);
static CONFIRM_CLAIM: Script = script!("auth/confirm_claim", 1);
static RELEASE_CLAIM: Script = script!("auth/release_claim", 1);
static CREATE_ACCOUNT: Script = script!("auth/create_account", 1);
static CHECK_SESSION: Script = script!("auth/check_session", 2);
static ROTATE_SESSION: Script = script!("auth/rotate_session", 2);
static END_SESSIONS: Script = script!("auth/end_sessions", 1);

/// A claim on a name as it stands in the datastore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim(String);

impl Claim {
    /// Whose it is.
    pub(super) fn holder(&self) -> Option<UserId> {
        UserId::parse(self.0.split(':').next().unwrap_or_default())
    }
}

/// Outcome of claiming a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    Own,
    /// Somebody has it; `confirmed` unless it is about to lapse.
    Taken {
        claim: Claim,
        confirmed: bool,
    },
}

/// A unique name: an e-mail address, a username, somebody's id at Google, or the digest of a phone number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Name<'a> {
    Email(&'a Email),
    Username(&'a Username),
    Google(&'a GoogleSub),
    Phone(&'a str),
}

/// An account to be made.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewAccount<'a> {
    pub(super) email: Option<&'a Email>,
    pub(super) username: &'a Username,
    pub(super) password_hash: Option<&'a str>,
    /// Who it is at Google, which has proven the address.
    pub(super) google: Option<&'a GoogleSub>,
    /// Digest of the number.
    pub(super) phone: Option<&'a str>,
    /// `EMAIL`, `GOOGLE` or `PHONE`.
    pub(super) via: &'static str,
}

impl NewAccount<'_> {
    pub(super) fn has_proven_email(&self) -> bool {
        self.google.is_some() && self.email.is_some()
    }
}

/// Whether a session lives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Liveness {
    NoAccount,
    NoSession,
    /// Once a minute its use is noted, at so many µs by the datastore's clock.
    Alive {
        noted_us: Option<i64>,
    },
}

/// What ending sessions has done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) ended: u32,
    pub(super) left: u32,
    pub(super) at_us: i64,
}

/// Outcome of exchanging a refresh token.
#[derive(Debug)]
pub(super) enum Rotation {
    NoAccount,
    NoSession,
    /// The token that is current from now on, or was already.
    Current(RefreshToken),
    Reused(Ended),
}

/// An account with its password hash.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) account: Account,
    /// The name at registration, which a profile that was never written begins with.
    pub(super) first_username: Username,
    pub(super) password_hash: Option<String>,
    /// Digest of the linked Google account's id.
    pub(super) google: Option<String>,
    /// Digest of its phone number.
    pub(super) phone: Option<String>,
}

impl Credentials {
    /// Whether the account goes by this address: a claim from before may say so of one that mail to goes elsewhere.
    pub(super) fn has(&self, email: &Email) -> bool {
        Email::known(&self.account.email).is_ok_and(|own| own.key() == email.key())
    }
}

/// A session as `lua/auth/open_session.lua` writes it.
#[derive(Debug, Deserialize)]
struct StoredSession {
    exp: i64,
    made: i64,
    seen: i64,
    ip: String,
    ua: String,
}

#[derive(Debug, Clone)]
pub(super) struct AuthStore {
    redis: Redis,
    max_sessions: u32,
    refresh_ttl_ms: u64,
    grace_ms: u64,
    phone_codes: GuessConfig,
    phone_wrong_per_day: u32,
    recovery_ms: u64,
}

impl AuthStore {
    pub(super) fn new(redis: Redis, config: &AuthConfig) -> Self {
        Self {
            redis,
            max_sessions: config.max_sessions,
            refresh_ttl_ms: config.refresh_ttl_secs * 1000,
            grace_ms: config.refresh_grace_secs * 1000,
            phone_codes: config.phone_codes,
            phone_wrong_per_day: config.phone_wrong_per_day,
            recovery_ms: config.recovery_secs * 1000,
        }
    }

    fn account_key(&self, id: &UserId) -> Key {
        keys::account(self.redis.keyspace(), id)
    }

    fn sessions_key(&self, id: &UserId) -> Key {
        keys::sessions(self.redis.keyspace(), id)
    }

    fn notices_key(&self, id: &UserId) -> Key {
        keys::notices(self.redis.keyspace(), &courier::source_of(id))
    }

    fn proofs_key(&self, id: &UserId, kind: ProofKind) -> Key {
        keys::proofs(self.redis.keyspace(), id, kind)
    }

    fn name_key(&self, name: Name<'_>) -> Key {
        match name {
            Name::Email(email) => keys::email(self.redis.keyspace(), email),
            Name::Username(username) => keys::username(self.redis.keyspace(), username),
            Name::Google(sub) => keys::google(self.redis.keyspace(), sub),
            Name::Phone(digest) => keys::phone_claim(self.redis.keyspace(), digest),
        }
    }

    pub(super) async fn claim(&self, name: Name<'_>, id: &UserId) -> Result<Claimed, RedisFailure> {
        let key = self.name_key(name);
        let call = CLAIM.keys([&key]).arg(id.as_str()).arg(PENDING_MS);
        let reply: Vec<redis::Value> = call.run(&self.redis).await?;
        if let [_own] = reply.as_slice() {
            return Ok(Claimed::Own);
        }
        let (_taken, claim, ttl_ms): (u8, String, i64) = CLAIM.read(redis::Value::Array(reply))?;
        Ok(Claimed::Taken { claim: Claim(claim), confirmed: ttl_ms == -1 })
    }

    /// The claim as it stands from now on, unless it has lapsed.
    pub(super) async fn confirm_claim(
        &self,
        name: Name<'_>,
        id: &UserId,
    ) -> Result<Option<Claim>, RedisFailure> {
        let claim: Option<String> =
            CONFIRM_CLAIM.keys([&self.name_key(name)]).arg(id.as_str()).run(&self.redis).await?;
        Ok(claim.map(Claim))
    }

    /// False when the claim has changed since it was seen.
    pub(super) async fn release_claim(&self, name: Name<'_>, seen: &Claim) -> Result<bool, RedisFailure> {
        RELEASE_CLAIM.keys([&self.name_key(name)]).arg(&seen.0).run(&self.redis).await
    }

    /// Gives back whatever claim of this user there is.
    pub(super) async fn release_claim_of(&self, name: Name<'_>, id: &UserId) -> Result<bool, RedisFailure> {
        RELEASE_CLAIM.keys([&self.name_key(name)]).arg(id.as_str()).run(&self.redis).await
    }

    pub(super) async fn claim_on(&self, name: Name<'_>) -> Result<Option<Claim>, RedisFailure> {
        let claim: Option<String> =
            self.redis.command("GET claim", cmd("GET").arg(self.name_key(name))).await?;
        Ok(claim.map(Claim))
    }

    /// Gives back whatever claims of this user there are. What fails is left to lapse.
    pub(super) async fn give_back(&self, id: &UserId, names: &[Name<'_>]) {
        for name in names {
            if let Err(error) = self.release_claim_of(*name, id).await {
                tracing::debug!(%error, "a claim is left to lapse");
            }
        }
    }

    /// When the account was made, in ms; nothing when the id is in use.
    pub(super) async fn create_account(
        &self,
        id: &UserId,
        account: &NewAccount<'_>,
    ) -> Result<Option<i64>, RedisFailure> {
        let NewAccount { email, username, password_hash, google, phone, via } = *account;
        let google = google.map(keys::google_digest);
        let mut fields = vec![("username", username.as_str()), ("via", via)];
        fields.extend(email.map(|email| ("email", email.as_str())));
        fields.extend(password_hash.map(|hash| ("password", hash)));
        fields.extend(google.as_deref().map(|digest| ("google", digest)));
        fields.extend(phone.map(|digest| ("phone", digest)));
        fields.extend(account.has_proven_email().then_some(("verified", "")));
        let created_ms: i64 = CREATE_ACCOUNT
            .keys([&self.account_key(id)])
            .arg(PENDING_MS)
            .arg(&fields)
            .run(&self.redis)
            .await?;
        Ok((created_ms > 0).then_some(created_ms))
    }

    async fn account_fields(&self, id: &UserId) -> Result<HashMap<String, String>, RedisFailure> {
        self.redis.command("HGETALL account", cmd("HGETALL").arg(self.account_key(id))).await
    }

    /// The account, open or closed. One whose time has run out is as good as gone.
    pub(super) async fn credentials(&self, id: &UserId) -> Result<Option<Credentials>, RedisFailure> {
        let fields = self.account_fields(id).await?;
        Ok((!fields.is_empty() && !Self::is_lost(&fields)).then(|| credentials(id, fields)))
    }

    pub(super) async fn check_session(
        &self,
        id: &UserId,
        session: &SessionId,
    ) -> Result<Liveness, RedisFailure> {
        let call = CHECK_SESSION.keys([&self.account_key(id), &self.sessions_key(id)]).arg(session.as_str());
        let code: i64 = call.run(&self.redis).await?;
        Ok(match code {
            0 => Liveness::NoAccount,
            1 => Liveness::NoSession,
            2 => Liveness::Alive { noted_us: None },
            at_us => Liveness::Alive { noted_us: Some(at_us) },
        })
    }

    pub(super) async fn rotate_session(
        &self,
        presented: &RefreshToken,
        jti: &str,
    ) -> Result<Rotation, RedisFailure> {
        let id = &presented.user_id;
        let call = ROTATE_SESSION
            .keys([&self.account_key(id), &self.sessions_key(id)])
            .arg(presented.session_id.as_str())
            .arg(presented.generation)
            .arg(jti)
            .arg(self.grace_ms)
            .arg(self.refresh_ttl_ms)
            .arg(keys::events_channel(self.redis.keyspace(), id));
        let reply: Vec<redis::Value> = call.run(&self.redis).await?;
        match reply.as_slice() {
            [code] => {
                let code: u8 = ROTATE_SESSION.read(code.clone())?;
                return Ok(if code == 0 { Rotation::NoAccount } else { Rotation::NoSession });
            }
            [_reused, _, _] => {
                let (_, left, at_us): (u8, u32, i64) = ROTATE_SESSION.read(redis::Value::Array(reply))?;
                return Ok(Rotation::Reused(Ended { ended: 1, left, at_us }));
            }
            _ => {}
        }
        let (_current, generation, jti, issued_ms, expires_ms): (u8, u64, String, i64, i64) =
            ROTATE_SESSION.read(redis::Value::Array(reply))?;
        let (user_id, session_id) = (id.clone(), presented.session_id.clone());
        Ok(Rotation::Current(RefreshToken { user_id, session_id, generation, jti, issued_ms, expires_ms }))
    }

    pub(super) async fn end_sessions(&self, id: &UserId, which: &str) -> Result<Ended, RedisFailure> {
        let call = END_SESSIONS.keys([&self.sessions_key(id)]).arg(which);
        let call = call.arg(keys::events_channel(self.redis.keyspace(), id));
        let (ended, left, at_us): (u32, u32, i64) = call.run(&self.redis).await?;
        Ok(Ended { ended, left, at_us })
    }

    /// Live sessions, newest first.
    pub(super) async fn sessions(&self, id: &UserId) -> Result<Vec<Session>, RedisFailure> {
        let key = self.sessions_key(id);
        let stored: HashMap<String, String> =
            self.redis.command("HGETALL sessions", cmd("HGETALL").arg(&key)).await?;
        let now_ms = chrono::Utc::now().timestamp_millis();
        let mut sessions: Vec<Session> = stored
            .into_iter()
            .filter_map(|(id, json)| Some((id, serde_json::from_str::<StoredSession>(&json).ok()?)))
            .filter(|(_, stored)| stored.exp > now_ms)
            .map(|(id, stored)| Session {
                id,
                ip: stored.ip,
                user_agent: stored.ua,
                created_ms: stored.made,
                seen_ms: stored.seen,
            })
            .collect();
        sessions.sort_by_key(|session| std::cmp::Reverse(session.created_ms));
        Ok(sessions)
    }
}

/// The first number of a script's array.
fn code(reply: &[redis::Value]) -> i64 {
    match reply.first() {
        Some(redis::Value::Int(code)) => *code,
        _ => 0,
    }
}

/// What the scripts that leave notices have in common: 0 stands for nobody, 1 for a lapsed lease, 2 for a backlog; `read`
/// reads anything else.
fn leaving<T>(
    reply: Vec<redis::Value>,
    read: impl FnOnce(redis::Value) -> Result<T, RedisFailure>,
) -> Result<Leaving<Option<T>>, RedisFailure> {
    match code(&reply) {
        0 => Ok(Leaving::Done(None)),
        1 => Ok(Leaving::Lapsed),
        2 => Ok(Leaving::Backlog),
        _ => read(redis::Value::Array(reply)).map(|outcome| Leaving::Done(Some(outcome))),
    }
}

/// Reads `{code, id, notices, ended, now}` of scripts that end every session.
fn left_and_ended(script: &Script, reply: redis::Value) -> Result<(Left, Ended), RedisFailure> {
    let (_done, last, pending, ended, at_us): (u8, u64, Vec<String>, u32, i64) = script.read(reply)?;
    Ok((Left::new(last, &pending), Ended { ended, left: 0, at_us }))
}

fn millis(fields: &HashMap<String, String>, name: &str) -> Option<i64> {
    fields.get(name).and_then(|text| text.parse().ok())
}

fn credentials(id: &UserId, mut fields: HashMap<String, String>) -> Credentials {
    let account = Account {
        id: id.to_string(),
        created_ms: millis(&fields, "created").unwrap_or_default(),
        login_ms: millis(&fields, "login").unwrap_or_default(),
        email_verified_ms: millis(&fields, "verified"),
        email: fields.remove("email").unwrap_or_default(),
        signed_up_using: fields.remove("via").unwrap_or_default(),
    };
    let first_username = Username::accepted(fields.remove("username").unwrap_or_default());
    let mut field = |name| fields.remove(name);
    let (password_hash, google, phone) = (field("password"), field("google"), field("phone"));
    Credentials { account, first_username, password_hash, google, phone }
}

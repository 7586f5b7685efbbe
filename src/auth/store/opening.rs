//! Opening sessions.

use redis::Value;

use super::{AuthStore, code, leaving};
use crate::auth::courier::{Leaving, Left, Slip};
use crate::auth::keys::{self, DEVICE_MS, DEVICES, ProofKind};
use crate::auth::model::{Device, SessionId};
use crate::auth::proofs::Proof;
use crate::redis::{RedisFailure, Script};
use crate::script;
use crate::users::model::UserId;

static OPEN_SESSION: Script = script!("auth/open_session", 5);

/// What is said of a session to be opened, besides its own.
pub(in crate::auth) struct News {
    /// Digest of the device.
    pub(in crate::auth) device: String,
    /// What the notice carries to verify the address; without one the notice is about the device.
    pub(in crate::auth) proof: Option<Proof>,
    /// What the account's password must still be.
    pub(in crate::auth) password_hash: Option<String>,
}

/// Outcome of opening a session.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::auth) enum Opening {
    /// The account is closed.
    Closed,
    Done(Opened),
}

/// An opened session.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::auth) struct Opened {
    pub(in crate::auth) issued_ms: i64,
    pub(in crate::auth) expires_ms: i64,
    pub(in crate::auth) opened_us: i64,
    pub(in crate::auth) left: Option<Left>,
}

impl AuthStore {
    /// Nothing when there is no such account, or not with that password any more.
    pub(in crate::auth) async fn open_session(
        &self,
        id: &UserId,
        session: &SessionId,
        jti: &str,
        device: &Device,
        news: &News,
        slip: Slip,
    ) -> Result<Leaving<Option<Opening>>, RedisFailure> {
        let space = self.redis.keyspace();
        let (digest, ttl_ms) =
            news.proof.as_ref().map_or(("", 0), |proof| (proof.digest.as_str(), proof.ttl_ms));
        let reply: Vec<Value> = OPEN_SESSION
            .keys([
                &self.account_key(id),
                &self.sessions_key(id),
                &keys::devices(space, id),
                &self.proofs_key(id, ProofKind::VerifyEmail),
                &self.notices_key(id),
            ])
            .arg(&[session.as_str(), jti, &device.ip.to_string(), &device.user_agent])
            .arg(self.refresh_ttl_ms)
            .arg(self.max_sessions)
            .arg(keys::events_channel(space, id))
            .arg(&news.device)
            .arg(DEVICE_MS)
            .arg(DEVICES)
            .arg(digest)
            .arg(ttl_ms)
            .arg(news.password_hash.as_deref().unwrap_or_default())
            .arg(slip.arguments())
            .run(&self.redis)
            .await?;
        if code(&reply) == 4 {
            return Ok(Leaving::Done(Some(Opening::Closed)));
        }
        leaving(reply, |reply| {
            let (_opened, issued_ms, expires_ms, opened_us, last, pending): (u8, _, _, _, u64, Vec<String>) =
                OPEN_SESSION.read(reply)?;
            let left = (last > 0).then(|| Left::new(last, &pending));
            Ok(Opening::Done(Opened { issued_ms, expires_ms, opened_us, left }))
        })
    }
}

//! Tokens in mails, and what they allow.

use redis::Value;

use super::{AuthStore, Ended, leaving, left_and_ended};
use crate::auth::courier::{Leaving, Left, Slip};
use crate::auth::keys::{self, ProofKind};
use crate::config::GuessConfig;
use crate::redis::throttle::{self, Verdict};
use crate::redis::{RedisFailure, Script};
use crate::script;
use crate::users::model::{Email, UserId};

static ISSUE_PROOF: Script = script!("auth/issue_proof", 3);
static CHECK_PROOF: Script = script!("auth/check_proof", 2);
static VERIFY_EMAIL: Script = script!("auth/verify_email", 2);
static RESET_PASSWORD: Script = script!("auth/reset_password", 4);

/// Tokens of a kind that may live at a time.
const LIVE: u32 = 3;

impl AuthStore {
    /// Keeps a token's digest and leaves the notice that carries the token. Nothing when there is no such account.
    pub(in crate::auth) async fn issue_proof(
        &self,
        id: &UserId,
        kind: ProofKind,
        digest: &str,
        ttl_ms: u64,
        slip: Slip,
    ) -> Result<Leaving<Option<Left>>, RedisFailure> {
        let reply: Vec<Value> = ISSUE_PROOF
            .keys([&self.account_key(id), &self.proofs_key(id, kind), &self.notices_key(id)])
            .arg(digest)
            .arg(ttl_ms)
            .arg(LIVE)
            .arg(slip.arguments())
            .run(&self.redis)
            .await?;
        leaving(reply, |reply| {
            let (_kept, last, pending): (u8, u64, Vec<String>) = ISSUE_PROOF.read(reply)?;
            Ok(Left::new(last, &pending))
        })
    }

    /// Whether a token would be taken.
    pub(in crate::auth) async fn check_proof(
        &self,
        id: &UserId,
        kind: ProofKind,
        digest: &str,
    ) -> Result<bool, RedisFailure> {
        let call = CHECK_PROOF.keys([&self.account_key(id), &self.proofs_key(id, kind)]);
        call.arg(digest).run(&self.redis).await
    }

    /// False when there is no such token any more.
    pub(in crate::auth) async fn verify_email(
        &self,
        id: &UserId,
        digest: &str,
    ) -> Result<bool, RedisFailure> {
        let call = VERIFY_EMAIL.keys([&self.account_key(id), &self.proofs_key(id, ProofKind::VerifyEmail)]);
        call.arg(digest).run(&self.redis).await
    }

    /// Nothing when there is no such token any more.
    pub(in crate::auth) async fn reset_password(
        &self,
        id: &UserId,
        digest: &str,
        password_hash: &str,
        slip: Slip,
    ) -> Result<Leaving<Option<(Left, Ended)>>, RedisFailure> {
        let proofs = self.proofs_key(id, ProofKind::ResetPassword);
        let reply: Vec<Value> = RESET_PASSWORD
            .keys([&self.account_key(id), &self.sessions_key(id), &proofs, &self.notices_key(id)])
            .arg(digest)
            .arg(password_hash)
            .arg(keys::events_channel(self.redis.keyspace(), id))
            .arg(slip.arguments())
            .run(&self.redis)
            .await?;
        leaving(reply, |reply| left_and_ended(&RESET_PASSWORD, reply))
    }

    /// Counts a mail with a link to `who`, an address' or account's digest.
    pub(in crate::auth) async fn begin_mail(
        &self,
        who: &str,
        policy: GuessConfig,
    ) -> Result<Verdict, RedisFailure> {
        throttle::begin(&self.redis, &keys::mail_requests(self.redis.keyspace(), who), policy).await
    }

    /// Counts a mail that a registration sends to a mailbox.
    pub(in crate::auth) async fn begin_registration_mail(
        &self,
        email: &Email,
        policy: GuessConfig,
    ) -> Result<Verdict, RedisFailure> {
        throttle::begin(&self.redis, &keys::registration_mails(self.redis.keyspace(), email), policy).await
    }

    /// Counts a mail with a link that was asked for, to a mailbox.
    pub(in crate::auth) async fn begin_mail_to(
        &self,
        email: &Email,
        policy: GuessConfig,
    ) -> Result<Verdict, RedisFailure> {
        throttle::begin(&self.redis, &keys::mailbox_mails(self.redis.keyspace(), email), policy).await
    }
}

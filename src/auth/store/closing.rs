//! Accounts that are closed, come back, or are purged.

use redis::{Value, cmd, pipe};

use super::{AuthStore, Credentials, Name, RELEASE_CLAIM, code, leaving, millis};
use crate::auth::courier::{Leaving, Left, Slip};
use crate::auth::keys::{self, ProofKind};
use crate::redis::{RedisFailure, Script};
use crate::script;
use crate::users::messages::Standing;
use crate::users::model::{Email, UserId, Username};

static CLOSE_ACCOUNT: Script = script!("auth/close_account", 3);
static RECOVER_ACCOUNT: Script = script!("auth/recover_account", 2);
static TAKE_ACCOUNT: Script = script!("auth/take_account", 1);

/// Outcome of closing an account.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::auth) enum Closed {
    Before,
    Now { at_us: i64, left: Option<Left> },
}

/// Outcome of bringing an account back.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::auth) enum Recovered {
    Open,
    Now { left: Left },
}

/// Outcome of taking an account whose time has run out.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::auth) enum Taken {
    NoAccount,
    Open,
    /// It can still be brought back.
    Early,
    Ours,
}

impl AuthStore {
    /// Nothing when there is no such account. `entered_ms` is when it was registered as one at hand.
    pub(in crate::auth) async fn close_account(
        &self,
        id: &UserId,
        entered_ms: u64,
        tells: bool,
        slip: Slip,
    ) -> Result<Leaving<Option<Closed>>, RedisFailure> {
        let reply: Vec<Value> = CLOSE_ACCOUNT
            .keys([&self.account_key(id), &self.sessions_key(id), &self.notices_key(id)])
            .arg(self.recovery_ms)
            .arg(keys::events_channel(self.redis.keyspace(), id))
            .arg(entered_ms)
            .arg(u8::from(tells))
            .arg(slip.arguments())
            .run(&self.redis)
            .await?;
        if code(&reply) == 3 {
            return Ok(Leaving::Done(Some(Closed::Before)));
        }
        leaving(reply, |reply| {
            let (_closed, at_us, last, pending): (u8, i64, u64, Vec<String>) = CLOSE_ACCOUNT.read(reply)?;
            Ok(Closed::Now { at_us, left: (last > 0).then(|| Left::new(last, &pending)) })
        })
    }

    /// Nothing when there is no such account, or not any more. `entered_ms` is when it was registered as one at hand.
    pub(in crate::auth) async fn recover_account(
        &self,
        id: &UserId,
        entered_ms: u64,
        slip: Slip,
    ) -> Result<Leaving<Option<Recovered>>, RedisFailure> {
        let reply: Vec<Value> = RECOVER_ACCOUNT
            .keys([&self.account_key(id), &self.notices_key(id)])
            .arg(entered_ms)
            .arg(slip.arguments())
            .run(&self.redis)
            .await?;
        if code(&reply) == 3 {
            return Ok(Leaving::Done(Some(Recovered::Open)));
        }
        leaving(reply, |reply| {
            let (_back, last, pending): (u8, u64, Vec<String>) = RECOVER_ACCOUNT.read(reply)?;
            Ok(Recovered::Now { left: Left::new(last, &pending) })
        })
    }

    pub(in crate::auth) async fn take_account(&self, id: &UserId) -> Result<Taken, RedisFailure> {
        let code: u8 = TAKE_ACCOUNT.keys([&self.account_key(id)]).run(&self.redis).await?;
        Ok(match code {
            0 => Taken::NoAccount,
            1 => Taken::Open,
            2 => Taken::Early,
            _ => Taken::Ours,
        })
    }

    /// Whether the account is being purged.
    pub(in crate::auth) async fn is_taken(&self, id: &UserId) -> Result<bool, RedisFailure> {
        let command = cmd("HEXISTS").arg(self.account_key(id)).arg("purging").to_owned();
        self.redis.command("HEXISTS account", &command).await
    }

    /// Nothing when there is no account. The time is from before the look: what is made after it may be of a later
    /// generation.
    pub(in crate::auth) async fn standing(&self, id: &UserId) -> Result<Option<Standing>, RedisFailure> {
        let mut pipeline = pipe();
        pipeline.cmd("TIME");
        pipeline.cmd("HMGET").arg(self.account_key(id)).arg(&["created", "gen"]);
        let ((secs, micros), (created, generation)): ((u64, u64), (Option<String>, Option<u64>)) =
            self.redis.pipeline("HMGET account", &pipeline).await?;
        let as_of_us = secs * 1_000_000 + micros;
        Ok(created.map(|_| Standing { generation: generation.unwrap_or_default(), as_of_us }))
    }

    /// The account whatever its state, for those who purge it.
    pub(in crate::auth) async fn any_credentials(
        &self,
        id: &UserId,
    ) -> Result<Option<Credentials>, RedisFailure> {
        let fields = self.account_fields(id).await?;
        Ok((!fields.is_empty()).then(|| super::credentials(id, fields)))
    }

    /// Whether nobody can log in to an account of these fields any more.
    pub(super) fn is_lost(fields: &std::collections::HashMap<String, String>) -> bool {
        let now_ms = chrono::Utc::now().timestamp_millis();
        fields.contains_key("purging") || millis(fields, "until").is_some_and(|until: i64| until <= now_ms)
    }

    /// Gives back whatever names of this user are claimed.
    pub(in crate::auth) async fn release_names(
        &self,
        id: &UserId,
        credentials: &Credentials,
        usernames: &[Username],
    ) -> Result<(), RedisFailure> {
        let space = self.redis.keyspace();
        let email = Email::known(&credentials.account.email).ok();
        let names = email.iter().map(Name::Email).chain(usernames.iter().map(Name::Username));
        let names = names.chain(credentials.phone.as_deref().map(Name::Phone));
        let google = credentials.google.as_deref().map(|digest| keys::google_of(space, digest));
        for key in names.map(|name| self.name_key(name)).chain(google).collect::<Vec<_>>() {
            let _released: bool = RELEASE_CLAIM.keys([&key]).arg(id.as_str()).run(&self.redis).await?;
        }
        Ok(())
    }

    /// Forgets who guessed at an account's password, from where it was logged in to, and mails that were asked for.
    pub(in crate::auth) async fn forget_guessers(&self, id: &UserId) -> Result<(), RedisFailure> {
        let (space, who) = (self.redis.keyspace(), id.as_str());
        let known = keys::known_addresses(space, who);
        let addresses: Vec<String> =
            self.redis.command("ZRANGE known", cmd("ZRANGE").arg(&known).arg(0).arg(-1)).await?;
        let mut command = cmd("DEL");
        command.arg(keys::account_guesses(space, who));
        for address in addresses.iter().filter_map(|address| address.parse().ok()) {
            command.arg(keys::account_guesses_from(space, who, address));
        }
        let () = self.redis.command("DEL guesses", command.arg(&known)).await?;
        self.redis.command("DEL mail", cmd("DEL").arg(keys::mail_requests(space, who))).await
    }

    /// Removes an account with all that lies beside it.
    pub(in crate::auth) async fn erase_account(&self, id: &UserId) -> Result<(), RedisFailure> {
        let mut command = cmd("DEL");
        command.arg(self.sessions_key(id)).arg(self.notices_key(id));
        command.arg(keys::devices(self.redis.keyspace(), id));
        for kind in [ProofKind::ResetPassword, ProofKind::VerifyEmail] {
            command.arg(self.proofs_key(id, kind));
        }
        self.redis.command("DEL account", command.arg(self.account_key(id))).await
    }
}

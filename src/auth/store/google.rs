//! Links between accounts and Google's.

use redis::Value;

use super::{AuthStore, Ended, code, leaving, left_and_ended};
use crate::auth::courier::{Leaving, Left, Slip};
use crate::auth::keys;
use crate::auth::model::GoogleSub;
use crate::redis::{RedisFailure, Script};
use crate::script;
use crate::users::model::UserId;

static LINK_GOOGLE: Script = script!("auth/link_google", 3);

/// Outcome of linking a Google account.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::auth) enum Linked {
    /// Another Google account is linked.
    Another,
    /// This one was already.
    Before,
    /// This one is from now on.
    Now { left: Left, ended: Ended },
}

impl AuthStore {
    /// Nothing when there is no such account.
    pub(in crate::auth) async fn link_google(
        &self,
        id: &UserId,
        sub: &GoogleSub,
        slip: Slip,
    ) -> Result<Leaving<Option<Linked>>, RedisFailure> {
        let reply: Vec<Value> = LINK_GOOGLE
            .keys([&self.account_key(id), &self.sessions_key(id), &self.notices_key(id)])
            .arg(keys::google_digest(sub))
            .arg(keys::events_channel(self.redis.keyspace(), id))
            .arg(slip.arguments())
            .run(&self.redis)
            .await?;
        match code(&reply) {
            3 => Ok(Leaving::Done(Some(Linked::Another))),
            4 => Ok(Leaving::Done(Some(Linked::Before))),
            _ => leaving(reply, |reply| {
                let (left, ended) = left_and_ended(&LINK_GOOGLE, reply)?;
                Ok(Linked::Now { left, ended })
            }),
        }
    }
}

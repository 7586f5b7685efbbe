//! Links of accounts that are closed, come back, or are purged.

use redis::cmd;

use super::LinkStore;
use crate::redis::{RedisFailure, Script};
use crate::script;
use crate::shortener::keys;
use crate::shortener::model::ShortCode;
use crate::users::messages::Standing;
use crate::users::model::UserId;

static SUSPEND: Script = script!("shortener/suspend", 1);
static PURGE: Script = script!("shortener/purge", 9);

impl LinkStore {
    /// A page of an owner's codes from a listing on, the newest first, and where the next one begins.
    pub(in crate::shortener) async fn codes_before(
        &self,
        owner: &UserId,
        before_us: Option<u64>,
        count: u64,
    ) -> Result<(Vec<ShortCode>, Option<u64>), RedisFailure> {
        let mut command = cmd("ZRANGE");
        command.arg(keys::links_of(self.redis.keyspace(), owner));
        command.arg(before_us.map_or_else(|| "+inf".to_owned(), |us| us.to_string())).arg("-inf");
        command.arg("BYSCORE").arg("REV").arg("LIMIT").arg(0).arg(count).arg("WITHSCORES");
        let entries: Vec<(String, f64)> = self.bulk.command("ZRANGE links", &command).await?;
        let last = entries.last().map(|(_, listed)| *listed as u64);
        // The last one stands on the next page too, in case others were listed in the same microsecond; but not for ever.
        let next = last.filter(|_| entries.len() as u64 == count).map(|last| match before_us {
            Some(before) if before == last => last.saturating_sub(1),
            _ => last,
        });
        Ok((entries.iter().filter_map(|(code, _)| ShortCode::parse(code)).collect(), next))
    }

    /// False when the link is not the owner's, was made later, or is in line with this generation or a later one.
    pub(in crate::shortener) async fn suspend(
        &self,
        code: &ShortCode,
        owner: &UserId,
        standing: Standing,
    ) -> Result<bool, RedisFailure> {
        let call = SUSPEND.keys([&self.link(code)]).arg(owner.as_str()).arg(standing.generation);
        let call = call.arg(standing.as_of_us / 1000).arg(self.channel()).arg(code.as_str());
        let code: u8 = call.run(&self.redis).await?;
        Ok(code == 2)
    }

    /// False when the link is not the owner's.
    pub(in crate::shortener) async fn purge(
        &self,
        code: &ShortCode,
        owner: &UserId,
    ) -> Result<bool, RedisFailure> {
        let space = self.redis.keyspace();
        let [requests, asked, closed] = self.request_keys(code);
        let (guesses, mails) = (keys::guesses(space, code), keys::link_mails(space, code));
        let (link, events, notices) = (self.link(code), self.events(code), self.notices(code));
        let tallies = self.tallies(code);
        let keys = [&link, &events, &tallies, &requests, &asked, &closed, &notices, &guesses, &mails];
        let call = PURGE.keys(keys).arg(owner.as_str()).arg(self.hold_secs);
        call.arg(self.channel()).arg(code.as_str()).run(&self.redis).await
    }

    /// Takes codes off their owner's list, however they were listed.
    pub(in crate::shortener) async fn drop_listings(
        &self,
        owner: &UserId,
        codes: &[&str],
    ) -> Result<(), RedisFailure> {
        let key = keys::links_of(self.redis.keyspace(), owner);
        self.redis.command("ZREM links", cmd("ZREM").arg(key).arg(codes)).await
    }
}

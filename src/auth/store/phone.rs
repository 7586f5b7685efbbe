//! What is kept of phone numbers and their codes.

use std::net::IpAddr;
use std::time::Duration;

use redis::Value;

use super::{AuthStore, code};
use crate::auth::courier::{Leaving, Left, Slip, source_of_phone};
use crate::auth::keys;
use crate::redis::throttle::{self, Verdict};
use crate::redis::{Key, RedisFailure, Script};
use crate::script;

static ISSUE_CODE: Script = script!("auth/issue_code", 4);
static CHECK_CODE: Script = script!("auth/check_code", 3);

/// What the contract says of codes.
const CODE_LIFE_MS: u64 = 600_000;
const CODE_TRIES: u32 = 5;
const DAY_MS: u64 = 24 * 3600 * 1000;

/// A number, and who asks about it.
#[derive(Debug, Clone, Copy)]
pub(in crate::auth) struct Asker<'a> {
    /// The number's digest.
    pub(in crate::auth) number: &'a str,
    /// An address that has logged in to the number's account before, which has counts of its own.
    pub(in crate::auth) known: Option<IpAddr>,
}

/// Outcome of issuing a code.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::auth) enum Issued {
    Wait(Duration),
    Left(Left),
}

/// Outcome of a guess at a code.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::auth) enum Guessed {
    Wrong,
    Wait(Duration),
    Right,
}

impl AuthStore {
    fn asked_key(&self, Asker { number, known }: Asker<'_>) -> Key {
        keys::phone_asked(self.redis.keyspace(), number, known)
    }

    fn wrong_key(&self, Asker { number, known }: Asker<'_>) -> Key {
        keys::phone_wrong(self.redis.keyspace(), number, known)
    }

    /// Counts a code that is asked for.
    pub(in crate::auth) async fn begin_phone_code(&self, asker: Asker<'_>) -> Result<Verdict, RedisFailure> {
        throttle::begin(&self.redis, &self.asked_key(asker), self.phone_codes).await
    }

    pub(in crate::auth) async fn forgive_phone_code(&self, asker: Asker<'_>) -> Result<(), RedisFailure> {
        throttle::forgive(&self.redis, &self.asked_key(asker)).await
    }

    pub(in crate::auth) async fn issue_code(
        &self,
        asker: Asker<'_>,
        digest: &str,
        slip: Slip,
    ) -> Result<Leaving<Issued>, RedisFailure> {
        let space = self.redis.keyspace();
        let notices = keys::notices(space, &source_of_phone(asker.number));
        let reply: Vec<Value> = ISSUE_CODE
            .keys([
                &keys::phone_code(space, asker.number),
                &self.wrong_key(asker),
                &notices,
                &keys::phone_last(space, asker.number),
            ])
            .arg(digest)
            .arg(CODE_LIFE_MS)
            .arg(self.phone_wrong_per_day)
            .arg(keys::PHONE_LAST_MS)
            .arg(slip.arguments())
            .run(&self.redis)
            .await?;
        Ok(match code(&reply) {
            0 => {
                let (_wait, wait_ms): (u8, i64) = ISSUE_CODE.read(Value::Array(reply))?;
                Leaving::Done(Issued::Wait(patience(wait_ms)))
            }
            1 => Leaving::Lapsed,
            2 => Leaving::Backlog,
            _ => {
                let (_left, last, pending): (u8, u64, Vec<String>) = ISSUE_CODE.read(Value::Array(reply))?;
                Leaving::Done(Issued::Left(Left::new(last, &pending)))
            }
        })
    }

    pub(in crate::auth) async fn check_code(
        &self,
        asker: Asker<'_>,
        digest: &str,
    ) -> Result<Guessed, RedisFailure> {
        let space = self.redis.keyspace();
        let reply: Vec<i64> = CHECK_CODE
            .keys([&keys::phone_code(space, asker.number), &self.wrong_key(asker), &self.asked_key(asker)])
            .arg(digest)
            .arg(CODE_TRIES)
            .arg(self.phone_wrong_per_day)
            .arg(DAY_MS)
            .run(&self.redis)
            .await?;
        Ok(match reply.as_slice() {
            [3] => Guessed::Right,
            [1, wait_ms] => Guessed::Wait(patience(*wait_ms)),
            _ => Guessed::Wrong,
        })
    }
}

/// A second at least, which is what `Retry-After` can say.
fn patience(wait_ms: i64) -> Duration {
    Duration::from_millis(wait_ms.max(1_000).unsigned_abs())
}

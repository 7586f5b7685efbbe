//! What the store keeps of codes, requests for access and untold clicks.

use redis::{Value, pipe};
use serde::Deserialize;

use super::{DAY_SECS, LinkStore};
use crate::config::GuessConfig;
use crate::outbox::{LEASE_LIMIT_MS, Left, MAX_WAITING};
use crate::redis::script::Call;
use crate::redis::throttle::{self, Verdict};
use crate::redis::{Key, RedisFailure, Script};
use crate::script;
use crate::shortener::keys;
use crate::shortener::model::{AccessRequest, Decision, RequestId, ShortCode};
use crate::users::model::UserId;

static SEND_CODE: Script = script!("shortener/send_code", 3);
static ASK: Script = script!("shortener/ask", 5);
static DECIDE: Script = script!("shortener/decide", 5);
static REQUESTS: Script = script!("shortener/requests", 3);
static DIGEST: Script = script!("shortener/digest", 2);

/// How long a code opens its link.
const CODE_LIFE_MS: u64 = 600_000;
/// Intents that a script returns to be carried at once; there are more only when carrying lags behind.
const PENDING: usize = 16;
/// After a denial the same address may ask again after this time, ...
const ASK_AGAIN_MS: u64 = 24 * 3600 * 1000;
/// ... and so often in all, until it is approved.
const MAX_ASKS: u32 = 5;
/// Requests live this much longer than a grant.
const REQUESTS_DAYS: u64 = 90;

/// What mails that need not have been asked for are counted by: links and digests.
#[derive(Debug, Clone, Copy)]
pub(in crate::shortener) enum MailLimit<'a> {
    /// Codes for a link to an address.
    Codes(&'a ShortCode, &'a str),
    /// Whatever strangers cause by a link.
    Link(&'a ShortCode),
    /// Codes for an owner's links to a mailbox.
    CodesOf(&'a str),
    /// Codes for anybody's links to a mailbox.
    AllCodes(&'a str),
    /// Word of an owner's decisions to a mailbox. Nobody else uses these up, and no denial stops an approval.
    Word(&'a str, Decision),
    /// Requests for access that an owner is told of.
    Owner(&'a str),
}

/// What became of something that is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::shortener) enum Outcome {
    /// No such link, or not the owner's.
    Missing,
    /// The link has another protection, there is no such request, or its owner was told of clicks too recently.
    Unfit,
    /// The lease is too old.
    Lapsed,
    /// Too much waits to be told.
    Backlog,
    /// As many requests as allowed.
    Full,
    /// Nothing was done.
    Nothing,
    /// Done, and nobody is to be told.
    Silent,
    /// Done.
    Left(Left),
}

/// What is asked of an owner; see `lua/shortener/ask.lua`.
#[derive(Debug)]
pub(in crate::shortener) struct Asking<'a> {
    pub(in crate::shortener) request: &'a RequestId,
    pub(in crate::shortener) email: &'a str,
    pub(in crate::shortener) reason: &'a str,
    /// Empty when the owner is not to be told.
    pub(in crate::shortener) sealed: &'a str,
}

/// What an owner says; see `lua/shortener/decide.lua`.
#[derive(Debug)]
pub(in crate::shortener) struct Deciding<'a> {
    pub(in crate::shortener) owner: &'a UserId,
    pub(in crate::shortener) request: &'a RequestId,
    pub(in crate::shortener) decision: Decision,
    pub(in crate::shortener) grant: &'a str,
    pub(in crate::shortener) sealed: &'a str,
}

/// A request as `lua/shortener/ask.lua` stores it; what nobody reads is left out.
#[derive(Debug, Deserialize)]
struct Stored {
    e: String,
    r: String,
    s: String,
    t: i64,
}

impl LinkStore {
    pub(super) fn notices(&self, code: &ShortCode) -> Key {
        keys::notices(self.redis.keyspace(), code.as_str())
    }

    fn mail_limit(&self, limit: MailLimit<'_>) -> (Key, GuessConfig) {
        let space = self.redis.keyspace();
        match limit {
            MailLimit::Codes(code, address) => (keys::code_mails(space, code, address), self.code_mails),
            MailLimit::Link(code) => (keys::link_mails(space, code), self.link_mails),
            MailLimit::CodesOf(mailbox) => (keys::mailbox_mails(space, mailbox, "codes"), self.mailbox_mails),
            MailLimit::AllCodes(mailbox) => (keys::mailbox_codes(space, mailbox), self.mailbox_codes),
            MailLimit::Word(mailbox, decision) => {
                (keys::mailbox_mails(space, mailbox, decision.outcome()), self.mailbox_mails)
            }
            MailLimit::Owner(owner) => (keys::owner_mails(space, owner), self.owner_mails),
        }
    }

    pub(in crate::shortener) async fn begin_mail(
        &self,
        limit: MailLimit<'_>,
    ) -> Result<Verdict, RedisFailure> {
        let (key, policy) = self.mail_limit(limit);
        throttle::begin(&self.redis, &key, policy).await
    }

    pub(in crate::shortener) async fn forgive_mail(&self, limit: MailLimit<'_>) -> Result<(), RedisFailure> {
        throttle::forgive(&self.redis, &self.mail_limit(limit).0).await
    }

    /// Runs a script that leaves something to be told, under a lease: all of them take this at their end.
    async fn leave(&self, call: Call<'_>, lease_ms: u64) -> Result<Vec<Value>, RedisFailure> {
        call.arg(lease_ms).arg(LEASE_LIMIT_MS).arg(MAX_WAITING).arg(PENDING).run(&self.redis).await
    }

    /// `address` is the digest of `email`, which is as addresses are compared.
    pub(in crate::shortener) async fn send_code(
        &self,
        code: &ShortCode,
        address: &str,
        email: &str,
        digest: &str,
        sealed: &str,
        lease_ms: u64,
    ) -> Result<Outcome, RedisFailure> {
        let sent = keys::code_sent(self.redis.keyspace(), code, address);
        let call = SEND_CODE
            .keys([&self.link(code), &sent, &self.notices(code)])
            .arg(email)
            .arg(digest)
            .arg(CODE_LIFE_MS)
            .arg(sealed);
        let reply = self.leave(call, lease_ms).await?;
        Ok(match number(&SEND_CODE, &reply)? {
            0 => Outcome::Missing,
            1 => Outcome::Unfit,
            2 => Outcome::Lapsed,
            3 => Outcome::Backlog,
            _ => Outcome::Left(left(&SEND_CODE, reply)?),
        })
    }

    pub(in crate::shortener) async fn ask(
        &self,
        code: &ShortCode,
        asking: &Asking<'_>,
        lease_ms: u64,
    ) -> Result<Outcome, RedisFailure> {
        let [requests, asked, closed] = self.request_keys(code);
        let call = ASK
            .keys([&self.link(code), &requests, &asked, &closed, &self.notices(code)])
            .arg(asking.request.as_str())
            .arg(asking.email)
            .arg(asking.reason)
            .arg(asking.sealed)
            .arg(self.max_requests)
            .arg(ASK_AGAIN_MS)
            .arg(MAX_ASKS)
            .arg(self.requests_ttl_secs());
        let reply = self.leave(call, lease_ms).await?;
        Ok(match number(&ASK, &reply)? {
            0 => Outcome::Missing,
            1 => Outcome::Unfit,
            2 => Outcome::Lapsed,
            3 => Outcome::Backlog,
            4 => Outcome::Full,
            5 => Outcome::Nothing,
            7 => Outcome::Silent,
            _ => Outcome::Left(left(&ASK, reply)?),
        })
    }

    pub(in crate::shortener) async fn decide(
        &self,
        code: &ShortCode,
        deciding: &Deciding<'_>,
        lease_ms: u64,
    ) -> Result<Outcome, RedisFailure> {
        let [requests, asked, closed] = self.request_keys(code);
        let call = DECIDE
            .keys([&self.link(code), &requests, &asked, &closed, &self.notices(code)])
            .arg(deciding.owner.as_str())
            .arg(deciding.request.as_str())
            .arg(deciding.decision.outcome())
            .arg(deciding.grant)
            .arg(self.grant_secs * 1000)
            .arg(self.requests_ttl_secs())
            .arg(deciding.sealed);
        let reply = self.leave(call, lease_ms).await?;
        Ok(match number(&DECIDE, &reply)? {
            0 => Outcome::Missing,
            1 => Outcome::Unfit,
            2 => Outcome::Nothing,
            3 => Outcome::Lapsed,
            4 => Outcome::Backlog,
            5 => Outcome::Silent,
            _ => Outcome::Left(left(&DECIDE, reply)?),
        })
    }

    /// A slice of the requests, newest first, and how many there are; `None` when it is no link of `owner`.
    pub(in crate::shortener) async fn requests(
        &self,
        code: &ShortCode,
        owner: &UserId,
        skip: u64,
        count: u64,
    ) -> Result<Option<(Vec<AccessRequest>, u64)>, RedisFailure> {
        let [requests, asked, _] = self.request_keys(code);
        let call = REQUESTS.keys([&self.link(code), &requests, &asked]);
        let reply: Vec<Value> = call.arg(owner.as_str()).arg(skip).arg(count).run(&self.bulk).await?;
        if reply.len() == 1 {
            return Ok(None);
        }
        let (_code, total, slice): (u8, u64, Vec<String>) = REQUESTS.read(Value::Array(reply))?;
        let requests = slice.chunks_exact(2).map(|pair| request(&pair[0], &pair[1]));
        Ok(Some((requests.collect::<Result<_, _>>()?, total)))
    }

    /// Whether `owner` owns the link, and the request's address if there is such a request.
    pub(in crate::shortener) async fn requester(
        &self,
        code: &ShortCode,
        owner: &UserId,
        id: &RequestId,
    ) -> Result<(bool, Option<String>), RedisFailure> {
        let [requests, ..] = self.request_keys(code);
        let mut pipeline = pipe();
        pipeline.cmd("HMGET").arg(self.link(code)).arg("u").arg("o");
        pipeline.cmd("HGET").arg(&requests).arg(id.as_str());
        let ((url, holder), stored): ((Option<String>, Option<String>), Option<String>) =
            self.redis.pipeline("HGET request", &pipeline).await?;
        let owns = url.is_some() && holder.as_deref() == Some(owner.as_str());
        let request = stored.map(|stored| request(id.as_str(), &stored)).transpose()?;
        Ok((owns, request.map(|request| request.email)))
    }

    /// Leaves the word to the link's owner of its untold clicks.
    pub(in crate::shortener) async fn digest(
        &self,
        code: &ShortCode,
        lease_ms: u64,
    ) -> Result<Outcome, RedisFailure> {
        let call = DIGEST.keys([&self.link(code), &self.notices(code)]).arg(self.digest_ms);
        let reply = self.leave(call, lease_ms).await?;
        Ok(match number(&DIGEST, &reply)? {
            0 => Outcome::Nothing,
            1 => Outcome::Unfit,
            2 => Outcome::Lapsed,
            3 => Outcome::Backlog,
            _ => Outcome::Left(left(&DIGEST, reply)?),
        })
    }

    /// How long a grant works. Seconds
    pub(in crate::shortener) const fn grant_secs(&self) -> u64 {
        self.grant_secs
    }

    /// How long an owner has peace after a word of clicks. ms
    pub(in crate::shortener) const fn digest_ms(&self) -> u64 {
        self.digest_ms
    }

    const fn requests_ttl_secs(&self) -> u64 {
        self.grant_secs + REQUESTS_DAYS * DAY_SECS
    }

    /// Of the requests, when each was asked, and which may give way.
    pub(super) fn request_keys(&self, code: &ShortCode) -> [Key; 3] {
        keys::requests(self.redis.keyspace(), code)
    }
}

fn request(id: &str, stored: &str) -> Result<AccessRequest, RedisFailure> {
    let malformed = || RedisFailure::malformed(ASK.name(), "a request is stored otherwise");
    let id = RequestId::parse(id).ok_or_else(malformed)?;
    let Stored { e: email, r: reason, s: status, t: asked_ms } =
        serde_json::from_str(stored).map_err(|_| malformed())?;
    Ok(AccessRequest { id, email, reason: (!reason.is_empty()).then_some(reason), status, asked_ms })
}

/// The first number of a script's array.
fn number(script: &Script, reply: &[Value]) -> Result<i64, RedisFailure> {
    script.read(reply.first().cloned().unwrap_or(Value::Nil))
}

fn left(script: &Script, reply: Vec<Value>) -> Result<Left, RedisFailure> {
    let (_code, last, pending): (u8, u64, Vec<String>) = script.read(Value::Array(reply))?;
    Ok(Left::new(last, &pending))
}

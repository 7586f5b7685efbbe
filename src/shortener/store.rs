//! The shortener's only way to the datastore: one function per script.

mod access;
mod counting;
mod standing;

use std::net::IpAddr;
use std::str::FromStr;

use redis::{Value, cmd, pipe};
use serde::Serialize;

use super::keys;
use super::model::{AllowList, ClickEvent, Link, Protection, ShortCode, Tallies};
use crate::config::{GuessConfig, ShortenerConfig};
use crate::outbox::LEASE_LIMIT_MS;
use crate::redis::throttle::{self, Verdict};
use crate::redis::{Key, Redis, RedisFailure, Script};
use crate::script;
use crate::users::model::UserId;
pub(super) use access::{Asking, Deciding, MailLimit, Outcome};
pub(super) use counting::{Count, Counted, Looked, MARKER_LIFE_US, Pulse};

static CLAIM: Script = script!("shortener/claim", 1);
/// Wrong tries that a code dies of.
const CODE_TRIES: u32 = 5;

static VISIT: Script = script!("shortener/visit", 2);
static UNLOCK: Script = script!("shortener/unlock", 3);
static TURN_AWAY: Script = script!("shortener/turn_away", 1);
static UPDATE: Script = script!("shortener/update", 4);
static DELETE: Script = script!("shortener/delete", 6);
static STATS: Script = script!("shortener/stats", 3);
static INDEX: Script = script!("shortener/index", 1);
static UNINDEX: Script = script!("shortener/unindex", 1);
static VET: Script = script!("shortener/vet", 1);
static CLASSIFY: Script = script!("shortener/classify", 1);

/// Fields of a link in the order in which [`link`] reads them; see [`keys`].
const FIELDS: [&str; 12] = ["u", "o", "m", "s", "j", "a", "e", "k", "f", "t", "d", "w"];
const DAY_SECS: u64 = 24 * 3600;
const SETTLED_MICROS: u64 = 60_000_000;

/// Fields to set; an empty value removes the field.
pub(super) type Changes = Vec<(&'static str, String)>;

/// What the datastore needs to record an attempt; field names as in `lua/shortener/visit.lua`.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) http_method: &'static str,
    pub(super) ip: IpAddr,
    pub(super) referrer: String,
    pub(super) agent: &'static str,
}

#[derive(Serialize)]
struct Event<'a> {
    keep: u32,
    ttl: u64,
    h: &'a str,
    i: IpAddr,
    r: &'a str,
    a: &'a str,
}

/// When a code was listed among its owner's links; a newer listing has a larger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listing(u64);

impl Listing {
    /// Whether it is older than any request that could be making its link.
    pub(super) fn is_settled(self) -> bool {
        let now = chrono::Utc::now().timestamp_micros();
        u64::try_from(now).is_ok_and(|now| now.saturating_sub(self.0) > SETTLED_MICROS)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    Made { created_ms: i64 },
    TakenByOther,
    TakenBySelf,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Followed {
    Missing,
    Open(String),
    Protected(Protection),
    /// Nothing was counted: the owner wants mail, and no click is untold yet; `never_told` says what it says.
    Unentered {
        never_told: bool,
    },
    /// Nothing was counted: the link is not protected any more, or by another password.
    Changed,
    /// Not safe for work, and there is somebody to tell.
    Notice,
    Blocked,
    /// At a URL that nobody has held against the lists of blocked hosts; not counted.
    Unvetted(String),
}

/// What an attempt to open a link has to show.
#[derive(Debug, Clone, Copy)]
pub(super) enum Proof<'a> {
    /// A password compared with a hash.
    Password { hash: &'a str, matched: bool },
    /// Digests of the address that a code was mailed to, and of the code.
    Code { address: &'a str, digest: &'a str },
    /// A request's id and the digest of its grant.
    Grant { request: &'a str, digest: &'a str },
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Updated {
    Missing,
    NotOwner,
    LacksPassword,
    LacksProtection,
    LacksOtp,
    Done,
}

/// What stands in front of a link, and whose it is.
#[derive(Debug)]
pub(super) struct Guard {
    /// What is behind it.
    pub(super) target: String,
    pub(super) protection: Protection,
    /// Of its password.
    pub(super) hash: Option<String>,
    /// Nobody for a guest's.
    pub(super) owner: Option<UserId>,
}

#[derive(Debug, Clone)]
pub(super) struct LinkStore {
    redis: Redis,
    /// For reads with large answers, which must not stand in front of a redirect's.
    bulk: Redis,
    events_per_link: u32,
    events_ttl_secs: u64,
    hold_secs: u64,
    max_links: u32,
    max_requests: u32,
    grant_secs: u64,
    digest_ms: u64,
    code_mails: GuessConfig,
    link_mails: GuessConfig,
    mailbox_mails: GuessConfig,
    mailbox_codes: GuessConfig,
    owner_mails: GuessConfig,
}

impl LinkStore {
    pub(super) fn new(redis: Redis, bulk: Redis, config: &ShortenerConfig) -> Self {
        Self {
            redis,
            bulk,
            events_per_link: config.events_per_link,
            events_ttl_secs: u64::from(config.events_ttl_days) * DAY_SECS,
            hold_secs: u64::from(config.deleted_hold_days) * DAY_SECS,
            max_links: config.max_links_per_user,
            max_requests: config.max_requests_per_link,
            grant_secs: u64::from(config.grant_days) * DAY_SECS,
            digest_ms: u64::from(config.click_digest_secs) * 1000,
            code_mails: config.code_mails,
            link_mails: config.link_mails,
            mailbox_mails: config.mailbox_mails,
            mailbox_codes: config.mailbox_codes,
            owner_mails: config.owner_mails,
        }
    }

    fn link(&self, code: &ShortCode) -> Key {
        keys::link(self.redis.keyspace(), code)
    }

    fn events(&self, code: &ShortCode) -> Key {
        keys::events(self.redis.keyspace(), code)
    }

    /// Where changes of links are told.
    fn channel(&self) -> String {
        keys::changes(self.redis.keyspace())
    }

    fn tallies(&self, code: &ShortCode) -> Key {
        keys::tallies(self.redis.keyspace(), code)
    }

    fn event(&self, attempt: &Attempt) -> Vec<u8> {
        let event = Event {
            keep: self.events_per_link,
            ttl: self.events_ttl_secs,
            h: attempt.http_method,
            i: attempt.ip,
            r: &attempt.referrer,
            a: attempt.agent,
        };
        serde_json::to_vec(&event).unwrap_or_else(|error| unreachable!("plain text and numbers: {error}"))
    }

    pub(super) async fn claim(
        &self,
        code: &ShortCode,
        owner: Option<&UserId>,
        fields: &Changes,
    ) -> Result<Claimed, RedisFailure> {
        let call = CLAIM.keys([&self.link(code)]).arg(owner.map_or("", UserId::as_str)).arg(fields);
        let reply: Vec<Value> = call.run(&self.redis).await?;
        if let [code] = reply.as_slice() {
            return Ok(if *code == Value::Int(2) { Claimed::TakenBySelf } else { Claimed::TakenByOther });
        }
        let (_made, created_ms): (u8, i64) = CLAIM.read(Value::Array(reply))?;
        Ok(Claimed::Made { created_ms })
    }

    /// Nothing when the owner has as many links as allowed.
    pub(super) async fn index(
        &self,
        owner: &UserId,
        code: &ShortCode,
    ) -> Result<Option<Listing>, RedisFailure> {
        let key = keys::links_of(self.redis.keyspace(), owner);
        let listed: u64 = INDEX.keys([&key]).arg(code.as_str()).arg(self.max_links).run(&self.redis).await?;
        Ok((listed > 0).then_some(Listing(listed)))
    }

    pub(super) async fn listing(
        &self,
        owner: &UserId,
        code: &ShortCode,
    ) -> Result<Option<Listing>, RedisFailure> {
        let key = keys::links_of(self.redis.keyspace(), owner);
        let listed: Option<f64> =
            self.redis.command("ZSCORE links", cmd("ZSCORE").arg(key).arg(code.as_str())).await?;
        Ok(listed.map(|micros| Listing(micros as u64)))
    }

    /// False when the code has been listed anew since.
    pub(super) async fn unindex(
        &self,
        owner: &UserId,
        code: &ShortCode,
        listing: Listing,
    ) -> Result<bool, RedisFailure> {
        let key = keys::links_of(self.redis.keyspace(), owner);
        UNINDEX.keys([&key]).arg(code.as_str()).arg(listing.0).run(&self.redis).await
    }

    /// `entered_ms` is when the link was entered among those with untold clicks, if just now.
    pub(super) async fn visit(
        &self,
        code: &ShortCode,
        attempt: &Attempt,
        takes_notice: bool,
        edition: Option<&str>,
        entered_ms: Option<u64>,
    ) -> Result<Followed, RedisFailure> {
        let mut call = VISIT
            .keys([&self.link(code), &self.events(code)])
            .arg(self.event(attempt))
            .arg(u8::from(takes_notice))
            .arg(edition.unwrap_or_default());
        if let Some(entered_ms) = entered_ms {
            call = call.arg(entered_ms).arg(LEASE_LIMIT_MS);
        }
        followed(&VISIT, call.run(&self.redis).await?)
    }

    /// `stamp`: see [`super::safety::HostLists::stamp`].
    pub(super) async fn vet(&self, code: &ShortCode, url: &str, stamp: &str) -> Result<(), RedisFailure> {
        VET.keys([&self.link(code)]).arg(url).arg(stamp).run(&self.redis).await
    }

    /// Where a link leads of which nobody knows whether it is safe for work.
    pub(super) async fn undecided(&self, code: &ShortCode) -> Result<Option<String>, RedisFailure> {
        let command = cmd("HMGET").arg(self.link(code)).arg(&["u", "s", "j"]).to_owned();
        let (url, said, found): (Option<String>, Option<String>, Option<String>) =
            self.redis.command("HMGET link", &command).await?;
        Ok(url.filter(|_| said.is_none() && found.is_none()))
    }

    pub(super) async fn classify(&self, code: &ShortCode, url: &str, safe: bool) -> Result<(), RedisFailure> {
        let call = CLASSIFY.keys([&self.link(code)]).arg(url).arg(u8::from(safe));
        call.arg(self.channel()).arg(code.as_str()).run(&self.redis).await
    }

    /// `None` when there is no such link, or its owner's account is closed.
    pub(super) async fn guard(&self, code: &ShortCode) -> Result<Option<Guard>, RedisFailure> {
        type Fields = (Option<String>, Option<String>, Option<String>, Option<String>, Option<u64>);
        let command = cmd("HMGET").arg(self.link(code)).arg(&["u", "m", "h", "o", "z"]).to_owned();
        let (url, method, hash, owner, generation): Fields =
            self.redis.command("HMGET link", &command).await?;
        let is_suspended = generation.is_some_and(|generation| generation % 2 == 1);
        let Some(target) = url.filter(|_| !is_suspended) else { return Ok(None) };
        let protection = protection(&CLAIM, method.as_deref())?;
        Ok(Some(Guard { target, protection, hash, owner: owner.as_deref().and_then(UserId::parse) }))
    }

    /// `entered_ms` as for [`Self::visit`].
    pub(super) async fn unlock(
        &self,
        code: &ShortCode,
        attempt: &Attempt,
        proof: Proof<'_>,
        entered_ms: Option<u64>,
    ) -> Result<Followed, RedisFailure> {
        let link = self.link(code);
        let (place, protection) = match proof {
            Proof::Password { .. } => (link.clone(), Protection::Password),
            Proof::Code { address, .. } => {
                (keys::code_sent(self.redis.keyspace(), code, address), Protection::Otp)
            }
            Proof::Grant { .. } => {
                let [requests, ..] = self.request_keys(code);
                (requests, Protection::Approve)
            }
        };
        let call = UNLOCK.keys([&link, &self.events(code), &place]).arg(self.event(attempt));
        let call = call.arg(protection.as_str());
        let mut call = match proof {
            Proof::Password { hash, matched } => call.arg(hash).arg(u8::from(matched)),
            Proof::Code { digest, .. } => call.arg(digest).arg(CODE_TRIES),
            Proof::Grant { request, digest } => call.arg(request).arg(digest),
        };
        if let Some(entered_ms) = entered_ms {
            call = call.arg(entered_ms).arg(LEASE_LIMIT_MS);
        }
        followed(&UNLOCK, call.run(&self.redis).await?)
    }

    /// Counts a try that nobody looked at.
    pub(super) async fn turn_away(&self, code: &ShortCode) -> Result<(), RedisFailure> {
        TURN_AWAY.keys([&self.link(code)]).run(&self.redis).await
    }

    /// The link, if `owner` owns it.
    pub(super) async fn fetch(&self, code: &ShortCode, owner: &UserId) -> Result<Option<Link>, RedisFailure> {
        Ok(self.fetch_all(std::slice::from_ref(code), owner).await?.pop())
    }

    /// Those of `codes` that are links of `owner`, in their order. One round trip.
    pub(super) async fn fetch_all(
        &self,
        codes: &[ShortCode],
        owner: &UserId,
    ) -> Result<Vec<Link>, RedisFailure> {
        if codes.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = pipe();
        for code in codes {
            pipeline.cmd("HMGET").arg(self.link(code)).arg(&FIELDS);
        }
        let rows: Vec<Vec<Option<String>>> = self.bulk.pipeline("HMGET links", &pipeline).await?;
        let links = codes
            .iter()
            .zip(rows)
            .filter(|(_, row)| row.get(1).and_then(Option::as_deref) == Some(owner.as_str()));
        links.filter_map(|(code, row)| link(code, &row).transpose()).collect()
    }

    /// Codes of `owner` with their listings, newest first, and how many there are.
    pub(super) async fn codes(
        &self,
        owner: &UserId,
        skip: u64,
        count: u64,
    ) -> Result<(Vec<(ShortCode, Listing)>, u64), RedisFailure> {
        let key = keys::links_of(self.redis.keyspace(), owner);
        let mut pipeline = pipe();
        pipeline.cmd("ZREVRANGE").arg(&key).arg(skip).arg(skip + count - 1).arg("WITHSCORES");
        pipeline.cmd("ZCARD").arg(&key);
        let (codes, total): (Vec<(String, f64)>, u64) =
            self.bulk.pipeline("ZREVRANGE links", &pipeline).await?;
        let codes = codes
            .iter()
            .filter_map(|(code, micros)| Some((ShortCode::parse(code)?, Listing(*micros as u64))));
        Ok((codes.collect(), total))
    }

    pub(super) async fn update(
        &self,
        code: &ShortCode,
        owner: &UserId,
        changes: &Changes,
    ) -> Result<Updated, RedisFailure> {
        let [requests, asked, closed] = self.request_keys(code);
        let call = UPDATE.keys([&self.link(code), &requests, &asked, &closed]);
        let call = call.arg(owner.as_str()).arg(self.channel()).arg(code.as_str()).arg(changes);
        let code: u8 = call.run(&self.redis).await?;
        Ok(match code {
            0 => Updated::Missing,
            1 => Updated::NotOwner,
            2 => Updated::LacksPassword,
            3 => Updated::LacksProtection,
            4 => Updated::LacksOtp,
            _ => Updated::Done,
        })
    }

    /// False when there is no such link of `owner`.
    pub(super) async fn delete(&self, code: &ShortCode, owner: &UserId) -> Result<bool, RedisFailure> {
        let [requests, asked, closed] = self.request_keys(code);
        let (link, events, tallies) = (self.link(code), self.events(code), self.tallies(code));
        let call = DELETE.keys([&link, &events, &tallies, &requests, &asked, &closed]);
        let call = call.arg(owner.as_str()).arg(self.hold_secs).arg(self.channel()).arg(code.as_str());
        let code: u8 = call.run(&self.redis).await?;
        Ok(code == 2)
    }

    /// A slice of the events, newest first, how many there are, and with the first of them the tallies; `None` when it is no
    /// link of `owner`.
    pub(super) async fn stats(
        &self,
        code: &ShortCode,
        owner: &UserId,
        skip: u64,
        count: u64,
    ) -> Result<Option<(Vec<ClickEvent>, u64, Option<Tallies>)>, RedisFailure> {
        let call = STATS.keys([&self.link(code), &self.events(code), &self.tallies(code)]);
        let call = call.arg(owner.as_str()).arg(skip).arg(count).arg(u8::from(skip == 0));
        let reply: Vec<Value> = call.run(&self.bulk).await?;
        if reply.len() == 1 {
            return Ok(None);
        }
        type Reply = (u8, u64, Vec<(String, Vec<String>)>, Vec<(String, u64)>);
        let (_code, total, entries, tallies): Reply = STATS.read(Value::Array(reply))?;
        let tallies = (skip == 0).then(|| Tallies::of_fields(tallies));
        Ok(Some((entries.into_iter().map(event).collect(), total, tallies)))
    }

    pub(super) async fn begin_guess(
        &self,
        code: &ShortCode,
        policy: GuessConfig,
    ) -> Result<Verdict, RedisFailure> {
        throttle::begin(&self.redis, &keys::guesses(self.redis.keyspace(), code), policy).await
    }

    pub(super) async fn begin_guess_from(
        &self,
        code: &ShortCode,
        network: IpAddr,
        policy: GuessConfig,
    ) -> Result<Verdict, RedisFailure> {
        throttle::begin(&self.redis, &keys::guesses_from(self.redis.keyspace(), code, network), policy).await
    }

    pub(super) async fn forgive_guess_from(
        &self,
        code: &ShortCode,
        network: IpAddr,
    ) -> Result<(), RedisFailure> {
        throttle::forgive(&self.redis, &keys::guesses_from(self.redis.keyspace(), code, network)).await
    }

    pub(super) async fn forgive_guess(&self, code: &ShortCode) -> Result<(), RedisFailure> {
        throttle::forgive(&self.redis, &keys::guesses(self.redis.keyspace(), code)).await
    }
}

fn malformed(script: &Script, problem: &'static str) -> RedisFailure {
    RedisFailure::malformed(script.name(), problem)
}

/// What `visit.lua` and `unlock.lua` say.
fn followed(script: &Script, reply: Value) -> Result<Followed, RedisFailure> {
    match reply {
        Value::Nil => Ok(Followed::Missing),
        Value::BulkString(url) => Ok(Followed::Open(text(script, url)?)),
        Value::Int(1) => Ok(Followed::Unentered { never_told: false }),
        Value::Int(2) => Ok(Followed::Unentered { never_told: true }),
        Value::Int(4) => Ok(Followed::Notice),
        Value::Int(5) => Ok(Followed::Blocked),
        Value::Int(_) => Ok(Followed::Changed),
        Value::Array(items) if items.len() == 2 => {
            let (_edition, url): (String, String) = script.read(Value::Array(items))?;
            Ok(Followed::Unvetted(url))
        }
        other => {
            let (method,): (String,) = script.read(other)?;
            Ok(Followed::Protected(protection(script, Some(&method))?))
        }
    }
}

fn text(script: &Script, bytes: Vec<u8>) -> Result<String, RedisFailure> {
    String::from_utf8(bytes).map_err(|_| malformed(script, "a long URL is not UTF-8"))
}

fn protection(script: &Script, stored: Option<&str>) -> Result<Protection, RedisFailure> {
    stored
        .map_or(Ok(Protection::None), Protection::parse)
        .map_err(|_| malformed(script, "unknown protection"))
}

/// A link from its [`FIELDS`]; `None` when there is none (a tombstone has no URL).
fn link(code: &ShortCode, row: &[Option<String>]) -> Result<Option<Link>, RedisFailure> {
    let [
        long_url,
        _owner,
        method,
        said,
        found,
        analytics,
        email,
        reached,
        refused,
        created,
        updated,
        allowed,
    ] = row
    else {
        return Err(malformed(&CLAIM, "a link has other fields"));
    };
    let Some(long_url) = long_url.clone() else { return Ok(None) };
    Ok(Some(Link {
        code: code.to_string(),
        long_url,
        protection: protection(&CLAIM, method.as_deref())?,
        otp_allowed: AllowList::of_lines(allowed.as_deref().unwrap_or_default()),
        sfw: said.as_ref().or(found.as_ref()).map(|sfw| sfw == "1"),
        blocked: false,
        analytics: analytics.is_some(),
        email_notifications: email.is_some(),
        reached: number(reached),
        refused: number(refused),
        created_ms: number(created),
        updated_ms: number(updated),
    }))
}

/// A counter or time; one that was never written is zero.
fn number<T: FromStr + Default>(field: &Option<String>) -> T {
    field.as_deref().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn event((id, fields): (String, Vec<String>)) -> ClickEvent {
    let field = |name: &str| {
        let pair = fields.chunks_exact(2).find(|pair| pair[0] == name);
        pair.map(|pair| pair[1].clone()).unwrap_or_default()
    };
    // A click that waited to be counted has a time of its own.
    let time = Some(field("t")).filter(|time| !time.is_empty()).unwrap_or(id);
    ClickEvent {
        time_ms: time.split('-').next().and_then(|millis| millis.parse().ok()).unwrap_or_default(),
        protection: field("m"),
        success: field("s") == "1",
        http_method: field("h"),
        ip: field("i"),
        referrer: field("r"),
        agent: field("a"),
    }
}

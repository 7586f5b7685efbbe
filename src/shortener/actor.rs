//! The shortener: one per worker, all state in Redis.
//!
//! Each message is handled in a future of its own; what must be atomic is a script.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, Context};
use secrecy::SecretString;
use tokio::sync::Semaphore;

use super::carrier::Post;
use super::clicks::Teller;
use super::digests::Digests;
use super::error::ShortenerError;
use super::ledger::Clerk;
use super::messages::{
    AlignLinks, DecideRequest, DeleteLink, EventPage, FetchLink, FetchProtection, FetchStats, LinkPage,
    ListLinks, ListRequests, PurgeLinks, RequestAccess, SendLinkCode, Shorten, Sweep, Unlock, UpdateLink,
    Visit,
};
use super::model::{AllowList, Link, Lock, Protection, ReservedWords, ShortCode};
use super::safety::Safety;
use super::safety::undecided::Undecided;
use super::store::{Attempt, Changes, Claimed, LinkStore, Updated};
use super::target::{LongUrl, OwnHosts};
use super::visitor::Visitor;
use crate::actor::{Ask, AskError};
use crate::auth::error::HashError;
use crate::auth::messages::{HashPassword, VerifyPassword};
use crate::auth::model::Password;
use crate::config::{GuessConfig, ShortenerConfig};
use crate::notifier::messages::Notify;
use crate::redis::Redis;
use crate::users::model::UserId;

/// Random codes tried before giving up; with 56^7 of them the second is never needed.
const CODE_TRIES: usize = 8;
/// Newest links that a search looks through, and how many it fetches at once.
const SEARCH_DEPTH: u64 = 10_000;
const SEARCH_CHUNK: u64 = 100;
/// Searches under way on one worker; more are turned away.
const PARALLEL_SEARCHES: usize = 2;

/// Owns links and their clicks.
#[derive(Debug)]
pub struct Shortener {
    links: Rc<Links>,
}

/// What a code must not be and a target must not be.
#[derive(Debug, Clone)]
pub struct OwnPlaces {
    /// Words that are served.
    pub reserved: Arc<ReservedWords>,
    /// Hosts that lead here.
    pub hosts: Arc<OwnHosts>,
    /// Tells targets that are safe from others.
    pub safety: Safety,
}

/// The ways of a shortener to the datastore, and around it.
#[derive(Debug)]
pub struct Ways {
    /// For what is small and urgent.
    pub redis: Redis,
    /// For what is large.
    pub bulk: Redis,
    /// Follows what is remembered.
    pub clerk: Rc<Clerk>,
}

/// Whom it asks.
#[derive(Debug)]
pub struct Asks {
    /// Hashes passwords.
    pub hash: Ask<HashPassword>,
    /// Compares passwords.
    pub verify: Ask<VerifyPassword>,
    /// Tells people.
    pub notify: Ask<Notify>,
}

#[derive(Debug)]
pub(super) struct Links {
    pub(super) store: LinkStore,
    pub(super) post: Post,
    pub(super) teller: Rc<Teller>,
    pub(super) digests: Digests,
    searches: Semaphore,
    pub(super) places: OwnPlaces,
    /// Where links stand whose page is to be read, if pages are read.
    undecided: Option<Undecided>,
    hash: Ask<HashPassword>,
    pub(super) verify: Ask<VerifyPassword>,
    pub(super) clerk: Rc<Clerk>,
    code_length: usize,
    pub(super) visitor_guesses: GuessConfig,
    pub(super) link_guesses: GuessConfig,
}

impl Shortener {
    /// A shortener on this thread.
    pub fn new(
        ways: Ways,
        places: OwnPlaces,
        secret: &SecretString,
        asks: Asks,
        config: &ShortenerConfig,
    ) -> Self {
        let Asks { hash, verify, notify } = asks;
        let Ways { redis, bulk, clerk } = ways;
        let post = Post::new(redis.clone(), secret, notify);
        let store = LinkStore::new(redis.clone(), bulk, config);
        let links = Links {
            undecided: places.safety.classifier.as_ref().map(|ways| Undecided::new(redis.clone(), ways)),
            teller: Rc::new(Teller::new(redis, store.clone(), post.clone())),
            post,
            digests: Digests::new(secret),
            store,
            searches: Semaphore::new(PARALLEL_SEARCHES),
            places,
            hash,
            verify,
            clerk,
            code_length: config.code_length,
            visitor_guesses: config.visitor_guesses,
            link_guesses: config.link_guesses,
        };
        Self { links: Rc::new(links) }
    }
}

impl Actor for Shortener {
    type Context = Context<Self>;
}

crate::delegate!(Shortener, links {
    Shorten => shorten,
    Visit => visit,
    Unlock => unlock,
    FetchProtection => protection,
    SendLinkCode => send_code,
    RequestAccess => request_access,
    ListRequests => requests,
    DecideRequest => decide,
    Sweep => sweep,
    FetchLink => fetch,
    ListLinks => list,
    UpdateLink => update,
    DeleteLink => delete,
    FetchStats => stats,
    AlignLinks => align,
    PurgeLinks => purge,
});

impl Links {
    async fn shorten(&self, message: Shorten) -> Result<Link, ShortenerError> {
        let long_url = self.target("longUrl", &message.long_url, message.seen_as.as_deref())?;
        if message.alias.as_ref().is_some_and(|alias| self.places.reserved.contains(alias)) {
            return Err(ShortenerError::Invalid {
                field: "customAlias",
                problem: "is a reserved word; choose another",
            });
        }
        let mut fields: Changes = vec![("u", long_url.as_str().to_owned())];
        let protection = message.lock.protection();
        if protection != Protection::None {
            fields.push(("m", protection.as_str().to_owned()));
        }
        let mut otp_allowed = AllowList::default();
        match message.lock {
            Lock::Password(password) => fields.push(("h", self.hashed(password).await?)),
            Lock::Otp(allowed) => {
                fields.extend((!allowed.is_empty()).then(|| ("w", allowed.to_lines())));
                otp_allowed = allowed;
            }
            Lock::None | Lock::Approve => {}
        }
        fields.extend(message.sfw.map(|sfw| ("s", flag(sfw))));
        fields.extend(message.analytics.then(|| ("a", flag(true))));
        fields.extend(message.email_notifications.then(|| ("e", flag(true))));
        let finding = self.finding(&long_url, &mut fields);
        let reader = self.undecided.as_ref().filter(|_| message.sfw.is_none() && finding.is_none());

        let owner = message.owner.as_ref();
        let (code, created_ms) = match message.alias {
            Some(alias) => {
                let placed = self.place(&alias, owner, &fields, reader).await?;
                let created_ms = placed.ok_or(ShortenerError::AliasTaken)?;
                if let Some(owner) = owner {
                    // Listed anew: a deletion of the link that had this alias before may be taking the listing off.
                    self.store.index(owner, &alias).await?;
                }
                (alias, created_ms)
            }
            None => self.place_anywhere(owner, &fields, reader).await?,
        };
        let kind = if owner.is_some() { "user" } else { "guest" };
        metrics::counter!("ayrene_links_created_total", "maker" => kind).increment(1);
        Ok(Link {
            code: code.to_string(),
            long_url: message.long_url,
            protection,
            otp_allowed,
            sfw: message.sfw.or(finding),
            blocked: false,
            analytics: message.analytics,
            email_notifications: message.email_notifications,
            reached: 0,
            refused: 0,
            created_ms,
            updated_ms: created_ms,
        })
    }

    async fn place_anywhere(
        &self,
        owner: Option<&UserId>,
        fields: &Changes,
        reader: Option<&Undecided>,
    ) -> Result<(ShortCode, i64), ShortenerError> {
        for _ in 0..CODE_TRIES {
            let code = ShortCode::generate(self.code_length, &self.places.reserved);
            if let Some(created_ms) = self.place(&code, owner, fields, reader).await? {
                return Ok((code, created_ms));
            }
        }
        Err(ShortenerError::Contended)
    }

    /// Makes the link if the code is free; returns when it was made. The index lives in the owner's slot and comes
    /// first: a crash in between leaves an entry that leads to no link of theirs, which lists drop, and never a
    /// hidden link.
    async fn place(
        &self,
        code: &ShortCode,
        owner: Option<&UserId>,
        fields: &Changes,
        reader: Option<&Undecided>,
    ) -> Result<Option<i64>, ShortenerError> {
        let listing = match owner {
            Some(owner) => {
                Some((owner, self.store.index(owner, code).await?.ok_or(ShortenerError::TooManyLinks)?))
            }
            None => None,
        };
        let claim = self.store.claim(code, owner, fields);
        let claimed = match reader {
            Some(reader) => {
                reader.around(code, claim, |claimed| matches!(claimed, Claimed::Made { .. })).await?
            }
            None => claim.await?,
        };
        // There may have been another link until a moment ago.
        self.clerk.memory().forget(code.as_str());
        match (claimed, listing) {
            (Claimed::Made { created_ms }, _) => Ok(Some(created_ms)),
            (Claimed::TakenByOther, Some((owner, listing))) => {
                self.store.unindex(owner, code, listing).await?;
                Ok(None)
            }
            (Claimed::TakenByOther | Claimed::TakenBySelf, _) => Ok(None),
        }
    }

    async fn fetch(&self, message: FetchLink) -> Result<Link, ShortenerError> {
        self.clerk.settle().await;
        let link = self.store.fetch(&message.code, &message.owner).await?.ok_or(ShortenerError::NotFound)?;
        Ok(self.shown(link))
    }

    async fn list(&self, message: ListLinks) -> Result<LinkPage, ShortenerError> {
        let ListLinks { owner, page, limit, search } = message;
        self.clerk.settle().await;
        let (skip, limit) = (u64::from(page - 1) * u64::from(limit), u64::from(limit));
        let Some(search) = search else {
            let (links, total) = self.listed(&owner, skip, limit).await?;
            let links = links.into_iter().map(|link| self.shown(link)).collect();
            return Ok(LinkPage { links, total, complete: true });
        };
        let _turn = self.searches.try_acquire().map_err(|_| ShortenerError::Ask(AskError::Saturated))?;
        let wanted = search.to_lowercase();
        let (mut links, mut found, mut looked) = (Vec::new(), 0, 0);
        let complete = loop {
            let (chunk, total) = self.listed(&owner, looked, SEARCH_CHUNK).await?;
            for link in chunk {
                if link.code.to_lowercase().contains(&wanted)
                    || link.long_url.to_lowercase().contains(&wanted)
                {
                    found += 1;
                    if found > skip && found <= skip + limit {
                        links.push(self.shown(link));
                    }
                }
            }
            looked += SEARCH_CHUNK;
            if looked >= total.min(SEARCH_DEPTH) {
                break looked >= total;
            }
        };
        Ok(LinkPage { links, total: found, complete })
    }

    /// A slice of the owner's links and how many are listed. Entries that a crash left without a link are dropped.
    async fn listed(
        &self,
        owner: &UserId,
        skip: u64,
        count: u64,
    ) -> Result<(Vec<Link>, u64), ShortenerError> {
        let (entries, total) = self.store.codes(owner, skip, count).await?;
        let codes: Vec<ShortCode> = entries.iter().map(|(code, _)| code.clone()).collect();
        let links = self.store.fetch_all(&codes, owner).await?;
        if links.len() < entries.len() {
            let found: HashSet<&str> = links.iter().map(|link| link.code.as_str()).collect();
            for (code, listing) in entries {
                if !found.contains(code.as_str()) && listing.is_settled() {
                    self.store.unindex(owner, &code, listing).await?;
                }
            }
        }
        Ok((links, total))
    }

    async fn update(&self, message: UpdateLink) -> Result<Link, ShortenerError> {
        let UpdateLink { code, owner, .. } = &message;
        let mut changes: Changes = Vec::new();
        let mut reader = None;
        if let Some(long_url) = &message.long_url {
            let target = self.target("newLongUrl", long_url, message.seen_as.as_deref())?;
            changes.extend([("u", target.as_str().to_owned()), ("j", String::new()), ("b", String::new())]);
            let finding = self.finding(&target, &mut changes);
            reader = self.undecided.as_ref().filter(|_| message.sfw.is_none() && finding.is_none());
        }
        match message.protection {
            Some(Protection::None) => changes.extend(["m", "h", "w"].map(|field| (field, String::new()))),
            Some(protection) => {
                changes.push(("m", protection.as_str().to_owned()));
                let others = [("h", Protection::Password), ("w", Protection::Otp)].into_iter();
                let others = others.filter(|(_, of)| *of != protection);
                changes.extend(others.map(|(field, _)| (field, String::new())));
            }
            None => {}
        }
        changes.extend(message.otp_allowed.as_ref().map(|allowed| ("w", allowed.to_lines())));
        if let Some(password) = &message.password {
            changes.push(("h", self.hashed(password.clone()).await?));
        }
        let switch = |on: bool| if on { flag(true) } else { String::new() };
        changes.extend(message.sfw.map(|sfw| ("s", flag(sfw))));
        changes.extend(message.analytics.map(|on| ("a", switch(on))));
        changes.extend(message.email_notifications.map(|on| ("e", switch(on))));

        let update = self.store.update(code, owner, &changes);
        let updated = match reader {
            Some(reader) => reader.around(code, update, |updated| *updated == Updated::Done).await,
            None => update.await,
        };
        // Whatever came of it: nobody knows what a lost answer said.
        self.clerk.memory().forget(code.as_str());
        match updated? {
            Updated::Done => self.fetch(FetchLink { code: code.clone(), owner: owner.clone() }).await,
            Updated::Missing | Updated::NotOwner => Err(ShortenerError::NotFound),
            Updated::LacksPassword => Err(ShortenerError::Invalid {
                field: "newPassword",
                problem: "is needed to protect the link with PASSWORD",
            }),
            Updated::LacksOtp => Err(ShortenerError::Invalid {
                field: "newOtpAllowedEmails",
                problem: "has an effect with the protection OTP alone",
            }),
            Updated::LacksProtection => Err(ShortenerError::Invalid {
                field: "newProtectionMethod",
                problem: "must be PASSWORD for a password to have an effect",
            }),
        }
    }

    /// The link goes first: an index entry without a link is dropped by lists, a link without an entry would be
    /// hidden. Only the listing seen before goes, so a link made under the alias meanwhile stays listed.
    async fn delete(&self, message: DeleteLink) -> Result<(), ShortenerError> {
        let DeleteLink { code, owner } = message;
        let listing = self.store.listing(&owner, &code).await?;
        let deleted = self.store.delete(&code, &owner).await;
        self.clerk.memory().forget(code.as_str());
        if !deleted? {
            return Err(ShortenerError::NotFound);
        }
        if let Some(listing) = listing {
            self.store.unindex(&owner, &code, listing).await?;
        }
        Ok(())
    }

    async fn stats(&self, message: FetchStats) -> Result<EventPage, ShortenerError> {
        let FetchStats { code, owner, page, limit } = message;
        self.clerk.settle().await;
        let skip = u64::from(page - 1) * u64::from(limit);
        let (events, total, tallies) =
            self.store.stats(&code, &owner, skip, u64::from(limit)).await?.ok_or(ShortenerError::NotFound)?;
        Ok(EventPage { events, total, tallies })
    }

    fn target(
        &self,
        field: &'static str,
        text: &str,
        seen_as: Option<&str>,
    ) -> Result<LongUrl, ShortenerError> {
        let url = LongUrl::parse(text, &self.places.hosts, seen_as)
            .map_err(|problem| ShortenerError::Invalid { field, problem })?;
        if self.is_blocked(url.as_str()) {
            return Err(ShortenerError::Invalid { field, problem: "leads to a blocked host" });
        }
        Ok(url)
    }

    async fn hashed(&self, password: Password) -> Result<String, ShortenerError> {
        self.hash.ask(HashPassword { password, refuse_common: false }).await.map_err(hash_failure)
    }

    pub(super) fn attempt(&self, visitor: &Visitor) -> Attempt {
        self.clerk.describe(visitor, |visit| Attempt {
            http_method: visit.http_method,
            ip: visit.ip,
            referrer: visit.referrer.to_owned(),
            agent: visit.agent.as_str(),
        })
    }
}

fn flag(on: bool) -> String {
    if on { "1" } else { "0" }.to_owned()
}

pub(super) fn hash_failure(error: HashError) -> ShortenerError {
    match error {
        HashError::Ask(error) => ShortenerError::Ask(error),
        HashError::Common | HashError::Failed(_) => ShortenerError::Hash(error.to_string()),
    }
}

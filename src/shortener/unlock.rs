//! Opening protected links.
//!
//! Invariant: what may be guessed is counted before it is compared: a password by throttles, a code by its own tries.

use std::rc::Rc;

use secrecy::ExposeSecret;

use super::actor::{Links, hash_failure};
use super::error::ShortenerError;
use super::messages::{FetchProtection, Unlock, Visited};
use super::model::{Grant, Key, Protection, ShortCode};
use super::store::{Followed, Guard, Proof};
use super::visitor::Visitor;
use crate::auth::messages::VerifyPassword;
use crate::auth::model::Password;

/// How often an unlock starts over because the link changed under it.
const UNLOCK_TRIES: usize = 3;

/// What a key has come to: the owned parts of a [`Proof`].
enum Shown {
    Password { hash: String, matched: bool },
    Code { address: String, digest: String },
    Grant { request: String, digest: String },
}

impl Shown {
    fn proof(&self) -> Proof<'_> {
        match self {
            Self::Password { hash, matched } => Proof::Password { hash, matched: *matched },
            Self::Code { address, digest } => Proof::Code { address, digest },
            Self::Grant { request, digest } => Proof::Grant { request, digest },
        }
    }
}

impl Links {
    pub(super) async fn protection(&self, message: FetchProtection) -> Result<Protection, ShortenerError> {
        let guard = self.store.guard(&message.code).await?.ok_or(ShortenerError::NotFound)?;
        Ok(guard.protection)
    }

    /// Settles in one step that holds only if the protection is still the one that was looked at.
    pub(super) async fn unlock(self: &Rc<Self>, message: Unlock) -> Result<String, ShortenerError> {
        let Unlock { code, key, visitor } = message;
        let attempt = self.attempt(&visitor);
        self.stop_if_blocked(&code, &attempt).await?;
        for _ in 0..UNLOCK_TRIES {
            let shown = self.show(&code, &key, &visitor).await?;
            let unlock = async |entered| self.store.unlock(&code, &attempt, shown.proof(), entered).await;
            match self.teller.counted(&code, unlock).await? {
                Followed::Open(url) => {
                    if let Key::Code { email, .. } = &key {
                        self.forgive_code_soon(&code, email);
                    }
                    self.tally_soon(code, visitor);
                    return Ok(url);
                }
                Followed::Missing => return Err(ShortenerError::NotFound),
                Followed::Protected(protection) => {
                    return Err(ShortenerError::Refused { tried: key.protection(), protection });
                }
                Followed::Changed | Followed::Unentered { .. } => {}
                // What a visit alone may come to.
                Followed::Notice | Followed::Blocked | Followed::Unvetted(_) => {}
            }
            let guard = self.store.guard(&code).await?.ok_or(ShortenerError::NotFound)?;
            if guard.protection == Protection::None
                && let Visited::Open(url) = self.follow(&code, &attempt, false).await?
            {
                return Ok(url);
            }
        }
        Err(ShortenerError::Contended)
    }

    /// What the datastore needs to judge `key`.
    async fn show(&self, code: &ShortCode, key: &Key, visitor: &Visitor) -> Result<Shown, ShortenerError> {
        match key {
            Key::Password(password) => {
                let Guard { hash, .. } = self.store.guard(code).await?.ok_or(ShortenerError::NotFound)?;
                // Without a password there is nothing to guess.
                let Some(hash) = hash else {
                    return Ok(Shown::Password { hash: String::new(), matched: false });
                };
                let matched = self.matches(code, password, &hash, visitor).await?;
                Ok(Shown::Password { hash, matched })
            }
            Key::Code { email, code: typed } => Ok(Shown::Code {
                address: self.digests.address(email),
                digest: self.digests.code(code, email, typed.expose_secret()),
            }),
            Key::Grant(text) => {
                let grant = Grant::parse(text.expose_secret());
                let digest = |grant: &Grant| self.digests.grant(code, grant);
                Ok(Shown::Grant {
                    digest: grant.as_ref().map(digest).unwrap_or_default(),
                    request: grant.map(|grant| grant.request.as_str().to_owned()).unwrap_or_default(),
                })
            }
        }
    }

    /// Compares outside of Redis, under the limits on guesses.
    async fn matches(
        &self,
        code: &ShortCode,
        password: &Password,
        hash: &str,
        visitor: &Visitor,
    ) -> Result<bool, ShortenerError> {
        let network = visitor.network;
        if let Err(time) = self.store.begin_guess_from(code, network, self.visitor_guesses).await?.pass() {
            self.store.turn_away(code).await?;
            return Err(ShortenerError::Wait(time));
        }
        if let Err(time) = self.store.begin_guess(code, self.link_guesses).await?.pass() {
            self.store.forgive_guess_from(code, network).await?;
            self.store.turn_away(code).await?;
            return Err(ShortenerError::Wait(time));
        }
        let verify = VerifyPassword { password: password.clone(), hash: Some(hash.to_owned()) };
        let verdict = self.verify.ask(verify).await.map_err(hash_failure);
        if !matches!(verdict, Ok(false)) {
            self.store.forgive_guess_from(code, network).await?;
            self.store.forgive_guess(code).await?;
        }
        verdict
    }
}

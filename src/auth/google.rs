//! Sign-in with Google.
//!
//! Accounts hang on Google's id of a person, `sub`, not on the address, which can change. Invariants: a token counts only
//! if Google signed it, for us, about a proven address, and it is of now; whoever made an account here without proving
//! its address cannot share it with the address' owner.

use std::rc::Rc;

use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;

use super::actor::{Manager, welcome};
use super::courier::source_of;
use super::error::AuthError;
use super::keys;
use super::messages::{Entered, FetchGoogleKey, Identity, SignInWithGoogle};
use super::model::{Device, GoogleSub};
use super::opening::Arrival;
use super::store::{Credentials, Linked, Name, NewAccount};
use crate::config::GoogleConfig;
use crate::notifier::model::{Notice, What};
use crate::users::model::{Email, UserId, Username};

const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
/// Seconds by which clocks may differ.
const LEEWAY_SECS: u64 = 60;
/// Longest token, in bytes; Google's have little more than one thousand.
const MAX_TOKEN: usize = 8192;
/// Longest name of a key, in bytes.
const MAX_KID: usize = 256;
/// How often a sign-in starts over because another one has changed what it found.
const TRIES: usize = 5;

/// What tokens must say.
#[derive(Debug)]
pub(super) struct Google {
    client_ids: Vec<String>,
    validation: Validation,
}

/// Somebody whom Google vouches for.
#[derive(Debug)]
struct Vouched {
    sub: GoogleSub,
    email: Email,
}

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    nbf: Option<u64>,
    iat: Option<u64>,
    exp: u64,
    email: String,
    email_verified: Flag,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Google has written it both ways.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Text(String),
}

impl Google {
    pub(super) fn new(config: &GoogleConfig) -> Self {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = LEEWAY_SECS;
        validation.validate_nbf = true;
        validation.set_issuer(&ISSUERS);
        validation.set_audience(&config.client_ids);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        Self { client_ids: config.client_ids.clone(), validation }
    }

    /// The name of the key that a token says to be signed with; nothing when it cannot be one of Google's.
    fn key_of(&self, token: &str) -> Option<String> {
        if self.client_ids.is_empty() || token.len() > MAX_TOKEN {
            return None;
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        let plain = header.alg == Algorithm::RS256 && header.crit.is_none();
        header.kid.filter(|kid| plain && (1..=MAX_KID).contains(&kid.len()))
    }

    fn read(&self, claims: Claims) -> Option<Vouched> {
        let Claims { iss, sub, aud, nbf, iat, exp, email, email_verified } = claims;
        // The library lets lists of issuers pass, and takes times of another type for none.
        let by_google = ISSUERS.contains(&iss.as_str());
        // A token for others too could have come from them.
        let for_us = match &aud {
            Audience::One(id) => self.client_ids.contains(id),
            Audience::Many(ids) => !ids.is_empty() && ids.iter().all(|id| self.client_ids.contains(id)),
        };
        let now = jsonwebtoken::get_current_timestamp();
        let in_time = [nbf, iat].iter().flatten().all(|from| *from <= now + LEEWAY_SECS && *from <= exp);
        let is_proven = match email_verified {
            Flag::Bool(is_proven) => is_proven,
            Flag::Text(text) => text == "true",
        };
        let vouched = Vouched { sub: GoogleSub::parse(&sub)?, email: Email::parse(&email).ok()? };
        (by_google && for_us && in_time && is_proven).then_some(vouched)
    }
}

impl Manager {
    /// The account that hangs on the Google account, else the one of the address, which is linked, else a new one.
    pub(super) async fn sign_in_with_google(
        self: &Rc<Self>,
        message: SignInWithGoogle,
    ) -> Result<Entered, AuthError> {
        let SignInWithGoogle { id_token, device } = message;
        let vouched = self.vouched(&id_token).await?;
        for _ in 0..TRIES {
            if let Some((id, credentials)) = self.linked_with(&vouched.sub).await? {
                return self.enter(&id, &credentials, false, &device).await;
            }
            let entered = match self.find(&Identity::Email(vouched.email.clone())).await? {
                Some((id, credentials)) => self.link_and_enter(&id, &credentials, &vouched, &device).await,
                None => self.register_with_google(&vouched, &device).await,
            };
            match entered {
                // Somebody was faster: whom these belong to is known by now.
                Err(AuthError::EmailTaken | AuthError::GoogleTaken | AuthError::AccountGone) => {}
                entered => return entered,
            }
        }
        Err(AuthError::Lapsed)
    }

    async fn vouched(&self, id_token: &str) -> Result<Vouched, AuthError> {
        let kid = self.google.key_of(id_token).ok_or(AuthError::InvalidGoogleToken)?;
        let key = self.asks.google_key.ask(FetchGoogleKey { kid }).await?;
        let key = key.ok_or(AuthError::InvalidGoogleToken)?;
        let read = jsonwebtoken::decode::<Claims>(id_token, &key, &self.google.validation).ok();
        read.and_then(|token| self.google.read(token.claims)).ok_or(AuthError::InvalidGoogleToken)
    }

    async fn linked_with(&self, sub: &GoogleSub) -> Result<Option<(UserId, Credentials)>, AuthError> {
        let claim = self.store.claim_on(Name::Google(sub)).await?;
        let Some(id) = claim.and_then(|claim| claim.holder()) else { return Ok(None) };
        let credentials = self.store.credentials(&id).await?;
        let is_linked = |credentials: &Credentials| credentials.google == Some(keys::google_digest(sub));
        Ok(credentials.filter(is_linked).map(|credentials| (id, credentials)))
    }

    /// The link is written before the claim on it is confirmed, as [`super::names`] has it.
    async fn link_and_enter(
        self: &Rc<Self>,
        id: &UserId,
        credentials: &Credentials,
        vouched: &Vouched,
        device: &Device,
    ) -> Result<Entered, AuthError> {
        let Vouched { sub, email } = vouched;
        let name = Name::Google(sub);
        if !self.claim(name, id).await? {
            return Err(AuthError::GoogleTaken);
        }
        let (source, notice) = (source_of(id), Notice::to_user(id, What::GoogleLinked));
        let link = async |slip| self.store.link_google(id, sub, slip).await;
        match self.post.leave(&source, &notice, link).await?.ok_or(AuthError::AccountGone)? {
            Linked::Another => {
                self.store.release_claim_of(name, id).await?;
                return Err(AuthError::InvalidGoogleToken);
            }
            Linked::Before => {}
            Linked::Now { left, ended } => {
                self.post.relay_later(source, left);
                self.tell_end(id, &ended).await;
            }
        }
        // The address too: its account may have been in the making.
        for name in [name, Name::Email(email)] {
            self.store.confirm_claim(name, id).await?.ok_or(AuthError::Lapsed)?;
        }
        self.enter(id, credentials, true, device).await
    }

    async fn enter(
        self: &Rc<Self>,
        id: &UserId,
        credentials: &Credentials,
        linked: bool,
        device: &Device,
    ) -> Result<Entered, AuthError> {
        let mut welcome = welcome(id, &credentials.account, &credentials.first_username);
        welcome.email_verified |= linked;
        let signed_in = self.open_session(id, device, welcome, Arrival::SIGNED_IN).await?;
        Ok(Entered { signed_in, is_new: false })
    }

    async fn register_with_google(
        self: &Rc<Self>,
        vouched: &Vouched,
        device: &Device,
    ) -> Result<Entered, AuthError> {
        let Vouched { sub, email } = vouched;
        let id = UserId::generate(chrono::Utc::now());
        let username = Username::of(&id);
        let names = [Name::Email(email), Name::Google(sub), Name::Username(&username)];
        let account = NewAccount {
            email: Some(email),
            username: &username,
            password_hash: None,
            google: Some(sub),
            phone: None,
            via: "GOOGLE",
        };
        match self.found_account(&id, &names, &account).await {
            Ok(welcome) => {
                let signed_in = self.open_session(&id, device, welcome, Arrival::REGISTERED).await?;
                Ok(Entered { signed_in, is_new: true })
            }
            Err(error) => {
                self.store.give_back(&id, &names).await;
                Err(error)
            }
        }
    }
}

//! Unique names: claims on e-mail addresses, usernames and Google accounts.
//!
//! A claim lives in the slot of its name, what it is for in its user's. So a claim lapses by itself until it is
//! confirmed, which happens when what it is for has been written; and a confirmed claim whose holder turns out not to
//! go by that name is what a crash left: whoever wants the name takes it over. Invariant: a claim is released only as
//! it was seen before its use was looked up, and confirming changes it; so nobody takes over what has just found its
//! use.

use std::time::Duration;

use super::actor::Manager;
use super::error::AuthError;
use super::keys;
use super::messages::ChangeUsername;
use super::store::{Claim, Claimed, Credentials, Name};
use crate::users::messages::{BeginRename, FetchNames, FinishRename};
use crate::users::model::{Email, UserId, Username};

/// How often, and how long in between, a name that somebody is about to take is looked at again.
const TRIES: usize = 30;
const PAUSE: Duration = Duration::from_millis(30);

impl Manager {
    /// False when somebody else has the name. A claim that is not confirmed yet is waited for: what it is for is being
    /// written at this moment, or never will be.
    pub(super) async fn claim(&self, name: Name<'_>, id: &UserId) -> Result<bool, AuthError> {
        for _ in 0..TRIES {
            let Claimed::Taken { claim, confirmed } = self.store.claim(name, id).await? else {
                return Ok(true);
            };
            if !confirmed {
                actix::clock::sleep(PAUSE).await;
            } else if self.is_in_use(name, &claim).await? {
                return Ok(false);
            } else {
                self.store.release_claim(name, &claim).await?;
            }
        }
        Err(AuthError::Lapsed)
    }

    /// Whether the holder of a confirmed claim goes by that name, or is about to.
    async fn is_in_use(&self, name: Name<'_>, claim: &Claim) -> Result<bool, AuthError> {
        let Some(holder) = claim.holder() else { return Ok(false) };
        if let Name::Username(username) = name
            && let Some(names) = self.asks.names.ask(FetchNames { user_id: holder.clone() }).await?
        {
            return Ok(names.include(username));
        }
        // An account without a profile is being made at this moment, or waits for its next login.
        Ok(self.store.credentials(&holder).await?.is_some_and(|found| match name {
            Name::Email(email) => found.has(email),
            Name::Phone(digest) => found.phone.as_deref() == Some(digest),
            Name::Google(sub) => found.google == Some(keys::google_digest(sub)),
            Name::Username(username) => found.first_username.key() == username.key(),
        }))
    }

    /// The account of an address that was claimed when letters of all alphabets were folded; from now on it has the claim that
    /// it should have. The other one may be that of another address, and is anybody's.
    pub(super) async fn find_as_before(
        &self,
        email: &Email,
    ) -> Result<Option<(UserId, Credentials)>, AuthError> {
        let Some(before) = email.as_before() else { return Ok(None) };
        let claim = self.store.claim_on(Name::Email(&before)).await?;
        let Some(id) = claim.and_then(|claim| claim.holder()) else { return Ok(None) };
        let found = self.store.credentials(&id).await?.filter(|credentials| credentials.has(email));
        let Some(credentials) = found else { return Ok(None) };
        let name = Name::Email(email);
        if !self.claim(name, &id).await? {
            return Ok(None);
        }
        self.store.confirm_claim(name, &id).await?.ok_or(AuthError::Lapsed)?;
        Ok(Some((id, credentials)))
    }

    /// Claims the new name, notes in the profile what is under way, confirms, renames, releases the old name. After a
    /// crash in between both names are the user's or lapse, and the next change goes on from there.
    pub(super) async fn change_username(&self, message: ChangeUsername) -> Result<(), AuthError> {
        let ChangeUsername { user_id, username } = message;
        let names = self.asks.names.ask(FetchNames { user_id: user_id.clone() }).await?;
        let before = names.ok_or(AuthError::AccountGone)?.username;
        let (name, old_name) = (Name::Username(&username), Name::Username(&before));
        let old_claim = self.store.claim_on(old_name).await?;
        if !self.claim(name, &user_id).await? {
            return Err(AuthError::UsernameTaken);
        }
        self.asks.begin_rename.ask(BeginRename { user_id: user_id.clone(), to: username.clone() }).await?;
        let claim = self.store.confirm_claim(name, &user_id).await?.ok_or(AuthError::Lapsed)?;
        let rename = FinishRename { user_id: user_id.clone(), to: username.clone() };
        if !self.asks.finish_rename.ask(rename).await? {
            // The user has begun another change meanwhile.
            self.store.release_claim(name, &claim).await?;
            return Err(AuthError::Lapsed);
        }
        if before.key() != username.key()
            && let Some(old_claim) = old_claim.filter(|claim| claim.holder().as_ref() == Some(&user_id))
        {
            self.release_old(&before, &old_claim).await;
        }
        Ok(())
    }

    /// The change is done whether or not this is: a claim without a use is anybody's.
    async fn release_old(&self, before: &Username, claim: &Claim) {
        if let Err(error) = self.store.release_claim(Name::Username(before), claim).await {
            tracing::debug!(%error, "a claim is left to whoever wants the name");
        }
    }
}

//! Tokens in mails: to choose another password, and to prove an address.
//!
//! A token is random, lives for a while and works once. What is kept is its digest, in the account's slot, over the
//! account, the address and the token; so a token is worth nothing for another address or account. Invariants: a token
//! ends in the script that does what it allows; a mail is left in the script that keeps the digest; whether an address
//! has an account changes nothing about how often it may be asked for. What strangers make, registrations and accounts with
//! other spellings of an address, is counted apart from what the address' owner needs to get in again.

use secrecy::SecretString;

use super::actor::Manager;
use super::courier::source_of;
use super::error::AuthError;
use super::keys::{self, ProofKind};
use super::messages::{
    HashPassword, Identity, RequestReset, RequestVerification, ResetPassword, VerifyEmail,
};
use crate::config::{AuthConfig, GuessConfig};
use crate::notifier::model::{Notice, What};
use crate::redis::throttle::Verdict;
use crate::secrets::{self, Digester};
use crate::users::messages::NoteVerified;
use crate::users::model::{Email, UserId};

/// How tokens are made, and what is said about accounts.
#[derive(Debug)]
pub(super) struct Proofs {
    digester: Digester,
    reset_ttl_ms: u64,
    verify_ttl_ms: u64,
    on_register: bool,
    prefixes: Vec<String>,
    hides_accounts: bool,
    requests: GuessConfig,
    mailbox: GuessConfig,
    registrations: GuessConfig,
}

/// What is kept of a token.
#[derive(Debug)]
pub(super) struct Proof {
    /// Of account, address and token.
    pub(super) digest: String,
    /// How long it lives.
    pub(super) ttl_ms: u64,
}

/// An account for which a good token was presented.
struct Proven {
    id: UserId,
    digest: String,
}

impl Proofs {
    pub(super) fn new(secret: &SecretString, config: &AuthConfig) -> Self {
        Self {
            digester: Digester::new(secret, "auth: tokens in mails"),
            reset_ttl_ms: config.reset_ttl_secs * 1000,
            verify_ttl_ms: config.verify_ttl_secs * 1000,
            on_register: config.verify_on_register,
            prefixes: config.frontend_prefixes.clone(),
            hides_accounts: config.hide_account_existence,
            requests: config.mail_requests,
            mailbox: config.mailbox_mails,
            registrations: config.registration_mails,
        }
    }

    /// A new token, which is mailed, and what is kept of it.
    fn issue(&self, kind: ProofKind, id: &UserId, email: &str) -> (Proof, String) {
        let token = secrets::token();
        let ttl_ms = match kind {
            ProofKind::ResetPassword => self.reset_ttl_ms,
            ProofKind::VerifyEmail => self.verify_ttl_ms,
        };
        (Proof { digest: self.digest(kind, id, email, &token), ttl_ms }, token)
    }

    fn digest(&self, kind: ProofKind, id: &UserId, email: &str, token: &str) -> String {
        self.digester.of(&[kind.name(), id.as_str(), email, token])
    }

    fn verification(&self, id: &UserId, email: &str) -> (Proof, Notice) {
        let (proof, token) = self.issue(ProofKind::VerifyEmail, id, email);
        let (email, token_id) = (email.to_owned(), id.to_string());
        (proof, Notice::to_user(id, What::VerifyEmail { email, token_id, token }))
    }

    fn reset(&self, id: &UserId, email: &str, prefixes: Vec<String>) -> (Proof, Notice) {
        let (proof, token) = self.issue(ProofKind::ResetPassword, id, email);
        let (email, token_id) = (email.to_owned(), id.to_string());
        let prefix = prefixes.into_iter().find(|prefix| self.prefixes.contains(prefix));
        (proof, Notice::to_user(id, What::ResetPassword { email, token_id, token, prefix }))
    }
}

impl Manager {
    /// What the first session of an account mails: nothing when it has no address, or when nothing is to be mailed.
    pub(super) async fn mail_of_registration(
        &self,
        id: &UserId,
        email: &str,
    ) -> Result<Option<(Proof, Notice)>, AuthError> {
        let Some(address) = Email::parse(email).ok().filter(|_| self.proofs.on_register) else {
            return Ok(None);
        };
        let verdict = self.store.begin_registration_mail(&address, self.proofs.registrations).await?;
        Ok((verdict == Verdict::Go).then(|| self.proofs.verification(id, email)))
    }

    /// Where existence is hidden, an address without an account costs the same steps: they end in a script that finds
    /// nobody.
    pub(super) async fn request_reset(&self, message: RequestReset) -> Result<(), AuthError> {
        let RequestReset { email, prefixes } = message;
        self.begin_mail(&keys::digest(email.key())).await?;
        let (id, address) = match self.find(&Identity::Email(email.clone())).await? {
            Some((id, credentials)) => {
                let account = credentials.account;
                match self.begin_mail_to(&email, account.email_verified_ms.is_some()).await {
                    // The wait would tell that there is an account.
                    Err(AuthError::MailboxWait(_)) if self.proofs.hides_accounts => return Ok(()),
                    begun => begun?,
                }
                if self.proofs.hides_accounts {
                    self.post.forget(&source_of(&id));
                }
                (id, account.email)
            }
            None if self.proofs.hides_accounts => {
                let nobody = UserId::generate(chrono::Utc::now());
                // Where there is an account it is read.
                self.store.credentials(&nobody).await?;
                (nobody, email.as_str().to_owned())
            }
            None => return Err(AuthError::UnknownAddress),
        };
        let (proof, notice) = self.proofs.reset(&id, &address, prefixes);
        let found = self.mail(&id, ProofKind::ResetPassword, &proof, &notice).await?;
        if found || self.proofs.hides_accounts { Ok(()) } else { Err(AuthError::UnknownAddress) }
    }

    /// An address that is proven already needs no mail.
    pub(super) async fn request_verification(&self, message: RequestVerification) -> Result<(), AuthError> {
        let RequestVerification { user_id } = message;
        let account = self.account(&user_id).await?;
        let email = Email::parse(&account.email).map_err(|_| AuthError::NoAddress)?;
        if account.email_verified_ms.is_some() {
            return Ok(());
        }
        self.begin_mail(user_id.as_str()).await?;
        self.begin_mail_to(&email, false).await?;
        let (proof, notice) = self.proofs.verification(&user_id, &account.email);
        let found = self.mail(&user_id, ProofKind::VerifyEmail, &proof, &notice).await?;
        if found { Ok(()) } else { Err(AuthError::AccountGone) }
    }

    async fn begin_mail(&self, who: &str) -> Result<(), AuthError> {
        self.store.begin_mail(who, self.proofs.requests).await?.pass().map_err(AuthError::MailWait)
    }

    /// Counts what goes to one of the many accounts that a stranger can make for a mailbox.
    async fn begin_mail_to(&self, email: &Email, is_proven: bool) -> Result<(), AuthError> {
        if is_proven || email.is_plain() {
            return Ok(());
        }
        self.store.begin_mail_to(email, self.proofs.mailbox).await?.pass().map_err(AuthError::MailboxWait)
    }

    /// False when there is no such account. Nobody waits until the mail is on its way: once it is left, it will be.
    async fn mail(
        &self,
        id: &UserId,
        kind: ProofKind,
        proof: &Proof,
        notice: &Notice,
    ) -> Result<bool, AuthError> {
        let source = source_of(id);
        let issue = async |slip| self.store.issue_proof(id, kind, &proof.digest, proof.ttl_ms, slip).await;
        let left = self.post.leave(&source, notice, issue).await?;
        let found = left.is_some();
        match left {
            Some(left) if self.proofs.hides_accounts => self.post.relay_unseen(source, left),
            Some(left) => self.post.relay_later(source, left),
            None => {}
        }
        Ok(found)
    }

    /// The token is looked at before the password is hashed, which costs time, and taken when the password is changed.
    pub(super) async fn reset_password(&self, message: ResetPassword) -> Result<(), AuthError> {
        let ResetPassword { token_id, token, new_password, network } = message;
        let proven = self.check_proof(ProofKind::ResetPassword, &token_id, &token).await?;
        let hash = HashPassword { password: new_password, refuse_common: true };
        let password_hash = self.asks.hash.ask(hash).await?;
        let Proven { id, digest } = proven;
        self.note_proven(&id).await?;
        let (source, notice) = (source_of(&id), Notice::to_user(&id, What::PasswordChanged));
        let reset = async |slip| self.store.reset_password(&id, &digest, &password_hash, slip).await;
        let done = self.post.leave(&source, &notice, reset).await?;
        let (left, ended) = done.ok_or(AuthError::InvalidProof)?;
        self.post.relay_later(source, left);
        self.tell_end(&id, &ended).await;
        if let Err(error) = self.store.forget_guesses(id.as_str(), network).await {
            tracing::debug!(%error, "wrong guesses are left to be forgotten");
        }
        Ok(())
    }

    pub(super) async fn verify_email(&self, message: VerifyEmail) -> Result<(), AuthError> {
        let VerifyEmail { token_id, token } = message;
        let proven = self.check_proof(ProofKind::VerifyEmail, &token_id, &token).await?;
        self.note_proven(&proven.id).await?;
        let taken = self.store.verify_email(&proven.id, &proven.digest).await?;
        if taken { Ok(()) } else { Err(AuthError::InvalidProof) }
    }

    async fn check_proof(&self, kind: ProofKind, token_id: &str, token: &str) -> Result<Proven, AuthError> {
        let id = UserId::parse(token_id).ok_or(AuthError::InvalidProof)?;
        let credentials = self.store.credentials(&id).await?.ok_or(AuthError::InvalidProof)?;
        let digest = self.proofs.digest(kind, &id, &credentials.account.email, token);
        if !self.store.check_proof(&id, kind, &digest).await? {
            return Err(AuthError::InvalidProof);
        }
        Ok(Proven { id, digest })
    }

    /// The profile hears of it before the token is taken: a crash in between leaves a token that can be presented again.
    async fn note_proven(&self, id: &UserId) -> Result<(), AuthError> {
        Ok(self.asks.note_verified.ask(NoteVerified { user_id: id.clone() }).await?)
    }
}

//! Who asks to be let through links protected by APPROVE, and what their owners say.
//!
//! An address has one request per link, whose id follows from both; it waits, is approved or denied, and may be asked
//! again. An owner is told of so many and finds the rest on the list. Invariants: a grant is known to its mail alone, works
//! while its request is approved and the link protected by APPROVE, and ends with a denial, whether or not that can be mailed; what strangers do stops no decision.

use chrono::Utc;
use secrecy::SecretString;

use super::actor::Links;
use super::error::ShortenerError;
use super::messages::{DecideRequest, ListRequests, RequestAccess, RequestPage};
use super::model::{Decision, Grant, Protection, RequestId, ShortCode};
use super::otp::other_protection;
use super::store::{Asking, Deciding, MailLimit, Outcome};
use crate::notifier::model::{Notice, Recipient, What};
use crate::secrets;
use crate::users::model::Email;

impl Links {
    pub(super) async fn request_access(&self, message: RequestAccess) -> Result<RequestId, ShortenerError> {
        let RequestAccess { code, email, reason } = message;
        let guard = self.guarded(&code, Protection::Approve).await?;
        // Guests cannot make such links.
        let owner = guard.owner.ok_or_else(|| other_protection(Protection::Approve))?;
        self.begin_mails(&[MailLimit::Link(&code)]).await?;

        let request = self.digests.request(&code, &email);
        let what = What::AccessRequested {
            short_code: code.to_string(),
            request_id: request.as_str().to_owned(),
            email: email.as_str().to_owned(),
            reason: reason.clone(),
        };
        let told = self.digests.owner(&owner);
        let tells = self.store.begin_mail(MailLimit::Owner(&told)).await?.pass().is_ok();
        let sealed = if tells { self.post.seal(&Notice::to_user(&owner, what)) } else { String::new() };
        let asking = Asking {
            request: &request,
            email: email.as_str(),
            reason: reason.as_deref().unwrap_or_default(),
            sealed: &sealed,
        };
        let ask = async |lease_ms| self.store.ask(&code, &asking, lease_ms).await;
        match self.post.leave(&code, ask).await? {
            Outcome::Left(left) => self.post.relay_soon(&code, left),
            Outcome::Silent => {}
            outcome => {
                self.store.forgive_mail(MailLimit::Link(&code)).await?;
                if tells {
                    self.store.forgive_mail(MailLimit::Owner(&told)).await?;
                }
                match outcome {
                    Outcome::Missing => return Err(ShortenerError::NotFound),
                    Outcome::Unfit => return Err(other_protection(Protection::Approve)),
                    Outcome::Full => return Err(ShortenerError::TooManyRequests),
                    Outcome::Lapsed | Outcome::Backlog => return Err(ShortenerError::Backlog),
                    Outcome::Nothing | Outcome::Silent | Outcome::Left(_) => {}
                }
            }
        }
        Ok(request)
    }

    pub(super) async fn requests(&self, message: ListRequests) -> Result<RequestPage, ShortenerError> {
        let ListRequests { code, owner, page, limit } = message;
        let skip = u64::from(page - 1) * u64::from(limit);
        let found = self.store.requests(&code, &owner, skip, u64::from(limit)).await?;
        let (requests, total) = found.ok_or(ShortenerError::NotFound)?;
        Ok(RequestPage { requests, total })
    }

    pub(super) async fn decide(&self, message: DecideRequest) -> Result<(), ShortenerError> {
        let DecideRequest { code, owner, request, decision } = message;
        let (owns, email) = self.store.requester(&code, &owner, &request).await?;
        if !owns {
            return Err(ShortenerError::NotFound);
        }
        let email = email.and_then(|email| Email::parse(&email).ok()).ok_or(ShortenerError::NoSuchRequest)?;
        let mailbox = self.digests.mailbox_of(&owner, &email);
        let limit = MailLimit::Word(&mailbox, decision);
        let mails = match self.begin_mails(&[limit]).await {
            // A denial that cannot be mailed is one all the same.
            Err(ShortenerError::MailWait(_)) if decision == Decision::Deny => false,
            begun => begun.map(|()| true)?,
        };
        let (grant, what) = self.word(&code, &request, decision);
        let sealed = match mails {
            true => self.post.seal(&Notice { to: Recipient::Address(email.as_str().to_owned()), what }),
            false => String::new(),
        };
        let deciding =
            Deciding { owner: &owner, request: &request, decision, grant: &grant, sealed: &sealed };
        match self.settle(&code, deciding).await? {
            Outcome::Left(left) => {
                self.post.relay_soon(&code, left);
                if decision == Decision::Approve {
                    // The request was wanted: it makes the next ones wait no longer.
                    self.store.forgive_mail(MailLimit::Link(&code)).await?;
                    self.store.forgive_mail(MailLimit::Owner(&self.digests.owner(&owner))).await?;
                }
                Ok(())
            }
            outcome => {
                if mails {
                    self.store.forgive_mail(limit).await?;
                }
                match outcome {
                    Outcome::Missing => Err(ShortenerError::NotFound),
                    Outcome::Unfit => Err(ShortenerError::NoSuchRequest),
                    Outcome::Lapsed | Outcome::Backlog | Outcome::Full => Err(ShortenerError::Backlog),
                    Outcome::Nothing | Outcome::Silent | Outcome::Left(_) => Ok(()),
                }
            }
        }
    }

    /// The digest of a new grant, if it is one, and what the visitor is told.
    fn word(&self, code: &ShortCode, request: &RequestId, decision: Decision) -> (String, What) {
        let short_code = code.to_string();
        match decision {
            Decision::Deny => (String::new(), What::AccessDenied { short_code }),
            Decision::Approve => {
                let grant = Grant { request: request.clone(), token: SecretString::from(secrets::token()) };
                let until_ms = Utc::now().timestamp_millis() + self.store.grant_secs().cast_signed() * 1000;
                let what = What::AccessGranted { short_code, grant: grant.to_text(), until_ms };
                (self.digests.grant(code, &grant), what)
            }
        }
    }

    /// A denial that cannot be told is one all the same.
    async fn settle(&self, code: &ShortCode, deciding: Deciding<'_>) -> Result<Outcome, ShortenerError> {
        let decide = async |lease_ms| self.store.decide(code, &deciding, lease_ms).await;
        let outcome = self.post.leave(code, decide).await?;
        if matches!(outcome, Outcome::Lapsed | Outcome::Backlog) && deciding.decision == Decision::Deny {
            let silent = Deciding { sealed: "", ..deciding };
            return Ok(self.store.decide(code, &silent, 0).await?);
        }
        Ok(outcome)
    }
}

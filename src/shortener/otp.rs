//! Codes that are mailed to visitors.
//!
//! Invariants: whether an address is on the owner's list, neither the answer nor the limits tell, nor the time that either
//! takes: all are the same for those who are not, and what is left is carried later; and mails whose codes nobody uses go
//! out only as often as `[shortener.code_mails]`, `link_mails`, `mailbox_mails` and `mailbox_codes` allow.

use std::rc::Rc;

use super::actor::Links;
use super::error::ShortenerError;
use super::messages::SendLinkCode;
use super::model::{Protection, ShortCode};
use super::store::{Guard, MailLimit, Outcome};
use crate::notifier::model::{Notice, Recipient, What};
use crate::redis::RedisFailure;
use crate::secrets;
use crate::users::model::Email;

impl Links {
    pub(super) async fn send_code(&self, message: SendLinkCode) -> Result<(), ShortenerError> {
        let SendLinkCode { code, email } = message;
        let guard = self.guarded(&code, Protection::Otp).await?;
        // Guests cannot make such links.
        let owner = guard.owner.ok_or_else(|| other_protection(Protection::Otp))?;
        let address = self.digests.address(&email);
        let mailboxes = [self.digests.mailbox_of(&owner, &email), self.digests.mailbox(&email)];
        self.begin_mails(&code_limits(&code, &address, &mailboxes)).await?;

        let otp = secrets::one_time_code();
        let digest = self.digests.code(&code, &email, &otp);
        let notice = Notice {
            to: Recipient::Address(email.as_str().to_owned()),
            what: What::LinkCode { short_code: code.to_string(), code: otp },
        };
        let sealed = self.post.seal(&notice);
        let send = async |lease_ms| {
            self.store.send_code(&code, &address, email.key(), &digest, &sealed, lease_ms).await
        };
        match self.post.leave(&code, send).await? {
            Outcome::Left(left) => self.post.relay_unseen(&code, left),
            Outcome::Nothing | Outcome::Silent => {}
            Outcome::Missing => return Err(ShortenerError::NotFound),
            Outcome::Unfit => return Err(other_protection(Protection::Otp)),
            Outcome::Lapsed | Outcome::Backlog | Outcome::Full => return Err(ShortenerError::Backlog),
        }
        Ok(())
    }

    /// Takes a mail back from the limits while the visitor goes on: its code was used, so it was wanted.
    pub(super) fn forgive_code_soon(self: &Rc<Self>, code: &ShortCode, email: &Email) {
        let (links, code, email) = (self.clone(), code.clone(), email.clone());
        actix::spawn(async move {
            if let Err(error) = links.forgive_code(&code, &email).await {
                tracing::warn!(%error, "a mail that was wanted stays counted");
            }
        });
    }

    async fn forgive_code(&self, code: &ShortCode, email: &Email) -> Result<(), RedisFailure> {
        let owner = self.store.guard(code).await?.and_then(|guard| guard.owner);
        let Some(owner) = owner else { return Ok(()) };
        let address = self.digests.address(email);
        let mailboxes = [self.digests.mailbox_of(&owner, email), self.digests.mailbox(email)];
        for limit in code_limits(code, &address, &mailboxes) {
            self.store.forgive_mail(limit).await?;
        }
        Ok(())
    }

    /// What stands in front of a link that is protected by `protection` and leads somewhere.
    pub(super) async fn guarded(
        &self,
        code: &ShortCode,
        protection: Protection,
    ) -> Result<Guard, ShortenerError> {
        let guard = self.store.guard(code).await?.ok_or(ShortenerError::NotFound)?;
        if self.is_blocked(&guard.target) {
            return Err(ShortenerError::Blocked);
        }
        if guard.protection == protection { Ok(guard) } else { Err(other_protection(protection)) }
    }

    /// Counts a mail against each of `limits`, or against none.
    pub(super) async fn begin_mails(&self, limits: &[MailLimit<'_>]) -> Result<(), ShortenerError> {
        for (counted, limit) in limits.iter().enumerate() {
            if let Err(time) = self.store.begin_mail(*limit).await?.pass() {
                for limit in &limits[..counted] {
                    self.store.forgive_mail(*limit).await?;
                }
                return Err(ShortenerError::MailWait(time));
            }
        }
        Ok(())
    }
}

/// What a code is counted by; mailboxes are those of an owner's links and of all.
fn code_limits<'a>(code: &'a ShortCode, address: &'a str, mailboxes: &'a [String; 2]) -> [MailLimit<'a>; 4] {
    let [of_owner, of_all] = mailboxes;
    [
        MailLimit::Codes(code, address),
        MailLimit::Link(code),
        MailLimit::CodesOf(of_owner),
        MailLimit::AllCodes(of_all),
    ]
}

pub(super) const fn other_protection(wanted: Protection) -> ShortenerError {
    let problem = match wanted {
        Protection::Otp => "is not a link protected by OTP",
        _ => "is not a link protected by APPROVE",
    };
    ShortenerError::Invalid { field: "id", problem }
}

//! What goes out of the house, by which way, and what lists say of it. How a mail reads is [`super::mail`]'s.

use serde::{Deserialize, Serialize};

use super::model::What;
use crate::users::model::UserId;
use crate::values::time::day;

/// Longest piece of somebody's text in a letter, in characters.
const MAX_QUOTE: usize = 500;
/// Stands for a number in a [`Summary`]; nothing that people write has it.
pub(super) const N: char = '\u{1}';

/// How something goes out. Each way has a queue of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// By e-mail.
    Mail,
    /// By e-mail that nobody waits for, and that must not stand before what somebody does.
    Bulk,
    /// To a phone.
    Sms,
}

impl Way {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Mail, Self::Bulk, Self::Sms];

    /// As it stands in keys and metrics.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Bulk => "bulk",
            Self::Sms => "sms",
        }
    }

    /// Whether a letter is dropped rather than its cause held up when the queue is full.
    pub(super) const fn may_drop(self) -> bool {
        matches!(self, Self::Bulk)
    }
}

/// One mail or SMS.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Letter {
    /// The same in every copy of it.
    pub(super) id: String,
    /// E-mail address or phone number.
    pub(super) to: String,
    /// What it says.
    pub(super) what: What,
    /// The user and the notification that says whether it was sent.
    pub(super) listed: Option<(UserId, String)>,
    /// After this it is of no use. ms
    pub(super) until_ms: Option<i64>,
}

/// An SMS as it reads.
pub(super) fn sms(what: &What) -> String {
    match what {
        What::PhoneCode { code } => {
            format!("{code} is your ayrene code. It is valid for 10 minutes. Tell it to nobody.")
        }
        other => summary(other).one,
    }
}

/// What a list of notifications says of something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Summary {
    /// Of one.
    pub(super) one: String,
    /// Of several that are about the same; [`N`] stands for how many.
    pub(super) many: Option<String>,
}

/// Without anything secret: it is kept and shown.
pub(super) fn summary(what: &What) -> Summary {
    let one = |text: String| Summary { one: text, many: None };
    match what {
        What::VerifyEmail { email, .. } => one(format!("A mail to confirm {email}")),
        What::ResetPassword { .. } => one("A mail to choose another password".to_owned()),
        What::PasswordChanged => one("Your password was changed".to_owned()),
        What::GoogleLinked => one("A Google account was linked to yours".to_owned()),
        What::NewDevice { ip, user_agent, .. } => {
            one(format!("New sign-in from {ip} ({})", quoted(user_agent)))
        }
        What::AccountClosed { until_ms, .. } => {
            one(format!("Your account was deleted; log in by {} to recover it", day(*until_ms)))
        }
        What::AccountRecovered => one("Your account is back".to_owned()),
        What::PhoneCode { .. } => one("A code to sign in with".to_owned()),
        What::LinkCode { short_code, .. } => one(format!("A code for the link {short_code}")),
        What::AccessRequested { short_code, email, .. } => {
            one(format!("{email} asks for access to your link {short_code}"))
        }
        What::AccessGranted { short_code, .. } => one(format!("Access granted to the link {short_code}")),
        What::AccessDenied { short_code } => one(format!("Access denied to the link {short_code}")),
        What::LinkClicked { short_code, clicks: 1 } => one(format!("Your link {short_code} was clicked")),
        What::LinkClicked { short_code, clicks } => {
            one(format!("Your link {short_code} was clicked {clicks} times"))
        }
        What::MessageReceived { from, .. } => Summary {
            one: format!("New message from {from}"),
            many: Some(format!("{N} new messages from {from}")),
        },
        What::PostLiked { by, .. } => Summary {
            one: format!("{by} likes your post"),
            many: Some(format!("{by} and others like your post, {N} in all")),
        },
        What::PostCommented { by, .. } => Summary {
            one: format!("{by} commented on your post"),
            many: Some(format!("{by} and others commented on your post, {N} times in all")),
        },
    }
}

/// Somebody's text: one line, bounded.
pub(super) fn quoted(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_QUOTE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_keep_no_secret() {
        let secret = || "S3CRET".to_owned();
        let named = || "x".to_owned();
        for what in [
            What::VerifyEmail { email: named(), token_id: secret(), token: secret() },
            What::ResetPassword { email: named(), token_id: secret(), token: secret(), prefix: None },
            What::PhoneCode { code: secret() },
            What::LinkCode { short_code: named(), code: secret() },
            What::AccessGranted { short_code: named(), grant: secret(), until_ms: 0 },
        ] {
            assert!(!format!("{:?} {what:?}", summary(&what)).contains("S3CRET"), "{what:?}");
        }
    }
}

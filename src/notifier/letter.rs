//! What goes out of the house, and how it reads.
//!
//! Invariant: every link in a letter is built from the public URL, or from a page on the configured list; what people
//! wrote stands in it as text, never as markup or as a line of its header.

use askama::Template;
use serde::{Deserialize, Serialize};

use super::model::What;
use crate::users::model::UserId;
use crate::values::PublicUrl;
use crate::values::time::day;

/// Longest piece of somebody's text in a letter, in characters.
const MAX_QUOTE: usize = 500;
/// Stands for a number in a [`Summary`]; nothing that people write has it.
pub(super) const N: char = '\u{1}';
/// How a one-time code's life reads.
const CODE_LIFE: &str = "It is valid for 10 minutes and works once.";
const UNKNOWN: &str =
    "If this was you, there is nothing to do. If not, reset your password now: that ends every session.";
const NOT_ME: &str = "If this was not you, ignore this mail: nothing will change.";

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

/// What somebody can do about a letter.
struct Action {
    label: &'static str,
    url: String,
}

/// A mail's words.
struct Words {
    subject: String,
    lines: Vec<String>,
    code: Option<String>,
    action: Option<Action>,
    closing: &'static str,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a> {
    words: &'a Words,
    home: &'a str,
}

#[derive(Template)]
#[template(path = "mail.txt", escape = "none")]
struct Text<'a> {
    words: &'a Words,
    home: &'a str,
}

/// A mail as it reads.
#[derive(Debug)]
pub(super) struct Mail {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

impl Mail {
    pub(super) fn of(what: &What, public: &PublicUrl) -> Result<Self, askama::Error> {
        let words = Words::of(what, public);
        let home = public.0.as_str();
        let html = Html { words: &words, home }.render()?;
        let text = Text { words: &words, home }.render()?;
        Ok(Self { subject: words.subject, text, html })
    }
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
fn quoted(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_QUOTE).collect()
}

impl Words {
    fn of(what: &What, public: &PublicUrl) -> Self {
        let link = |code: &str| public.of(code);
        match what {
            What::VerifyEmail { token_id, token, .. } => Self {
                subject: "Confirm your e-mail address".to_owned(),
                lines: vec![
                    "Somebody, most likely you, made an account with this address.".to_owned(),
                    "If it was you, confirm that the address is yours:".to_owned(),
                ],
                code: None,
                action: Some(Action {
                    label: "Confirm the address",
                    url: public.with_query("verify-email", &[("tokenId", token_id), ("token", token)]),
                }),
                closing: "If it was not you, do not confirm: whoever it was knows the account's password.",
            },
            What::ResetPassword { token_id, token, prefix, .. } => Self {
                subject: "Reset your password".to_owned(),
                lines: vec!["Somebody, most likely you, asked to choose another password.".to_owned()],
                code: None,
                action: Some(Action {
                    label: "Choose another password",
                    url: reset_url(public, prefix.as_deref(), token_id, token),
                }),
                closing: NOT_ME,
            },
            What::PasswordChanged => Self::plain(
                "Your password was changed",
                vec![
                    "The password of your account was changed, and every session was ended.".to_owned(),
                    UNKNOWN.to_owned(),
                ],
                "You get this whenever your password changes.",
            )
            .with("Reset the password", link("forgot-password")),
            What::GoogleLinked => Self::plain(
                "A Google account was linked to yours",
                vec!["From now on you can sign in with Google.".to_owned(), UNKNOWN.to_owned()],
                "You get this whenever a way to sign in is added.",
            )
            .with("Reset the password", link("forgot-password")),
            What::NewDevice { ip, user_agent, at_ms } => Self::plain(
                "New sign-in to your account",
                vec![
                    format!(
                        "Somebody signed in from a device that had not been seen before, on {}.",
                        crate::values::time::iso_time(*at_ms)
                    ),
                    format!("Address: {ip}"),
                    format!("Device: {}", quoted(user_agent)),
                    UNKNOWN.to_owned(),
                ],
                "You get this for every device that your account has not been used from before.",
            )
            .with("Reset the password", link("forgot-password")),
            What::AccountClosed { until_ms, .. } => Self::plain(
                "Your account was deleted",
                vec![format!(
                    "It and everything in it can be brought back until {}: just log in. After that it is gone for good.",
                    day(*until_ms)
                )],
                "If this was not you, log in and change your password.",
            ),
            What::AccountRecovered => Self::plain(
                "Your account is back",
                vec![
                    "You logged in, so your account is no longer being deleted. Everything is where it was."
                        .to_owned(),
                ],
                "If this was not you, reset your password now.",
            )
            .with("See what is back", link("account-recovered")),
            What::LinkCode { short_code, code } => Self {
                subject: "Your code for a protected link".to_owned(),
                lines: vec![format!("Enter this code to open {}:", link(short_code))],
                code: Some(code.clone()),
                action: None,
                closing: CODE_LIFE,
            },
            What::AccessRequested { short_code, email, reason, .. } => {
                let mut lines = vec![format!("{email} would like to open your link {}.", link(short_code))];
                lines.extend(reason.as_ref().map(|reason| format!("They wrote: {}", quoted(reason))));
                let closing = "Approve or deny it in your app. Whoever asked is told by mail.";
                Self::plain(&format!("{email} asks for access to your link"), lines, closing)
            }
            What::AccessGranted { short_code, grant, until_ms } => Self::plain(
                "Access granted",
                vec![format!("You may open the protected link {short_code} until {}.", day(*until_ms))],
                "The link is yours alone: whoever has it can use it.",
            )
            .with("Open the link", public.with_query(short_code, &[("grant", grant)])),
            What::AccessDenied { short_code } => Self::plain(
                "Access denied",
                vec![format!("The owner of {} does not let you open it.", link(short_code))],
                "There is nothing to do.",
            ),
            What::LinkClicked { short_code, .. } => Self::plain(
                &summary(what).one,
                vec![format!("{}: {}.", link(short_code), summary(what).one)],
                "You get this because e-mail notifications are on for this link.",
            ),
            What::MessageReceived { .. } | What::PostLiked { .. } | What::PostCommented { .. } => {
                Self::plain(
                    &summary(what).one,
                    vec![format!("{}. Sign in to see it.", summary(what).one)],
                    "You get this because you asked for such mails in your notification settings.",
                )
            }
            What::PhoneCode { code } => Self {
                subject: "Your code".to_owned(),
                lines: Vec::new(),
                code: Some(code.clone()),
                action: None,
                closing: CODE_LIFE,
            },
        }
    }

    fn plain(subject: &str, lines: Vec<String>, closing: &'static str) -> Self {
        Self { subject: quoted(subject), lines, code: None, action: None, closing }
    }

    fn with(self, label: &'static str, url: String) -> Self {
        Self { action: Some(Action { label, url }), ..self }
    }
}

fn reset_url(public: &PublicUrl, prefix: Option<&str>, token_id: &str, token: &str) -> String {
    let query = [("tokenId", token_id), ("token", token)];
    match prefix.map(url::Url::parse) {
        Some(Ok(mut url)) => {
            url.query_pairs_mut().extend_pairs(query);
            url.into()
        }
        _ => public.with_query("reset-password", &query),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn public() -> PublicUrl {
        PublicUrl(url::Url::parse("https://go.example/").unwrap())
    }

    #[test]
    fn what_people_wrote_is_text() {
        let what = What::AccessRequested {
            short_code: "abc".to_owned(),
            request_id: "1".to_owned(),
            email: "eve@example.com".to_owned(),
            reason: Some("<b>x</b>\r\nBcc: a@b.example".to_owned()),
        };
        let mail = Mail::of(&what, &public()).unwrap();
        assert!(!mail.html.contains("<b>x"), "{}", mail.html);
        assert!(!mail.subject.contains(['\r', '\n']));
        assert!(mail.text.contains("<b>x</b>  Bcc: a@b.example"), "{}", mail.text);
    }

    #[test]
    fn links_lead_here_or_to_the_page_that_was_given() {
        let reset = |prefix: Option<&str>| {
            let (email, token_id, token) = ("a@b.example".to_owned(), "i".to_owned(), "t&=".to_owned());
            let what = What::ResetPassword { email, token_id, token, prefix: prefix.map(str::to_owned) };
            Mail::of(&what, &public()).unwrap().text
        };
        assert!(reset(None).contains("https://go.example/reset-password?tokenId=i&token=t%26%3D"));
        let own = reset(Some("https://app.example/new?x=1"));
        assert!(own.contains("https://app.example/new?x=1&tokenId=i&token=t%26%3D"), "{own}");
    }

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

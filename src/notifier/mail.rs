//! How mails read.
//!
//! Invariant: every link in a mail is built from the public URL, or from a page on the configured list, and one that is to
//! be followed is the first; what people wrote stands in it as text, never as markup or as a line of its header.

use askama::Template;

use super::letter::{quoted, summary};
use super::model::What;
use crate::values::PublicUrl;
use crate::values::time::{day, iso_time};

/// How a one-time code's life reads.
const CODE_LIFE: &str = "It is valid for 10 minutes and works once.";
const UNKNOWN: &str =
    "If this was you, there is nothing to do. If not, reset your password now: that ends every session.";
const NOT_ME: &str = "If this was not you, ignore this mail: nothing will change.";

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

impl Words {
    fn of(what: &What, public: &PublicUrl) -> Self {
        let link = |code: &str| public.of(code);
        let reset = |words: Self| words.with("Reset the password", link("forgot-password"));
        let said = || summary(what).one;
        match what {
            What::VerifyEmail { token_id, token, .. } => Self::verify_email(public, token_id, token),
            What::ResetPassword { token_id, token, prefix, .. } => {
                Self::reset_password(reset_url(public, prefix.as_deref(), token_id, token))
            }
            What::PasswordChanged => reset(Self::plain(
                "Your password was changed",
                ["The password of your account was changed, and every session was ended.", UNKNOWN],
                "You get this whenever your password changes.",
            )),
            What::GoogleLinked => reset(Self::plain(
                "A Google account was linked to yours",
                ["From now on you can sign in with Google.", UNKNOWN],
                "You get this whenever a way to sign in is added.",
            )),
            What::NewDevice { ip, user_agent, at_ms } => {
                reset(Self::new_device(ip, &quoted(user_agent), *at_ms))
            }
            What::AccountClosed { until_ms, .. } => Self::account_closed(&day(*until_ms)),
            What::AccountRecovered => Self::plain(
                "Your account is back",
                ["You logged in, so your account is no longer being deleted. Everything is where it was."],
                "If this was not you, reset your password now.",
            )
            .with("See what is back", link("account-recovered")),
            What::PhoneCode { code } => Self::code("Your code", "Enter this code to sign in:", code),
            What::LinkCode { short_code, code } => {
                let line = format!("Enter this code to open {}:", link(short_code));
                Self::code("Your code for a protected link", &line, code)
            }
            What::AccessRequested { short_code, email, reason, .. } => {
                Self::access_requested(&link(short_code), email, reason.as_deref())
            }
            What::AccessGranted { short_code, grant, until_ms } => Self::plain(
                "Access granted",
                [format!("You may open the protected link {short_code} until {}.", day(*until_ms))],
                "The link is yours alone: whoever has it can use it.",
            )
            .with("Open the link", public.with_query(short_code, &[("grant", grant)])),
            What::AccessDenied { short_code } => Self::plain(
                "Access denied",
                [format!("The owner of {} does not let you open it.", link(short_code))],
                "There is nothing to do.",
            ),
            What::LinkClicked { short_code, .. } => Self::plain(
                &said(),
                [format!("{}: {}.", link(short_code), said())],
                "You get this because e-mail notifications are on for this link.",
            ),
            What::MessageReceived { .. } | What::PostLiked { .. } | What::PostCommented { .. } => {
                Self::plain(
                    &said(),
                    [format!("{}. Sign in to see it.", said())],
                    "You get this because you asked for such mails in your notification settings.",
                )
            }
        }
    }

    fn plain<const N: usize>(subject: &str, lines: [impl Into<String>; N], closing: &'static str) -> Self {
        let lines = lines.map(Into::into).into();
        Self { subject: quoted(subject), lines, code: None, action: None, closing }
    }

    fn with(self, label: &'static str, url: String) -> Self {
        Self { action: Some(Action { label, url }), ..self }
    }

    fn code(subject: &str, line: &str, code: &str) -> Self {
        Self { code: Some(code.to_owned()), ..Self::plain(subject, [line], CODE_LIFE) }
    }

    fn verify_email(public: &PublicUrl, token_id: &str, token: &str) -> Self {
        let lines = [
            "Somebody, most likely you, made an account with this address.",
            "If it was you, confirm that the address is yours:",
        ];
        let closing = "If it was not you, do not confirm: whoever it was knows the account's password.";
        let url = public.with_query("verify-email", &[("tokenId", token_id), ("token", token)]);
        Self::plain("Confirm your e-mail address", lines, closing).with("Confirm the address", url)
    }

    fn reset_password(url: String) -> Self {
        let lines = ["Somebody, most likely you, asked to choose another password."];
        Self::plain("Reset your password", lines, NOT_ME).with("Choose another password", url)
    }

    fn new_device(ip: &str, device: &str, at_ms: i64) -> Self {
        let lines = [
            format!(
                "Somebody signed in from a device that had not been seen before, on {}.",
                iso_time(at_ms)
            ),
            format!("Address: {ip}"),
            format!("Device: {device}"),
            UNKNOWN.to_owned(),
        ];
        let closing = "You get this for every device that your account has not been used from before.";
        Self::plain("New sign-in to your account", lines, closing)
    }

    fn account_closed(until: &str) -> Self {
        let line = format!(
            "It and everything in it can be brought back until {until}: just log in. After that it is gone for good."
        );
        Self::plain(
            "Your account was deleted",
            [line],
            "If this was not you, log in and change your password.",
        )
    }

    fn access_requested(link: &str, email: &str, reason: Option<&str>) -> Self {
        let wish = format!("{email} would like to open your link {link}.");
        let closing = "Approve or deny it in your app. Whoever asked is told by mail.";
        let words = Self::plain(&format!("{email} asks for access to your link"), [wish], closing);
        let wrote = reason.map(|reason| format!("They wrote: {}", quoted(reason)));
        Self { lines: words.lines.into_iter().chain(wrote).collect(), ..words }
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
}

//! Opening sessions, and what accounts hear of it.
//!
//! Invariant: a session from a device that the account has not signed in from is never opened without the account
//! hearing of it, except the very first one; and none with a password that is not the account's at that moment.

use std::rc::Rc;

use futures_util::future::try_join;
use secrecy::SecretString;

use super::actor::Manager;
use super::courier::source_of;
use super::error::AuthError;
use super::messages::SignedIn;
use super::model::{Device, SessionId};
use super::store::{News, Opened, Opening};
use super::tokens::RefreshToken;
use crate::actor::AskError;
use crate::notifier::model::{Notice, What};
use crate::presence::messages::SignedIn as LoggedIn;
use crate::secrets::Digester;
use crate::users::messages::Welcome;
use crate::users::model::UserId;
use crate::values::network;

/// How somebody comes to a session.
pub(super) struct Arrival {
    /// With an account just made: an address that is not proven yet gets the mail to prove it. With one that was there
    /// presence hears of it, and the owner if the device is a new one.
    pub(super) is_new: bool,
    /// Hash of the password that opens it. The account may have another, or none, since it was compared or written.
    pub(super) password_hash: Option<String>,
}

impl Arrival {
    /// With an account just made, by something else than a password.
    pub(super) const REGISTERED: Self = Self { is_new: true, password_hash: None };
    /// With one that was there, by something else than a password.
    pub(super) const SIGNED_IN: Self = Self { is_new: false, password_hash: None };
}

/// Tells devices apart.
#[derive(Debug)]
pub(super) struct Devices(Digester);

impl Devices {
    pub(super) fn new(secret: &SecretString) -> Self {
        Self(Digester::new(secret, "auth: devices"))
    }

    /// The same for the same kind of program in the same network, /24 or /48: addresses within a network change, and
    /// programs get new versions, without being another device.
    fn digest(&self, device: &Device) -> String {
        self.0.of(&[&network::truncated(device.ip).to_string(), &without_versions(&device.user_agent)])
    }
}

/// A user agent without the numbers of versions: what follows a slash or, as in `rv:120.0`, a colon.
fn without_versions(user_agent: &str) -> String {
    let mut in_version = false;
    let kept = user_agent.chars().filter(|&c| {
        in_version = matches!(c, '/' | ':')
            || in_version && (c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+'));
        !in_version
    });
    kept.collect()
}

impl Manager {
    /// Opens a session; a closed account comes back by that. Not only the first one welcomes: whoever crashed between
    /// account and profile gets the profile with the next.
    pub(super) async fn open_session(
        self: &Rc<Self>,
        id: &UserId,
        device: &Device,
        welcome: Welcome,
        arrival: Arrival,
    ) -> Result<SignedIn, AuthError> {
        let (session_id, jti) = (SessionId::generate(), nanoid::nanoid!());
        let Arrival { is_new, password_hash } = arrival;
        let mail = match is_new && !welcome.email_verified {
            true => self.mail_of_registration(id, &welcome.email).await?,
            false => None,
        };
        let (proof, notice) = match mail {
            Some((proof, notice)) => (Some(proof), notice),
            None => (None, new_device(id, device)),
        };
        let news = News { device: self.devices.digest(device), proof, password_hash };
        let source = source_of(id);
        let open = async |slip| self.store.open_session(id, &session_id, &jti, device, &news, slip).await;
        let mut opening = self.post.leave(&source, &notice, &open).await?;
        if opening == Some(Opening::Closed) {
            self.recover(id).await?;
            opening = self.post.leave(&source, &notice, &open).await?;
        }
        let Opened { issued_ms, expires_ms, opened_us, left } = match opening {
            None => return Err(AuthError::AccountGone),
            // Somebody closes it again and again.
            Some(Opening::Closed) => return Err(AskError::Saturated.into()),
            Some(Opening::Done(opened)) => opened,
        };
        let here = async {
            if !is_new {
                let signed_in = LoggedIn { user_id: id.clone(), at_us: opened_us };
                self.asks.signed_in.ask(signed_in).await?;
            }
            Ok(())
        };
        let outcome =
            try_join(here, async { Ok::<_, AuthError>(self.asks.welcome.ask(welcome).await?) }).await;
        // Only now: who tells the user wants the profile.
        if let Some(left) = left {
            self.post.relay_later(source, left);
        }
        outcome?;
        let user_id = id.clone();
        self.signed_in(RefreshToken { user_id, session_id, generation: 1, jti, issued_ms, expires_ms })
    }
}

fn new_device(id: &UserId, device: &Device) -> Notice {
    let what = What::NewDevice {
        ip: device.ip.to_string(),
        user_agent: device.user_agent.clone(),
        at_ms: chrono::Utc::now().timestamp_millis(),
    };
    Notice::to_user(id, what)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn digest(ip: &str, user_agent: &str) -> String {
        let ip = ip.parse().unwrap();
        let device = Device { ip, network: ip, user_agent: user_agent.to_owned() };
        Devices::new(&"secret".to_owned().into()).digest(&device)
    }

    #[test]
    fn a_device_is_a_kind_of_program_in_a_network() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0";
        let home = digest("203.0.113.7", firefox);
        assert_eq!(home, digest("203.0.113.250", &firefox.replace("120.0", "121.0.1")));
        assert_ne!(home, digest("203.0.114.7", firefox));
        assert_ne!(home, digest("203.0.113.7", "curl/8.5.0"));
        assert_ne!(digest("203.0.113.7", "phone-1"), digest("203.0.113.7", "phone-2"));
        let v6 = digest("2001:db8:1:2::3", "");
        assert_eq!(v6, digest("2001:db8:1:ffff::9", ""));
        assert_ne!(v6, digest("2001:db8:2::3", ""));
    }

    #[test]
    fn versions_are_what_follows_a_slash_or_a_colon() {
        assert_eq!(without_versions("a/1.0 (b; c 2) d/3-beta+4_5;e"), "a (b; c 2) d;e");
        assert_eq!(without_versions("//"), "");
    }
}

//! What the session manager and the password hasher can be asked.

use std::net::IpAddr;
use std::sync::Arc;

use actix::Message;
use jsonwebtoken::DecodingKey;

use super::error::{AuthError, HashError};
use super::model::{Account, Device, Password, Phone, Session, SessionId};
use crate::users::model::{Email, UserId, Username};

/// Tokens of a session.
#[derive(Debug)]
pub struct SignedIn {
    /// Whose they are.
    pub user_id: UserId,
    /// For every request.
    pub access_token: String,
    /// For the next pair.
    pub refresh_token: String,
    /// Life of the refresh token, in seconds.
    pub refresh_ttl_secs: u64,
}

/// Make an account and open its first session.
#[derive(Debug, Message)]
#[rtype(result = "Result<SignedIn, AuthError>")]
pub struct Register {
    /// Must be free.
    pub email: Email,
    /// Must be free; made up when absent.
    pub username: Option<Username>,
    /// Must not be common.
    pub password: Password,
    /// Where from.
    pub device: Device,
}

/// What identifies an account at login.
#[derive(Debug, Clone)]
pub enum Identity {
    /// Its e-mail address.
    Email(Email),
    /// Its username.
    Username(Username),
    /// Text that can be neither: as wrong as an unknown address, at the same cost.
    Impossible(String),
}

/// Check a password and open a session.
#[derive(Debug, Message)]
#[rtype(result = "Result<SignedIn, AuthError>")]
pub struct LogIn {
    /// Whose.
    pub identity: Identity,
    /// As claimed.
    pub password: Password,
    /// Where from.
    pub device: Device,
}

/// Send a code to a phone.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AuthError>")]
pub struct SendPhoneCode {
    /// Where to.
    pub phone: Phone,
    /// Network of who asks.
    pub network: IpAddr,
}

/// Check a phone's code and open a session, of a new account if nobody has that number.
#[derive(Message)]
#[rtype(result = "Result<Entered, AuthError>")]
pub struct EnterByPhone {
    /// Whose.
    pub phone: Phone,
    /// As claimed.
    pub code: String,
    /// Where from.
    pub device: Device,
}

impl std::fmt::Debug for EnterByPhone {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("EnterByPhone").finish_non_exhaustive()
    }
}

/// Check a password and end every session of the account.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AuthError>")]
pub struct LogOutEverywhere {
    /// Whose.
    pub identity: Identity,
    /// As claimed.
    pub password: Password,
    /// Where from.
    pub device: Device,
}

/// Exchange a refresh token for the next pair.
#[derive(Debug, Message)]
#[rtype(result = "Result<SignedIn, AuthError>")]
pub struct Refresh {
    /// The token presented.
    pub token: String,
}

/// Say who an access token speaks for.
#[derive(Debug, Message)]
#[rtype(result = "Result<Caller, AuthError>")]
pub struct Authenticate {
    /// The token presented.
    pub token: String,
}

/// Say whether a session lives; an error when it does not.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AuthError>")]
pub struct CheckSession {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub session_id: SessionId,
}

/// Who is calling.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The user.
    pub user_id: UserId,
    /// The session of the token.
    pub session_id: SessionId,
}

/// Which sessions of an account to end.
#[derive(Debug, Clone)]
pub enum Which {
    /// This one; an error when there is none.
    One(SessionId),
    /// Every one.
    All,
}

/// End sessions, and with them their tokens. The one way to do so.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AuthError>")]
pub struct EndSessions {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub which: Which,
}

/// End the session that a refresh token belongs to.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AuthError>")]
pub struct EndSessionOf {
    /// The refresh token.
    pub token: String,
}

/// List an account's live sessions, newest first.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Session>, AuthError>")]
pub struct ListSessions {
    /// Whose.
    pub user_id: UserId,
}

/// Fetch an account.
#[derive(Debug, Message)]
#[rtype(result = "Result<Account, AuthError>")]
pub struct FetchAccount {
    /// Whose.
    pub user_id: UserId,
}

/// Open a session for whom Google vouches; makes an account where there is none.
#[derive(Debug, Message)]
#[rtype(result = "Result<Entered, AuthError>")]
pub struct SignInWithGoogle {
    /// As the client got it from Google.
    pub id_token: String,
    /// Where from.
    pub device: Device,
}

/// Tokens of a session that needed no account before.
#[derive(Debug)]
pub struct Entered {
    /// The tokens.
    pub signed_in: SignedIn,
    /// Whether the account was made just now.
    pub is_new: bool,
}

/// Look a key up that Google signs with. Nothing when Google has none of that name.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<Arc<DecodingKey>>, AuthError>")]
pub struct FetchGoogleKey {
    /// Its name.
    pub kid: String,
}

/// Mail a link to choose another password.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AuthError>")]
pub struct RequestReset {
    /// The account's address.
    pub email: Email,
    /// Pages to lead to: the first one that is configured, else ours.
    pub prefixes: Vec<String>,
}

/// Choose another password. Every session ends.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AuthError>")]
pub struct ResetPassword {
    /// From the link.
    pub token_id: String,
    /// From the link. Works once.
    pub token: String,
    /// Must not be common.
    pub new_password: Password,
    /// Where this comes from: its wrong guesses are forgotten, see [`Device::network`].
    pub network: IpAddr,
}

/// Mail a link to prove an account's address. Nothing is mailed when it is proven already.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AuthError>")]
pub struct RequestVerification {
    /// Whose.
    pub user_id: UserId,
}

/// Prove an account's address.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AuthError>")]
pub struct VerifyEmail {
    /// From the link.
    pub token_id: String,
    /// From the link. Works once.
    pub token: String,
}

/// Give a user another name. Safe to repeat: what a crash left half done is done then.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AuthError>")]
pub struct ChangeUsername {
    /// Who.
    pub user_id: UserId,
    /// Must be free, or one's own in another spelling.
    pub username: Username,
}

/// Close an account: its sessions end and it is nowhere, until somebody logs in to it again, or it is purged.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AuthError>")]
pub struct CloseAccount {
    /// Whose.
    pub user_id: UserId,
}

/// Bring what closed and recovered accounts own in line, and purge those whose time has run out.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AuthError>")]
pub struct SweepClosed;

/// Carry what crashed nodes left.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), AuthError>")]
pub struct Sweep;

/// Hash a password for storage.
#[derive(Debug, Message)]
#[rtype(result = "Result<String, HashError>")]
pub struct HashPassword {
    /// The password.
    pub password: Password,
    /// Whether to refuse one that is among the most common.
    pub refuse_common: bool,
}

/// Compare a password with a stored hash.
#[derive(Debug, Message)]
#[rtype(result = "Result<bool, HashError>")]
pub struct VerifyPassword {
    /// The password.
    pub password: Password,
    /// In PHC string format; `None` costs the same time and never matches.
    pub hash: Option<String>,
}

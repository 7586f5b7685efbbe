//! How links are to be protected, and what is to open them, as bodies say it.

use secrecy::{ExposeSecret, SecretString};

use super::invalid;
use super::shapes::{LinkChanges, NewLink, UnlockBody};
use crate::auth::model::Password;
use crate::http::ApiError;
use crate::shortener::model::{AllowList, Key, Lock, Protection, parse_link_password};
use crate::users::model::Email;

const NEEDS_PASSWORD: &str = "must be PASSWORD for a password to have an effect";
const NEEDS_OTP: &str = "has an effect with the protection OTP alone";
const ONE_KEY: &str = "must not be sent with another key: send password, or email and OTP, or grant";

/// What is to change about a link's protection; what is `None` stays.
pub(super) struct Relock {
    pub(super) protection: Option<Protection>,
    pub(super) password: Option<Password>,
    pub(super) otp_allowed: Option<AllowList>,
}

fn parse_protection(field: &'static str) -> impl Fn(&str) -> Result<Protection, ApiError> {
    move |text| Protection::parse(text).map_err(|problem| invalid(field, problem))
}

fn parse_password(field: &'static str) -> impl Fn(&SecretString) -> Result<Password, ApiError> {
    move |text| {
        let text = parse_link_password(text.expose_secret()).map_err(|problem| invalid(field, problem))?;
        Ok(Password::claimed(text))
    }
}

/// What a new link is to be protected with.
pub(super) fn parse_lock(body: &NewLink) -> Result<Lock, ApiError> {
    let protection =
        body.protection_method.as_deref().map(parse_protection("protectionMethod")).transpose()?;
    let password = body.url_password.as_ref().map(parse_password("urlPassword")).transpose()?;
    let allowed = body.otp_allowed_emails.as_deref().map(parse_allowed("otpAllowedEmails")).transpose()?;
    let allowed = allowed.unwrap_or_default();
    match (protection.unwrap_or(Protection::None), password) {
        (Protection::Password, None) => {
            Err(invalid("urlPassword", "is needed to protect the link with PASSWORD"))
        }
        (Protection::None | Protection::Otp | Protection::Approve, Some(_)) => {
            Err(invalid("protectionMethod", NEEDS_PASSWORD))
        }
        (Protection::Otp, None) => Ok(Lock::Otp(allowed)),
        _ if !allowed.is_empty() => Err(invalid("otpAllowedEmails", NEEDS_OTP)),
        (Protection::Password, Some(password)) => Ok(Lock::Password(password)),
        (Protection::Approve, None) => Ok(Lock::Approve),
        (Protection::None, None) => Ok(Lock::None),
    }
}

fn parse_allowed(field: &'static str) -> impl Fn(&[String]) -> Result<AllowList, ApiError> {
    move |texts| AllowList::parse(texts).map_err(|problem| invalid(field, problem))
}

/// The one key in a body.
pub(super) fn parse_key(body: &UnlockBody) -> Result<Key, ApiError> {
    let UnlockBody { password, email, otp, grant } = body;
    match (password, email, otp, grant) {
        (Some(password), None, None, None) => Ok(Key::Password(Password::claimed(password.expose_secret()))),
        (None, Some(email), Some(code), None) => {
            let email = Email::parse(email).map_err(|problem| invalid("email", problem))?;
            Ok(Key::Code { email, code: code.expose_secret().trim().into() })
        }
        (None, None, None, Some(grant)) => Ok(Key::Grant(grant.clone())),
        (None, None, None, None) => Err(invalid("password", "is needed, or email and OTP, or grant")),
        (None, None, Some(_), None) => Err(invalid("email", "is needed: the address that the OTP went to")),
        (None, Some(_), None, None) => Err(invalid("OTP", "is needed with an email")),
        (_, _, _, Some(_)) => Err(invalid("grant", ONE_KEY)),
        (Some(_), _, Some(_), _) => Err(invalid("OTP", ONE_KEY)),
        (Some(_), Some(_), None, _) => Err(invalid("email", ONE_KEY)),
    }
}

/// What is to change; what the link has already, the datastore knows.
pub(super) fn parse_relock(body: &LinkChanges) -> Result<Relock, ApiError> {
    let protection =
        body.new_protection_method.as_deref().map(parse_protection("newProtectionMethod")).transpose()?;
    let password = body.new_password.as_ref().map(parse_password("newPassword")).transpose()?;
    if password.is_some() && protection.is_some_and(|protection| protection != Protection::Password) {
        return Err(invalid("newProtectionMethod", NEEDS_PASSWORD));
    }
    let otp_allowed =
        body.new_otp_allowed_emails.as_deref().map(parse_allowed("newOtpAllowedEmails")).transpose()?;
    let lists = otp_allowed.as_ref().is_some_and(|list| !list.is_empty());
    if lists && protection.is_some_and(|protection| protection != Protection::Otp) {
        return Err(invalid("newOtpAllowedEmails", NEEDS_OTP));
    }
    Ok(Relock { protection, password, otp_allowed })
}

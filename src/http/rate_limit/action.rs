//! What is limited.
//!
//! Owns the names of limits, which are keys of `[rate_limits]`, and what is said to who is over one.

use crate::config::{Quota, RateLimitConfig};

/// Everything that is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitedAction {
    /// Following a short link.
    Redirect,
    /// Trying to open a protected link.
    Unlock,
    /// Having the code for a link mailed.
    SendCode,
    /// Asking a link's owner for access.
    RequestAccess,
    /// Making a link without an account.
    ShortenGuest,
    /// Making a link with an account.
    Shorten,
    /// Making an account.
    Register,
    /// Logging in.
    Login,
    /// Asking for a code by SMS.
    PhoneCode,
    /// Trying such codes.
    PhoneVerify,
    /// Refreshing tokens.
    Refresh,
    /// Asking for a password reset, and resetting.
    Reset,
    /// Verifying an address.
    Verify,
    /// Searching one's links, by user.
    Search,
    /// Sending and editing messages, by user.
    Message,
    /// Opening a socket.
    Socket,
    /// Uploading an avatar or a file, by user.
    Upload,
    /// Fetching an avatar or a file, by address.
    Download,
    /// Making or changing a post.
    Post,
    /// Liking a post, or taking that back.
    Like,
    /// Commenting on a post.
    Comment,
    /// Fetching many posts at once.
    LargePage,
    /// Any authenticated call, by address.
    Api,
    /// Any authenticated call, by user.
    User,
}

impl LimitedAction {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 24] = [
        Self::Redirect,
        Self::Unlock,
        Self::SendCode,
        Self::RequestAccess,
        Self::ShortenGuest,
        Self::Shorten,
        Self::Register,
        Self::Login,
        Self::PhoneCode,
        Self::PhoneVerify,
        Self::Refresh,
        Self::Reset,
        Self::Verify,
        Self::Search,
        Self::Message,
        Self::Socket,
        Self::Upload,
        Self::Download,
        Self::Post,
        Self::Like,
        Self::Comment,
        Self::LargePage,
        Self::Api,
        Self::User,
    ];

    /// Its key in `[rate_limits]` and its name in the headers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::Unlock => "unlock",
            Self::SendCode => "send_code",
            Self::RequestAccess => "request_access",
            Self::ShortenGuest => "shorten_guest",
            Self::Shorten => "shorten",
            Self::Register => "register",
            Self::Login => "login",
            Self::PhoneCode => "phone_code",
            Self::PhoneVerify => "phone_verify",
            Self::Refresh => "refresh",
            Self::Reset => "reset",
            Self::Verify => "verify",
            Self::Search => "search",
            Self::Message => "message",
            Self::Socket => "socket",
            Self::Upload => "upload",
            Self::Download => "download",
            Self::Post => "post",
            Self::Like => "like",
            Self::Comment => "comment",
            Self::LargePage => "large_page",
            Self::Api => "api",
            Self::User => "user",
        }
    }

    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Redirect => "Too many links followed from this address, slow down",
            Self::Unlock => "Too many tries on protected links from this address, slow down",
            Self::SendCode => "Too many codes asked for from this address, try again later",
            Self::RequestAccess => "Too many requests for access from this address, try again later",
            Self::ShortenGuest => "Too many links made without an account, log in for more or slow down",
            Self::Shorten => "Too many links made, slow down",
            Self::Register => "Too many accounts made from this address, try again later",
            Self::Login => "Too many logins from this address, slow down",
            Self::PhoneCode => "Too many codes asked for from this address, try again later",
            Self::PhoneVerify => "Too many codes tried from this address, slow down",
            Self::Refresh => "Too many token refreshes from this address, slow down",
            Self::Reset => "Too many password resets from this address, try again later",
            Self::Verify => "Too many addresses verified from this address, try again later",
            Self::Search => "Too many searches, slow down",
            Self::Message => "Too many messages, slow down",
            Self::Socket => "Too many sockets opened from this address, slow down",
            Self::Upload => "Too many uploads, slow down",
            Self::Download => "Too many files fetched from this address, slow down",
            Self::Post => "Too many posts made or changed, slow down",
            Self::Like => "Too many likes, slow down",
            Self::Comment => "Too many comments, slow down",
            Self::LargePage => "Too many large pages, slow down or ask for 20 posts at a time",
            Self::Api | Self::User => "Too many requests, slow down",
        }
    }

    pub(super) const fn quota(self, config: &RateLimitConfig) -> Quota {
        match self {
            Self::Redirect => config.redirect,
            Self::Unlock => config.unlock,
            Self::SendCode => config.send_code,
            Self::RequestAccess => config.request_access,
            Self::ShortenGuest => config.shorten_guest,
            Self::Shorten => config.shorten,
            Self::Register => config.register,
            Self::Login => config.login,
            Self::PhoneCode => config.phone_code,
            Self::PhoneVerify => config.phone_verify,
            Self::Refresh => config.refresh,
            Self::Reset => config.reset,
            Self::Verify => config.verify,
            Self::Search => config.search,
            Self::Message => config.message,
            Self::Socket => config.socket,
            Self::Upload => config.upload,
            Self::Download => config.download,
            Self::Post => config.post,
            Self::Like => config.like,
            Self::Comment => config.comment,
            Self::LargePage => config.large_page,
            Self::Api => config.api,
            Self::User => config.user,
        }
    }
}

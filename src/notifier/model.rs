//! What people are told, and who is told.
//!
//! Invariant: a [`Notice`] may hold what only its receiver may know; so it is sealed wherever it is kept, and
//! its `Debug` says no more than its kind.

use serde::{Deserialize, Serialize};

use crate::users::model::UserId;

/// How long codes live. ms
const CODE_LIFE_MS: i64 = 600_000;

/// Who is told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    /// An account: its list, its sockets, and where the kind of notice has it so, its address.
    User(UserId),
    /// An e-mail address that need not have an account.
    Address(String),
    /// A phone number, in E.164.
    Phone(String),
}

/// What somebody is told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// Prove that an address is one's own.
    VerifyEmail {
        /// The address to prove, which is where it goes.
        email: String,
        /// Names the token.
        token_id: String,
        /// Proves it.
        token: String,
    },
    /// Choose another password.
    ResetPassword {
        /// The account's address, which is where it goes.
        email: String,
        /// Names the token.
        token_id: String,
        /// Allows it.
        token: String,
        /// Page to lead to instead of our own; it is on the configured list.
        prefix: Option<String>,
    },
    /// The password was changed.
    PasswordChanged,
    /// A Google account was linked.
    GoogleLinked,
    /// Somebody signed in from a device that had not been seen before.
    NewDevice {
        /// The device's address.
        ip: String,
        /// The device's user agent.
        user_agent: String,
        /// When. ms
        at_ms: i64,
    },
    /// The account was closed and can be brought back.
    AccountClosed {
        /// The address that the account had.
        email: String,
        /// Until when. ms
        until_ms: i64,
    },
    /// A closed account was brought back.
    AccountRecovered,
    /// A code to sign in with by phone.
    PhoneCode {
        /// The code.
        code: String,
    },
    /// A code that opens a link.
    LinkCode {
        /// Of the link.
        short_code: String,
        /// The code.
        code: String,
    },
    /// Somebody asks to be let through a link of one's own.
    AccessRequested {
        /// Of the link.
        short_code: String,
        /// Of the request.
        request_id: String,
        /// Who asks.
        email: String,
        /// Why.
        reason: Option<String>,
    },
    /// One may pass a link.
    AccessGranted {
        /// Of the link.
        short_code: String,
        /// Opens it.
        grant: String,
        /// Until when. ms
        until_ms: i64,
    },
    /// One may not pass a link.
    AccessDenied {
        /// Of the link.
        short_code: String,
    },
    /// A link of one's own was followed.
    LinkClicked {
        /// Of the link.
        short_code: String,
        /// How often since the last notice.
        clicks: u64,
    },
    /// A message arrived while one was away.
    MessageReceived {
        /// Where.
        conversation_id: String,
        /// The sender's username.
        from: String,
    },
    /// A post of one's own was liked.
    PostLiked {
        /// Which.
        post_id: String,
        /// By whom, as a username.
        by: String,
    },
    /// A post of one's own was commented on.
    PostCommented {
        /// Which.
        post_id: String,
        /// By whom, as a username.
        by: String,
    },
}

impl What {
    /// Its name, in lists and metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::VerifyEmail { .. } => "verify_email",
            Self::ResetPassword { .. } => "reset_password",
            Self::PasswordChanged => "password_changed",
            Self::GoogleLinked => "google_linked",
            Self::NewDevice { .. } => "new_device",
            Self::AccountClosed { .. } => "account_closed",
            Self::AccountRecovered => "account_recovered",
            Self::PhoneCode { .. } => "phone_code",
            Self::LinkCode { .. } => "link_code",
            Self::AccessRequested { .. } => "access_requested",
            Self::AccessGranted { .. } => "access_granted",
            Self::AccessDenied { .. } => "access_denied",
            Self::LinkClicked { .. } => "link_clicked",
            Self::MessageReceived { .. } => "message_received",
            Self::PostLiked { .. } => "post_liked",
            Self::PostCommented { .. } => "post_commented",
        }
    }

    /// What it is about, where several about the same are one notification until that is read.
    pub(super) fn topic(&self) -> Option<String> {
        match self {
            Self::MessageReceived { conversation_id, .. } => Some(format!("conv:{conversation_id}")),
            Self::PostLiked { post_id, .. } => Some(format!("like:{post_id}")),
            Self::PostCommented { post_id, .. } => Some(format!("comment:{post_id}")),
            _ => None,
        }
    }

    /// Whether another event tells the user's devices of the same.
    pub(super) const fn has_event(&self) -> bool {
        matches!(self, Self::MessageReceived { .. })
    }

    /// Whether it is told over sockets; what is about one's address alone, or was asked for a moment ago, is not.
    pub(super) const fn is_pushed(&self) -> bool {
        !matches!(self, Self::VerifyEmail { .. } | Self::ResetPassword { .. } | Self::AccountClosed { .. })
    }

    /// The address it goes to, whatever the account's is now.
    pub(super) fn own_address(&self) -> Option<&str> {
        match self {
            Self::VerifyEmail { email, .. }
            | Self::ResetPassword { email, .. }
            | Self::AccountClosed { email, .. } => {
                Some(email).filter(|email| !email.is_empty()).map(String::as_str)
            }
            _ => None,
        }
    }

    /// How long it is of use to who gets it, where that is short. ms
    pub(super) const fn life_ms(&self) -> Option<i64> {
        match self {
            Self::PhoneCode { .. } | Self::LinkCode { .. } => Some(CODE_LIFE_MS),
            _ => None,
        }
    }

    /// Whether somebody waits for the mail, or needs it for the safety of an account; others make way for it.
    pub(super) const fn is_awaited(&self) -> bool {
        !matches!(
            self,
            Self::MessageReceived { .. }
                | Self::PostLiked { .. }
                | Self::PostCommented { .. }
                | Self::LinkClicked { .. }
        )
    }

    /// Which wish decides whether it is mailed; what has none always is.
    pub(super) fn is_optional(&self) -> Option<fn(&Mailing) -> bool> {
        match self {
            Self::MessageReceived { .. } => Some(|mailing| mailing.messages),
            Self::PostLiked { .. } => Some(|mailing| mailing.likes),
            Self::PostCommented { .. } => Some(|mailing| mailing.comments),
            _ => None,
        }
    }
}

impl std::fmt::Debug for What {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.kind())
    }
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(id) => write!(formatter, "user {id}"),
            Self::Address(_) => formatter.write_str("an address"),
            Self::Phone(_) => formatter.write_str("a phone"),
        }
    }
}

/// Something that somebody is to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Who.
    pub to: Recipient,
    /// What.
    pub what: What,
}

impl Notice {
    /// A notice for an account.
    pub fn to_user(id: &UserId, what: What) -> Self {
        Self { to: Recipient::User(id.clone()), what }
    }
}

/// What a user wants by mail, besides what concerns the account's safety or was asked for link by link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mailing {
    /// Messages that arrive while away.
    pub messages: bool,
    /// Likes.
    pub likes: bool,
    /// Comments.
    pub comments: bool,
}

/// What notices are sealed for: the purpose of [`crate::secrets::Seal`].
pub const SEAL: &str = "notifier: notices";

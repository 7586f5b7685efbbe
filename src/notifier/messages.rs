//! What the notifier can be asked.

use actix::Message;

use super::error::NotifierError;
use super::model::{Mailing, Notice};
use super::record::Notification;
use crate::users::model::UserId;

/// Tell people. Repeating it is harmless as long as the intents of a source come in their order, from the oldest that is not
/// settled.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), NotifierError>")]
pub struct Notify {
    /// What the intents belong to, unique among all kinds of sources: `link:<code>`, `user:<id>`.
    pub source: String,
    /// Intents and what each is to tell, in the order of the intents; one intent tells each recipient at most one thing.
    pub notices: Vec<(u64, Notice)>,
}

/// List a user's notifications, the newest first.
#[derive(Debug, Message)]
#[rtype(result = "Result<NotificationPage, NotifierError>")]
pub struct ListNotifications {
    /// Whose.
    pub user: UserId,
    /// From 1.
    pub page: u32,
    /// Notifications on a page.
    pub limit: u32,
}

/// A page of notifications.
#[derive(Debug)]
pub struct NotificationPage {
    /// The notifications.
    pub notifications: Vec<Notification>,
    /// How many there are on all pages.
    pub total: u64,
    /// How many of all have not been read.
    pub unread: u64,
}

/// What to do with a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Mark it as read.
    Read,
    /// Delete it.
    Delete,
}

/// Mark or delete a notification.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), NotifierError>")]
pub struct ChangeNotification {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub id: String,
    /// How.
    pub change: Change,
}

/// Forget what a user who is gone for good was told. Safe to repeat.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), NotifierError>")]
pub struct ForgetNotifications {
    /// Whose.
    pub user: UserId,
}

/// Say what a user wants by mail, after changing what is given.
#[derive(Debug, Message)]
#[rtype(result = "Result<Mailing, NotifierError>")]
pub struct SetMailing {
    /// Whose.
    pub user: UserId,
    /// As in [`Mailing`].
    pub messages: Option<bool>,
    /// As in [`Mailing`].
    pub likes: Option<bool>,
    /// As in [`Mailing`].
    pub comments: Option<bool>,
}

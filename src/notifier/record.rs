//! A notification as it is kept and as it is shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::letter::{N, Summary};
use crate::values::time::epoch_secs;

/// How a notification reached its user, or should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Channel {
    /// Over the user's sockets.
    Push,
    /// By mail.
    Email,
}

/// As it stands in the datastore; `lua/notifier/note.lua` adds `at`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// When it last changed. ms
    #[serde(default, skip_serializing)]
    pub(super) at: i64,
    /// Notices that it stands for.
    pub(super) n: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) topic: Option<String>,
    pub(super) channel: Channel,
    pub(super) kind: String,
    pub(super) one: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) many: Option<String>,
    pub(super) success: bool,
    pub(super) read: bool,
}

impl Record {
    pub(super) fn new(channel: Channel, kind: &str, topic: Option<String>, summary: Summary) -> Self {
        Self {
            at: 0,
            n: 1,
            topic,
            channel,
            kind: kind.to_owned(),
            one: summary.one,
            many: summary.many,
            success: false,
            read: false,
        }
    }
}

/// Something that a user was told.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// Its id.
    pub notification_id: String,
    /// `PUSH` or `EMAIL`.
    #[serde(rename = "type")]
    pub channel: Channel,
    /// What about, as a word for programs: `message_received`, `link_clicked`, ...
    pub kind: String,
    /// In words.
    pub content: String,
    /// How many of the same it stands for.
    pub count: u64,
    /// Whether it was sent.
    pub success: bool,
    /// Whether the user has marked it as read.
    pub read: bool,
    /// When it last changed, in epoch seconds.
    pub date: String,
}

impl Notification {
    pub(super) fn new(id: String, record: Record) -> Self {
        let content = match &record.many {
            Some(many) if record.n > 1 => many.replace(N, &record.n.to_string()),
            _ => record.one,
        };
        Self {
            notification_id: id,
            channel: record.channel,
            kind: record.kind,
            content,
            count: record.n,
            success: record.success,
            read: record.read,
            date: epoch_secs(record.at),
        }
    }
}

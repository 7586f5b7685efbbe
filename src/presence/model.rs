//! How present a user is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether a user is here, and wants to be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnlineStatus {
    /// Here.
    Online,
    /// Not here, or here unseen.
    Offline,
    /// Here by device, says the user.
    Away,
    /// Here, and not to be disturbed.
    Busy,
}

impl OnlineStatus {
    /// The status in `text`; an error says which there are.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "online" => Ok(Self::Online),
            "offline" => Ok(Self::Offline),
            "away" => Ok(Self::Away),
            "busy" => Ok(Self::Busy),
            _ => Err("must be one of online, offline, away, busy"),
        }
    }

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Away => "away",
            Self::Busy => "busy",
        }
    }
}

/// How present somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// At this moment.
    pub status: OnlineStatus,
    /// The last sign of life, in ms; nothing when there has been none.
    pub last_seen_ms: Option<i64>,
}

impl Presence {
    /// Of somebody who has never been here.
    pub const NEVER: Self = Self { status: OnlineStatus::Offline, last_seen_ms: None };

    /// Reads what is published on a user's channel when the status changes: `<status> <ms>`.
    pub fn parse_news(text: &str) -> Option<Self> {
        let (status, seen) = text.split_once(' ')?;
        Some(Self { status: OnlineStatus::parse(status).ok()?, last_seen_ms: seen.parse().ok() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_a_status_and_a_time() {
        let news = Presence { status: OnlineStatus::Busy, last_seen_ms: Some(1_795_351_563_123) };
        assert_eq!(Presence::parse_news("busy 1795351563123"), Some(news));
        for wrong in ["", "busy", "asleep 1"] {
            assert_eq!(Presence::parse_news(wrong), None, "{wrong}");
        }
    }
}

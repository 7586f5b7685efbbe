//! Whom a socket asks, and what it is held to.

use std::time::Duration;

use actix::Addr;

use super::hub::Hub;
use super::messages::OpenLog;
use super::protocol::FrameRules;
use crate::actor::Ask;
use crate::auth::messages::{Authenticate, CheckSession};
use crate::config::{Config, Quota};
use crate::conversation::messages::{Acknowledge, DeleteMessage, EditMessage, MarkRead, SendMessage, Type};
use crate::presence::messages::{FetchPresence, SetStatus, SocketClosed, SocketOpened, SocketsBeat};

/// A socket's ways to everybody else.
#[derive(Debug, Clone)]
pub struct Ways {
    /// The node's ear.
    pub hub: Addr<Hub>,
    /// The users' logs.
    pub open_log: Ask<OpenLog>,
    /// Sessions.
    pub authenticate: Ask<Authenticate>,
    /// Sessions.
    pub check_session: Ask<CheckSession>,
    /// Messages.
    pub send: Ask<SendMessage>,
    /// Messages.
    pub read: Ask<MarkRead>,
    /// Messages.
    pub edit: Ask<EditMessage>,
    /// Messages.
    pub delete: Ask<DeleteMessage>,
    /// Messages.
    pub acknowledge: Ask<Acknowledge>,
    /// Messages.
    pub typing: Ask<Type>,
    /// Presence.
    pub opened: Ask<SocketOpened>,
    /// Presence.
    pub beat: Ask<SocketsBeat>,
    /// Presence.
    pub closed: Ask<SocketClosed>,
    /// Presence.
    pub set_status: Ask<SetStatus>,
    /// Presence.
    pub presence: Ask<FetchPresence>,
}

/// What sockets are held to.
#[derive(Debug, Clone, Copy)]
pub struct SocketRules {
    pub(super) heartbeat: Duration,
    pub(super) auth_timeout: Duration,
    pub(super) resume_grace: Duration,
    pub(super) max_frame_bytes: usize,
    pub(super) max_queue_bytes: usize,
    /// None: as many as they like.
    pub(super) frames: Option<Quota>,
    pub(super) bounds: FrameRules,
}

impl SocketRules {
    /// As configured.
    pub fn new(config: &Config) -> Self {
        let Config { realtime, conversation, rate_limits, .. } = config;
        Self {
            heartbeat: Duration::from_millis(realtime.heartbeat_ms),
            auth_timeout: Duration::from_secs(realtime.auth_timeout_secs),
            resume_grace: Duration::from_millis(realtime.resume_grace_ms),
            max_frame_bytes: realtime.max_frame_bytes,
            max_queue_bytes: realtime.max_queue_bytes,
            frames: rate_limits.enabled.then_some(realtime.frames),
            bounds: FrameRules {
                max_message_bytes: conversation.max_message_bytes,
                max_watched: realtime.max_watched,
            },
        }
    }
}

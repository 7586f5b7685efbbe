//! The ways to what accounts own, which lies with other domains.

use crate::actor::Ask;
use crate::conversation::messages::PurgeConversations;
use crate::notifier::messages::ForgetNotifications;
use crate::posts::messages::{AlignPosts, PurgePosts};
use crate::presence::messages::ForgetPresence;
use crate::realtime::messages::ForgetLog;
use crate::shortener::messages::{AlignLinks, PurgeLinks};
use crate::users::messages::{AlignProfile, PurgeProfile};

/// The ways to what accounts own, for when one is closed, comes back, or is purged.
#[derive(Debug)]
pub struct Estate {
    /// To the people's actor.
    pub align_profile: Ask<AlignProfile>,
    /// To the same.
    pub purge_profile: Ask<PurgeProfile>,
    /// To the shortener.
    pub align_links: Ask<AlignLinks>,
    /// To the same.
    pub purge_links: Ask<PurgeLinks>,
    /// To the posts' actor.
    pub align_posts: Ask<AlignPosts>,
    /// To the same.
    pub purge_posts: Ask<PurgePosts>,
    /// To the conversations' actor.
    pub purge_conversations: Ask<PurgeConversations>,
    /// To the event log.
    pub forget_log: Ask<ForgetLog>,
    /// To the presence keeper.
    pub forget_presence: Ask<ForgetPresence>,
    /// To the notifier.
    pub forget_notifications: Ask<ForgetNotifications>,
}

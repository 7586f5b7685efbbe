//! What waits to be sent over one socket.
//!
//! A socket's actor runs only while its connection takes bytes, so what is pushed to it waits here, where it can be
//! counted. Invariant: no more than the configured bytes wait. Ephemeral pushes are dropped from half of that on; an
//! event that does not fit ends the socket, which resumes elsewhere: the log has what it missed.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use actix::{Message, Recipient};
use bytestring::ByteString;

/// Something for one socket.
#[derive(Debug, Clone)]
pub(super) enum Push {
    /// An event of the user's log.
    Event {
        /// Its number.
        seq: u64,
        /// The socket and frame that caused it, or empty.
        origin: ByteString,
        /// All of it, encoded.
        frame: ByteString,
    },
    /// Typing, presence.
    Ephemeral(ByteString),
    /// Sessions that ended, separated by spaces.
    Revoked(ByteString),
    /// Events may have been missed.
    Resync,
    /// The server stops.
    GoAway,
}

impl Push {
    fn bytes(&self) -> usize {
        // What a queue's place takes counts too, or many small ones would count for nothing.
        std::mem::size_of::<Self>()
            + match self {
                Self::Event { frame, .. } | Self::Ephemeral(frame) => frame.len(),
                Self::Revoked(_) | Self::Resync | Self::GoAway => 0,
            }
    }
}

/// Something waits.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Wake;

#[derive(Debug, Default)]
struct Queue {
    pushes: VecDeque<Push>,
    bytes: usize,
    /// A wake-up is on its way.
    waking: bool,
    overflowed: bool,
}

/// The queue in front of one socket.
#[derive(Debug)]
pub(super) struct Outbound {
    queue: Mutex<Queue>,
    max_bytes: usize,
    socket: Recipient<Wake>,
}

/// The socket is too slow: not all that was pushed is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooSlow;

impl Outbound {
    pub(super) fn new(socket: Recipient<Wake>, max_bytes: usize) -> Self {
        Self { queue: Mutex::default(), max_bytes, socket }
    }

    /// Puts `push` into the queue, from any thread.
    pub(super) fn push(&self, push: Push) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = push.bytes();
        if queue.overflowed {
            return;
        }
        if matches!(push, Push::Ephemeral(_)) && queue.bytes + bytes > self.max_bytes / 2 {
            metrics::counter!("ayrene_pushes_dropped_total").increment(1);
            return;
        }
        if queue.bytes + bytes > self.max_bytes {
            metrics::counter!("ayrene_socket_overflows_total").increment(1);
            queue.overflowed = true;
            queue.pushes = VecDeque::new();
        } else {
            queue.bytes += bytes;
            queue.pushes.push_back(push);
        }
        if !queue.waking {
            queue.waking = true;
            drop(queue);
            self.socket.do_send(Wake);
        }
    }

    /// Everything that waits, in its order.
    pub(super) fn take(&self) -> Result<VecDeque<Push>, TooSlow> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waking = false;
        queue.bytes = 0;
        if queue.overflowed { Err(TooSlow) } else { Ok(std::mem::take(&mut queue.pushes)) }
    }
}

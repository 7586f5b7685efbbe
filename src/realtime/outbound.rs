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

#[cfg(test)]
mod tests {
    use actix::{Actor, Context, Handler};

    use super::*;

    const MAX: usize = 10_000;

    struct Socket;

    impl Actor for Socket {
        type Context = Context<Self>;
    }

    impl Handler<Wake> for Socket {
        type Result = ();

        fn handle(&mut self, _: Wake, _: &mut Self::Context) {}
    }

    fn with_queue(test: impl FnOnce(Outbound)) {
        actix::System::new().block_on(async { test(Outbound::new(Socket.start().recipient(), MAX)) });
    }

    fn event(seq: u64) -> Push {
        Push::Event { seq, origin: ByteString::new(), frame: "x".repeat(1000).into() }
    }

    fn typing() -> Push {
        Push::Ephemeral("x".repeat(1000).into())
    }

    fn count(pushes: &VecDeque<Push>, ephemeral: bool) -> usize {
        pushes.iter().filter(|push| matches!(push, Push::Ephemeral(_)) == ephemeral).count()
    }

    #[test]
    fn typing_and_presence_are_dropped_from_half_of_the_bytes_on() {
        with_queue(|queue| {
            for seq in 1..=4 {
                queue.push(event(seq));
                queue.push(typing());
            }
            let waiting = queue.take().unwrap_or_default();
            assert_eq!((count(&waiting, false), count(&waiting, true)), (4, 2));
            queue.push(typing());
            assert_eq!(queue.take().map(|waiting| waiting.len()), Ok(1), "taken is taken");
        });
    }

    #[test]
    fn an_event_that_does_not_fit_ends_the_socket() {
        with_queue(|queue| {
            for seq in 1..=9 {
                queue.push(event(seq));
            }
            assert_eq!(queue.take().map(|waiting| waiting.len()), Ok(9));
            for seq in 10..=20 {
                queue.push(event(seq));
            }
            assert_eq!(queue.take().map(|waiting| waiting.len()), Err(TooSlow));
            queue.push(event(21));
            assert_eq!(queue.take().map(|waiting| waiting.len()), Err(TooSlow), "nothing brings it back");
        });
    }

    #[test]
    fn many_small_pushes_fill_it_too() {
        with_queue(|queue| {
            for seq in 0..MAX as u64 {
                queue.push(Push::Event { seq, origin: ByteString::new(), frame: ByteString::new() });
            }
            assert_eq!(queue.take().map(|waiting| waiting.len()), Err(TooSlow));
        });
    }
}

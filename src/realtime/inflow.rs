//! The bytes that come in over one socket, before they are frames.
//!
//! Invariants: nothing more is read while the socket has enough to work off, so a client that sends faster is slowed
//! down by its own connection, and is not called silent; and a frame that says of itself that it is too large ends the
//! stream at its head, where the codec behind it would collect all of it first. How the connection fails is no matter:
//! then the stream ends.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;

/// Bytes of a frame's head without its mask, at most.
const MAX_HEAD: usize = 10;
const MASK: u64 = 4;

/// What a socket sets and reads.
#[derive(Debug)]
struct State {
    shut: Cell<bool>,
    too_large: Cell<bool>,
    heard: Cell<Instant>,
    waiting: RefCell<Option<Waker>>,
}

/// The socket's hand on its inflow.
#[derive(Debug)]
pub(super) struct Valve(Rc<State>);

impl Valve {
    /// Lets more come in, or not.
    pub(super) fn set_open(&self, open: bool) {
        if open == self.0.shut.replace(!open) {
            self.0.heard.set(Instant::now());
        }
        if open && let Some(waker) = self.0.waiting.take() {
            waker.wake();
        }
    }

    /// For how long nothing has come, not even a part of a frame, though it could have.
    pub(super) fn silence(&self) -> Duration {
        if self.0.shut.get() { Duration::ZERO } else { self.0.heard.get().elapsed() }
    }

    /// Whether the stream ended because of a frame that is too large.
    pub(super) fn met_too_large(&self) -> bool {
        self.0.too_large.get()
    }
}

/// A request's payload, held back and looked at.
#[derive(Debug)]
pub(super) struct Inflow<S> {
    payload: S,
    heads: Heads,
    state: Rc<State>,
}

impl<S> Inflow<S> {
    /// `payload` with frames of at most `max_frame` bytes.
    pub(super) fn new(payload: S, max_frame: usize) -> (Self, Valve) {
        let state = Rc::new(State {
            shut: Cell::new(false),
            too_large: Cell::new(false),
            heard: Cell::new(Instant::now()),
            waiting: RefCell::default(),
        });
        let heads = Heads { max: max_frame as u64, head: [0; MAX_HEAD], read: 0, skip: 0 };
        (Self { payload, heads, state: state.clone() }, Valve(state))
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Inflow<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.state.too_large.get() {
            return Poll::Ready(None);
        }
        if self.state.shut.get() {
            self.state.waiting.replace(Some(context.waker().clone()));
            return Poll::Pending;
        }
        let Some(Ok(mut chunk)) = ready!(Pin::new(&mut self.payload).poll_next(context)) else {
            return Poll::Ready(None);
        };
        self.state.heard.set(Instant::now());
        if let Err(TooLarge { at }) = self.heads.read(&chunk) {
            self.state.too_large.set(true);
            chunk.truncate(at);
        }
        Poll::Ready(Some(Ok(chunk)))
    }
}

/// Where in its frames a stream stands (RFC 6455, 5.2).
#[derive(Debug)]
struct Heads {
    max: u64,
    head: [u8; MAX_HEAD],
    /// Bytes of the head that were read.
    read: usize,
    /// Bytes until the next head.
    skip: u64,
}

/// A frame is too large.
#[derive(Debug, PartialEq, Eq)]
struct TooLarge {
    /// Where it begins.
    at: usize,
}

impl Heads {
    fn read(&mut self, chunk: &[u8]) -> Result<(), TooLarge> {
        let (mut place, mut begin) = (0, 0);
        while place < chunk.len() {
            if self.skip > 0 {
                let step = self.skip.min((chunk.len() - place) as u64);
                self.skip -= step;
                place += step as usize;
                begin = place;
                continue;
            }
            self.head[self.read] = chunk[place];
            self.read += 1;
            place += 1;
            let Some(length) = self.length() else { continue };
            if length > self.max {
                return Err(TooLarge { at: begin });
            }
            self.skip = length + if self.head[1] & 0x80 == 0 { 0 } else { MASK };
            self.read = 0;
            begin = place;
        }
        Ok(())
    }

    /// The length that the head tells, once it is there.
    fn length(&self) -> Option<u64> {
        let head = &self.head[..self.read];
        match *head.get(1)? & 0x7f {
            126 => Some(u64::from(u16::from_be_bytes(head.get(2..4)?.try_into().ok()?))),
            127 => Some(u64::from_be_bytes(head.get(2..10)?.try_into().ok()?)),
            short => Some(u64::from(short)),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn heads() -> Heads {
        Heads { max: 1000, head: [0; MAX_HEAD], read: 0, skip: 0 }
    }

    /// A masked frame with as many bytes.
    fn frame(length: usize) -> Vec<u8> {
        let mut frame = vec![0x81];
        match length {
            0..126 => frame.push(0x80 | length as u8),
            _ => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
        }
        frame.resize(frame.len() + 4 + length, 0xff);
        frame
    }

    #[test]
    fn frames_are_followed_through_chunks_of_any_size() {
        let sizes = [0, 1, 125, 126, 1000, 0, 7, 999];
        let good: Vec<u8> = sizes.into_iter().flat_map(frame).collect();
        let mut large = vec![0x81, 0xff];
        large.extend(1001_u64.to_be_bytes());
        let whole = [good.as_slice(), &large].concat();
        for size in [1, 2, 3, 5, 7, 64, 500, 4096] {
            let (mut heads, mut passed) = (heads(), 0);
            let outcome = whole.chunks(size).try_for_each(|chunk| {
                heads.read(chunk).map(|()| passed += chunk.len()).map_err(|TooLarge { at }| passed += at)
            });
            assert!(outcome.is_err(), "{size}");
            // Whole frames before the large one always pass; of its head only what came in earlier chunks.
            assert!((good.len()..good.len() + large.len()).contains(&passed), "{size} {passed}");
        }
    }

    #[test]
    fn what_comes_before_a_large_frame_passes() {
        let mut chunk = frame(10);
        let good = chunk.len();
        chunk.extend([0x82, 0xfe, 0xff, 0xff, 1, 2, 3]);
        assert_eq!(heads().read(&chunk).unwrap_err(), TooLarge { at: good });
    }
}

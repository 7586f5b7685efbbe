//! The stream that actix-http reads a connection from.
//!
//! Owns who reads what comes in: the lane as long as actix-http has nothing to answer, actix-http from the first byte of
//! a request that is its own to the last, and after one whose end is not plain, for the rest of the connection. Owns two
//! clocks that actix-http would set by what it hears of: how long a head may take, and how long a connection may idle.
//!
//! Invariant: no byte is lost, doubled or moved. A connection that waits for its next request holds no memory but the
//! stream itself: requests are read and answers made in rooms that the connections of a worker share.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::exchange::Exchange;
use super::head::{Batch, Extent, Next};
use super::{Lane, answer};
use crate::http::connection::{AnswerClock, PatientStream};
use crate::http::edge;
use crate::http::server::Seat;

/// Longest head that the lane waits for, and how much it reads at a time, in bytes.
const ROOM: usize = 16 << 10;
/// How much may wait to be written before no more is read, in bytes.
const MAX_WAITING: usize = 64 << 10;
/// How often one connection is read from before others have their turn.
const MAX_ROUNDS: usize = 8;

/// How long a client may keep a connection waiting.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// From the connection's or the head's first byte to the head's last.
    pub head: Duration,
    /// For the next request.
    pub idle: Duration,
}

/// What the connections of one worker share.
pub struct LaneWorker {
    lane: Rc<dyn Lane>,
    waits: Waits,
    input: RefCell<Box<[u8]>>,
    output: RefCell<Vec<u8>>,
    seat: Rc<Seat>,
}

impl LaneWorker {
    /// A worker's share.
    pub fn new(lane: Rc<dyn Lane>, waits: Waits, seat: Rc<Seat>) -> Rc<Self> {
        let input = RefCell::new(vec![0; ROOM].into());
        Rc::new(Self { lane, waits, input, output: RefCell::default(), seat })
    }
}

impl std::fmt::Debug for LaneWorker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LaneWorker").field("waits", &self.waits).finish_non_exhaustive()
    }
}

/// Who answers what comes next.
#[derive(Debug)]
enum Turn {
    Lane,
    /// actix-http, this one request.
    Exchange(Exchange),
    /// actix-http, to the end.
    Through,
}

/// A connection with a lane.
#[derive(Debug)]
pub struct LaneStream {
    stream: PatientStream,
    worker: Rc<LaneWorker>,
    peer: IpAddr,
    turn: Turn,
    /// What has been read and not been handed on.
    held: BytesMut,
    /// Whether the lane has not looked at what is held yet.
    unseen: bool,
    /// Answers of the lane that the socket has not taken.
    waiting: BytesMut,
    /// Since when a head is awaited, of which there is a part or which is the first.
    head_since: Option<Instant>,
    /// actix-http has been told that nothing more comes.
    ended: bool,
    /// The task is woken when there is something to read.
    parked: bool,
    /// Its place among the connections of its worker.
    number: u64,
    /// Something was answered since it was last quiet.
    answered: bool,
    /// Another worker has the connection.
    moved: bool,
}

impl LaneStream {
    /// A connection from `peer` that begins now.
    pub fn new(stream: PatientStream, peer: IpAddr, worker: Rc<LaneWorker>) -> Self {
        let head_since = Some(stream.active());
        let number = worker.seat.number();
        Self {
            stream,
            worker,
            peer: peer.to_canonical(),
            turn: Turn::Lane,
            held: BytesMut::new(),
            unseen: false,
            waiting: BytesMut::new(),
            head_since,
            ended: false,
            parked: false,
            number,
            answered: false,
            moved: false,
        }
    }

    /// A connection that another worker has served until now: it idles, and need not ask at once.
    pub fn resumed(stream: PatientStream, peer: IpAddr, worker: Rc<LaneWorker>) -> Self {
        Self { head_since: None, ..Self::new(stream, peer, worker) }
    }

    /// The clock that handlers may stop.
    pub fn answer_clock(&self) -> AnswerClock {
        self.stream.answer_clock()
    }

    /// Reads, answers and writes, until there is nothing more to read or something for actix-http.
    fn poll_lane(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let worker = self.worker.clone();
        let (input, output) = (&mut *worker.input.borrow_mut(), &mut *worker.output.borrow_mut());
        for _ in 0..MAX_ROUNDS {
            if self.waiting.len() >= MAX_WAITING {
                ready!(self.poll_drain(context))?;
            }
            let read = match self.poll_fill(context, input)? {
                Poll::Pending => return self.poll_wait(context),
                Poll::Ready(read) => &input[..read],
            };
            if read.is_empty() {
                self.ended = true;
                return Poll::Ready(Ok(()));
            }
            let received = self.stream.active();
            output.clear();
            let batch = Batch::answer(&*worker.lane, read, (self.peer, received), output, MAX_WAITING);
            if batch.answered > 0 {
                self.write_out(context, output)?;
                edge::observe_redirects(batch.answered, self.stream.active() - received);
                self.head_since = None;
                self.answered = true;
            }
            let rest = &read[batch.consumed..];
            match batch.next {
                Next::Part if rest.len() < ROOM => {
                    self.hold(rest);
                    self.head_since = self.head_since.or(Some(received)).filter(|_| !rest.is_empty());
                }
                Next::Enough => {
                    self.hold(rest);
                    self.unseen = true;
                }
                Next::Other(extent) => {
                    self.hand_over(extent, rest, buffer);
                    return Poll::Ready(Ok(()));
                }
                Next::Part | Next::Unknown => {
                    self.hold(rest);
                    self.turn = Turn::Through;
                    self.stream.answer_clock().start(Instant::now());
                    return self.poll_through(context, buffer);
                }
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Fills `input` with what is held and, if the lane has seen that, what comes after it. Nothing: the end.
    fn poll_fill(&mut self, context: &mut Context<'_>, input: &mut [u8]) -> Poll<io::Result<usize>> {
        let held = self.held.len();
        let (seen, room) = input.split_at_mut(held);
        seen.copy_from_slice(&self.held);
        if std::mem::take(&mut self.unseen) {
            return Poll::Ready(Ok(held));
        }
        let mut room = ReadBuf::new(room);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut room))?;
        let read = room.filled().len();
        Poll::Ready(Ok(if read == 0 { 0 } else { held + read }))
    }

    fn hold(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.held = BytesMut::new();
        } else {
            self.held.clear();
            self.held.extend_from_slice(bytes);
        }
    }

    /// Nothing has come: ends a connection that has waited for too long, or that another worker goes on with.
    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.waiting.is_empty() {
            return Poll::Pending;
        }
        if self.held.is_empty() && std::mem::take(&mut self.answered) {
            let seat = &self.worker.seat;
            self.moved = seat.quiet(self.number, self.stream.socket());
            if self.moved {
                self.ended = true;
                return Poll::Ready(Ok(()));
            }
        }
        let Waits { head, idle } = self.worker.waits;
        let deadline = self.head_since.map_or_else(|| self.stream.active() + idle, |since| since + head);
        self.stream.check_by(deadline, context)?;
        let now = self.stream.checked();
        if now < deadline {
            return Poll::Pending;
        }
        // Who said nothing is told nothing: clients open connections ahead of need, and take what comes unasked for the answer to
        // the request that they are about to send.
        if self.head_since.is_some() && !self.held.is_empty() {
            let mut last = Vec::new();
            answer::timeout(&mut last, now);
            self.waiting.extend_from_slice(&last);
        }
        self.ended = true;
        Poll::Ready(Ok(()))
    }

    /// Gives actix-http the request that `bytes` begin with, as far as it is there, and holds back what follows.
    fn hand_over(&mut self, extent: Extent, bytes: &[u8], buffer: &mut ReadBuf<'_>) {
        let mut exchange = Exchange::new(extent);
        let handed = bytes.len().min(buffer.remaining()).min(within(exchange.to_hand));
        buffer.put_slice(&bytes[..handed]);
        exchange.to_hand -= handed as u64;
        self.hold(&bytes[handed..]);
        self.turn = Turn::Exchange(exchange);
        self.parked = false;
        // What the lane wrote meanwhile was no answer to this one.
        self.stream.answer_clock().start(Instant::now());
    }

    /// The rest of a request, and then nothing until it has been answered.
    fn poll_exchange(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        to_hand: u64,
    ) -> Poll<io::Result<()>> {
        if to_hand > 0 {
            let handed = ready!(self.poll_part(context, buffer, within(to_hand)))?;
            if let Turn::Exchange(exchange) = &mut self.turn {
                exchange.to_hand -= handed as u64;
            }
            self.ended = handed == 0;
            return Poll::Ready(Ok(()));
        }
        self.parked = false;
        if self.held.is_empty() {
            // To hear of what comes next and, if that is the end, to pass it on.
            let worker = self.worker.clone();
            let mut room = worker.input.borrow_mut();
            let mut room = ReadBuf::new(&mut room);
            self.parked = Pin::new(&mut self.stream).poll_read(context, &mut room)?.is_pending();
            self.hold(room.filled());
            if !self.parked && self.held.is_empty() {
                self.ended = true;
                return Poll::Ready(Ok(()));
            }
        }
        if !self.parked {
            self.stream.check(context)?;
        }
        Poll::Pending
    }

    /// At most `most` bytes of what is held or else comes in.
    fn poll_part(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let before = buffer.filled().len();
        if !self.held.is_empty() {
            let part = self.held.split_to(self.held.len().min(most).min(buffer.remaining()));
            buffer.put_slice(&part);
        } else if buffer.remaining() <= most {
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        } else {
            let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut part))?;
            let read = part.filled().len();
            buffer.advance(read);
        }
        Poll::Ready(Ok(buffer.filled().len() - before))
    }

    fn poll_through(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_part(context, buffer, usize::MAX).map_ok(|_| ())
    }

    /// The rest of the connection is actix-http's, which may wait for what has been held back from it.
    fn leave(&mut self, context: &mut Context<'_>) {
        self.turn = Turn::Through;
        context.waker().wake_by_ref();
    }

    /// Writes what the lane answered, after what waits already.
    fn write_out(&mut self, context: &mut Context<'_>, mut bytes: &[u8]) -> io::Result<()> {
        while self.waiting.is_empty() && !bytes.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, bytes)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(taken) => bytes = &bytes[taken..],
                Poll::Pending => break,
            }
        }
        self.waiting.extend_from_slice(bytes);
        Ok(())
    }

    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.waiting.is_empty() {
            let taken = ready!(Pin::new(&mut self.stream).poll_write(context, &self.waiting))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.advance(taken);
        }
        self.waiting = BytesMut::new();
        if !matches!(self.turn, Turn::Lane) {
            // That was no answer to what actix-http was asked.
            self.stream.answer_clock().start(self.stream.active());
        }
        Poll::Ready(Ok(()))
    }
}

/// A length as far as memory goes.
fn within(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

impl AsyncRead for LaneStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &this.turn {
            _ if this.ended => Poll::Ready(Ok(())),
            Turn::Lane => this.poll_lane(context, buffer),
            Turn::Exchange(exchange) => {
                let to_hand = exchange.to_hand;
                this.poll_exchange(context, buffer, to_hand)
            }
            Turn::Through => this.poll_through(context, buffer),
        }
    }
}

impl AsyncWrite for LaneStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_drain(context))?;
        let taken = ready!(Pin::new(&mut this.stream).poll_write(context, bytes))?;
        let goes_on = match &mut this.turn {
            Turn::Exchange(exchange) => exchange.wrote(bytes, taken),
            // It was asked nothing.
            Turn::Lane => false,
            Turn::Through => true,
        };
        if !goes_on {
            this.leave(context);
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(context))?;
        ready!(Pin::new(&mut this.stream).poll_flush(context))?;
        match &this.turn {
            Turn::Exchange(exchange) if exchange.is_answered() => {
                if exchange.to_hand > 0 {
                    this.leave(context);
                    return Poll::Ready(Ok(()));
                }
                this.turn = Turn::Lane;
                this.head_since = None;
                this.answered = true;
                this.unseen = !this.held.is_empty();
                if this.unseen || !this.parked {
                    context.waker().wake_by_ref();
                }
            }
            _ => {}
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.moved {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_drain(context))?;
        Pin::new(&mut this.stream).poll_shutdown(context)
    }
}

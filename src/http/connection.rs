//! A connection that does not wait for ever.
//!
//! What a request's way to its answer may take is for a [`PatientStream`] to bound: a head that never ends, a body
//! that nobody reads, a client that does not read its answer. (Heads and idling between requests have tighter bounds, in
//! [`super::lane`].) Invariant: a connection on which nothing is achieved within its [`Patience`] is closed.
//!
//! An upload may honestly take longer than any answer. Its handler bounds the waits itself, and stops the connection's
//! clock meanwhile: [`AnswerClock`]. A connection that has become a socket may also be silent; whether its client lives
//! is then for the socket to find out.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How often a connection's clocks are looked at.
const TICK: Duration = Duration::from_secs(1);

/// How long a client that was told the last word has to end its side.
const LINGER: Duration = Duration::from_secs(2);

/// How long a connection may achieve nothing.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From the first byte of a request to the first byte of its answer.
    pub answer: Duration,
    /// Without a byte read by a client that has an answer coming.
    pub write: Duration,
    /// Without a byte in either direction.
    pub idle: Duration,
}

/// How long a client has been waiting for an answer: what the stream of a connection and its handlers share.
#[derive(Debug, Clone, Default)]
pub struct AnswerClock(Rc<Clock>);

#[derive(Debug, Default)]
struct Clock {
    since: Cell<Option<Instant>>,
    holders: Cell<usize>,
    /// The connection is a socket, whose client may go without reading for this long.
    socket: Cell<Option<Duration>>,
    /// Nothing will be written after what has been.
    last_word: Cell<bool>,
    /// How long its client then has to end its side, if that is for us to say.
    linger: Cell<Option<Duration>>,
    /// When the connection is over, whatever its client does.
    over: Cell<Option<Instant>>,
}

impl AnswerClock {
    /// The clock of the connection that `request` came by.
    pub fn of(request: &HttpRequest) -> Self {
        request.conn_data::<Self>().cloned().unwrap_or_default()
    }

    /// Nothing will be written after what has been: when that is sent, our side of the connection ends. A client that
    /// waits for this need not wait until its own side is read to its end.
    pub fn end(&self) {
        self.0.last_word.set(true);
    }

    /// Stops the clock of the connection that `request` came by. Who does that bounds each wait himself.
    pub fn hold(request: &HttpRequest) -> Held {
        let clock = Self::of(request);
        clock.0.holders.update(|holders| holders + 1);
        Held(clock)
    }

    /// An answer is due since `now`, if none was due before.
    pub(super) fn start(&self, now: Instant) {
        if self.0.since.get().is_none() {
            self.0.since.set(Some(now));
        }
    }

    fn stop(&self) {
        self.0.since.set(None);
    }

    /// Since when an answer is due, if the clock runs.
    fn running_since(&self) -> Option<Instant> {
        self.0.since.get().filter(|_| self.0.holders.get() == 0)
    }
}

/// As long as it lives the clock stands; afterwards it starts anew.
#[derive(Debug)]
pub struct Held(AnswerClock);

impl Held {
    /// The connection has become a socket: it may be silent, and its client has this long to read what waits for it.
    pub fn becomes_socket(&self, write: Duration) {
        self.0.0.socket.set(Some(write));
    }

    /// [`AnswerClock::end`], after which the client has a moment to end its side.
    pub fn end(&self) {
        self.0.0.linger.set(Some(LINGER));
        self.0.end();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Clock { since, holders, socket, .. } = &*self.0.0;
        holders.update(|holders| holders - 1);
        since.set(Some(Instant::now()));
        socket.set(None);
    }
}

/// A TCP stream with three clocks.
#[derive(Debug)]
pub struct PatientStream {
    stream: TcpStream,
    patience: Patience,
    tick: Pin<Box<Sleep>>,
    checked: Instant,
    active: Instant,
    asked: AnswerClock,
    stalled: Option<Instant>,
}

impl PatientStream {
    /// A stream whose clocks start now.
    pub fn new(stream: TcpStream, patience: Patience) -> Self {
        let (tick, now) = (Box::pin(sleep(TICK)), Instant::now());
        let asked = AnswerClock::default();
        Self { stream, patience, tick, checked: now, active: now, asked, stalled: None }
    }

    /// The clock that handlers may stop.
    pub fn answer_clock(&self) -> AnswerClock {
        self.asked.clone()
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// When bytes last went in either direction.
    pub(super) fn active(&self) -> Instant {
        self.active
    }

    /// When the clocks were last looked at.
    pub(super) fn checked(&self) -> Instant {
        self.checked
    }

    /// Looks at the clocks by `deadline` at the latest, which may be now.
    pub(super) fn check_by(&mut self, deadline: Instant, context: &mut Context<'_>) -> io::Result<()> {
        if deadline < self.tick.deadline().into_std() {
            self.tick.as_mut().reset(deadline.into());
            self.check(context)?;
        }
        Ok(())
    }

    /// An error once a clock has run out. Polled with every read and write that has to wait.
    pub(super) fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while self.tick.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            let over =
                |since: Option<Instant>, limit| since.is_some_and(|since| now.duration_since(since) > limit);
            let Patience { answer, write, idle } = self.patience;
            let Clock { socket, over: end, .. } = &*self.asked.0;
            let (socket, end) = (socket.get(), end.get());
            if over(self.asked.running_since(), answer)
                || over(self.stalled, socket.unwrap_or(write))
                || over(Some(self.active).filter(|_| socket.is_none()), idle)
                || end.is_some_and(|end| now > end)
            {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.checked = now;
            self.tick.as_mut().reset((now + TICK).into());
        }
        Ok(())
    }
}

impl AsyncRead for PatientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending => {
                self.check(context)?;
                Poll::Pending
            }
            ready => {
                if buffer.filled().len() > before {
                    self.active = Instant::now();
                    self.asked.start(self.active);
                    // Also while data keeps coming: a drip is no progress.
                    self.check(context)?;
                }
                ready
            }
        }
    }
}

impl AsyncWrite for PatientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Pending => {
                let now = Instant::now();
                self.stalled.get_or_insert(now);
                self.check(context)?;
                Poll::Pending
            }
            ready => {
                self.active = Instant::now();
                self.asked.stop();
                self.stalled = None;
                ready
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        let Clock { last_word, linger, over, .. } = &*self.asked.0;
        if last_word.get() {
            if over.get().is_none() {
                over.set(linger.get().map(|linger| Instant::now() + linger));
            }
            return Pin::new(&mut self.stream).poll_shutdown(context);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

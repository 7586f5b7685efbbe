//! One connection of the load generator, and what it waits with.
//!
//! Invariant: a connection has at most one request in flight, and knows since when it was due.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// Bytes at first; it grows with an answer that is larger.
const BUFFER: usize = 16 * 1024;

/// Token of the timer, beyond any connection's.
const CLOCK: usize = usize::MAX / 2;

/// What a step has led to.
pub(crate) enum Progress {
    /// Nothing yet.
    Pending,
    /// A whole answer.
    Answered { due: Instant, expected: bool, closing: bool },
    /// The connection is gone, `waiting` for an answer or not.
    Lost { waiting: bool },
}

pub(crate) struct Connection {
    stream: Option<TcpStream>,
    /// In the requests; only in a closed loop.
    position: usize,
    due: Option<Instant>,
    unsent: Vec<u8>,
    buffer: Vec<u8>,
    filled: usize,
}

impl Connection {
    pub(crate) fn new(position: usize) -> Self {
        let buffer = vec![0; BUFFER];
        Self { stream: None, position, due: None, unsent: Vec::new(), buffer, filled: 0 }
    }

    pub(crate) fn position(&mut self) -> &mut usize {
        &mut self.position
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.due.is_some()
    }

    /// Connects at once or fails: servers are on this machine.
    pub(crate) fn open(&mut self, address: SocketAddr, slot: usize, ticker: &Ticker) -> io::Result<()> {
        let stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let interest = Interest::READABLE | Interest::WRITABLE;
        ticker.poll.registry().register(&mut stream, Token(slot), interest)?;
        (self.stream, self.filled) = (Some(stream), 0);
        Ok(())
    }

    pub(crate) fn send(&mut self, request: &[u8], due: Instant) -> Progress {
        self.due = Some(due);
        let Some(stream) = &mut self.stream else { return self.lose() };
        match stream.write(request) {
            Ok(sent) if sent == request.len() => return Progress::Pending,
            Ok(sent) => self.unsent = request[sent..].to_vec(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.unsent = request.to_vec(),
            Err(_) => return self.lose(),
        }
        Progress::Pending
    }

    /// Reads what has come; `expected` begins the answer that counts.
    pub(crate) fn read(&mut self, expected: &[u8]) -> Progress {
        let Some(stream) = &mut self.stream else { return Progress::Pending };
        if !self.unsent.is_empty() {
            match stream.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Pending,
                Err(_) => return self.lose(),
            }
        }
        loop {
            if self.filled == self.buffer.len() {
                self.buffer.resize(2 * self.filled, 0);
            }
            match stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return self.lose(),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Pending,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return self.lose(),
            }
            let Some(head) = whole_answer(&self.buffer[..self.filled]) else { continue };
            let (expected, closing) = (head.starts_with(expected), says_close(head));
            self.filled = 0;
            if closing {
                self.stream = None;
            }
            // An answer that nobody asked for, such as a 408 before a close.
            let Some(due) = self.due.take() else { return self.lose() };
            return Progress::Answered { due, expected, closing };
        }
    }

    fn lose(&mut self) -> Progress {
        self.stream = None;
        self.unsent.clear();
        Progress::Lost { waiting: self.due.take().is_some() }
    }
}

/// The head of the answer in `bytes`, if all of it is there.
fn whole_answer(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let length = header(&bytes[..end], b"content-length: ").and_then(|value| value.parse().ok()).unwrap_or(0);
    (bytes.len() >= end + length).then(|| &bytes[..end])
}

fn says_close(head: &[u8]) -> bool {
    header(head, b"connection: ").is_some_and(|value| value.eq_ignore_ascii_case("close"))
}

fn header<'h>(head: &'h [u8], name: &[u8]) -> Option<&'h str> {
    let lines = head.split(|&byte| byte == b'\n');
    let mut found = lines.filter(|line| line.len() >= name.len());
    let line = found.find(|line| line[..name.len()].eq_ignore_ascii_case(name))?;
    std::str::from_utf8(&line[name.len()..]).ok().map(str::trim)
}

/// Waits for connections and for the clock at once, to the microsecond.
pub(crate) struct Ticker {
    poll: Poll,
    events: Events,
    #[cfg(target_os = "linux")]
    timer: clock::Timer,
}

impl Ticker {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let events = Events::with_capacity(1024);
        #[cfg(target_os = "linux")]
        let timer = clock::Timer::new(poll.registry())?;
        Ok(Self {
            poll,
            events,
            #[cfg(target_os = "linux")]
            timer,
        })
    }

    /// Until something is ready, or until `until`; what is ready is added to `ready`.
    pub(crate) fn wait(&mut self, until: Instant, ready: &mut Vec<usize>) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        let timeout = self.timer.arm(until)?;
        #[cfg(not(target_os = "linux"))]
        let timeout = Some(until.saturating_duration_since(Instant::now()));
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        ready.extend(self.events.iter().map(|event| event.token().0).filter(|&slot| slot != CLOCK));
        Ok(())
    }
}

/// epoll itself knows milliseconds only; a timer that it waits for knows more.
#[cfg(target_os = "linux")]
mod clock {
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::time::{Duration, Instant};

    use mio::unix::SourceFd;
    use mio::{Interest, Registry, Token};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };

    pub(super) struct Timer {
        fd: OwnedFd,
        armed: Option<Instant>,
    }

    impl Timer {
        pub(super) fn new(registry: &Registry) -> io::Result<Self> {
            let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
            let token = Token(super::CLOCK);
            registry.register(&mut SourceFd(&fd.as_raw_fd()), token, Interest::READABLE)?;
            Ok(Self { fd, armed: None })
        }

        /// Sees to a wake-up at `at`; returns the timeout to poll with.
        pub(super) fn arm(&mut self, at: Instant) -> io::Result<Option<Duration>> {
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Some(Duration::ZERO));
            }
            if self.armed != Some(at) {
                let once = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
                let never = Timespec { tv_sec: 0, tv_nsec: 0 };
                let spec = Itimerspec { it_interval: never, it_value: once };
                timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &spec)?;
                self.armed = Some(at);
            }
            Ok(None)
        }
    }
}

//! What a request's head says about who answers it and where it ends.
//!
//! Invariant: in doubt a head is [`Next::Unknown`]. What is given an end here, actix-http's decoder ends at the same byte.

use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::time::Instant;

use super::Lane;
use crate::http::client::{FORWARDED_FOR, TrustedProxies};

/// Headers of a request that is looked at; actix-http itself allows 96.
const MAX_HEADERS: usize = 64;
/// Longest `Content-Length`, in digits: far from any overflow.
const MAX_DIGITS: usize = 15;

/// A simple request: GET or HEAD of HTTP/1.1 without a body, with nothing asked of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// HEAD, not GET.
    pub is_head: bool,
    /// The path as it was sent, nothing decoded.
    pub path: &'a str,
    /// What follows the path's question mark.
    pub query: &'a str,
    /// In their order.
    pub headers: &'a [httparse::Header<'a>],
    /// The other end of the socket.
    pub peer: IpAddr,
    /// When its last byte was read.
    pub received: Instant,
}

impl Head<'_> {
    /// The values of the headers called `name`, in their order.
    pub fn values(&self, name: &str) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|it| it.value)
    }

    /// The client's address.
    pub fn client(&self, proxies: &TrustedProxies) -> IpAddr {
        proxies.client_of(self.peer, self.values(FORWARDED_FOR))
    }
}

/// Where a request that the lane does not answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Of its head and body, in bytes.
    pub(super) length: u64,
    /// HEAD: its answer has no body.
    pub(super) is_head: bool,
}

/// What comes after the requests that were answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The beginning of a head, or nothing.
    Part,
    /// Perhaps another request: enough has been answered for now.
    Enough,
    /// A request for actix-http.
    Other(Extent),
    /// What only actix-http can tell the end of.
    Unknown,
}

/// What became of the bytes that a client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) consumed: usize,
    pub(super) answered: usize,
    pub(super) next: Next,
}

impl Batch {
    /// Lets `lane` answer the requests that `bytes` begin with, as long as `out` has less than `enough` bytes.
    pub(super) fn answer(
        lane: &dyn Lane,
        bytes: &[u8],
        (peer, received): (IpAddr, Instant),
        out: &mut Vec<u8>,
        enough: usize,
    ) -> Self {
        let mut batch = Self { consumed: 0, answered: 0, next: Next::Part };
        while batch.consumed < bytes.len() {
            if out.len() >= enough {
                batch.next = Next::Enough;
                break;
            }
            let mut room = [const { MaybeUninit::uninit() }; MAX_HEADERS];
            let mut request = httparse::Request::new(&mut []);
            let rest = &bytes[batch.consumed..];
            let head_length = match request.parse_with_uninit_headers(rest, &mut room) {
                Ok(httparse::Status::Complete(length)) => length,
                Ok(httparse::Status::Partial) => break,
                Err(_) => {
                    batch.next = Next::Unknown;
                    break;
                }
            };
            let Some(extent) = extent(&request, head_length) else {
                batch.next = Next::Unknown;
                break;
            };
            let answered = extent.length == head_length as u64
                && simple(&request, peer, received).is_some_and(|head| {
                    let before = out.len();
                    let answered = lane.answer(&head, out);
                    debug_assert!(answered || out.len() == before, "half an answer");
                    answered
                });
            if !answered {
                batch.next = Next::Other(extent);
                break;
            }
            batch.consumed += head_length;
            batch.answered += 1;
        }
        batch
    }
}

/// As a request for the lane. It has been given an end already, which is that of its head.
fn simple<'a, 'b: 'a>(
    request: &'a httparse::Request<'_, 'b>,
    peer: IpAddr,
    received: Instant,
) -> Option<Head<'a>> {
    let is_head = match request.method? {
        "GET" => false,
        "HEAD" => true,
        _ => return None,
    };
    let target = request.path.filter(|target| target.starts_with('/'))?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Some(Head { is_head, path, query, headers: request.headers, peer, received })
}

/// The end of a request, if that is plain.
fn extent(request: &httparse::Request<'_, '_>, head_length: usize) -> Option<Extent> {
    let method = request.method?;
    if request.version != Some(1) || method == "CONNECT" {
        return None;
    }
    let (mut hosts, mut body) = (0, None);
    for header in &*request.headers {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        match header.name.len() {
            4 if is("host") => hosts += 1,
            6 if is("expect") => return None,
            7 if is("upgrade") => return None,
            10 if is("connection") && !header.value.eq_ignore_ascii_case(b"keep-alive") => return None,
            14 if is("content-length") && body.is_none() => body = Some(digits(header.value)?),
            14 if is("content-length") => return None,
            17 if is("transfer-encoding") => return None,
            _ => {}
        }
    }
    let length = head_length as u64 + body.unwrap_or(0);
    (hosts == 1).then_some(Extent { length, is_head: method == "HEAD" })
}

/// A number of digits and nothing else.
pub(super) fn digits(value: &[u8]) -> Option<u64> {
    let plain = (1..=MAX_DIGITS).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    plain.then(|| value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

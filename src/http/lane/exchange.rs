//! A request that actix-http answers, while the lane waits.
//!
//! Owns what is known of it: how much of the request is still to be handed on, and, read off the answer itself, how much
//! of that is still to come. Invariant: an exchange is over when the last byte of its answer has been taken by the
//! socket and all of its request by actix-http, and only if its answer says nothing of closing.

use std::mem::MaybeUninit;

use super::head::{Extent, digits};

const MAX_HEADERS: usize = 96;

/// One request and its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Bytes of the request that actix-http has not got yet.
    pub(super) to_hand: u64,
    is_head: bool,
    /// Bytes of the answer that the socket has not got yet; unknown before its first.
    left: Option<u64>,
}

impl Exchange {
    pub(super) fn new(extent: Extent) -> Self {
        Self { to_hand: extent.length, is_head: extent.is_head, left: None }
    }

    /// Notes that the socket took the first `taken` of `bytes`. False when the end of the answer cannot be told, or the
    /// connection ends with it. actix-http writes a head in one piece, and nothing before it.
    pub(super) fn wrote(&mut self, bytes: &[u8], taken: usize) -> bool {
        let left = self.left.or_else(|| answer_length(bytes, self.is_head));
        self.left = left.and_then(|left| left.checked_sub(taken as u64));
        self.left.is_some()
    }

    /// Whether the answer has been written to its end.
    pub(super) fn is_answered(&self) -> bool {
        self.left == Some(0)
    }
}

/// The length of the answer that `bytes` begin with, head and body, if the connection goes on after it.
fn answer_length(bytes: &[u8], to_head: bool) -> Option<u64> {
    let mut room = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut answer = httparse::Response::new(&mut []);
    let parsed =
        httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut answer, bytes, &mut room);
    let Ok(httparse::Status::Complete(head_length)) = parsed else { return None };
    let status = answer.code.filter(|status| *status >= 200)?;
    let mut body = None;
    for header in &*answer.headers {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("connection") || is("transfer-encoding") || is("upgrade") {
            return None;
        }
        if is("content-length") && body.replace(digits(header.value)?).is_some() {
            return None;
        }
    }
    let body = if to_head || matches!(status, 204 | 304) { 0 } else { body? };
    Some(head_length as u64 + body)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_head_says() {
        let length = |answer: &str, to_head| answer_length(answer.as_bytes(), to_head);
        let ok = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n";
        assert_eq!(length(ok, false), Some(ok.len() as u64 + 7));
        assert_eq!(length(ok, true), Some(ok.len() as u64));
        let empty = "HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(length(empty, false), Some(empty.len() as u64));
        for unclear in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 7\r\ncontent-length: 7\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n",
        ] {
            assert_eq!(length(unclear, false), None, "{unclear}");
        }
    }

    #[test]
    fn it_is_over_when_the_socket_has_all_of_it_and_not_a_byte_more() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let extent = Extent { length: 10, is_head: false };
        let mut exchange = Exchange::new(extent);
        for (at, _) in answer.iter().enumerate() {
            assert!(!exchange.is_answered());
            assert!(exchange.wrote(&answer[at..], 1));
        }
        assert!(exchange.is_answered());
        assert!(!exchange.wrote(b"x", 1));
        let longer = [answer.as_slice(), b"x"].concat();
        assert!(!Exchange::new(extent).wrote(&longer, longer.len()));
        let length: u64 = answer_length(answer, false).unwrap();
        assert_eq!(length, answer.len() as u64);
    }
}

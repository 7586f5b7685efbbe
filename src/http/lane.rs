//! A fast lane below actix-http, for requests whose answer is known without it.
//!
//! - [`stream`]: the stream that actix-http reads a connection from. It reads ahead of it, lets the [`Lane`] answer what
//!   it can and hands on everything else, byte for byte; it also times heads and the idling between requests.
//! - [`head`]: which requests are simple, and how long the others are. `exchange`: when the others have been answered.
//! - [`answer`]: what a redirect looks like.
//!
//! Invariant: answers leave in the order of their requests, and what one of the two reads as a request the other never
//! reads as a body. For that both parse with httparse, and whatever is not plain at first sight (a body without a
//! length, another protocol, an answer that closes) leaves the rest of its connection to actix-http alone.

pub mod answer;
mod exchange;
pub mod head;
pub mod stream;
#[cfg(test)]
mod tests;

pub use head::Head;
pub use stream::{LaneStream, LaneWorker, Waits};

/// Who answers simple requests.
pub trait Lane {
    /// Appends the whole answer to `request` to `out`, or leaves the request to actix-http and `out` as it is. The
    /// answer may neither have a body nor close the connection. Called within a read: must not wait.
    fn answer(&self, request: &Head<'_>, out: &mut Vec<u8>) -> bool;
}

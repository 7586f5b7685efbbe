//! What a handler leaves of a request's body.
//!
//! A refusal comes before its request's body has been read. Invariant: the rest is awaited for a moment, for the
//! connection's next request to follow it; where that does not suffice, our side of the connection ends with the
//! answer, so that nobody waits for more on it.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::rt::time::timeout;
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt};

use super::connection::AnswerClock;

/// How long the rest is awaited. Clients that send heads and bodies apart send them right after one another.
const MOMENT: Duration = Duration::from_millis(250);
/// How much of it is read, in bytes.
const MAX_REST: usize = 64 << 10;

/// The body of a request, of which its handler reads as much as it likes.
pub(super) struct Remainder(Option<Shared>);

#[derive(Clone)]
struct Shared(Rc<RefCell<Payload>>);

impl Stream for Shared {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

impl Remainder {
    /// Keeps an eye on the body of `request`, if it has one.
    pub(super) fn of(request: &mut ServiceRequest) -> Self {
        let (head, payload) = request.parts_mut();
        if matches!(payload, Payload::None) || head.head().upgrade() {
            return Self(None);
        }
        let shared = Shared(Rc::new(RefCell::new(payload.take())));
        *payload = Payload::Stream { payload: Box::pin(shared.clone()) };
        Self(Some(shared))
    }

    /// Whether all of the body has come, or comes in a moment.
    pub(super) async fn ends(self) -> bool {
        let Self(Some(mut body)) = self else { return true };
        let mut read = 0;
        let rest = async {
            while let Some(chunk) = body.next().await {
                read += chunk.map_or(MAX_REST, |chunk| chunk.len());
                if read >= MAX_REST {
                    return false;
                }
            }
            true
        };
        timeout(MOMENT, rest).await.unwrap_or(false)
    }
}

/// An answer's body, with which our side of the connection ends.
#[derive(Debug)]
pub(super) struct Last {
    body: BoxBody,
    clock: AnswerClock,
}

impl Last {
    /// `body` as the last one on the connection of `request`.
    pub(super) fn new(body: BoxBody, request: &HttpRequest) -> Self {
        let clock = AnswerClock::of(request);
        if matches!(body.size(), BodySize::None | BodySize::Sized(0)) {
            clock.end();
        }
        Self { body, clock }
    }
}

impl MessageBody for Last {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let chunk = ready!(Pin::new(&mut self.body).poll_next(context));
        if chunk.is_none() {
            self.clock.end();
        }
        Poll::Ready(chunk)
    }
}

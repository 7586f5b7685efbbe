//! Asking an actor: a permit, the message, a bounded wait.
//!
//! actix mailboxes hardly push back (`send` always finds a slot), so the queue in front of an actor is bounded
//! here. Invariant: at most `max_in_flight` askers wait behind a [`Gate`], and none of them longer than its
//! timeout; beyond either the asker gets an [`AskError`] at once, which HTTP turns into 503. A message whose
//! asker has gone is dropped by actix if it is still queued, and otherwise runs to its end, which the
//! datastore's timeouts bound.

use std::sync::Arc;
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, MailboxError, Message, Recipient};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Why an actor did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// As many messages as allowed are under way.
    #[error("too much is under way")]
    Saturated,
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The actor has stopped.
    #[error("the server is stopping")]
    Stopped,
}

impl From<MailboxError> for AskError {
    fn from(error: MailboxError) -> Self {
        match error {
            MailboxError::Timeout => Self::TimedOut,
            MailboxError::Closed => Self::Stopped,
        }
    }
}

/// How many messages may be under way, and for how long.
#[derive(Debug, Clone)]
pub struct Gate {
    permits: Arc<Semaphore>,
    timeout: Duration,
}

impl Gate {
    /// A gate for `max_in_flight` messages of at most `timeout` each.
    pub fn new(max_in_flight: usize, timeout: Duration) -> Self {
        Self { permits: Arc::new(Semaphore::new(max_in_flight)), timeout }
    }

    fn enter(&self) -> Result<SemaphorePermit<'_>, AskError> {
        self.permits.try_acquire().map_err(|_| AskError::Saturated)
    }
}

/// The bounded way to an actor of a known type: what a domain's routes hold.
#[derive(Debug)]
pub struct Mailbox<A: Actor> {
    address: Addr<A>,
    gate: Gate,
}

impl<A: Actor> Clone for Mailbox<A> {
    fn clone(&self) -> Self {
        Self { address: self.address.clone(), gate: self.gate.clone() }
    }
}

impl<A: Actor> Mailbox<A> {
    /// A mailbox in front of `address`.
    pub fn new(address: Addr<A>, gate: Gate) -> Self {
        Self { address, gate }
    }

    /// Sends `message` and waits for its answer, within the gate's bounds.
    pub async fn ask<M, T, E>(&self, message: M) -> Result<T, E>
    where
        M: Message<Result = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<AskError> + Send + 'static,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        let _permit = self.gate.enter()?;
        self.address.send(message).timeout(self.gate.timeout).await.map_err(AskError::from)?
    }

    /// The same actor behind another gate.
    pub fn behind(&self, gate: Gate) -> Self {
        Self { address: self.address.clone(), gate }
    }

    /// The same way narrowed to one message: what another domain's actor holds.
    pub fn narrow<M>(&self) -> Ask<M>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        Ask { recipient: self.address.clone().recipient(), gate: self.gate.clone() }
    }
}

/// The bounded way to whoever handles `M`.
pub struct Ask<M: Message + Send>
where
    M::Result: Send,
{
    recipient: Recipient<M>,
    gate: Gate,
}

impl<M: Message + Send> std::fmt::Debug for Ask<M>
where
    M::Result: Send,
{
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Ask").field("gate", &self.gate).finish_non_exhaustive()
    }
}

impl<M: Message + Send> Clone for Ask<M>
where
    M::Result: Send,
{
    fn clone(&self) -> Self {
        Self { recipient: self.recipient.clone(), gate: self.gate.clone() }
    }
}

impl<M, T, E> Ask<M>
where
    M: Message<Result = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: From<AskError> + Send + 'static,
{
    /// Sends `message` and waits for its answer, within the gate's bounds.
    pub async fn ask(&self, message: M) -> Result<T, E> {
        let _permit = self.gate.enter()?;
        self.recipient.send(message).timeout(self.gate.timeout).await.map_err(AskError::from)?
    }
}

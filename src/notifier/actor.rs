//! The notifier: one per worker, all state in Redis.

use std::rc::Rc;

use actix::{Actor, Context};

use super::error::NotifierError;
use super::messages::Notify;

/// Owns notifications.
#[derive(Debug)]
pub struct Notifier {
    desk: Rc<Desk>,
}

#[derive(Debug)]
struct Desk {}

impl Notifier {
    /// A notifier.
    pub fn new() -> Self {
        Self { desk: Rc::new(Desk {}) }
    }
}

impl Actor for Notifier {
    type Context = Context<Self>;
}

crate::delegate!(Notifier, desk {
    Notify => notify,
});

impl Desk {
    async fn notify(&self, _message: Notify) -> Result<(), NotifierError> {
        Ok(())
    }
}

//! A worker's way to the classifier.

use super::ClassifierWays;
use super::classifier::KIND;
use super::messages::Classify;
use crate::actor::Ask;
use crate::outbox::Register;
use crate::redis::{Redis, RedisFailure};
use crate::shortener::model::ShortCode;

/// Links whose page is to be read.
#[derive(Debug)]
pub(in crate::shortener) struct Undecided {
    register: Register,
    classify: Ask<Classify>,
}

impl Undecided {
    pub(in crate::shortener) fn new(redis: Redis, ways: &ClassifierWays) -> Self {
        Self { register: Register::new(redis, KIND), classify: ways.classify.clone() }
    }

    /// Makes `change`, after which `code` leads where it did not before, and has the page there read if `leads` says that
    /// it does. A change whose outcome nobody learnt is looked after by a sweep.
    pub(in crate::shortener) async fn around<T>(
        &self,
        code: &ShortCode,
        change: impl Future<Output = Result<T, RedisFailure>>,
        leads: impl Fn(&T) -> bool,
    ) -> Result<T, RedisFailure> {
        let registered_ms = self.register.enter(code.as_str()).await?;
        let outcome = change.await?;
        if leads(&outcome) {
            let (classify, message) = (self.classify.clone(), Classify { code: code.clone(), registered_ms });
            actix::spawn(async move {
                if let Err(error) = classify.ask(message).await {
                    tracing::debug!(%error, "a link is left undecided for a sweep");
                }
            });
        } else {
            self.register.leave(code.as_str(), registered_ms).await?;
        }
        Ok(outcome)
    }
}

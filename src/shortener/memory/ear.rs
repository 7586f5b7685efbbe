//! Hears of links that change, and keeps up the proof that nothing was missed.
//!
//! Invariant: whatever is heard is acted upon in the order in which it was published.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::Memory;
use crate::redis::connection::RedisTarget;
use crate::redis::subscription::{Heard, Subscriber};
use crate::redis::{Redis, RedisFailure};
use crate::shortener::keys;
use crate::shortener::store::Pulse;

/// How often a proof is asked for.
const BEAT: Duration = Duration::from_millis(50);
/// How long one may take.
const PATIENCE: Duration = Duration::from_millis(300);
/// Begins what is no code.
const MARK: char = '!';

/// Listens on the current thread, until the task is aborted; `redis` is one of its connections.
pub fn listen(memory: Arc<Memory>, target: RedisTarget, redis: Redis) -> JoinHandle<()> {
    let pulse = Pulse::new(redis);
    let channel = keys::changes(target.keyspace());
    actix::spawn(async move {
        // Tells our beats from those of other nodes.
        let name = nanoid::nanoid!(12);
        let begins = Rc::new(format!("{MARK}{name} "));
        let hear = hearing(memory.clone(), begins.clone());
        let subscriber = Subscriber::start(target, hear);
        // That it is heard, the first beat tells.
        drop(subscriber.subscribe(channel));
        let mut ticks = actix::clock::interval(BEAT);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let beat = format!("{begins}{}", memory.freshness().now_us());
            match actix::clock::timeout(PATIENCE, pulse.beat(&beat)).await {
                // Whatever else it says: it is there.
                Ok(Ok(()) | Err(RedisFailure::Unexpected { .. })) => memory.freshness().answered(),
                Ok(Err(RedisFailure::Unavailable { .. })) | Err(_) => memory.freshness().failed(),
            }
        }
    })
}

fn hearing(memory: Arc<Memory>, begins: Rc<String>) -> impl FnMut(Heard) {
    move |heard| match heard {
        Heard::Restored => memory.freshness().begin_epoch(),
        Heard::Message { payload, .. } => match payload.strip_prefix(begins.as_str()) {
            Some(sent_us) => {
                if let Ok(sent_us) = sent_us.parse() {
                    memory.freshness().heard(sent_us);
                }
            }
            None if payload.starts_with(MARK) => {}
            None => memory.forget(&payload),
        },
    }
}

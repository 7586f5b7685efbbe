//! The outbox by itself: carriers that fail, hang or panic.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use ayrene::outbox::{Carrier, Intent, Outbox};
use ayrene::redis::connection::RedisTarget;
use ayrene::redis::{Key, Keyspace, Redis, RedisFailure};

use crate::support::redis_server;
use crate::support::server::light_config;

/// Notes which sources it was called for.
struct Notes<F> {
    space: Keyspace,
    calls: RefCell<Vec<String>>,
    carry: F,
}

impl<F: AsyncFn(&str) -> Result<(), RedisFailure> + 'static> Carrier for Notes<F> {
    type Error = RedisFailure;

    fn intents(&self, source: &str) -> Key {
        self.space.part("source", source, "intents")
    }

    async fn carry(&self, source: &str, _: &[Intent]) -> Result<(), RedisFailure> {
        self.calls.borrow_mut().push(source.to_owned());
        (self.carry)(source).await
    }
}

/// An outbox with a prefix of its own, and a carrier for it.
fn outbox<F>(carry: F) -> (Redis, Rc<Outbox>, Rc<Notes<F>>) {
    let redis = RedisTarget::parse(&light_config().redis, None).unwrap().connect().unwrap();
    let space = redis.keyspace().clone();
    let notes = Notes { space, calls: RefCell::default(), carry };
    (redis.clone(), Rc::new(Outbox::new(redis, "test")), Rc::new(notes))
}

/// Leaves an intent beside a source that was registered just now.
async fn leave<F>(redis: &Redis, outbox: &Outbox, carrier: &Notes<F>, source: &str)
where
    F: AsyncFn(&str) -> Result<(), RedisFailure> + 'static,
{
    outbox.lease(source).await.unwrap();
    let command = redis::cmd("ZADD").arg(carrier.intents(source)).arg(1).arg("1|text").to_owned();
    redis.command::<u8>("ZADD", &command).await.unwrap();
}

fn in_order(mut calls: Vec<String>) -> Vec<String> {
    calls.sort();
    calls
}

fn on_a_worker(test: impl Future<Output = ()>) {
    redis_server::shared_url();
    actix::System::new().block_on(test);
}

#[test]
fn a_carrier_that_panicked_once_carries_the_next_time() {
    on_a_worker(async {
        let first = Cell::new(true);
        let (redis, outbox, carrier) = outbox(async move |_: &str| {
            assert!(!first.replace(false), "the first one panics, as this test wants it");
            Ok(())
        });
        leave(&redis, &outbox, &carrier, "a").await;
        for calls in 1..=2 {
            let started = Instant::now();
            let pending = vec![Intent { id: 1, text: "text".to_owned() }];
            outbox.relay(&carrier, "a", pending, 1).await;
            assert!(started.elapsed() < Duration::from_millis(1_500), "nobody waits for who panicked");
            assert_eq!(carrier.calls.borrow().len(), calls);
        }
    });
}

#[test]
fn a_sweep_gets_to_everybody_though_the_oldest_are_slow_and_fail() {
    // More than the rounds of a sweep, of 16 each, that begin within its 5 s.
    const SLOW: usize = 50;
    on_a_worker(async {
        let (redis, outbox, carrier) = outbox(async |source: &str| {
            if source != "well" {
                actix::clock::sleep(Duration::from_millis(1_700)).await;
                return Err(RedisFailure::malformed("carry", "as this test wants it"));
            }
            Ok(())
        });
        let mut sources: Vec<String> = (0..SLOW).map(|at| format!("slow {at:02}")).collect();
        sources.push("well".to_owned());
        for source in &sources {
            leave(&redis, &outbox, &carrier, source).await;
        }
        outbox.sweep(&carrier).await.unwrap();
        assert!(carrier.calls.borrow().is_empty(), "what was just left is on its way");
        let started = Instant::now();
        outbox.sweep(&carrier).await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(8));
        assert_eq!(in_order(carrier.calls.take()), sources[..48], "the oldest, 16 at once");
        outbox.sweep(&carrier).await.unwrap();
        let calls = carrier.calls.take();
        let expected = [&sources[..13], &sources[48..]].concat();
        assert_eq!(in_order(calls[..16].to_vec()), expected, "it goes on from there, and around");
        let waits: u8 =
            redis.command("ZCARD", redis::cmd("ZCARD").arg(carrier.intents("well"))).await.unwrap();
        assert_eq!(waits, 0);
    });
}

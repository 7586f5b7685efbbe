//! How long known links are followed while the datastore is away, and what is known once it is back.

use std::time::{Duration, Instant};

use super::crowd::Tally;
use super::stage::Stage;
use super::store::Store;
use super::wire::{Wire, value};
use super::{repeat, say};

#[test]
fn known_links_are_followed_for_as_long_as_is_set_and_fresh_at_once_after_it() {
    repeat(|_| {
        let mut store = Store::start();
        let stage = Stage::before(&store, &[("AYRENE__SHORTENER__STALE_IF_DOWN", "2")]);
        let (code, mut wire) = (stage.codes[0].clone(), Wire::new(stage.address()));
        let path = format!("/{code}");
        let mut answered = 0;
        let mut follow = || {
            let reply = wire.fetch(&path, "");
            answered += u64::from(reply.status == 302);
            reply
        };
        for _ in 0..3 {
            assert_eq!(follow().status, 302);
        }
        store.kill();
        let left = Instant::now();
        let last = loop {
            let asked = left.elapsed();
            let reply = follow();
            assert!(reply.took < Duration::from_secs(1), "{reply:?}");
            if reply.status == 503 {
                assert_ne!(value(&reply.head, "retry-after"), "");
                break asked;
            }
            assert!(reply.status == 302 && asked < Duration::from_secs(5), "{asked:?} {reply:?}");
            std::thread::sleep(Duration::from_millis(20));
        };
        say(&format!("refused {last:?} after the datastore left, with stale_if_down = 2"));
        assert!((Duration::from_millis(1_500)..Duration::from_millis(3_000)).contains(&last), "{last:?}");
        for _ in 0..10 {
            assert_eq!(follow().status, 503);
            std::thread::sleep(Duration::from_millis(20));
        }
        // The link is changed where this server cannot hear of it.
        let target = "https://example.com/changed";
        let mut elsewhere = store.begin_elsewhere();
        let key = format!("ay:{{link:{code}}}");
        redis::cmd("HSET").arg(key).arg("u").arg(target).query::<u8>(&mut elsewhere).unwrap();
        store.kill();
        store.begin();
        let back = Instant::now();
        loop {
            let reply = follow();
            if reply.status == 302 {
                assert_eq!(value(&reply.head, "location"), target, "after {:?}", back.elapsed());
                break;
            }
            assert!(reply.status == 503 && back.elapsed() < Duration::from_secs(2), "{reply:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut tallies = vec![Tally::default(); stage.codes.len()];
        tallies[0].redirected = answered;
        stage.compare(&tallies);
    });
}

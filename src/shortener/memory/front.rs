//! A worker's own small memory in front of the shared one.
//!
//! A look into the shared memory takes a lock and counts a reference, where all workers meet, and the more so the more a link is
//! followed. Here a worker has the links that it follows most to itself. Invariant: what is found here is as fresh as in the
//! shared memory, and nothing that changed the link has been heard since it was found there.

use std::sync::Arc;

use compact_str::CompactString;

use super::{Memory, Recalled, Remembered};

/// Links held at most, each in a cache line of its own: half a megabyte, and what the shared memory has dropped meanwhile.
const PLACES: usize = 8192;
/// Uses until the shared memory is asked again: it gives room to what it is asked for.
const USES: u8 = 64;

/// The links that one worker follows most.
#[derive(Debug)]
pub(in crate::shortener) struct Front {
    memory: Arc<Memory>,
    places: Box<[Place]>,
    /// The last one that found no place.
    passing: Option<Remembered>,
}

/// Where one of many links may be held.
#[derive(Debug, Clone, Default)]
#[repr(align(64))]
struct Place {
    held: Option<Held>,
    /// Tells who was asked for last instead of the one that is held: asked for once more it takes over, unless the other was
    /// asked for in between. So what is asked for once drives nothing out.
    next: u32,
}

#[derive(Debug, Clone)]
struct Held {
    code: CompactString,
    link: Remembered,
    /// Changes heard of before it was looked up.
    changes: u64,
    uses: u8,
}

impl Front {
    /// An empty one.
    pub(in crate::shortener) fn new(memory: Arc<Memory>) -> Self {
        Self { memory, places: vec![Place::default(); PLACES].into(), passing: None }
    }

    /// The link at `code`, if [`Memory::recall`] says that it is open. It is lent: a reference would be counted where all
    /// workers meet.
    pub(in crate::shortener) fn recall(&mut self, code: &str, edition: Option<&str>) -> Option<&Remembered> {
        let hash = self.memory.hash(code);
        // First: a change that comes after it makes what is looked up below useless, not wrong.
        let changes = self.memory.changes(hash);
        let place = &mut self.places[hash as usize % PLACES];
        if place.held.as_mut().is_some_and(|held| held.serves(&self.memory, code, changes, edition)) {
            place.next = 0;
        } else {
            let Recalled::Open(link) = self.memory.recall(code, edition) else { return None };
            if !place.admits(code, (hash >> 32) as u32) {
                return Some(self.passing.insert(link));
            }
            place.held = Some(Held { code: code.into(), link, changes, uses: 0 });
        }
        place.held.as_ref().map(|held| &held.link)
    }
}

impl Place {
    fn admits(&mut self, code: &str, tag: u32) -> bool {
        let again = std::mem::replace(&mut self.next, tag) == tag;
        again || self.held.as_ref().is_none_or(|held| held.code == code)
    }
}

impl Held {
    fn serves(&mut self, memory: &Memory, code: &str, changes: u64, edition: Option<&str>) -> bool {
        self.uses = self.uses.saturating_add(1);
        self.uses <= USES
            && self.code == code
            && self.changes == changes
            && memory.proves(&self.link, edition)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{OpenLink, ShortCode};
    use super::*;

    fn code(number: usize) -> ShortCode {
        ShortCode::parse(&format!("code{number}")).unwrap_or_else(|| unreachable!())
    }

    fn remember(memory: &Memory, code: &ShortCode, target: &str) {
        let reading = memory.begin_reading(code);
        let link = OpenLink { target: target.into(), created_ms: 1, records: false, edition: None };
        memory.remember(code, reading, link);
    }

    fn recalled(front: &mut Front, code: &ShortCode) -> Option<String> {
        front.recall(code.as_str(), None).map(Remembered::target_text)
    }

    #[test]
    fn what_changed_is_not_found_any_more() {
        let memory = Arc::new(Memory::new(1 << 20, 600));
        let mut front = Front::new(memory.clone());
        let code = code(1);
        assert_eq!(recalled(&mut front, &code), None);
        for target in ["https://a.example/", "https://b.example/"] {
            remember(&memory, &code, target);
            for _ in 0..3 * usize::from(USES) {
                assert_eq!(recalled(&mut front, &code).as_deref(), Some(target));
            }
            memory.forget(code.as_str());
            assert_eq!(recalled(&mut front, &code), None);
        }
    }

    #[test]
    fn what_is_not_proven_is_not_found() {
        let memory = Arc::new(Memory::new(1 << 20, 600));
        let mut front = Front::new(memory.clone());
        let code = code(1);
        remember(&memory, &code, "https://a.example/");
        assert!(front.recall(code.as_str(), None).is_some());
        assert!(
            front.recall(code.as_str(), Some("0badf00d")).is_none(),
            "nobody held it against these lists"
        );
        memory.freshness().answered();
        std::thread::sleep(std::time::Duration::from_micros(super::super::FRESH_US + 1_000));
        memory.freshness().answered();
        assert!(front.recall(code.as_str(), None).is_none(), "no beat was heard");
    }

    #[test]
    fn more_links_than_places_are_all_found_and_the_popular_one_keeps_its_place() {
        let memory = Arc::new(Memory::new(64 << 20, 600));
        let mut front = Front::new(memory.clone());
        let popular = code(0);
        remember(&memory, &popular, "https://popular.example/");
        for number in 1..3 * PLACES {
            let code = code(number);
            remember(&memory, &code, &format!("https://{number}.example/"));
            assert_eq!(recalled(&mut front, &code), Some(format!("https://{number}.example/")));
            assert_eq!(recalled(&mut front, &popular).as_deref(), Some("https://popular.example/"));
        }
        let place = &front.places[memory.hash(popular.as_str()) as usize % PLACES];
        assert!(place.held.as_ref().is_some_and(|held| held.code == popular.as_str()));
    }
}

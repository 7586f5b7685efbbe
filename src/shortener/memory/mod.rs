//! What this process remembers of links, so that following one asks nobody.
//!
//! Owns the cache of plain open links, shared by all workers, what each has of it for itself, and the proof that it is fresh. Invariants: a link is
//! recalled as fresh only if nothing that changed it more than [`FRESH_US`] ago can be unknown here; a change made through
//! this process is known before it is answered; what is remembered is bounded in bytes.
//!
//! Only links that anybody may follow to a target that is not blocked are remembered with their target. Of others it
//! is remembered that they have to be asked for each time, which saves a look at them and decides nothing.
//!
//! See [`freshness`] for the proof, [`ear`] for who keeps it up, and [`front`] for what each worker has to itself.

mod ear;
mod freshness;
mod front;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ahash::RandomState;
use compact_str::CompactString;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};
use triomphe::ThinArc;

use super::model::ShortCode;
pub use ear::listen;
use freshness::Freshness;
pub(super) use front::Front;

/// How long ago the last proof may be, in microseconds. The contract is a quarter of a second; the rest is for the way.
pub(super) const FRESH_US: u64 = 200_000;

/// What an entry takes beside its texts, in bytes: an allocation, the cache's own book-keeping, and slack.
const ENTRY_BYTES: u64 = 144;
/// Places at which changes and readings of links meet.
const GATES: usize = 1024;

/// A link that anybody may follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenLink {
    /// Where it leads.
    pub(super) target: String,
    /// When it was made, in ms since 1970: tells it from another one under the same code.
    pub(super) created_ms: u64,
    /// Whether its clicks are recorded one by one.
    pub(super) records: bool,
    /// Edition of the lists of blocked hosts that it was held against.
    pub(super) edition: Option<Box<str>>,
}

/// What is known of a link.
#[derive(Debug, Clone)]
enum Kept {
    Open(Remembered),
    /// Each visit has to be decided by the datastore.
    Guarded,
}

/// What is known of an open link beside its target.
#[derive(Debug)]
struct About {
    created_ms: u64,
    /// When it was asked for, in microseconds.
    read_us: u64,
    /// The subscription under which it was asked for.
    epoch: u64,
    edition: Option<Box<str>>,
    records: bool,
}

/// What is recalled of a link.
#[derive(Debug, Clone)]
pub(super) enum Recalled {
    /// Fresh, or as good as can be had while the datastore is away.
    Open(Remembered),
    /// Ask the datastore to decide.
    Guarded,
    /// Not remembered, or not for certain any more.
    Unknown,
}

/// A remembered link that anybody may follow: in one piece with its target, because with millions of links each place in memory
/// that has to be looked at costs as much as the rest of the look-up.
#[derive(Debug, Clone)]
pub(super) struct Remembered(ThinArc<About, u8>);

impl Remembered {
    fn new(link: OpenLink, reading: Reading) -> Self {
        let OpenLink { target, created_ms, records, edition } = link;
        let Reading { began_us: read_us, epoch, .. } = reading;
        let about = About { created_ms, read_us, epoch, edition, records };
        Self(ThinArc::from_header_and_slice(about, target.as_bytes()))
    }

    fn about(&self) -> &About {
        &self.0.header.header
    }

    /// Where it leads.
    pub(super) fn target(&self) -> &[u8] {
        &self.0.slice
    }

    /// The same as text.
    pub(super) fn target_text(&self) -> String {
        String::from_utf8_lossy(self.target()).into_owned()
    }

    /// See [`OpenLink`].
    pub(super) fn created_ms(&self) -> u64 {
        self.about().created_ms
    }

    /// See [`OpenLink`].
    pub(super) fn records(&self) -> bool {
        self.about().records
    }
}

/// A reading of a link that is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    changes: u64,
    epoch: u64,
    began_us: u64,
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<CompactString, Kept> for ByBytes {
    fn weight(&self, code: &CompactString, kept: &Kept) -> u64 {
        let target = match kept {
            Kept::Open(link) => {
                link.target().len() + link.about().edition.as_ref().map_or(0, |edition| edition.len())
            }
            Kept::Guarded => 0,
        };
        ENTRY_BYTES + (code.len() + target) as u64
    }
}

/// The links that this process remembers.
#[derive(Debug)]
pub struct Memory {
    links: Cache<CompactString, Kept, ByBytes, RandomState>,
    /// By a hash of the code.
    gates: Box<[Gate]>,
    hasher: RandomState,
    freshness: Freshness,
    stale_us: u64,
    stale_serves: AtomicU64,
    misses: AtomicU64,
}

/// Where changes and readings of some links meet.
#[derive(Debug, Default)]
struct Gate {
    /// Changes heard of so far, each counted when the link is remembered no more.
    changes: AtomicU64,
    /// Held by whoever writes.
    writing: Mutex<()>,
}

impl Gate {
    fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    fn write(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the memory does.
#[derive(Debug, Clone, Copy)]
pub(super) struct MemoryStats {
    /// Links remembered.
    pub(super) links: u64,
    /// What they take.
    pub(super) bytes: u64,
    /// Links that had to be read.
    pub(super) misses: u64,
    /// Links that were followed unproven.
    pub(super) stale_serves: u64,
    /// Age of the last proof.
    pub(super) proof_age_us: u64,
}

impl Memory {
    /// A memory of `max_bytes`, whose links may be followed for `stale_secs` while the datastore is away.
    pub fn new(max_bytes: u64, stale_secs: u64) -> Self {
        let hasher = RandomState::new();
        let options = OptionsBuilder::new()
            .estimated_items_capacity((max_bytes / (ENTRY_BYTES + 64)) as usize)
            .weight_capacity(max_bytes)
            .build()
            .unwrap_or_else(|error| unreachable!("both numbers are given: {error}"));
        let links = Cache::with_options(options, ByBytes, hasher.clone(), DefaultLifecycle::default());
        Self {
            links,
            gates: (0..GATES).map(|_| Gate::default()).collect(),
            hasher,
            freshness: Freshness::new(),
            stale_us: stale_secs * 1_000_000,
            stale_serves: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// What is known of the link at `code` without asking anybody, if `edition` is that of the lists of blocked hosts.
    pub(super) fn recall(&self, code: &str, edition: Option<&str>) -> Recalled {
        match self.links.get(code) {
            None => Recalled::Unknown,
            Some(Kept::Guarded) => Recalled::Guarded,
            Some(Kept::Open(link)) if self.proves(&link, edition) => Recalled::Open(link),
            Some(Kept::Open(_)) if !self.is_alone() => Recalled::Unknown,
            Some(Kept::Open(link)) => self.stale(link, edition).map_or(Recalled::Unknown, Recalled::Open),
        }
    }

    /// Whether `link` is fresh, and `edition` is what it was held against.
    fn proves(&self, link: &Remembered, edition: Option<&str>) -> bool {
        let About { read_us, epoch, edition: held_against, .. } = link.about();
        held_against.as_deref() == edition
            && self.freshness.age_us(*read_us, *epoch, self.freshness.now_us()) <= FRESH_US
    }

    /// The same, now that the datastore has been asked and does not answer.
    pub(super) fn recall_stale(&self, code: &str, edition: Option<&str>) -> Option<Remembered> {
        match self.links.get(code)? {
            Kept::Open(link) => self.stale(link, edition),
            Kept::Guarded => None,
        }
    }

    fn stale(&self, link: Remembered, edition: Option<&str>) -> Option<Remembered> {
        let About { read_us, epoch, edition: held_against, .. } = link.about();
        let age_us = self.freshness.last_age_us(*read_us, *epoch, self.freshness.now_us());
        if held_against.as_deref() != edition || age_us > self.stale_us {
            return None;
        }
        self.stale_serves.fetch_add(1, Ordering::Relaxed);
        Some(link)
    }

    /// Say so before the datastore is asked for a link that is to be remembered.
    pub(super) fn begin_reading(&self, code: &ShortCode) -> Reading {
        self.misses.fetch_add(1, Ordering::Relaxed);
        Reading {
            changes: self.changes(self.hash(code.as_str())),
            epoch: self.freshness.epoch(),
            began_us: self.freshness.now_us(),
        }
    }

    /// Remembers what was read, unless the link has changed meanwhile. A link that is open can be followed in any case: it
    /// was so when it was read.
    pub(super) fn remember(&self, code: &ShortCode, reading: Reading, link: OpenLink) -> Remembered {
        let link = Remembered::new(link, reading);
        self.keep(code, reading, Kept::Open(link.clone()));
        link
    }

    /// Remembers that a link has to be asked for each time.
    pub(super) fn remember_guarded(&self, code: &ShortCode, reading: Reading) {
        self.keep(code, reading, Kept::Guarded);
    }

    fn keep(&self, code: &ShortCode, reading: Reading, kept: Kept) {
        let gate = self.gate(self.hash(code.as_str()));
        let _writing = gate.write();
        if gate.changes() == reading.changes {
            self.links.insert(code.as_str().into(), kept);
        }
    }

    /// The link at `code` has changed.
    pub(super) fn forget(&self, code: &str) {
        let gate = self.gate(self.hash(code));
        let _writing = gate.write();
        self.links.remove(code);
        // After it: who sees the new count finds the link no more.
        gate.changes.fetch_add(1, Ordering::Release);
    }

    fn hash(&self, code: &str) -> u64 {
        self.hasher.hash_one(code)
    }

    /// Changes heard of so far of links with that hash and of some others.
    fn changes(&self, hash: u64) -> u64 {
        self.gate(hash).changes()
    }

    fn gate(&self, hash: u64) -> &Gate {
        &self.gates[hash as usize % GATES]
    }

    pub(super) fn stats(&self) -> MemoryStats {
        MemoryStats {
            links: self.links.len() as u64,
            bytes: self.links.weight(),
            misses: self.misses.load(Ordering::Relaxed),
            stale_serves: self.stale_serves.load(Ordering::Relaxed),
            proof_age_us: self.freshness.horizon_age_us(),
        }
    }

    /// Whether the datastore is away, as far as is known.
    pub(super) fn is_alone(&self) -> bool {
        self.freshness.is_away(self.freshness.now_us())
    }

    fn freshness(&self) -> &Freshness {
        &self.freshness
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> ShortCode {
        ShortCode::parse("abcdefg").unwrap_or_else(|| unreachable!())
    }

    fn link(target: &str) -> OpenLink {
        OpenLink { target: target.into(), created_ms: 1, records: false, edition: None }
    }

    fn target(recalled: &Recalled) -> Option<&str> {
        match recalled {
            Recalled::Open(link) => std::str::from_utf8(link.target()).ok(),
            _ => None,
        }
    }

    #[test]
    fn what_was_just_read_is_recalled() {
        let memory = Memory::new(1 << 20, 600);
        let reading = memory.begin_reading(&code());
        memory.remember(&code(), reading, link("https://a.example/"));
        assert_eq!(target(&memory.recall("abcdefg", None)), Some("https://a.example/"));
        assert!(matches!(memory.recall("abcdefh", None), Recalled::Unknown));
    }

    #[test]
    fn what_changed_while_it_was_read_is_not_remembered() {
        let memory = Memory::new(1 << 20, 600);
        let reading = memory.begin_reading(&code());
        memory.forget("abcdefg");
        let read = memory.remember(&code(), reading, link("https://a.example/"));
        assert_eq!(read.target_text(), "https://a.example/");
        assert!(matches!(memory.recall("abcdefg", None), Recalled::Unknown));
    }

    #[test]
    fn other_lists_of_blocked_hosts_need_another_look() {
        let memory = Memory::new(1 << 20, 600);
        let reading = memory.begin_reading(&code());
        memory.remember(&code(), reading, link("https://a.example/"));
        assert!(matches!(memory.recall("abcdefg", Some("0badf00d")), Recalled::Unknown));
        assert!(memory.recall_stale("abcdefg", Some("0badf00d")).is_none());
        assert!(memory.recall_stale("abcdefg", None).is_some());
    }

    #[test]
    fn the_oldest_gives_way_when_the_bytes_are_used_up() {
        let memory = Memory::new(64 << 10, 600);
        for number in 0..10_000 {
            let code = ShortCode::parse(&format!("code{number}")).unwrap_or_else(|| unreachable!());
            let reading = memory.begin_reading(&code);
            memory.remember(&code, reading, link("https://a.example/"));
        }
        let MemoryStats { links, bytes, .. } = memory.stats();
        assert!(bytes <= 64 << 10 && links > 100, "{links} {bytes}");
    }

    #[test]
    fn what_is_unproven_is_followed_only_while_the_datastore_is_away() {
        let memory = Memory::new(1 << 20, 600);
        let reading = memory.begin_reading(&code());
        memory.remember(&code(), reading, link("https://a.example/"));
        memory.freshness().answered();
        memory.freshness().begin_epoch();
        std::thread::sleep(std::time::Duration::from_micros(FRESH_US + 1_000));
        memory.freshness().answered();
        assert!(matches!(memory.recall("abcdefg", None), Recalled::Unknown));
        memory.freshness().failed();
        assert_eq!(target(&memory.recall("abcdefg", None)), Some("https://a.example/"));
        assert_eq!(memory.stats().stale_serves, 1);
    }
}

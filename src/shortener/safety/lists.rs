//! The lists of hosts that are in force, and how they follow their files.
//!
//! Invariant: whoever looks has all lists of one moment, and never waits for a file: a changed file is read beside, and what
//! was read takes the old list's place at once. A file that cannot be read any more leaves its list as it was.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use url::Url;

use super::hosts::{HostSet, Listing, Wanted};
use super::words;
use crate::config::SafetyConfig;

/// Our own list of hosts that are not safe for work.
const STARTER: &str = include_str!("../../../config/nsfw-hosts.txt");

/// A list that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the list of hosts `{}`: {problem}", .path.display())]
pub struct ListError {
    path: PathBuf,
    problem: io::Error,
}

/// The lists of one moment.
#[derive(Debug)]
pub struct HostLists {
    not_safe: Vec<Arc<HostSet>>,
    blocked: Vec<Arc<HostSet>>,
    /// Names what is blocked; nothing when nothing is.
    edition: Option<String>,
}

impl HostLists {
    /// Names the lists of blocked hosts by what is on them: equal on all nodes that have the same files. Nothing when
    /// no host is blocked.
    pub fn edition(&self) -> Option<&str> {
        self.edition.as_deref()
    }

    /// The edition, marked if it blocks `url`; nothing when no host is blocked.
    pub fn stamp(&self, url: &str) -> Option<String> {
        let mark = if self.block(url) { "!" } else { "" };
        self.edition.as_ref().map(|edition| format!("{edition}{mark}"))
    }

    /// Whether `url` leads to a blocked host.
    pub fn block(&self, url: &str) -> bool {
        self.edition.is_some() && on_one_of(&self.blocked, url)
    }

    /// Whether host or words of `url` say that it is not safe for work.
    pub fn warn_of(&self, url: &str) -> bool {
        on_one_of(&self.not_safe, url) || Url::parse(url).is_ok_and(|url| words::of_url(&url))
    }
}

fn on_one_of(lists: &[Arc<HostSet>], url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = Wanted::of(&url);
    lists.iter().any(|list| list.contains(&host))
}

/// What a list is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    NotSafe,
    Blocked,
}

/// By what a changed file is known.
type Look = (SystemTime, u64);

#[derive(Debug)]
struct ListFile {
    path: PathBuf,
    kind: Kind,
    /// As it was when it was last read, or what was in the way.
    seen: Result<Look, io::ErrorKind>,
    hosts: Arc<HostSet>,
}

/// The lists that are in force, shared by all threads.
#[derive(Debug)]
pub struct Lists {
    current: ArcSwap<HostLists>,
    files: Mutex<Vec<ListFile>>,
    starter: Arc<HostSet>,
    may_block: bool,
    every: Duration,
    max_bytes: u64,
}

impl Lists {
    /// Reads all files.
    pub fn load(config: &SafetyConfig) -> Result<Self, ListError> {
        let starter = match Listing::read(STARTER.as_bytes()) {
            Ok(listing) => Arc::new(listing.hosts),
            Err(error) => unreachable!("it is in memory: {error}"),
        };
        let paths = |kind, paths: &'_ [PathBuf]| {
            paths.iter().map(move |path| (kind, path.clone())).collect::<Vec<_>>()
        };
        let mut files = Vec::new();
        let wanted = [paths(Kind::NotSafe, &config.nsfw_lists), paths(Kind::Blocked, &config.blocked_lists)];
        for (kind, path) in wanted.into_iter().flatten() {
            let (look, hosts) = read(&path, config.max_list_bytes)
                .map_err(|problem| ListError { path: path.clone(), problem })?;
            files.push(ListFile { path, kind, seen: Ok(look), hosts: Arc::new(hosts) });
        }
        Ok(Self {
            current: ArcSwap::from_pointee(in_force(&starter, &files)),
            files: Mutex::new(files),
            starter,
            may_block: !config.blocked_lists.is_empty(),
            every: Duration::from_secs(config.reload_secs),
            max_bytes: config.max_list_bytes,
        })
    }

    /// Those of this moment.
    pub fn current(&self) -> Arc<HostLists> {
        self.current.load_full()
    }

    /// The same for who wants to know what is blocked; nothing, at no cost, where no file says it.
    pub fn blocking(&self) -> Option<Arc<HostLists>> {
        self.may_block.then(|| self.current())
    }

    /// Lets `look` know the edition of what is blocked, in a way that shares nothing between threads.
    pub fn under_edition<T>(&self, look: impl FnOnce(Option<&str>) -> T) -> T {
        let lists = self.may_block.then(|| self.current.load());
        look(lists.as_ref().and_then(|lists| lists.edition()))
    }

    /// Follows the files, on the current thread, until the task is aborted. SIGHUP reads all of them again.
    pub fn follow(self: &Arc<Self>) -> JoinHandle<()> {
        let lists = self.clone();
        let mut hangups = signal(SignalKind::hangup())
            .inspect_err(|error| tracing::warn!(%error, "SIGHUP does not reload the lists of hosts"))
            .ok();
        actix::spawn(async move {
            loop {
                let all = tokio::select! {
                    () = actix::clock::sleep(lists.every) => false,
                    () = next(&mut hangups) => true,
                };
                let lists = lists.clone();
                if let Err(error) = tokio::task::spawn_blocking(move || lists.reload(all)).await {
                    tracing::error!(%error, "the lists of hosts are not reloaded");
                }
            }
        })
    }

    /// Reads the files that have changed, or `all`. Takes as long as the disk does.
    fn reload(&self, all: bool) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = false;
        for file in files.iter_mut() {
            let look = look(&file.path).map_err(|error| error.kind());
            if look == file.seen && !all {
                continue;
            }
            match read(&file.path, self.max_bytes) {
                Ok((look, hosts)) => {
                    tracing::info!(path = %file.path.display(), hosts = hosts.len(), "a list of hosts was read again");
                    (file.seen, file.hosts) = (Ok(look), Arc::new(hosts));
                    changed = true;
                }
                Err(error) => {
                    tracing::warn!(path = %file.path.display(), %error, "a list of hosts stays as it was");
                    file.seen = look;
                }
            }
        }
        if changed {
            self.current.store(Arc::new(in_force(&self.starter, &files)));
        }
    }
}

async fn next(hangups: &mut Option<Signal>) {
    match hangups {
        Some(hangups) => drop(hangups.recv().await),
        None => std::future::pending().await,
    }
}

fn in_force(starter: &Arc<HostSet>, files: &[ListFile]) -> HostLists {
    let of = |kind| files.iter().filter(move |file| file.kind == kind).map(|file| file.hosts.clone());
    let blocked: Vec<Arc<HostSet>> = of(Kind::Blocked).filter(|hosts| hosts.len() > 0).collect();
    let edition = (!blocked.is_empty()).then(|| {
        let mut hasher = DefaultHasher::new();
        blocked.hash(&mut hasher);
        format!("{:08x}", hasher.finish() as u32)
    });
    HostLists {
        not_safe: std::iter::once(starter.clone()).chain(of(Kind::NotSafe)).collect(),
        blocked,
        edition,
    }
}

fn look(path: &Path) -> io::Result<Look> {
    let about = fs::metadata(path)?;
    Ok((about.modified()?, about.len()))
}

/// The hosts in a file, and how it looked before it was read: what is written meanwhile changes its look.
fn read(path: &Path, max_bytes: u64) -> io::Result<(Look, HostSet)> {
    // Opening what is no file, a pipe for example, may wait for ever.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    let look = look(path)?;
    if look.1 > max_bytes {
        let problem = format!("it has more than {max_bytes} bytes (safety.max_list_bytes)");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    let listing = Listing::read(BufReader::new(File::open(path)?.take(max_bytes)))?;
    if listing.malformed > 0 {
        let (path, lines) = (path.display(), listing.malformed);
        tracing::warn!(%path, lines, "lines of a list of hosts are no hosts and were passed over");
    }
    Ok((look, listing.hosts))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn config(nsfw: &[&Path], blocked: &[&Path]) -> SafetyConfig {
        let owned = |paths: &[&Path]| paths.iter().map(|path| path.to_path_buf()).collect();
        SafetyConfig {
            nsfw_lists: owned(nsfw),
            blocked_lists: owned(blocked),
            reload_secs: 60,
            max_list_bytes: 1000,
            fetch: false,
            queue: 1,
            parallel: 1,
        }
    }

    #[test]
    fn our_own_list_is_in_order_and_in_force() {
        let listing = Listing::read(STARTER.as_bytes()).unwrap();
        assert_eq!(listing.malformed, 0);
        assert!((30..=60).contains(&listing.hosts.len()), "{}", listing.hosts.len());
        let lists = Lists::load(&config(&[], &[])).unwrap().current();
        assert!(lists.warn_of("https://de.xhamster.com/x") && !lists.warn_of("https://example.com/"));
        assert_eq!(lists.edition(), None);
    }

    #[test]
    fn a_file_that_cannot_be_read_at_start_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large");
        fs::write(&large, "x".repeat(1001)).unwrap();
        for (path, problem) in [
            (folder.path().join("missing"), "No such file"),
            (folder.path().to_owned(), "it is no file"),
            (large, "more than 1000 bytes"),
        ] {
            let error = Lists::load(&config(&[], &[&path])).unwrap_err().to_string();
            assert!(error.contains(path.to_str().unwrap()) && error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_lost_one_leaves_its_list() {
        let folder = tempfile::tempdir().unwrap();
        let (nsfw, blocked) = (folder.path().join("nsfw"), folder.path().join("blocked"));
        fs::write(&nsfw, "one.example").unwrap();
        fs::write(&blocked, "").unwrap();
        let lists = Lists::load(&config(&[&nsfw], &[&blocked])).unwrap();
        assert!(lists.current().warn_of("http://one.example/"));
        assert_eq!(lists.current().edition(), None, "an empty list blocks nothing");
        let before = lists.current();
        lists.reload(false);
        assert!(Arc::ptr_eq(&before, &lists.current()), "nothing has changed");

        fs::write(&blocked, "two.example\n").unwrap();
        lists.reload(false);
        let first = lists.current();
        assert!(first.block("http://www.two.example/") && !before.block("http://two.example/"));
        fs::write(&blocked, "three.example\n").unwrap();
        lists.reload(false);
        let second = lists.current();
        assert!(second.block("http://three.example/") && !second.block("http://two.example/"));
        assert_ne!(first.edition(), second.edition());

        fs::remove_file(&blocked).unwrap();
        lists.reload(false);
        assert!(Arc::ptr_eq(&second, &lists.current()));
        fs::write(&blocked, "two.example").unwrap();
        lists.reload(false);
        assert_eq!(lists.current().edition(), first.edition(), "named by what is on it");
    }
}

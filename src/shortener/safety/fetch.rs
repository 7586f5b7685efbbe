//! Reading the page behind a link, which a stranger chose.
//!
//! Invariant: no request leaves for an address that the [`Reach`] does not allow. Names are resolved by the guard alone,
//! and what it answered is what is connected to; one forbidden address forbids the name. Redirects are followed by hand,
//! each looked at like the first URL. Time, bytes, hops and resolutions under way are bounded.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Response, header, redirect};
use tokio::sync::Semaphore;
use url::{Host, Url};

use super::address::is_public;
use super::page;

/// For all of it: resolutions, redirects, bodies.
const TIME: Duration = Duration::from_secs(1);
/// Bytes of all bodies together; more are not read.
const MAX_BYTES: usize = 256 * 1024;
const MAX_REDIRECTS: usize = 3;
/// Resolutions under way; the system's resolver may take longer than we wait for it.
const RESOLUTIONS: usize = 64;
const USER_AGENT: &str =
    concat!("ayrene/", env!("CARGO_PKG_VERSION"), " (reads pages to see whether they are safe for work)");

/// Where requests may go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    address: fn(IpAddr) -> bool,
    port: fn(u16) -> bool,
}

impl Reach {
    /// The public internet, where the web is.
    pub(super) const PUBLIC: Self = Self { address: is_public, port: |port| matches!(port, 80 | 443) };

    /// Whether `url` may be asked for, as far as it says itself where it leads.
    fn allows(self, url: &Url) -> bool {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::from(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::from(address)),
            Some(Host::Domain(_)) => None,
            None => return false,
        };
        matches!(url.scheme(), "http" | "https")
            && url.port_or_known_default().is_some_and(self.port)
            && address.is_none_or(self.address)
    }
}

/// Resolves names to addresses within reach.
#[derive(Debug)]
struct Guard {
    reach: Reach,
    turns: Arc<Semaphore>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, turn) = (self.reach, self.turns.clone().try_acquire_owned());
        Box::pin(async move {
            let turn = turn?;
            let resolution = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                (name.as_str(), 0).to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>)
            });
            let addresses = resolution.await??;
            if addresses.is_empty() || !addresses.iter().all(|address| (reach.address)(address.ip())) {
                return Err(forbidden());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

type Failure = Box<dyn Error + Send + Sync>;

/// Errors are logged, and a long URL may hold secrets.
fn without_url(error: reqwest::Error) -> Failure {
    error.without_url().into()
}

fn forbidden() -> Failure {
    io::Error::new(io::ErrorKind::PermissionDenied, "it leads out of reach").into()
}

/// What reading a page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Impression {
    /// Not safe for work.
    NotSafe,
    /// There is a page, and nothing against it.
    Safe,
    /// No page could be read.
    None,
}

/// Reads pages.
#[derive(Debug, Clone)]
pub(super) struct Fetcher {
    client: Client,
    reach: Reach,
}

impl Fetcher {
    /// A fetcher that goes as far as `reach`.
    pub(super) fn new(reach: Reach) -> Result<Self, reqwest::Error> {
        let guard = Guard { reach, turns: Arc::new(Semaphore::new(RESOLUTIONS)) };
        let client = Client::builder()
            .dns_resolver(Arc::new(guard))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(USER_AGENT)
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { client, reach })
    }

    /// What the page at `url` says. `warn_of` knows URLs that one need not look at, and is asked about each redirect too.
    pub(super) async fn look(&self, url: &str, warn_of: impl Fn(&str) -> bool) -> Impression {
        let mut seen = Seen::default();
        let reading = self.read(url, &warn_of, &mut seen);
        if let Ok(Err(error)) | Err(error) = tokio::time::timeout(TIME, reading).await.map_err(Failure::from)
        {
            // What has come by then is looked at all the same.
            tracing::debug!(%error, "a page was not read to its end");
        }
        if seen.is_rated || page::is_unsafe(&String::from_utf8_lossy(&seen.html)) {
            Impression::NotSafe
        } else if seen.html.is_empty() {
            Impression::None
        } else {
            Impression::Safe
        }
    }

    async fn read(&self, url: &str, warn_of: &impl Fn(&str) -> bool, seen: &mut Seen) -> Result<(), Failure> {
        let mut url = Url::parse(url)?;
        for _ in 0..=MAX_REDIRECTS {
            if !self.reach.allows(&url) {
                return Err(forbidden());
            }
            let response = self.client.get(url.clone()).header(header::ACCEPT, "text/html").send().await;
            let response = response.map_err(without_url)?;
            if response.status().is_redirection() {
                let location =
                    response.headers().get(header::LOCATION).ok_or("a redirect without a target")?;
                url = url.join(std::str::from_utf8(location.as_bytes())?)?;
                if warn_of(url.as_str()) {
                    seen.is_rated = true;
                    return Ok(());
                }
                continue;
            }
            return seen.fill(response).await;
        }
        Err("too many redirects".into())
    }
}

/// What has been read of a page.
#[derive(Debug, Default)]
struct Seen {
    html: Vec<u8>,
    is_rated: bool,
}

impl Seen {
    async fn fill(&mut self, mut response: Response) -> Result<(), Failure> {
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        self.is_rated = page::is_adult_rating(header("rating"));
        let media_type = header("content-type").split(';').next().unwrap_or_default().trim();
        if !response.status().is_success() || !media_type.eq_ignore_ascii_case("text/html") {
            return Err("no page".into());
        }
        while let Some(chunk) = response.chunk().await.map_err(without_url)? {
            self.html.extend(&chunk[..chunk.len().min(MAX_BYTES - self.html.len())]);
            if self.html.len() == MAX_BYTES {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! Which long URLs are acceptable.
//!
//! Invariant: a [`LongUrl`] is `http` or `https`, at most 8 KB, without credentials, free of
//! white space and control characters, and does not lead back here. It is kept as given, byte for byte:
//! it is parsed only to be judged.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

/// Longest long URL, in bytes.
const MAX_BYTES: usize = 8192;

/// A URL that a short link may lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LongUrl(String);

impl LongUrl {
    /// The URL in `text`; an error says what is wrong with it. `seen_as` is the host that the request was sent to.
    pub fn parse(text: &str, own: &OwnHosts, seen_as: Option<&str>) -> Result<Self, &'static str> {
        if text.len() > MAX_BYTES {
            return Err("must be at most 8192 bytes long");
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("must not contain spaces or control characters; percent-encode them");
        }
        let authority = authority(text).ok_or("must begin with http:// or https:// and a host")?;
        if authority.contains('\\') || path_of(text).contains('\\') {
            return Err("must not contain backslashes; percent-encode them");
        }
        if authority.contains('@') {
            return Err("must not carry a user name or password");
        }
        let url = Url::parse(text).map_err(|_| "is not a valid URL")?;
        let host = url.host().ok_or("must begin with http:// or https:// and a host")?;
        if own.contains(&host) || seen_as.is_some_and(|seen_as| is_host(&host, seen_as)) {
            return Err("must not lead to this service: that would be a loop");
        }
        Ok(Self(text.to_owned()))
    }

    /// As given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The part between `//` and the path, as written.
fn authority(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let authority = rest.split(['/', '?', '#']).next()?;
    (known && !authority.is_empty()).then_some(authority)
}

fn path_of(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or(text)
}

/// Every name and address by which this service is reached.
#[derive(Debug, Clone, Default)]
pub struct OwnHosts {
    names: HashSet<String>,
    addresses: HashSet<IpAddr>,
    on_loopback: bool,
}

impl OwnHosts {
    /// The public URL's host, the names configured, the address listened on and those of all interfaces.
    pub fn gather(public_url: &Url, configured: &[Host], listening_on: SocketAddr) -> Self {
        let mut own = Self::default();
        own.addresses.insert(listening_on.ip().to_canonical());
        own.addresses
            .extend(if_addrs::get_if_addrs().unwrap_or_default().iter().map(if_addrs::Interface::ip));
        own.on_loopback = listening_on.ip().is_loopback() || listening_on.ip().is_unspecified();
        for host in
            public_url.host().map(|host| host.to_owned()).into_iter().chain(configured.iter().cloned())
        {
            match host {
                Host::Domain(name) => drop(own.names.insert(normal(&name))),
                Host::Ipv4(address) => drop(own.addresses.insert(address.into())),
                Host::Ipv6(address) => drop(own.addresses.insert(IpAddr::from(address).to_canonical())),
            }
        }
        own.on_loopback |= own.names.contains("localhost")
            || match public_url.host() {
                Some(Host::Ipv4(address)) => address.is_loopback(),
                Some(Host::Ipv6(address)) => address.is_loopback(),
                Some(Host::Domain(_)) | None => false,
            };
        own
    }

    fn contains(&self, host: &Host<&str>) -> bool {
        match host {
            Host::Domain(name) => {
                let name = normal(name);
                let local = name == "localhost" || name.ends_with(".localhost");
                self.names.contains(&name) || (self.on_loopback && local)
            }
            Host::Ipv4(address) => self.contains_address((*address).into()),
            Host::Ipv6(address) => self.contains_address(IpAddr::from(*address).to_canonical()),
        }
    }

    fn contains_address(&self, address: IpAddr) -> bool {
        address.is_unspecified()
            || self.addresses.contains(&address)
            || (self.on_loopback && address.is_loopback())
    }
}

/// Lower case (the parser has done IDNA), without the root's trailing dot.
fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_lowercase()
}

/// Whether `host` is the host of a `Host` header.
fn is_host(host: &Host<&str>, header: &str) -> bool {
    let parsed = Url::parse(&format!("http://{header}/")).ok();
    match (host, parsed.as_ref().and_then(Url::host)) {
        (Host::Domain(name), Some(Host::Domain(other))) => normal(name) == normal(other),
        (host, Some(other)) => *host == other,
        (_, None) => false,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn own() -> OwnHosts {
        let public = Url::parse("https://b\u{fc}cher.example:8443/").unwrap();
        OwnHosts::gather(
            &public,
            &["go.example", "198.51.100.7", "[2001:db8::5]"].map(|host| Host::parse(host).unwrap()),
            "127.0.0.1:8080".parse().unwrap(),
        )
    }

    fn judge(text: &str) -> Result<LongUrl, &'static str> {
        LongUrl::parse(text, &own(), Some("seen.example:9000"))
    }

    #[test]
    fn valid_urls_are_kept_byte_for_byte() {
        for url in [
            "https://example.com",
            "HTTP://Example.COM:80/a/../b?x=%zz&y=\u{fc}#\u{1f980}",
            "https://example.com/?q='\"<>|^`{}",
            "https://example.com/?path=C:\\temp",
            "http://[2001:db8::1]/",
            "https://example.com/@user",
        ] {
            assert_eq!(judge(url).unwrap().as_str(), url);
        }
    }

    #[test]
    fn other_schemes_and_malformed_urls_are_refused() {
        for url in [
            "",
            "example.com",
            "//example.com",
            "ftp://example.com",
            "javascript:alert(1)",
            "data:text/html,x",
            "http:example.com",
            "http:/example.com",
            "https:///example.com",
            "http://",
            "http://ex ample.com",
            "http://example.com/a b",
            " http://example.com",
            "http://example.com\n",
            "http://example.com/\r\nSet-Cookie: a=b",
            "http://example.com\\@evil.example",
            "http://example.com/a\\b",
            "http://example.com:99999/",
            "http://[::1",
            "http://a..b%00/",
            "https://\u{202e}example.com/\u{2028}",
        ] {
            assert!(judge(url).is_err(), "{url:?}");
        }
        assert!(judge(&format!("https://example.com/{}", "x".repeat(MAX_BYTES))).is_err());
    }

    #[test]
    fn credentials_are_refused() {
        for url in [
            "http://user@example.com/",
            "http://user:pw@example.com/",
            "http://@example.com/",
            "http://:@example.com/",
        ] {
            assert_eq!(judge(url), Err("must not carry a user name or password"), "{url}");
        }
    }

    #[test]
    fn our_own_hosts_are_refused_in_every_notation() {
        for url in [
            "https://b\u{fc}cher.example/abc",
            "https://xn--bcher-kva.example/abc",
            "http://B\u{dc}CHER.example:1234/",
            "https://b\u{fc}cher.example./abc",
            "https://go.example",
            "http://GO.EXAMPLE.:81/x",
            "http://198.51.100.7/",
            "http://3325256711/",
            "http://127.0.0.1:9/",
            "http://127.9.9.9/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://localhost/",
            "http://foo.localhost:80/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://0/",
            "http://0.0.0.0/",
            "http://[::]/",
            "http://[2001:db8:0::5]:81/",
            "http://seen.example/",
            "http://SEEN.example.:1/",
        ] {
            assert_eq!(judge(url), Err("must not lead to this service: that would be a loop"), "{url}");
        }
        for url in ["https://notgo.example", "https://go.example.com", "http://198.51.100.8/"] {
            assert!(judge(url).is_ok(), "{url}");
        }
    }
}

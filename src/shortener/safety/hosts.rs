//! Sets of hosts, read from text in the formats in which such lists are published.
//!
//! Invariant: a set keeps 8 bytes per host, whatever its name, and a host in it stands for its subdomains. Both what is
//! listed and what is looked up went through the parser of URLs, so a host has one name: lower case, IDNA, addresses in
//! their usual notation.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead};

use url::{Host, Url};

/// Longest line that is looked at, in bytes.
const MAX_LINE: usize = 4096;
/// Longest name of a host (RFC 1035, 2.3.4), in bytes.
const MAX_NAME: usize = 253;
/// Options behind `||host^` under which the whole host is meant.
const WHOLE_HOST: [&str; 4] = ["", "$all", "$doc", "$document"];

/// Hosts.
#[derive(Debug, Default, Hash)]
pub(super) struct HostSet(Box<[u64]>);

/// What was found in a text.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The hosts.
    pub(super) hosts: HostSet,
    /// Lines that are neither host nor comment.
    pub(super) malformed: u64,
}

impl Listing {
    /// Reads a list.
    pub(super) fn read(mut text: impl BufRead) -> io::Result<Self> {
        let (mut hashes, mut malformed, mut line) = (Vec::new(), 0, Vec::new());
        loop {
            line.clear();
            let read = io::Read::take(&mut text, MAX_LINE as u64).read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            if read == MAX_LINE && !line.ends_with(b"\n") {
                malformed += 1;
                text.skip_until(b'\n')?;
                continue;
            }
            match std::str::from_utf8(&line).map(Line::parse) {
                Ok(Line::Hosts(names)) => {
                    match names.iter().map(|name| listed(name)).collect::<Option<Vec<_>>>() {
                        Some(names) => hashes.extend(names.into_iter().flatten()),
                        None => malformed += 1,
                    }
                }
                Ok(Line::Comment) => {}
                Ok(Line::Other) | Err(_) => malformed += 1,
            }
        }
        hashes.sort_unstable();
        hashes.dedup();
        Ok(Self { hosts: HostSet(hashes.into_boxed_slice()), malformed })
    }
}

/// What a line says.
enum Line<'a> {
    Hosts(Vec<&'a str>),
    Comment,
    Other,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Self {
        // Within a word it begins no comment: `host##.advert` hides something on a page, and means no host.
        let comment =
            line.match_indices('#').map(|(at, _)| at).find(|at| line[..*at].ends_with(char::is_whitespace));
        let line = line[..comment.unwrap_or(line.len())].trim();
        if line.is_empty() || line.starts_with(['#', '!', '[']) {
            return Self::Comment;
        }
        if let Some(rule) = line.strip_prefix("||") {
            return match rule.split_once('^') {
                Some((host, options)) if WHOLE_HOST.contains(&options) => Self::Hosts(vec![host]),
                _ => Self::Other,
            };
        }
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        let names: Vec<&str> = words.collect();
        match (names.is_empty(), is_address(first)) {
            (true, _) => Self::Hosts(vec![first]),
            (false, true) => Self::Hosts(names),
            (false, false) => Self::Other,
        }
    }
}

/// The address in front of names; macOS writes one with a zone.
fn is_address(word: &str) -> bool {
    word.split('%').next().is_some_and(|address| address.parse::<std::net::IpAddr>().is_ok())
}

/// The hash of a host on a list. `Some(None)` for what every hosts file says of the machine itself (`localhost`, `::1`,
/// `0.0.0.0`), and for other names without a dot, which no link leads to; `None` for what is no host.
fn listed(name: &str) -> Option<Option<u64>> {
    let name = name.strip_prefix("*.").unwrap_or(name).trim_start_matches('.');
    let host = match name.parse() {
        Ok(address) => Host::Ipv6(address),
        Err(_) => Host::parse(name).ok()?,
    };
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            let well_formed =
                name.len() <= MAX_NAME && name.split('.').all(|label| (1..=63).contains(&label.len()));
            well_formed.then(|| name.contains('.').then(|| hash(name)))
        }
        Host::Ipv4(address) => {
            let itself = address.is_unspecified() || address.is_loopback() || address.is_broadcast();
            Some((!itself).then(|| hash(&address.to_string())))
        }
        Host::Ipv6(address) => {
            let address = std::net::IpAddr::from(address).to_canonical();
            let itself = address.is_unspecified() || address.is_loopback() || address.is_multicast();
            Some((!itself).then(|| hash(&address.to_string())))
        }
    }
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// A URL's host as sets know it: the hashes of its name and of all it is a subdomain of.
#[derive(Debug)]
pub(super) struct Wanted(Vec<u64>);

impl Wanted {
    /// The host of `url`.
    pub(super) fn of(url: &Url) -> Self {
        Self(match url.host() {
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                let parents = name.match_indices('.').map(|(dot, _)| &name[dot + 1..]);
                // Longer ones are on no list, and somebody might send thousands of them.
                let names = std::iter::once(name).chain(parents).filter(|name| name.len() <= MAX_NAME);
                names.map(hash).collect()
            }
            Some(Host::Ipv4(address)) => vec![hash(&address.to_string())],
            Some(Host::Ipv6(address)) => {
                vec![hash(&std::net::IpAddr::from(address).to_canonical().to_string())]
            }
            None => Vec::new(),
        })
    }
}

impl HostSet {
    /// Whether the host, or one that it is a subdomain of, is listed.
    pub(super) fn contains(&self, host: &Wanted) -> bool {
        host.0.iter().any(|hash| self.0.binary_search(hash).is_ok())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn read(text: &str) -> Listing {
        Listing::read(text.as_bytes()).unwrap()
    }

    fn has(listing: &Listing, url: &str) -> bool {
        listing.hosts.contains(&Wanted::of(&Url::parse(url).unwrap()))
    }

    #[test]
    fn every_common_format_is_read() {
        let listing = read(
            "# a comment\n! another\n[Adblock Plus 2.0]\n\n0.0.0.0 zero.example # why\n127.0.0.1\tlocal.example\r\n\
            plain.example\n::1 six.example\n0.0.0.0 one.example two.example\n||ad.example^\n||all.example^$all\n\
            *.star.example\n.dot.example\nUPPER.Example.\nb\u{fc}cher.example\nxn--mller-kva.example\n198.51.100.7\n\
            2001:db8::7\nunder_score.example",
        );
        assert_eq!((listing.hosts.len(), listing.malformed), (16, 0));
        for host in [
            "zero.example",
            "local.example",
            "plain.example",
            "six.example",
            "one.example",
            "two.example",
            "ad.example",
            "all.example",
            "star.example",
            "dot.example",
            "upper.example",
            "xn--bcher-kva.example",
            "m\u{fc}ller.example",
            "198.51.100.7",
            "0xc6336407",
            "[2001:db8:0::7]",
            "under_score.example",
        ] {
            assert!(has(&listing, &format!("https://{host}/path")), "{host}");
        }
        assert!(!has(&listing, "https://example/"));
    }

    #[test]
    fn a_host_stands_for_its_subdomains_and_for_nothing_else() {
        let listing = read("bad.example\n198.51.100.7\n");
        for url in ["http://bad.example", "https://a.b.bad.example:8443/x", "http://BAD.example./"] {
            assert!(has(&listing, url), "{url}");
        }
        for url in ["http://notbad.example", "http://example", "http://bad.example.org", "http://bad-example"]
        {
            assert!(!has(&listing, url), "{url}");
        }
        let deep = format!("http://{}bad.example/", "a.".repeat(2000));
        assert!(has(&listing, &deep), "however deep");
    }

    #[test]
    fn what_a_hosts_file_says_of_the_machine_itself_is_no_host_and_no_mistake() {
        let text = "127.0.0.1 localhost\n127.0.0.1 localhost.localdomain local\n255.255.255.255 broadcasthost\n\
            ::1 ip6-localhost\nfe80::1%lo0 localhost\nff00::0 ip6-mcastprefix\n0.0.0.0 0.0.0.0\n";
        let listing = read(text);
        assert_eq!((listing.hosts.len(), listing.malformed), (1, 0), "localhost.localdomain alone");
    }

    #[test]
    fn malformed_lines_are_counted_and_passed_over() {
        let long = format!("{}.example", "x".repeat(64));
        for line in [
            "not a host",
            "http://url.example/",
            "||path.example/x^",
            "||only.example^$domain=other.example",
            "@@||except.example^",
            "page.example##.advert",
            "a..example",
            "ex%ample.example",
            "host.example:80",
            long.as_str(),
            &"y".repeat(10_000),
        ] {
            let listing = read(&format!("{line}\ngood.example\n"));
            assert_eq!((listing.hosts.len(), listing.malformed), (1, 1), "{line}");
        }
        let listing = Listing::read(&b"\xff\xfe.example\ngood.example"[..]).unwrap();
        assert_eq!((listing.hosts.len(), listing.malformed), (1, 1));
    }
}

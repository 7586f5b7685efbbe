//! Whose request it is: address, user agent, where it comes from.
//!
//! Invariant: an address is believed only as far as the proxies in front are ours. The client is the socket's
//! peer or, when that is a trusted proxy, the right-most `X-Forwarded-For` entry that is not one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use ipnet::IpNet;

/// The header in which proxies name their clients.
pub const FORWARDED_FOR: &str = "x-forwarded-for";
/// Longest user agent that is kept, in characters.
const MAX_USER_AGENT: usize = 256;

/// Origins, the server's own among them, from which a browser may speak for its user.
#[derive(Debug, Clone)]
pub struct AllowedOrigins(pub Vec<String>);

impl AllowedOrigins {
    /// Whether `origin`, as the header has it, is one of them.
    pub fn contains(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }
}

/// Proxies whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(pub Vec<IpNet>);

impl TrustedProxies {
    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client behind `peer`, by the values of `X-Forwarded-For` that came with its request, in their order.
    pub fn client_of<'v>(
        &self,
        peer: IpAddr,
        forwarded: impl DoubleEndedIterator<Item = &'v [u8]>,
    ) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.contains(peer) {
            return peer;
        }
        let mut entries = forwarded.rev().flat_map(|value| value.rsplit(|byte| *byte == b',')).peekable();
        let unnamed = entries.peek().is_none();
        let mut client = None;
        for entry in entries {
            // What a trusted proxy wrote is an address; anything else was forged further left.
            let Some(address) = parse_forwarded(entry) else { break };
            client = Some(address);
            if !self.contains(address) {
                break;
            }
        }
        match client {
            Some(client) => client,
            None if unnamed => peer,
            // The proxy forwards for somebody it does not name: nobody we know, least of all the proxy itself.
            None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        }
    }
}

/// `1.2.3.4`, `1.2.3.4:5678`, `::1`, `[::1]` or `[::1]:5678`.
fn parse_forwarded(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim();
    let address = entry
        .parse::<IpAddr>()
        .or_else(|_| entry.parse::<std::net::SocketAddr>().map(|address| address.ip()))
        .or_else(|_| entry.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>());
    // An IPv4 address in IPv6 clothes (`::ffff:1.2.3.4`) is the IPv4 address.
    address.ok().map(|address| address.to_canonical())
}

/// The client's address.
pub fn ip(request: &HttpRequest) -> IpAddr {
    let peer =
        request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip().to_canonical());
    match request.app_data::<actix_web::web::Data<TrustedProxies>>() {
        Some(proxies) => {
            let forwarded = request.headers().get_all(FORWARDED_FOR).map(HeaderValue::as_bytes);
            proxies.client_of(peer, forwarded)
        }
        None => peer,
    }
}

/// The network that limits and throttles count by: an IPv4 address, an IPv6 /64 (one household).
pub fn limit_key(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

/// The user agent, without control characters, cut to a bounded length; empty when there is none.
pub fn user_agent(request: &HttpRequest) -> String {
    request
        .headers()
        .get(header::USER_AGENT)
        .map_or_else(String::new, |value| cleaned_user_agent(value.as_bytes()))
}

/// The value of a `User-Agent` header as [`user_agent`] gives it.
pub fn cleaned_user_agent(value: &[u8]) -> String {
    String::from_utf8_lossy(value).chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect()
}

/// A header as text, when it is text.
pub fn header<'r>(request: &'r HttpRequest, name: &'static str) -> Option<&'r str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// Whether the client prefers a page to data (RFC 9110, 12.5.1). Without a word about pages it gets data.
pub fn wants_page(headers: &HeaderMap) -> bool {
    let accepted: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(','))
        .collect();
    let quality = |wanted: &[&str]| {
        let matching = accepted.iter().filter_map(|entry| {
            let mut parts = entry.split(';').map(str::trim);
            let media = parts.next()?;
            let quality = parts.find_map(|part| part.strip_prefix("q=")).and_then(|q| q.parse::<f32>().ok());
            wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(media)).then(|| quality.unwrap_or(1.0))
        });
        matching.fold(0.0, f32::max)
    };
    let page = quality(&["text/html", "application/xhtml+xml"]);
    page > 0.0 && page >= quality(&["application/json"])
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn resolved(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let proxies = TrustedProxies(trusted.iter().map(|network| network.parse().unwrap()).collect());
        proxies.client_of(peer.parse().unwrap(), forwarded.iter().map(|value| value.as_bytes())).to_string()
    }

    #[test]
    fn without_a_trusted_proxy_the_header_means_nothing() {
        assert_eq!(resolved(&[], "9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
        assert_eq!(resolved(&["10.0.0.0/8"], "9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
    }

    #[test]
    fn the_rightmost_untrusted_entry_is_the_client() {
        assert_eq!(resolved(&["10.0.0.0/8"], "10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.0.0.2"]), "1.1.1.1");
        assert_eq!(resolved(&["10.0.0.0/8"], "10.0.0.1", &["6.6.6.6", "1.1.1.1", "10.0.0.2"]), "1.1.1.1");
        assert_eq!(resolved(&["10.0.0.0/8"], "10.0.0.1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(resolved(&["10.0.0.0/8"], "10.0.0.1", &["::ffff:1.2.3.4"]), "1.2.3.4");
    }

    #[test]
    fn garbage_ends_the_walk_at_the_last_trusted_hop() {
        assert_eq!(resolved(&["10.0.0.0/8"], "10.0.0.1", &["1.1.1.1, nonsense, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(resolved(&["10.0.0.0/8"], "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn bytes_that_are_no_text_do_not_make_the_client_the_proxy() {
        let proxies = TrustedProxies(vec!["10.0.0.0/8".parse().unwrap()]);
        let resolved =
            |value: &[u8]| proxies.client_of("10.0.0.1".parse().unwrap(), [value].into_iter()).to_string();
        assert_eq!(resolved(b"\xff, 9.9.9.9"), "9.9.9.9");
        assert_eq!(resolved(b"9.9.9.9, \xff"), "0.0.0.0");
    }

    #[test]
    fn a_page_is_for_who_prefers_one() {
        let wants = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.append(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
            wants_page(&headers)
        };
        for page in
            ["text/html", "TEXT/HTML", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"]
        {
            assert!(wants(page), "{page}");
        }
        for data in [
            "*/*",
            "application/json",
            "text/html;q=0, application/json",
            "application/json, text/html;q=0.1",
        ] {
            assert!(!wants(data), "{data}");
        }
    }

    #[test]
    fn limits_count_ipv6_by_household() {
        assert_eq!(limit_key("203.0.113.77".parse().unwrap()).to_string(), "203.0.113.77");
        assert_eq!(limit_key("2001:db8:aaaa:bbbb:1::1".parse().unwrap()).to_string(), "2001:db8:aaaa:bbbb::");
    }
}

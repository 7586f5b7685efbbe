//! Networks that addresses belong to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `ip` cut to its network: /24, or /48 for IPv6. Says roughly where, and no longer who.
pub fn truncated(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & (u32::MAX << 8))),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 80))),
    }
}

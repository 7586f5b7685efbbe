//! Which links are asked for: tables of requests that generators walk.

use super::load;
use super::zipf;

/// Requests in a table. The same whatever the number of links, so that walking it costs the same.
pub(crate) const LENGTH: usize = 1 << 20;

/// How requests are spread over links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spread {
    /// All for the first.
    Hot,
    /// The link of rank k with a weight of 1/k.
    Zipf,
    /// All alike.
    Uniform,
}

/// A GET for each draw among `links` links; `path` names the link of a rank.
pub(crate) fn requests(spread: Spread, links: usize, path: impl Fn(usize) -> String) -> Vec<Vec<u8>> {
    let ranks = match spread {
        Spread::Hot => vec![0; LENGTH],
        Spread::Zipf => zipf::ranks(links, LENGTH),
        Spread::Uniform => zipf::uniform(links, LENGTH),
    };
    ranks.into_iter().map(|rank| load::get(&path(rank), "")).collect()
}

/// The path of the seeded link of a rank, see `seed.rs`.
pub(crate) fn seeded(rank: usize) -> String {
    format!("/{rank:07}")
}

//! How the world reaches this server.
//!
//! Invariant: every link that leaves the house is built from here, never from a `Host` header.

use url::Url;

/// The configured base of all links to us: a host without a path.
#[derive(Debug, Clone)]
pub struct PublicUrl(pub Url);

impl PublicUrl {
    /// `path`, which has no slash in front, at this server.
    pub fn of(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The same with a query, its values encoded.
    pub fn with_query(&self, path: &str, query: &[(&str, &str)]) -> String {
        let mut url = self.0.clone();
        url.set_path(path);
        url.query_pairs_mut().extend_pairs(query);
        url.into()
    }
}

//! `GET /{code}` of links that are remembered, answered below actix-http.
//!
//! Invariant: what is answered here, [`super::redirect`] would answer alike; what is not as plain as that is left to it,
//! uncounted.

use actix_web::http::header;
use actix_web::web;

use super::redirect::OPEN;
use crate::http::client::{self, TrustedProxies};
use crate::http::lane::answer::found;
use crate::http::lane::{Head, Lane};
use crate::http::rate_limit::{LimitedAction, RateLimits, Verdict};
use crate::shortener::ledger::{Clerk, Followed};
use crate::shortener::memory::Recalled;
use crate::shortener::visitor::Visitor;

/// Follows short links for the connections of one worker.
#[derive(Debug)]
pub struct ShortLinks {
    clerk: Clerk,
    proxies: web::Data<TrustedProxies>,
    limits: web::Data<RateLimits>,
}

impl ShortLinks {
    /// A worker's own.
    pub fn new(clerk: Clerk, proxies: web::Data<TrustedProxies>, limits: web::Data<RateLimits>) -> Self {
        Self { clerk, proxies, limits }
    }
}

impl Lane for ShortLinks {
    fn answer(&self, request: &Head<'_>, out: &mut Vec<u8>) -> bool {
        // A query may hold a grant.
        let Some(code) = request.path.strip_prefix('/').filter(|_| request.query.is_empty()) else {
            return false;
        };
        let Recalled::Open(link) = self.clerk.recall(code) else { return false };
        if self.clerk.is_full() {
            return false;
        }
        let ip = request.client(&self.proxies);
        let standing = match self.limits.check(LimitedAction::Redirect, ip) {
            Verdict::Unlimited => None,
            Verdict::Within(standing) => Some((self.limits.get_ref(), standing)),
            Verdict::Over { .. } => return false,
        };
        let visitor = || Visitor {
            http_method: if request.is_head { "HEAD" } else { "GET" },
            ip,
            network: client::limit_key(ip),
            referrer: text(request, header::REFERER.as_str()).map(str::to_owned),
            user_agent: request
                .values(header::USER_AGENT.as_str())
                .next()
                .map(client::cleaned_user_agent)
                .unwrap_or_default(),
        };
        let Followed::Open(link) = self.clerk.counted(code, link, visitor) else { return false };
        OPEN.add(1);
        found(out, request, link.target(), standing)
    }
}

/// A header as text, when it is text.
fn text<'a>(request: &'a Head<'_>, name: &str) -> Option<&'a str> {
    std::str::from_utf8(request.values(name).next()?).ok()
}

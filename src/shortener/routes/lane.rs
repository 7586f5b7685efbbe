//! `GET /{code}` of links that are remembered, answered below actix-http.
//!
//! Invariant: what is answered here, [`super::redirect`] would answer alike; what is not as plain as that is left to it,
//! uncounted.

use std::cell::RefCell;

use actix_web::http::header;
use actix_web::web;

use super::redirect::OPEN;
use crate::http::client::{self, TrustedProxies};
use crate::http::lane::answer::found;
use crate::http::lane::{Head, Lane};
use crate::http::rate_limit::{Advance, LimitedAction, RateLimits, Verdict};
use crate::shortener::ledger::Clerk;
use crate::shortener::memory::Front;
use crate::shortener::visitor::Visitor;

/// Follows short links for the connections of one worker.
#[derive(Debug)]
pub struct ShortLinks {
    clerk: Clerk,
    front: RefCell<Front>,
    proxies: web::Data<TrustedProxies>,
    limit: Advance,
}

impl ShortLinks {
    /// A worker's own.
    pub fn new(clerk: Clerk, proxies: web::Data<TrustedProxies>, limits: web::Data<RateLimits>) -> Self {
        let limit = Advance::new(limits, LimitedAction::Redirect);
        Self { front: RefCell::new(clerk.front()), clerk, proxies, limit }
    }
}

impl Lane for ShortLinks {
    fn answer(&self, request: &Head<'_>, out: &mut Vec<u8>) -> bool {
        // A query may hold a grant.
        let Some(code) = request.path.strip_prefix('/').filter(|_| request.query.is_empty()) else {
            return false;
        };
        let mut front = self.front.borrow_mut();
        let Some(link) = self.clerk.recall(&mut front, code) else { return false };
        if self.clerk.is_full() {
            return false;
        }
        let ip = request.client(&self.proxies);
        let standing = match self.limit.check(ip) {
            Verdict::Unlimited => None,
            Verdict::Within(standing) => Some((self.limit.limits(), standing)),
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
        if self.clerk.note(code, link, visitor).is_err() {
            return false;
        }
        OPEN.add(1);
        found(out, request, link.target(), standing)
    }
}

/// A header as text, when it is text.
fn text<'a>(request: &'a Head<'_>, name: &str) -> Option<&'a str> {
    std::str::from_utf8(request.values(name).next()?).ok()
}

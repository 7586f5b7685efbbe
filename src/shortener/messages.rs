//! What the shortener can be asked.

use actix::Message;

use super::error::ShortenerError;
use super::model::{
    AccessRequest, AllowList, ClickEvent, Decision, Key, Link, Lock, Protection, RequestId, ShortCode,
    Tallies,
};
use super::visitor::Visitor;
use crate::auth::model::Password;
use crate::users::messages::Standing;
use crate::users::model::{Email, UserId};

/// Make a link.
#[derive(Debug, Message)]
#[rtype(result = "Result<Link, ShortenerError>")]
pub struct Shorten {
    /// Where it shall lead, as given.
    pub long_url: String,
    /// Host that the request was sent to, which must not be the target.
    pub seen_as: Option<String>,
    /// Who will own it; nobody for a guest.
    pub owner: Option<UserId>,
    /// A wish for the code.
    pub alias: Option<ShortCode>,
    /// What protects it; a guest's cannot be OTP or APPROVE.
    pub lock: Lock,
    /// Safe for work, if the maker knows.
    pub sfw: Option<bool>,
    /// Record attempts one by one.
    pub analytics: bool,
    /// Mail the owner about clicks.
    pub email_notifications: bool,
}

/// Follow a link.
#[derive(Debug, Message)]
#[rtype(result = "Result<Visited, ShortenerError>")]
pub struct Visit {
    /// Which.
    pub code: ShortCode,
    /// Who.
    pub visitor: Visitor,
    /// Whether a notice can be shown to him.
    pub takes_notice: bool,
}

/// Where a visit ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visited {
    /// At the long URL; counted.
    Open(String),
    /// At the protection; counted as an attempt.
    Protected(Protection),
    /// At a notice that the target is not safe for work; counted as an attempt.
    Notice,
}

/// Try to open a protected link. A key that is not the link's is refused as any wrong one; a link without protection
/// opens to all.
#[derive(Debug, Message)]
#[rtype(result = "Result<String, ShortenerError>")]
pub struct Unlock {
    /// Which.
    pub code: ShortCode,
    /// With what.
    pub key: Key,
    /// Who.
    pub visitor: Visitor,
}

/// Mail a visitor the code that opens a link with `OTP`; who is not on the owner's list gets none, and is not told. Count
/// the request against `LimitedAction::SendCode` first.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), ShortenerError>")]
pub struct SendLinkCode {
    /// Which.
    pub code: ShortCode,
    /// Who.
    pub email: Email,
}

/// Ask the owner of a link with `APPROVE` to be let through. Who has asked already is not asked for again, and gets the
/// same id. Count the request against `LimitedAction::RequestAccess` first.
#[derive(Debug, Message)]
#[rtype(result = "Result<RequestId, ShortenerError>")]
pub struct RequestAccess {
    /// Which.
    pub code: ShortCode,
    /// Who.
    pub email: Email,
    /// Why, as [`super::model::check_reason`] allows it.
    pub reason: Option<String>,
}

/// List who asked to be let through a link, newest first.
#[derive(Debug, Message)]
#[rtype(result = "Result<RequestPage, ShortenerError>")]
pub struct ListRequests {
    /// Which.
    pub code: ShortCode,
    /// Who asks.
    pub owner: UserId,
    /// From 1.
    pub page: u32,
    /// Requests on a page.
    pub limit: u32,
}

/// A page of requests for access.
#[derive(Debug)]
pub struct RequestPage {
    /// The requests.
    pub requests: Vec<AccessRequest>,
    /// How many there are on all pages.
    pub total: u64,
}

/// Let somebody through a link, or not. Saying the same again changes nothing.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), ShortenerError>")]
pub struct DecideRequest {
    /// Which link.
    pub code: ShortCode,
    /// Who decides.
    pub owner: UserId,
    /// Whose request.
    pub request: RequestId,
    /// Yes or no.
    pub decision: Decision,
}

/// Say what stands in front of a link. Nothing is counted.
#[derive(Debug, Message)]
#[rtype(result = "Result<Protection, ShortenerError>")]
pub struct FetchProtection {
    /// Which.
    pub code: ShortCode,
}

/// Tell what others have left untold.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), ShortenerError>")]
pub struct Sweep;

/// Fetch a link for its owner.
#[derive(Debug, Message)]
#[rtype(result = "Result<Link, ShortenerError>")]
pub struct FetchLink {
    /// Which.
    pub code: ShortCode,
    /// Who asks.
    pub owner: UserId,
}

/// List a user's links, newest first.
#[derive(Debug, Message)]
#[rtype(result = "Result<LinkPage, ShortenerError>")]
pub struct ListLinks {
    /// Whose.
    pub owner: UserId,
    /// From 1.
    pub page: u32,
    /// Links on a page.
    pub limit: u32,
    /// Text that code or long URL must contain, in whatever case.
    pub search: Option<String>,
}

/// A page of links.
#[derive(Debug)]
pub struct LinkPage {
    /// The links.
    pub links: Vec<Link>,
    /// How many there are on all pages.
    pub total: u64,
    /// False when a search stopped before the oldest links.
    pub complete: bool,
}

/// Change a link. What is `None` stays.
#[derive(Debug, Message)]
#[rtype(result = "Result<Link, ShortenerError>")]
pub struct UpdateLink {
    /// Which.
    pub code: ShortCode,
    /// Who asks.
    pub owner: UserId,
    /// Host that the request was sent to, which must not be the target.
    pub seen_as: Option<String>,
    /// Where it shall lead, as given.
    pub long_url: Option<String>,
    /// What shall stand in between.
    pub protection: Option<Protection>,
    /// Its new password.
    pub password: Option<Password>,
    /// Who may have a code.
    pub otp_allowed: Option<AllowList>,
    /// Safe for work.
    pub sfw: Option<bool>,
    /// Record attempts one by one.
    pub analytics: Option<bool>,
    /// Mail the owner about clicks.
    pub email_notifications: Option<bool>,
}

impl UpdateLink {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.long_url.is_none()
            && self.protection.is_none()
            && self.password.is_none()
            && self.otp_allowed.is_none()
            && self.sfw.is_none()
            && self.analytics.is_none()
            && self.email_notifications.is_none()
    }
}

/// Delete a link.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), ShortenerError>")]
pub struct DeleteLink {
    /// Which.
    pub code: ShortCode,
    /// Who asks.
    pub owner: UserId,
}

/// Read a link's recorded attempts, newest first.
#[derive(Debug, Message)]
#[rtype(result = "Result<EventPage, ShortenerError>")]
pub struct FetchStats {
    /// Which.
    pub code: ShortCode,
    /// Who asks.
    pub owner: UserId,
    /// From 1.
    pub page: u32,
    /// Events on a page.
    pub limit: u32,
}

/// A page of recorded attempts.
#[derive(Debug)]
pub struct EventPage {
    /// The attempts.
    pub events: Vec<ClickEvent>,
    /// How many are kept.
    pub total: u64,
    /// Sums over more than those that are kept; with the first page.
    pub tallies: Option<Tallies>,
}

/// Bring a page of a user's links in line with the account: a closed one's lead nowhere. Safe to repeat and to come late.
/// Returns where the next page begins.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<u64>, ShortenerError>")]
pub struct AlignLinks {
    /// Whose.
    pub owner: UserId,
    /// The account.
    pub standing: Standing,
    /// Where the page begins, as the page before said.
    pub before_us: Option<u64>,
}

/// Remove some of a user's links for good. False when there are none left.
#[derive(Debug, Message)]
#[rtype(result = "Result<bool, ShortenerError>")]
pub struct PurgeLinks {
    /// Whose.
    pub owner: UserId,
}

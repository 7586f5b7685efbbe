//! What the links API takes and gives, field by field.
//!
//! The names are the published contract; a link's password is never among them.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::shortener::model::{AccessRequest, ClickEvent, Link, Protection, Tallies};
use crate::values::PublicUrl;
use crate::values::time::epoch_secs;

/// A link to make.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewLink {
    /// `http` or `https`, at most 8 KB.
    #[schema(pattern = "^[Hh][Tt][Tt][Pp][Ss]?://", max_length = 8192)]
    pub(super) long_url: String,
    /// `NONE` (default), `PASSWORD`, or with an account `OTP` or `APPROVE`.
    #[schema(pattern = "^(NONE|PASSWORD|OTP|APPROVE)$")]
    pub(super) protection_method: Option<String>,
    /// 1 to 128 characters; with `PASSWORD`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    pub(super) url_password: Option<SecretString>,
    /// E-mail addresses that alone get a code; with `OTP`. None: any does.
    #[schema(max_items = 100)]
    pub(super) otp_allowed_emails: Option<Vec<String>>,
    /// Safe for work; the server finds out when this is absent.
    #[serde(rename = "isUrlSFW")]
    pub(super) is_url_sfw: Option<bool>,
    /// Record attempts one by one; needs an account.
    pub(super) is_analytics_enabled: Option<bool>,
    /// Mail about clicks; needs an account.
    pub(super) email_notification_enable: Option<bool>,
    /// 3 to 64 of `A-Z a-z 0-9 - _`.
    #[schema(pattern = "^[A-Za-z0-9_-]{3,64}$")]
    pub(super) custom_alias: Option<String>,
}

/// What to change; at least one.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkChanges {
    #[schema(pattern = "^[Hh][Tt][Tt][Pp][Ss]?://", max_length = 8192)]
    pub(super) new_long_url: Option<String>,
    /// `NONE`, `PASSWORD`, `OTP` or `APPROVE`. Another one than before ends codes, grants and requests for access.
    #[schema(pattern = "^(NONE|PASSWORD|OTP|APPROVE)$")]
    pub(super) new_protection_method: Option<String>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    pub(super) new_password: Option<SecretString>,
    /// E-mail addresses that alone get a code; with `OTP`. Empty: any does.
    #[schema(max_items = 100)]
    pub(super) new_otp_allowed_emails: Option<Vec<String>>,
    #[serde(rename = "newIsUrlSFW")]
    pub(super) new_is_url_sfw: Option<bool>,
    pub(super) new_is_analytics_enabled: Option<bool>,
    pub(super) new_email_notification_enable: Option<bool>,
}

/// What opens a protected link: `password`, or `email` and `OTP`, or `grant`.
#[derive(Default, Deserialize, ToSchema)]
pub struct UnlockBody {
    #[schema(value_type = Option<String>)]
    pub(super) password: Option<SecretString>,
    /// The address that the code was mailed to.
    pub(super) email: Option<String>,
    /// Six digits.
    #[serde(rename = "OTP")]
    #[schema(value_type = Option<String>)]
    pub(super) otp: Option<SecretString>,
    /// What stands behind `grant=` in the link of an approval's mail.
    #[schema(value_type = Option<String>)]
    pub(super) grant: Option<SecretString>,
}

/// Where a code is to be mailed.
#[derive(Deserialize, ToSchema)]
pub struct CodeBody {
    /// One's e-mail address.
    pub(super) email: String,
}

/// Who asks for access, and why.
#[derive(Deserialize, ToSchema)]
pub struct AccessBody {
    /// One's e-mail address: the answer goes there.
    pub(super) email: String,
    /// For the owner to read; at most 1000 bytes.
    #[schema(max_length = 1000)]
    pub(super) reason: Option<String>,
}

/// What an owner says to a request.
#[derive(Deserialize, ToSchema)]
pub struct DecisionBody {
    /// `APPROVE` or `DENY`.
    #[schema(pattern = "^(APPROVE|DENY)$")]
    pub(super) decision: String,
}

/// Page of a list of requests for access.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RequestsQuery {
    /// From 1.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    pub(super) page: Option<String>,
    /// Requests on a page, 20 by default.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    pub(super) limit: Option<String>,
}

/// Page of a list of links.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// From 1.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    pub(super) page: Option<String>,
    /// Links on a page, 20 by default.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    pub(super) limit: Option<String>,
    /// Text that code or long URL must contain, in whatever case.
    #[param(max_length = 256)]
    pub(super) search: Option<String>,
}

/// Page of a list of events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StatsQuery {
    /// From 1.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    pub(super) page: Option<String>,
    /// Events on a page, 10 by default.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 30)]
    pub(super) range: Option<String>,
}

/// A link as its owner, or whoever made it, sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkDetails {
    pub(super) short_url: String,
    /// What stands behind the host.
    pub(super) url_code: String,
    /// Byte for byte as given.
    pub(super) long_url: String,
    /// `NONE`, `PASSWORD`, `OTP` or `APPROVE`.
    pub(super) protection_method: &'static str,
    /// A mask, or null without a password; never the password.
    #[schema(required = true)]
    pub(super) protected_password: Option<&'static str>,
    /// Addresses that alone get a code, as they are compared; empty when any does.
    pub(super) otp_allowed_emails: Vec<String>,
    /// As its maker said, else as found out; true until then.
    #[serde(rename = "isUrlSFW")]
    pub(super) is_url_sfw: bool,
    /// Whether it leads to a host that is blocked here, and so to nowhere.
    pub(super) is_blocked: bool,
    pub(super) is_analytics_enabled: bool,
    pub(super) email_notification_enable: bool,
    /// Every attempt.
    pub(super) total_clicks: u64,
    /// Those that reached the long URL.
    pub(super) total_success_clicks: u64,
    /// Epoch seconds.
    pub(super) created_at: String,
    /// Epoch seconds.
    pub(super) last_updated_at: String,
}

/// Wraps a link.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkBody {
    pub(super) url: LinkDetails,
}

/// A page of links, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinksBody {
    pub(super) urls: Vec<LinkDetails>,
    pub(super) page: u32,
    pub(super) limit: u32,
    /// Links on all pages.
    pub(super) total: u64,
    pub(super) has_next: bool,
    /// False when a search stopped before the oldest links.
    pub(super) complete: bool,
}

/// Where an unprotected link leads, or an opened one.
#[derive(Debug, Serialize, ToSchema)]
pub struct Target {
    pub(super) url: String,
}

/// How a link is protected.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProtectionBody {
    pub(super) protection_method: &'static str,
}

/// A request for access that waits for the link's owner.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessAsked {
    pub(super) request_id: String,
}

/// A request for access to a link of one's own.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestEntry {
    pub(super) request_id: String,
    /// Who asks.
    pub(super) email: String,
    /// Why; null when that was not said.
    #[schema(required = true)]
    pub(super) reason: Option<String>,
    /// `PENDING`, `APPROVED` or `DENIED`.
    pub(super) status: String,
    /// When it was last asked, in epoch seconds.
    pub(super) date: String,
}

/// A page of requests for access, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestsBody {
    pub(super) requests: Vec<RequestEntry>,
    pub(super) page: u32,
    pub(super) limit: u32,
    /// Requests on all pages.
    pub(super) total: u64,
    pub(super) has_next: bool,
}

/// One attempt to follow a link.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stat {
    /// The page it is on.
    pub(super) page: u32,
    /// Whether the long URL was reached.
    pub(super) success: bool,
    /// Shortened to its network unless configured otherwise.
    pub(super) ip: String,
    /// Protection at that time.
    pub(super) method: String,
    /// Epoch seconds.
    pub(super) time: String,
    /// `GET`, `HEAD` or `POST`.
    pub(super) http_method: String,
    /// Host of the page that led here, or empty.
    pub(super) referrer: String,
    /// `desktop`, `mobile`, `preview`, `bot` or `unknown`.
    pub(super) agent: String,
}

/// A page of attempts, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatsBody {
    pub(super) stats: Vec<Stat>,
    pub(super) page: u32,
    pub(super) range: u32,
    /// Attempts on all pages.
    pub(super) total: u64,
    pub(super) has_next: bool,
    /// Of all clicks that reached the long URL, not only of those listed; with the first page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary: Option<Summary>,
}

/// Clicks that reached the long URL.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// By hour, newest first; a week back at least.
    pub(super) hours: Vec<PeriodClicks>,
    /// By day in UTC, newest first; 400 days back at least.
    pub(super) days: Vec<PeriodClicks>,
    /// By host of the page that led here, empty for none; most clicks first, at least the largest 400.
    pub(super) referrers: Vec<ReferrerClicks>,
    /// From hosts that are not listed.
    pub(super) other_referrers: u64,
    /// By `desktop`, `mobile`, `preview`, `bot` and `unknown`; most clicks first.
    pub(super) agents: Vec<AgentClicks>,
}

/// Clicks of an hour or day.
#[derive(Debug, Serialize, ToSchema)]
pub struct PeriodClicks {
    /// Epoch seconds of its beginning.
    pub(super) time: String,
    pub(super) clicks: u64,
}

/// Clicks from a host.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReferrerClicks {
    pub(super) referrer: String,
    pub(super) clicks: u64,
}

/// Clicks by a class of user agents.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentClicks {
    pub(super) agent: String,
    pub(super) clicks: u64,
}

impl Summary {
    pub(super) fn new(tallies: Tallies) -> Self {
        let periods = |sums: Vec<(u64, u64)>, secs: u64| {
            let one =
                |(number, clicks): (u64, u64)| PeriodClicks { time: (number * secs).to_string(), clicks };
            sums.into_iter().map(one).collect()
        };
        let referrers = tallies.referrers.into_iter();
        let agents = tallies.agents.into_iter();
        Self {
            hours: periods(tallies.hours, 3_600),
            days: periods(tallies.days, 86_400),
            referrers: referrers.map(|(referrer, clicks)| ReferrerClicks { referrer, clicks }).collect(),
            other_referrers: tallies.other_referrers,
            agents: agents.map(|(agent, clicks)| AgentClicks { agent, clicks }).collect(),
        }
    }
}

impl LinkDetails {
    /// `link` as the API shows it.
    pub(super) fn new(public: &PublicUrl, link: Link) -> Self {
        Self {
            short_url: public.of(&link.code),
            url_code: link.code,
            long_url: link.long_url,
            protection_method: link.protection.as_str(),
            protected_password: (link.protection == Protection::Password).then_some("********"),
            otp_allowed_emails: link.otp_allowed.into_vec(),
            is_url_sfw: link.sfw.unwrap_or(true),
            is_blocked: link.blocked,
            is_analytics_enabled: link.analytics,
            email_notification_enable: link.email_notifications,
            total_clicks: link.reached + link.refused,
            total_success_clicks: link.reached,
            created_at: epoch_secs(link.created_ms),
            last_updated_at: epoch_secs(link.updated_ms),
        }
    }
}

impl From<AccessRequest> for RequestEntry {
    fn from(request: AccessRequest) -> Self {
        let AccessRequest { id, email, reason, status, asked_ms } = request;
        let request_id = id.as_str().to_owned();
        Self { request_id, email, reason, status, date: epoch_secs(asked_ms) }
    }
}

impl Stat {
    /// `event` as the API shows it on `page`.
    pub(super) fn new(page: u32, event: ClickEvent) -> Self {
        Self {
            page,
            success: event.success,
            ip: event.ip,
            method: event.protection,
            time: epoch_secs(event.time_ms),
            http_method: event.http_method,
            referrer: event.referrer,
            agent: event.agent,
        }
    }
}

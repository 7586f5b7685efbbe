//! What is remembered of a visitor: network, referrer's host, class of user agent.
//!
//! Invariant: nothing here identifies a person unless `shortener.full_ips` is on.

use std::net::IpAddr;
use std::sync::Arc;

use quick_cache::unsync::Cache;
use url::Url;
use woothee::parser::Parser;

/// User agents whose class is remembered per worker.
const REMEMBERED: usize = 1024;
/// Longest referrer host that is kept, in bytes.
const MAX_REFERRER: usize = 253;

/// Programs that fetch a link to show a preview of it.
const PREVIEWERS: [&str; 22] = [
    "facebookexternalhit",
    "facebot",
    "twitterbot",
    "slackbot",
    "slack-imgproxy",
    "discordbot",
    "telegrambot",
    "whatsapp",
    "linkedinbot",
    "skypeuripreview",
    "microsoftpreview",
    "pinterestbot",
    "redditbot",
    "mastodon",
    "bluesky",
    "iframely",
    "embedly",
    "vkshare",
    "viber",
    "line-poker",
    "google-pagerenderer",
    "snapchat",
];
/// Words by which other programs give themselves away.
const PROGRAMS: [&str; 14] = [
    "bot",
    "crawl",
    "spider",
    "slurp",
    "curl/",
    "wget/",
    "httpie/",
    "python-",
    "go-http-client",
    "okhttp",
    "java/",
    "headless",
    "monitor",
    "http-client",
];

/// Who followed a link, as far as it is remembered.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// HTTP method.
    pub http_method: &'static str,
    /// The client's address.
    pub ip: IpAddr,
    /// The network that guesses are counted by.
    pub network: IpAddr,
    /// The `Referer` header.
    pub referrer: Option<String>,
    /// The `User-Agent` header.
    pub user_agent: String,
}

/// Class of a user agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentClass {
    /// A browser on a desk.
    Desktop,
    /// A browser on a phone or tablet.
    Mobile,
    /// Fetches links to show previews.
    Preview,
    /// Any other program.
    Bot,
    /// Said nothing that is known.
    Unknown,
}

impl AgentClass {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 5] = [Self::Desktop, Self::Mobile, Self::Preview, Self::Bot, Self::Unknown];

    /// Its name in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Mobile => "mobile",
            Self::Preview => "preview",
            Self::Bot => "bot",
            Self::Unknown => "unknown",
        }
    }

    /// The class of `user_agent`.
    pub fn of(user_agent: &str) -> Self {
        let lower = user_agent.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        if says(&PREVIEWERS) {
            return Self::Preview;
        }
        match Parser::new().parse(user_agent).map(|agent| agent.category) {
            Some("crawler") => Self::Bot,
            _ if says(&PROGRAMS) => Self::Bot,
            Some("pc") => Self::Desktop,
            Some("smartphone" | "mobilephone" | "appliance") => Self::Mobile,
            _ => Self::Unknown,
        }
    }
}

/// Remembers the classes of recent user agents, because parsing one costs more than a redirect.
#[derive(Debug)]
pub struct AgentClasses(Cache<Arc<str>, AgentClass>);

impl Default for AgentClasses {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl AgentClasses {
    /// The class of `user_agent`.
    pub fn of(&mut self, user_agent: &str) -> AgentClass {
        if let Some(class) = self.0.get(user_agent) {
            return *class;
        }
        let class = AgentClass::of(user_agent);
        self.0.insert(user_agent.into(), class);
        class
    }
}

/// The host of a `Referer` header; nothing else of it is kept.
pub fn referrer_host(referrer: &str) -> Option<String> {
    let url = Url::parse(referrer).ok()?;
    let host = url.host_str()?;
    (host.len() <= MAX_REFERRER && matches!(url.scheme(), "http" | "https")).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_agents_are_told_apart() {
        for (agent, class) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
                AgentClass::Desktop,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                AgentClass::Mobile,
            ),
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", AgentClass::Bot),
            (
                "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
                AgentClass::Preview,
            ),
            ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", AgentClass::Preview),
            ("WhatsApp/2.23.20.0", AgentClass::Preview),
            ("curl/8.5.0", AgentClass::Bot),
            ("", AgentClass::Unknown),
        ] {
            assert_eq!(AgentClass::of(agent), class, "{agent}");
        }
    }

    #[test]
    fn of_a_referrer_only_the_host_is_kept() {
        assert_eq!(referrer_host("https://news.example/item?id=secret").as_deref(), Some("news.example"));
        assert_eq!(referrer_host("android-app://com.example"), None);
        assert_eq!(referrer_host("not a url"), None);
    }
}

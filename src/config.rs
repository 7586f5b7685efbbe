//! Typed settings, one struct per concern, read once at start.
//!
//! Owns the names of every setting and where they come from: `config/default.toml` (embedded), then the
//! file given with `--config`, then `AYRENE__SECTION__KEY` in the environment. Invariant: a [`Config`] that
//! exists has been checked, and its secrets print as `[REDACTED]`.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use ::config::{Environment, File, FileFormat};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use url::{Host, Url};

mod memory;
mod outgoing;
mod safety;

pub use outgoing::{GoogleConfig, MailConfig, MailTransport, NotifierConfig, SmsConfig, SmsTransport};
pub use safety::SafetyConfig;

/// The commented defaults, as shipped in `config/default.toml`.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

/// Fewest bytes of `auth.jwt_secret`: the output size of HS256's hash (RFC 7518, 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// Heartbeats: below the shortest the network's own delays would count as deaths, beyond the longest those who have
/// died would look alive, and logs would lapse under open sockets.
const HEARTBEATS_MS: RangeInclusive<u64> = 1000..=600_000;
/// Messages of the longest kind, with all that surrounds them, that must fit into a socket's queue.
const MIN_QUEUED_MESSAGES: usize = 4;
/// Shortest time between two sweeps through presence.
const MIN_SWEEP_MS: u64 = 100;
/// Shortest `presence.http_ttl_secs`: a use over HTTP is noted once a minute.
const MIN_HTTP_TTL_SECS: u64 = 120;
/// Lives of links in mails: 30 days at most.
const MAIL_TTLS_SECS: RangeInclusive<u64> = 1..=2_592_000;
/// Most likes and comments that a post may embed: each answer reads that many.
const MAX_EMBEDDED: u32 = 1_000;
/// Longest `shortener.stale_if_down`: a day.
const MAX_STALE_SECS: u64 = 86_400;
/// Allowed `shortener.journal_sync_ms`.
const JOURNAL_SYNCS_MS: RangeInclusive<u64> = 10..=60_000;
/// Longest `shortener.grant_days`.
const MAX_GRANT_DAYS: u32 = 3_650;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file is missing or malformed, or a value has the wrong type.
    #[error("cannot read the settings: {0}")]
    Read(#[from] ::config::ConfigError),
    /// A value is of the right type but makes no sense.
    #[error("setting `{key}`: {problem}")]
    Invalid {
        /// Dotted name of the setting.
        key: &'static str,
        /// What is wrong and what to do.
        problem: String,
    },
}

/// Whether missing secrets may be made up on the spot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Everything has a default.
    Development,
    /// Secrets and the public URL must be given.
    Production,
}

/// All settings.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// Development or production.
    pub profile: Profile,
    /// Directory of everything that outlives the process.
    pub data_dir: PathBuf,
    /// The listening side.
    pub server: ServerConfig,
    /// The datastore.
    pub redis: RedisConfig,
    /// Back-pressure between handlers and actors.
    pub actors: ActorConfig,
    /// Accounts, passwords, tokens.
    pub auth: AuthConfig,
    /// The list of all people.
    pub directory: DirectoryConfig,
    /// Who is here.
    pub presence: PresenceConfig,
    /// Sockets and logs of events.
    pub realtime: RealtimeConfig,
    /// Direct messages.
    pub conversation: ConversationConfig,
    /// Links.
    pub shortener: ShortenerConfig,
    /// What links may lead to.
    pub safety: SafetyConfig,
    /// Where uploaded objects are kept.
    pub storage: StorageConfig,
    /// What may be uploaded.
    pub uploads: UploadConfig,
    /// Posts, likes, comments.
    pub posts: PostsConfig,
    /// What people are told.
    pub notifier: NotifierConfig,
    /// Mail.
    pub mail: MailConfig,
    /// SMS.
    pub sms: SmsConfig,
    /// Sign-in with Google.
    pub google: GoogleConfig,
    /// Requests per client.
    pub rate_limits: RateLimitConfig,
    /// Logs.
    pub log: LogConfig,
}

/// `[server]`.
#[derive(Debug, Clone, Deserialize)]
pub struct ServerConfig {
    /// Address to listen on.
    pub bind: SocketAddr,
    /// Worker threads; 0 means one per core.
    pub workers: usize,
    /// How the world reaches us; `None` until the bound address is known.
    #[serde(deserialize_with = "empty_as_none")]
    pub public_url: Option<Url>,
    /// More names of ours.
    #[serde(deserialize_with = "hosts")]
    pub own_hosts: Vec<Host>,
    /// Proxies whose `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Browser origins allowed to use the refresh cookie and to open a socket.
    #[serde(deserialize_with = "list")]
    pub allowed_origins: Vec<String>,
    /// Networks that may read `/metrics`.
    #[serde(deserialize_with = "networks")]
    pub metrics_allowed: Vec<IpNet>,
    /// Connections per worker.
    pub max_connections: usize,
    /// Seconds for a request's head.
    pub head_timeout_secs: u64,
    /// Seconds for a request's body.
    pub body_timeout_secs: u64,
    /// Bytes of a JSON or form body.
    pub max_body_bytes: usize,
    /// Seconds an idle connection lives.
    pub keep_alive_secs: u64,
    /// Seconds that requests in flight get on shutdown.
    pub shutdown_timeout_secs: u64,
}

impl ServerConfig {
    /// Worker threads with 0 resolved to the number of cores.
    pub fn worker_count(&self) -> usize {
        if self.workers > 0 { self.workers } else { cores() }
    }
}

/// When the embedded server's log reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fsync {
    /// Synced by us once a second.
    EverySecond,
    /// Synced by Redis before each answer.
    Always,
}

/// `[redis]`.
#[derive(Debug, Clone, Deserialize)]
pub struct RedisConfig {
    /// `embedded` or a URL; secret because it may carry a password.
    pub url: SecretString,
    /// Binary to embed; empty searches `PATH`.
    pub server_bin: String,
    /// Durability of the embedded server.
    pub fsync: Fsync,
    /// Put before every key.
    pub key_prefix: String,
    /// Milliseconds for a reply.
    pub response_timeout_ms: u64,
    /// Milliseconds for a connection.
    pub connect_timeout_ms: u64,
}

impl RedisConfig {
    /// Whether we run the datastore ourselves.
    pub fn is_embedded(&self) -> bool {
        self.url.expose_secret() == "embedded"
    }
}

/// `[actors]`.
#[derive(Debug, Clone, Deserialize)]
pub struct ActorConfig {
    /// Messages under way per actor.
    pub max_in_flight: usize,
    /// Milliseconds for an answer.
    pub timeout_ms: u64,
}

/// `[auth]`.
#[derive(Debug, Clone, Deserialize)]
pub struct AuthConfig {
    /// HS256 secret; empty means generated.
    pub jwt_secret: SecretString,
    /// The tokens' `iss`.
    pub issuer: String,
    /// Life of an access token.
    pub access_ttl_secs: u64,
    /// Life of a refresh token and of an unused session.
    pub refresh_ttl_secs: u64,
    /// Reuse window of the previous refresh token.
    pub refresh_grace_secs: u64,
    /// Sessions per account.
    pub max_sessions: u32,
    /// argon2id memory.
    pub argon2_memory_kib: u32,
    /// argon2id passes.
    pub argon2_iterations: u32,
    /// Hashing threads; 0 means half of the cores.
    pub hash_threads: usize,
    /// Passwords that may wait for a hashing thread.
    pub hash_queue: usize,
    /// Seconds for a hash, waiting included.
    pub hash_timeout_secs: u64,
    /// Life of what a mail resets a password with.
    pub reset_ttl_secs: u64,
    /// Life of what a mail verifies an address with.
    pub verify_ttl_secs: u64,
    /// Verify addresses without being asked to.
    pub verify_on_register: bool,
    /// Pages that a reset mail may lead to.
    #[serde(deserialize_with = "list")]
    pub frontend_prefixes: Vec<String>,
    /// Do not tell who asks for a reset whether there is an account.
    pub hide_account_existence: bool,
    /// Growing waits per account.
    pub account_guesses: GuessConfig,
    /// Growing waits per IP.
    pub ip_guesses: GuessConfig,
    /// Growing waits for mails with links.
    pub mail_requests: GuessConfig,
    /// Growing waits for all of them to a mailbox, but for those that surely go to its owner's account.
    pub mailbox_mails: GuessConfig,
    /// Growing waits for those that registrations send to a mailbox.
    pub registration_mails: GuessConfig,
    /// Seconds for which a closed account can be brought back.
    pub recovery_secs: u64,
    /// Wrong codes a day and phone number.
    pub phone_wrong_per_day: u32,
    /// Growing waits between the codes of a phone number.
    pub phone_codes: GuessConfig,
}

impl AuthConfig {
    /// Hashing threads with 0 resolved.
    pub fn hash_thread_count(&self) -> usize {
        if self.hash_threads > 0 { self.hash_threads } else { (cores() / 2).max(1) }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, problem: &str| Err(ConfigError::Invalid { key, problem: problem.to_owned() });
        if self.phone_wrong_per_day == 0 || self.recovery_secs == 0 {
            return refuse("auth.phone_wrong_per_day, auth.recovery_secs", "must be 1 or more");
        }
        if ![self.reset_ttl_secs, self.verify_ttl_secs].iter().all(|ttl| MAIL_TTLS_SECS.contains(ttl)) {
            return refuse("auth.reset_ttl_secs, auth.verify_ttl_secs", "must be from 1 to 2592000");
        }
        let is_page = |prefix: &String| {
            let url = Url::parse(prefix).ok();
            url.is_some_and(|url| {
                let bare = url.query().is_none() && url.fragment().is_none();
                matches!(url.scheme(), "http" | "https") && url.has_host() && bare
            })
        };
        if !self.frontend_prefixes.iter().all(is_page) {
            let problem = "must be http or https URLs without a query, such as https://app.example/reset";
            return refuse("auth.frontend_prefixes", problem);
        }
        Ok(())
    }
}

/// A growing wait after wrong guesses.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct GuessConfig {
    /// Guesses that cost nothing.
    pub free: u32,
    /// Wait after the first guess beyond those; it doubles from there.
    pub first_wait_secs: u32,
    /// Longest wait.
    pub max_wait_secs: u32,
    /// Quiet time after which all is forgotten.
    pub forget_secs: u32,
}

/// `[shortener]`.
#[derive(Debug, Clone, Deserialize)]
pub struct ShortenerConfig {
    /// Characters of a generated code.
    pub code_length: usize,
    /// Newest events kept per link.
    pub events_per_link: u32,
    /// Days an event stream lives after its last event.
    pub events_ttl_days: u32,
    /// Keep whole IPs in events.
    pub full_ips: bool,
    /// Bytes of links remembered; 0 means an eighth of the memory.
    pub cache_bytes: u64,
    /// Seconds for which remembered links are followed while the datastore is away.
    pub stale_if_down: u64,
    /// Bytes of clicks that may wait to be counted.
    pub journal_bytes: u64,
    /// Milliseconds between two syncs of those to the disk.
    pub journal_sync_ms: u64,
    /// Links per account.
    pub max_links_per_user: u32,
    /// Days that a deleted code stays reserved for its owner.
    pub deleted_hold_days: u32,
    /// Growing waits per link and IP.
    pub visitor_guesses: GuessConfig,
    /// Growing waits per link.
    pub link_guesses: GuessConfig,
    /// Days that a grant opens its link.
    pub grant_days: u32,
    /// Requests for access kept per link.
    pub max_requests_per_link: u32,
    /// Seconds between two mails about a link's clicks.
    pub click_digest_secs: u32,
    /// Growing waits between codes for a link to one address.
    pub code_mails: GuessConfig,
    /// Growing waits between mails that strangers cause by one link.
    pub link_mails: GuessConfig,
    /// Growing waits between codes, or decisions, about one owner's links to one mailbox.
    pub mailbox_mails: GuessConfig,
    /// Growing waits between codes to one mailbox for anybody's links.
    pub mailbox_codes: GuessConfig,
    /// Growing waits between mails about requests for access to one owner.
    pub owner_mails: GuessConfig,
}

impl ShortenerConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let counts = [self.grant_days, self.max_requests_per_link, self.click_digest_secs];
        if counts.contains(&0) || self.grant_days > MAX_GRANT_DAYS {
            return Err(ConfigError::Invalid {
                key: "shortener.grant_days, max_requests_per_link, click_digest_secs",
                problem: format!("must be 1 or more, and grant_days at most {MAX_GRANT_DAYS}"),
            });
        }
        if self.stale_if_down > MAX_STALE_SECS {
            return Err(ConfigError::Invalid {
                key: "shortener.stale_if_down",
                problem: format!("must be {MAX_STALE_SECS} at most"),
            });
        }
        if !JOURNAL_SYNCS_MS.contains(&self.journal_sync_ms) {
            return Err(ConfigError::Invalid {
                key: "shortener.journal_sync_ms",
                problem: "must be from 10 to 60000".to_owned(),
            });
        }
        Ok(())
    }

    /// `cache_bytes` with 0 resolved.
    pub fn cache_size(&self) -> u64 {
        if self.cache_bytes > 0 { self.cache_bytes } else { memory::of_machine() / 8 }
    }
}

/// `[conversation]`.
#[derive(Debug, Clone, Deserialize)]
pub struct ConversationConfig {
    /// Bytes of a message's text.
    pub max_message_bytes: usize,
    /// Messages in a conversation.
    pub max_messages: u64,
    /// Conversations in a user's list.
    pub max_per_user: u32,
    /// People on a user's block list.
    pub max_blocks: u32,
    /// Hours during which a send with the same client id is the same send.
    pub client_id_ttl_hours: u32,
}

/// What is shown of other people's e-mail addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmailsShown {
    /// All of it.
    Full,
    /// The first letter and the domain.
    Masked,
}

/// `[directory]`.
#[derive(Debug, Clone, Deserialize)]
pub struct DirectoryConfig {
    /// Other people's addresses.
    pub emails: EmailsShown,
}

/// `[presence]`.
#[derive(Debug, Clone, Deserialize)]
pub struct PresenceConfig {
    /// Seconds that a user without a socket counts as here after a sign of life over HTTP.
    pub http_ttl_secs: u64,
}

/// `[posts]`.
#[derive(Debug, Clone, Deserialize)]
pub struct PostsConfig {
    /// Bytes of a title.
    pub title_bytes: usize,
    /// Bytes of a description.
    pub description_bytes: usize,
    /// Bytes of a content.
    pub content_bytes: usize,
    /// Bytes of a comment.
    pub comment_bytes: usize,
    /// Newest likes and newest comments that stand in a post.
    pub embedded: u32,
    /// Bytes of the comments in one answer.
    pub embedded_bytes: usize,
    /// Posts per account.
    pub max_posts_per_user: u32,
    /// Comments per post.
    pub max_comments_per_post: u32,
    /// Newest posts in the feed.
    pub feed_length: u32,
    /// Events per post that may wait to be carried to its author.
    pub max_waiting_events: u32,
}

/// `[realtime]`.
#[derive(Debug, Clone, Deserialize)]
pub struct RealtimeConfig {
    /// Milliseconds from one sign of life of a socket to the next.
    pub heartbeat_ms: u64,
    /// Milliseconds that a connection with a token in its header has to ask for a resume before it is greeted.
    pub resume_grace_ms: u64,
    /// Seconds for the `auth` frame.
    pub auth_timeout_secs: u64,
    /// Bytes of a frame from a client.
    pub max_frame_bytes: usize,
    /// Frames per connection.
    pub frames: Quota,
    /// Bytes that may wait to be sent over one socket.
    pub max_queue_bytes: usize,
    /// Sockets of one user on one node.
    pub max_sockets_per_user: usize,
    /// People that a socket may watch.
    pub max_watched: usize,
    /// Bytes of missed events that are sent again.
    pub max_resume_bytes: usize,
    /// Newest events kept per user for who comes back.
    pub log_events: u32,
    /// Hours that they are kept after the last socket.
    pub log_ttl_hours: u32,
}

impl RealtimeConfig {
    /// How long a socket counts as live without a sign: with the time until a sweep notices, within two heartbeats.
    pub fn socket_ttl_ms(&self) -> u64 {
        self.heartbeat_ms * 9 / 5
    }

    /// How often one looks for users whose sockets have run out.
    pub fn sweep_interval_ms(&self) -> u64 {
        (self.heartbeat_ms / 10).max(MIN_SWEEP_MS)
    }
}

/// Where uploaded objects are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoragePlace {
    /// `uploads` in the data directory.
    Local,
    /// A bucket.
    S3 {
        /// Its name.
        bucket: String,
        /// Put before every name; empty or without slashes at its ends.
        prefix: String,
    },
}

/// `[storage]`.
#[derive(Debug, Clone, Deserialize)]
pub struct StorageConfig {
    /// `local`, or `s3://bucket/prefix`.
    #[serde(deserialize_with = "storage_place")]
    pub url: StoragePlace,
    /// Base URL of what speaks S3; empty means AWS.
    pub s3_endpoint: String,
    /// Region of the bucket.
    pub s3_region: String,
    /// Key id; empty means the machine's role.
    pub s3_access_key_id: String,
    /// Key.
    pub s3_secret_access_key: SecretString,
    /// Speak plain HTTP to the endpoint if its URL says so.
    pub s3_allow_http: bool,
    /// Seconds for one operation.
    pub timeout_secs: u64,
}

/// `[uploads]`.
#[derive(Debug, Clone, Deserialize)]
pub struct UploadConfig {
    /// Bytes of a file.
    pub max_file_bytes: u64,
    /// Bytes of an avatar.
    pub max_avatar_bytes: u64,
    /// Width times height of an avatar.
    pub max_avatar_pixels: u64,
    /// Bytes per second below which an upload is cut.
    pub min_bytes_per_sec: u64,
    /// Uploads at a time.
    pub max_concurrent: usize,
    /// Uploads at a time by one user.
    pub max_concurrent_per_user: usize,
    /// Threads that scale pictures.
    pub image_threads: usize,
    /// Pictures that may wait for one.
    pub image_queue: usize,
    /// Seconds for a picture, waiting included.
    pub image_timeout_secs: u64,
}

/// One rate limit.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Quota {
    /// Size of the burst.
    pub requests: u32,
    /// Seconds over which it refills.
    pub per_secs: u32,
}

/// `[rate_limits]`; the fields are the actions of [`crate::http::rate_limit::LimitedAction`].
#[derive(Debug, Clone, Deserialize)]
pub struct RateLimitConfig {
    /// Off: nothing is limited.
    pub enabled: bool,
    /// Short links followed.
    pub redirect: Quota,
    /// Protected links tried.
    pub unlock: Quota,
    /// Codes for links asked for.
    pub send_code: Quota,
    /// Access to links asked for.
    pub request_access: Quota,
    /// Links made by guests.
    pub shorten_guest: Quota,
    /// Links made by users.
    pub shorten: Quota,
    /// Accounts made.
    pub register: Quota,
    /// Logins.
    pub login: Quota,
    /// Codes by SMS.
    pub phone_code: Quota,
    /// Such codes tried.
    pub phone_verify: Quota,
    /// Token refreshes.
    pub refresh: Quota,
    /// Password resets.
    pub reset: Quota,
    /// Addresses verified.
    pub verify: Quota,
    /// Searches by user.
    pub search: Quota,
    /// Messages by user.
    pub message: Quota,
    /// Sockets opened.
    pub socket: Quota,
    /// Uploads by user.
    pub upload: Quota,
    /// Avatars and files fetched by IP.
    pub download: Quota,
    /// Posts made or changed by user.
    pub post: Quota,
    /// Likes by user.
    pub like: Quota,
    /// Comments by user.
    pub comment: Quota,
    /// Large pages of posts by user.
    pub large_page: Quota,
    /// Authenticated calls by IP.
    pub api: Quota,
    /// Authenticated calls by user.
    pub user: Quota,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[log]`.
#[derive(Debug, Clone, Deserialize)]
pub struct LogConfig {
    /// Level or tracing directives.
    pub level: String,
    /// Text or JSON.
    pub format: LogFormat,
}

/// Settings, and the names in file or environment that mean nothing.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Dotted names that no setting has, most likely misspelt.
    pub unknown: Vec<String>,
}

/// Reads the defaults, `file` if given, and the environment.
pub fn load(file: Option<&Path>) -> Result<Loaded, ConfigError> {
    let mut builder = ::config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
    if let Some(path) = file {
        builder = builder.add_source(File::from(path).format(FileFormat::Toml).required(true));
    }
    let environment =
        Environment::with_prefix("AYRENE").prefix_separator("__").separator("__").ignore_empty(true);
    let merged = builder.add_source(environment).build()?;
    let mut unknown = Vec::new();
    let config: Config = serde_ignored::deserialize(merged, |path| unknown.push(path.to_string()))?;
    config.check()?;
    Ok(Loaded { config, unknown })
}

impl Config {
    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, problem: &str| Err(ConfigError::Invalid { key, problem: problem.to_owned() });
        let secret = self.auth.jwt_secret.expose_secret();
        if !secret.is_empty() && secret.len() < MIN_SECRET_BYTES {
            return refuse(
                "auth.jwt_secret",
                "must be 32 bytes or longer; make one with `openssl rand -hex 32`",
            );
        }
        if let Some(url) = &self.server.public_url {
            if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
                return refuse(
                    "server.public_url",
                    "must be an http or https URL, such as https://links.example.com",
                );
            }
            if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
                return refuse("server.public_url", "must have no path: codes stand right behind the host");
            }
        }
        if self.profile == Profile::Production {
            if secret.is_empty() {
                return refuse(
                    "auth.jwt_secret",
                    "is needed in production; make one with `openssl rand -hex 32`",
                );
            }
            if self.server.public_url.as_ref().is_none_or(|url| url.scheme() != "https") {
                return refuse("server.public_url", "must be given in production, and be https");
            }
            if !self.google.is_private() {
                return refuse("google.jwks_url", "must be https in production, or lead to this machine");
            }
        }
        if self.redis.key_prefix.contains(['{', '}']) {
            return refuse("redis.key_prefix", "must not contain braces: they mark the hash tag");
        }
        if self.presence.http_ttl_secs < MIN_HTTP_TTL_SECS {
            return refuse("presence.http_ttl_secs", "must be 120 or more: use is noted once a minute");
        }
        if !(4..=32).contains(&self.shortener.code_length) {
            return refuse("shortener.code_length", "must be from 4 to 32");
        }
        if !(1..=crate::conversation::model::MAX_MESSAGES).contains(&self.conversation.max_messages) {
            return refuse("conversation.max_messages", "must be from 1 to 16777215");
        }
        let ConversationConfig { max_message_bytes, max_per_user, max_blocks, client_id_ttl_hours, .. } =
            self.conversation;
        if max_message_bytes == 0 || [max_per_user, max_blocks, client_id_ttl_hours].contains(&0) {
            return refuse(
                "conversation.max_message_bytes, max_per_user, max_blocks, client_id_ttl_hours",
                "must be 1 or more",
            );
        }
        if self.auth.max_sessions == 0 || self.actors.max_in_flight == 0 || self.server.max_body_bytes == 0 {
            return refuse(
                "auth.max_sessions, actors.max_in_flight, server.max_body_bytes",
                "must be 1 or more",
            );
        }
        self.auth.check()?;
        self.realtime.check(max_message_bytes)?;
        self.posts.check()?;
        self.shortener.check()?;
        argon2::Params::new(self.auth.argon2_memory_kib, self.auth.argon2_iterations, 1, None).map_err(
            |error| ConfigError::Invalid {
                key: "auth.argon2_memory_kib, auth.argon2_iterations",
                problem: error.to_string(),
            },
        )?;
        self.storage.check()?;
        self.uploads.check()?;
        self.safety.check()?;
        self.notifier.check()?;
        self.mail.check()?;
        self.sms.check()?;
        self.google.check()?;
        self.rate_limits.check()
    }
}

impl StorageConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, problem: &str| Err(ConfigError::Invalid { key, problem: problem.to_owned() });
        if !(1..=60).contains(&self.timeout_secs) {
            return refuse("storage.timeout_secs", "must be from 1 to 60");
        }
        if self.s3_access_key_id.is_empty() != self.s3_secret_access_key.expose_secret().is_empty() {
            return refuse("storage.s3_access_key_id, storage.s3_secret_access_key", "go together");
        }
        if self.s3_endpoint.starts_with("http://") && !self.s3_allow_http {
            return refuse("storage.s3_endpoint", "must be https unless storage.s3_allow_http is true");
        }
        Ok(())
    }
}

impl RealtimeConfig {
    fn check(&self, max_message_bytes: usize) -> Result<(), ConfigError> {
        let refuse = |key, problem: &str| Err(ConfigError::Invalid { key, problem: problem.to_owned() });
        if !HEARTBEATS_MS.contains(&self.heartbeat_ms) {
            return refuse("realtime.heartbeat_ms", "must be from 1000 to 600000");
        }
        if self.max_queue_bytes / MIN_QUEUED_MESSAGES < max_message_bytes {
            let problem = "must be four times conversation.max_message_bytes or more";
            return refuse("realtime.max_queue_bytes", problem);
        }
        let counts = [self.log_events, self.log_ttl_hours, self.frames.requests, self.frames.per_secs];
        let sizes =
            [self.max_frame_bytes, self.max_sockets_per_user, self.max_watched, self.max_resume_bytes];
        if counts.contains(&0) || sizes.contains(&0) || self.auth_timeout_secs == 0 {
            return refuse(
                "realtime.log_…, frames, max_…, auth_timeout_secs",
                "must be 1 or more; only resume_grace_ms may be 0",
            );
        }
        Ok(())
    }
}

impl PostsConfig {
    fn check(&self) -> Result<(), ConfigError> {
        if !(1..=MAX_EMBEDDED).contains(&self.embedded) {
            let problem = format!("must be from 1 to {MAX_EMBEDDED}");
            return Err(ConfigError::Invalid { key: "posts.embedded", problem });
        }
        let lengths = [self.title_bytes, self.description_bytes, self.content_bytes, self.comment_bytes];
        let caps =
            [self.max_posts_per_user, self.max_comments_per_post, self.feed_length, self.max_waiting_events];
        if lengths.contains(&0) || caps.contains(&0) {
            let problem = "must be 1 or more".to_owned();
            return Err(ConfigError::Invalid {
                key: "posts.…_bytes, posts.max_…, posts.feed_length",
                problem,
            });
        }
        Ok(())
    }
}

impl UploadConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let all = [
            ("uploads.max_file_bytes", self.max_file_bytes),
            ("uploads.max_avatar_bytes", self.max_avatar_bytes),
            ("uploads.max_avatar_pixels", self.max_avatar_pixels),
            ("uploads.min_bytes_per_sec", self.min_bytes_per_sec),
            ("uploads.max_concurrent", self.max_concurrent as u64),
            ("uploads.max_concurrent_per_user", self.max_concurrent_per_user as u64),
            ("uploads.image_threads", self.image_threads as u64),
            ("uploads.image_timeout_secs", self.image_timeout_secs),
        ];
        match all.into_iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => Err(ConfigError::Invalid { key, problem: "must be 1 or more".to_owned() }),
            None => Ok(()),
        }
    }
}

impl RateLimitConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let all = [
            ("rate_limits.redirect", self.redirect),
            ("rate_limits.unlock", self.unlock),
            ("rate_limits.send_code", self.send_code),
            ("rate_limits.request_access", self.request_access),
            ("rate_limits.shorten_guest", self.shorten_guest),
            ("rate_limits.shorten", self.shorten),
            ("rate_limits.register", self.register),
            ("rate_limits.login", self.login),
            ("rate_limits.phone_code", self.phone_code),
            ("rate_limits.phone_verify", self.phone_verify),
            ("rate_limits.refresh", self.refresh),
            ("rate_limits.reset", self.reset),
            ("rate_limits.verify", self.verify),
            ("rate_limits.search", self.search),
            ("rate_limits.message", self.message),
            ("rate_limits.socket", self.socket),
            ("rate_limits.upload", self.upload),
            ("rate_limits.download", self.download),
            ("rate_limits.post", self.post),
            ("rate_limits.like", self.like),
            ("rate_limits.comment", self.comment),
            ("rate_limits.large_page", self.large_page),
            ("rate_limits.api", self.api),
            ("rate_limits.user", self.user),
        ];
        match all.into_iter().find(|(_, quota)| quota.requests == 0 || quota.per_secs == 0) {
            Some((key, _)) => Err(ConfigError::Invalid {
                key,
                problem: "requests and per_secs must be 1 or more".to_owned(),
            }),
            None => Ok(()),
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ListOrText {
    List(Vec<String>),
    Text(String),
}

/// A list in a file; comma-separated text in the environment.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let items = match ListOrText::deserialize(deserializer)? {
        ListOrText::List(items) => items,
        ListOrText::Text(text) => text.split(',').map(str::to_owned).collect(),
    };
    Ok(items.iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect())
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    list(deserializer)?
        .iter()
        .map(|text| {
            text.parse::<IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from)).map_err(
                |_| serde::de::Error::custom(format!("`{text}` is neither an IP address nor a CIDR range")),
            )
        })
        .collect()
}

/// `go.example`, `go.example:8080`, `198.51.100.7`, `2001:db8::5` or `[2001:db8::5]:80`; ports do not matter.
fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Host>, D::Error> {
    let parse = |text: &String| {
        if let Ok(address) = text.parse() {
            return Some(Host::Ipv6(address));
        }
        let url = Url::parse(&format!("http://{text}/")).ok()?;
        (url.path() == "/" && url.username().is_empty()).then(|| url.host().map(|host| host.to_owned()))?
    };
    list(deserializer)?
        .iter()
        .map(|text| parse(text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a host"))))
        .collect()
}

/// `local`, `s3://bucket` or `s3://bucket/prefix`.
fn storage_place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StoragePlace, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "local" {
        return Ok(StoragePlace::Local);
    }
    let place = text.strip_prefix("s3://").unwrap_or_default();
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    if bucket.is_empty() {
        let problem = format!("`{text}` is neither `local` nor `s3://bucket/prefix`");
        return Err(serde::de::Error::custom(problem));
    }
    Ok(StoragePlace::S3 { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() })
}

fn empty_as_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    Url::parse(&text)
        .map(Some)
        .map_err(|error| serde::de::Error::custom(format!("`{text}` is not a URL: {error}")))
}

//! chromedriver, one for the test binary, and what it can do beyond the standard.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

use crate::support::redis_server::wait_until;
use crate::support::tied;

static DRIVER: OnceLock<String> = OnceLock::new();
static CHILD: Mutex<Option<Child>> = Mutex::new(None);
/// A browser is several busy processes.
static BROWSERS: Semaphore = Semaphore::const_new(2);

/// Where the driver listens; the first caller starts it.
fn driver() -> &'static str {
    DRIVER.get_or_init(|| {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        *CHILD.lock().unwrap() = Some(tied::spawn("chromedriver", &[&format!("--port={port}")], "-TERM"));
        wait_until("chromedriver listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        format!("http://127.0.0.1:{port}")
    })
}

/// The browser in PATH; where there is none, its driver knows where it is.
fn chromium() -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"].into_iter();
    let mut places = names.flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.find(|place| place.is_file())
}

/// A browser with a fresh profile, and the right to have one. It knows no host but this machine, which is also
/// `far.example`, with what listens on port `far`.
pub async fn open(far: u16, scripts: bool) -> (Client, tempfile::TempDir, SemaphorePermit<'static>) {
    let permit = BROWSERS.acquire().await.unwrap();
    let profile = tempfile::tempdir().unwrap();
    let arguments = [
        "--headless=new".to_owned(),
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-quic".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--no-first-run".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        "--hide-scrollbars".to_owned(),
        // It ends with its driver, even if that is killed.
        "--remote-debugging-pipe".to_owned(),
        format!("--user-data-dir={}", profile.path().display()),
        format!("--host-resolver-rules=MAP far.example:80 127.0.0.1:{far},MAP * ~NOTFOUND,EXCLUDE 127.0.0.1"),
    ];
    let javascript = if scripts { 1 } else { 2 };
    let mut capabilities: Map<String, Value> = serde_json::from_value(json!({
        "browserName": "chrome",
        "timeouts": { "pageLoad": 30_000, "script": 30_000 },
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        "goog:chromeOptions": {
            "args": arguments,
            "prefs": { "profile.managed_default_content_settings.javascript": javascript },
        },
    }))
    .unwrap();
    if let Some(binary) = chromium() {
        capabilities["goog:chromeOptions"]["binary"] = json!(binary);
    }
    let client = ClientBuilder::rustls()
        .expect("TLS, although nothing here speaks it")
        .capabilities(capabilities)
        .connect(driver())
        .await
        .expect("a browser starts");
    (client, profile, permit)
}

/// A command of chromedriver's own, below the session.
#[derive(Debug)]
struct Own(&'static str, Value);

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &Url) -> (reqwest::Method, Option<String>) {
        (reqwest::Method::POST, Some(self.1.to_string()))
    }
}

/// Has the browser do what the DevTools protocol calls `method`.
pub async fn devtools(client: &Client, method: &str, parameters: Value) -> Result<Value, CmdError> {
    client.issue_cmd(Own("goog/cdp/execute", json!({ "cmd": method, "params": parameters }))).await
}

/// What was logged since the last call: `browser` (the console) or `performance` (DevTools events).
pub async fn log(client: &Client, kind: &str) -> Vec<Value> {
    let entries = client.issue_cmd(Own("se/log", json!({ "type": kind }))).await.unwrap();
    serde_json::from_value(entries).unwrap()
}

/// How long anything may take that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(20);

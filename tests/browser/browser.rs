//! Somebody with a browser: what they do, and what they must never see.

use std::collections::HashSet;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::OnceLock;

use fantoccini::elements::Element;
use fantoccini::{Client, Locator};
use futures_util::FutureExt;
use serde_json::Value;

use crate::driver::{self, PATIENCE};
use crate::support::TestServer;

/// What somebody looks at the pages with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    Phone,
    Desktop,
}

impl Device {
    pub fn size(self) -> (u32, u32) {
        match self {
            Self::Phone => (390, 844),
            Self::Desktop => (1280, 800),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Desktop => "desktop",
        }
    }
}

/// A page that is not ours, at `http://far.example/`.
pub const FAR: &str = "http://far.example/some/where?and=more";
pub const FAR_TITLE: &str = "You have arrived";

/// The port of what answers for `far.example`.
fn far() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let page = format!(
                    "<!doctype html><html lang=en><link rel=icon href=data:,><title>{FAR_TITLE}</title>"
                );
                let head =
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length:";
                // Browsers open connections that they then do not use: none holds up the next.
                std::thread::spawn(move || {
                    let _ = stream.read(&mut [0; 4096]);
                    let _ = write!(stream, "{head} {}\r\n\r\n{page}", page.len());
                });
            }
        });
        port
    })
}

/// Somebody's browser, at one server.
pub struct Visitor {
    pub client: Client,
    pub device: Device,
    pub scripts: bool,
    address: SocketAddr,
}

/// Has somebody do the same at each kind of device.
pub async fn visit<F: Future<Output = ()>>(server: &TestServer, what: impl Fn(Visitor) -> F) {
    for device in [Device::Phone, Device::Desktop] {
        visit_with(server, device, true, &what).await;
    }
}

/// Has somebody do something without scripts.
pub async fn visit_without_scripts<F: Future<Output = ()>>(server: &TestServer, what: impl Fn(Visitor) -> F) {
    visit_with(server, Device::Phone, false, what).await;
}

async fn visit_with<F: Future<Output = ()>>(
    server: &TestServer,
    device: Device,
    scripts: bool,
    what: impl Fn(Visitor) -> F,
) {
    let (client, profile, permit) = driver::open(far(), scripts).await;
    let visitor = Visitor { client: client.clone(), device, scripts, address: server.address };
    let outcome = AssertUnwindSafe(async {
        visitor.resize(device.size().0).await;
        what(visitor).await;
        no_complaints(&client, server.address).await;
    })
    .catch_unwind()
    .await;
    client.close().await.expect("the browser ends");
    drop((profile, permit));
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

impl Visitor {
    /// Goes to a path of the server.
    pub async fn open(&self, path: &str) {
        self.client.goto(&format!("http://{}{path}", self.address)).await.unwrap();
    }

    /// Waits for an element.
    pub async fn see(&self, css: &str) -> Element {
        match self.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await {
            Ok(element) => element,
            Err(error) => panic!("{css} does not appear: {error}\n{}", self.text().await),
        }
    }

    /// Waits for a text on the page.
    pub async fn read(&self, text: &str) {
        let deadline = std::time::Instant::now() + PATIENCE;
        while !self.text().await.contains(text) {
            assert!(std::time::Instant::now() < deadline, "{text:?} does not appear:\n{}", self.text().await);
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// Waits for a page by its title.
    pub async fn arrive_at(&self, title: &str) {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let found = self.client.title().await.unwrap();
            if found.contains(title) {
                return;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "at {found:?} and not {title:?}:\n{}",
                self.text().await
            );
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    pub async fn text(&self) -> String {
        match self.client.find(Locator::Css("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    pub async fn write(&self, css: &str, text: &str) {
        let field = self.see(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    pub async fn click(&self, css: &str) {
        self.see(css).await.click().await.unwrap();
    }

    /// Presses keys, wherever the focus is.
    pub async fn press(&self, keys: &str) {
        self.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    pub async fn script(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    pub async fn path(&self) -> String {
        let url = self.client.current_url().await.unwrap();
        url[url::Position::BeforePath..].to_owned()
    }
}

/// Nothing was loaded from elsewhere, nothing that a page loads was missing, and no console has a complaint.
async fn no_complaints(client: &Client, address: SocketAddr) {
    let own = format!("http://{address}/");
    // What the browser's own first page asks for is not ours.
    let mut ours = HashSet::new();
    for entry in driver::log(client, "performance").await {
        let message: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
        let (event, about) =
            (message["message"]["method"].as_str().unwrap_or(""), &message["message"]["params"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (id, document) = (text(&about["requestId"]), about["type"] == "Document");
        match event {
            "Network.requestWillBeSent" if text(&about["documentURL"]).starts_with(&own) => {
                let url = text(&about["request"]["url"]);
                assert!(url.starts_with(&own) || url.starts_with("data:"), "{url} is asked for");
                ours.insert(id);
            }
            "Network.responseReceived" if !document && ours.contains(&id) => {
                let status = about["response"]["status"].as_u64().unwrap();
                assert!(status < 400, "{} is answered with {status}", about["response"]["url"]);
            }
            "Network.loadingFailed" if ours.contains(&id) => assert_eq!(about["canceled"], true, "{about}"),
            _ => {}
        }
    }
    assert!(!ours.is_empty(), "the log says what was asked for");
    let complaints: Vec<Value> = driver::log(client, "browser").await;
    // That a document has status 401 is said there too, and meant; what else has one was looked at above. Recommendations
    // are of level DEBUG.
    let meant = |entry: &&Value| entry["source"] != "network" && entry["level"] != "DEBUG";
    let complaints: Vec<&Value> = complaints.iter().filter(meant).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

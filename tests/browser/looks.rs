//! How a page looks: that all can use it, and a picture of it for those who want to see.

use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::browser::{Device, Visitor};
use crate::driver::devtools;

/// Of the version that scripts/need installs.
static AXE: LazyLock<String> = LazyLock::new(|| {
    let path = root().join(".tools/axe/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}: scripts/need axe", path.display()))
});

/// The narrowest screen that pages are made for.
const NARROW: u32 = 320;

/// What sticks out to the right, and which of the things that one taps are smaller than a finger (WCAG 2.5.5).
const MEASURE: &str = r#"
    const width = document.documentElement.clientWidth;
    const name = (element) => element.outerHTML.slice(0, 120);
    const shown = (element) => element.checkVisibility() && element.getClientRects().length > 0;
    const all = [...document.body.querySelectorAll("*")].filter(shown);
    const wide = all.filter((element) => element.getBoundingClientRect().right > width + 0.5);
    const taps = all.filter((element) => element.matches("button, input:not([type=hidden]), textarea, summary, a"));
    // Links in running text are as high as the text.
    const small = taps.filter((element) => !element.matches("p:not(.ways, .after) a")
        && element.getBoundingClientRect().height < 43.5);
    return { scrolls: document.documentElement.scrollWidth > width, wide: wide.map(name), small: small.map(name) };
"#;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

impl Visitor {
    /// Makes the window as wide as that; it keeps the device's height.
    pub async fn resize(&self, width: u32) {
        let size = json!({
            "width": width, "height": self.device.size().1, "deviceScaleFactor": 1,
            "mobile": self.device == Device::Phone,
        });
        devtools(&self.client, "Emulation.setDeviceMetricsOverride", size).await.unwrap();
    }

    /// Looks at the page in light and in the dark: it can be used by all, and is kept as a picture called `name`.
    pub async fn look(&self, name: &str) {
        let name = &if self.scripts { name.to_owned() } else { format!("{name}-without-scripts") };
        for scheme in ["light", "dark"] {
            // Without motion, or the colours looked at would be on their way.
            let features = json!({ "features": [
                { "name": "prefers-color-scheme", "value": scheme },
                { "name": "prefers-reduced-motion", "value": "reduce" },
            ] });
            devtools(&self.client, "Emulation.setEmulatedMedia", features).await.unwrap();
            self.measure(name).await;
            if self.scripts {
                self.usable(name, scheme).await;
            }
            self.keep(&format!("{name}-{}-{scheme}", self.device.name())).await;
        }
        if self.device == Device::Phone {
            self.resize(NARROW).await;
            self.measure(name).await;
            self.resize(self.device.size().0).await;
        }
    }

    async fn measure(&self, name: &str) {
        let found = self.script(MEASURE).await;
        let right = json!({ "scrolls": false, "wide": [], "small": [] });
        assert_eq!(found, right, "{name} on a {}", self.device.name());
    }

    /// axe-core finds nothing.
    async fn usable(&self, name: &str, scheme: &str) {
        self.script(&AXE).await;
        let run = "const done = arguments[arguments.length - 1]; axe.run().then(done, (error) => done(String(error)));";
        let report = self.client.execute_async(run, Vec::new()).await.unwrap();
        let violations = report["violations"].as_array().unwrap_or_else(|| panic!("{report}"));
        let said: Vec<String> = violations
            .iter()
            .map(|violation| {
                let nodes = violation["nodes"].as_array().into_iter().flatten();
                let nodes: Vec<&Value> = nodes.map(|node| &node["failureSummary"]).collect();
                format!("{}: {nodes:?}", violation["help"])
            })
            .collect();
        assert!(said.is_empty(), "{name} in {scheme}: {said:#?}");
    }

    async fn keep(&self, name: &str) {
        let whole = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = devtools(&self.client, "Page.captureScreenshot", whole).await.unwrap();
        let picture = data_encoding::BASE64.decode(answer["data"].as_str().unwrap().as_bytes()).unwrap();
        let folder = root().join("target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }
}

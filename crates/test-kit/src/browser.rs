//! Chromium as a person uses it, by `WebDriver` (W3C): pages are opened, clicked and read, and what the browser complains of is kept.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::foreign::is_left_out;
use crate::wait::until;

/// What Debian calls it.
const PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];

/// The key of an element in `WebDriver`'s answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A running Chromium.
pub struct Browser {
    http: reqwest::Client,
    /// `http://127.0.0.1:<port>/session/<id>`.
    session: String,
    _driver: Child,
    _profile: TempDir,
}

/// Whether there is a browser; it is installed where that is possible.
async fn is_there() -> bool {
    let found = async || {
        let asked = Command::new("chromedriver").arg("--version").output().await;
        asked.is_ok_and(|said| said.status.success())
    };
    if found().await {
        return true;
    }
    let install = format!(
        "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends {}",
        PACKAGES.join(" ")
    );
    let root = nix::unistd::geteuid().is_root();
    let mut command = Command::new(if root { "sh" } else { "sudo" });
    if !root {
        command.args(["-n", "sh"]);
    }
    let _ = command.args(["-c", &install]).output().await;
    found().await
}

impl Browser {
    /// Starts one with an empty profile; `None` where this machine has none and that was said.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start() -> Option<Self> {
        if is_left_out("chromium") {
            return None;
        }
        assert!(
            is_there().await,
            "chromedriver is missing: apt-get install {}, or DPLOY_TEST_SKIP=chromium leaves these tests out",
            PACKAGES.join(" ")
        );
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver starts");
        let mut said = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = said.next_line().await.unwrap().expect("it says its port");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        // whatever else it says is read, so that it never waits for a reader
        tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy();
        let http = http.timeout(Duration::from_mins(2)).build().unwrap();
        let profile = tempfile::tempdir().unwrap();
        let base = format!("http://127.0.0.1:{port}/session");
        let wishes = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,900",
                format!("--user-data-dir={}", profile.path().display()),
            ]},
        }}});
        let answer = http.post(&base).json(&wishes).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let id = answer["value"]["sessionId"].as_str();
        let id = id.unwrap_or_else(|| panic!("Chromium does not start: {answer}"));
        Some(Self {
            session: format!("{base}/{id}"),
            http,
            _driver: driver,
            _profile: profile,
        })
    }

    async fn call(&self, path: &str, body: &Value) -> Result<Value, String> {
        let url = format!("{}/{path}", self.session);
        let answer = self.http.post(url).json(body).send().await;
        let answer = answer.map_err(|e| e.to_string())?;
        let good = answer.status().is_success();
        let mut answer: Value = answer.json().await.map_err(|e| e.to_string())?;
        let value = answer["value"].take();
        if good {
            Ok(value)
        } else {
            Err(value["message"].to_string())
        }
    }

    /// Opens a page.
    pub async fn open(&self, url: &str) {
        self.call("url", &json!({"url": url})).await.unwrap();
    }

    /// What a script of the test returns on the page.
    pub async fn js(&self, script: &str) -> Value {
        self.try_js(script).await.unwrap()
    }

    async fn try_js(&self, script: &str) -> Result<Value, String> {
        self.call("execute/sync", &json!({"script": script, "args": []}))
            .await
    }

    /// Waits until a condition holds on the page.
    pub async fn until(&self, condition: &str) {
        let script = format!("return [!!({condition}), document.body.innerText]");
        until(condition, async || match self.try_js(&script).await {
            Ok(seen) if seen[0] == true => Ok(()),
            Ok(seen) => Err(seen[1].as_str().unwrap_or_default().to_owned()),
            Err(why) => Err(why),
        })
        .await;
    }

    async fn element(&self, css: &str) -> String {
        let wanted = json!({"using": "css selector", "value": css});
        let found = self.call("element", &wanted).await;
        let found = found.unwrap_or_else(|why| panic!("{css}: {why}"));
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Clicks what a CSS selector names.
    pub async fn click(&self, css: &str) {
        let element = self.element(css).await;
        let clicked = self
            .call(&format!("element/{element}/click"), &json!({}))
            .await;
        clicked.unwrap_or_else(|why| panic!("{css}: {why}"));
    }

    /// Types into what a CSS selector names.
    pub async fn type_into(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        let typed = json!({"text": text});
        let typed = self.call(&format!("element/{element}/value"), &typed).await;
        typed.unwrap_or_else(|why| panic!("{css}: {why}"));
    }

    /// Presses keys, wherever the focus is.
    pub async fn press(&self, keys: &str) {
        let one = |key: char| {
            let key = key.to_string();
            [
                json!({"type": "keyDown", "value": key}),
                json!({"type": "keyUp", "value": key}),
            ]
        };
        let actions: Vec<Value> = keys.chars().flat_map(one).collect();
        let actions = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]});
        self.call("actions", &actions).await.unwrap();
    }

    /// Opens a tab and goes to it; answers its handle.
    pub async fn new_tab(&self) -> String {
        let made = self
            .call("window/new", &json!({"type": "tab"}))
            .await
            .unwrap();
        let handle = made["handle"].as_str().unwrap().to_owned();
        self.go_to(&handle).await;
        handle
    }

    /// Goes to a tab.
    pub async fn go_to(&self, handle: &str) {
        self.call("window", &json!({"handle": handle}))
            .await
            .unwrap();
    }

    /// Goes to the tab that was there first.
    pub async fn go_back_to_first(&self) {
        let url = format!("{}/window/handles", self.session);
        let answer: Value = self
            .http
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        self.go_to(answer["value"][0].as_str().unwrap()).await;
    }

    /// The size of the window, in pixels.
    pub async fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height});
        self.call("window/rect", &size).await.unwrap();
    }

    /// Light or dark, and other things that are for tests alone: a command of Chrome's own protocol.
    pub async fn cdp(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.call("goog/cdp/execute", &body).await.unwrap()
    }

    /// Writes what the window shows into a file: the whole page, of a very long one the beginning.
    pub async fn screenshot(&self, file: &Path) {
        let size = self
            .js("return [document.documentElement.clientWidth, Math.min(document.documentElement.scrollHeight, 4000)]")
            .await;
        let clip = json!({"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1});
        let whole = json!({"captureBeyondViewport": true, "clip": clip});
        let shot = self.cdp("Page.captureScreenshot", &whole).await;
        let picture = shot["data"].as_str().unwrap();
        let picture = base64::engine::general_purpose::STANDARD.decode(picture);
        std::fs::write(file, picture.unwrap()).unwrap();
    }

    /// What the browser complained of since it was asked last: errors of scripts, violations of the policy, what could not be loaded.
    pub async fn complaints(&self) -> Vec<String> {
        let lines = self
            .call("se/log", &json!({"type": "browser"}))
            .await
            .unwrap();
        let lines = lines.as_array().cloned().unwrap_or_default();
        let bad = lines
            .iter()
            .filter(|l| l["level"] == "SEVERE" || l["level"] == "WARNING");
        bad.map(|l| l["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Ends it.
    pub async fn end(self) {
        let _ = self.http.delete(&self.session).send().await;
    }
}

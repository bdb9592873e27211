//! A whole town in one process: a local Marathon that runs real processes, a local GitHub with real git, the observer
//! between them, and a clone to push from. Everything is quick; nothing is faked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dploy_observer::app::{self, Observer, Surroundings};
use dploy_observer::context::Timing;
use dploy_observer::local::tools::lend;
use dploy_observer::settings::Settings;
use local_github::LocalGithub;
use local_marathon::LocalMarathon;
use serde_json::{Value, json};
use test_kit::git::git;
use test_kit::ports::Ports;
use test_kit::wait::until;
use tokio::net::TcpListener;

use super::contract::{Broken, looked_at};
use super::program::{OBSERVER, nothing_runs_in};

pub const TOKEN: &str = "an-operator-token-of-the-tests";
pub const PAT: &str = "a-github-token-of-the-tests";
/// A GitHub token that may not touch webhooks.
pub const WEAK_PAT: &str = "a-weak-github-token-of-the-tests";

pub struct Town {
    pub dir: tempfile::TempDir,
    pub marathon: Option<LocalMarathon>,
    pub github: LocalGithub,
    pub observer: Option<Observer>,
    pub repository: u64,
    pub clone: PathBuf,
    pub http: reqwest::Client,
    pub marathon_url: String,
    /// Flags of the observer besides those that every town has; `--marathon-url` takes the place of the town's own.
    pub extra: Vec<String>,
    timing: Timing,
    /// Answers that the OpenAPI document does not describe.
    broken: Broken,
    /// Of the tasks, as long as the town stands.
    _ports: Ports,
}

pub fn quick() -> Timing {
    Timing {
        look: Duration::from_millis(100),
        retry: Duration::from_millis(300),
        http: Duration::from_secs(2),
        lag: Duration::from_secs(3),
        overtake: Duration::from_secs(2),
        deadline: Duration::from_mins(1),
        settle: Duration::from_secs(1),
        drift: Duration::from_millis(500),
    }
}

pub fn quick_pace() -> local_marathon::Pace {
    local_marathon::Pace {
        offers: Duration::from_millis(60),
        starting: Duration::from_millis(20),
        running: Duration::from_millis(20),
        kill_grace: Duration::from_millis(500),
        second: Duration::from_millis(200),
        stop_grace: Duration::from_millis(300),
        // often, so that what an ended rollout leaves is looked at while a test still looks
        first_scale_check: Duration::from_secs(1),
        scale_check: Duration::from_secs(1),
        ..local_marathon::Pace::default()
    }
}

/// A service with a health check over HTTP; `flags` go to the little web server.
pub fn service(id: &str, version: u32, flags: &str) -> Value {
    json!({
        "id": id,
        "cmd": format!("exec serve --port $PORT0 --title x --version {version} {flags}"),
        "cpus": 0.1, "mem": 16, "instances": 1,
        "portDefinitions": [{"port": 0, "protocol": "tcp", "name": "http"}],
        "healthChecks": [{"protocol": "HTTP", "path": "/health", "portIndex": 0, "gracePeriodSeconds": 5, "intervalSeconds": 1, "timeoutSeconds": 2, "maxConsecutiveFailures": 2}],
        "upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 1}
    })
}

impl Town {
    /// A town whose repository `acme/shop` has these specs on `dcos`; the app is registered and its first deploy has ended.
    pub async fn with(specs: &[(&str, Value)]) -> Self {
        Self::with_settings(specs, &[]).await
    }

    pub async fn with_settings(specs: &[(&str, Value)], extra: &[&str]) -> Self {
        let town = Self::founded(specs, extra, quick()).await;
        let ended = town.ended(1).await;
        assert!(
            matches!(ended["state"].as_str(), Some("succeeded" | "unchanged")),
            "{ended}"
        );
        town
    }

    /// The same, without waiting for anything.
    pub async fn founded(specs: &[(&str, Value)], extra: &[&str], timing: Timing) -> Self {
        let mut town = Self::unobserved(specs, extra, timing).await;
        town.start().await;
        town
    }

    /// The same, without an observer.
    pub async fn unobserved(specs: &[(&str, Value)], extra: &[&str], timing: Timing) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let tools = dir.path().join("tools");
        lend(&tools, Path::new(OBSERVER)).unwrap();
        let ports = Ports::take();
        let options = local_marathon::Options {
            dir: dir.path().join("marathon"),
            tools: Some(tools),
            pace: quick_pace(),
            resources: ports.resources(),
            credentials: None,
        };
        let mesos = local_marathon::Mesos {
            listener: listener().await,
            credentials: None,
        };
        let marathon = LocalMarathon::start_with_mesos(listener().await, mesos, options)
            .await
            .unwrap();
        let token = |value: &str, login: &str, scopes: &str| local_github::Token {
            value: value.to_owned(),
            login: login.to_owned(),
            scopes: scopes.to_owned(),
        };
        let tokens = vec![
            token(PAT, "acme", "repo, admin:repo_hook"),
            token(WEAK_PAT, "bob", "repo:status"),
        ];
        own_ids(&dir.path().join("github"));
        let github = LocalGithub::start(
            listener().await,
            local_github::Options {
                dir: dir.path().join("github"),
                tokens,
                pace: local_github::Pace::default(),
            },
        )
        .await
        .unwrap();
        let repository = github
            .create_repository("acme", "shop", "dcos")
            .await
            .unwrap();
        let clone = dir.path().join("clone");
        let marathon_url = marathon.url().to_owned();
        let town = Self {
            dir,
            marathon: Some(marathon),
            github,
            observer: None,
            repository,
            clone,
            http: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            marathon_url,
            extra: extra.iter().map(|s| (*s).to_owned()).collect(),
            timing,
            broken: Broken::default(),
            _ports: ports,
        };
        std::fs::create_dir_all(&town.clone).unwrap();
        town.git(&["init", "-q", "-b", "dcos"]);
        town.git(&[
            "remote",
            "add",
            "origin",
            &format!("{}/acme/shop.git", town.github.url()),
        ]);
        town.write("dploy.app", "app_name: shop\n");
        for (name, spec) in specs {
            town.spec(name, spec);
        }
        town.push("first");
        town
    }

    /// Starts the observer on the town's folder.
    pub async fn start(&mut self) {
        let data = self.dir.path().join("data").display().to_string();
        let (github, marathon) = (self.github.url().to_owned(), self.marathon_url.clone());
        let mut arguments = vec![
            "--owner=acme",
            "--branch=dcos",
            "--poll=1",
            "--settle=1",
            "--deadline=6",
            "--listen=127.0.0.1:0",
        ];
        let values = [
            format!("--pat={PAT}"),
            format!("--token={TOKEN}"),
            format!("--data={data}"),
        ];
        arguments.extend(values.iter().map(String::as_str));
        let marathon = format!("--marathon-url={marathon}");
        let github = format!("--github-api={github}");
        for usual in ["--repo=shop", marathon.as_str(), github.as_str()] {
            let (flag, _) = usual.split_at(usual.find('=').unwrap() + 1);
            if !self.extra.iter().any(|e| e.starts_with(flag)) {
                arguments.push(usual);
            }
        }
        // what a test says takes the place of what every town has
        let name = |flag: &str| flag.split('=').next().unwrap().to_owned();
        let said: Vec<String> = self.extra.iter().map(|flag| name(flag)).collect();
        arguments.retain(|flag| !said.contains(&name(flag)));
        arguments.extend(self.extra.iter().map(String::as_str));
        let settings = Settings::parse_from(&arguments).unwrap();
        let mut surroundings =
            Surroundings::usual(&settings, std::collections::BTreeMap::default());
        surroundings.timing = self.timing.clone();
        surroundings.greets = false;
        let broken = self.broken.clone();
        surroundings.around = Arc::new(move |routes| looked_at(routes, broken.clone()));
        let observer = app::start(listener().await, settings, surroundings)
            .await
            .unwrap();
        self.observer = Some(observer);
    }

    pub async fn stop(&mut self) {
        if let Some(observer) = self.observer.take() {
            observer.stop().await;
        }
    }

    pub fn url(&self) -> &str {
        // tests reach it by loopback whatever it is called
        &self.observer.as_ref().unwrap().url
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        git(&self.clone, arguments)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.clone.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn spec(&self, name: &str, spec: &Value) {
        self.write(&format!("specs/{name}.json"), &format!("{spec:#}\n"));
    }

    /// Commits everything and pushes; answers the commit.
    pub fn push(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["push", "-q", "-f", "origin", "HEAD:dcos"]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self
            .http
            .get(format!("{}{path}", self.url()))
            .header("accept", "application/json")
            .send()
            .await
            .unwrap();
        answer.json().await.unwrap()
    }

    /// A POST by the operator.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self
            .http
            .post(format!("{}{path}", self.url()))
            .bearer_auth(TOKEN)
            .json(body)
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// The app as the operator sees it, also when it is gone.
    pub async fn app(&self) -> Value {
        let app = self.http.get(format!("{}/apps/shop.json", self.url()));
        let answer = app.bearer_auth(TOKEN).send().await.unwrap();
        answer.json().await.unwrap()
    }

    pub async fn deploy(&self, number: u32) -> Value {
        self.get(&format!("/apps/shop/deploys/{number}.json")).await
    }

    /// The deploy, once it has ended.
    pub async fn ended(&self, number: u32) -> Value {
        self.ended_of("shop", number).await
    }

    /// The same of another app.
    pub async fn ended_of(&self, app: &str, number: u32) -> Value {
        until(&format!("deploy {number} ends"), async || {
            let deploy = self
                .get(&format!("/apps/{app}/deploys/{number}.json"))
                .await;
            if deploy["ended_at"].is_string() {
                Ok(deploy)
            } else {
                Err(deploy.to_string())
            }
        })
        .await
    }

    /// The deploy, once `condition` holds for it.
    pub async fn deploy_until(
        &self,
        number: u32,
        what: &str,
        condition: impl Fn(&Value) -> bool,
    ) -> Value {
        until(what, async || {
            let deploy = self.deploy(number).await;
            if condition(&deploy) {
                Ok(deploy)
            } else {
                Err(deploy.to_string())
            }
        })
        .await
    }

    /// The log.
    pub async fn events(&self) -> Vec<Value> {
        let text = self
            .http
            .get(format!("{}/events.jsonl", self.url()))
            .bearer_auth(TOKEN)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        text.lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    }

    pub async fn kinds(&self) -> Vec<String> {
        self.events()
            .await
            .iter()
            .map(|e| e["kind"].as_str().unwrap().to_owned())
            .collect()
    }

    pub async fn event_until(&self, kind: &str) -> Value {
        until(&format!("a {kind}"), async || {
            let events = self.events().await;
            events
                .iter()
                .rev()
                .find(|e| e["kind"] == kind)
                .cloned()
                .ok_or_else(|| format!("{} events", events.len()))
        })
        .await
    }

    pub async fn marathon(&self, path: &str) -> Value {
        self.http
            .get(format!("{}{path}", self.marathon_url))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    pub async fn marathon_send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let answer = self
            .http
            .request(
                method.parse().unwrap(),
                format!("{}{path}", self.marathon_url),
            )
            .json(body)
            .send()
            .await
            .unwrap();
        (
            answer.status().as_u16(),
            answer.json().await.unwrap_or(Value::Null),
        )
    }

    /// The ids of the tasks of a service.
    pub async fn tasks(&self, service: &str) -> Vec<String> {
        let app = self.marathon(&format!("/v2/apps{service}")).await;
        let mut ids: Vec<String> = app["app"]["tasks"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|t| t["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    }

    /// What the service answers to `GET /version`.
    pub async fn version(&self, service: &str) -> String {
        until(&format!("{service} answers"), async || {
            let app = self.marathon(&format!("/v2/apps{service}")).await;
            let port = app["app"]["tasks"][0]["ports"][0]
                .as_u64()
                .ok_or_else(|| app.to_string())?;
            let answer = self
                .http
                .get(format!("http://127.0.0.1:{port}/version"))
                .send()
                .await
                .map_err(|e| e.to_string())?;
            Ok(answer
                .text()
                .await
                .map_err(|e| e.to_string())?
                .trim()
                .to_owned())
        })
        .await
    }

    /// Ends the town: no process may be left.
    pub async fn end(mut self) {
        self.stop().await;
        let broken = std::mem::take(&mut *self.broken.lock().unwrap());
        assert!(broken.is_empty(), "{broken:#?}");
        let report = dploy_observer::store::verify(&self.dir.path().join("data"))
            .await
            .unwrap();
        assert!(report.wrong.is_empty(), "{:?}", report.wrong);
        self.github.stop().await;
        if let Some(marathon) = self.marathon.take() {
            marathon.stop().await;
        }
        nothing_runs_in(self.dir.path()).await;
    }
}

/// Towns stand beside each other on one loopback, so ports are given out again; ids at GitHub never are.
fn own_ids(github: &Path) {
    static TOWNS: AtomicU64 = AtomicU64::new(0);
    let town = TOWNS.fetch_add(1, Ordering::Relaxed);
    let state = json!({"next_id": 1_000_001 + 10_000 * town, "repositories": [], "hooks": [], "deliveries": [], "statuses": []});
    std::fs::create_dir_all(github).unwrap();
    std::fs::write(github.join("state.json"), state.to_string()).unwrap();
}

pub async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

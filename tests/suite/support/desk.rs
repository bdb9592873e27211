//! A desk at which somebody types `dploy`: the real program with nothing of this machine's environment, in workspaces that
//! push to the town's GitHub and deploy to its Marathon.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use test_kit::git::git;

use super::program::{self, DPLOY, alone};
use super::town::{PAT, Town, quick, service};
use test_kit::marathon::process_of;
use test_kit::wait::until;

pub const OBSERVER: &str = "/dploy-observer";

/// What a call of `dploy` came to.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// It ended with this code.
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// It said all of this, on either stream.
    pub fn says(self, parts: &[&str]) -> Self {
        let text = self.text();
        for part in parts {
            assert!(text.contains(part), "no {part:?} in:\n{text}");
        }
        self
    }

    pub fn text(&self) -> String {
        format!("{}\n{}", self.out, self.err)
    }
}

pub struct Desk {
    pub town: Town,
    pub home: PathBuf,
}

/// A folder with a descriptor and specs.
pub struct Workspace {
    pub path: PathBuf,
}

impl Workspace {
    pub fn git(&self, arguments: &[&str]) -> String {
        git(&self.path, arguments)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path.join(path)).unwrap()
    }

    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.path.join(path)).unwrap();
    }

    /// Replaces a line of the descriptor that begins with `key`, or removes it.
    pub fn describe(&self, key: &str, line: &str) {
        let text = self.read("dploy.app");
        let kept = text.lines().filter(|l| !l.starts_with(key));
        let text: Vec<&str> = kept.chain([line]).collect();
        self.write("dploy.app", &(text.join("\n") + "\n"));
    }

    pub fn pat(&self) {
        self.write(".pat", &format!("{PAT}\n"));
    }

    /// Takes the operator token of another workspace along.
    pub fn token_of(&self, other: &Self) {
        let (from, to) = (
            other.path.join(".dploy-token"),
            self.path.join(".dploy-token"),
        );
        std::fs::copy(from, to).unwrap();
    }

    pub fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "a commit"]);
    }

    pub fn push(&self, branch: &str) {
        self.git(&["push", "-q", "-f", "origin", &format!("HEAD:{branch}")]);
    }
}

impl Desk {
    pub async fn new() -> Self {
        let town = Town::unobserved(&[], &[], quick()).await;
        let made = town.github.create_repository("acme", "bare", "dcos");
        made.await.unwrap();
        let home = town.dir.path().join("home");
        std::fs::create_dir_all(home.join("config/dploy")).unwrap();
        let desk = Self { town, home };
        // whoever sits here has confirmed this machine
        std::fs::write(
            desk.home.join("config/dploy/hosts"),
            desk.confirmed("127.0.0.1"),
        )
        .unwrap();
        desk
    }

    /// Whoever sits here confirms another Marathon too.
    pub fn confirms_marathon(&self, url: &str) {
        let hosts = self.home.join("config/dploy/hosts");
        let before = std::fs::read_to_string(&hosts).unwrap();
        let more = format!(
            "marathon-login {url}\ngithub-token-in-marathon {url}\n\
             operator-token http://127.0.0.1 /dploy-observer of {url}\n"
        );
        std::fs::write(hosts, before + &more).unwrap();
    }

    /// All that may be confirmed of the town, and of an observer that is reached by this host.
    pub fn confirmed(&self, host: &str) -> String {
        let (marathon, github) = (&self.town.marathon_url, self.town.github.url());
        format!(
            "marathon-login {marathon}\ngithub-token-in-marathon {marathon}\ngithub-token {github}\n\
             operator-token http://{host} /dploy-observer of {marathon}\n"
        )
    }

    /// A desk whose app `shop` was launched from a workspace with `.pat`.
    pub async fn launched() -> (Self, Workspace) {
        let desk = Self::new().await;
        let shop = desk.workspace("shop", "acme/shop", "dcos").await;
        shop.pat();
        desk.run(&shop, &["run"]).await.code(0);
        (desk, shop)
    }

    /// A workspace of an app with one service, pushed to a branch.
    pub async fn workspace(&self, app: &str, repository: &str, branch: &str) -> Workspace {
        let workspace = self.unpushed(app, repository, branch).await;
        workspace.push(branch);
        workspace
    }

    /// The same, committed only.
    pub async fn unpushed(&self, app: &str, repository: &str, branch: &str) -> Workspace {
        let path = self.town.dir.path().join(format!("workspace of {app}"));
        std::fs::create_dir_all(&path).unwrap();
        let workspace = Workspace { path };
        let url = format!("{}/{repository}", self.town.github.url());
        let (owner, name) = repository.split_once('/').unwrap();
        let github = &self.town.github;
        github.create_repository(owner, name, branch).await.unwrap();
        workspace.write(
            "dploy.app",
            &format!(
                "app_name: {app}\nmarathon_url: {}\nrepo_url: {url}\npublic_node: 127.0.0.1\ntrigger_branch: {branch}\n",
                self.town.marathon_url
            ),
        );
        let web = service(&format!("/{app}/web"), 1, "");
        workspace.write("specs/web.json", &format!("{web:#}\n"));
        workspace.write(".gitignore", ".pat\n.dploy-token\n");
        workspace.git(&["init", "-q", "-b", "main"]);
        workspace.git(&["remote", "add", "origin", &format!("{url}.git")]);
        workspace.commit();
        workspace
    }

    /// `dploy` with these arguments, not started yet.
    pub fn dploy(&self, folder: &Path, arguments: &[&str]) -> tokio::process::Command {
        let mut command = alone(DPLOY, folder, &self.home);
        command.args(arguments);
        command
    }

    /// Runs `dploy` in a workspace to its end. No secret stands in what it says.
    pub async fn run(&self, workspace: &Workspace, arguments: &[&str]) -> Said {
        let said = ended(self.dploy(&workspace.path, arguments)).await;
        let text = said.text();
        assert!(!text.contains(PAT), "{text}");
        if let Ok(token) = std::fs::read_to_string(workspace.path.join(".dploy-token")) {
            assert!(!text.contains(token.trim()), "{text}");
        }
        said
    }

    /// Runs a line of what `dploy` said.
    pub async fn shell(&self, workspace: &Workspace, line: &str) -> Said {
        let mut command = alone("sh", &workspace.path, &self.home);
        command.args(["-c", line]);
        ended(command).await
    }

    /// Runs `dploy` in a terminal, and types `input` there.
    pub async fn typed(&self, workspace: &Workspace, arguments: &str, input: &str) -> Said {
        use tokio::io::AsyncWriteExt as _;
        let line = format!("'{DPLOY}' {arguments}");
        let mut command = alone("script", &workspace.path, &self.home);
        command.args(["-qec", &line, "/dev/null"]);
        command.env("TERM", "xterm").stdin(Stdio::piped());
        let child = command.spawn();
        let mut child = child.unwrap_or_else(|error| panic!("script is missing: {error}"));
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        let said = said(child.wait_with_output(), arguments).await;
        drop(stdin);
        said
    }

    /// All that Marathon runs.
    pub async fn apps(&self) -> Vec<String> {
        let apps = self.town.marathon("/v2/apps").await;
        let apps = apps["apps"].as_array().unwrap().iter();
        let mut ids: Vec<String> = apps.map(|a| a["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    }

    /// The hooks of a repository.
    pub async fn hooks(&self, repository: &str) -> Vec<String> {
        let github = self.town.github.url();
        let url = format!("{github}/repos/{repository}/hooks");
        let request = self.town.http.get(url).bearer_auth(PAT);
        let answer = request.header("user-agent", "test").send().await.unwrap();
        let hooks: Value = answer.json().await.unwrap();
        let hooks = hooks.as_array().unwrap_or_else(|| panic!("{hooks}"));
        let url = |h: &Value| h["config"]["url"].as_str().unwrap().to_owned();
        hooks.iter().map(url).collect()
    }

    /// Makes a repository private; answers how GitHub shows it.
    pub async fn hide(&self, repository: &str) -> Value {
        let url = format!("{}/repos/{repository}", self.town.github.url());
        let request = self.town.http.patch(url).bearer_auth(PAT);
        let request = request.header("user-agent", "test");
        let request = request.json(&json!({"private": true}));
        request.send().await.unwrap().json().await.unwrap()
    }

    /// A hook that somebody else made.
    pub async fn foreign_hook(&self, repository: &str, url: &str) {
        let config = json!({"url": url, "content_type": "json"});
        self.make_hook(repository, &config).await;
    }

    /// One that is signed, as an observer's.
    pub async fn signed_hook(&self, repository: &str, url: &str) {
        let config = json!({"url": url, "content_type": "json", "secret": "another observer's"});
        self.make_hook(repository, &config).await;
    }

    async fn make_hook(&self, repository: &str, config: &Value) {
        let github = self.town.github.url();
        let body = json!({"config": config});
        let request = self
            .town
            .http
            .post(format!("{github}/repos/{repository}/hooks"));
        let request = request.bearer_auth(PAT).header("user-agent", "test");
        let answer = request.json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 201);
    }

    /// The observer's definition.
    pub async fn observer(&self) -> Value {
        let app = self.town.marathon(&format!("/v2/apps{OBSERVER}")).await;
        app["app"].clone()
    }

    /// Task and address of the observer, once it is healthy as another task than `before`.
    pub async fn healthy(&self, before: &str) -> (String, String) {
        until("a healthy observer", async || {
            let app = self.observer().await;
            let task = &app["tasks"][0];
            let id = task["id"].as_str().unwrap_or_default().to_owned();
            let well = app["tasksHealthy"] == 1 && app["tasksRunning"] == 1;
            match task["ports"][0].as_u64() {
                Some(port) if well && id != before => Ok((id, format!("http://127.0.0.1:{port}"))),
                _ => Err(app.to_string()),
            }
        })
        .await
    }

    /// What the observer says to anybody.
    pub async fn asked(&self, path: &str) -> Value {
        let (_, url) = self.healthy("").await;
        let request = self.town.http.get(format!("{url}{path}"));
        let answer = request.header("accept", "application/json").send().await;
        answer.unwrap().json().await.unwrap()
    }

    /// Waits until a deploy of the observer has succeeded or had nothing to do.
    pub async fn deployed(&self, app: &str, number: u32) -> Value {
        until("the deploy ends well", async || {
            let deploy = self
                .asked(&format!("/apps/{app}/deploys/{number}.json"))
                .await;
            match deploy["state"].as_str() {
                Some("succeeded" | "unchanged") => Ok(deploy),
                _ => Err(deploy.to_string()),
            }
        })
        .await
    }

    /// Kills the process of the observer without a word.
    pub async fn kill(&self) -> String {
        let (task, _) = self.healthy("").await;
        let process = process_of(&task);
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args(["-KILL", &process]).status().unwrap().success());
        task
    }

    /// Kills the observer for good: no agent takes its next task.
    pub async fn kill_for_good(&self) {
        self.fault(&json!({"no_offers": true})).await;
        self.kill().await;
        until("Marathon sees that it is gone", async || {
            let app = self.observer().await;
            if app["tasksRunning"] == 0 {
                Ok(())
            } else {
                Err(app.to_string())
            }
        })
        .await;
    }

    /// Sets what is wrong with Marathon.
    pub async fn fault(&self, fault: &Value) {
        let (status, said) = self
            .town
            .marathon_send("POST", "/local/faults", fault)
            .await;
        assert_eq!(status, 200, "{said}");
    }

    /// Nothing runs in Marathon, and the repository has only these hooks.
    pub async fn nothing_but(&self, apps: &[&str], hooks: &[&str]) {
        assert_eq!(self.apps().await, apps);
        assert_eq!(self.hooks("acme/shop").await, hooks);
    }

    /// No process may be left.
    pub async fn end(self) {
        self.town.github.stop().await;
        if let Some(marathon) = self.town.marathon {
            marathon.stop().await;
        }
        program::nothing_runs_in(self.town.dir.path()).await;
    }
}

async fn ended(mut command: tokio::process::Command) -> Said {
    let of = format!("{command:?}");
    said(command.output(), &of).await
}

async fn said(output: impl Future<Output = std::io::Result<Output>>, of: &str) -> Said {
    let (code, out, err) = program::ended(output, of).await;
    Said { code, out, err }
}

//! The real binary as a child process, between a local Marathon and a local GitHub that live in this one: the child can
//! be killed at any instant, and what the two servers saw can be asked all the same.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::time::Duration;

use dploy_observer::store;
use local_github::LocalGithub;
use local_marathon::{FaultChange, LocalMarathon};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::kill_sender::{Ledger, Pushed, Sender};
use super::kill_verdict::ENDS;
use super::program::{OBSERVER, alone, nothing_runs_in};
use test_kit::git::git;
use test_kit::github::{Clone, TOKEN, open};
use test_kit::ports::Ports;
use test_kit::wait::{ended, until};

/// The services of the sample app, and how many instances each has.
pub const SERVICES: [(&str, usize); 2] = [("/shop/web", 2), ("/shop/api", 1)];

/// Numbers that look random and come again with the same seed (`SplitMix64`).
pub struct Chance(pub u64);

impl Chance {
    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// One event as it stands in the file that a killed observer left.
pub struct Line {
    pub kind: String,
    pub deploy: Option<i64>,
}

/// A folder that stays where a test failed.
struct Kept(tempfile::TempDir);

impl Drop for Kept {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.disable_cleanup(true);
            let path = self.0.path().display();
            eprintln!(
                "what was left is in {path}; the observer's own words in {path}/observer.log"
            );
        }
    }
}

pub struct Bench {
    pub github: LocalGithub,
    pub marathon: LocalMarathon,
    pub http: reqwest::Client,
    pub ledger: Ledger,
    /// The newest revision of each service.
    pub revisions: BTreeMap<&'static str, u32>,
    pub kills: u32,
    /// How many of them came while it still started, or while a deploy was under way.
    pub hits: u32,
    clone: Clone,
    repository: u64,
    /// One that nobody takes while the observer is dead.
    port: u16,
    _ports: Ports,
    child: Option<Child>,
    dir: Kept,
}

fn pace() -> local_marathon::Pace {
    local_marathon::Pace {
        offers: Duration::from_millis(20),
        starting: Duration::from_millis(5),
        running: Duration::from_millis(10),
        kill_grace: Duration::from_millis(300),
        heartbeat: Duration::from_secs(1),
        second: Duration::from_millis(40),
        stop_grace: Duration::from_millis(300),
        ..local_marathon::Pace::default()
    }
}

async fn read(request: reqwest::RequestBuilder) -> Result<Value, String> {
    let request = request.header("accept", "application/json");
    let answer = request.send().await.map_err(|e| e.to_string())?;
    answer.json().await.map_err(|e| e.to_string())
}

impl Bench {
    /// Both servers, and a repository with a first commit. The observer is not started yet.
    pub async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        // a thousand starts within an hour are more than GitHub would take
        let pace_of_github = local_github::Pace {
            requests_an_hour: u32::MAX,
            ..local_github::Pace::default()
        };
        let github = open(dir.path(), pace_of_github).await;
        let repository = github
            .create_repository("acme", "shop", "dcos")
            .await
            .unwrap();
        let ports = Ports::take();
        let options = local_marathon::Options {
            dir: dir.path().join("marathon"),
            tools: None,
            pace: pace(),
            resources: ports.resources(),
            credentials: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let marathon = LocalMarathon::start(listener, options).await.unwrap();
        let path = dir.path().join("clone");
        std::fs::create_dir(&path).unwrap();
        git(&path, &["init", "--quiet", "-b", "dcos"]);
        let url = format!("{}/acme/shop.git", github.url());
        git(&path, &["remote", "add", "origin", &url]);
        std::fs::write(path.join("dploy.app"), "app_name: shop\n").unwrap();
        // a connection is never used twice: then "refused" means that nothing was sent
        let http = reqwest::Client::builder()
            .no_proxy()
            .user_agent("the kill test")
            .pool_max_idle_per_host(0);
        let mut bench = Self {
            github,
            marathon,
            http: http.build().unwrap(),
            ledger: Ledger::default(),
            revisions: BTreeMap::new(),
            kills: 0,
            hits: 0,
            clone: Clone { path },
            repository,
            port: ports.spare(),
            _ports: ports,
            child: None,
            dir: Kept(dir),
        };
        for (id, _) in SERVICES {
            bench.write_spec(id);
        }
        bench.commit_and_push();
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.0.path().join(name)
    }

    /// The process of the observer.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id().unwrap()
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A service whose tasks write down that they were started.
    fn write_spec(&mut self, id: &'static str) {
        let revision = self.revisions.entry(id).or_default();
        *revision += 1;
        let started = self.dir.0.path().join("started");
        let cmd = format!(
            "echo {id} {revision} >> '{}'; exec sleep 600",
            started.display()
        );
        let instances = SERVICES.iter().find(|(s, _)| *s == id).map(|(_, n)| n);
        let spec = json!({"id": id, "cmd": cmd, "instances": instances, "cpus": 0.1, "mem": 16});
        let name = id.rsplit('/').next().unwrap_or_default();
        let file = self.clone.path.join(format!("specs/{name}.json"));
        std::fs::create_dir_all(self.clone.path.join("specs")).unwrap();
        std::fs::write(file, format!("{spec:#}\n")).unwrap();
    }

    /// A new commit that changes `/shop/web`, and every third time `/shop/api`. GitHub tells the observer of it.
    pub fn push(&mut self) -> Pushed {
        self.write_spec("/shop/web");
        if self.revisions["/shop/web"].is_multiple_of(3) {
            self.write_spec("/shop/api");
        }
        let before = self.clone.head();
        Pushed {
            before,
            after: self.commit_and_push(),
        }
    }

    /// The same, but GitHub tells nobody.
    pub fn push_untold(&mut self) -> Pushed {
        self.github.faults().lose(1);
        self.push()
    }

    fn commit_and_push(&mut self) -> String {
        // the server that git talks to lives in this process
        tokio::task::block_in_place(|| {
            self.clone.git(&["add", "-A"]);
            let message = format!("revision {}", self.revisions["/shop/web"]);
            self.clone.git(&["commit", "--quiet", "-m", &message]);
            self.clone.git(&["push", "--quiet", "origin", "HEAD"]);
            self.head()
        })
    }

    pub fn head(&self) -> String {
        self.clone.head()
    }

    fn command(&self) -> Command {
        let settings = [
            ("DPLOY_MARATHON_URL", self.marathon.url().to_owned()),
            ("DPLOY_OBSERVER_GITHUB_API", self.github.url().to_owned()),
            ("DPLOY_OBSERVER_GITHUB_PAT", TOKEN.to_owned()),
            ("DPLOY_OBSERVER_GITHUB_OWNER", "acme".to_owned()),
            ("DPLOY_OBSERVER_GITHUB_REPO", "shop".to_owned()),
            ("DPLOY_OBSERVER_TARGETBRANCH", "dcos".to_owned()),
            ("DPLOY_OBSERVER_LISTEN", format!("127.0.0.1:{}", self.port)),
            ("DPLOY_OBSERVER_PUBLIC_URL", self.url()),
            (
                "DPLOY_OBSERVER_DATA",
                self.path("data").display().to_string(),
            ),
            (
                "DPLOY_OBSERVER_TOKEN",
                "an-operator-token-of-tests".to_owned(),
            ),
            ("DPLOY_OBSERVER_POLL", "1".to_owned()),
            ("DPLOY_OBSERVER_SETTLE", "0".to_owned()),
            ("DPLOY_OBSERVER_MARATHON_TIMEOUT", "3".to_owned()),
        ];
        let folder = self.dir.0.path();
        let mut command = alone(OBSERVER, folder, folder);
        command.envs(settings);
        command
    }

    /// Starts the observer; it may not be ready yet.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("observer.log"))
            .unwrap();
        let mut command = self.command();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    /// Lets it live for so long; it may not end by itself.
    pub async fn let_live(&mut self, time: Duration) {
        let child = self.child.as_mut().unwrap();
        if let Ok(status) = tokio::time::timeout(time, child.wait()).await {
            panic!("the observer ended by itself: {status:?}");
        }
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        use std::os::unix::process::ExitStatusExt;
        let mut child = self.child.take().unwrap();
        child.start_kill().unwrap();
        let status = child.wait().await.unwrap();
        assert_eq!(status.signal(), Some(9), "it ended by itself: {status}");
        self.kills += 1;
    }

    /// SIGTERM; it has to end well.
    pub async fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        let order = format!("kill -TERM {}", child.id().unwrap());
        let ordered = Command::new("sh").arg("-c").arg(order).status().await;
        assert!(ordered.unwrap().success());
        let status = ended(child.wait()).await.unwrap();
        assert!(status.unwrap().success(), "it did not end well");
    }

    /// `observer verify` on the folder, as an operator runs it.
    pub async fn verify(&self) {
        let mut command = self.command();
        let data = self.path("data");
        command.arg("verify").arg("-data-folder").arg(&data);
        let output = command.output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "observer verify: {said}");
    }

    /// Waits until it answers and has a webhook at GitHub; gives somebody who can sign.
    pub async fn ready(&mut self) -> Sender {
        until("ready", async || {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the observer ended by itself: {ended:?}");
            let answer = self.http.get(format!("{}/healthz", self.url()));
            match answer.send().await {
                Ok(answer) if answer.status().is_success() => {}
                other => return Err(format!("{other:?}")),
            }
            let secret = self.hook_secret().ok_or("no webhook")?;
            Ok(Sender {
                http: self.http.clone(),
                url: format!("{}/dploy", self.url()),
                repository: self.repository,
                secret,
            })
        })
        .await
    }

    /// The secret as GitHub was told it.
    fn hook_secret(&self) -> Option<String> {
        let text = std::fs::read(self.path("github/state.json")).ok()?;
        let state: Value = serde_json::from_slice(&text).ok()?;
        Some(state["hooks"][0]["config"]["secret"].as_str()?.to_owned())
    }

    pub async fn json(&self, url: &str) -> Result<Value, String> {
        read(self.http.get(url)).await
    }

    /// Something of the repository, as GitHub shows it to who may see it.
    pub async fn repository(&self, path: &str) -> Value {
        let url = format!("{}/repos/acme/shop/{path}", self.github.url());
        read(self.http.get(url).bearer_auth(TOKEN)).await.unwrap()
    }

    /// The log, by the observer's own word, after this number.
    pub async fn events(&self, since: i64) -> Result<Vec<Value>, String> {
        let url = format!("{}/events.jsonl?since={since}", self.url());
        let answer = self.http.get(url).send().await.map_err(|e| e.to_string())?;
        let text = answer.text().await.map_err(|e| e.to_string())?;
        let lines = text.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().map_err(|e| e.to_string())
    }

    /// Waits until no deploy is open and the head of the branch is live.
    pub async fn settled(&self) {
        let head = self.head();
        until("no deploy open, the head live", async || {
            let app = self.json(&format!("{}/apps/shop", self.url())).await?;
            let open = !app["running"].is_null() || !app["waiting"].is_null();
            let live = app["live"]["commit"] == head.as_str();
            if live && !open {
                Ok(())
            } else {
                Err(app.to_string())
            }
        })
        .await;
    }

    /// Verifies and reads a copy of what the killed observer left: the original is for the next one to mend.
    pub async fn autopsy(&self) -> Vec<Line> {
        let copy = tempfile::tempdir_in(self.dir.0.path()).unwrap();
        for entry in std::fs::read_dir(self.path("data")).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        let report = store::verify(copy.path()).await.unwrap();
        assert!(report.wrong.is_empty(), "{:?}", report.wrong);
        let file = store::database(copy.path());
        let mut conn = SqliteConnection::connect(&format!("sqlite://{}", file.display()))
            .await
            .unwrap();
        let rows: Vec<(String, Option<i64>)> =
            sqlx::query_as("select kind, deploy from event order by seq")
                .fetch_all(&mut conn)
                .await
                .unwrap();
        conn.close().await.unwrap();
        let line = |(kind, deploy)| Line { kind, deploy };
        rows.into_iter().map(line).collect()
    }

    /// Whether the killed observer left a deploy under way, by what stands in its file.
    pub async fn left_open(&self) -> bool {
        let lines = self.autopsy().await;
        let deploy = lines.iter().filter_map(|l| l.deploy).max();
        let newest = lines.iter().filter(|l| l.deploy == deploy);
        deploy.is_some() && newest.into_iter().all(|l| !ENDS.contains(&l.kind.as_str()))
    }

    /// Whether the observer listens already.
    pub fn listens(&self) -> bool {
        std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    /// How often tasks of each revision were started, by what they wrote down themselves.
    pub fn starts(&self) -> BTreeMap<String, usize> {
        let text = std::fs::read_to_string(self.path("started")).unwrap_or_default();
        let mut counts = BTreeMap::new();
        for line in text.lines() {
            *counts.entry(line.to_owned()).or_default() += 1;
        }
        counts
    }

    /// Every call to Marathon takes so much longer, and the answer to the next change gets lost or not.
    pub fn trouble_marathon(&self, slow: Duration, lose: u32) {
        self.marathon.faults().apply(FaultChange {
            slow_ms: u64::try_from(slow.as_millis()).ok(),
            lose_replies: Some(lose),
            ..FaultChange::default()
        });
    }

    /// Whether Marathon made the change whose answer gets lost.
    pub fn reply_was_lost(&self) -> bool {
        self.marathon.faults().state().lose_replies == 0
    }

    pub fn all_well(&self) {
        self.marathon.faults().reset();
        self.github.faults().reset();
    }

    /// Stops the servers and every task: no process may be left.
    pub async fn end(self) {
        self.github.stop().await;
        self.marathon.stop().await;
        nothing_runs_in(self.dir.0.path()).await;
    }
}

//! The process's own log: what happened stands there, in lines for people and for machines, once each and without a secret.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dploy_observer::clock;
use dploy_observer::store::Store;
use serde_json::{Value, json};
use test_kit::wait::until;
use tokio::process::Child;

use crate::support::program::{OBSERVER, alone};
use crate::support::town::{PAT, TOKEN, Town, quick, service};

/// The program as a task: both its streams end in files.
struct Task {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Task {
    fn start(town: &Town, extra: &[&str]) -> Self {
        let dir = town.dir.path();
        let (out, err) = (dir.join("stdout"), dir.join("stderr"));
        let mut command = alone(OBSERVER, dir, dir);
        command
            .args([
                "-owner=acme",
                "-repo=shop",
                "-branch=dcos",
                "-poll=1",
                "-settle=1",
                "-deadline=6",
            ])
            .args(["-listen=127.0.0.1:0", "-data=data"])
            .args(extra)
            .env("DPLOY_MARATHON_URL", &town.marathon_url)
            .env("DPLOY_OBSERVER_GITHUB_API", town.github.url())
            .env("DPLOY_OBSERVER_GITHUB_PAT", PAT)
            .env("DPLOY_OBSERVER_TOKEN", TOKEN)
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap());
        let child = command.spawn().unwrap();
        Self { child, out, err }
    }

    /// The first line of its log with this text.
    async fn says(&self, text: &str) -> String {
        until(&format!("the log says {text:?}"), async || {
            let said = read(&self.err);
            let line = said.lines().find(|l| l.contains(text));
            line.map(str::to_owned).ok_or(said.clone())
        })
        .await
    }

    async fn stops(mut self) -> (String, String) {
        let pid = self.child.id().unwrap().to_string();
        let kill = std::process::Command::new("kill").arg(&pid).status();
        assert!(kill.unwrap().success());
        let ended = test_kit::wait::ended(self.child.wait()).await.unwrap();
        assert!(ended.unwrap().success());
        (read(&self.out), read(&self.err))
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

const GREETING: &str = concat!(
    "This is dploy observer version ",
    env!("CARGO_PKG_VERSION"),
    "\nI'm observing branch dcos of repo acme/shop\nAuthentication against GitHub done\nWebhook registered\n"
);

async fn post(town: &Town, url: &str, token: Option<&str>, body: &Value) -> u16 {
    let call = town.http.post(url).json(body);
    let call = match token {
        Some(token) => call.bearer_auth(token),
        None => call,
    };
    call.send().await.unwrap().status().as_u16()
}

/// What no line may hold: the tokens, and what GitHub signs with.
async fn secrets(town: &Town) -> Vec<String> {
    let data = town.dir.path().join("data");
    let store = Store::open(&data, clock::system(), Arc::new(|_| ()))
        .await
        .unwrap();
    let hook = store.hook_secrets(town.repository).await.unwrap();
    store.close().await;
    assert!(!hook.is_empty());
    let hook = hook.iter().map(|s| s.expose().to_owned());
    hook.chain([PAT.to_owned(), TOKEN.to_owned()]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_read_what_happened_once_and_without_a_secret() {
    let specs = [("web", service("/shop/web", 1, ""))];
    let town = Town::unobserved(&specs, &[], quick()).await;
    let task = Task::start(&town, &["-log-format=json", "-loglevel=debug"]);
    let first: Value = serde_json::from_str(&task.says("this is dploy observer").await).unwrap();
    let url = first["url"].as_str().unwrap();
    task.says("Succeeded: 1 service changed").await;
    let mut bad = service("/shop/web", 2, "");
    bad["cmd"] = json!("exec nosuchprogram");
    town.spec("web", &bad);
    let commit = town.push("127");
    let failed: Value = serde_json::from_str(&task.says("Failed, CRASHING").await).unwrap();
    assert_eq!(
        (
            &failed["level"],
            &failed["app.id"],
            &failed["deploy.number"],
            &failed["code"]
        ),
        (
            &json!("WARN"),
            &json!("shop"),
            &json!(2),
            &json!("CRASHING")
        )
    );
    assert_eq!(failed["commit.sha"], commit.as_str(), "{failed}");
    assert!(failed["duration_ms"].as_u64().unwrap() > 0, "{failed}");

    let wish = json!({"to": "#1", "reason": "it crashes"});
    let rollback = format!("{url}/apps/shop/rollback");
    assert_eq!(post(&town, &rollback, Some(TOKEN), &wish).await, 202);
    let wanted: Value = serde_json::from_str(&task.says("Rollback to").await).unwrap();
    assert_eq!(wanted["actor"], "operator:operator", "{wanted}");
    assert_eq!(wanted["level"], "INFO", "{wanted}");
    for _ in 0..3 {
        assert_eq!(
            post(&town, &format!("{url}/dploy"), None, &json!({})).await,
            401
        );
    }
    task.says("Refused a call of /dploy").await;
    town.github.faults().down(true);
    task.says("; it is tried again").await;
    town.github.faults().down(false);
    let again: Value = serde_json::from_str(&task.says("GitHub answers again").await).unwrap();
    assert!(again["attempts"].as_u64().unwrap() > 0, "{again}");

    let (out, err) = task.stops().await;
    assert_eq!(out, GREETING);
    let secrets = secrets(&town).await;
    for secret in &secrets {
        assert!(
            !err.contains(secret.as_str()),
            "a secret is in the log: {err}"
        );
    }
    let mut said: BTreeMap<String, u32> = BTreeMap::new();
    let mut calls = 0;
    for line in err.lines() {
        let mut line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let fields = line.as_object_mut().unwrap();
        assert!(fields["message"].is_string(), "{fields:?}");
        if fields["level"] == "DEBUG" {
            calls += u32::from(fields["message"] == "called" && fields["status"].is_u64());
            continue;
        }
        for count in ["timestamp", "duration_ms", "attempts", "event.seq"] {
            fields.remove(count);
        }
        *said.entry(line.to_string()).or_default() += 1;
    }
    assert!(calls > 10, "each call has a line: {err}");
    let repeated: Vec<_> = said.iter().filter(|(_, times)| **times > 1).collect();
    assert!(repeated.is_empty(), "{repeated:?}");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_lost_is_a_line_and_another_one_takes_its_place() {
    let specs = [("web", service("/shop/web", 1, ""))];
    let town = Town::unobserved(&specs, &[], quick()).await;
    let task = Task::start(&town, &[]);
    task.says("GitHub's ping of webhook").await;
    task.stops().await;
    let hooks = format!("{}/repos/acme/shop/hooks", town.github.url());
    let asked = |request: reqwest::RequestBuilder| {
        request.bearer_auth(PAT).header("user-agent", "test").send()
    };
    let there: Value = asked(town.http.get(&hooks))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let lost = there[0]["id"].to_string();
    let gone = asked(town.http.delete(format!("{hooks}/{lost}")))
        .await
        .unwrap();
    assert_eq!(gone.status(), 204);
    let task = Task::start(&town, &[]);
    let line = format!("Webhook removed: GitHub does not know {lost} any more");
    task.says(&line).await;
    task.says("registered at GitHub; it calls").await;
    let (_, err) = task.stops().await;
    assert_eq!(err.matches(&line).count(), 1, "{err}");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_read_it_too_and_a_start_again_greets_again() {
    let specs = [("web", service("/shop/web", 1, ""))];
    let town = Town::unobserved(&specs, &[], quick()).await;
    let task = Task::start(&town, &[]);
    let line = task.says("Succeeded: 1 service changed, all healthy").await;
    assert!(line.contains(" INFO "), "{line}");
    assert!(
        line.contains(" app.id=shop deploy.number=1 commit.sha="),
        "{line}"
    );
    let (out, _) = task.stops().await;
    assert_eq!(out, GREETING);
    let task = Task::start(&town, &[]);
    task.says("observing").await;
    until("it is known to be registered", async || {
        match read(&task.out) {
            out if out == GREETING => Ok(()),
            out => Err(out),
        }
    })
    .await;
    let (_, err) = task.stops().await;
    assert!(
        !err.contains("Succeeded"),
        "what was said is not said again: {err}"
    );
    town.end().await;
}

//! The program `observer local marathon` itself, killed: nothing of before is left, and everything runs again.

use std::path::Path;

use crate::support::program::observer;
use serde_json::{Value, json};
use test_kit::http::client;
use test_kit::marathon::processes_of;
use test_kit::wait::until;
use tokio::io::AsyncBufReadExt as _;

/// The program itself on a folder, and its address.
async fn program(dir: &Path) -> (tokio::process::Child, String) {
    let folder = dir.to_str().unwrap();
    let mut program = observer(dir, &["local", "marathon", "-port=0", "-dir", folder]);
    // it goes on saying things, and nobody reads them
    program.stderr(std::process::Stdio::inherit());
    let mut child = program.spawn().unwrap();
    let mut lines = tokio::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let url = line.strip_prefix("local Marathon: ").unwrap().to_owned();
    (child, url)
}

#[tokio::test]
async fn after_a_sigkill_nothing_of_before_is_left_and_everything_runs_again() {
    let dir = tempfile::tempdir().unwrap();
    let http = client();
    let (mut first, url) = program(dir.path()).await;
    // one as usual, one without an environment, one with a child in a session of its own
    for (id, cmd) in [
        ("/plain", "exec sleep 1000"),
        ("/bare", "exec env -i sleep 1001"),
        ("/forked", "setsid sleep 1002 & exec sleep 1000"),
    ] {
        let app = json!({"id": id, "cmd": cmd, "cpus": 0.1, "mem": 16});
        let made = http
            .post(format!("{url}/v2/apps"))
            .json(&app)
            .send()
            .await
            .unwrap();
        assert_eq!(made.status(), 201);
    }
    let mut before = Vec::new();
    for (id, url) in ["plain", "bare", "forked"].map(|id| (id, url.clone())) {
        before.push(running(&http, &url, id, 1).await);
    }
    let recorded = std::fs::read_dir(dir.path().join("marathon/running")).unwrap();
    let groups: Vec<String> = recorded
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .map(|text| text.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(groups.len(), 3, "{groups:?}");
    let strays = || processes_of(&dir.path().join("marathon"));
    let old = strays();
    first.kill().await.unwrap();

    let (mut second, url) = program(dir.path()).await;
    for group in &groups {
        let alive = std::fs::read_to_string(format!("/proc/{group}/stat"));
        let dead = alive.map_or(true, |stat| {
            stat.rsplit(')').next().unwrap().starts_with(" Z")
        });
        assert!(dead, "{group} is still there");
    }
    let now = strays();
    assert!(old.iter().all(|pid| !now.contains(pid)), "{old:?} {now:?}");
    for (id, before) in ["plain", "bare", "forked"].into_iter().zip(before) {
        // the same instance, its next attempt
        let again = running(&http, &url, id, 2).await;
        assert_eq!(again, before.replace("._app.1", "._app.2"));
    }
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(second.id().unwrap().try_into().unwrap()),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    assert!(second.wait().await.unwrap().success());
    assert_eq!(strays(), Vec::<String>::new());
}

/// The id of the app's running task, of that attempt.
async fn running(http: &reqwest::Client, url: &str, app: &str, attempt: u32) -> String {
    until("it runs", async || {
        let answer = http.get(format!("{url}/v2/apps/{app}")).send().await;
        let app: Value = answer.unwrap().json().await.unwrap();
        let task = &app["app"]["tasks"][0];
        let id = task["id"].as_str().unwrap_or_default();
        if task["state"] == "TASK_RUNNING" && id.ends_with(&format!("._app.{attempt}")) {
            return Ok(id.to_owned());
        }
        Err(format!("{app:#}"))
    })
    .await
}

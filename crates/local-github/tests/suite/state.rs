//! What the local GitHub keeps in its folder: for one at a time, whole after every end, and answered only when it is there.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use local_github::{LocalGithub, Options, Pace, ensure_unused};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use test_kit::git::git_output;
use test_kit::github::{Bench, Receiver, open};
use test_kit::http::client;
use test_kit::wait::until;

/// What is in its folder.
trait Kept: Sized {
    fn file(&self, name: &str) -> PathBuf;
    fn text(&self, name: &str) -> String;
    fn journal(&self) -> Vec<u64>;
    async fn ids(&self, hook: u64) -> Vec<u64>;
    async fn ping(&self, hook: u64);
    async fn written(&self, ids: &[u64]);
    async fn restart(self, meanwhile: impl FnOnce(PathBuf)) -> Self;
}

impl Kept for Bench {
    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("github").join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap()
    }

    /// The ids of the deliveries in the file.
    fn journal(&self) -> Vec<u64> {
        let text = self.text("deliveries.jsonl");
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| line["id"].as_u64().unwrap()).collect()
    }

    /// The ids of the deliveries of a hook, oldest first.
    async fn ids(&self, hook: u64) -> Vec<u64> {
        let path = format!("hooks/{hook}/deliveries?per_page=100");
        let all = self.get(&path).await.json();
        let all = all.as_array().unwrap().iter().rev();
        all.map(|delivery| delivery["id"].as_u64().unwrap())
            .collect()
    }

    async fn ping(&self, hook: u64) {
        let path = format!("hooks/{hook}/pings");
        assert_eq!(
            self.call(Method::POST, &path, Value::Null).await.status,
            204
        );
        self.github.settle().await;
    }

    async fn written(&self, ids: &[u64]) {
        until("the deliveries are written", async || {
            let there = self.journal();
            if there == ids {
                Ok(())
            } else {
                Err(format!("{there:?}, not {ids:?}"))
            }
        })
        .await;
    }

    /// Ends it, lets something happen to its folder, and begins it again.
    async fn restart(self, meanwhile: impl FnOnce(PathBuf)) -> Self {
        let Self {
            github, dir, id, ..
        } = self;
        github.stop().await;
        meanwhile(dir.path().join("github"));
        let github = open(dir.path(), Pace::default()).await;
        let http = client();
        Self {
            github,
            dir,
            http,
            id,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_for_one_local_github_at_a_time() {
    let bench = Bench::new().await;
    let dir = bench.dir.path().join("github");
    let options = Options {
        dir: dir.clone(),
        tokens: Vec::new(),
        pace: Pace::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = LocalGithub::start(listener, options).await.unwrap_err();
    let sentence = format!(
        "another local GitHub uses {}",
        dir.canonicalize().unwrap().display()
    );
    assert_eq!(format!("{refused:#}"), sentence);
    assert_eq!(ensure_unused(&dir).unwrap_err().to_string(), sentence);
    let first = bench.get("/repos/acme/shop").await;
    assert_eq!(first.status, 200, "it goes on");

    // given back by a stop, and where there was none
    bench.github.stop().await;
    let again = open(bench.dir.path(), Pace::default()).await;
    drop(again);
    let last = open(bench.dir.path(), Pace::default()).await;
    last.stop().await;
    ensure_unused(&dir).unwrap();
}

/// Nothing can be saved as long as it stands where a new state is written.
struct Blockade(PathBuf);

impl Blockade {
    fn new(bench: &Bench) -> Self {
        let path = bench.file("state.json.new");
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn end(self) {
        std::fs::remove_dir(self.0).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_saved_is_not_answered_as_done_and_is_saved_later() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    let hook = bench.hook(&receiver).await;
    let clone = bench.clone();
    let head = clone.commit("a", "a");
    clone.push();
    bench.github.settle().await;
    receiver.take();

    let blockade = Blockade::new(&bench);
    let other = json!({"config": {"url": "http://127.0.0.1:9/later"}});
    let branch = json!({"ref": "refs/heads/dev", "sha": head});
    let file = json!({"message": "b", "content": "Yg=="});
    let status = json!({"state": "success"});
    let calls = [
        (Method::POST, "hooks".to_owned(), other),
        (
            Method::PATCH,
            format!("hooks/{hook}/config"),
            json!({"content_type": "form"}),
        ),
        (Method::POST, "git/refs".to_owned(), branch.clone()),
        (Method::PUT, "contents/b".to_owned(), file),
        (Method::POST, format!("statuses/{head}"), status),
        (
            Method::POST,
            "/user/repos".to_owned(),
            json!({"name": "later"}),
        ),
    ];
    for (method, path, body) in calls {
        let reply = bench.call(method, &path, body).await;
        assert_eq!(reply.status, 500, "{path}: {}", reply.text);
        let said = reply.json();
        assert_eq!(
            (&said["message"], &said["status"]),
            (&json!("Server Error"), &json!("500")),
            "{path}"
        );
    }
    for _ in 0..2 {
        let made = bench.github.create_repository("acme", "tools", "main");
        let error = format!("{:#}", made.await.unwrap_err());
        assert!(error.contains("the state cannot be saved"), "{error}");
    }
    bench.github.settle().await;
    assert_eq!(receiver.take().len(), 0, "no ref has moved");
    let branches = bench.get("branches").await.json();
    assert_eq!(branches.as_array().unwrap().len(), 1);
    assert_eq!(branches[0]["commit"]["sha"], head);

    blockade.end();
    // without being asked
    until("it is saved", async || {
        let state = bench.text("state.json");
        let all = ["/later", "\"tools\"", "\"success\""];
        let there = all.iter().all(|word| state.contains(word));
        there.then_some(()).ok_or(state)
    })
    .await;
    let made = bench.call(Method::POST, "git/refs", branch).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_cannot_be_saved_fails_moves_nothing_and_works_when_it_can() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    bench.hook(&receiver).await;
    let clone = bench.clone();
    let first = clone.commit("a", "1");
    clone.push();
    bench.github.settle().await;
    receiver.take();

    let blockade = Blockade::new(&bench);
    let second = clone.commit("a", "2");
    let push = || git_output(&clone.path, &["push", "origin", "HEAD"]);
    for _ in 0..2 {
        let failed = push();
        let said = String::from_utf8_lossy(&failed.stderr);
        assert!(!failed.status.success() && said.contains("500"), "{said}");
    }
    bench.github.settle().await;
    assert_eq!(receiver.take().len(), 0);
    let head = bench.get("git/ref/heads/main").await.json();
    assert_eq!(head["object"]["sha"], first);

    blockade.end();
    until("a push works", async || {
        let pushed = push();
        let said = String::from_utf8_lossy(&pushed.stderr).into_owned();
        pushed.status.success().then_some(()).ok_or(said)
    })
    .await;
    bench.github.settle().await;
    let events = receiver.take();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].json()["after"], second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_cannot_be_saved_when_it_has_happened_is_told_to_the_hooks_and_not_said_to_be_done()
 {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    bench.hook(&receiver).await;
    let clone = bench.clone();
    let head = clone.commit("a", "1");
    // git runs it when the refs have moved
    let hooks = bench.file("acme/shop.git/hooks");
    std::fs::create_dir(&hooks).unwrap();
    let script = hooks.join("post-receive");
    let blocked = bench.file("state.json.new");
    std::fs::write(
        &script,
        format!("#!/bin/sh\nmkdir '{}'\n", blocked.display()),
    )
    .unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    for _ in 0..2 {
        // the second time there is nothing to push
        let failed = git_output(&clone.path, &["push", "origin", "HEAD"]);
        let said = String::from_utf8_lossy(&failed.stderr);
        assert!(!failed.status.success() && said.contains("500"), "{said}");
    }
    let moved = bench.get("git/ref/heads/main").await.json();
    assert_eq!(moved["object"]["sha"], head);
    bench.github.settle().await;
    let events = receiver.take();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].json()["after"], head);

    Blockade(blocked).end();
    let pushed = git_output(&clone.path, &["push", "origin", "HEAD"]);
    let said = String::from_utf8_lossy(&pushed.stderr);
    assert!(said.contains("Everything up-to-date"), "{said}");
    assert!(bench.text("acme/shop.git/last-push.json").contains(&head));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_added_to_a_file_and_nothing_else_is_written() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    let hook = bench.hook(&receiver).await;
    let clone = bench.clone();
    clone.commit("a", "a");
    clone.push();
    bench.github.settle().await;
    bench.written(&bench.ids(hook).await).await;
    let state = std::fs::metadata(bench.file("state.json")).unwrap();
    let file = std::fs::metadata(bench.file("deliveries.jsonl")).unwrap();
    for _ in 0..5 {
        bench.ping(hook).await;
    }
    let ids = bench.ids(hook).await;
    assert_eq!(ids.len(), 7);
    bench.written(&ids).await;
    for (name, before) in [("state.json", state), ("deliveries.jsonl", file)] {
        let after = std::fs::metadata(bench.file(name)).unwrap();
        // each time the whole is written it is a new file
        assert_eq!(after.ino(), before.ino(), "{name}");
        assert_eq!(after.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let state = bench.text("state.json");
    assert!(!state.contains("zen") && !state.contains("head_commit"));

    let hooks = bench.get("hooks").await.json();
    let bench = bench.restart(|_| ()).await;
    assert_eq!(bench.ids(hook).await, ids);
    assert_eq!(
        bench.get("hooks").await.json()[0]["last_response"],
        hooks[0]["last_response"]
    );
    receiver.take();
    let tests = format!("hooks/{hook}/tests");
    assert_eq!(
        bench.call(Method::POST, &tests, Value::Null).await.status,
        204
    );
    bench.github.settle().await;
    assert_eq!(receiver.take()[0].json()["ref"], "refs/heads/main");
    assert!(bench.ids(hook).await[7] > ids[6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_deliveries_the_youngest_are_kept_in_the_file_too() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    let hook = bench.hook(&receiver).await;
    let first = bench.ids(hook).await[0];
    let bench = bench
        .restart(|folder| {
            let path = folder.join("deliveries.jsonl");
            let line = std::fs::read_to_string(&path).unwrap();
            let mut line: Value = serde_json::from_str(&line).unwrap();
            let lines = (first..first + 1200).map(|id| {
                line["id"] = id.into();
                format!("{line}\n")
            });
            std::fs::write(path, lines.collect::<String>()).unwrap();
        })
        .await;
    let kept: Vec<u64> = (first + 700..first + 1200).collect();
    assert_eq!(bench.journal(), kept);
    let newest = bench.ids(hook).await;
    assert_eq!(newest, kept[400..]);
    bench.ping(hook).await;
    bench
        .written(&(first + 700..=first + 1200).collect::<Vec<u64>>())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_a_kill_cut_off_is_passed_over() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    let hook = bench.hook(&receiver).await;
    bench.ping(hook).await;
    let ids = bench.ids(hook).await;
    let bench = bench
        .restart(|folder| {
            let path = folder.join("deliveries.jsonl");
            let mut text = std::fs::read(&path).unwrap();
            let half = text[..text.len() / 3].to_vec();
            text.extend(half);
            std::fs::write(path, text).unwrap();
        })
        .await;
    assert_eq!(bench.ids(hook).await, ids);
    bench.ping(hook).await;
    let ids = bench.ids(hook).await;
    assert_eq!(ids.len(), 3);
    let bench = bench.restart(|_| ()).await;
    assert_eq!(bench.ids(hook).await, ids, "what came after it is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folder_of_an_earlier_release_is_opened_with_its_deliveries_and_its_newest_push() {
    let bench = Bench::new().await;
    let receiver = Receiver::new().await;
    let hook = bench.hook(&receiver).await;
    let clone = bench.clone();
    clone.commit("a", "a");
    clone.push();
    bench.github.settle().await;
    let path = format!("hooks/{hook}/deliveries");
    let before = bench.get(&path).await.json();
    let bench = bench
        .restart(|folder| {
            // as it was written then: everything in one file
            let file = |name: &str| folder.join(name);
            let text = std::fs::read_to_string(file("state.json")).unwrap();
            let mut state: Value = serde_json::from_str(&text).unwrap();
            let lines = std::fs::read_to_string(file("deliveries.jsonl")).unwrap();
            let all = lines
                .lines()
                .map(|line| serde_json::from_str(line).unwrap());
            state["deliveries"] = all.collect::<Vec<Value>>().into();
            let push = file("acme/shop.git/last-push.json");
            state["repositories"][0]["last_push"] = std::fs::read_to_string(&push).unwrap().into();
            std::fs::write(file("state.json"), state.to_string()).unwrap();
            std::fs::remove_file(file("deliveries.jsonl")).unwrap();
            std::fs::remove_file(push).unwrap();
        })
        .await;
    assert_eq!(bench.get(&path).await.json(), before);
    assert!(!bench.text("state.json").contains("deliveries"));
    // and once more from what was made of it
    let bench = bench.restart(|_| ()).await;
    assert_eq!(bench.get(&path).await.json(), before);
    receiver.take();
    let tests = format!("hooks/{hook}/tests");
    bench.call(Method::POST, &tests, Value::Null).await;
    bench.github.settle().await;
    assert_eq!(receiver.take()[0].json()["ref"], "refs/heads/main");
}

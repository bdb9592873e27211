//! Tasks as processes: what they find, what they write, how they end, and that nothing of them is left.

use std::path::Path;

use serde_json::{Value, json};

use test_kit::marathon::{Marathon, checked, healthy, processes_of, quick, tasks};
use test_kit::wait::until;

async fn first_task(marathon: &Marathon, app: &str) -> String {
    let app = marathon.get(&format!("/v2/apps{app}")).await;
    tasks(&app)[0]["id"].as_str().unwrap().to_owned()
}

async fn log(marathon: &Marathon, task: &str, name: &str, holds: &str) -> String {
    let path = format!("/local/tasks/{task}/{name}");
    let has = |log: &Value| log.as_str().is_some_and(|log| log.contains(holds));
    let log = marathon.until(holds, &path, has).await;
    log.as_str().unwrap().to_owned()
}

/// Asks again and again until no process of a task is left.
async fn nothing_left(dir: &Path) {
    until("all are gone", async || match processes_of(dir) {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?}")),
    })
    .await;
}

async fn failure(marathon: &Marathon, app: &str) -> String {
    let path = format!("/v2/apps{app}");
    let failed = |app: &Value| app["app"]["lastTaskFailure"].is_object();
    let app = marathon.until("failed", &path, failed).await;
    let message = &app["app"]["lastTaskFailure"]["message"];
    message.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn children_end_with_their_task_wherever_they_went() {
    let marathon = Marathon::start().await;
    // one in the group, one that ignores SIGTERM, one in a session of its own, one whose parent is gone
    let cmd = "sleep 1000 & (trap '' TERM; sleep 1000) & setsid sleep 1000 & (setsid sh -c 'sleep 1000 & sleep 1000' &) ; \
               echo all; exec sleep 1000";
    marathon.deployed(json!({"id": "/fork", "cmd": cmd})).await;
    let task = first_task(&marathon, "/fork").await;
    log(&marathon, &task, "stdout", "all").await;
    assert!(processes_of(marathon.dir.path()).len() >= 5);
    marathon.ok("DELETE", "/v2/apps/fork", Value::Null).await;
    marathon.idle().await;
    nothing_left(marathon.dir.path()).await;
    // the same where the task ends by itself
    let cmd = "setsid sleep 1000 & echo off; exit 3";
    let app =
        json!({"id": "/off", "cmd": cmd, "backoffSeconds": 1000, "maxLaunchDelaySeconds": 1000});
    marathon.ok("POST", "/v2/apps", app).await;
    assert_eq!(
        failure(&marathon, "/off").await,
        "Command exited with status 3"
    );
    nothing_left(marathon.dir.path()).await;
    marathon.stop().await;
}

#[tokio::test]
async fn sigterm_comes_first_and_sigkill_after_the_grace_period() {
    let marathon = Marathon::start().await;
    let polite = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done";
    let deaf = "trap '' TERM; echo up; while :; do sleep 0.01; done";
    let stopped = "echo up; kill -STOP $$; sleep 1000";
    for (id, cmd) in [("/polite", polite), ("/deaf", deaf), ("/stopped", stopped)] {
        // two seconds, which here take 80 ms
        let app = json!({"id": id, "cmd": cmd, "taskKillGracePeriodSeconds": 2});
        marathon.deployed(app).await;
        let task = first_task(&marathon, id).await;
        log(&marathon, &task, "stdout", "up").await;
        marathon
            .ok("DELETE", &format!("/v2/apps{id}"), Value::Null)
            .await;
        marathon.idle().await;
        nothing_left(marathon.dir.path()).await;
        if id == "/polite" {
            log(&marathon, &task, "stdout", "bye").await;
        }
    }
    marathon.stop().await;
}

#[tokio::test]
async fn what_a_shell_runs_may_finish_its_work_after_the_shell_is_dead() {
    let marathon = Marathon::start().await;
    // the outer shell dies of SIGTERM at once, the inner one takes its time
    let cmd = r#"sh -c 'trap "sleep 0.1; echo finished; exit 0" TERM; echo up; while :; do sleep 0.01; done'; true"#;
    let app = json!({"id": "/shell", "cmd": cmd, "taskKillGracePeriodSeconds": 250});
    marathon.deployed(app).await;
    let task = first_task(&marathon, "/shell").await;
    log(&marathon, &task, "stdout", "up").await;
    marathon.ok("DELETE", "/v2/apps/shell", Value::Null).await;
    marathon.idle().await;
    let path = format!("/local/tasks/{task}/stdout");
    assert_eq!(marathon.get(&path).await, "up\nfinished\n");
    marathon.stop().await;
}

#[tokio::test]
async fn a_task_that_closes_its_output_goes_on_and_one_that_floods_it_is_bounded() {
    let marathon = Marathon::start().await;
    let closed = "exec >&- 2>&-; sleep 0.05; touch ok; exec sleep 1000";
    marathon
        .deployed(checked("/closed", closed, 1, (1.0, 1.0)))
        .await;
    assert_eq!(healthy(&marathon.get("/v2/apps/closed").await), 1);
    // 40 MiB, then a last word
    let flood = "head -c 41943040 /dev/zero | tr '\\0' x; echo; echo the end; exec sleep 1000";
    marathon
        .deployed(json!({"id": "/flood", "cmd": flood}))
        .await;
    let task = first_task(&marathon, "/flood").await;
    let kept = log(&marathon, &task, "stdout", "the end").await;
    assert!(
        kept.len() > 1_000_000 && kept.len() < 6_000_000,
        "{}",
        kept.len()
    );
    let sandbox = marathon.dir.path().join("sandboxes").join(&task);
    let sizes = std::fs::read_dir(sandbox).unwrap().flatten();
    let size: u64 = sizes.map(|file| file.metadata().unwrap().len()).sum();
    assert!(size < 6_000_000, "{size}");
    marathon.stop().await;
}

#[tokio::test]
async fn a_task_that_ends_at_once_a_hundred_times_leaves_a_bounded_heap() {
    let marathon = Marathon::start().await;
    let app = json!({
        "id": "/brief", "cmd": "echo $MESOS_TASK_ID; exit 1",
        "backoffSeconds": 0, "backoffFactor": 1, "maxLaunchDelaySeconds": 0,
    });
    marathon.ok("POST", "/v2/apps", app).await;
    let hundredth = |app: &Value| {
        let id = app["app"]["tasks"][0]["id"].as_str().unwrap_or_default();
        id.rsplit('.')
            .next()
            .is_some_and(|n| n.parse::<u32>().is_ok_and(|n| n > 100))
    };
    marathon
        .until("a hundred attempts", "/v2/apps/brief", hundredth)
        .await;
    marathon
        .ok("PUT", "/v2/apps/brief?force=true", json!({"instances": 0}))
        .await;
    marathon.idle().await;
    let sandboxes = std::fs::read_dir(marathon.dir.path().join("sandboxes")).unwrap();
    assert!(
        sandboxes.count() <= 12,
        "the newest ten, and what began meanwhile"
    );
    assert_eq!(marathon.get("/v2/queue").await["queue"], json!([]));
    nothing_left(marathon.dir.path()).await;
    marathon.stop().await;
}

#[tokio::test]
async fn files_of_this_machine_are_fetched_and_nothing_else_is() {
    let marathon = Marathon::start().await;
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("say hello.sh");
    std::fs::write(&file, "#!/bin/sh\necho hello from a file\n").unwrap();
    std::fs::create_dir(files.path().join("inner")).unwrap();
    std::fs::write(files.path().join("inner/packed"), "packed\n").unwrap();
    let tar = std::process::Command::new("tar")
        .args(["-czf", "a.tar.gz", "inner/packed"])
        .current_dir(files.path())
        .status();
    assert!(tar.unwrap().success());
    let uri = |name: &str| {
        reqwest::Url::from_file_path(files.path().join(name))
            .unwrap()
            .to_string()
    };
    marathon
        .deployed(json!({
            "id": "/fetch", "cmd": "./'say hello.sh'; cat inner/packed; ls; exec sleep 1000",
            "fetch": [{"uri": uri("say hello.sh"), "executable": true}, {"uri": uri("a.tar.gz")}],
        }))
        .await;
    let task = first_task(&marathon, "/fetch").await;
    let said = log(&marathon, &task, "stdout", "say hello.sh\n").await;
    assert!(
        said.contains("hello from a file\n") && said.contains("packed\n"),
        "{said}"
    );
    std::fs::File::create(files.path().join("endless"))
        .and_then(|file| file.set_len(2 << 30))
        .unwrap();
    for (id, uri, why) in [
        ("/endless", uri("endless"), "longer than 1024 MiB"),
        (
            "/far",
            "https://example.com/x.tgz".to_owned(),
            "fetches only files of this machine",
        ),
        (
            "/odd",
            "hdfs://namenode/x".to_owned(),
            "fetches only files of this machine",
        ),
        ("/gone", uri("nothing"), "No such file"),
        (
            "/shut",
            "http://127.0.0.1:1/x".to_owned(),
            "Connection refused",
        ),
        (
            "/damaged",
            uri("say hello.sh").replace("say%20hello.sh", "b.tgz"),
            "tar: ",
        ),
    ] {
        std::fs::write(files.path().join("b.tgz"), "no archive").unwrap();
        let app =
            json!({"id": id, "cmd": "sleep 1000", "backoffSeconds": 1000, "fetch": [{"uri": uri}]});
        marathon.ok("POST", "/v2/apps", app).await;
        let message = failure(&marathon, id).await;
        assert!(message.contains(&uri) && message.contains(why), "{message}");
    }
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_file_of_the_local_github_is_fetched() {
    let bench = test_kit::github::Bench::new().await;
    let clone = bench.clone();
    clone.commit("app.conf", "colour = teal\n");
    clone.push();
    let marathon = Marathon::start().await;
    let contents = bench.get("/repos/acme/shop/contents/app.conf").await.json();
    let uri = contents["download_url"].as_str().unwrap();
    let cmd = "cat app.conf; exec sleep 1000";
    marathon
        .deployed(json!({"id": "/raw", "cmd": cmd, "fetch": [{"uri": uri}]}))
        .await;
    let task = first_task(&marathon, "/raw").await;
    log(&marathon, &task, "stdout", "colour = teal\n").await;
    marathon.stop().await;
}

#[tokio::test]
async fn tasks_crash_on_demand() {
    let marathon = Marathon::start().await;
    marathon
        .ok("POST", "/local/faults", json!({"crash": 2}))
        .await;
    marathon
        .ok("POST", "/v2/apps", json!({"id": "/c", "cmd": "sleep 1000"}))
        .await;
    assert_eq!(
        failure(&marathon, "/c").await,
        "Command terminated with signal Killed"
    );
    let third = |app: &Value| {
        let task = &app["app"]["tasks"][0];
        task["state"] == "TASK_RUNNING"
            && task["id"]
                .as_str()
                .is_some_and(|id| id.ends_with("._app.3"))
    };
    marathon.until("the third", "/v2/apps/c", third).await;
    assert_eq!(marathon.get("/local/faults").await["crash"], 0);
    marathon.stop().await;
}

#[tokio::test]
async fn what_was_answered_survives_a_sigkill() {
    let marathon = Marathon::start().await;
    let mut wanted = Vec::new();
    for number in 0..20 {
        let id = format!("/s{number}");
        marathon
            .ok(
                "POST",
                "/v2/apps",
                json!({"id": id, "cmd": "sleep 1000", "instances": 0}),
            )
            .await;
        wanted.push(json!(id));
        // a second server on a copy of the files is what a crash at this moment would leave
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(
            marathon.dir.path().join("state.json"),
            copy.path().join("state.json"),
        )
        .unwrap();
        let other = Marathon::start_in(copy, quick()).await;
        let apps = other.get("/v2/apps").await;
        let ids: Vec<&Value> = apps["apps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|app| &app["id"])
            .collect();
        assert!(wanted.iter().all(|id| ids.contains(&id)), "{ids:?}");
        other.stop().await;
    }
    marathon.stop().await;
}

#[tokio::test]
async fn what_is_fetched_stays_in_the_sandbox() {
    let marathon = Marathon::start().await;
    let files = tempfile::tempdir().unwrap();
    let outside = files.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, files.path().join("link")).unwrap();
    std::os::unix::fs::symlink(outside.join("file"), files.path().join("evil")).unwrap();
    let tar = std::process::Command::new("tar")
        .args(["-cf", "links.tar", "link", "evil"])
        .current_dir(files.path())
        .status();
    assert!(tar.unwrap().success());
    std::fs::remove_file(files.path().join("evil")).unwrap();
    std::fs::write(files.path().join("evil"), "evil").unwrap();
    let uri = |name: &str| format!("file://{}", files.path().join(name).display());
    for (id, dest) in [("/link", "link/in"), ("/up", "../up"), ("/top", "/tmp/top")] {
        let fetch = json!([{"uri": uri("links.tar")}, {"uri": uri("evil"), "destPath": dest}]);
        let app = json!({"id": id, "cmd": "sleep 1000", "backoffSeconds": 1000, "fetch": fetch});
        marathon.ok("POST", "/v2/apps", app).await;
        let message = failure(&marathon, id).await;
        assert!(message.contains("leads out of the sandbox"), "{message}");
        marathon
            .ok("DELETE", &format!("/v2/apps{id}"), Value::Null)
            .await;
    }
    // in place of the link, not through it
    let fetch = json!([{"uri": uri("links.tar")}, {"uri": uri("evil")}, {"uri": uri("evil"), "destPath": "deep/down"}]);
    let cmd = "cat evil deep/down; exec sleep 1000";
    marathon
        .deployed(json!({"id": "/ok", "cmd": cmd, "fetch": fetch}))
        .await;
    let task = first_task(&marathon, "/ok").await;
    log(&marathon, &task, "stdout", "evilevil").await;
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    let shown = marathon.get("/v2/apps/ok").await["app"]["fetch"][2]["destPath"].clone();
    assert_eq!(shown, "deep/down");
    marathon.stop().await;
}

#[tokio::test]
async fn a_log_that_is_no_file_any_more_holds_nobody_up() {
    let marathon = Marathon::start().await;
    let cmd =
        "rm stdout stderr; mkfifo stdout; ln -s /dev/zero stderr; touch done; exec sleep 1000";
    marathon.deployed(json!({"id": "/odd", "cmd": cmd})).await;
    let task = first_task(&marathon, "/odd").await;
    let done = marathon
        .dir
        .path()
        .join("sandboxes")
        .join(&task)
        .join("done");
    until("the logs are replaced", async || {
        done.exists().then_some(()).ok_or_else(String::new)
    })
    .await;
    for name in ["stdout", "stderr"] {
        let path = format!("/local/tasks/{task}/{name}");
        assert_eq!(marathon.call("GET", &path, Value::Null).await.status, 404);
    }
    marathon.stop().await;
}

#[tokio::test]
async fn a_change_that_cannot_be_saved_is_not_answered_as_done() {
    let marathon = Marathon::start().await;
    let blocked = marathon.dir.path().join("state.json.new");
    std::fs::create_dir(&blocked).unwrap();
    let app = json!({"id": "/s", "cmd": "sleep 1000", "instances": 0});
    let reply = marathon.call("POST", "/v2/apps", app).await;
    assert_eq!(reply.status, 500);
    let message = reply.body["message"].as_str().unwrap();
    assert!(
        message.starts_with("The change is made, but cannot be saved: "),
        "{message}"
    );
    std::fs::remove_dir(&blocked).unwrap();
    // it is tried again without being asked
    let file = marathon.dir.path().join("state.json");
    until("it is saved", async || {
        match std::fs::read_to_string(&file) {
            Ok(state) if state.contains("\"/s\"") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    marathon.stop().await;
}

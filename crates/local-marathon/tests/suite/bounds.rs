//! What a slip of the finger, a hung check or a bad archive must not take: memory, processes, disk.

use std::path::Path;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use test_kit::marathon::{Marathon, Reply, processes_of, quick};
use test_kit::ports::Ports;
use test_kit::wait::until;

async fn without_offers() -> Marathon {
    let marathon = Marathon::start().await;
    let fault = json!({"no_offers": true});
    marathon.ok("POST", "/local/faults", fault).await;
    marathon
}

fn app(id: &str, instances: u64) -> Value {
    json!({"id": id, "cmd": "sleep 1000", "instances": instances})
}

/// That an answer refuses the number of instances, as something of the local Marathon alone.
fn is_refused(what: &str, reply: &Reply, why: &str) {
    assert_eq!(reply.status, 422, "{what}: {reply:?}");
    assert_eq!(reply.body["message"], "Object is not valid", "{what}");
    assert_eq!(reply.body["details"][0]["path"], "/instances", "{what}");
    let error = reply.body["details"][0]["errors"][0].as_str().unwrap();
    assert!(
        error.starts_with("The local Marathon runs at most ") && error.contains(why),
        "{what}: {error}"
    );
}

#[tokio::test]
async fn more_instances_than_a_machine_bears_are_refused_however_they_are_asked_for() {
    let marathon = without_offers().await;
    marathon.ok("POST", "/v2/apps", app("/g/a", 600)).await;
    let before = marathon.get("/v2/groups").await;
    for count in [1_001, 2_147_483_647] {
        for (method, path, body) in [
            ("POST", "/v2/apps", app("/b", count)),
            ("PUT", "/v2/apps/b", app("/b", count)),
            ("PUT", "/v2/apps/b?partialUpdate=false", app("/b", count)),
            (
                "PUT",
                "/v2/apps/g/a?force=true",
                json!({"instances": count}),
            ),
            (
                "PATCH",
                "/v2/apps/g/a?force=true",
                json!({"instances": count}),
            ),
            ("PUT", "/v2/apps", json!([app("/b", 1), app("/c", count)])),
            (
                "POST",
                "/v2/groups",
                json!({"id": "/h", "apps": [app("b", count)]}),
            ),
            ("PUT", "/v2/groups/h", json!({"apps": [app("b", count)]})),
            (
                "PUT",
                "/v2/groups/h?dryRun=true",
                json!({"apps": [app("b", count)]}),
            ),
        ] {
            let reply = marathon.call(method, path, body).await;
            is_refused(
                &format!("{method} {path}"),
                &reply,
                "1000 instances of an app",
            );
        }
    }
    for factor in ["2", "1e9", "1e300"] {
        let body: Value = serde_json::from_str(&format!("{{\"scaleBy\": {factor}}}")).unwrap();
        let reply = marathon.call("PUT", "/v2/groups/g?force=true", body).await;
        is_refused(&format!("scaleBy {factor}"), &reply, "/g/a asks for");
    }
    let reply = marathon
        .call("PUT", "/v2/groups/g", json!({"scaleBy": -1}))
        .await;
    assert_eq!(reply.body["details"][0]["errors"], json!(["error.min"]));
    assert_eq!(marathon.get("/v2/groups").await, before);
    marathon.stop().await;
}

#[tokio::test]
async fn all_apps_together_have_a_bounded_number_of_instances() {
    let marathon = without_offers().await;
    let ten: Vec<Value> = (0..10)
        .map(|n| app(&format!("/most/a{n}"), 1_000))
        .collect();
    marathon.ok("PUT", "/v2/apps", json!(ten)).await;
    let reply = marathon.call("POST", "/v2/apps", app("/more", 1)).await;
    is_refused("one more", &reply, "10000 instances of all apps together");
    marathon
        .ok("DELETE", "/v2/groups/most?force=true", Value::Null)
        .await;
    marathon.ok("POST", "/v2/apps", app("/more", 1)).await;
    marathon.stop().await;
}

/// Changes the number of instances from one to another in the saved state.
fn tamper(dir: &Path, from: u64, to: u64) {
    let file = dir.join("state.json");
    let state = std::fs::read_to_string(&file).unwrap();
    let [from, to] = [from, to].map(|count| format!("\"instances\":{count},"));
    assert!(state.contains(&from), "{state}");
    std::fs::write(&file, state.replace(&from, &to)).unwrap();
}

#[tokio::test]
async fn a_version_or_a_saved_state_with_too_many_instances_is_refused() {
    let mut marathon = without_offers().await;
    marathon.ok("POST", "/v2/apps", app("/a", 7)).await;
    let version = marathon.get("/v2/apps/a").await["app"]["version"].clone();
    let less = json!({"instances": 3});
    marathon.ok("PUT", "/v2/apps/a?force=true", less).await;
    marathon.server.take().unwrap().stop().await;
    tamper(marathon.dir.path(), 7, 1_001);
    let mut marathon = Marathon::start_in(marathon.dir, quick()).await;
    let back = json!({"version": version});
    let reply = marathon.call("PUT", "/v2/apps/a?force=true", back).await;
    is_refused("back to a version", &reply, "/a asks for 1001");
    marathon.server.take().unwrap().stop().await;
    tamper(marathon.dir.path(), 3, 1_002);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let options = local_marathon::Options {
        dir: marathon.dir.path().to_owned(),
        tools: None,
        pace: quick(),
        resources: Ports::take().resources(),
        credentials: None,
    };
    let started = local_marathon::LocalMarathon::start(listener, options).await;
    let error = format!("{:#}", started.err().unwrap());
    assert!(
        error.contains("state.json") && error.contains("/a asks for 1002"),
        "{error}"
    );
}

#[tokio::test]
async fn what_costs_by_its_length_is_bounded() {
    let marathon = without_offers().await;
    let check = |n: usize| json!({"protocol": "TCP", "portIndex": 0, "timeoutSeconds": n});
    let list = |length: usize| json!(vec![0; length]);
    let mapping = json!({"type": "MESOS", "portMappings": vec![json!({}); 1_001]});
    let network = json!([{"mode": "container/bridge"}]);
    let long = "a/".repeat(501);
    for (with, path, most) in [
        (json!({"ports": list(1_001)}), "/ports", "1000 elements"),
        (
            json!({"portDefinitions": vec![json!({}); 1_001]}),
            "/portDefinitions",
            "1000 elements",
        ),
        (
            json!({"container": mapping, "networks": network}),
            "/container/portMappings",
            "1000 elements",
        ),
        (
            json!({"healthChecks": (0..101).map(check).collect::<Vec<_>>()}),
            "/healthChecks",
            "100 elements",
        ),
        (json!({"id": long}), "/id", "1000 bytes"),
    ] {
        let mut body = app("/long", 1);
        body.as_object_mut()
            .unwrap()
            .extend(with.as_object().unwrap().clone());
        let reply = marathon.call("POST", "/v2/apps", body).await;
        let detail = &reply.body["details"][0];
        assert_eq!((reply.status, &detail["path"]), (422, &json!(path)));
        let error = detail["errors"][0].as_str().unwrap();
        assert!(
            error.starts_with("The local Marathon takes ") && error.contains(most),
            "{error}"
        );
    }
    let reply = marathon
        .call("PUT", &format!("/v2/groups/{long}"), json!({"apps": []}))
        .await;
    assert_eq!(reply.body["details"][0]["path"], "/id", "{reply:?}");
    // a delay that no clock can count
    let mut body = app("/slow", 1);
    body["healthChecks"] =
        json!([{"protocol": "MESOS_TCP", "portIndex": 0, "delaySeconds": 1e300}]);
    let reply = marathon.call("POST", "/v2/apps", body).await;
    let error =
        json!([{"path": "/healthChecks(0)/delaySeconds", "errors": ["error.expected.int"]}]);
    assert_eq!((reply.status, &reply.body["details"]), (422, &error));
    marathon.stop().await;
}

#[tokio::test]
async fn only_what_can_be_read_as_a_regular_expression_constrains() {
    let marathon = without_offers().await;
    for (form, status, error) in [
        ("local.*", 201, ""),
        ("[z-a]", 422, "is not a valid regular expression"),
        ("a{3,2}", 422, "is not a valid regular expression"),
        (
            "(?!x).*",
            422,
            "is not a regular expression that the local Marathon can read: look-around is not supported",
        ),
        (
            "a++",
            422,
            "is not a regular expression that the local Marathon can read: possessive repetitions are not supported",
        ),
    ] {
        for operator in ["LIKE", "UNLIKE"] {
            let mut body = app(&format!("/{}", operator.to_lowercase()), 0);
            body["constraints"] = json!([["hostname", operator, form]]);
            let reply = marathon.call("POST", "/v2/apps", body).await;
            assert_eq!(reply.status, status, "{form}: {reply:?}");
            if status == 422 {
                let details = json!([{"path": "/constraints", "errors": [error]}]);
                assert_eq!(reply.body["details"], details, "{form}");
            }
        }
    }
    marathon.stop().await;
}

/// An app that runs, with a command that is its health check.
fn watched(id: &str, check: &str, timeout: u64) -> Value {
    json!({
        "id": id, "cmd": "trap '' TERM; while :; do sleep 0.05; done", "cpus": 0.01, "mem": 1,
        "taskKillGracePeriodSeconds": 100_000,
        "healthChecks": [{
            "protocol": "COMMAND", "command": {"value": check}, "intervalSeconds": 1, "delaySeconds": 0,
            "gracePeriodSeconds": 100_000, "timeoutSeconds": timeout, "maxConsecutiveFailures": 0,
        }],
    })
}

/// Waits until a file in the sandbox of an app's only task has so many lines.
async fn lines(marathon: &Marathon, app: &str, file: &str, count: usize) -> usize {
    let sandboxes = marathon.dir.path().join("sandboxes");
    until(&format!("{count} lines in {file}"), async || {
        let folders = std::fs::read_dir(&sandboxes).map_err(|error| error.to_string())?;
        let own = folders
            .flatten()
            .find(|folder| folder.file_name().to_string_lossy().starts_with(app));
        let text = own.map(|folder| std::fs::read_to_string(folder.path().join(file)));
        match text {
            Some(Ok(text)) if text.lines().count() >= count => Ok(text.lines().count()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

/// How many processes below `dir` run this command.
fn running(dir: &Path, words: &str) -> usize {
    let is = |pid: &String| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ").trim() == words
    };
    processes_of(dir).iter().filter(|pid| is(pid)).count()
}

async fn none_runs(marathon: &Marathon, words: &str) {
    until("none runs", async || {
        match running(marathon.dir.path(), words) {
            0 => Ok(()),
            count => Err(count.to_string()),
        }
    })
    .await;
}

#[tokio::test]
async fn a_check_that_hangs_is_not_made_again_beside_itself() {
    let marathon = Marathon::start().await;
    let hung = "echo x >> looks; sleep 4001 & sleep 4001";
    marathon
        .ok("POST", "/v2/apps", watched("/hung", hung, 100_000))
        .await;
    marathon
        .ok("POST", "/v2/apps", watched("/brief", hung, 2))
        .await;
    marathon
        .ok(
            "POST",
            "/v2/apps",
            watched("/clock", "echo x >> ticks", 100),
        )
        .await;
    lines(&marathon, "hung", "looks", 1).await;
    let before = lines(&marathon, "clock", "ticks", 1).await;
    lines(&marathon, "clock", "ticks", before + 15).await;
    // one look hangs for good, others come to their timeout one after the other
    assert_eq!(lines(&marathon, "hung", "looks", 1).await, 1);
    lines(&marathon, "brief", "looks", 5).await;
    let count = running(marathon.dir.path(), "sleep 4001");
    assert!((2..=4).contains(&count), "{count}");
    marathon.stop().await;
}

#[tokio::test]
async fn a_check_ends_with_its_task_its_app_and_the_local_marathon() {
    let mut marathon = Marathon::start().await;
    let hung = "echo x >> looks; sleep 4002 & sleep 4002";
    marathon
        .ok("POST", "/v2/apps", watched("/hung", hung, 100_000))
        .await;
    lines(&marathon, "hung", "looks", 1).await;
    assert!(running(marathon.dir.path(), "sleep 4002") > 0);
    // the task takes its time to die
    let kill = "/v2/apps/hung/tasks";
    marathon.ok("DELETE", kill, Value::Null).await;
    none_runs(&marathon, "sleep 4002").await;
    assert_ne!(processes_of(marathon.dir.path()), Vec::<String>::new());
    marathon
        .ok("POST", "/v2/apps", watched("/gone", hung, 100_000))
        .await;
    lines(&marathon, "gone", "looks", 1).await;
    let delete = "/v2/apps/gone?force=true";
    marathon.ok("DELETE", delete, Value::Null).await;
    none_runs(&marathon, "sleep 4002").await;
    marathon
        .ok("POST", "/v2/apps", watched("/last", hung, 100_000))
        .await;
    lines(&marathon, "last", "looks", 1).await;
    marathon.server.take().unwrap().stop().await;
    assert_eq!(running(marathon.dir.path(), "sleep 4002"), 0);
    assert_eq!(processes_of(marathon.dir.path()), Vec::<String>::new());
}

/// A server on loopback that answers everything with these bytes, and keeps the connection open if it says there is more.
async fn served(head: &str, body: Vec<u8>, open: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let head = format!("HTTP/1.1 200 OK\r\n{head}Connection: close\r\n\r\n");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (head, body) = (head.clone(), body.clone());
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&body).await;
                if open {
                    // until the other end goes
                    let _ = stream.read(&mut request).await;
                }
            });
        }
    });
    port
}

fn fetching(id: &str, uri: &str) -> Value {
    json!({"id": id, "cmd": "sleep 1000", "backoffSeconds": 1000, "fetch": [{"uri": uri}]})
}

async fn no_sandbox_is_left(marathon: &Marathon) {
    let folder = marathon.dir.path().join("sandboxes");
    until("no sandbox is left", async || {
        let left: Vec<_> = std::fs::read_dir(&folder).unwrap().flatten().collect();
        left.is_empty().then_some(()).ok_or(format!("{left:?}"))
    })
    .await;
}

#[tokio::test]
async fn an_archive_with_a_hole_as_large_as_a_disk_is_not_unpacked() {
    let marathon = Marathon::start().await;
    let files = tempfile::tempdir().unwrap();
    std::fs::File::create(files.path().join("hole"))
        .and_then(|file| file.set_len(3 << 30))
        .unwrap();
    let tar = std::process::Command::new("tar")
        .args(["-cSf", "hole.tar", "hole"])
        .current_dir(files.path())
        .status();
    assert!(tar.unwrap().success());
    let bytes = std::fs::read(files.path().join("hole.tar")).unwrap();
    let port = served(
        &format!("Content-Length: {}\r\n", bytes.len()),
        bytes,
        false,
    )
    .await;
    let uri = format!("http://user:secret@127.0.0.1:{port}/hole.tar?token=secret");
    marathon
        .ok("POST", "/v2/apps", fetching("/hole", &uri))
        .await;
    let failed = |app: &Value| app["app"]["lastTaskFailure"].is_object();
    let app = marathon.until("failed", "/v2/apps/hole", failed).await;
    let wanted = format!(
        "Failed to extract 'http://127.0.0.1:{port}/hole.tar': it makes the sandbox larger than 2048 MiB, \
         which is the limit of the local Marathon"
    );
    assert_eq!(app["app"]["lastTaskFailure"]["message"], wanted);
    no_sandbox_is_left(&marathon).await;
    marathon.stop().await;
}

#[tokio::test]
async fn a_kill_ends_a_download_and_leaves_nothing_of_it() {
    let marathon = Marathon::start().await;
    let port = served("Content-Length: 1000\r\n", b"beginning".to_vec(), true).await;
    let uri = format!("http://127.0.0.1:{port}/endless");
    marathon.ok("POST", "/v2/apps", fetching("/d", &uri)).await;
    lines(&marathon, "d.", "endless", 1).await;
    let delete = "/v2/apps/d?force=true";
    marathon.ok("DELETE", delete, Value::Null).await;
    marathon.idle().await;
    no_sandbox_is_left(&marathon).await;
    marathon.stop().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_out_the_grace_of_a_task_that_is_being_killed() {
    let mut marathon = Marathon::start().await;
    marathon
        .ok("POST", "/v2/apps", watched("/deaf", "echo x >> looks", 100))
        .await;
    lines(&marathon, "deaf", "looks", 1).await;
    let kill = "/v2/apps/deaf/tasks";
    marathon.ok("DELETE", kill, Value::Null).await;
    // over an hour, if it were waited for
    let stopped = marathon.server.take().unwrap().stop();
    let stopped = tokio::time::timeout(std::time::Duration::from_secs(40), stopped).await;
    assert!(stopped.is_ok());
    assert_eq!(processes_of(marathon.dir.path()), Vec::<String>::new());
}

//! What a new leader knows and does: after a restart, and where one abdicates.

use axum::http::StatusCode;
use serde_json::{Value, json};

use test_kit::marathon::{GOOD, Marathon, checked, process_of, tasks};
use test_kit::wait::{ended, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::driven::Driven;

/// Three instances that are never killed for their health.
fn web(cmd: &str, strategy: (f64, f64)) -> Value {
    json!({
        "id": "/web", "cmd": cmd, "instances": 3, "cpus": 0.1, "mem": 16,
        "upgradeStrategy": { "minimumHealthCapacity": strategy.0, "maximumOverCapacity": strategy.1 },
        "healthChecks": [{"protocol": "HTTP", "path": "/", "gracePeriodSeconds": 5, "intervalSeconds": 1, "maxConsecutiveFailures": 0}],
    })
}

impl Driven {
    async fn put(&self, app: Value) -> String {
        let path = format!("/v2/apps{}", app["id"].as_str().unwrap());
        let (status, accepted) = self.call("PUT", &path, app).await;
        assert!(status.is_success(), "{status}: {accepted}");
        accepted["deploymentId"].as_str().unwrap().to_owned()
    }

    async fn get(&self, path: &str) -> Value {
        self.call("GET", path, Value::Null).await.1
    }

    async fn abdicate(&self) {
        let (status, said) = self.call("DELETE", "/v2/leader", Value::Null).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(said["message"], "Leadership abdicated");
    }

    /// Of what waits first: offers looked at, offers that did not fit, and whether the last of those came while it waits.
    async fn offers(&self) -> (u64, u64, bool) {
        let queue = self.get("/v2/queue").await;
        let entry = &queue["queue"][0];
        let summary = &entry["processedOffersSummary"];
        let count = |key: &str| summary[key].as_u64().unwrap();
        let last = summary["lastUnusedOfferAt"].as_str().unwrap_or_default();
        (
            count("processedOffersCount"),
            count("unusedOffersCount"),
            last >= entry["since"].as_str().unwrap(),
        )
    }

    /// Ids of the running tasks of a version of the app.
    async fn running(&self, version: &Value) -> Vec<String> {
        let app = self.app().await;
        let tasks = app["tasks"].as_array().unwrap().iter();
        let running = tasks.filter(|t| t["version"] == *version && t["state"] == "TASK_RUNNING");
        running
            .map(|t| t["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Numbers of the health checks of all tasks: results, those that say alive, failures in a row.
fn health(app: &Value) -> (usize, usize, u64) {
    let tasks = app["tasks"].as_array().unwrap().iter();
    let results: Vec<&Value> = tasks
        .flat_map(|t| t["healthCheckResults"].as_array().unwrap())
        .collect();
    let failures = results
        .iter()
        .map(|r| r["consecutiveFailures"].as_u64().unwrap());
    (
        results.len(),
        results.iter().filter(|r| r["alive"] == true).count(),
        failures.sum(),
    )
}

#[tokio::test]
async fn nobody_is_known_to_be_well_before_the_next_check() {
    let mut driven = Driven::new(1);
    driven.put(web("well", (1.0, 1.0))).await;
    driven.seconds(9);
    let before = driven.app().await;
    assert_eq!(health(&before), (3, 3, 0));
    driven.abdicate().await;
    driven.act();
    let unknown = driven.app().await;
    assert_eq!(
        (&unknown["tasksRunning"], &unknown["tasksHealthy"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(health(&unknown), (0, 0, 0));
    driven.second();
    let after = driven.app().await;
    assert_eq!(
        (health(&after), &after["tasksHealthy"]),
        ((3, 3, 0), &json!(3))
    );
    let tasks = |app: &Value| -> Vec<(Value, Value)> {
        let tasks = app["tasks"].as_array().unwrap().iter();
        tasks
            .map(|t| (t["id"].clone(), t["startedAt"].clone()))
            .collect()
    };
    assert_eq!(tasks(&before), tasks(&after), "the tasks run on");
    let first = |app: &Value| app["tasks"][0]["healthCheckResults"][0]["firstSuccess"].clone();
    assert_ne!(
        first(&before),
        first(&after),
        "what was before is forgotten"
    );
}

#[tokio::test]
async fn a_new_leader_counts_failures_anew_and_spares_no_old_task_its_grace() {
    let mut driven = Driven::new(1);
    driven.put(web("sick", (1.0, 1.0))).await;
    driven.seconds(9);
    let (_, alive, failures) = health(&driven.app().await);
    assert!(alive == 0 && failures > 3, "{failures}");
    driven.abdicate().await;
    driven.seconds(1);
    assert_eq!(health(&driven.app().await), (3, 0, 3));
}

#[tokio::test]
async fn readiness_is_asked_for_again() {
    let mut driven = Driven::new(1);
    let app = json!({
        "id": "/web", "cmd": "well", "portDefinitions": [{"port": 0, "name": "http"}],
        "readinessChecks": [{"name": "ready", "portName": "http", "path": "/"}],
    });
    driven.put(app).await;
    driven.seconds(2);
    let asked = |driven: &Driven| driven.trace.matches("is asked whether it is ready").count();
    assert_eq!(asked(&driven), 1);
    driven.abdicate().await;
    driven.act();
    assert_eq!(asked(&driven), 2);
}

/// Three well ones, then a sick version, then a change of leader: how many of both run before and after it.
async fn rollout(strategy: (f64, f64)) -> [(usize, usize); 2] {
    let mut driven = Driven::new(1);
    driven.put(web("well", strategy)).await;
    driven.seconds(5);
    let old = driven.app().await["version"].clone();
    let id = driven.put(web("sick", strategy)).await;
    driven.seconds(20);
    let new = driven.app().await["version"].clone();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let running = async |version| driven.running(version).await.len();
        seen.push((running(&old).await, running(&new).await));
        if seen.len() == 1 {
            driven.abdicate().await;
            driven.act();
        }
    }
    driven.seconds(20);
    let deployments = driven.get("/v2/deployments").await;
    assert_eq!(deployments.as_array().unwrap().len(), 1);
    assert_eq!(deployments[0]["id"], id, "it is the same deployment");
    seen.try_into().unwrap()
}

#[tokio::test]
async fn a_rollout_that_begins_again_kills_well_ones_again() {
    assert_eq!(rollout((1.0, 1.0)).await, [(3, 3), (0, 3)]);
    assert_eq!(rollout((0.5, 0.0)).await, [(2, 1), (1, 1)]);
}

#[tokio::test]
async fn a_new_app_that_waits_for_offers_counts_as_deployed_with_nothing_running() {
    let mut driven = Driven::new(1);
    let id = driven
        .put(json!({"id": "/web", "cmd": "well", "cpus": 1000}))
        .await;
    driven.seconds(3);
    assert_eq!(driven.get("/v2/deployments").await[0]["id"], id);
    let mut events = driven.marathon.with(|world| world.bus.subscribe());
    driven.abdicate().await;
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        if event.kind.starts_with("deployment") {
            told.push(event.kind);
        }
        assert!(
            event.kind != "deployment_success" || event.data.contains(&id),
            "{}",
            event.data
        );
    }
    assert_eq!(
        told,
        [
            "deployment_info",
            "deployment_step_success",
            "deployment_success"
        ]
    );
    assert_eq!(driven.get("/v2/deployments").await, json!([]));
    let app = driven.app().await;
    assert_eq!(
        (&app["tasksRunning"], &app["tasks"]),
        (&json!(0), &json!([]))
    );
    assert_eq!(driven.get("/v2/queue").await["queue"][0]["count"], 1);
}

#[tokio::test]
async fn a_rollout_that_waits_for_offers_goes_on_waiting() {
    let mut driven = Driven::new(1);
    driven.put(web("well", (1.0, 1.0))).await;
    driven.seconds(5);
    let mut big = web("well", (1.0, 1.0));
    big["cpus"] = json!(1000);
    let id = driven.put(big).await;
    driven.seconds(3);
    driven.abdicate().await;
    driven.seconds(3);
    assert_eq!(driven.get("/v2/deployments").await[0]["id"], id);
}

#[tokio::test]
async fn statistics_of_offers_are_about_all_versions_until_the_app_goes_or_the_leader_changes() {
    let mut driven = Driven::new(1);
    // one version makes room for the next at once
    let app = |cmd: &str, cpus: f64| {
        json!({
            "id": "/web", "cmd": cmd, "cpus": cpus, "backoffSeconds": 1000,
            "upgradeStrategy": { "minimumHealthCapacity": 0, "maximumOverCapacity": 0 },
        })
    };
    let path = "/v2/apps/web?force=true";
    driven.put(app("well", 0.1)).await;
    driven.seconds(2);
    driven.call("PUT", path, app("well", 1000.0)).await;
    driven.seconds(3);
    // the first version took one, and nobody waited before the second
    assert_eq!(driven.offers().await, (5, 4, true));
    driven.call("PUT", path, app("fails", 0.1)).await;
    driven.seconds(1);
    let task = driven.app().await["tasks"][0]["id"].clone();
    driven
        .marathon
        .with(|world| world.task_ended(task.as_str().unwrap(), true, "it fails"));
    // what did not fit was the version before
    assert_eq!(driven.offers().await, (6, 4, false));
    let overdue = async |driven: &Driven| {
        driven.get("/v2/queue").await["queue"][0]["delay"]["overdue"] == true
    };
    assert!(!overdue(&driven).await, "it is in back-off");
    driven.seconds(1);
    let since = async |driven: &Driven| driven.get("/v2/queue").await["queue"][0]["since"].clone();
    let before = since(&driven).await;
    driven.abdicate().await;
    assert_ne!(
        since(&driven).await,
        before,
        "the new leader counts from now"
    );
    assert_eq!(driven.offers().await, (0, 0, false));
    assert!(overdue(&driven).await, "no failure is known any more");
    driven.call("PUT", path, app("well", 1000.0)).await;
    driven.seconds(2);
    assert_eq!(driven.offers().await, (4, 4, true));
    driven.call("DELETE", path, Value::Null).await;
    driven.put(app("well", 1000.0)).await;
    driven.seconds(1);
    assert_eq!(driven.offers().await, (2, 2, true));
}

#[tokio::test]
async fn nothing_is_launched_while_marathon_is_away() {
    let mut driven = Driven::new(1);
    driven.put(json!({"id": "/web", "cmd": "well"})).await;
    let restart = json!({"restart": {"away_ms": 1000}});
    let (status, set) = driven.call("POST", "/local/faults", restart).await;
    assert_eq!(
        (status, &set["restart"]["away_ms"]),
        (StatusCode::OK, &json!(1000))
    );
    driven.seconds(3);
    let (status, _) = driven.call("GET", "/v2/apps/web", Value::Null).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    driven.marathon.change_leader();
    assert_eq!(driven.get("/local/faults").await["restart"], Value::Null);
    assert_eq!(driven.app().await["tasks"], json!([]));
    driven.seconds(2);
    assert_eq!(driven.app().await["tasksRunning"], 1);
}

/// Posts to the switch for faults.
async fn fault(marathon: &Marathon, change: Value) -> Value {
    marathon.ok("POST", "/local/faults", change).await
}

/// The app, as soon as there is an answer.
async fn back(marathon: &Marathon) -> Value {
    until("an answer", async || {
        let reply = marathon
            .call_with("GET", "/v2/apps/web", "", &Value::Null)
            .await;
        reply
            .map(|reply| reply.body)
            .ok_or_else(|| "it is cut".to_owned())
    })
    .await
}

/// By id of a task: the first success of its health check.
fn first_successes(app: &Value) -> Vec<(String, String)> {
    let first = |task: &&Value| {
        let first = task["healthCheckResults"][0]["firstSuccess"].as_str()?;
        Some((task["id"].as_str()?.to_owned(), first.to_owned()))
    };
    let mut all: Vec<_> = tasks(app).iter().filter_map(first).collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_marathon_that_restarts_answers_nothing_and_its_tasks_run_on() {
    let marathon = Marathon::start().await;
    marathon
        .deployed(checked("/web", GOOD, 2, (1.0, 1.0)))
        .await;
    let before = first_successes(&marathon.get("/v2/apps/web").await);
    let processes: Vec<String> = before.iter().map(|(task, _)| process_of(task)).collect();
    let mut stream = TcpStream::connect(&marathon.address).await.unwrap();
    let request = format!(
        "GET /v2/events HTTP/1.0\r\nHost: {}\r\nAccept: text/event-stream\r\n\r\n",
        marathon.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'H');

    let set = fault(&marathon, json!({"restart": {"away_ms": 600_000}})).await;
    assert_eq!(set["restart"], json!({"away_ms": 600_000}));
    let mut rest = Vec::new();
    // cut, or closed
    let _ = ended(stream.read_to_end(&mut rest)).await.unwrap();
    for path in ["/ping", "/v2/apps/web"] {
        let reply = marathon.call_with("GET", path, "", &Value::Null).await;
        assert!(reply.is_none(), "{path}");
    }
    // a shorter one takes its own time
    fault(&marathon, json!({"restart": {"away_ms": 50}})).await;
    back(&marathon).await;
    let healthy = |app: &Value| first_successes(app).len() == 2;
    let after = marathon.until("healthy", "/v2/apps/web", healthy).await;
    let after = first_successes(&after);
    let same = |(old, new): (&(String, String), &(String, String))| old.0 == new.0 && old.1 < new.1;
    assert!(
        after.iter().zip(&before).all(|(new, old)| same((old, new))),
        "the same tasks, found well anew: {before:?} {after:?}"
    );
    let now: Vec<String> = after.iter().map(|(task, _)| process_of(task)).collect();
    assert_eq!(processes, now);
    marathon.stop().await;
}

#[tokio::test]
async fn a_task_that_ends_while_marathon_is_away_has_a_successor_when_it_is_back() {
    let marathon = Marathon::start().await;
    marathon
        .deployed(checked("/web", GOOD, 1, (1.0, 1.0)))
        .await;
    let (task, _) = first_successes(&marathon.get("/v2/apps/web").await).remove(0);
    fault(&marathon, json!({"restart": {"away_ms": 600_000}})).await;
    let process = process_of(&task);
    let killed = std::process::Command::new("kill")
        .args(["-9", &process])
        .status();
    assert!(killed.unwrap().success());
    until("it is gone", async || {
        let here = std::path::Path::new("/proc").join(&process).exists();
        if here {
            Err(format!("{process} is there"))
        } else {
            Ok(())
        }
    })
    .await;
    let set = fault(&marathon, json!({"reset": true})).await;
    assert_eq!(set["restart"], Value::Null, "all is well again at once");
    let after = marathon
        .until("healthy again", "/v2/apps/web", |app| {
            !first_successes(app).is_empty() && app["app"]["lastTaskFailure"].is_object()
        })
        .await;
    let successor = task.replace("._app.1", "._app.2");
    assert_eq!(tasks(&after)[0]["id"], successor);
    assert_eq!(after["app"]["lastTaskFailure"]["taskId"], task);
    marathon.stop().await;
}

#[tokio::test]
async fn a_restart_of_no_time_is_a_change_of_leader_and_one_of_an_hour_is_refused() {
    let marathon = Marathon::start().await;
    marathon
        .deployed(checked("/web", GOOD, 1, (1.0, 1.0)))
        .await;
    let before = first_successes(&marathon.get("/v2/apps/web").await);
    let set = fault(&marathon, json!({"restart": {"away_ms": 0}})).await;
    assert_eq!(
        set["restart"],
        Value::Null,
        "it is done when it is answered"
    );
    assert_ne!(first_successes(&marathon.get("/v2/apps/web").await), before);
    let known = |app: &Value| !first_successes(app).is_empty();
    marathon.until("healthy", "/v2/apps/web", known).await;
    for (wrong, why) in [
        (json!({"away_ms": 600_001}), "at most 600000 ms"),
        (json!({"away_ms": -1}), "invalid value"),
        (json!({}), "missing field `away_ms`"),
        (json!({"away_ms": 1, "for": 2}), "unknown field"),
    ] {
        let change = json!({ "restart": wrong });
        let reply = marathon.call("POST", "/local/faults", change).await;
        let message = reply.body["message"].as_str().unwrap().to_owned();
        assert_eq!(reply.status, 400);
        assert!(message.contains(why), "{message}");
    }
    marathon.stop().await;
}

//! What a new leader knows and does: after a restart, and where one abdicates.

use axum::http::StatusCode;
use serde_json::{Value, json};

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
    driven.abdicate().await;
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

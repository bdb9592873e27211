//! Which tasks die when a bad roll-out is ended: the traps are as deep here as in a real Marathon, and so are the safe ways.

use serde_json::{Value, json};

use test_kit::marathon::{GOOD, Marathon, SICK, checked, healthy, is_healthy, tasks};

const CRASH: &str = "sleep 0.05; exit 3";

/// Three good tasks, and a roll-out of a version that never becomes healthy, as far as it gets.
async fn stuck(marathon: &Marathon, bad: &str, strategy: (f64, f64)) -> (String, Vec<String>) {
    marathon.deployed(checked("/web", GOOD, 3, strategy)).await;
    let good = ids(&marathon.get("/v2/apps/web").await, |_| true);
    let deployment = marathon
        .ok(
            "PUT",
            "/v2/apps/web",
            json!({ "cmd": bad, "backoffSeconds": 1 }),
        )
        .await;
    let (room, kept) = if strategy.1 > 0.0 { (6, 3) } else { (3, 2) };
    marathon
        .until("stuck", "/v2/apps/web", |app| {
            // an old one that is being killed still counts, and makes room when it is gone
            let old = ids(app, |t| good.iter().any(|id| t["id"] == **id));
            tasks(app).len() == room && old.len() == kept
        })
        .await;
    let left = ids(&marathon.get("/v2/apps/web").await, |t| {
        good.iter().any(|id| t["id"] == **id)
    });
    (
        deployment["deploymentId"].as_str().unwrap().to_owned(),
        left,
    )
}

fn ids(app: &Value, fits: impl Fn(&Value) -> bool) -> Vec<String> {
    tasks(app)
        .into_iter()
        .filter(|t| fits(t))
        .map(|t| t["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Wipes everything that is not healthy, until nothing of it is left.
async fn wipe(marathon: &Marathon) {
    loop {
        let bad = ids(&marathon.get("/v2/apps/web").await, |t| !is_healthy(t));
        if bad.is_empty() {
            return;
        }
        marathon
            .ok("POST", "/v2/tasks/delete?wipe=true", json!({ "ids": bad }))
            .await;
    }
}

#[tokio::test]
async fn a_forced_put_over_a_sick_rollout_kills_good_tasks() {
    let marathon = Marathon::start().await;
    stuck(&marathon, SICK, (1.0, 1.0)).await;
    // the fix never gets healthy either, so that what it kills at once stays visible
    marathon
        .ok(
            "PUT",
            "/v2/apps/web?force=true",
            json!({ "cmd": "exec sleep 999" }),
        )
        .await;
    let app = marathon
        .until("fewer good ones", "/v2/apps/web", |app| healthy(app) < 3)
        .await;
    assert!(healthy(&app) < 3);
    marathon.stop().await;
}

#[tokio::test]
async fn wiping_under_the_lock_before_a_forced_put_keeps_the_good_tasks() {
    for bad in [SICK, CRASH] {
        let marathon = Marathon::start().await;
        let (_, good) = stuck(&marathon, bad, (1.0, 1.0)).await;
        wipe(&marathon).await;
        marathon
            .ok(
                "PUT",
                "/v2/apps/web?force=true",
                json!({ "cmd": "exec sleep 999" }),
            )
            .await;
        let app = marathon
            .until("three new ones", "/v2/apps/web", |app| {
                ids(app, |t| !is_healthy(t) && t["state"] == "TASK_RUNNING").len() == 3
            })
            .await;
        assert_eq!(ids(&app, is_healthy), good, "{bad}");
        marathon
            .ok("PUT", "/v2/apps/web?force=true", json!({ "cmd": GOOD }))
            .await;
        marathon.idle().await;
        marathon.stop().await;
    }
}

#[tokio::test]
async fn a_bare_cancel_of_a_crash_loop_kills_good_tasks() {
    let marathon = Marathon::start().await;
    let (deployment, _) = stuck(&marathon, CRASH, (1.0, 1.0)).await;
    let cancelled = marathon
        .call(
            "DELETE",
            &format!("/v2/deployments/{deployment}?force=true"),
            Value::Null,
        )
        .await;
    assert_eq!((cancelled.status, cancelled.body), (202, json!("")));
    marathon
        .until("fewer good ones", "/v2/apps/web", |app| healthy(app) < 3)
        .await;
    marathon.stop().await;
}

#[tokio::test]
async fn wiping_before_a_cancel_keeps_the_good_tasks() {
    let marathon = Marathon::start().await;
    let (deployment, good) = stuck(&marathon, CRASH, (1.0, 1.0)).await;
    wipe(&marathon).await;
    marathon
        .call(
            "DELETE",
            &format!("/v2/deployments/{deployment}?force=true"),
            Value::Null,
        )
        .await;
    // a task that dies now is replaced by one of its own, old version; the scale check at its death kills nothing
    marathon
        .ok(
            "DELETE",
            &format!("/v2/apps/web/tasks/{}", good[0]),
            Value::Null,
        )
        .await;
    let app = marathon
        .until("three again", "/v2/apps/web", |app| {
            healthy(app) == 3 && !ids(app, |_| true).contains(&good[0])
        })
        .await;
    assert_eq!(tasks(&app).len(), 3);
    let left = ids(&app, |_| true);
    assert!(
        good[1..].iter().all(|id| left.contains(id)),
        "{left:?} {good:?}"
    );
    marathon.stop().await;
}

#[tokio::test]
async fn a_wiped_instance_is_not_replaced_under_the_lock() {
    let marathon = Marathon::start().await;
    let (_, good) = stuck(&marathon, SICK, (0.5, 0.0)).await;
    assert_eq!(good.len(), 2);
    wipe(&marathon).await;
    let deployments = marathon.get("/v2/deployments").await;
    assert_eq!(deployments.as_array().unwrap().len(), 1);
    let queue = marathon.get("/v2/queue").await;
    assert_eq!(queue, json!({ "queue": [] }));
    assert_eq!(ids(&marathon.get("/v2/apps/web").await, |_| true), good);
    // an old one that dies makes room: now the new version is started up to capacity
    marathon
        .ok(
            "DELETE",
            &format!("/v2/apps/web/tasks/{}", good[0]),
            Value::Null,
        )
        .await;
    marathon
        .until("a third one", "/v2/apps/web", |app| tasks(app).len() == 3)
        .await;
    marathon.stop().await;
}

#[tokio::test]
async fn never_launched_instances_count_and_do_not_block_others() {
    let marathon = Marathon::start().await;
    marathon
        .deployed(checked("/web", GOOD, 3, (1.0, 1.0)))
        .await;
    let good = ids(&marathon.get("/v2/apps/web").await, |_| true);
    let too_big = json!({ "cmd": SICK, "cpus": 1000 });
    marathon.ok("PUT", "/v2/apps/web", too_big.clone()).await;
    assert_eq!(marathon.get("/v2/queue").await["queue"][0]["count"], 3);
    assert_eq!(ids(&marathon.get("/v2/apps/web").await, |_| true), good);
    // they are in no list of tasks, but they count: the good ones die
    let other = json!({ "cmd": "exec sleep 999", "cpus": 0.01 });
    marathon.ok("PUT", "/v2/apps/web?force=true", other).await;
    marathon
        .until("no good one", "/v2/apps/web", |app| healthy(app) == 0)
        .await;
    // they do not keep the new version from being launched
    let fix = json!({ "cmd": GOOD, "cpus": 0.01 });
    marathon.ok("PUT", "/v2/apps/web?force=true", fix).await;
    marathon.idle().await;
    assert_eq!(healthy(&marathon.get("/v2/apps/web").await), 3);
    marathon.stop().await;
}

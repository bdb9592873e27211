//! A rollout that goes wrong is ended without losing what is healthy: three healthy instances run, a push brings a
//! version that never becomes healthy, that crashes, or that no agent can run; it is rolled back, fixed by a push, or
//! cancelled. All the while the healthy instances never fall below `ceil(instances × minimumHealthCapacity)`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::town::{Town, service};
use test_kit::wait::until;

#[derive(Clone, Copy, Debug)]
enum Bad {
    Sick,
    Crash,
    NoOffers,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Rollback,
    Fix,
    Cancel,
}

fn three(version: u32, flags: &str, strategy: (f64, f64)) -> Value {
    let mut spec = service("/shop/web", version, flags);
    spec["instances"] = json!(3);
    spec["backoffSeconds"] = json!(1);
    spec["upgradeStrategy"] =
        json!({"minimumHealthCapacity": strategy.0, "maximumOverCapacity": strategy.1});
    spec
}

fn bad(kind: Bad, strategy: (f64, f64)) -> Value {
    match kind {
        Bad::Sick => three(2, "--status 500", strategy),
        Bad::Crash => {
            let mut spec = three(2, "", strategy);
            spec["cmd"] = json!("sleep 0.2; exit 3");
            spec
        }
        Bad::NoOffers => {
            let mut spec = three(2, "", strategy);
            spec["cpus"] = json!(1000);
            spec
        }
    }
}

/// How many instances are healthy, whatever their version.
fn healthy(app: &Value) -> usize {
    let alive = |task: &Value| {
        let results = task["healthCheckResults"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        task["state"] == "TASK_RUNNING"
            && !results.is_empty()
            && results.iter().all(|r| r["alive"] == true)
    };
    app["app"]["tasks"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|t| alive(t))
        .count()
}

/// Looks every 100 ms until it is told to stop; answers the fewest healthy instances it saw.
struct Sampler {
    least: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Sampler {
    fn start(town: &Town) -> Self {
        let (least, stop) = (
            Arc::new(AtomicUsize::new(usize::MAX)),
            Arc::new(AtomicBool::new(false)),
        );
        let (seen, stopped, http) = (least.clone(), stop.clone(), town.http.clone());
        let url = format!("{}/v2/apps/shop/web", town.marathon.as_ref().unwrap().url());
        let task = tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(100));
            while !stopped.load(Ordering::Relaxed) {
                pace.tick().await;
                let app: Value = http.get(&url).send().await.unwrap().json().await.unwrap();
                seen.fetch_min(healthy(&app), Ordering::Relaxed);
            }
        });
        Self { least, stop, task }
    }

    async fn least(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        self.least.load(Ordering::Relaxed)
    }
}

async fn scenario(kind: Bad, end: End, strategy: (f64, f64)) {
    let case = format!("{kind:?}, {end:?}, {strategy:?}");
    let town = Town::with(&[("web", three(1, "", strategy))]).await;
    town.event_until("hook_pinged").await;
    let sampler = Sampler::start(&town);
    town.spec("web", &bad(kind, strategy));
    town.push("bad");
    town.deploy_until(2, &format!("{case}: it goes wrong"), |d| {
        let called = d["marathon_deployments"].get(0).is_some();
        let wrong = ["unhealthy", "crashing", "waiting"];
        let stage = d["services"][0]["state"].as_str();
        called && stage.is_some_and(|s| wrong.contains(&s)) || d["ended_at"].is_string()
    })
    .await;
    match end {
        End::Rollback => {
            let (status, body) = town.post("/apps/shop/rollback", &json!({"to": "#1"})).await;
            assert_eq!(status, 202, "{case}: {body}");
            assert_eq!(town.ended(3).await["state"], "succeeded", "{case}");
            assert_eq!(town.version("/shop/web").await, "1", "{case}");
        }
        End::Fix => {
            town.spec("web", &three(3, "", strategy));
            town.push("fixed");
            assert_eq!(town.ended(3).await["state"], "succeeded", "{case}");
            assert_eq!(town.version("/shop/web").await, "3", "{case}");
        }
        End::Cancel => {
            let (status, body) = town.post("/apps/shop/cancel", &json!({})).await;
            let deploy = town.ended(2).await;
            // refused only where it came to its end by itself just before
            let came_late = status == 409 && deploy["state"] == "failed";
            assert!(
                status == 200 || came_late,
                "{case}: {status} {body} {deploy}"
            );
            assert!(
                matches!(deploy["state"].as_str(), Some("cancelled" | "failed")),
                "{case}: {deploy}"
            );
            assert_eq!(
                town.marathon("/v2/deployments").await,
                json!([]),
                "{case}: no rollout is left: {deploy}"
            );
            let warned = deploy["sentence"]
                .as_str()
                .is_some_and(|s| s.contains("start the missing instances of /shop/web"));
            assert_eq!(warned, strategy.0 < 1.0, "{case}: {deploy}");
        }
    }
    if !matches!(end, End::Cancel) {
        let app = town.marathon("/v2/apps/shop/web").await;
        assert_eq!(
            (healthy(&app), town.tasks("/shop/web").await.len()),
            (3, 3),
            "{case}: {app}"
        );
    }
    // Marathon compares counts every second here: twice that is long enough to see what it kills afterwards
    let later = std::time::Instant::now() + Duration::from_millis(2200);
    until("the scale check has passed", async || {
        if std::time::Instant::now() > later {
            Ok(())
        } else {
            Err(String::new())
        }
    })
    .await;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "3 × 1 or 3 × 0.5"
    )]
    let kept = (3.0 * strategy.0).ceil() as usize;
    let least = sampler.least().await;
    assert!(
        least >= kept,
        "{case}: only {least} healthy, {kept} must be kept"
    );
    town.end().await;
}

macro_rules! scenarios {
    ($($name:ident: $bad:ident, $strategy:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            for end in [End::Rollback, End::Fix, End::Cancel] {
                scenario(Bad::$bad, end, $strategy).await;
            }
        }
    )*};
}

scenarios! {
    a_version_that_never_becomes_healthy_costs_no_healthy_instance: Sick, (1.0, 1.0);
    a_version_that_crashes_costs_no_healthy_instance: Crash, (1.0, 1.0);
    a_version_that_gets_no_offers_costs_no_healthy_instance: NoOffers, (1.0, 1.0);
    without_room_for_more_a_sick_version_costs_only_what_the_strategy_allows: Sick, (0.5, 0.0);
    without_room_for_more_a_crashing_version_costs_only_what_the_strategy_allows: Crash, (0.5, 0.0);
}

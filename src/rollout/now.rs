//! How a service is at this moment, by what Marathon shows and nothing else: not by what was deployed, nor by what was seen before.

use super::look::Look;
use super::standing::{queued, trouble, waits};
use crate::id::ServiceId;
use crate::marathon::LiveApp;
use crate::sentence::Code;

/// What a service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// All instances run and pass their health checks.
    Healthy,
    /// All instances run; nobody checks them, or no check has said anything yet.
    Running,
    /// Instances are being started, or are not checked yet.
    Starting,
    /// Instances wait for resources.
    Waiting,
    /// Instances end again and again.
    Crashing,
    /// Instances run and do not pass their health checks.
    Unhealthy,
    /// Nothing of it runs, and nothing is being started.
    Down,
    /// Marathon does not have it.
    Missing,
}

impl Stage {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Running => "running",
            Self::Starting => "starting",
            Self::Waiting => "waiting",
            Self::Crashing => "crashing",
            Self::Unhealthy => "unhealthy",
            Self::Down => "down",
            Self::Missing => "missing",
        }
    }
}

/// How a service is.
#[derive(Debug, Clone)]
pub struct Now {
    /// What it does.
    pub stage: Stage,
    /// Why it is not well.
    pub why: Option<String>,
}

/// How a service is, as `look` shows it.
#[must_use]
pub fn now(id: &ServiceId, look: &Look) -> Now {
    let Some(app) = look.apps.get(id) else {
        return Now {
            stage: Stage::Missing,
            why: Some(format!("{id} is not in Marathon")),
        };
    };
    let well = app.tasks.iter().filter(|t| app.is_well(t)).count();
    let well = u32::try_from(well).unwrap_or(u32::MAX);
    if app.instances == 0 {
        return without(Stage::Down);
    }
    if well >= app.instances {
        return without(if app.has_health_checks() {
            Stage::Healthy
        } else {
            Stage::Running
        });
    }
    let why = trouble(app, look, failures(app), well);
    if let Some(why) = why {
        let stage = if why.is(Code::NoOffers) {
            Stage::Waiting
        } else if why.is(Code::Crashing) {
            Stage::Crashing
        } else {
            Stage::Unhealthy
        };
        return Now {
            stage,
            why: Some(why.sentence),
        };
    }
    let running = app.tasks.iter().filter(|t| t.state == "TASK_RUNNING");
    let unknown = running.clone().filter(|t| app.is_unknown(t)).count();
    let all_run = u32::try_from(running.count()).is_ok_and(|n| n >= app.instances);
    let begins = app.tasks.iter().any(|t| !t.is_over()) || queued(app, look).is_some();
    let stage = match (all_run && unknown > 0, begins) {
        (true, _) => Stage::Running,
        (_, true) => Stage::Starting,
        _ => Stage::Down,
    };
    Now {
        stage,
        why: waits(app, look).map(|w| w.sentence),
    }
}

fn without(stage: Stage) -> Now {
    Now { stage, why: None }
}

/// How many tasks of this configuration failed, as far as one look shows.
fn failures(app: &LiveApp) -> u32 {
    let restarts = restarts(app);
    let newest = app.configured();
    let last = app.last_task_failure.as_ref();
    let failed = last.is_some_and(|f| f.version.as_str() >= newest);
    restarts.max(u32::from(failed))
}

/// How often the instances that are there were started again.
#[must_use]
pub fn restarts(app: &LiveApp) -> u32 {
    app.tasks.iter().map(|t| t.attempt() - 1).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::{Value, json};

    use super::*;

    const VERSION: &str = "2026-11-22T10:00:00.000Z";

    fn stage(app: Option<Value>, queue: Option<Value>) -> (Stage, Option<String>) {
        let id: ServiceId = "/a".parse().unwrap();
        let apps = app.map(|app| (id.clone(), LiveApp::read(app).unwrap()));
        let look = Look {
            apps: apps.into_iter().collect::<BTreeMap<_, _>>(),
            deployments: Vec::new(),
            queue: queue
                .into_iter()
                .map(|q| serde_json::from_value(q).unwrap())
                .collect(),
            mixed: BTreeSet::new(),
        };
        let now = now(&id, &look);
        (now.stage, now.why)
    }

    fn app(instances: u32, checks: bool, tasks: &Value) -> Value {
        let checks = if checks { json!([{}]) } else { json!([]) };
        json!({"id": "/a", "version": VERSION, "instances": instances, "healthChecks": checks, "tasks": tasks})
    }

    fn task(state: &str, checks: &Value) -> Value {
        json!({"id": "t", "state": state, "version": VERSION, "healthCheckResults": checks})
    }

    #[test]
    fn each_way_to_be_has_a_word_of_its_own() {
        let alive = json!([{"alive": true}]);
        let sick = json!([{"alive": false, "lastFailureCause": "HTTP 500"}]);
        let none = json!([]);
        let run = |checks: &Value| json!([task("TASK_RUNNING", checks)]);
        let unqueued = |app| stage(app, None).0;
        assert_eq!(unqueued(None), Stage::Missing);
        assert_eq!(unqueued(Some(app(0, true, &none))), Stage::Down);
        assert_eq!(unqueued(Some(app(1, true, &none))), Stage::Down);
        assert_eq!(unqueued(Some(app(1, true, &run(&alive)))), Stage::Healthy);
        assert_eq!(unqueued(Some(app(1, false, &run(&none)))), Stage::Running);
        // after a restart of Marathon nobody knows how a task is
        assert_eq!(unqueued(Some(app(1, true, &run(&none)))), Stage::Running);
        assert_eq!(unqueued(Some(app(2, true, &run(&alive)))), Stage::Starting);
        let staging = json!([task("TASK_STAGING", &none)]);
        assert_eq!(unqueued(Some(app(1, true, &staging))), Stage::Starting);
        let (is, why) = stage(Some(app(1, true, &run(&sick))), None);
        assert_eq!(
            (is, why.is_some_and(|w| w.contains("HTTP 500"))),
            (Stage::Unhealthy, true)
        );
        let mut ended = app(1, true, &none);
        ended["lastTaskFailure"] =
            json!({"state": "TASK_FAILED", "version": VERSION, "message": "exit 1"});
        assert_eq!(unqueued(Some(ended)), Stage::Crashing);
        let item = json!({"app": {"id": "/a"}, "count": 1, "delay": {"overdue": true}, "processedOffersSummary":
            {"unusedOffersCount": 9, "rejectSummaryLastOffers": [{"reason": "InsufficientCpus", "declined": 2, "processed": 2}]}});
        let (is, why) = stage(Some(app(1, true, &none)), Some(item));
        assert_eq!(
            (is, why.is_some_and(|w| w.contains("lacked CPUs"))),
            (Stage::Waiting, true)
        );
    }
}

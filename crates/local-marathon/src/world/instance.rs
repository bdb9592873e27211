//! An instance of an app: a place for a task, and the tasks that fill it one after the other.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::definition::app::App;
use crate::stamp;

/// How an instance is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Condition {
    /// Waits for its first offer.
    Scheduled,
    /// An offer was taken.
    Provisioned,
    /// The task begins.
    Starting,
    /// The task runs.
    Running,
    /// The task failed; waits for its successor.
    Failed,
    /// The task ended by itself; waits for its successor.
    Finished,
    /// The task was killed; waits for its successor.
    Killed,
}

impl Condition {
    /// The state of the task as Mesos calls it.
    #[must_use]
    pub fn task_state(self) -> &'static str {
        match self {
            Self::Scheduled | Self::Provisioned => "TASK_STAGING",
            Self::Starting => "TASK_STARTING",
            Self::Running => "TASK_RUNNING",
            Self::Failed => "TASK_FAILED",
            Self::Finished => "TASK_FINISHED",
            Self::Killed => "TASK_KILLED",
        }
    }

    /// Whether a task is alive.
    #[must_use]
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Provisioned | Self::Starting | Self::Running)
    }
}

/// What Marathon knows from one health check of one instance.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Whether the last check that counted succeeded.
    pub alive: bool,
    /// Failures in a row that counted.
    pub failures: u64,
    /// First success ever.
    pub first_success: Option<Timestamp>,
    /// Last success.
    pub last_success: Option<Timestamp>,
    /// Last failure that counted.
    pub last_failure: Option<Timestamp>,
    /// Why it failed.
    pub cause: Option<String>,
}

/// The last answer of a readiness check.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// The check.
    pub name: String,
    /// Whether the task is ready.
    pub ready: bool,
    /// Status, content type and body, if they are kept.
    pub last: Option<(u16, String, String)>,
}

/// A task, alive or the last one that was.
#[derive(Clone, Debug)]
pub struct Task {
    /// `shop_web.instance-<uuid>._app.<attempt>`.
    pub id: String,
    /// Index of the agent.
    pub agent: usize,
    /// Host ports.
    pub ports: Vec<u16>,
    /// When the offer was taken.
    pub staged: Timestamp,
    /// When it ran.
    pub started: Option<Timestamp>,
    /// A kill is under way.
    pub dying: bool,
    /// Why a health check killed it.
    pub sick: Option<String>,
}

/// An instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// `shop_web.instance-<uuid>`.
    pub id: String,
    /// The definition it runs; it keeps it through all attempts.
    pub app: Arc<App>,
    /// Number of the last task; 0 = none yet.
    pub attempt: u32,
    /// Whether it is meant to run; otherwise it goes when its task is dead.
    pub wanted: bool,
    /// How it is.
    pub condition: Condition,
    /// Since when it waits.
    pub since: Timestamp,
    /// Its last task.
    pub task: Option<Task>,
    /// By health check; `None` where there was no result yet.
    pub health: Vec<Option<Health>>,
    /// Last answers of its readiness checks.
    pub readiness: Vec<Readiness>,
}

impl Instance {
    /// A new instance that waits for an offer.
    #[must_use]
    pub fn new(app: Arc<App>, now: Timestamp, id: uuid::Uuid) -> Self {
        let id = format!("{}.instance-{id}", app.id.task_prefix());
        let health = vec![None; app.list("healthChecks").len()];
        Self {
            id,
            app,
            attempt: 0,
            wanted: true,
            condition: Condition::Scheduled,
            since: now,
            task: None,
            health,
            readiness: Vec::new(),
        }
    }

    /// Whether it waits for an offer.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.wanted && !self.condition.is_alive()
    }

    /// `None` without results, else whether every check that has one says alive.
    #[must_use]
    pub fn healthy(&self) -> Option<bool> {
        let results: Vec<bool> = self.health.iter().flatten().map(|h| h.alive).collect();
        (!results.is_empty()).then(|| results.iter().all(|alive| *alive))
    }

    /// Whether it counts for a deployment: running, healthy if that is checked, ready if that is checked.
    pub fn is_up(&self) -> bool {
        let healthy = self.health.is_empty()
            || (self.healthy() == Some(true) && self.health.iter().all(Option::is_some));
        let ready =
            self.app.list("readinessChecks").is_empty() || self.readiness.iter().any(|r| r.ready);
        self.condition == Condition::Running && healthy && ready
    }

    /// The task as Marathon shows it; `None` if there never was one.
    #[must_use]
    pub fn render_task(&self, agents: &[Agent; 2], service_ports: bool) -> Option<Value> {
        let task = self.task.as_ref()?;
        let agent = &agents[task.agent];
        let mut json = json!({
            "appId": self.app.id.as_str(), "id": task.id, "host": agent.host, "slaveId": agent.id,
            "healthCheckResults": self.render_health(), "ipAddresses": [{ "ipAddress": "127.0.0.1", "protocol": "IPv4" }],
            "ports": [], "servicePorts": [], "state": self.condition.task_state(), "localVolumes": [],
        });
        if service_ports {
            json["servicePorts"] = self
                .app
                .service_ports()
                .iter()
                .map(|(port, _)| json!(port))
                .collect();
        }
        if self.condition.is_alive() {
            json["ports"] = json!(task.ports);
            json["stagedAt"] = json!(stamp::text(task.staged));
            json["version"] = json!(stamp::text(self.app.version));
            if let Some(started) = task.started {
                json["startedAt"] = json!(stamp::text(started));
            }
        }
        Some(json)
    }

    fn render_health(&self) -> Value {
        let results = self.health.iter().flatten().map(|health| {
            let mut json = json!({
                "alive": health.alive, "consecutiveFailures": health.failures, "instanceId": format!("instance [{}]", self.id),
            });
            let times = [("firstSuccess", health.first_success), ("lastSuccess", health.last_success), ("lastFailure", health.last_failure)];
            for (key, time) in times.into_iter().filter_map(|(k, t)| t.map(|t| (k, t))) {
                json[key] = json!(stamp::text(time));
            }
            if let Some(cause) = &health.cause {
                json["lastFailureCause"] = json!(cause);
            }
            json
        });
        results.collect()
    }
}

/// A machine that runs tasks; here there are two names of this one.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Its Mesos id.
    pub id: String,
    /// Its host name.
    pub host: &'static str,
    /// The roles that its resources are offered to; `*` is everybody's.
    pub roles: &'static [&'static str],
}

/// Since when the first of these waits.
pub fn waits_since<'a>(waiting: impl Iterator<Item = &'a Instance>) -> Option<Timestamp> {
    waiting.map(|instance| instance.since).min()
}

/// The instance a task id belongs to; the attempt does not matter.
pub fn instance_of(task: &str) -> Option<&str> {
    let (instance, rest) = task.split_once("._app")?;
    let attempt = rest.strip_prefix('.').unwrap_or("0");
    let uuid = instance.split_once(".instance-")?.1;
    (uuid::Uuid::try_parse(uuid).is_ok() && attempt.parse::<u32>().is_ok()).then_some(instance)
}

//! What Marathon answers, reduced to what is used. Unknown fields are ignored, missing ones have Marathon's defaults.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// An app as `GET /v2/apps/{id}` shows it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveApp {
    /// Absolute id.
    pub id: String,
    /// Newest definition, also bumped by scaling.
    #[serde(default)]
    pub version: String,
    /// When definition and scale changed.
    #[serde(default)]
    pub version_info: Option<VersionInfo>,
    /// How many are wanted.
    #[serde(default)]
    pub instances: u32,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Its tasks.
    #[serde(default)]
    pub tasks: Vec<Task>,
    /// Deployments that change it now.
    #[serde(default)]
    deployments: Vec<Named>,
    #[serde(default)]
    health_checks: Vec<Value>,
    #[serde(default)]
    upgrade_strategy: UpgradeStrategy,
    /// The last failure of any version.
    #[serde(default)]
    pub last_task_failure: Option<TaskFailure>,
    /// The whole of it, for the hash of the rendering and for diffs.
    #[serde(skip)]
    pub raw: Value,
}

/// `versionInfo` of an app.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionInfo {
    /// The newest configuration: tasks of it or later are current.
    pub last_config_change_at: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Named {
    id: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpgradeStrategy {
    #[serde(default = "one")]
    minimum_health_capacity: f64,
}

fn one() -> f64 {
    1.0
}

impl Default for UpgradeStrategy {
    fn default() -> Self {
        Self {
            minimum_health_capacity: 1.0,
        }
    }
}

/// `ceil(instances × minimumHealthCapacity)`: what an upgrade keeps.
#[must_use]
pub fn kept(instances: u32, minimum_health_capacity: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small count, never negative"
    )]
    let kept = (f64::from(instances) * minimum_health_capacity)
        .ceil()
        .max(0.0) as u32;
    kept
}

impl LiveApp {
    /// Reads the `app` object of an answer.
    ///
    /// # Errors
    /// When it is no app.
    pub fn read(raw: Value) -> Result<Self, serde_json::Error> {
        let mut app = Self::deserialize(&raw)?;
        app.raw = raw;
        Ok(app)
    }

    /// Whether Marathon checks its health.
    #[must_use]
    pub fn has_health_checks(&self) -> bool {
        !self.health_checks.is_empty()
    }

    /// The health checks as Marathon shows them.
    #[must_use]
    pub fn health_checks(&self) -> &[Value] {
        &self.health_checks
    }

    /// Marathon deployments that change it now.
    #[must_use]
    pub fn deployments(&self) -> Vec<&str> {
        self.deployments.iter().map(|d| d.id.as_str()).collect()
    }

    /// How many an upgrade of the present definition keeps.
    #[must_use]
    pub fn kept(&self) -> u32 {
        kept(
            self.instances,
            self.upgrade_strategy.minimum_health_capacity,
        )
    }

    /// Whether it keeps data on its agents, which a wipe would destroy.
    #[must_use]
    pub fn has_volumes(&self) -> bool {
        self.raw.get("residency").is_some()
            || self
                .raw
                .pointer("/container/volumes")
                .and_then(Value::as_array)
                .is_some_and(|v| v.iter().any(|v| v.get("persistent").is_some()))
    }

    /// When its configuration changed last, scaling apart: the version that Marathon gave to that change.
    #[must_use]
    pub fn configured(&self) -> &str {
        self.version_info
            .as_ref()
            .map_or(&self.version, |v| &v.last_config_change_at)
    }

    /// Whether a task runs the newest configuration.
    #[must_use]
    pub fn is_current(&self, task: &Task) -> bool {
        let newest = self.configured();
        task.version.as_deref().is_some_and(|v| v >= newest)
    }

    /// Whether nobody knows how a task is: it runs, and no check has said anything. After a restart of Marathon that is so of
    /// all tasks for a while; unknown is not bad.
    #[must_use]
    pub fn is_unknown(&self, task: &Task) -> bool {
        self.has_health_checks()
            && task.state == "TASK_RUNNING"
            && task.health_check_results.is_empty()
    }

    /// The longest time of its health checks, by name, e.g. `intervalSeconds`; Marathon's default where none is given.
    #[must_use]
    pub fn check_time(&self, name: &str, default: u64) -> Duration {
        let times = self.health_checks.iter();
        let times = times.map(|c| c.get(name).and_then(Value::as_u64).unwrap_or(default));
        Duration::from_secs(times.max().unwrap_or(0))
    }

    /// How long a check needs to say something of a running task.
    #[must_use]
    pub fn check_round(&self) -> Duration {
        self.check_time("intervalSeconds", 60) + self.check_time("timeoutSeconds", 20)
    }

    /// Whether a task is well: running, and with health checks, alive by all of them.
    #[must_use]
    pub fn is_well(&self, task: &Task) -> bool {
        let alive = !task.health_check_results.is_empty()
            && task.health_check_results.iter().all(|r| r.alive);
        task.state == "TASK_RUNNING" && (!self.has_health_checks() || alive)
    }
}

/// A task of an app.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Its id; the part before `._app.` is the instance's.
    pub id: String,
    /// `TASK_RUNNING`, `TASK_FAILED` …
    #[serde(default)]
    pub state: String,
    /// The definition it runs; missing for one that failed.
    #[serde(default)]
    pub version: Option<String>,
    /// Where it runs.
    #[serde(default)]
    pub host: Option<String>,
    /// The Mesos agent that runs it.
    #[serde(default, rename = "slaveId")]
    pub agent: Option<String>,
    /// The ports it was given there.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// When it was launched.
    #[serde(default)]
    pub started_at: Option<String>,
    #[serde(default)]
    health_check_results: Vec<HealthCheckResult>,
}

#[derive(Debug, Clone, Deserialize)]
struct HealthCheckResult {
    #[serde(default)]
    alive: bool,
    #[serde(default, rename = "lastFailureCause")]
    last_failure_cause: Option<String>,
}

impl Task {
    /// The id of its instance.
    #[must_use]
    pub fn instance(&self) -> &str {
        self.id.split("._app").next().unwrap_or(&self.id)
    }

    /// Which attempt of its instance it is, from 1; every attempt before it failed.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.id
            .rsplit_once("._app.")
            .and_then(|(_, n)| n.parse().ok())
            .unwrap_or(1)
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(
            self.state.as_str(),
            "TASK_FAILED"
                | "TASK_FINISHED"
                | "TASK_KILLED"
                | "TASK_ERROR"
                | "TASK_LOST"
                | "TASK_DROPPED"
                | "TASK_GONE"
        )
    }

    /// Why its last health check failed.
    #[must_use]
    pub fn failure_cause(&self) -> Option<&str> {
        self.health_check_results
            .iter()
            .find_map(|r| r.last_failure_cause.as_deref())
    }
}

/// `lastTaskFailure` of an app.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TaskFailure {
    /// Where.
    #[serde(default)]
    pub host: String,
    /// In Mesos' words.
    #[serde(default)]
    pub message: String,
    /// `TASK_FAILED`, or `TASK_KILLED` after failed health checks.
    #[serde(default)]
    pub state: String,
    /// When.
    #[serde(default)]
    pub timestamp: String,
    /// The definition it ran.
    #[serde(default)]
    pub version: String,
    /// Its id.
    #[serde(default, rename = "taskId")]
    pub task: Option<String>,
    /// The Mesos agent that ran it.
    #[serde(default, rename = "slaveId")]
    pub agent: Option<String>,
}

/// An entry of `GET /v2/deployments`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningDeployment {
    /// Its id.
    pub id: String,
    /// When it began: deployments are named by the version they make.
    #[serde(default)]
    pub version: String,
    /// The apps it locks.
    #[serde(default)]
    pub affected_apps: Vec<String>,
}

/// The answer to a call that begins a deployment.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployed {
    /// The version the changed apps get.
    #[serde(default)]
    pub version: Option<String>,
    /// The deployment.
    #[serde(default)]
    pub deployment_id: Option<String>,
}

//! What results of health and readiness checks mean.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::instance::{Condition, Health, Instance, Readiness};
use super::{Effect, Launch, World};
use crate::definition::app::HealthCheck;
use crate::definition::id::Id;
use crate::stamp;

/// A span of an app definition is no longer than this, so that points in time can be counted with it: a century.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

impl World {
    /// The tasks of this version that are to be checked now; `None` when the version is history.
    #[must_use]
    pub fn targets(
        &self,
        app: &Id,
        version: Timestamp,
        check: &HealthCheck,
    ) -> Option<Vec<Launch>> {
        let mine = || self.of(app).iter().filter(|i| i.app.version == version);
        let current = self
            .tree
            .apps
            .get(app)
            .is_some_and(|a| a.version == version);
        if !current && mine().next().is_none() {
            return None;
        }
        let delay = if check.is_mesos() {
            self.span(check.delay)
        } else {
            jiff::SignedDuration::ZERO
        };
        let due = |i: &&Instance| {
            let since = i.task.as_ref().and_then(|t| t.started);
            i.condition == Condition::Running
                && since.is_some_and(|s| self.now.duration_since(s) >= delay)
        };
        let due = mine().filter(due);
        Some(due.filter_map(|i| self.launch_of(i)).collect())
    }

    /// The task of an instance as it was launched; `None` where it has none, or one that is being killed.
    #[must_use]
    pub fn launch_of(&self, instance: &Instance) -> Option<Launch> {
        let task = instance.task.as_ref().filter(|t| !t.dying)?;
        Some(Launch {
            task: task.id.clone(),
            app: Arc::clone(&instance.app),
            host: self.agents[task.agent].host,
            ports: task.ports.clone(),
        })
    }

    /// A health check of a task came back.
    pub fn health_result(&mut self, task: &str, index: usize, result: Result<(), String>) {
        let Some(instance) = self
            .task_mut(task)
            .filter(|i| i.condition == Condition::Running)
        else {
            return;
        };
        let instance = instance.clone();
        let Some(check) = instance.app.health_checks().into_iter().nth(index) else {
            return;
        };
        let before = instance
            .health
            .get(index)
            .cloned()
            .flatten()
            .unwrap_or_default();
        match result {
            Ok(()) => {
                let first = before.first_success.or(Some(self.now));
                let health = Health {
                    alive: true,
                    failures: 0,
                    first_success: first,
                    last_success: Some(self.now),
                    ..before
                };
                self.set_health(&instance, index, health);
            }
            Err(cause) => self.failed_check(&instance, index, &check, before, &cause),
        }
    }

    fn failed_check(
        &mut self,
        instance: &Instance,
        index: usize,
        check: &HealthCheck,
        before: Health,
        cause: &str,
    ) {
        let started = instance
            .task
            .as_ref()
            .and_then(|t| t.started)
            .unwrap_or(self.now);
        let in_grace = self.now.duration_since(started) < self.span(check.grace);
        if before.first_success.is_none() && in_grace {
            return self.set_health(instance, index, before);
        }
        let json = instance
            .app
            .list("healthChecks")
            .get(index)
            .cloned()
            .unwrap_or_default();
        let data = json!({ "appId": instance.app.id.as_str(), "taskId": instance.id, "healthCheck": json });
        self.tell("failed_health_check_event", data);
        let fatal = check.max_failures > 0 && before.failures >= check.max_failures;
        if fatal {
            self.kill_sick(instance, &before, cause);
        }
        let health = Health {
            alive: false,
            failures: before.failures + u64::from(!fatal),
            last_failure: Some(self.now),
            cause: Some(cause.to_owned()),
            ..before
        };
        self.set_health(instance, index, health);
    }

    fn kill_sick(&mut self, instance: &Instance, before: &Health, cause: &str) {
        let Some(task) = &instance.task else { return };
        let agent = &self.agents[task.agent];
        self.tell("unhealthy_instance_kill_event", json!({
            "appId": instance.app.id.as_str(), "taskId": task.id, "instanceId": instance.id, "version": stamp::text(instance.app.version),
            "reason": cause, "host": agent.host, "slaveId": agent.id,
            "timestamp": stamp::text(before.last_failure.unwrap_or(self.now)),
        }));
        if let Some(task) = self.find_mut(&instance.id).and_then(|i| i.task.as_mut()) {
            task.sick = Some(cause.to_owned());
        }
        self.kill(std::slice::from_ref(&instance.id));
    }

    fn set_health(&mut self, old: &Instance, index: usize, health: Health) {
        let was_alive = old
            .health
            .get(index)
            .cloned()
            .flatten()
            .unwrap_or_default()
            .alive;
        let alive = health.alive;
        let Some(instance) = self.find_mut(&old.id) else {
            return;
        };
        if let Some(slot) = instance.health.get_mut(index) {
            *slot = Some(health);
        }
        let (before, after) = (old.healthy(), instance.healthy());
        let version = stamp::text(old.app.version);
        if was_alive != alive {
            self.tell("health_status_changed_event", json!({
                "appId": old.app.id.as_str(), "instanceId": old.id, "version": version, "alive": alive,
            }));
        }
        if before != after {
            self.tell("instance_health_changed_event", json!({
                "instanceId": old.id, "runSpecId": old.app.id.as_str(), "healthy": after, "runSpecVersion": version,
            }));
        }
    }

    /// Has the readiness checks of a task made, if there are any.
    pub fn ask_until_ready(&mut self, launch: Launch) {
        if !launch.app.list("readinessChecks").is_empty() {
            self.effects.push(Effect::Ready(launch));
        }
    }

    /// A readiness check of a task came back; whether it need not be made again.
    pub fn readiness_result(&mut self, task: &str, result: Readiness) -> bool {
        let Some(instance) = self
            .task_mut(task)
            .filter(|i| i.condition == Condition::Running)
        else {
            return true;
        };
        let ready = result.ready;
        instance.readiness = vec![result];
        ready
    }

    /// How long a number of seconds of an app definition really takes.
    #[must_use]
    pub fn real(&self, seconds: f64) -> Duration {
        let real = self.pace.second.as_secs_f64() * seconds.max(0.0);
        Duration::try_from_secs_f64(real).map_or(LONGEST, |real| real.min(LONGEST))
    }
}

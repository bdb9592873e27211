//! What tasks report: that they begin, run and end, and what follows from it.

use jiff::Timestamp;
use serde_json::json;

use super::instance::{Condition, Instance};
use super::{Delay, World};
use crate::definition::app::App;
use crate::definition::id::Id;
use crate::stamp;

impl World {
    /// A task began or runs.
    pub fn task_is(&mut self, task: &str, condition: Condition) {
        let now = self.now;
        self.record_status(task, condition);
        let Some(instance) = self.task_mut(task).filter(|i| i.condition.is_alive()) else {
            return;
        };
        instance.condition = condition;
        if condition == Condition::Running
            && let Some(task) = instance.task.as_mut()
        {
            task.started = Some(now);
        }
        let instance = instance.clone();
        self.tell_status(&instance, "");
        self.tell_condition(&instance, condition);
        if condition == Condition::Running
            && let Some(launch) = self.launch_of(&instance)
        {
            self.ask_until_ready(launch);
        }
    }

    /// A task ended. `failed`: not with status 0. What was killed on order counts as killed whatever it returned.
    pub fn task_ended(&mut self, task: &str, failed: bool, message: &str) {
        if let Some(ghost) = self.ghosts.remove(task) {
            self.record_status(task, Condition::Killed);
            let data = json!({ "instanceId": ghost.instance, "runSpecId": ghost.app.id.as_str(), "condition": "Killed" });
            return self.tell("unknown_instance_terminated_event", data);
        }
        let now = self.now;
        let Some(instance) = self.task_mut(task).filter(|i| i.condition.is_alive()) else {
            return;
        };
        let dying = instance.task.as_ref().is_some_and(|t| t.dying);
        instance.condition = match (dying, failed) {
            (true, _) => Condition::Killed,
            (false, true) => Condition::Failed,
            (false, false) => Condition::Finished,
        };
        instance.since = now;
        instance.readiness.clear();
        let sick = instance.task.as_ref().and_then(|t| t.sick.clone());
        let ever_healthy = instance
            .health
            .iter()
            .flatten()
            .any(|h| h.first_success.is_some());
        if !dying || ever_healthy {
            instance.health.fill(None);
        }
        let instance = instance.clone();
        self.record_status(task, instance.condition);
        self.tell_status(&instance, message);
        self.tell_condition(&instance, instance.condition);
        self.note_failure(&instance, sick.as_deref(), message);
        if !instance.wanted {
            self.forget(&instance.id);
        }
        if !dying {
            self.add_delay(&instance.app);
        }
        self.check_scale_unless_locked(&instance.app.id);
    }

    fn note_failure(&mut self, instance: &Instance, sick: Option<&str>, message: &str) {
        let message = match sick {
            Some(why) => format!("Task was killed since health check failed. Reason: {why}"),
            None => message.to_owned(),
        };
        let Some(task) = instance
            .task
            .as_ref()
            .filter(|_| sick.is_some() || instance.condition == Condition::Failed)
        else {
            return;
        };
        let agent = &self.agents[task.agent];
        let failure = json!({
            "appId": instance.app.id.as_str(), "host": agent.host, "message": message, "state": instance.condition.task_state(),
            "taskId": task.id, "timestamp": stamp::text(self.now), "version": stamp::text(instance.app.version), "slaveId": agent.id,
        });
        self.failures.insert(instance.app.id.clone(), failure);
    }

    fn tell_status(&self, instance: &Instance, message: &str) {
        let Some(task) = &instance.task else { return };
        let agent = &self.agents[task.agent];
        self.tell("status_update_event", json!({
            "slaveId": agent.id, "taskId": task.id, "taskStatus": instance.condition.task_state(), "message": message,
            "appId": instance.app.id.as_str(), "host": agent.host, "ports": task.ports,
            "ipAddresses": [{ "ipAddress": "127.0.0.1", "protocol": "IPv4" }], "version": stamp::text(instance.app.version),
        }));
    }

    /// Makes the next launch of this configuration wait, longer from failure to failure.
    fn add_delay(&mut self, app: &App) {
        let used: Vec<Timestamp> = self.of(&app.id).iter().map(|i| i.app.configured).collect();
        // what no instance is of is not launched any more
        self.delays
            .retain(|(id, configured), _| *id != app.id || used.contains(configured));
        let key = (app.id.clone(), app.configured);
        let seconds = match self.delays.get(&key) {
            None => app.number("backoffSeconds"),
            Some(delay) => (delay.seconds * app.number("backoffFactor"))
                .min(app.number("maxLaunchDelaySeconds")),
        };
        let until = self
            .now
            .saturating_add(self.span(seconds))
            .unwrap_or(self.now);
        self.delays.insert(key, Delay { until, seconds });
    }

    /// The next launch of this app need not wait any more.
    pub fn reset_delay(&mut self, app: &Id) {
        self.delays.retain(|(id, _), _| id != app);
    }
}

//! Three ways to kill: for good, to be replaced, and out of sight at once (wipe).

use std::time::Duration;

use super::instance::{Condition, Instance};
use super::{Effect, Ghost, World};
use crate::definition::id::Id;

impl World {
    /// Kills instances for good: they go when their task is dead, or now if there is none.
    pub fn dismiss(&mut self, ids: &[String]) {
        for id in ids {
            let Some(instance) = self.find_mut(id).filter(|i| i.wanted) else {
                continue;
            };
            instance.wanted = false;
            let instance = instance.clone();
            self.dirty = true;
            self.tell_condition(&instance, instance.condition);
            if instance.condition.is_alive() {
                self.stop_task(id);
            } else {
                self.forget(id);
            }
        }
    }

    /// Kills the tasks of instances; each instance gets another task.
    pub fn kill(&mut self, ids: &[String]) {
        for id in ids {
            if self.find(id).is_some_and(|i| i.condition.is_alive()) {
                self.stop_task(id);
            }
        }
    }

    /// Removes instances at once; their processes die later. Works on any condition; unknown ids are ignored.
    pub fn wipe(&mut self, ids: &[String]) {
        for id in ids {
            let Some(instance) = self.find(id).cloned() else {
                continue;
            };
            if instance.wanted {
                self.tell_condition(&instance, instance.condition);
            }
            if instance.condition.is_alive() {
                self.tell_condition(&instance, Condition::Killed);
            }
            if let Some(task) = instance
                .task
                .clone()
                .filter(|_| instance.condition.is_alive())
            {
                self.stop_task(id);
                let ghost = Ghost {
                    instance: instance.id.clone(),
                    app: instance.app.clone(),
                };
                self.ghosts.insert(task.id, ghost);
            }
            self.forget(id);
            self.check_scale_unless_locked(&instance.app.id);
        }
    }

    fn stop_task(&mut self, id: &str) {
        let Some(instance) = self.find(id) else {
            return;
        };
        let grace = instance.app.body.get("taskKillGracePeriodSeconds");
        let grace = grace.and_then(serde_json::Value::as_f64);
        let grace = grace.map_or(self.pace.kill_grace, |seconds| self.real(seconds));
        let Some(instance) = self.find_mut(id) else {
            return;
        };
        if let Some(task) = instance.task.as_mut().filter(|t| !t.dying) {
            task.dying = true;
            let task = task.id.clone();
            self.effects.push(Effect::Kill {
                task,
                grace: grace.max(Duration::from_millis(1)),
            });
        }
    }

    /// Outside of deployments the number of instances is put right whenever one of them dies.
    pub fn check_scale_unless_locked(&mut self, app: &Id) {
        if self.locks(app).is_empty() {
            self.check_scale(app);
        }
    }

    /// Brings the number of instances to what the newest definition says, in whatever way (Marathon does not look at health).
    pub fn check_scale(&mut self, id: &Id) {
        let Some(app) = self.tree.apps.get(id).cloned() else {
            let orphans: Vec<String> = self.active(id).map(|i| i.id.clone()).collect();
            return self.dismiss(&orphans);
        };
        let active = self.active(id).count();
        if active > app.instances() {
            let surplus = self.surplus(id, active - app.instances());
            self.dismiss(&surplus);
        } else {
            for _ in active..app.instances() {
                self.add_instance(&app);
            }
        }
    }

    /// The same for all apps that no deployment holds; also for tasks of apps that are gone.
    pub fn check_all_scales(&mut self) {
        let ids: Vec<Id> = self
            .tree
            .apps
            .keys()
            .chain(self.instances.keys())
            .cloned()
            .collect();
        for id in ids {
            self.check_scale_unless_locked(&id);
        }
    }

    /// Which instances Marathon gives up first: staging, starting, running by `killSelection`, and only then those
    /// that wait for an offer or for their back-off.
    #[must_use]
    pub fn surplus(&self, app: &Id, count: usize) -> Vec<String> {
        let rank = |i: &&Instance| match i.condition {
            _ if self.sentenced.contains(&i.id) => -1,
            Condition::Provisioned => 0,
            Condition::Starting => 1,
            Condition::Running => 2,
            _ => 3,
        };
        let oldest = self
            .tree
            .apps
            .get(app)
            .and_then(|a| a.text("killSelection"))
            == Some("OLDEST_FIRST");
        let mut candidates: Vec<&Instance> = self.active(app).collect();
        if !oldest {
            candidates.reverse();
        }
        candidates.sort_by_key(rank);
        candidates
            .into_iter()
            .take(count)
            .map(|i| i.id.clone())
            .collect()
    }
}

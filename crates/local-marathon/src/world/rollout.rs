//! Deployments at work: step by step, action by action, with the arithmetic of rolling upgrades.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use serde_json::json;

use super::plan::{Action, Verb};
use super::{Deployment, Progress, World, render_step};
use crate::definition::app::App;

impl World {
    /// Lets every deployment go on as far as it can.
    pub fn settle(&mut self) {
        let mut deployments = mem::take(&mut self.deployments);
        for deployment in &mut deployments {
            while self.advance(deployment) {}
        }
        deployments.retain(|d| d.step < d.steps.len());
        self.deployments = deployments;
    }

    /// Begins, continues or ends the current step; whether another step is to be begun.
    fn advance(&mut self, deployment: &mut Deployment) -> bool {
        let Some(step) = deployment.steps.get(deployment.step).cloned() else {
            return false;
        };
        if deployment.running.is_empty() {
            self.tell(
                "deployment_info",
                json!({ "plan": deployment.plan(), "currentStep": render_step(&step) }),
            );
            deployment.running = step
                .iter()
                .map(|action| self.begin(action, deployment))
                .collect();
        }
        let mut running = mem::take(&mut deployment.running);
        for progress in running.iter_mut().filter(|p| !p.done) {
            progress.done = self.go_on(progress, deployment);
        }
        let done = running.iter().all(|p| p.done);
        deployment.running = running;
        if !done {
            return false;
        }
        self.tell(
            "deployment_step_success",
            json!({ "plan": deployment.plan(), "currentStep": render_step(&step) }),
        );
        deployment.step += 1;
        deployment.running.clear();
        self.dirty = true;
        if deployment.step == deployment.steps.len() {
            self.tell(
                "deployment_success",
                json!({ "id": deployment.id, "plan": deployment.plan() }),
            );
        }
        true
    }

    fn begin(&mut self, action: &Action, deployment: &Deployment) -> Progress {
        let mut progress = Progress {
            action: action.clone(),
            done: false,
            counted: BTreeSet::new(),
            leaving: BTreeSet::new(),
            capacity: 0,
            old: BTreeSet::new(),
        };
        let app = deployment.to.apps.get(&action.app).cloned();
        match (action.verb, app) {
            (Verb::Start, Some(app)) => {
                self.tell_health_checks(&app);
                self.watch(&app);
            }
            (Verb::Scale, Some(app)) => {
                // a new app has told so when it was started
                if deployment.from.apps.contains_key(&app.id) {
                    self.tell_health_checks(&app);
                }
                self.begin_scale(&app, &mut progress);
            }
            (Verb::Restart, Some(app)) => {
                self.tell_health_checks(&app);
                self.watch(&app);
                self.begin_restart(&app, &mut progress);
            }
            (Verb::Stop, _) => {
                self.tell_no_health_checks(deployment, action);
                let ids: Vec<String> = self.active(&action.app).map(|i| i.id.clone()).collect();
                self.dismiss(&ids);
            }
            (_, None) => progress.done = true,
        }
        progress
    }

    /// Whether the action is done.
    fn go_on(&mut self, progress: &mut Progress, deployment: &Deployment) -> bool {
        let app = deployment.to.apps.get(&progress.action.app).cloned();
        match (progress.action.verb, app) {
            (Verb::Scale, Some(app)) => self.go_on_scaling(&app, progress),
            (Verb::Restart, Some(app)) => self.go_on_restarting(&app, progress),
            (Verb::Stop, _) => {
                let gone = self.of(&progress.action.app).is_empty();
                if gone {
                    self.bury(progress);
                }
                gone
            }
            _ => true,
        }
    }

    /// Forgets all about a stopped app, unless it was made anew meanwhile.
    fn bury(&mut self, progress: &Progress) {
        let id = &progress.action.app;
        self.tell("app_terminated_event", json!({ "appId": id.as_str() }));
        if !self.tree.apps.contains_key(id) {
            self.failures.remove(id);
            self.delays.retain(|(of, _), _| of != id);
            self.offers.remove(id);
            self.archive.remove(id);
        }
    }

    fn begin_scale(&mut self, app: &Arc<App>, progress: &mut Progress) {
        let active = self.active(&app.id).count();
        if active > app.instances() {
            let surplus = self.surplus(&app.id, active - app.instances());
            self.dismiss(&surplus);
            progress.leaving.extend(surplus);
        }
        for _ in active..app.instances() {
            let id = self.add_instance(app);
            progress.counted.insert(id);
        }
    }

    fn go_on_scaling(&mut self, app: &Arc<App>, progress: &mut Progress) -> bool {
        // a thousand instances are looked up at every change: by their names, not one by one
        let here: BTreeMap<&str, bool> = self
            .of(&app.id)
            .iter()
            .map(|i| (i.id.as_str(), i.is_up()))
            .collect();
        let up = |id: &String| here.get(id.as_str()).copied();
        progress.leaving.retain(|id| up(id).is_some());
        let mut done =
            progress.leaving.is_empty() && progress.counted.iter().all(|id| up(id) != Some(false));
        let wiped = progress.counted.iter().filter(|id| up(id).is_none());
        let wiped: Vec<String> = wiped.cloned().collect();
        for id in wiped {
            progress.counted.remove(&id);
            if self.active(&app.id).count() < app.instances() {
                let id = self.add_instance(app);
                progress.counted.insert(id);
                done = false;
            }
        }
        done
    }

    /// Kills at once what is more than the minimum. Every instance that is meant to run counts: starting ones, sick ones,
    /// those in back-off and those never launched; so healthy tasks die while others that never were healthy stay.
    fn begin_restart(&mut self, app: &Arc<App>, progress: &mut Progress) {
        self.reset_delay(&app.id);
        let (minimum, mut capacity) = app.capacity();
        let active = self.active(&app.id).count();
        if minimum == capacity && capacity <= active {
            capacity += 1;
        }
        progress.capacity = capacity;
        let old = self
            .active(&app.id)
            .filter(|i| i.app.version != app.version);
        let first: Vec<String> = old
            .map(|i| i.id.clone())
            .take(active.saturating_sub(minimum))
            .collect();
        self.dismiss(&first);
        progress.old = self.old_instances(app);
        self.start_new(app, progress.capacity);
    }

    fn go_on_restarting(&mut self, app: &Arc<App>, progress: &mut Progress) -> bool {
        let up: BTreeSet<String> = self
            .active(&app.id)
            .filter(|i| i.app.version == app.version && i.is_up())
            .map(|i| format!("{} {}", i.id, i.attempt))
            .collect();
        for _ in up.difference(&progress.counted) {
            self.dismiss_one_old(app);
        }
        progress.counted = up;
        if progress.counted.len() >= app.instances() {
            while self.dismiss_one_old(app) {}
        }
        let old = self.old_instances(app);
        if progress.old.iter().any(|known| !old.contains(known)) {
            self.start_new(app, progress.capacity);
        }
        progress.old = old;
        progress.counted.len() >= app.instances() && progress.old.is_empty()
    }

    /// Instances of other versions that are still there, dying ones included.
    fn old_instances(&self, app: &App) -> BTreeSet<(String, u32, bool)> {
        let old = self
            .of(&app.id)
            .iter()
            .filter(|i| i.app.version != app.version);
        old.map(|i| (i.id.clone(), i.attempt, i.condition.is_alive()))
            .collect()
    }

    /// Starts as many of the new version as are missing and as there is room for.
    fn start_new(&mut self, app: &Arc<App>, capacity: usize) {
        let started = self
            .active(&app.id)
            .filter(|i| i.app.version == app.version)
            .count();
        let room = capacity.saturating_sub(self.of(&app.id).len());
        for _ in 0..app.instances().saturating_sub(started).min(room) {
            self.add_instance(app);
        }
    }

    /// One of the old version goes, one that is not well first.
    fn dismiss_one_old(&mut self, app: &App) -> bool {
        let old = || {
            self.active(&app.id)
                .filter(|i| i.app.version != app.version)
        };
        let next = old()
            .find(|i| !i.is_up())
            .or_else(|| old().next())
            .map(|i| i.id.clone());
        self.dismiss(next.as_slice());
        next.is_some()
    }

    fn tell_health_checks(&self, app: &App) {
        for check in app.list("healthChecks") {
            let version = crate::stamp::text(app.version);
            self.tell(
                "add_health_check_event",
                json!({ "appId": app.id.as_str(), "version": version, "healthCheck": check }),
            );
        }
    }

    fn tell_no_health_checks(&self, deployment: &Deployment, action: &Action) {
        let mut versions: BTreeSet<_> = self
            .of(&action.app)
            .iter()
            .map(|i| (i.app.version, i.app.list("healthChecks").len()))
            .collect();
        versions.extend(
            deployment
                .from
                .apps
                .get(&action.app)
                .map(|a| (a.version, a.list("healthChecks").len())),
        );
        for _ in versions.iter().flat_map(|(_, checks)| 0..*checks) {
            self.tell(
                "remove_health_check_event",
                json!({ "appId": action.app.as_str() }),
            );
        }
    }
}

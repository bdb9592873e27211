//! Changing what is meant to run: versions, plan, locks, and the deployment that follows.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::plan::steps;
use super::{Deployment, World, render_step};
use crate::definition::app::App;
use crate::definition::id::Id;
use crate::definition::limit;
use crate::definition::refusal::Refusal;
use crate::definition::scala_text;
use crate::definition::tree::Tree;
use crate::stamp;

/// How many deployments may run at a time.
const MOST_DEPLOYMENTS: usize = 100;
/// How many former trees are kept, and versions of an app: Marathon's `zk_max_versions`.
const MOST_VERSIONS: usize = 50;

/// An accepted change.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Version of the new tree.
    pub version: Timestamp,
    /// Id of the deployment; it may have ended already.
    pub deployment: String,
}

impl Accepted {
    /// `{"version", "deploymentId"}`.
    pub fn render(&self) -> Value {
        json!({ "version": stamp::text(self.version), "deploymentId": self.deployment })
    }
}

impl World {
    /// Edits a copy of the tree and deploys the difference. `at` is the group that events name. Apps in `restart` get a new version even if they are equal.
    ///
    /// # Errors
    /// What Marathon refuses about it.
    pub fn change(
        &mut self,
        at: &Id,
        force: bool,
        restart: &[Id],
        edit: impl FnOnce(&mut Tree, Timestamp) -> Result<(), Refusal>,
    ) -> Result<Accepted, Refusal> {
        if self.deployments.len() >= MOST_DEPLOYMENTS {
            return Err(too_many());
        }
        let version = self.next_version();
        let result = self
            .edited(version, restart, edit)
            .and_then(|tree| self.deploy(tree, force));
        self.sentenced.clear();
        match &result {
            Ok(_) => self.tell(
                "group_change_success",
                json!({ "groupId": at.as_str(), "version": stamp::text(version) }),
            ),
            Err(refusal) => {
                let data = json!({ "groupId": at.as_str(), "version": stamp::text(version), "reason": refusal.reason() });
                self.tell("group_change_failed", data);
            }
        }
        result
    }

    /// The steps that a change would take.
    ///
    /// # Errors
    /// What Marathon refuses about it.
    pub fn rehearse(
        &mut self,
        edit: impl FnOnce(&mut Tree, Timestamp) -> Result<(), Refusal>,
    ) -> Result<Value, Refusal> {
        let version = self.next_version();
        let tree = self.edited(version, &[], edit)?;
        let steps: Vec<Value> = steps(&self.tree, &tree)
            .iter()
            .map(|s| render_step(s))
            .collect();
        Ok(json!({ "steps": steps }))
    }

    fn edited(
        &self,
        version: Timestamp,
        restart: &[Id],
        edit: impl FnOnce(&mut Tree, Timestamp) -> Result<(), Refusal>,
    ) -> Result<Tree, Refusal> {
        let mut tree = Tree::clone(&self.tree);
        edit(&mut tree, version)?;
        limit::instances(&tree).map_err(|error| Refusal::invalid_at("/instances", &error))?;
        tree.assign_service_ports(&self.tree);
        let ids: Vec<Id> = tree.apps.keys().cloned().collect();
        for id in ids {
            let Some(app) = tree.apps.get(&id) else {
                continue;
            };
            let stamped = self.stamped(app, version, restart.contains(&id));
            tree.apps.insert(id, stamped);
        }
        tree.version = version;
        match tree.validate() {
            Ok(()) => Ok(tree),
            Err((group, error)) => Err(self.unsound(&tree, &group, error)),
        }
    }

    fn unsound(&self, tree: &Tree, group: &Id, error: &str) -> Refusal {
        let born = |id: &Id| {
            let first = self.archive.get(id).and_then(|versions| versions.first());
            first.map_or(tree.version, |app| app.version)
        };
        let (path, what) = tree.place_of(group);
        let reason = scala_text::failure(&what, &scala_text::group(tree, group, born), error);
        Refusal::invalid_at(&path, error).because(reason)
    }

    /// The app with the versions it gets: the old ones if it is equal, new ones where it changed.
    fn stamped(&self, app: &Arc<App>, version: Timestamp, restart: bool) -> Arc<App> {
        let Some(old) = self.tree.apps.get(&app.id) else {
            return Arc::new(App::new(app.id.clone(), app.body.clone(), version));
        };
        if old.body == app.body && !restart {
            return Arc::clone(old);
        }
        let configured = if old.same_config(app) {
            old.configured
        } else {
            version
        };
        Arc::new(App {
            version,
            scaled: version,
            configured,
            ..App::clone(app)
        })
    }

    fn deploy(&mut self, tree: Tree, force: bool) -> Result<Accepted, Refusal> {
        let tree = Arc::new(tree);
        let deployment = Deployment {
            id: self.new_id().to_string(),
            version: tree.version,
            from: Arc::clone(&self.tree),
            to: Arc::clone(&tree),
            steps: steps(&self.tree, &tree),
            step: 0,
            running: Vec::new(),
        };
        let affected: BTreeSet<&Id> = deployment.affected();
        let in_the_way = self
            .deployments
            .iter()
            .filter(|d| !d.affected().is_disjoint(&affected));
        let in_the_way: Vec<String> = in_the_way.map(|d| d.id.clone()).collect();
        if !in_the_way.is_empty() && !force {
            let refusal = Refusal::locked(&in_the_way);
            let data =
                json!({ "id": deployment.id, "plan": deployment.plan(), "reason": refusal.text() });
            self.tell("deployment_failed", data);
            self.shelve(&tree);
            return Err(refusal);
        }
        for id in in_the_way {
            self.cancel(&id);
        }
        let accepted = Accepted {
            version: tree.version,
            deployment: deployment.id.clone(),
        };
        self.commit(&tree);
        if deployment.steps.is_empty() {
            self.tell(
                "deployment_success",
                json!({ "id": deployment.id, "plan": deployment.plan() }),
            );
        } else {
            self.deployments.push(deployment);
            self.settle();
        }
        Ok(accepted)
    }

    /// Keeps the versions of all apps of a tree; Marathon does so even if the change is refused for a lock.
    fn shelve(&mut self, tree: &Tree) {
        for app in tree.apps.values() {
            let versions = self.archive.entry(app.id.clone()).or_default();
            if !versions.iter().any(|known| known.version == app.version) {
                versions.push(Arc::clone(app));
                let surplus = versions.len().saturating_sub(MOST_VERSIONS);
                versions.drain(..surplus);
            }
        }
    }

    fn commit(&mut self, tree: &Arc<Tree>) {
        self.shelve(tree);
        self.tree = Arc::clone(tree);
        self.roots.push(Arc::clone(tree));
        let surplus = self.roots.len().saturating_sub(MOST_VERSIONS);
        self.roots.drain(..surplus);
        self.dirty = true;
    }

    /// Ends a deployment where it stands; nothing is put back.
    pub fn cancel(&mut self, id: &str) -> Option<Deployment> {
        let index = self.deployments.iter().position(|d| d.id == id)?;
        let deployment = self.deployments.remove(index);
        let data = json!({ "id": deployment.id, "plan": deployment.plan(), "reason": "The upgrade has been cancelled" });
        self.tell("deployment_failed", data);
        self.dirty = true;
        Some(deployment)
    }

    /// Deploys the opposite of a running deployment.
    ///
    /// # Errors
    /// What Marathon refuses about it.
    pub fn revert(&mut self, id: &str) -> Result<Accepted, Refusal> {
        let Some(deployment) = self.deployments.iter().find(|d| d.id == id).cloned() else {
            return Err(Refusal::message(
                404,
                format!("DeploymentPlan {id} does not exist"),
            ));
        };
        self.change(&Id::root(), true, &[], |tree, version| {
            for id in deployment.affected() {
                match deployment.from.apps.get(id) {
                    Some(old) => tree.put(App::new(id.clone(), old.body.clone(), version)),
                    None => {
                        tree.apps.remove(id);
                    }
                }
            }
            let made = deployment
                .to
                .groups
                .keys()
                .filter(|g| !deployment.from.groups.contains_key(*g));
            for group in made.rev() {
                let used = tree.below(group).next().is_some()
                    || tree.groups.keys().any(|g| g.is_below(group));
                if !used {
                    tree.groups.remove(group);
                }
            }
            Ok(())
        })
    }
}

fn too_many() -> Refusal {
    Refusal::message(
        403,
        format!(
            "Max number ({MOST_DEPLOYMENTS}) of running deployments is achieved. Wait for existing deployments to complete or cancel one\
             using force=true parameter. You can increase max deployment number by using --max_running_deployments parameter but be \
             advised that this can have negative effects on the performance."
        ),
    )
}

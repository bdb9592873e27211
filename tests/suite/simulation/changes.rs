//! A deploy changes what has to be changed, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use dploy_observer::event::{Action, Call, Cause, Fact, Planned};
use serde_json::Value;

use super::branch::Wanted;
use super::finding::{Check, Finding};
use super::judge::{Moment, is_right};

/// What is known of changes.
#[derive(Default)]
pub struct Changes {
    /// Services of which a deploy said that they run as a commit wants them, and which nobody changed since.
    right: BTreeMap<String, Wanted>,
}

impl Changes {
    /// Somebody else changes a service.
    pub fn touch(&mut self, service: &str) {
        self.right.remove(service);
    }

    pub fn look(&mut self, moment: &Moment<'_>, touched: &BTreeSet<String>) -> Option<Finding> {
        match moment.fact {
            Fact::ApplyIntended(intent) => {
                for service in &intent.services {
                    self.right.remove(service.id.as_str());
                }
            }
            Fact::PlanMade { services, .. } => return self.is_needed(moment, services),
            Fact::DeployUnchanged { .. } => {
                self.ends_well(moment, touched);
                return told(moment);
            }
            Fact::DeploySucceeded { .. } => {
                self.ends_well(moment, touched);
                return left(moment, touched).or_else(|| forgotten(moment, touched));
            }
            _ => {}
        }
        None
    }

    fn ends_well(&mut self, moment: &Moment<'_>, touched: &BTreeSet<String>) {
        for wanted in moment.wanted() {
            let id = wanted.shape.id.clone();
            if !touched.contains(&id)
                && is_right(moment.cluster, moment.id.as_str(), wanted, true).is_ok()
            {
                self.right.insert(id, wanted.clone());
            }
        }
    }

    /// A push or a rollback plans nothing for what is right and was said to be.
    fn is_needed(&self, moment: &Moment<'_>, services: &[Planned]) -> Option<Finding> {
        let deploy = moment.deploy()?;
        if !matches!(deploy.wanted.cause, Cause::Push | Cause::Rollback) {
            return None;
        }
        let needless = moment.wanted().find(|w| {
            let id = w.shape.id.as_str();
            let is_changed = |s: &Planned| s.change != Action::Unchanged;
            let mut planned = services.iter().filter(|s| is_changed(s));
            let is_planned = planned.any(|s| s.id.as_str() == id);
            let count = moment.cluster.seen(id).map(|s| s.instances);
            // what an operator asked for and Marathon was not told yet is planned with it
            let mut known = moment.after.iter().flat_map(|a| &a.services);
            let is_wished = known.any(|(known, r)| known.as_str() == id && r.scale.is_some());
            is_planned
                && !is_wished
                && self.right.get(id) == Some(*w)
                && count == Some(w.shape.instances)
                && is_right(moment.cluster, moment.id.as_str(), w, true).is_ok()
        })?;
        Some(Finding {
            check: Check::Needless,
            sentence: format!(
                "{} #{} plans something for {}, which is right, as it was said to be, and nobody changed it since",
                moment.id, deploy.number.0, needless.shape.id
            ),
        })
    }
}

/// "Nothing to change" is said where nothing was changed.
fn told(moment: &Moment<'_>) -> Option<Finding> {
    let deploy = moment.deploy()?;
    let changes = |c: &Call| matches!(c, Call::Put | Call::Restart | Call::Delete);
    let call = deploy.life.rollout().iter().map(|a| a.call).find(changes)?;
    Some(Finding {
        check: Check::SuccessUntrue,
        sentence: format!(
            "{} #{} says that there was nothing to change, and Marathon accepted its {call:?}",
            moment.id, deploy.number.0
        ),
    })
}

/// What was to be removed is gone.
fn left(moment: &Moment<'_>, touched: &BTreeSet<String>) -> Option<Finding> {
    let deploy = moment.deploy()?;
    let planned = deploy.plan.iter().flatten();
    let left = planned
        .filter(|p| p.change == Action::Remove && !touched.contains(p.id.as_str()))
        .find(|p| {
            let seen = moment.cluster.seen(p.id.as_str());
            seen.is_some_and(|s| s.label.as_deref() == Some(moment.id.as_str()))
        })?;
    Some(Finding {
        check: Check::SuccessUntrue,
        sentence: format!(
            "{} #{} succeeded, and {}, which it was to remove, is there",
            moment.id, deploy.number.0, left.id
        ),
    })
}

/// A deploy of one service that took another rollout over says what became of the other services of that one.
fn forgotten(moment: &Moment<'_>, touched: &BTreeSet<String>) -> Option<Finding> {
    let only = moment.deploy()?.wanted.only.as_ref()?;
    let app = moment.after.filter(|a| a.trouble.is_none())?;
    let dirty = app.services.iter().filter(|(id, r)| *id != only && r.dirty);
    // what is said is not forgotten
    let ended: Value = serde_json::from_str(moment.event.payload.get()).unwrap();
    let said = ended["sentence"].as_str().unwrap_or_default();
    let between = dirty
        .filter(|(id, _)| !said.contains(id.as_str()))
        .filter(|(id, _)| !touched.contains(id.as_str()))
        .find(|(id, _)| {
            let seen = moment.cluster.seen(id.as_str());
            let whole = |s: &super::cluster::Seen| s.well == s.instances && s.there == s.instances;
            seen.is_some_and(|s| !whole(&s))
        })?;
    let rolls = !moment.cluster.locks(between.0.as_str()).is_empty();
    (!rolls).then(|| Finding {
        check: Check::RolloutLeft,
        sentence: format!(
            "{} #{} succeeded with {only} alone, and {} is left between two versions without a word",
            moment.id,
            moment.event.deploy.map_or(0, |d| d.0),
            between.0
        ),
    })
}

//! (State, specs, what runs) → what a deploy changes. Pure, so that a page, a dry run and the deployer say the same.

mod bounds;
mod first_start;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use self::bounds::not_ours;
pub use self::bounds::{Bounds, allowed};
use self::first_start::first_start;
use crate::event::{Action, DeployQueued, Outcome, Planned, Scale};
use crate::history::{App, ServiceRecord};
use crate::id::{AppId, ServiceId, SpecHash};
use crate::sentence::{Code, Sentence};
use crate::spec::{LABEL_APP, LABEL_SPEC, Service, deviation, sha256_hex, warnings};

/// A service as it runs in Marathon.
#[derive(Debug, Clone)]
pub struct Running {
    /// Its `DPLOY` label.
    pub app: Option<String>,
    /// The hash in its `DPLOY_SPEC` label.
    pub spec: Option<SpecHash>,
    /// How many instances are wanted.
    pub instances: u32,
    /// Hash of Marathon's rendering.
    pub rendering: SpecHash,
    /// Whether all its tasks run the newest configuration and a deployment or nothing touches it.
    pub settled: bool,
    /// Whether some task runs an earlier configuration, and no deployment is replacing it.
    pub old: bool,
    /// Its `version` in Marathon.
    pub version: String,
    /// As Marathon shows it.
    pub definition: Value,
}

/// One service of a plan.
#[derive(Debug, Clone)]
pub struct Step {
    /// As it is written to the log.
    pub planned: Planned,
    /// How many instances run now.
    pub running: u32,
    /// How many there will be.
    pub after: u32,
    /// What Marathon is given; none where it is removed or left alone.
    pub body: Option<Value>,
}

/// What a deploy changes.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Services that change, are removed, or are still to be watched.
    pub steps: Vec<Step>,
    /// How many are right as they are.
    pub unchanged: Vec<Outcome>,
    /// Services of ours without a spec that are left running.
    pub orphans: Vec<ServiceId>,
    /// Running services that become ours as they are.
    pub adopted: Vec<Outcome>,
    /// Traps.
    pub warnings: Vec<Sentence>,
}

impl Plan {
    /// Whether Marathon has to be told anything.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.steps
            .iter()
            .any(|s| s.planned.change != Action::Unchanged)
    }
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The deploy fails with this.
    Fails(Sentence),
    /// The log is empty and what runs differs: somebody has to decide.
    FirstStart(String),
}

/// A digest of the services of a commit, for the plan token.
#[must_use]
pub fn digest(services: &[Service]) -> String {
    let lines: Vec<String> = services
        .iter()
        .map(|s| format!("{} {} {:?}", s.id, s.hash, s.instances))
        .collect();
    sha256_hex(lines.join("\n").as_bytes())
}

/// What Marathon is given for a service: its spec, our labels, the number of instances.
#[must_use]
pub fn body(service: &Service, app: &AppId, instances: u32) -> Value {
    let mut spec = service.spec.clone();
    if let Some(map) = spec.as_object_mut() {
        map.insert("instances".to_owned(), json!(instances));
        let labels = map.entry("labels").or_insert_with(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(LABEL_APP.to_owned(), json!(app));
            labels.insert(LABEL_SPEC.to_owned(), json!(format!("1:{}", service.hash)));
        }
    }
    spec
}

/// What a deploy of `services` changes, given what runs. `old_specs` are the specs that were applied last.
///
/// # Errors
/// An [`Obstacle`].
pub fn plan(
    app: &App,
    wanted: &DeployQueued,
    services: &[Service],
    live: &BTreeMap<ServiceId, Running>,
    old_specs: &BTreeMap<ServiceId, Value>,
    bounds: &Bounds,
) -> Result<Plan, Obstacle> {
    let services: Vec<&Service> = services
        .iter()
        .filter(|s| wanted.only.as_ref().is_none_or(|only| *only == s.id))
        .collect();
    if let Some(only) = wanted.only.as_ref().filter(|_| services.is_empty()) {
        return Err(fails(
            Code::SpecInvalid,
            format!("{only} has no spec at {}", wanted.commit.short()),
        ));
    }
    for service in &services {
        allowed(&service.id, bounds)?;
    }
    if !app.ever_applied()
        && live
            .values()
            .any(|r| r.app.as_deref() == Some(app.id.as_str()))
        && wanted.cause == crate::event::Cause::Push
        && app
            .first_start
            .as_ref()
            .is_none_or(|held| *held == wanted.commit)
    {
        return first_start(app, &services, live);
    }
    let mut plan = Plan::default();
    for service in &services {
        let record = app.services.get(&service.id).cloned().unwrap_or_default();
        let step = step(app, wanted, service, &record, live.get(&service.id))?;
        if step.planned.change == Action::Unchanged && !record.dirty {
            plan.unchanged
                .push(outcome(service, Action::Unchanged, live.get(&service.id)));
        } else {
            plan.warnings
                .extend(warnings(service, old_specs.get(&service.id)));
            plan.steps.push(step);
        }
    }
    if wanted.only.is_none() {
        leavers(app, &services, live, &mut plan);
    }
    Ok(plan)
}

fn fails(code: Code, sentence: String) -> Obstacle {
    Obstacle::Fails(Sentence::new(code, sentence))
}

/// What becomes of a service that runs as its spec says.
#[must_use]
pub fn outcome(service: &Service, change: Action, live: Option<&Running>) -> Outcome {
    Outcome {
        id: service.id.clone(),
        change,
        new: live.map_or(0, |l| l.instances),
        old: 0,
        spec: Some(service.hash.clone()),
        instances: service.instances,
        rendering: live.map(|l| l.rendering.clone()),
    }
}

fn step(
    app: &App,
    wanted: &DeployQueued,
    service: &Service,
    record: &ServiceRecord,
    live: Option<&Running>,
) -> Result<Step, Obstacle> {
    let after = instances(app, wanted, service, live);
    let change = match live {
        None => Action::Create,
        Some(live) => {
            if live.app.as_deref() != Some(app.id.as_str()) && !record.adopted {
                return Err(fails(Code::NotOurs, not_ours(app, &service.id, live)));
            }
            change(app, service, record, live, after)
        }
    };
    let planned = Planned {
        id: service.id.clone(),
        change,
        spec: Some(service.hash.clone()),
        instances: service.instances,
    };
    let body = change.puts().then(|| body(service, &app.id, after));
    Ok(Step {
        planned,
        running: live.map_or(0, |l| l.instances),
        after,
        body,
    })
}

fn change(
    app: &App,
    service: &Service,
    record: &ServiceRecord,
    live: &Running,
    after: u32,
) -> Action {
    // as it was left when it was right, or right by what it says
    let as_left = record.applied.as_ref() == Some(&service.hash)
        && !record.dirty
        && record.rendering.as_ref() == Some(&live.rendering);
    // a label that only adopting made ours is still to be written
    let labelled = live.app.as_ref().is_some_and(|l| l == app.id.as_str());
    let right = labelled && (as_left || as_specified(live, service));
    // what only makes room for a rollout is given back once that is over
    let makes_room = !live.settled && app.owed(&service.id, live.instances) == Some(after);
    match (right, after == live.instances || makes_room) {
        (true, true) if live.old || (record.dirty && !live.settled) => Action::Restart,
        (true, true) => Action::Unchanged,
        (false, _) if record.applied.as_ref() == Some(&service.hash) && !record.dirty => {
            Action::Drifted
        }
        (true, false) | (false, _) => Action::Update,
    }
}

/// If `instances` did not change between the two specs, the running count stays.
/// Counts that only make room are no running counts.
fn instances(app: &App, wanted: &DeployQueued, service: &Service, live: Option<&Running>) -> u32 {
    match live {
        Some(live) if wanted.scale == Scale::Keep => {
            let owed = app.owed(&service.id, live.instances);
            // what an operator asked for and Marathon was not told yet
            let wish = app.services.get(&service.id).and_then(|s| s.scale);
            let running = wish.or(owed).unwrap_or(live.instances);
            let mut given = app.instances_given(&service.id).peekable();
            let same = given.peek().is_some() && given.all(|n| n == service.instances);
            if same {
                running
            } else {
                service.instances.unwrap_or(running)
            }
        }
        _ => service.instances.unwrap_or(1),
    }
}

/// Services of ours whose spec is not in this commit: removed with `prune`, otherwise listed.
fn leavers(app: &App, services: &[&Service], live: &BTreeMap<ServiceId, Running>, plan: &mut Plan) {
    let wanted: BTreeSet<&ServiceId> = services.iter().map(|s| &s.id).collect();
    // one of ours whose label somebody took away is not ours any more
    let gone = live
        .iter()
        .filter(|(id, r)| r.app.as_deref() == Some(app.id.as_str()) && !wanted.contains(id))
        .map(|(id, _)| id);
    for id in gone {
        if app.settings.prune {
            let planned = Planned {
                id: id.clone(),
                change: Action::Remove,
                spec: None,
                instances: None,
            };
            plan.steps.push(Step {
                planned,
                running: live[id].instances,
                after: 0,
                body: None,
            });
        } else {
            plan.orphans.push(id.clone());
        }
    }
}

/// Whether a running definition says everything that a spec says; Marathon fills in defaults.
#[must_use]
pub fn as_specified(running: &Running, service: &Service) -> bool {
    deviation(&running.definition, &service.spec).is_none()
}

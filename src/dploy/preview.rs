//! A plan against what Marathon runs now, where no log says what was applied before: the label of each service does.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use serde_json::Value;

use super::args::AdoptArgs;
use super::terminal::{DIM, GREEN, RED, Terminal, YELLOW, paint};
use super::workspace::Workspace;
use crate::api::{PlanBody, PlanInstances, PlanService};
use crate::event::{
    Action, AppSettings, Cause, DeployQueued, DeployRef, Scale, Source, Visibility,
};
use crate::history::{App, ServiceRecord};
use crate::id::{CommitId, ServiceId};
use crate::marathon::{Client, LiveApp};
use crate::plan::{Bounds, Obstacle, Plan, Running, as_specified, plan};
use crate::rollout::{self, Look};
use crate::secret::{HIDDEN, hide_secrets, plain};
use crate::sentence::Sentence;
use crate::spec::{Change, LABEL_APP, Service, diff_of_running, in_shape_of, rendering};

/// What would change, and what it was compared with.
pub(super) struct Preview {
    pub plan: Plan,
    pub look: Look,
    pub services: Vec<Service>,
}

/// A descriptor's app as a plan wants it; no log knows it.
fn unlogged(workspace: &Workspace) -> anyhow::Result<App> {
    let source = Source {
        repository_id: 0,
        repository: "unknown/unknown"
            .parse()
            .map_err(|e| anyhow::anyhow!("{e}"))?,
        branch: workspace
            .branch()
            .parse()
            .map_err(|e| anyhow::anyhow!("dploy.app: trigger_branch: {e}"))?,
        visibility: Visibility::Unknown,
    };
    let settings = AppSettings {
        prune: workspace.descriptor.prune,
        deadline: workspace.descriptor.deadline,
    };
    Ok(App::unlogged(workspace.app.clone(), source, settings))
}

fn wanted() -> anyhow::Result<DeployQueued> {
    let none: CommitId = "0".repeat(40).parse().map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(DeployQueued {
        commit: none,
        cause: Cause::Cli,
        before: None,
        specs_of: None,
        only: None,
        scale: Scale::Keep,
        force: false,
        reason: None,
    })
}

/// What we would know of a service, read off what runs.
fn record(service: &Service, live: &LiveApp, running: &Running, look: &Look) -> ServiceRecord {
    let held = look
        .deployments
        .iter()
        .any(|d| d.affected_apps.contains(&live.id));
    let labelled = running.spec.as_ref() == Some(&service.hash);
    // somebody changed it by hand: no rendering of ours looks like that
    let drifted = labelled && !as_specified(running, service);
    ServiceRecord {
        applied: drifted.then(|| service.hash.clone()),
        rendering: drifted.then(|| rendering(&Value::Null)),
        // an ended rollout left old tasks of a definition that is right
        dirty: !held && !drifted && live.tasks.iter().any(|t| !live.is_current(t)),
        ..ServiceRecord::default()
    }
}

/// Plans a workspace.
///
/// # Errors
/// When Marathon does not answer, or something stands in the way; the sentence says what.
pub(super) async fn preview(
    marathon: &Client,
    workspace: &Workspace,
    adopt: &AdoptArgs,
) -> anyhow::Result<Preview> {
    let services = workspace.services()?;
    let mut app = unlogged(workspace)?;
    let mut ids: BTreeSet<ServiceId> = services.iter().map(|s| s.id.clone()).collect();
    ids.extend(rollout::ours(marathon, app.id.as_str()).await?);
    let look = rollout::look(marathon, ids).await?;
    let live: BTreeMap<ServiceId, Running> = look
        .apps
        .iter()
        .map(|(id, a)| (id.clone(), rollout::running(a)))
        .collect();
    let label = |s: &Service| live.get(&s.id).map(|r| r.app.as_deref());
    for service in &services {
        match label(service) {
            Some(None) if !adopt.takes(None) => bail!(
                "{} exists in Marathon and was not made by dploy; change its id, or take it over with -adopt",
                service.id
            ),
            Some(Some(owner)) if owner != app.id.as_str() && !adopt.takes(Some(owner)) => bail!(
                "{} exists in Marathon and belongs to the app {owner}, by its label; change its id, or if that app is gone, take it over with -adopt-from={owner}",
                service.id
            ),
            _ => {}
        }
    }
    let foreign = |s: &Service| label(s).is_some_and(|l| l != Some(app.id.as_str()));
    let foreign: BTreeSet<ServiceId> = services
        .iter()
        .filter(|s| foreign(s))
        .map(|s| s.id.clone())
        .collect();
    for service in &services {
        if let (Some(running), Some(app_live)) = (live.get(&service.id), look.apps.get(&service.id))
        {
            let mut known = record(service, app_live, running, &look);
            known.adopted = foreign.contains(&service.id);
            app.services.insert(service.id.clone(), known);
        }
    }
    let bounds = Bounds {
        own: Some("/dploy-observer".to_owned()),
        ..Bounds::default()
    };
    let old: BTreeMap<ServiceId, Value> = services
        .iter()
        .filter_map(|s| {
            Some((
                s.id.clone(),
                in_shape_of(&look.apps.get(&s.id)?.raw, &s.spec),
            ))
        })
        .collect();
    match plan(&app, &wanted()?, &services, &live, &old, &bounds) {
        Ok(plan) => Ok(Preview {
            plan,
            look,
            services,
        }),
        Err(Obstacle::Fails(why)) => bail!("{}", why.sentence),
        Err(Obstacle::FirstStart(why)) => bail!("{why}"),
    }
}

impl Preview {
    /// The fields of a service that would change; secret values stay hidden.
    fn changes(&self, id: &ServiceId) -> Vec<Change> {
        let service = self.services.iter().find(|s| s.id == *id);
        let (Some(live), Some(service)) = (self.look.apps.get(id), service) else {
            return Vec::new();
        };
        let fields = diff_of_running(&live.raw, &service.spec);
        fields.into_iter().map(hide).collect()
    }

    /// Each service that changes or not, as the API shows plans.
    pub fn bodies(&self) -> Vec<PlanService> {
        let changed = self.plan.steps.iter().map(|step| PlanService {
            id: step.planned.id.clone(),
            change: step.planned.change.word().to_owned(),
            diff: self.changes(&step.planned.id),
            instances: PlanInstances {
                running: step.running,
                spec: step.planned.instances,
                after: step.after,
            },
        });
        let same = self.plan.unchanged.iter().map(|outcome| PlanService {
            id: outcome.id.clone(),
            change: Action::Unchanged.word().to_owned(),
            diff: Vec::new(),
            instances: PlanInstances {
                running: outcome.new,
                spec: outcome.instances,
                after: outcome.new,
            },
        });
        let mut all: Vec<PlanService> = changed.chain(same).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// Services that run and would be touched without being ours yet.
    pub fn foreign(&self, app: &str) -> usize {
        let theirs = |s: &&Service| {
            self.look
                .apps
                .get(&s.id)
                .is_some_and(|a| a.labels.get(LABEL_APP).is_none_or(|l| l != app))
        };
        self.services.iter().filter(theirs).count()
    }
}

/// A change as it is shown in a terminal, which may be a build log that others read.
pub(super) fn hide(mut change: Change) -> Change {
    for value in [&mut change.from, &mut change.to].into_iter().flatten() {
        hide_secrets(&change.path, value, &|_| HIDDEN.to_owned());
    }
    change
}

/// The plan of an observer as it is shown here: what it showed an operator is not for a build log either.
pub(super) fn hidden(mut service: PlanService) -> PlanService {
    service.diff = service.diff.into_iter().map(hide).collect();
    service
}

/// A plan, as people read it.
pub(super) fn show_plan(terminal: Terminal, plan: &PlanBody) -> anyhow::Result<()> {
    let mut plan = plan.clone();
    let services = std::mem::take(&mut plan.services);
    plan.services = services.into_iter().map(hidden).collect();
    let plan = &plan;
    if terminal.json {
        return terminal.data(plan);
    }
    let name = |d: &DeployRef| {
        let number = d.deploy.map(|n| format!(" ({n})")).unwrap_or_default();
        format!("{}{number}", d.commit.short())
    };
    let back = if plan.undoes.is_empty() { "" } else { "back " };
    terminal.say(match (&plan.from, &plan.to) {
        (_, None) => format!("{}: nothing is left", plan.app),
        // what is to be left behind never came to be live
        (Some(from), Some(to)) if from.commit == to.commit => {
            format!("{}: {back}to {}", plan.app, name(to))
        }
        (Some(from), Some(to)) => {
            format!("{}: from {} {back}to {}", plan.app, name(from), name(to))
        }
        (None, Some(to)) => format!("{}: from nothing {back}to {}", plan.app, name(to)),
    });
    if !plan.undoes.is_empty() {
        let undone: Vec<&str> = plan.undoes.iter().take(10).map(CommitId::short).collect();
        terminal.say(format!("undoes     {}", undone.join(", ")));
    }
    for line in &plan.also {
        terminal.say(format!("also       {}", plain(line, 300)));
    }
    show(terminal, &plan.services, &[], &plan.warnings);
    if plan.services.is_empty() {
        terminal.say("No service changes.");
    }
    Ok(())
}

/// Shows a plan: a line a service, then the fields that change, then what to beware of.
pub(super) fn show(
    terminal: Terminal,
    services: &[PlanService],
    orphans: &[ServiceId],
    warnings: &[Sentence],
) {
    for service in services {
        let counts = &service.instances;
        let instances = match (counts.running, counts.after) {
            _ if service.change == "remove" => String::new(),
            (0, n) => format!("  {n} {}", plural(n, "instance")),
            (now, n) if now == n => format!("  {n} {}", plural(n, "instance")),
            (now, n) => format!("  instances {now} -> {n}"),
        };
        let word = paint(style(&service.change), format!("{:<9}", service.change));
        terminal.say(format!("{word}  {}{instances}", service.id).trim_end());
        for change in &service.diff {
            terminal.say(format!("             {}", field(change)));
        }
        if service.change == "update" && service.diff.is_empty() && counts.running == counts.after {
            terminal.say(paint(
                DIM,
                "             no field of the spec differs: one has left it, or only dploy's labels are new",
            ));
        }
    }
    for orphan in orphans {
        terminal.say(format!(
            "{}  {orphan}  runs without a spec; `prune: true` in dploy.app removes it",
            paint(YELLOW, "left     ")
        ));
    }
    for warning in warnings {
        terminal.say(format!(
            "{}    {}",
            paint(YELLOW, "warning"),
            warning.sentence
        ));
    }
}

pub(super) fn style(change: &str) -> anstyle::Style {
    match change {
        "create" => GREEN,
        "remove" => RED,
        "unchanged" => DIM,
        _ => YELLOW,
    }
}

/// A changed field on one line.
pub(super) fn field(change: &Change) -> String {
    let name = change.path.trim_start_matches('/').replace('/', ".");
    let text = |value: &Value| plain(&value.to_string(), 160);
    match (&change.from, &change.to) {
        (Some(from), Some(to)) => format!("{name}: {} -> {}", text(from), text(to)),
        (None, Some(to)) => format!("{name}: {} (new)", text(to)),
        (Some(from), None) => format!("{name}: {} (gone)", text(from)),
        (None, None) => name,
    }
}

/// `s` behind a noun, where it belongs.
pub(super) fn plural(n: u32, noun: &str) -> String {
    if n == 1 {
        noun.to_owned()
    } else {
        format!("{noun}s")
    }
}

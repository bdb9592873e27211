//! `dploy dryrun`: what `run` would change.

use std::process::ExitCode;

use serde_json::json;

use super::args::DryrunArgs;
use super::launch;
use super::preview::{self, Preview, preview};
use super::session::{Marathon, Observer, Session};
use super::terminal::{RED, paint};
use super::workspace::{Compared, Workspace};
use crate::api::{ActBody, AppPage, PlanBody, PlanService};
use crate::client::Acted;
use crate::history::AppState;
use crate::marathon::MarathonError;
use crate::secret::plain;

pub(super) async fn run(session: &Session, args: &DryrunArgs) -> anyhow::Result<ExitCode> {
    let workspace = session.workspace()?;
    let marathon = session.marathon(Some(&workspace)).await?;
    let preview = preview(&marathon.client, &workspace, &args.adopt).await?;
    let plan = &preview.plan;
    let mut services = preview.bodies();
    let mut changes = plan.changes() || preview.foreign(workspace.app.as_str()) > 0;
    let found = session.observer(Some(&workspace), &marathon).await?;
    let mut stops = refused(&marathon, &preview).await?;
    if found.is_none() || args.launch.relaunch {
        stops.extend(launch::stops(session, &workspace, &marathon, &args.launch).await?);
    } else if let Some(observer) = &found {
        stops.extend(kept_out(session, &workspace, &marathon, observer).await?);
    }
    let observed = observed(session, &workspace, found).await?;
    if let Some((_, Some(by_observer))) = &observed {
        changes = by_observer.services.iter().any(|s| s.change != "unchanged");
        services = merged(services, by_observer);
    }
    if session.terminal.json {
        let body = json!({"app": workspace.app, "marathon": marathon.url, "changes": changes, "services": services,
            "left": plan.orphans, "warnings": plan.warnings, "stops": stops});
        session.terminal.data(&body)?;
    } else {
        preview::show(session.terminal, &services, &plan.orphans, &plan.warnings);
        for stop in &stops {
            let sign = paint(RED, "✖ run would stop:");
            session
                .terminal
                .say(format!("{sign} {}", plain(stop, 1000)));
        }
        let page = observed.map(|(page, _)| page);
        if stops.is_empty() {
            let next = next_step(&workspace, page.as_ref(), changes);
            session.terminal.hint(next);
        }
    }
    if !stops.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let would = args.detailed_exitcode && changes;
    Ok(if would {
        super::CHANGES.into()
    } else {
        ExitCode::SUCCESS
    })
}

/// What Marathon would refuse of the services that change.
async fn refused(marathon: &Marathon, preview: &Preview) -> anyhow::Result<Vec<String>> {
    let mut refused = Vec::new();
    for step in &preview.plan.steps {
        let service = preview.services.iter().find(|s| s.id == step.planned.id);
        let Some(service) = service else { continue };
        match marathon.client.would_take(&service.spec).await {
            Ok(()) => {}
            Err(MarathonError::Refused(why)) => {
                refused.push(format!("{}: {}", service.path, why.sentence));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(refused)
}

/// What keeps `run` from going through the observer that is there.
async fn kept_out(
    session: &Session,
    workspace: &Workspace,
    marathon: &Marathon,
    observer: &Observer,
) -> anyhow::Result<Option<String>> {
    if observer.alive {
        return Ok(session
            .operator(observer)
            .err()
            .map(|error| format!("{error:#}")));
    }
    let repaired = launch::never_ended(session, workspace, marathon, observer).await?;
    let why = observer.silence();
    Ok((!repaired)
        .then(|| format!("{why}, so lock and pin are not known; `dploy doctor` looks closer")))
}

/// The app as an observer knows it, and where the workspace is what would be deployed, the observer's own plan: it knows
/// which counts stay. Without an operator token that it takes there is none, and the labels in Marathon have to do.
async fn observed(
    session: &Session,
    workspace: &Workspace,
    found: Option<Observer>,
) -> anyhow::Result<Option<(AppPage, Option<Box<PlanBody>>)>> {
    let Some(observer) = found.filter(|o| o.alive) else {
        return Ok(None);
    };
    let Ok(observer) = session.readable(observer, &workspace.app).await else {
        return Ok(None);
    };
    let Ok(Some(page)) = observer.client.app(&workspace.app).await else {
        return Ok(None);
    };
    if page.app.state == AppState::Destroyed {
        return Ok(None);
    }
    let head = page.app.head.as_ref().map(|h| &h.commit);
    if workspace.compared(head, &page.app.source.branch) != Compared::Equal {
        return Ok(Some((page, None)));
    }
    let Ok(client) = session.operator(&observer) else {
        return Ok(Some((page, None)));
    };
    let body = ActBody {
        dry_run: true,
        ..ActBody::default()
    };
    let plan = match client.act(&workspace.app, "deploy", &body).await {
        Ok(Acted::Plan(plan)) => Some(plan),
        // as on plain HTTP, where it takes no token
        _ => None,
    };
    Ok(Some((page, plan)))
}

/// The services as the observer plans them; those it has nothing to do for are unchanged.
fn merged(services: Vec<PlanService>, plan: &PlanBody) -> Vec<PlanService> {
    let by_observer = |mut service: PlanService| {
        if let Some(planned) = plan.services.iter().find(|s| s.id == service.id) {
            service = preview::hidden(planned.clone());
        } else {
            "unchanged".clone_into(&mut service.change);
            service.diff.clear();
            service.instances.after = service.instances.running;
        }
        service
    };
    services.into_iter().map(by_observer).collect()
}

/// What to do after a dry run.
fn next_step(workspace: &Workspace, page: Option<&AppPage>, changes: bool) -> &'static str {
    if !changes {
        return "Nothing would change.";
    }
    let Some(page) = page else {
        return "Nothing was changed; `dploy run` does it.";
    };
    let head = page.app.head.as_ref().map(|h| &h.commit);
    match workspace.compared(head, &page.app.source.branch) {
        Compared::Unpushed(_) => "Nothing was changed; commit, and `git push` deploys it.",
        _ if page.app.lock.is_some() => {
            "Nothing was changed; the app is locked, `dploy unlock` deploys it."
        }
        _ if page.app.pin.is_some() => {
            "Nothing was changed; the app is pinned, `dploy resume` deploys it."
        }
        _ => "Nothing was changed; `dploy run` does it.",
    }
}

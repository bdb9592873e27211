//! `dploy dryrun`: what `run` would change.

use std::process::ExitCode;

use serde_json::json;

use super::args::DryrunArgs;
use super::launch::{self, Foreseen};
use super::preview::{self, Preview, preview};
use super::run;
use super::session::{Marathon, Observer, Session};
use super::terminal::{GREEN, RED, paint};
use super::workspace::{Compared, Workspace};
use crate::api::{ActBody, AppPage, PlanBody, PlanService};
use crate::client::Acted;
use crate::history::AppState;
use crate::id::ServiceId;
use crate::marathon::MarathonError;
use crate::secret::plain;
use crate::sentence::Sentence;

/// What `run` would do.
#[derive(Default)]
struct Told {
    services: Vec<PlanService>,
    left: Vec<ServiceId>,
    warnings: Vec<Sentence>,
    launched: Option<Foreseen>,
    stops: Vec<String>,
    changes: bool,
}

pub(super) async fn dryrun(session: &Session, args: &DryrunArgs) -> anyhow::Result<ExitCode> {
    let workspace = session.workspace()?;
    workspace.services()?;
    let marathon = session.marathon(Some(&workspace)).await?;
    let found = session.observer(Some(&workspace), &marathon).await?;
    let again = args.launch.relaunch
        || match &found {
            Some(observer) if !observer.alive => {
                launch::never_ended(session, &marathon, observer).await?
            }
            _ => false,
        };
    let mut told = Told::default();
    if again || found.is_none() {
        let (launch, stops) = (&args.launch, &mut told.stops);
        told.launched = launch::foresee(session, &workspace, &marathon, launch, stops).await?;
    }
    // the launch is begun again, and nothing else is done
    if again {
        told.changes = told.launched.is_some();
        return answer(session, &workspace, &marathon, args, &told, None);
    }
    let preview = preview(&marathon.client, &workspace, &args.adopt).await?;
    told.stops.splice(0..0, refused(&marathon, &preview).await?);
    told.services = preview.bodies();
    told.changes = preview.plan.changes() || preview.foreign(workspace.app.as_str()) > 0;
    told.changes |= told.launched.is_some();
    let page = match found {
        Some(observer) => observed(session, &workspace, observer, args, &mut told).await?,
        None => None,
    };
    told.left = preview.plan.orphans;
    told.warnings = preview.plan.warnings;
    answer(session, &workspace, &marathon, args, &told, page.as_ref())
}

fn answer(
    session: &Session,
    workspace: &Workspace,
    marathon: &Marathon,
    args: &DryrunArgs,
    told: &Told,
    page: Option<&AppPage>,
) -> anyhow::Result<ExitCode> {
    let terminal = session.terminal;
    if terminal.json {
        let body = json!({"app": workspace.app, "marathon": marathon.url, "changes": told.changes, "services": told.services,
            "left": told.left, "warnings": told.warnings, "observer": told.launched, "stops": told.stops});
        terminal.data(&body)?;
    } else {
        preview::show(terminal, &told.services, &told.left, &told.warnings);
        if let Some(observer) = &told.launched {
            let word = paint(GREEN, format!("{:<9}", observer.change));
            terminal.say(format!("{word}  {}  {}", observer.id, observer.runs));
        }
        for stop in &told.stops {
            let sign = paint(RED, "✖ run would stop:");
            terminal.say(format!("{sign} {}", plain(stop, 1000)));
        }
        if told.stops.is_empty() {
            terminal.hint(next_step(workspace, page, told.changes));
        }
    }
    Ok(if !told.stops.is_empty() {
        ExitCode::FAILURE
    } else if args.detailed_exitcode && told.changes {
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

/// The app as its observer knows it, and where the workspace is what would be deployed, the observer's own plan: it knows
/// which counts stay. Without an operator token that it takes there is none, and the labels in Marathon have to do.
async fn observed(
    session: &Session,
    workspace: &Workspace,
    observer: Observer,
    args: &DryrunArgs,
    told: &mut Told,
) -> anyhow::Result<Option<AppPage>> {
    run::not_heard(session, &observer, &args.launch);
    if !observer.alive {
        let why = observer.silence();
        told.stops.push(format!(
            "{why}, so lock and pin are not known; `dploy doctor` looks closer"
        ));
        return Ok(None);
    }
    let operator = session.operator(&observer);
    if let Err(error) = &operator {
        told.stops.push(format!("{error:#}"));
    }
    let Ok(observer) = session.readable(observer, &workspace.app).await else {
        return Ok(None);
    };
    if let Some(from) = &args.adopt.adopt_from
        && let Err(why) = run::is_gone(session, &observer, from).await
    {
        told.stops.push(why.to_string());
    }
    let Ok(Some(page)) = observer.client.app(&workspace.app).await else {
        return Ok(None);
    };
    if page.app.state == AppState::Destroyed {
        return Ok(None);
    }
    let head = page.app.head.as_ref().map(|h| &h.commit);
    if workspace.compared(head, &page.app.source.branch) != Compared::Equal {
        return Ok(Some(page));
    }
    let body = ActBody {
        dry_run: true,
        ..ActBody::default()
    };
    // on plain HTTP it takes no token
    if let Ok(client) = operator
        && let Ok(Acted::Plan(plan)) = client.act(&workspace.app, "deploy", &body).await
    {
        told.changes = plan.services.iter().any(|s| s.change != "unchanged");
        told.services = merged(std::mem::take(&mut told.services), &plan);
    }
    Ok(Some(page))
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
    let Some(app) = page.map(|page| &page.app) else {
        return "Nothing was changed; `dploy run` does it.";
    };
    let head = app.head.as_ref().map(|h| &h.commit);
    let runs = app.live.as_ref().map(|l| &l.commit) == head;
    let pushed = matches!(
        workspace.compared(head, &app.source.branch),
        Compared::Equal | Compared::Pushed(_)
    );
    match (app.lock.is_some(), app.pin.is_some()) {
        (true, _) if !pushed => {
            "Nothing was changed; the app is locked: commit and `git push`, and `dploy unlock` deploys it."
        }
        // what was changed by hand is held by nothing that an unlock would deploy
        (true, _) if runs => {
            "Nothing was changed; the app is locked: `dploy unlock`, and then `dploy run` does it."
        }
        (true, _) => "Nothing was changed; the app is locked, `dploy unlock` deploys it.",
        _ if !pushed => "Nothing was changed; commit, and `git push` deploys it.",
        (_, true) => "Nothing was changed; the app is pinned, `dploy resume` deploys it.",
        _ => "Nothing was changed; `dploy run` does it.",
    }
}

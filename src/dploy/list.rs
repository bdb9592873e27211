//! `dploy ps` and `scale`: what runs, and how many of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};

use super::args::ScaleArgs;
use super::failure::{FAILED, Failure, Word};
use super::limit::Limit;
use super::ls;
use super::preview::show_plan;
use super::progress::{self, Progress, Stage};
use super::session::{Marathon, Observer, Session};
use super::terminal::interrupts;
use super::workspace::Workspace;
use crate::api::ActBody;
use crate::client::{Acted, Client};
use crate::clock;
use crate::history::AppState;
use crate::id::{AppId, ServiceId};
use crate::marathon::{LiveApp, MarathonError};
use crate::rollout::{self, Standings};
use crate::sentence::{Code, Sentence};
use crate::spec::LABEL_APP;

/// How long `scale` waits for the new number.
const SCALED: Duration = Duration::from_mins(10);

/// A service as `ps` shows it.
struct Shown {
    app: String,
    live: LiveApp,
    stage: &'static str,
    well: u32,
    sentence: Option<String>,
}

async fn running(session: &Session, workspace: &Workspace) -> anyhow::Result<Vec<Shown>> {
    let marathon = session.marathon(Some(workspace)).await?;
    let listed = marathon
        .client
        .apps_labelled(LABEL_APP, workspace.app.as_str())
        .await?;
    let ids = listed.iter().filter_map(|a| a.id.parse().ok()).collect();
    let look = rollout::look(&marathon.client, ids).await?;
    let mut standings = Standings::default();
    let shown = look.apps.iter().map(|(id, app)| {
        let standing = standings.of(id, None, &look, clock::system().elapsed(), Duration::ZERO);
        let all = app.tasks.iter().filter(|t| app.is_well(t)).count();
        Shown {
            app: app.labels.get(LABEL_APP).cloned().unwrap_or_default(),
            live: app.clone(),
            stage: if standing.trouble.is_none() && !app.deployments().is_empty() {
                "deploying"
            } else {
                standing.stage
            },
            well: u32::try_from(all).unwrap_or(u32::MAX),
            sentence: standing.trouble.map(|t| t.sentence),
        }
    });
    Ok(shown.collect())
}

pub(super) async fn ps(session: &Session) -> anyhow::Result<ExitCode> {
    let workspace = session.workspace()?;
    let services = running(session, &workspace).await?;
    if session.terminal.json {
        let list: Vec<Value> = services.iter().map(body).collect();
        session
            .terminal
            .data(&json!({"app": workspace.app, "services": list}))?;
        return Ok(ExitCode::SUCCESS);
    }
    if services.is_empty() {
        session
            .terminal
            .say(format!("Nothing of {} runs.", workspace.app));
        session.terminal.hint("`dploy run` deploys it.");
        return Ok(ExitCode::SUCCESS);
    }
    let head = ["SERVICE", "HEALTHY", "STATE", "VERSION", "ENDPOINTS"];
    if session.global.all {
        let head = [&head[..], &ls::MORE].concat();
        let more = |s: &Shown| [row(s), ls::more(&s.live.raw, usize::MAX).to_vec()].concat();
        session
            .terminal
            .table(&head, services.iter().map(more).collect());
    } else {
        let rows = services.iter().map(row).collect();
        session.terminal.table(&head, rows);
    }
    for shown in &services {
        if let Some(sentence) = shown.sentence.clone().or_else(|| last_failure(&shown.live)) {
            session.terminal.say(format!("\n{sentence}"));
        }
    }
    session
        .terminal
        .hint("Scale with `dploy scale -pid <service> -instances <number>`.");
    Ok(ExitCode::SUCCESS)
}

fn row(shown: &Shown) -> Vec<String> {
    let endpoints = endpoints(&shown.live);
    let more = endpoints.len().saturating_sub(2);
    let mut text = endpoints
        .iter()
        .take(2)
        .cloned()
        .collect::<Vec<_>>()
        .join(" ");
    if more > 0 {
        let _ = write!(text, " +{more}");
    }
    vec![
        shown.live.id.clone(),
        format!("{}/{}", shown.well, shown.live.instances),
        shown.stage.to_owned(),
        // to the second; Marathon's versions are times
        shown
            .live
            .version
            .split('.')
            .next()
            .unwrap_or_default()
            .to_owned(),
        text,
    ]
}

fn endpoints(app: &LiveApp) -> Vec<String> {
    let ports = |t: &crate::marathon::Task| {
        let host = t.host.clone()?;
        t.ports.first().map(|port| format!("{host}:{port}"))
    };
    app.tasks.iter().filter_map(ports).collect()
}

/// The last failure of the version that runs, as long as something of it is not well.
fn last_failure(app: &LiveApp) -> Option<String> {
    let failure = app.last_task_failure.as_ref()?;
    let message = crate::secret::plain(failure.message.trim(), 200);
    let what = if message.is_empty() {
        failure.state.clone()
    } else {
        message
    };
    Some(format!(
        "{} last failed on {} at {}: {what}",
        app.id, failure.host, failure.timestamp
    ))
}

fn body(shown: &Shown) -> Value {
    let tasks: Vec<Value> = shown
        .live
        .tasks
        .iter()
        .map(|t| json!({"id": t.id, "state": t.state, "host": t.host, "ports": t.ports, "version": t.version, "started_at": t.started_at}))
        .collect();
    let failure = shown.live.last_task_failure.as_ref().map(|f| {
        json!({"host": f.host, "message": f.message, "state": f.state, "at": f.timestamp, "version": f.version})
    });
    json!({"app": shown.app, "id": shown.live.id, "instances": shown.live.instances, "healthy": shown.well, "state": shown.stage,
        "version": shown.live.version, "sentence": shown.sentence, "last_failure": failure, "tasks": tasks})
}

/// The one service of the app that is called so: by its id, or by the end of it.
fn called(workspace: &Workspace, ids: &[ServiceId], pid: &str) -> anyhow::Result<ServiceId> {
    let end = format!("/{}", pid.trim_matches('/'));
    let found: Vec<&ServiceId> = match ids.iter().find(|id| id.as_str() == end) {
        Some(exact) => vec![exact],
        None => ids
            .iter()
            .filter(|id| id.as_str().ends_with(&end))
            .collect(),
    };
    let names = |ids: &[&ServiceId]| {
        ids.iter()
            .map(|id| id.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => bail!(
            "{} has no running service {pid}; it has {}",
            workspace.app,
            if ids.is_empty() {
                "none".to_owned()
            } else {
                names(&ids.iter().collect::<Vec<_>>())
            }
        ),
        several => bail!("{pid} is the end of {}; write more of it", names(several)),
    }
}

pub(super) async fn scale(session: &Session, args: &ScaleArgs) -> anyhow::Result<ExitCode> {
    let workspace = session.workspace()?;
    let marathon = session.marathon(Some(&workspace)).await?;
    let ids = rollout::ours(&marathon.client, workspace.app.as_str()).await?;
    let id = called(&workspace, &ids, &args.pid)?;
    if let Some(observer) = deployed_by(session, &workspace, &marathon).await? {
        let mut body = ActBody {
            service: Some(id.to_string()),
            instances: Some(args.instances),
            override_lock: args.override_lock,
            ..ActBody::default()
        };
        let client = session.operator(&observer)?;
        agreed(session, &client, &workspace.app, &mut body, args.yes).await?;
        client.act(&workspace.app, "scale", &body).await?;
    } else {
        match marathon.client.scale(&id, args.instances, false).await {
            Err(MarathonError::Locked(_)) => {
                bail!("{id} is being deployed just now; try again when `dploy ps` shows it healthy")
            }
            other => drop(other?),
        }
    }
    let limit = Limit::begins(&args.follow);
    if limit.detach {
        if session.terminal.json {
            let body = json!({"id": id, "instances": args.instances, "result": "accepted"});
            session.terminal.data(&body)?;
        } else {
            let said = format!("{id} is being scaled to {}.", args.instances);
            session.terminal.say(said);
        }
        session.terminal.hint("`dploy ps` shows how far it is.");
        return Ok(ExitCode::SUCCESS);
    }
    scaled(session, &marathon.client, &id, args.instances, limit).await
}

/// The observer that deploys this app, if there is one: what it does not know of it would take for drift.
async fn deployed_by(
    session: &Session,
    workspace: &Workspace,
    marathon: &Marathon,
) -> anyhow::Result<Option<Observer>> {
    let Some(observer) = session.observer(Some(workspace), marathon).await? else {
        return Ok(None);
    };
    if !observer.alive {
        let why = format!(
            "{}; scaled around it, the next deploy might scale back. `dploy doctor` looks closer",
            observer.silence()
        );
        return Err(Failure::of(Word::ObserverUnreachable, why).into());
    }
    let observer = session.readable(observer, &workspace.app).await?;
    let page = observer.client.app(&workspace.app).await?;
    Ok(page
        .filter(|p| p.app.state != AppState::Destroyed)
        .map(|_| observer))
}

/// Where somebody can be asked, the plan is shown first, and only that is done.
async fn agreed(
    session: &Session,
    client: &Client,
    app: &AppId,
    body: &mut ActBody,
    yes: bool,
) -> anyhow::Result<()> {
    let terminal = session.terminal;
    if yes || !terminal.can_ask() || terminal.json {
        return Ok(());
    }
    body.dry_run = true;
    let Acted::Plan(plan) = client.act(app, "scale", body).await? else {
        bail!("the observer did not answer with a plan");
    };
    show_plan(session.terminal, &plan)?;
    if !terminal.agrees(&format!("scale {app} by {}?", client.base())) {
        return Err(Failure::of(Word::Declined, "nothing was changed").into());
    }
    (body.dry_run, body.plan) = (false, Some(plan.plan));
    Ok(())
}

/// Waits until that many run.
async fn scaled(
    session: &Session,
    marathon: &crate::marathon::Client,
    id: &ServiceId,
    wanted: u32,
    limit: Limit,
) -> anyhow::Result<ExitCode> {
    let until = tokio::time::Instant::now() + SCALED;
    let mut progress = Progress::new(session.terminal);
    let mut interrupts = interrupts()?;
    let mut standings = Standings::default();
    loop {
        let look = rollout::look(marathon, [id.clone()].into()).await?;
        let standing = standings.of(id, None, &look, clock::system().elapsed(), Duration::ZERO);
        let app = look.apps.get(id);
        let told = app.is_some_and(|a| a.instances == wanted && a.deployments().is_empty());
        let line = progress::line(&progress::Line {
            id: id.as_str(),
            change: "scale",
            stage: if told { standing.stage } else { "starting" },
            healthy: Some(standing.well),
            wanted: Some(wanted),
            sentence: standing.trouble.as_ref().map(|t| t.sentence.as_str()),
        });
        progress.show(&Stage::of(format!("scaling to {wanted}")), vec![line]);
        if told && standing.done {
            progress.keep();
            if session.terminal.json {
                session
                    .terminal
                    .data(&json!({"id": id, "instances": wanted}))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        if standing.hopeless || tokio::time::Instant::now() > until {
            let trouble = standing.trouble;
            let why = trouble.unwrap_or_else(|| Sentence::new(Code::Deadline, "it takes too long"));
            let detail = format!("{id} does not get to {wanted}: {}", why.sentence);
            return Err(Failure::new(why.code, FAILED, detail).into());
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
            () = limit.over() => {
                let what = format!("scaling {id} to {wanted}");
                return Err(limit.reached(&what, "`dploy ps` shows how far it is.").into());
            }
            _ = interrupts.recv() => {
                let why = "stopped looking; Marathon goes on with it";
                return Err(Failure::of(Word::Interrupted, why).into());
            }
        }
    }
}

/// How many services each app has, by their label.
pub(super) fn by_app(apps: &[LiveApp]) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for label in apps.iter().filter_map(|a| a.labels.get(LABEL_APP)) {
        *count.entry(label.clone()).or_insert(0) += 1;
    }
    count
}

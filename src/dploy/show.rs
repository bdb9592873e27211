//! `dploy status` and `history`: what the observer knows, as text or as its JSON.

use std::process::ExitCode;

use super::args::{HistoryArgs, StatusArgs};
use super::failure::Failure;
use super::session::{Observer, Session};
use super::terminal::{DIM, GREEN, RED, Terminal, YELLOW, paint, who};
use super::workspace::Workspace;
use crate::api::{AppBody, AppPage, AppsBody, DeployBody, Health};
use crate::client::{Client, ClientError};
use crate::history::AppState;
use crate::id::AppId;
use crate::secret::plain;

pub(super) async fn readable(session: &Session) -> anyhow::Result<(Workspace, Observer)> {
    let (workspace, observer) = session.observed().await?;
    let observer = session.readable(observer, &workspace.app).await?;
    Ok((workspace, observer))
}

async fn page(session: &Session) -> anyhow::Result<(Client, AppPage)> {
    let (workspace, observer) = readable(session).await?;
    let client = observer.client;
    let page = client.app(&workspace.app).await?;
    let page = page.ok_or_else(|| {
        let base = client.base();
        if client.has_token() {
            anyhow::anyhow!("the observer at {base} does not deploy {}; `dploy run` registers it", workspace.app)
        } else {
            anyhow::anyhow!(
                "the observer at {base} deploys no {} that it shows without its operator token; `dploy run` registers a new one",
                workspace.app
            )
        }
    })?;
    Ok((client, page))
}

pub(super) fn time(at: &str) -> String {
    at.get(..19).unwrap_or(at).replace('T', " ")
}

/// Between two looks of `-watch`.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(2);

/// What there is to see.
enum Seen {
    Apps(Box<AppsBody>),
    App(Box<(Client, AppPage)>),
}

/// How the app stands; with `-watch` again and again, through a restart of the observer too.
pub(super) async fn watch(session: &Session, args: &StatusArgs) -> anyhow::Result<ExitCode> {
    if !args.watch {
        return status(session.terminal, &seen(session).await?);
    }
    let secrets = session.global.secrets();
    loop {
        // what was seen last stays until there is something newer
        match seen(session).await {
            Ok(seen) => {
                session.terminal.clear();
                status(session.terminal, &seen)?;
            }
            Err(error) => {
                Failure::from_error(&error).say(session.terminal.json, &secrets);
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn seen(session: &Session) -> anyhow::Result<Seen> {
    if session.global.all {
        let (_, observer) = readable(session).await?;
        let apps = session.asks(&observer, async |client| client.apps().await);
        return Ok(Seen::Apps(Box::new(apps.await?)));
    }
    Ok(Seen::App(Box::new(page(session).await?)))
}

fn status(terminal: Terminal, seen: &Seen) -> anyhow::Result<ExitCode> {
    let (client, page) = match seen {
        Seen::Apps(apps) => {
            if terminal.json {
                terminal.data(apps)?;
            } else {
                let head = ["APP", "STATE", "HEALTH", "LIVE", "SENTENCE"];
                terminal.table(&head, apps.apps.iter().map(app_row).collect());
            }
            return Ok(code_of(None));
        }
        Seen::App(app) => &**app,
    };
    if terminal.json {
        terminal.data(page)?;
        return Ok(code_of(Some(&page.app)));
    }
    for (name, value) in facts(client, page) {
        terminal.say(format!("{} {value}", paint(DIM, format!("{name:<10}"))));
    }
    for service in &page.services {
        let count = |n: Option<u32>| n.map_or("?".to_owned(), |n| n.to_string());
        terminal.say(format!(
            "{} {}  {}  {} of {}{}",
            paint(DIM, "service   "),
            service.id,
            service.state.as_deref().unwrap_or("not known"),
            count(service.healthy),
            count(service.wanted),
            service
                .sentence
                .as_ref()
                .map(|s| format!("  {}", plain(s, 300)))
                .unwrap_or_default()
        ));
    }
    Ok(code_of(Some(&page.app)))
}

/// What is not well is an error; held and locked are none, but nothing that a script should take for done.
fn code_of(app: Option<&AppBody>) -> ExitCode {
    match app {
        Some(app) if app.health == Health::Failed => super::FAILED.into(),
        Some(app) if matches!(app.state, AppState::Locked | AppState::Held) => super::HELD.into(),
        Some(app) if app.health == Health::Degraded => super::FAILED.into(),
        // something was deployed, and nobody says whether it runs
        Some(app) if app.health == Health::Unknown && app.live.is_some() => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

fn app_row(app: &AppBody) -> Vec<String> {
    let live = app
        .live
        .as_ref()
        .map(|l| format!("{} {}", l.commit.short(), l.deploy));
    vec![
        app.app.to_string(),
        app.state.word().to_owned(),
        app.health.word().to_owned(),
        live.unwrap_or_default(),
        app.sentence.clone().unwrap_or_default(),
    ]
}

fn facts(client: &Client, page: &AppPage) -> Vec<(&'static str, String)> {
    let app = &page.app;
    let colour = match app.health {
        Health::Ok => GREEN,
        Health::Failed => RED,
        _ => YELLOW,
    };
    let mut facts = vec![
        (
            "app",
            format!(
                "{}  {}  {}",
                app.app,
                app.state.word(),
                paint(colour, app.health.word())
            ),
        ),
        (
            "source",
            format!("{} {}", app.source.repository, app.source.branch),
        ),
    ];
    if let Some(live) = &app.live {
        facts.push((
            "live",
            format!(
                "{} deploy {} since {}",
                live.commit.short(),
                live.deploy,
                time(&live.since)
            ),
        ));
    }
    if let Some(head) = &app.head {
        facts.push(("head", head.commit.short().to_owned()));
    }
    for (name, open) in [("running", &app.running), ("waiting", &app.waiting)] {
        if let Some(open) = open {
            facts.push((
                name,
                format!(
                    "{} deploy {} {}",
                    open.commit.short(),
                    open.deploy,
                    open.state.word()
                ),
            ));
        }
    }
    if let Some(pin) = &app.pin {
        let reason = pin.reason.as_deref().unwrap_or("no reason given");
        facts.push((
            "pinned",
            format!(
                "{} by {}: {}",
                pin.commit.short(),
                who(&pin.by),
                plain(reason, 300)
            ),
        ));
    }
    if let Some(lock) = &app.lock {
        facts.push((
            "locked",
            format!(
                "by {} since {}: {}",
                who(&lock.by),
                time(&lock.since),
                plain(&lock.why(), 300)
            ),
        ));
    }
    for drift in &page.drift {
        facts.push(("drift", plain(&drift.sentence, 300)));
    }
    let said = |sentence: &&String| {
        app.lock.is_some() || page.drift.iter().any(|d| d.sentence == **sentence)
    };
    if let Some(sentence) = app.sentence.as_ref().filter(|s| !said(s)) {
        facts.push(("says", plain(sentence, 500)));
    }
    facts.push(("hook", hook(page)));
    facts.push(("dashboard", format!("{}/apps/{}", client.base(), app.app)));
    facts
}

fn hook(page: &AppPage) -> String {
    match (&page.hook.failure, &page.hook.pinged_at) {
        (Some(failure), _) => plain(&failure.sentence, 300),
        (None, Some(at)) => format!("GitHub's ping arrived {}", time(at)),
        (None, None) => "GitHub has not pinged it yet".to_owned(),
    }
}

pub(super) async fn history(session: &Session, args: &HistoryArgs) -> anyhow::Result<ExitCode> {
    let (client, page) = page(session).await?;
    let live = page.app.live.as_ref().map(|l| l.deploy);
    let wanted = if session.global.all {
        usize::MAX
    } else {
        args.number
    };
    let deploys = deploys(&client, page, wanted).await?;
    let terminal = session.terminal;
    if terminal.json {
        terminal.data(&deploys)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = deploys
        .iter()
        .map(|d| {
            let number = d.deploy.to_string();
            let mark = if live == Some(d.deploy) { "live" } else { "" };
            vec![
                number,
                mark.to_owned(),
                d.commit.short().to_owned(),
                d.state.word().to_owned(),
                d.cause.word().to_owned(),
                time(&d.queued_at),
                what(d),
            ]
        })
        .collect();
    terminal.table(
        &[
            "DEPLOY",
            "",
            "COMMIT",
            "STATE",
            "CAUSE",
            "WHEN (UTC)",
            "WHAT",
        ],
        rows,
    );
    terminal.hint("Go back with `dploy rollback -deploy <number> -m <reason>`.");
    Ok(ExitCode::SUCCESS)
}

/// What a deploy is about: an operator's reason, else the commit's first line.
fn what(deploy: &DeployBody) -> String {
    let message = deploy.message.as_ref().map(|m| m.message.clone());
    let what = deploy.reason.clone().or(message).unwrap_or_default();
    match &deploy.failure {
        Some(failure) => format!("{}: {what}", failure.code),
        None => what,
    }
}

async fn deploys(
    client: &Client,
    page: AppPage,
    wanted: usize,
) -> Result<Vec<DeployBody>, ClientError> {
    let app: AppId = page.app.app.clone();
    let (mut deploys, mut next) = (page.deploys, page.next);
    while deploys.len() < wanted {
        let Some(before) = next.take() else { break };
        let older = client.app_before(&app, &before).await?;
        next = older.next;
        deploys.extend(older.deploys);
    }
    deploys.truncate(wanted);
    Ok(deploys)
}

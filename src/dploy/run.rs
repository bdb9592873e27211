//! `dploy dryrun` and `dploy run`: through the observer where one deploys this app, else directly.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use serde_json::json;

use super::args::{DryrunArgs, RunArgs};
use super::direct::{self, End, Rules};
use super::preview::{self, preview};
use super::session::{Marathon, Observer, Session};
use super::workspace::{Compared, Workspace};
use super::{follow, launch, reader};
use crate::api::{ActBody, AppPage, RegisterBody};
use crate::client::Client;
use crate::history::AppState;

/// How long the observer may take to hear of a push that is at GitHub.
const HEARING: Duration = Duration::from_secs(90);

pub(super) async fn dryrun(session: &Session, args: &DryrunArgs) -> anyhow::Result<ExitCode> {
    let workspace = session.workspace()?;
    let marathon = session.marathon(Some(&workspace)).await?;
    let preview = preview(&marathon.client, &workspace, args.adopt).await?;
    let (plan, services) = (&preview.plan, preview.bodies());
    let taken = preview.foreign(workspace.app.as_str());
    let changes = plan.changes() || taken > 0;
    if session.terminal.json {
        let body = json!({"app": workspace.app, "marathon": marathon.url, "changes": changes, "services": services,
            "left": plan.orphans, "warnings": plan.warnings});
        session.terminal.data(&body)?;
    } else {
        preview::show(session.terminal, &services, &plan.orphans, &plan.warnings);
        let observer = session.observer(Some(&workspace), &marathon).await?;
        session
            .terminal
            .hint(next_step(&workspace, observer, changes).await);
    }
    let would = args.detailed_exitcode && changes;
    Ok(if would {
        super::CHANGES.into()
    } else {
        ExitCode::SUCCESS
    })
}

/// What to do after a dry run.
async fn next_step(workspace: &Workspace, observer: Option<Observer>, changes: bool) -> String {
    if !changes {
        return "Nothing would change.".to_owned();
    }
    let page = match observer {
        Some(observer) if observer.alive => {
            observer.client.app(&workspace.app).await.ok().flatten()
        }
        _ => None,
    };
    let Some(page) = page else {
        return "Nothing was changed; `dploy run` does it.".to_owned();
    };
    let (head, branch) = (page.app.head.map(|h| h.commit), page.app.source.branch);
    match workspace.compared(head.as_ref(), &branch) {
        Compared::Unpushed(_) => {
            "Nothing was changed; commit, and `git push` deploys it.".to_owned()
        }
        _ => "Nothing was changed; `dploy run` does it.".to_owned(),
    }
}

pub(super) async fn run(session: &Session, args: &RunArgs) -> anyhow::Result<ExitCode> {
    let workspace = session.workspace()?;
    // what is wrong in specs/ is said before anything else is asked
    workspace.services()?;
    let marathon = session.marathon(Some(&workspace)).await?;
    let Some(observer) = session.observer(Some(&workspace), &marathon).await? else {
        let code = deploy_directly(session, &workspace, &marathon, args).await?;
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
        return launch::after_run(session, &workspace, &marathon, &args.launch).await;
    };
    if !observer.alive {
        let url = observer.client.base();
        if !args.direct {
            bail!(
                "the observer at {url} does not answer, so lock and pin are not known; `dploy doctor` looks closer, `dploy run -direct` goes around it"
            );
        }
        session.terminal.note(format!(
            "The observer at {url} does not answer: lock and pin are not known."
        ));
        return deploy_directly(session, &workspace, &marathon, args).await;
    }
    let (client, page) = reader::page(session, &observer, &workspace.app).await?;
    match page {
        Some(page) if page.app.state != AppState::Destroyed => {
            if args.direct {
                refuse_when_held(&page)?;
                return deploy_directly(session, &workspace, &marathon, args).await;
            }
            let way = Way {
                session,
                workspace: &workspace,
                observer: &observer,
                reader: &client,
            };
            if args.adopt || args.deadline.is_some() {
                session.terminal.note(
                    "An observer deploys this app: -adopt and -deadline count with -direct alone.",
                );
            }
            way.through(page, args.force).await
        }
        _ if workspace.descriptor.repo_url.is_some() && !args.direct => {
            register(session, &workspace, &observer).await
        }
        _ => deploy_directly(session, &workspace, &marathon, args).await,
    }
}

async fn deploy_directly(
    session: &Session,
    workspace: &Workspace,
    marathon: &Marathon,
    args: &RunArgs,
) -> anyhow::Result<ExitCode> {
    let deadline = args
        .deadline
        .or(workspace.descriptor.deadline)
        .unwrap_or(600);
    let rules = Rules {
        force: args.force,
        adopt: args.adopt,
        deadline: Duration::from_secs(deadline.max(1)),
        settle: Duration::from_secs(args.settle),
    };
    let end = direct::deploy(session.terminal, &marathon.client, workspace, &rules).await?;
    let changed = match end {
        End::Succeeded(changed) => changed,
        End::Not(code) => return Ok(code),
    };
    let result = if changed { "succeeded" } else { "unchanged" };
    if session.terminal.json {
        session
            .terminal
            .data(&json!({"app": workspace.app, "result": result}))?;
    } else if changed {
        session
            .terminal
            .say(format!("{} runs, all healthy.", workspace.app));
        session.terminal.hint("Now `dploy ps` shows what runs.");
    } else {
        session.terminal.say(format!(
            "{}: nothing to change, all healthy.",
            workspace.app
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// A lock or a pin holds for everybody, also for who goes around the observer.
fn refuse_when_held(page: &AppPage) -> anyhow::Result<()> {
    if let Some(lock) = &page.app.lock {
        bail!(
            "{} is locked by {}: {}; `dploy unlock` lifts it",
            page.app.app,
            lock.by,
            lock.reason
        );
    }
    if let Some(pin) = &page.app.pin {
        bail!(
            "{} is pinned to {} by {}; `dploy resume` ends that",
            page.app.app,
            pin.commit.short(),
            pin.by
        );
    }
    Ok(())
}

/// The way through an observer.
struct Way<'a> {
    session: &'a Session,
    workspace: &'a Workspace,
    observer: &'a Observer,
    /// Reads there.
    reader: &'a Client,
}

impl Way<'_> {
    /// Asks the observer to deploy what was pushed, and follows it.
    async fn through(&self, mut page: AppPage, force: bool) -> anyhow::Result<ExitCode> {
        let terminal = self.session.terminal;
        let branch = page.app.source.branch.clone();
        let until = tokio::time::Instant::now() + HEARING;
        let mut said = false;
        loop {
            let head = page.app.head.as_ref().map(|h| &h.commit);
            match self.workspace.compared(head, &branch) {
                Compared::Equal => break,
                Compared::Unpushed(why) => {
                    terminal.note(format!(
                        "dploy: an observer deploys {} from {branch} of {}, and {why}",
                        page.app.app, page.app.source.repository
                    ));
                    terminal.hint(
                        "Commit, and `git push` deploys it; `dploy run -direct` goes around the observer.",
                    );
                    return Ok(super::CHANGES.into());
                }
                Compared::Pushed(commit) if tokio::time::Instant::now() > until => bail!(
                    "{} is pushed, and the observer has not heard of it for {} s; `dploy doctor` looks at the webhook",
                    commit.short(),
                    HEARING.as_secs()
                ),
                Compared::Pushed(commit) => {
                    if !said {
                        terminal.note(format!(
                            "waiting for the observer to hear of {}",
                            commit.short()
                        ));
                        said = true;
                    }
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
            }
            page = self.fresh().await?;
        }
        self.deploy_head(&page, force).await
    }

    async fn fresh(&self) -> anyhow::Result<AppPage> {
        let app = &self.workspace.app;
        let page = self.reader.app(app).await?;
        page.ok_or_else(|| anyhow::anyhow!("{app} is not at the observer any more"))
    }

    async fn deploy_head(&self, page: &AppPage, force: bool) -> anyhow::Result<ExitCode> {
        let (session, app) = (self.session, &self.workspace.app);
        let head = page.app.head.as_ref().map(|h| h.commit.clone());
        let open = [&page.app.running, &page.app.waiting];
        let under_way = open
            .into_iter()
            .flatten()
            .find(|d| Some(&d.commit) == head.as_ref());
        if let Some(deploy) = under_way {
            return follow::deploy(session.terminal, self.reader, app, deploy.deploy).await;
        }
        if page.app.lock.is_some() || page.app.pin.is_some() {
            return held(session, page);
        }
        let client = session.operator(self.observer)?;
        let body = ActBody {
            force,
            ..ActBody::default()
        };
        let acted = client.act(app, "deploy", &body).await;
        super::operate::acted(session, &client, app, acted, "Done.").await
    }
}

/// The head is held: by a lock, or by a pin.
fn held(session: &Session, page: &AppPage) -> anyhow::Result<ExitCode> {
    if session.terminal.json {
        session.terminal.data(&page.app)?;
    }
    if let Err(why) = refuse_when_held(page) {
        let head = page.app.head.as_ref().map(|h| h.commit.short().to_owned());
        let head = head.unwrap_or_default();
        session
            .terminal
            .note(format!("dploy: {head} is held: {why}"));
    }
    Ok(super::HELD.into())
}

/// An observer runs and does not know this app: it gets it.
async fn register(
    session: &Session,
    workspace: &Workspace,
    observer: &Observer,
) -> anyhow::Result<ExitCode> {
    let Some(github) = session.github(workspace)? else {
        bail!("dploy.app: repo_url is missing");
    };
    let client = session.operator(observer)?;
    let body = RegisterBody {
        repository: github.name.to_string(),
        branch: Some(workspace.branch().to_owned()),
    };
    let (app, new) = client.register(&body).await?;
    let word = if new { "registered" } else { "known already" };
    session.terminal.note(format!(
        "{} of {} ({}) is {word} at the observer {}",
        app.app,
        app.source.repository,
        app.source.branch,
        client.base()
    ));
    if let Some(deploy) = app.running.or(app.waiting) {
        return follow::deploy(session.terminal, &client, &app.app, deploy.deploy).await;
    }
    Ok(ExitCode::SUCCESS)
}

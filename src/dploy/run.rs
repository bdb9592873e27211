//! `dploy run`: through the observer where one deploys this app, else directly.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use serde_json::json;

use super::absence::Absence;
use super::args::{LaunchArgs, RunArgs};
use super::direct::{self, Applied, Rules};
use super::failure::{Failure, Word};
use super::follow::Follower;
use super::launch::{self, Launched};
use super::limit::Limit;
use super::session::{Marathon, Observer, Session};
use super::terminal::who;
use super::workspace::{Compared, Workspace};
use crate::api::{ActBody, AppPage, Health, RegisterBody};
use crate::client::Client;
use crate::history::AppState;

/// How long the observer may take to hear of a push that is at GitHub.
const HEARING: Duration = Duration::from_secs(90);

pub(super) async fn run(session: &Session, args: &RunArgs) -> anyhow::Result<ExitCode> {
    let workspace = session.workspace()?;
    // what is wrong in specs/ is said before anything else is asked
    workspace.services()?;
    let marathon = session.marathon(Some(&workspace)).await?;
    if args.launch.relaunch {
        let launched = launch::launch(session, &workspace, &marathon, &args.launch, true).await;
        return answer(session, &workspace, "relaunched", launched);
    }
    let Some(observer) = session.observer(Some(&workspace), &marathon).await? else {
        return deploy_and_launch(session, &workspace, &marathon, args).await;
    };
    if !observer.alive {
        let why = observer.silence();
        if !args.direct && launch::never_ended(session, &marathon, &observer).await? {
            session.terminal.note(format!(
                "{why}: its launch never came to an end, and is begun again"
            ));
            let launched = launch::launch(session, &workspace, &marathon, &args.launch, true).await;
            return answer(session, &workspace, "relaunched", launched);
        }
        if !args.direct {
            let why = format!(
                "{why}, so lock and pin are not known; `dploy doctor` looks closer, `dploy run -relaunch` launches it again, `dploy run -direct` goes around it"
            );
            return Err(Failure::of(Word::ObserverUnreachable, why).into());
        }
        session
            .terminal
            .note(format!("Lock and pin are not known: {why}."));
        return deploy_directly(session, &workspace, &marathon, args).await;
    }
    not_heard(session, &observer, &args.launch);
    let observer = match session.readable(observer, &workspace.app).await {
        Err(why) if args.direct => {
            let terminal = session.terminal;
            terminal.note(format!("Lock and pin are not known: {why:#}."));
            return deploy_directly(session, &workspace, &marathon, args).await;
        }
        readable => readable?,
    };
    if let Some(from) = &args.adopt.adopt_from {
        is_gone(session, &observer, from).await?;
    }
    match observer.client.app(&workspace.app).await? {
        Some(page) if page.app.state != AppState::Destroyed => {
            if args.direct {
                if let Some(why) = holds(&page) {
                    return Err(Failure::of(Word::Held, why).into());
                }
                return deploy_directly(session, &workspace, &marathon, args).await;
            }
            through(session, &workspace, &observer, page, args).await
        }
        _ if workspace.descriptor.repo_url.is_some() && !args.direct => {
            register(session, &workspace, &observer, args).await
        }
        _ => deploy_directly(session, &workspace, &marathon, args).await,
    }
}

/// What was typed of a launch is not silently without effect where an observer runs.
pub(super) fn not_heard(session: &Session, observer: &Observer, args: &LaunchArgs) {
    let typed = args.typed();
    if !typed.is_empty() {
        session.terminal.note(format!(
            "an observer runs at {}: {} counts with -relaunch only",
            observer.client.base(),
            typed.join(", ")
        ));
    }
}

/// What an app owns that an observer deploys is not taken over around it.
pub(super) async fn is_gone(
    session: &Session,
    observer: &Observer,
    from: &str,
) -> anyhow::Result<()> {
    let id = from
        .parse()
        .map_err(|e| anyhow::anyhow!("-adopt-from: {e}"))?;
    // what strangers are not shown is not gone
    let seen = session.asks(observer, async |client| client.app(&id).await);
    let seen = seen.await?;
    let shown = session.asks(observer, async |client| client.apps().await);
    if seen.is_none() && !shown.await?.all {
        bail!(
            "-adopt-from: whether the app {from} is gone says the observer at {} to a token for all apps only",
            observer.client.base()
        );
    }
    match seen {
        Some(page) if page.app.state != AppState::Destroyed => bail!(
            "-adopt-from: the app {from} is not gone, the observer at {} deploys it; destroy it there first",
            observer.client.base()
        ),
        _ => Ok(()),
    }
}

async fn deploy_directly(
    session: &Session,
    workspace: &Workspace,
    marathon: &Marathon,
    args: &RunArgs,
) -> anyhow::Result<ExitCode> {
    let changed = apply(session, workspace, marathon, args).await?;
    if session.terminal.json {
        let body = json!({"app": workspace.app, "result": word(changed)});
        session.terminal.data(&body)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Without an observer: the app first, then its observer. For programs it is one answer.
async fn deploy_and_launch(
    session: &Session,
    workspace: &Workspace,
    marathon: &Marathon,
    args: &RunArgs,
) -> anyhow::Result<ExitCode> {
    let changed = apply(session, workspace, marathon, args).await?;
    if changed == Applied::Begun {
        let later = "The observer was not launched: `dploy run` without -detach does that.";
        session.terminal.hint(later);
        return answer(session, workspace, word(changed), Ok(Launched::default()));
    }
    let launched = launch::launch(session, workspace, marathon, &args.launch, false).await;
    answer(session, workspace, word(changed), launched)
}

fn answer(
    session: &Session,
    workspace: &Workspace,
    result: &str,
    launched: anyhow::Result<Launched>,
) -> anyhow::Result<ExitCode> {
    let (observer, trouble) = match launched {
        Ok(launched) => (launched.observer, launched.trouble),
        Err(error) => (None, Some(error)),
    };
    if session.terminal.json {
        let body = json!({"app": workspace.app, "result": result, "observer": observer});
        session.terminal.data(&body)?;
    }
    trouble.map_or(Ok(ExitCode::SUCCESS), Err)
}

fn word(applied: Applied) -> &'static str {
    match applied {
        Applied::Changed => "succeeded",
        Applied::Unchanged => "unchanged",
        Applied::Begun => "accepted",
    }
}

async fn apply(
    session: &Session,
    workspace: &Workspace,
    marathon: &Marathon,
    args: &RunArgs,
) -> anyhow::Result<Applied> {
    let written = workspace.descriptor.deadline;
    let deadline = args.deadline.or(written).unwrap_or(600).max(1);
    let rules = Rules {
        force: args.force,
        adopt: args.adopt.clone(),
        deadline: Duration::from_secs(deadline),
        settle: Duration::from_secs(args.settle),
        limit: Limit::begins(&args.follow),
    };
    let (terminal, app) = (session.terminal, &workspace.app);
    let applied = direct::deploy(terminal, &marathon.client, workspace, &rules).await?;
    match applied {
        _ if terminal.json => {}
        Applied::Changed => {
            terminal.say(format!("{app} runs, all healthy."));
            terminal.hint("Now `dploy ps` shows what runs.");
        }
        Applied::Unchanged => terminal.say(format!("{app}: nothing to change, all healthy.")),
        Applied::Begun => terminal.say(format!("{app}: Marathon has accepted it.")),
    }
    Ok(applied)
}

/// A lock or a pin holds for everybody, also for who goes around the observer.
fn holds(page: &AppPage) -> Option<String> {
    let app = &page.app;
    if let Some(lock) = &app.lock {
        return Some(format!(
            "{} is locked by {}: {}; `dploy unlock` lifts it",
            app.app,
            who(&lock.by),
            lock.why()
        ));
    }
    let pin = app.pin.as_ref()?;
    Some(format!(
        "{} is pinned to {} by {}; `dploy resume` ends that",
        app.app,
        pin.commit.short(),
        who(&pin.by)
    ))
}

/// Asks the observer to deploy what was pushed, and follows it.
async fn through(
    session: &Session,
    workspace: &Workspace,
    observer: &Observer,
    mut page: AppPage,
    args: &RunArgs,
) -> anyhow::Result<ExitCode> {
    let branch = page.app.source.branch.clone();
    let limit = Limit::begins(&args.follow);
    let until = tokio::time::Instant::now() + HEARING;
    let mut said = false;
    let mut client = observer.client.clone();
    let mut absence = Absence::limited(session);
    loop {
        let head = page.app.head.as_ref().map(|h| &h.commit);
        match workspace.compared(head, &branch) {
            Compared::Equal => break,
            Compared::Unpushed(why) => {
                let why = format!(
                    "an observer deploys {} from {branch} of {}, and {why}",
                    page.app.app, page.app.source.repository
                );
                let hint = "Commit, and `git push` deploys it; `dploy run -direct` goes around the observer.";
                return Err(Failure::of(Word::Unpushed, why).hint(hint).into());
            }
            Compared::Pushed(commit) if tokio::time::Instant::now() > until => bail!(
                "{} is pushed, and the observer has not heard of it for {} s; `dploy doctor` looks at the webhook",
                commit.short(),
                HEARING.as_secs()
            ),
            Compared::Pushed(commit) => {
                if !said {
                    session.terminal.note(format!(
                        "waiting for the observer to hear of {}",
                        commit.short()
                    ));
                    said = true;
                }
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(300)) => {}
                    () = limit.over() => {
                        let what = format!("the push of {}", commit.short());
                        let look = "`dploy run` waits again, `dploy doctor` looks at the webhook.";
                        return Err(limit.reached(&what, look).into());
                    }
                }
            }
        }
        page = tokio::select! {
            page = fresh(&mut client, &mut absence, workspace) => page?,
            // the next round says so
            () = limit.over() => continue,
        };
    }
    deploy_head(session, workspace, observer, &page, (args, limit)).await
}

/// The app as it is now; an observer that is away for a moment is waited for.
async fn fresh(
    client: &mut Client,
    absence: &mut Absence<'_>,
    workspace: &Workspace,
) -> anyhow::Result<AppPage> {
    loop {
        match client.app(&workspace.app).await {
            Ok(page) => {
                absence.ends();
                return page.ok_or_else(|| {
                    anyhow::anyhow!("{} is not at the observer any more", workspace.app)
                });
            }
            Err(error) => drop(absence.lasts(client, error).await?),
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn deploy_head(
    session: &Session,
    workspace: &Workspace,
    observer: &Observer,
    page: &AppPage,
    (args, limit): (&RunArgs, Limit),
) -> anyhow::Result<ExitCode> {
    let follower = |client| Follower {
        session,
        client,
        app: &workspace.app,
        limit,
    };
    let head = page.app.head.as_ref().map(|h| h.commit.clone());
    let open = [&page.app.running, &page.app.waiting];
    let under_way = open
        .into_iter()
        .flatten()
        .find(|d| Some(&d.commit) == head.as_ref());
    // nothing to ask for where the push did it already
    let done = page.app.live.as_ref().filter(|live| {
        Some(&live.commit) == head.as_ref() && page.app.health == Health::Ok && !args.adopt.any()
    });
    let known = under_way.map(|d| d.deploy).or(done.map(|d| d.deploy));
    if let Some(number) = known {
        let follower = follower(observer.client.clone());
        // what has ended is told as it ended
        return match under_way {
            Some(deploy) => follower.under_way(deploy.deploy).await,
            None => follower.deploy(number).await,
        };
    }
    if let Some(why) = holds(page) {
        if session.terminal.json {
            session.terminal.data(&page.app)?;
        }
        let head = head.map_or_else(String::new, |h| h.short().to_owned());
        return Err(Failure::of(Word::Held, format!("{head} is held: {why}")).into());
    }
    let client = session.operator(observer)?;
    let action = if args.adopt.any() { "adopt" } else { "deploy" };
    let body = ActBody {
        force: args.force,
        from: args.adopt.adopt_from.clone(),
        ..ActBody::default()
    };
    let acted = client.act(&workspace.app, action, &body).await;
    super::operate::acted(follower(client), acted, "Done.").await
}

/// An observer runs and does not know this app: it gets it.
async fn register(
    session: &Session,
    workspace: &Workspace,
    observer: &Observer,
    args: &RunArgs,
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
    let Some(deploy) = app.running.or(app.waiting) else {
        return Ok(ExitCode::SUCCESS);
    };
    let follower = Follower {
        session,
        client,
        app: &app.app,
        limit: Limit::begins(&args.follow),
    };
    follower.under_way(deploy.deploy).await
}

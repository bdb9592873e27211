//! What operators do through the observer.

use std::process::ExitCode;

use anyhow::bail;
use jiff::tz::TimeZone;
use serde_json::json;

use super::args::{
    AdoptCommandArgs, CancelArgs, DeployArgs, FollowArgs, LockArgs, Place, ReasonArgs,
    RedeployArgs, RollbackArgs,
};
use super::failure::{Failure, Word};
use super::follow::Follower;
use super::limit::Limit;
use super::preview::show_plan;
use super::session::Session;
use super::workspace::Workspace;
use crate::api::{ActBody, DeployBody, ProblemCode};
use crate::client::{Acted, Client, ClientError};
use crate::clock::{self, stamp, typed_moment};
use crate::event::{ResumeWhen, Scale};
use crate::history::DeployState;
use crate::id::AppId;

/// What an action came to: a deploy is followed, anything else is said.
pub(super) async fn acted(
    follower: Follower<'_>,
    acted: Result<Acted, ClientError>,
    done: &str,
) -> anyhow::Result<ExitCode> {
    let session = follower.session;
    match acted {
        Ok(Acted::Queued(queued)) => follower.accepted(queued).await,
        Ok(Acted::Said(result, sentence)) => {
            if session.terminal.json {
                session
                    .terminal
                    .data(&json!({"result": result, "sentence": sentence}))?;
            } else {
                session
                    .terminal
                    .say(sentence.as_deref().unwrap_or(match result.as_str() {
                        "unchanged" => "Nothing to change: it is so already.",
                        _ => done,
                    }));
            }
            if result == "held" {
                return Err(Failure::of(Word::Held, sentence.unwrap_or(result))
                    .told()
                    .into());
            }
            Ok(ExitCode::SUCCESS)
        }
        Ok(Acted::Plan(plan)) => {
            show_plan(session.terminal, &plan)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(error.into()),
    }
}

/// An action that changes what runs: where somebody can be asked, its plan is shown first, and only that is done.
async fn planned(
    session: &Session,
    action: &str,
    mut body: ActBody,
    (yes, follow): (bool, &FollowArgs),
    done: &str,
) -> anyhow::Result<ExitCode> {
    let (workspace, observer) = session.observed().await?;
    let client = session.operator(&observer)?;
    let (app, terminal) = (&workspace.app, session.terminal);
    let follower = || Follower {
        session,
        client: client.clone(),
        app,
        limit: Limit::begins(follow),
    };
    loop {
        if !yes && terminal.can_ask() && !terminal.json {
            body.dry_run = true;
            let question = match client.act(app, action, &body).await {
                Ok(Acted::Plan(plan)) => {
                    show_plan(session.terminal, &plan)?;
                    body.plan = Some(plan.plan.clone());
                    format!("{action} {app} by {}?", client.base())
                }
                Ok(_) => bail!("the observer did not answer with a plan"),
                // who must act now does it without one
                Err(error) if error.is(ProblemCode::Marathon) => {
                    terminal.note(format!("There is no plan: {error}"));
                    format!("{action} {app} by {} without a plan?", client.base())
                }
                Err(error) => return Err(error.into()),
            };
            if !terminal.agrees(&question) {
                return Err(Failure::of(Word::Declined, "nothing was changed").into());
            }
            body.dry_run = false;
        }
        let answer = client.act(app, action, &body).await;
        if body.plan.is_some()
            && answer
                .as_ref()
                .is_err_and(|error| error.is(ProblemCode::PlanStale))
        {
            terminal.note("Something changed while you were reading; this is the plan now:");
            body.plan = None;
            continue;
        }
        return acted(follower(), answer, done).await;
    }
}

async fn act(
    session: &Session,
    action: &str,
    body: ActBody,
    done: &str,
) -> anyhow::Result<ExitCode> {
    let (workspace, observer) = session.observed().await?;
    let client = session.operator(&observer)?;
    let answer = client.act(&workspace.app, action, &body).await;
    let follower = Follower {
        session,
        client,
        app: &workspace.app,
        limit: Limit::default(),
    };
    acted(follower, answer, done).await
}

/// A commit or a deploy as the observer reads it.
///
/// # Errors
/// Where it is neither, as far as that can be known here.
pub(super) fn place(
    session: &Session,
    workspace: &Workspace,
    place: &Place,
) -> anyhow::Result<String> {
    let text = match place {
        Place::Deploy(number) => return Ok(number.to_string()),
        Place::Commit(text) => text,
    };
    let known = workspace.commit_called(text);
    let number = text.bytes().all(|b| b.is_ascii_digit());
    if number && known.as_ref().is_none_or(|known| known == text) {
        let deploy = format!("the deploy of that number is -deploy {text}, or '#{text}'");
        if known.is_none() {
            let why = format!("{text} is no commit: 4 digits of one, or more; {deploy}");
            return Err(Failure::of(Word::Usage, why).into());
        }
        session
            .terminal
            .hint(format!("{text} is taken for a commit; {deploy}."));
    }
    Ok(known.unwrap_or_else(|| text.clone()))
}

/// The last deploy that worked; where nothing came after it that touched Marathon, it is what runs, and the one before it is meant.
async fn last_good(client: &Client, app: &AppId) -> anyhow::Result<String> {
    let Some(page) = client.app(app).await? else {
        bail!("{app} is not at the observer any more");
    };
    let Some(live) = &page.app.live else {
        bail!("nothing of {app} was deployed with success yet: there is nothing to go back to");
    };
    let later = page.deploys.iter().filter(|d| d.deploy > live.deploy);
    if later
        .into_iter()
        .any(|d| !d.marathon_deployments.is_empty())
    {
        return Ok(live.deploy.to_string());
    }
    let worked = |d: &&DeployBody| {
        let good = matches!(d.state, DeployState::Succeeded | DeployState::Unchanged);
        good && d.deploy < live.deploy && d.commit != live.commit
    };
    let Some(before) = page.deploys.iter().find(worked) else {
        bail!(
            "before {} no other commit was deployed with success; `dploy history -all` lists what was",
            live.deploy
        );
    };
    Ok(before.deploy.to_string())
}

pub(super) async fn rollback(session: &Session, args: &RollbackArgs) -> anyhow::Result<ExitCode> {
    let (workspace, observer) = session.observed().await?;
    let client = session.operator(&observer)?;
    let target = match &args.service {
        Some(service) => {
            let service = service.trim_start_matches('/').replace('/', "%2F");
            format!("%2F{service}")
        }
        None => workspace.app.to_string(),
    };
    let mut body = ActBody {
        to: Some(match args.deploy.or(args.to.as_ref()) {
            Some(to) => place(session, &workspace, &to)?,
            None => last_good(&client, &workspace.app).await?,
        }),
        reason: args.reason.clone(),
        resume: args.manual.then_some(ResumeWhen::Manual),
        scale: args.scale.then_some(Scale::Target),
        override_lock: args.override_lock,
        dry_run: true,
        ..ActBody::default()
    };
    let terminal = session.terminal;
    loop {
        let Acted::Plan(plan) = client.act_on(&target, "rollback", &body).await? else {
            bail!("the observer did not answer with a plan");
        };
        if !terminal.json {
            show_plan(session.terminal, &plan)?;
        }
        if !args.yes {
            if !terminal.can_ask() {
                let why = "nobody can be asked here; -y rolls back without asking";
                return Err(Failure::of(Word::Unasked, why).into());
            }
            if !terminal.agrees(&format!("Roll {} back?", workspace.app)) {
                return Err(Failure::of(Word::Declined, "nothing was changed").into());
            }
        }
        (body.dry_run, body.plan) = (false, Some(plan.plan.clone()));
        let answer = client.act_on(&target, "rollback", &body).await;
        let stale = |error: &ClientError| error.is(ProblemCode::PlanStale);
        if answer.as_ref().is_err_and(stale) && !args.yes {
            terminal.note("Something changed while you were reading; this is the plan now:");
            (body.dry_run, body.plan) = (true, None);
            continue;
        }
        let queued = matches!(answer, Ok(Acted::Queued(_)));
        let follower = Follower {
            session,
            client,
            app: &workspace.app,
            limit: Limit::begins(&args.follow),
        };
        let ended = acted(follower, answer, "Done.").await;
        if queued {
            let ends = if args.manual {
                "`dploy resume` follows it again"
            } else {
                "the next new push does, or `dploy resume`"
            };
            terminal.hint(format!(
                "The app is pinned and does not follow its branch: {ends}."
            ));
        }
        return ended;
    }
}

pub(super) async fn deploy(session: &Session, args: &DeployArgs) -> anyhow::Result<ExitCode> {
    let workspace = session.workspace()?;
    let to = args.deploy.or(args.to.as_ref());
    let body = ActBody {
        to: to.map(|to| place(session, &workspace, &to)).transpose()?,
        reason: args.wish.reason.clone(),
        override_lock: args.wish.override_lock,
        force: args.wish.force,
        ..ActBody::default()
    };
    planned(
        session,
        "deploy",
        body,
        (args.wish.yes, &args.wish.follow),
        "Done.",
    )
    .await
}

pub(super) async fn redeploy(session: &Session, args: &RedeployArgs) -> anyhow::Result<ExitCode> {
    let workspace = session.workspace()?;
    let to = args.deploy.or(args.to.as_ref());
    let body = ActBody {
        to: to.map(|to| place(session, &workspace, &to)).transpose()?,
        reason: args.wish.reason.clone(),
        service: args.service.as_deref().map(absolute),
        override_lock: args.wish.override_lock,
        force: args.wish.force,
        ..ActBody::default()
    };
    planned(
        session,
        "redeploy",
        body,
        (args.wish.yes, &args.wish.follow),
        "Done.",
    )
    .await
}

/// An id of a service as Marathon writes it: people leave the first slash out.
fn absolute(id: &str) -> String {
    format!("/{}", id.trim_start_matches('/'))
}

pub(super) async fn adopt(session: &Session, args: &AdoptCommandArgs) -> anyhow::Result<ExitCode> {
    let services: Vec<String> = args.services.iter().map(|id| absolute(id)).collect();
    let body = ActBody {
        services: (!services.is_empty()).then_some(services),
        from: args.from.clone(),
        ..ActBody::default()
    };
    planned(
        session,
        "adopt",
        body,
        (args.yes, &args.follow),
        "They are this app's now.",
    )
    .await
}

pub(super) async fn cancel(session: &Session, args: &CancelArgs) -> anyhow::Result<ExitCode> {
    let number = args.deploy.deploy.or(args.to);
    let body = ActBody {
        deploy: number.map(|number| number.0.into()),
        reason: args.reason.clone(),
        ..ActBody::default()
    };
    act(session, "cancel", body, "It is being cancelled.").await
}

pub(super) async fn lock(session: &Session, args: &LockArgs) -> anyhow::Result<ExitCode> {
    let until = args.until.as_ref();
    let until = until
        .map(|text| typed_moment(text, clock::system().now(), &TimeZone::system()))
        .transpose()
        .map_err(|why| anyhow::anyhow!("-until: {why}"))?;
    let body = ActBody {
        reason: Some(args.reason.clone()),
        until: until.map(stamp),
        ..ActBody::default()
    };
    let done = until.map_or_else(
        || "Locked: nobody deploys.".to_owned(),
        |until| {
            let here = until.to_zoned(TimeZone::system());
            format!(
                "Locked until {}: nobody deploys.",
                here.strftime("%Y-%m-%d %H:%M %Z")
            )
        },
    );
    let code = act(session, "lock", body, &done).await?;
    session.terminal.hint(if until.is_some() {
        "Pushes are held until then, or until `dploy unlock`."
    } else {
        "Pushes are held until `dploy unlock`."
    });
    Ok(code)
}

/// `unlock` and `resume`: what was held is deployed, and followed.
pub(super) async fn go_on(
    session: &Session,
    action: &str,
    args: &ReasonArgs,
) -> anyhow::Result<ExitCode> {
    let body = ActBody {
        reason: args.reason.clone(),
        ..ActBody::default()
    };
    let done = match action {
        "unlock" => "Unlocked; there was nothing to deploy.",
        _ => "The app follows its branch again; there was nothing to deploy.",
    };
    planned(session, action, body, (args.yes, &args.follow), done).await
}

//! `dploy destroy`: services, webhook and observer are gone, and it says so. Through the observer where one deploys the
//! app; where it is dead, out of reach, or has lost its log, by hand.

mod hook;
mod observer;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::args::DestroyArgs;
use super::failure::{Failure, Word};
use super::preview::show_plan;
use super::remove_service;
use super::session::{Github, Marathon, Session};
use super::terminal::{GREEN, RED, paint};
use super::workspace::Workspace;
use crate::api::PlanBody;
use crate::id::ServiceId;
use crate::marathon::RunningDeployment;
use crate::rollout;

/// How long a removed task may take to end.
const ENDING: Duration = Duration::from_secs(30);

/// What is gone, and what is left with the way to remove it.
#[derive(Default)]
struct Report {
    done: Vec<String>,
    left: Vec<(String, String)>,
    /// Groups of Marathon that hold nothing any more.
    empty: Vec<String>,
}

impl Report {
    fn done(&mut self, what: String) {
        if !self.done.contains(&what) {
            self.done.push(what);
        }
    }

    fn left(&mut self, what: String, way: String) {
        self.left.push((what, way));
    }
}

/// What is known of the webhook before anybody looks at GitHub.
#[derive(PartialEq)]
enum Hook {
    /// Nothing.
    Unknown,
    /// The observer says that it is gone.
    Gone,
    /// Another app of the same observer needs it.
    Shared,
    /// The observer, which cannot be asked, stays and may need it.
    Kept,
}

/// What this app's observer leaves.
struct Traces {
    /// Its hooks call one of these hosts, at `…/dploy`.
    hosts: BTreeSet<String>,
    /// Where the observer is that was asked last.
    url: String,
    /// Its app in Marathon.
    id: Option<ServiceId>,
    hook: Hook,
    /// The observer was launched for another app.
    elsewhere: bool,
}

pub(super) async fn run(session: &Session, args: &DestroyArgs) -> anyhow::Result<ExitCode> {
    let workspace = session.workspace()?;
    let marathon = session.marathon(Some(&workspace)).await?;
    let github = session.github(&workspace)?;
    let plan = if asks(session, args) {
        plan(session, &workspace, &marathon, args).await
    } else {
        None
    };
    if let Some(plan) = &plan {
        show_plan(session.terminal, plan)?;
    }
    agreed(session, &workspace, args)?;
    let task = Task {
        session,
        workspace: &workspace,
        marathon: &marathon,
        github: github.as_ref(),
        keep_services: args.keep_services,
        override_lock: args.override_lock,
        plan: plan.map(|plan| plan.plan),
    };
    let mut report = Report::default();
    let traces = task.with_observer(&mut report).await?;
    task.by_hand(&traces, &mut report).await;
    task.say(&report)
}

fn asks(session: &Session, args: &DestroyArgs) -> bool {
    !args.yes && session.terminal.can_ask()
}

/// What the observer would take down; `None` where there is none, or it does not say.
async fn plan(
    session: &Session,
    workspace: &Workspace,
    marathon: &Marathon,
    args: &DestroyArgs,
) -> Option<PlanBody> {
    let found = session.observer(Some(workspace), marathon).await.ok()?;
    let observer = found.filter(|o| o.alive)?;
    let client = session.operator(&observer).ok()?;
    let plan = client.destroy_plan(&workspace.app, args.keep_services);
    plan.await.ok()
}

fn agreed(session: &Session, workspace: &Workspace, args: &DestroyArgs) -> anyhow::Result<()> {
    if args.yes {
        return Ok(());
    }
    if !session.terminal.can_ask() {
        let why = format!(
            "nobody can be asked here; -yes destroys {} without asking",
            workspace.app
        );
        return Err(Failure::of(Word::Unasked, why).into());
    }
    let what = if args.keep_services {
        "its webhook and its observer"
    } else {
        "its services, its webhook and its observer"
    };
    session.terminal.note(format!(
        "This takes down the app {}: {what}.",
        workspace.app
    ));
    let answer = session
        .terminal
        .ask(&format!("Type {} to go on:", workspace.app));
    if answer.as_deref() != Some(workspace.app.as_str()) {
        return Err(Failure::of(Word::Declined, "nothing was destroyed").into());
    }
    Ok(())
}

fn host(url: &str) -> Option<String> {
    reqwest::Url::parse(url).ok()?.host_str().map(str::to_owned)
}

struct Task<'a> {
    session: &'a Session,
    workspace: &'a Workspace,
    marathon: &'a Marathon,
    github: Option<&'a Github>,
    keep_services: bool,
    override_lock: bool,
    /// The token of what was shown.
    plan: Option<String>,
}

impl Task<'_> {
    /// How long one part may take: three minutes, unless `-timeout` says that answers come sooner or later.
    fn patience(&self) -> Duration {
        self.session.timeout() * 6
    }

    fn delete_command(&self, id: &ServiceId) -> String {
        let set = &self.session.global;
        let login = match (&set.marathon_token, &set.marathon_user) {
            (Some(_), _) => "-H \"Authorization: token=$DPLOY_MARATHON_TOKEN\" ",
            (None, Some(_)) => "-u \"$DPLOY_MARATHON_USER:$DPLOY_MARATHON_PASSWORD\" ",
            (None, None) => "",
        };
        let url = &self.marathon.url;
        format!("curl -fsS -X DELETE {login}'{url}/v2/apps{id}?force=true'")
    }

    async fn remove(&self, id: &ServiceId, what: &str, report: &mut Report) {
        match remove_service::service(&self.marathon.client, id, true, self.patience()).await {
            Ok(()) => report.done(format!("{what}{id} was removed")),
            Err(error) => report.left(format!("{what}{id} ({error})"), self.delete_command(id)),
        }
    }

    /// What is still there goes, whoever should have removed it.
    async fn by_hand(&self, traces: &Traces, report: &mut Report) {
        if !self.keep_services {
            self.services(report).await;
        }
        match self.github {
            Some(github) if traces.hook != Hook::Shared => {
                self.hooks(github, traces, report).await;
            }
            _ => {}
        }
    }

    /// Waits a while until what was removed has ended: an observer that is being stopped may still act.
    async fn ended(&self, ids: &[ServiceId]) {
        let until = Instant::now() + ENDING;
        while Instant::now() < until {
            let holds = |d: &RunningDeployment| {
                let named = |id: &ServiceId| d.affected_apps.iter().any(|a| a == id.as_str());
                ids.iter().any(named)
            };
            match self.marathon.client.deployments().await {
                Ok(running) if !running.iter().any(holds) => return,
                _ => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        }
    }

    async fn services(&self, report: &mut Report) {
        let mut tried: BTreeSet<ServiceId> = BTreeSet::new();
        // again, until a look finds nothing new: the last deploy may have been under way
        loop {
            let listed = rollout::ours(&self.marathon.client, self.workspace.app.as_str()).await;
            let ids: Vec<ServiceId> = match listed {
                Ok(ids) => ids.into_iter().filter(|id| !tried.contains(id)).collect(),
                Err(error) => {
                    let way = "dploy destroy -yes".to_owned();
                    return report.left(format!("its services: {error}"), way);
                }
            };
            if ids.is_empty() {
                return self.groups(&tried, report).await;
            }
            for id in &ids {
                self.remove(id, "", report).await;
            }
            self.ended(&ids).await;
            tried.extend(ids);
        }
    }

    /// Which groups are empty now: of what was removed here, and of what the workspace names.
    async fn groups(&self, tried: &BTreeSet<ServiceId>, report: &mut Report) {
        let services = self.workspace.services().unwrap_or_default();
        let ids = services.iter().map(|s| &s.id).chain(tried);
        let found = self.marathon.client.empty_groups(ids).await;
        report.empty = found.unwrap_or_default();
    }

    fn say(&self, report: &Report) -> anyhow::Result<ExitCode> {
        let terminal = self.session.terminal;
        let clean = report.left.is_empty();
        if terminal.json {
            let left: Vec<_> = report
                .left
                .iter()
                .map(|(what, way)| json!({"what": what, "remove": way}))
                .collect();
            terminal
                .data(&json!({"app": self.workspace.app, "done": report.done, "left": left, "empty_groups": report.empty}))?;
        } else {
            for done in &report.done {
                terminal.say(format!("{} {done}", paint(GREEN, '✔')));
            }
            for (what, way) in &report.left {
                terminal.say(format!("{} left: {what}\n    {way}", paint(RED, '✖')));
            }
            if clean {
                let left = if self.keep_services {
                    "its services run on, nothing else of it is left".to_owned()
                } else if report.empty.is_empty() {
                    "nothing of it is left".to_owned()
                } else {
                    let groups = report.empty.join(", ");
                    format!("nothing of it is left but the empty group {groups} in Marathon")
                };
                terminal.say(format!("{} is destroyed; {left}.", self.workspace.app));
            }
        }
        if clean {
            return Ok(ExitCode::SUCCESS);
        }
        let left: Vec<&str> = report.left.iter().map(|(what, _)| what.as_str()).collect();
        let left = format!("left: {}", left.join(", "));
        Err(Failure::of(Word::Left, left).told().into())
    }
}

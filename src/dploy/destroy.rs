//! `dploy destroy`: services, webhook and observer are gone, and it says so. Through the observer where one deploys the
//! app; where it is dead, out of reach, or has lost its log, by hand.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use serde_json::json;
use tokio::time::Instant;

use super::args::DestroyArgs;
use super::session::{Github, Marathon, Observer, Session};
use super::terminal::{GREEN, RED, paint};
use super::workspace::Workspace;
use super::{list, remove};
use crate::client::{Client, ClientError};
use crate::history::AppState;
use crate::id::ServiceId;
use crate::rollout;
use crate::spec::LABEL_APP;

/// How long the observer may take for its part.
const PATIENCE: Duration = Duration::from_mins(3);

/// A silent observer may be about to be started again.
const SILENCE: Duration = Duration::from_secs(10);

/// What is gone, and what is left with the way to remove it.
#[derive(Default)]
struct Report {
    done: Vec<String>,
    left: Vec<(String, String)>,
}

/// What a hook of this app's observer looks like: these hosts, and the path `/dploy`.
struct Traces {
    hosts: BTreeSet<String>,
    /// Another app of the same observer uses the repository: the hook stays.
    shared: bool,
}

pub(super) async fn run(session: &Session, args: &DestroyArgs) -> anyhow::Result<ExitCode> {
    let workspace = session.workspace()?;
    let marathon = session.marathon(Some(&workspace)).await?;
    let github = session.github(&workspace)?;
    let mut observer = session.observer(Some(&workspace), &marathon).await?;
    agreed(session, &workspace, args)?;
    let until = Instant::now() + SILENCE;
    while observer.as_ref().is_some_and(|o| !o.alive) && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(500)).await;
        observer = session.observer(Some(&workspace), &marathon).await?;
    }
    let task = Task {
        session,
        workspace: &workspace,
        marathon: &marathon,
        github: github.as_ref(),
        keep_services: args.keep_services,
    };
    let mut report = Report::default();
    let mut traces = task.traces(observer.as_ref()).await?;
    match &observer {
        Some(observer) if observer.alive => {
            task.through(observer, &mut traces, &mut report).await?;
        }
        Some(observer) => {
            let url = observer.client.base();
            session.terminal.note(format!(
                "The observer at {url} does not answer: doing it without."
            ));
            task.observer_of_nobody_else(observer, &mut report).await;
        }
        None => {}
    }
    task.by_hand(&traces, &mut report).await;
    task.say(&report)
}

fn agreed(session: &Session, workspace: &Workspace, args: &DestroyArgs) -> anyhow::Result<()> {
    if args.yes {
        return Ok(());
    }
    if !session.terminal.can_ask() {
        bail!(
            "nobody can be asked here; -yes destroys {} without asking",
            workspace.app
        );
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
        bail!("nothing was destroyed");
    }
    Ok(())
}

struct Task<'a> {
    session: &'a Session,
    workspace: &'a Workspace,
    marathon: &'a Marathon,
    github: Option<&'a Github>,
    keep_services: bool,
}

fn host(url: &str) -> Option<String> {
    reqwest::Url::parse(url).ok()?.host_str().map(str::to_owned)
}

impl Task<'_> {
    async fn traces(&self, observer: Option<&Observer>) -> anyhow::Result<Traces> {
        let mut hosts: BTreeSet<String> = self
            .workspace
            .descriptor
            .public_node
            .iter()
            .cloned()
            .collect();
        if let Some(observer) = observer {
            hosts.extend(host(observer.client.base()));
            if let Some(id) = &observer.id
                && let Some(app) = self.marathon.client.app(id).await?
            {
                let env = |name: &str| app.raw["env"][name].as_str().map(str::to_owned);
                hosts.extend(env("DPLOY_PUBLIC_NODE"));
                hosts.extend(env("DPLOY_OBSERVER_PUBLIC_URL").and_then(|u| host(&u)));
            }
        }
        Ok(Traces {
            hosts,
            shared: false,
        })
    }

    /// The observer takes its app down, and goes itself when it has no other.
    async fn through(
        &self,
        observer: &Observer,
        traces: &mut Traces,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let app = &self.workspace.app;
        let known = observer.client.app(app).await;
        let known = match known {
            // it shows nothing to strangers
            Err(error) if error.code() == Some("login") => {
                self.session.operator(observer)?.app(app).await?
            }
            other => other?,
        };
        let client = if known
            .as_ref()
            .is_some_and(|p| p.app.state != AppState::Destroyed)
        {
            let client = self.session.operator(observer)?;
            self.ask(&client, report).await?;
            client
        } else {
            observer.client.clone()
        };
        let apps = client.apps().await?.apps;
        let others: Vec<_> = apps
            .iter()
            .filter(|a| a.app != *app && a.state != AppState::Destroyed)
            .collect();
        let repository = self.github.map(|g| g.name.to_string());
        traces.shared = others
            .iter()
            .any(|a| Some(&a.source.repository) == repository.as_ref());
        let names: Vec<&str> = others.iter().map(|a| a.app.as_str()).collect();
        match (&observer.id, names.as_slice()) {
            (Some(id), []) => self.remove(id, "the observer", report).await,
            (None, []) => {}
            (_, names) => report.done.push(format!(
                "the observer stays: it deploys {}",
                names.join(", ")
            )),
        }
        Ok(())
    }

    async fn ask(&self, client: &Client, report: &mut Report) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            match client
                .destroy(&self.workspace.app, self.keep_services)
                .await
            {
                Ok(answer) if answer.state == AppState::Destroyed || Instant::now() > until => {
                    report.done.extend(answer.done);
                    return Ok(());
                }
                Ok(answer) => {
                    for open in &answer.open {
                        self.session.terminal.note(format!("waiting: {open}"));
                    }
                }
                // it goes on by itself after a restart; what it does not do is done by hand
                Err(ClientError::Unreachable(..)) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A dead observer that nobody else needs goes first: started again it would bring everything back.
    async fn observer_of_nobody_else(&self, observer: &Observer, report: &mut Report) {
        let Some(id) = &observer.id else { return };
        let listed = self.marathon.client.apps_with_label(LABEL_APP).await;
        let apps = list::by_app(&listed.unwrap_or_default());
        let own = self.workspace.app.as_str();
        let others: Vec<String> = apps.into_keys().filter(|a| a != own).collect();
        if others.is_empty() {
            self.remove(id, "the observer", report).await;
        } else {
            report.left.push((
                format!(
                    "the observer {id}, which does not answer and may serve {}",
                    others.join(", ")
                ),
                self.delete_command(id),
            ));
        }
    }

    fn delete_command(&self, id: &ServiceId) -> String {
        format!(
            "curl -X DELETE '{}/v2/apps{id}?force=true'",
            self.marathon.url
        )
    }

    async fn remove(&self, id: &ServiceId, what: &str, report: &mut Report) {
        match remove::service(&self.marathon.client, id, true, PATIENCE).await {
            Ok(()) => report
                .done
                .push(format!("{what} {id} was removed").trim_start().to_owned()),
            Err(error) => report.left.push((
                format!("{what} {id} ({error})").trim_start().to_owned(),
                self.delete_command(id),
            )),
        }
    }

    /// What is still there goes, whoever should have removed it.
    async fn by_hand(&self, traces: &Traces, report: &mut Report) {
        if !self.keep_services {
            match rollout::ours(&self.marathon.client, self.workspace.app.as_str()).await {
                Ok(ids) => {
                    for id in ids {
                        self.remove(&id, "", report).await;
                    }
                }
                Err(error) => report
                    .left
                    .push((format!("its services: {error}"), "dploy destroy".to_owned())),
            }
        }
        match self.github {
            Some(github) if !traces.shared => self.hooks(github, traces, report).await,
            _ => {}
        }
    }

    async fn hooks(&self, github: &Github, traces: &Traces, report: &mut Report) {
        let page = format!("https://github.com/{}/settings/hooks", github.name);
        if github.token.is_none() {
            // through the observer it is gone; otherwise nobody here may look
            if !report.done.iter().any(|d| d.contains("webhook")) && !traces.hosts.is_empty() {
                report.left.push((
                    format!(
                        "perhaps the webhook of {}: there is no .pat to look with",
                        github.name
                    ),
                    format!(
                        "put a GitHub token into .pat and run `dploy destroy` again, or see {page}"
                    ),
                ));
            }
            return;
        }
        let listed = async {
            let repository = github.client.repository(&github.name).await?;
            Ok::<_, crate::github::GithubError>((
                repository.id,
                github.client.hooks(repository.id).await?,
            ))
        };
        let (repository, hooks) = match listed.await {
            Ok(listed) => listed,
            Err(error) => {
                let what = format!("perhaps the webhook of {}: {error}", github.name);
                report
                    .left
                    .push((what, format!("run `dploy destroy` again, or see {page}")));
                return;
            }
        };
        let ours = |url: &str| {
            let path = reqwest::Url::parse(url).is_ok_and(|u| u.path() == "/dploy");
            path && host(url).is_some_and(|h| traces.hosts.contains(&h))
        };
        for hook in hooks.iter().filter(|h| ours(h.url())) {
            match github.client.delete_hook(repository, hook.id).await {
                Ok(()) => report.done.push(format!("the webhook {} of {} was removed", hook.id, github.name)),
                Err(error) => report.left.push((
                    format!("the webhook {} of {} ({error})", hook.id, github.name),
                    format!(
                        "curl -X DELETE -H \"Authorization: Bearer $(cat .pat)\" {}/repos/{}/hooks/{}",
                        github.api, github.name, hook.id
                    ),
                )),
            }
        }
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
                .data(&json!({"app": self.workspace.app, "done": report.done, "left": left}))?;
        } else {
            for done in &report.done {
                terminal.say(format!("{} {done}", paint(GREEN, '✔')));
            }
            for (what, way) in &report.left {
                terminal.say(format!("{} left: {what}\n    {way}", paint(RED, '✖')));
            }
            if clean {
                terminal.say(format!(
                    "{} is destroyed; nothing is left.",
                    self.workspace.app
                ));
            }
        }
        Ok(if clean {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

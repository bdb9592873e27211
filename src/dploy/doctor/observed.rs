//! What the observer knows and does, and whether GitHub reaches it.

use std::time::Duration;

use tokio::time::Instant;

use super::{Doctor, Mark};
use crate::api::{AppBody, AppPage};
use crate::client::Client;
use crate::dploy::args::LaunchArgs;
use crate::dploy::launch::Launch;
use crate::dploy::session::{Marathon, Observer};
use crate::dploy::terminal::who;
use crate::dploy::workspace::{Compared, Workspace};
use crate::history::AppState;
use crate::id::AppId;
use crate::secret::plain;

/// How long GitHub's ping may take.
const PING: Duration = Duration::from_secs(15);

fn same_host(a: &str, b: &str) -> bool {
    let host = |url: &str| reqwest::Url::parse(url).ok()?.host_str().map(str::to_owned);
    host(a) == host(b)
}

/// How the last task of an observer ended, as Marathon tells it.
async fn last_end(marathon: &Marathon, observer: &Observer) -> String {
    let Some(id) = &observer.id else {
        return String::new();
    };
    let app = marathon.client.app(id).await.ok().flatten();
    let failure = app.and_then(|app| app.last_task_failure);
    failure.map_or_else(String::new, |failure| {
        let message = plain(failure.message.trim(), 200);
        format!(", its last one failed on {}: {message}", failure.host)
    })
}

/// What there is to say of an observer that Marathon runs and that does not answer here.
async fn silent(workspace: &Workspace, marathon: &Marathon, observer: &Observer) -> String {
    let url = observer.client.base();
    let Some(id) = &observer.id else {
        return format!("{url} does not answer from here; is -observer right?");
    };
    let app = marathon.client.app(id).await.ok().flatten();
    let told = app.and_then(|app| {
        app.raw["env"]["DPLOY_PUBLIC_NODE"]
            .as_str()
            .map(str::to_owned)
    });
    let node = workspace.descriptor.public_node.clone().unwrap_or_default();
    match told.filter(|told| *told != node) {
        Some(told) => format!(
            "{url} does not answer from here: {id} was launched for the public node {told}, and dploy.app says {node:?}; `dploy run -relaunch` tells it"
        ),
        None => format!(
            "{url} does not answer from here, and Marathon runs it as {id}: is the port open, and public_node the node that it runs on? Put it right in dploy.app, then `dploy run -relaunch`"
        ),
    }
}

impl Doctor<'_> {
    pub(super) async fn observer(&mut self, workspace: &Workspace, marathon: &Marathon) {
        let observer = match self.session.observer(Some(workspace), marathon).await {
            Ok(Some(observer)) => observer,
            Ok(None) => return self.launch(workspace, marathon).await,
            Err(error) => return self.note(Mark::Bad, "observer", format!("{error:#}")),
        };
        let url = observer.client.base().to_owned();
        if observer.is_nowhere() {
            let why = format!(
                "{}{}; `dploy run -relaunch` launches it again",
                observer.silence(),
                last_end(marathon, &observer).await
            );
            return self.note(Mark::Bad, "observer", why);
        }
        if !observer.alive {
            let why = silent(workspace, marathon, &observer).await;
            return self.note(Mark::Bad, "observer", why);
        }
        match observer.client.readiness().await {
            Ok(text) if text == "ready" => {
                self.note(Mark::Good, "observer", format!("{url} is ready"));
            }
            Ok(text) => self.note(Mark::Bad, "observer", format!("{url}: {text}")),
            Err(error) => self.note(Mark::Bad, "observer", error.to_string()),
        }
        let client = match self.session.operator(&observer) {
            Ok(client) => Some(client),
            Err(error) => {
                self.note(Mark::Odd, "operator", format!("{error:#}"));
                None
            }
        };
        let reader = client.as_ref().unwrap_or(&observer.client);
        match reader.app(&workspace.app).await {
            Ok(Some(page)) if page.app.state == AppState::Destroyed => {
                let why = format!(
                    "{} was destroyed; `dploy run` brings it back",
                    workspace.app
                );
                self.note(Mark::Odd, "app", why);
            }
            Ok(Some(page)) => {
                self.app(workspace, &observer, client.is_some(), &page)
                    .await;
            }
            Ok(None) => {
                let why = match self.called_otherwise(reader, workspace).await {
                    Some(other) => format!(
                        "the observer deploys this branch as {other}, and dploy.app calls it {}: an app keeps its name, put it back",
                        workspace.app
                    ),
                    None if reader.has_token() => format!(
                        "the observer does not deploy {}; `dploy run` registers it",
                        workspace.app
                    ),
                    None => format!(
                        "the observer deploys no {} that it shows without its operator token",
                        workspace.app
                    ),
                };
                self.note(Mark::Bad, "app", why);
            }
            Err(error) => self.note(Mark::Bad, "app", error.to_string()),
        }
    }

    /// None runs: what a launch would stop at.
    async fn launch(&mut self, workspace: &Workspace, marathon: &Marathon) {
        let session = self.session;
        let github = session.github(workspace).ok().flatten();
        let Ok(args) = LaunchArgs::of_environment() else {
            return;
        };
        let launch = match Launch::of(session, workspace, marathon, github.as_ref(), &args) {
            Ok(launch) => launch,
            Err(missing) => {
                return self.note(Mark::Odd, "observer", format!("none runs. {missing}"));
            }
        };
        let mut stops = Vec::new();
        if let Err(error) = launch.foresee(&mut stops).await {
            stops.push(format!("{error:#}"));
        }
        if stops.is_empty() {
            return self.note(Mark::Odd, "observer", "none runs; `dploy run` launches it");
        }
        for stop in stops {
            let why = format!("none runs, and `dploy run` would not launch it: {stop}");
            self.note(Mark::Odd, "observer", why);
        }
    }

    /// The app by which the observer deploys the branch of this workspace, where it has another name.
    async fn called_otherwise(&self, reader: &Client, workspace: &Workspace) -> Option<AppId> {
        let github = self.session.github(workspace).ok().flatten()?;
        let apps = reader.apps().await.ok()?.apps;
        let repository = github.name.to_string();
        let ours = |a: &&AppBody| {
            a.state != AppState::Destroyed
                && a.source.repository.eq_ignore_ascii_case(&repository)
                && a.source.branch == workspace.branch()
        };
        apps.iter().find(ours).map(|a| a.app.clone())
    }

    async fn app(
        &mut self,
        workspace: &Workspace,
        observer: &Observer,
        operator: bool,
        page: &AppPage,
    ) {
        let app = &page.app;
        let gate = match (&app.lock, &app.pin) {
            (Some(lock), _) => Some(format!(
                "locked by {}: {}; `dploy unlock`",
                who(&lock.by),
                lock.why()
            )),
            (None, Some(pin)) => Some(format!(
                "pinned to {} by {}; `dploy resume`",
                pin.commit.short(),
                who(&pin.by)
            )),
            (None, None) => None,
        };
        match gate {
            Some(gate) => self.note(Mark::Odd, "app", format!("{} is {gate}", app.app)),
            None => self.note(
                Mark::Good,
                "app",
                format!(
                    "{} follows {} of {}",
                    app.app, app.source.branch, app.source.repository
                ),
            ),
        }
        let branch = workspace.descriptor.trigger_branch.as_deref();
        if let Some(branch) = branch.filter(|b| *b != app.source.branch) {
            let why = format!(
                "dploy.app says trigger_branch {branch}, and the observer deploys {}",
                app.source.branch
            );
            self.note(Mark::Odd, "branch", why);
        }
        let head = app.head.as_ref().map(|h| &h.commit);
        match workspace.compared(head, &app.source.branch) {
            Compared::Equal => self.note(Mark::Good, "workspace", "is what the branch has"),
            Compared::Pushed(commit) => {
                let why = format!(
                    "{} is pushed and the observer has not heard of it yet",
                    commit.short()
                );
                self.note(Mark::Odd, "workspace", why);
            }
            Compared::Unpushed(why) => self.note(Mark::Odd, "workspace", why),
        }
        let (calls, at) = (
            page.hook.url.as_deref(),
            format!("{}/dploy", observer.client.base()),
        );
        if let Some(calls) = calls.filter(|url| *url != at && same_host(url, &at)) {
            let why = format!(
                "the webhook calls {calls}, and the observer is at {at}; it repairs that by itself within ten minutes"
            );
            self.note(Mark::Odd, "port", why);
        }
        match &page.hook.failure {
            Some(failure) => self.note(Mark::Bad, "webhook", failure.sentence.clone()),
            None if operator => self.ping(observer, page).await,
            None => self.note(
                Mark::Good,
                "webhook",
                page.hook.url.clone().unwrap_or_default(),
            ),
        }
    }

    /// GitHub is asked to ping: its ping arrives only where GitHub reaches the observer.
    async fn ping(&mut self, observer: &Observer, page: &AppPage) {
        let Ok(client) = self.session.operator(observer) else {
            return;
        };
        let (app, before) = (&page.app.app, &page.hook.pinged_at);
        if let Err(error) = client.act_on_hook(app, "ping").await {
            let why = format!(
                "{error}; if somebody deleted it there: the observer makes another within ten minutes, or at once by \"repair\" on {}/apps/{app}/hook",
                client.base()
            );
            return self.note(Mark::Bad, "webhook", why);
        }
        let until = Instant::now() + PING;
        while Instant::now() < until {
            if let Ok(hook) = client.hook(app).await
                && hook.pinged_at.is_some()
                && hook.pinged_at != *before
            {
                let url = hook.url.unwrap_or_default();
                return self.note(
                    Mark::Good,
                    "webhook",
                    format!("GitHub reaches {url}: its ping arrived"),
                );
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        let url = page.hook.url.clone().unwrap_or_default();
        let why = format!(
            "GitHub was asked to ping {url}, and nothing came within {} s: is that address reachable from GitHub?",
            PING.as_secs()
        );
        self.note(Mark::Bad, "webhook", why);
    }
}

//! `dploy doctor`: everything that push-to-deploy needs, each a tick or a sentence with the way out.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::session::{Marathon, Observer, Session, heard};
use super::terminal::{GREEN, RED, YELLOW, paint};
use super::workspace::{Compared, Workspace};
use crate::api::AppPage;
use crate::clock;
use crate::discovery;

/// Clocks further apart than this confuse people, GitHub's signatures and TLS.
const APART: i64 = 30;

/// How long GitHub's ping may take.
const PING: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Good,
    /// It may be wanted so.
    Odd,
    Bad,
}

impl Mark {
    fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Odd => "odd",
            Self::Bad => "bad",
        }
    }
}

fn specs_sentence(services: usize) -> String {
    match services {
        1 => "1 service".to_owned(),
        n => format!("{n} services"),
    }
}

struct Doctor<'a> {
    session: &'a Session,
    found: Vec<(Mark, &'static str, String)>,
}

pub(super) async fn run(session: &Session) -> anyhow::Result<ExitCode> {
    let mut doctor = Doctor {
        session,
        found: Vec::new(),
    };
    doctor.examine().await;
    let bad = doctor.found.iter().any(|(mark, ..)| *mark == Mark::Bad);
    if session.terminal.json {
        let list: Vec<_> = doctor
            .found
            .iter()
            .map(|(mark, what, sentence)| json!({"check": what, "result": mark.word(), "sentence": sentence}))
            .collect();
        session
            .terminal
            .data(&json!({"healthy": !bad, "checks": list}))?;
    }
    Ok(if bad {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

impl Doctor<'_> {
    fn note(&mut self, mark: Mark, what: &'static str, sentence: impl Into<String>) {
        let sentence = sentence.into();
        if !self.session.terminal.json {
            let sign = match mark {
                Mark::Good => paint(GREEN, '✔'),
                Mark::Odd => paint(YELLOW, '!'),
                Mark::Bad => paint(RED, '✖'),
            };
            self.session
                .terminal
                .say(format!("{sign} {what:<10} {sentence}"));
        }
        self.found.push((mark, what, sentence));
    }

    async fn examine(&mut self) {
        let workspace = match self.session.workspace() {
            Ok(workspace) => workspace,
            Err(error) => return self.note(Mark::Bad, "descriptor", format!("{error:#}")),
        };
        self.note(
            Mark::Good,
            "descriptor",
            format!("dploy.app describes {}", workspace.app),
        );
        match workspace.services() {
            Ok(services) => self.note(Mark::Good, "specs", specs_sentence(services.len())),
            Err(error) => self.note(Mark::Bad, "specs", format!("{error:#}")),
        }
        self.github(&workspace).await;
        let marathon = match self.session.unheard_marathon(Some(&workspace)).await {
            Ok(marathon) => marathon,
            Err(error) => return self.note(Mark::Bad, "Marathon", format!("{error:#}")),
        };
        if self.marathon(&marathon).await {
            self.clock(&marathon.url).await;
            self.observer(&workspace, &marathon).await;
        }
    }

    async fn github(&mut self, workspace: &Workspace) {
        let github = match self.session.github(workspace) {
            Ok(Some(github)) => github,
            Ok(None) => {
                return self.note(
                    Mark::Odd,
                    "GitHub",
                    "dploy.app has no repo_url: there is no push-to-deploy",
                );
            }
            Err(error) => return self.note(Mark::Bad, "GitHub", format!("{error:#}")),
        };
        if github.token.is_none() {
            self.note(
                Mark::Bad,
                "token",
                "there is no .pat: put a GitHub token there, and .pat into .gitignore",
            );
        }
        let repository = match github.client.repository(&github.name).await {
            Ok(repository) => repository,
            Err(error) => {
                let why = format!(
                    "{}: {error}; a private repository needs a token that may read it",
                    github.name
                );
                return self.note(Mark::Bad, "GitHub", why);
            }
        };
        self.note(
            Mark::Good,
            "GitHub",
            format!("{} answers for {}", github.api, github.name),
        );
        let branch = workspace.branch();
        let head = match branch.parse() {
            Ok(parsed) => github
                .client
                .head(repository.id, &parsed, None)
                .await
                .map_err(|e| e.to_string()),
            Err(error) => Err(format!("{error}")),
        };
        match head {
            Ok(head) => {
                let at = head.map_or_else(String::new, |h| format!(" is at {}", h.short()));
                self.note(Mark::Good, "branch", format!("{branch}{at}"));
            }
            Err(error) => self.note(
                Mark::Bad,
                "branch",
                format!("{branch}: {error}; `git push origin HEAD:{branch}`"),
            ),
        }
        if github.token.is_some() {
            match github.client.hooks(repository.id).await {
                Ok(hooks) => self.note(Mark::Good, "token", format!("it may manage webhooks ({} there)", hooks.len())),
                Err(error) => self.note(
                    Mark::Bad,
                    "token",
                    format!("{error}; it needs admin:repo_hook (fine-grained: Webhooks, read and write) of somebody who administers the repository"),
                ),
            }
        }
    }

    async fn marathon(&mut self, marathon: &Marathon) -> bool {
        match heard(&marathon.url, marathon.client.info().await) {
            Ok(info) => {
                let version = info["version"].as_str().unwrap_or("?");
                let leader = info["leader"].as_str().unwrap_or("nobody");
                self.note(
                    Mark::Good,
                    "Marathon",
                    format!("{} answers: {version}, led by {leader}", marathon.url),
                );
                true
            }
            Err(error) => {
                self.note(Mark::Bad, "Marathon", format!("{error:#}"));
                if let Err(error) =
                    discovery::marathon_in_mesos_dns(&self.session.global.mesos_dns).await
                {
                    self.note(Mark::Odd, "Mesos-DNS", format!("{error:#}"));
                }
                false
            }
        }
    }

    /// The `Date` of an answer: nothing secret is asked with.
    async fn clock(&mut self, url: &str) {
        let asked = async {
            let http = reqwest::Client::builder()
                .timeout(Duration::from_secs(5))
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .ok()?;
            let answer = http.get(format!("{url}/ping")).send().await.ok()?;
            let date = answer.headers().get("date")?.to_str().ok()?.to_owned();
            jiff::fmt::rfc2822::parse(&date).ok().map(|z| z.timestamp())
        };
        let Some(theirs) = asked.await else {
            return self.note(Mark::Odd, "clock", "Marathon does not tell its time");
        };
        let apart = (clock::system().now().as_second() - theirs.as_second()).abs();
        if apart <= APART {
            self.note(
                Mark::Good,
                "clock",
                format!("{apart} s apart from Marathon's"),
            );
        } else {
            self.note(
                Mark::Bad,
                "clock",
                format!("{apart} s apart from Marathon's; set the clock of one of them (NTP)"),
            );
        }
    }

    async fn observer(&mut self, workspace: &Workspace, marathon: &Marathon) {
        let observer = match self.session.observer(Some(workspace), marathon).await {
            Ok(Some(observer)) => observer,
            Ok(None) => {
                return self.note(
                    Mark::Odd,
                    "observer",
                    "none runs; `dploy run` launches it (repo_url, public_node and .pat)",
                );
            }
            Err(error) => return self.note(Mark::Bad, "observer", format!("{error:#}")),
        };
        let url = observer.client.base().to_owned();
        if !observer.alive {
            let at = observer
                .id
                .as_ref()
                .map_or_else(String::new, |id| format!(" Marathon runs it as {id};"));
            let why = format!(
                "{url} does not answer from here:{at} is the port open, and public_node the right node?"
            );
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
            Ok(Some(page)) => {
                self.app(workspace, &observer, client.is_some(), &page)
                    .await;
            }
            Ok(None) => self.note(
                Mark::Bad,
                "app",
                format!(
                    "the observer does not deploy {}; `dploy run` registers it",
                    workspace.app
                ),
            ),
            Err(error) => self.note(Mark::Bad, "app", error.to_string()),
        }
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
                lock.by, lock.reason
            )),
            (None, Some(pin)) => Some(format!(
                "pinned to {} by {}; `dploy resume`",
                pin.commit.short(),
                pin.by
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
                "{error}; `dploy run` again, or `repair` on {}/apps/{app}/hook",
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

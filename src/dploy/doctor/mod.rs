//! `dploy doctor`: everything that push-to-deploy needs, each a tick or a sentence with the way out.

mod observed;

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use super::args;
use super::session::{Marathon, Session, TOKEN_FILE, heard, is_loopback};
use super::terminal::{GREEN, RED, YELLOW, paint};
use super::workspace::{Workspace, git_takes};
use crate::clock;
use crate::discovery;
use crate::transport::client_of;

/// Clocks further apart than this confuse people, GitHub's signatures and TLS.
const APART: i64 = 30;

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
        for file in [".pat", TOKEN_FILE] {
            let here = self.session.folder.join(file).exists();
            if here && git_takes(&self.session.folder, file) {
                let why =
                    format!("git would take {file} into the repository: put it into .gitignore");
                self.note(Mark::Bad, "secrets", why);
            }
        }
        self.github(&workspace).await;
        let marathon = match self.session.unheard_marathon(Some(&workspace)).await {
            Ok(marathon) => marathon,
            Err(error) => return self.note(Mark::Bad, "Marathon", format!("{error:#}")),
        };
        self.mesos_dns(&marathon.url).await;
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
                return self.note(Mark::Bad, "GitHub", format!("{}: {error}", github.name));
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
                false
            }
        }
    }

    /// Inside of a cluster it names Marathon and the observer; on a laptop there is none, and none is needed.
    async fn mesos_dns(&mut self, marathon: &str) {
        let server = &self.session.global.mesos_dns;
        if is_loopback(marathon) && server == args::USUAL_MESOS_DNS {
            return;
        }
        let found = match discovery::observers(server).await {
            Ok(found) => found,
            Err(error) => {
                let why = format!("{error:#}; it is needed where nothing else names Marathon");
                return self.note(Mark::Odd, "Mesos-DNS", why);
            }
        };
        let at: Vec<String> = found
            .iter()
            .map(|(host, port)| format!("{host}:{port}"))
            .collect();
        match at.as_slice() {
            [] => self.note(
                Mark::Odd,
                "Mesos-DNS",
                format!("{server} knows no observer"),
            ),
            [one] => self.note(
                Mark::Good,
                "Mesos-DNS",
                format!("{server} knows the observer at {one}"),
            ),
            several => {
                let why = format!(
                    "{server} knows several observers: {}; name one with -observer",
                    several.join(", ")
                );
                self.note(Mark::Odd, "Mesos-DNS", why);
            }
        }
    }

    /// The `Date` of an answer: nothing secret is asked with.
    async fn clock(&mut self, url: &str) {
        let asked = async {
            let http = client_of(url)
                .timeout(Duration::from_secs(5))
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
}

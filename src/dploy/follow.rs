//! Following a deploy of the observer to its end.

use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::Signal;

use super::absence::Absence;
use super::failure::{FAILED, Failure, HELD, Word};
use super::limit::Limit;
use super::progress::{self, Line, Progress, Shown, Stage};
use super::session::Session;
use super::terminal::{GREEN, RED, Terminal, YELLOW, cancels, interrupts, paint};
use crate::api::{ActBody, DeployBody, QueuedBody};
use crate::client::{Client, ClientError};
use crate::history::DeployState;
use crate::id::{AppId, DeployNumber};
use crate::secret::plain;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// How to look at what is not followed any more.
const LOOK_AT_IT: &str = "`dploy status -watch` shows how it goes, `dploy logs -f` what it writes.";

/// Who follows, and where.
pub(super) struct Follower<'a> {
    pub session: &'a Session,
    pub client: Client,
    pub app: &'a AppId,
    pub limit: Limit,
}

impl Follower<'_> {
    /// A deploy that was accepted: it is followed, or left alone.
    ///
    /// # Errors
    /// As [`Self::deploy`].
    pub async fn accepted(self, queued: QueuedBody) -> anyhow::Result<ExitCode> {
        let terminal = self.session.terminal;
        let line = format!("deploy {}  {}", queued.deploy, queued.url);
        if !self.limit.detach {
            terminal.note(line);
            return self.deploy(queued.deploy).await;
        }
        if terminal.json {
            terminal.data(&queued)?;
        } else {
            terminal.say(line);
        }
        terminal.hint(LOOK_AT_IT);
        Ok(ExitCode::SUCCESS)
    }

    /// The same of one that was under way before.
    ///
    /// # Errors
    /// As [`Self::deploy`].
    pub async fn under_way(self, deploy: DeployNumber) -> anyhow::Result<ExitCode> {
        if !self.limit.detach {
            return self.deploy(deploy).await;
        }
        let url = format!(
            "{}/apps/{}/deploys/{}",
            self.client.base(),
            self.app,
            deploy.0
        );
        self.accepted(QueuedBody { deploy, url }).await
    }

    /// Follows a deploy until it has ended; a deploy that was superseded leads to the one that overtook it.
    ///
    /// # Errors
    /// When it does not end well, the observer is silent for too long, or somebody does not want to look any longer.
    pub async fn deploy(mut self, mut number: DeployNumber) -> anyhow::Result<ExitCode> {
        let terminal = self.session.terminal;
        let mut absence = Absence::limited(self.session);
        let mut interrupts = interrupts()?;
        let mut progress = Progress::new(terminal);
        let (mut pause, mut last) = (Duration::ZERO, None);
        let limit = self.limit;
        let deadline = tokio::select! {
            deadline = self.deadline() => deadline,
            () = limit.over() => None,
        };
        loop {
            let look = async {
                tokio::time::sleep(pause).await;
                self.client.deploy(self.app, number).await
            };
            let seen = tokio::select! {
                seen = look => seen,
                _ = interrupts.recv() => {
                    progress.keep();
                    self.interrupted(&mut interrupts, number).await?;
                    continue;
                }
                () = self.limit.over() => {
                    progress.keep();
                    if let Some(deploy) = last.filter(|_| terminal.json) {
                        terminal.data(&deploy)?;
                    }
                    return Err(self.limit.reached(&format!("deploy {number}"), LOOK_AT_IT).into());
                }
            };
            pause = LOOK;
            let deploy = match seen {
                Ok(deploy) => deploy,
                Err(error) => {
                    let why = tokio::select! {
                        why = absence.lasts(&mut self.client, error) => why,
                        // the next round says so
                        () = limit.over() => continue,
                        _ = interrupts.recv() => {
                            progress.keep();
                            self.interrupted(&mut interrupts, number).await?;
                            continue;
                        }
                    };
                    let why = why.map_err(|error| lost(&error, number))?;
                    progress.waits(&why);
                    continue;
                }
            };
            absence.ends();
            progress.show(&stage(&deploy, deadline), lines(&deploy));
            if let Some(next) = superseded_by(&deploy) {
                progress.keep();
                terminal.note(format!("{number} was overtaken by {next}"));
                number = next;
            } else if deploy.state.ended() {
                progress.keep();
                return ended(terminal, &deploy);
            }
            last = Some(deploy);
        }
    }

    /// After how many seconds without progress the deploy is given up, where that is seen and told.
    async fn deadline(&self) -> Option<u64> {
        if !self.session.terminal.redraws {
            return None;
        }
        let page = self.client.app(self.app).await.ok()??;
        page.settings.get("deadline")?.value.parse().ok()
    }

    /// Ctrl-C: to cancel is one thing, to look away another.
    async fn interrupted(
        &self,
        interrupts: &mut Signal,
        number: DeployNumber,
    ) -> anyhow::Result<()> {
        let question = format!(
            "Cancel deploy {number} of {} at {}?",
            self.app,
            self.client.base()
        );
        let Some(cancelled) = cancels(self.session.terminal, interrupts, question).await else {
            let why = format!("stopped looking; deploy {number} goes on");
            return Err(Failure::of(Word::Interrupted, why).hint(LOOK_AT_IT).into());
        };
        if cancelled {
            let body = ActBody {
                deploy: Some(number.0.into()),
                ..ActBody::default()
            };
            self.client.act(self.app, "cancel", &body).await?;
        }
        Ok(())
    }
}

/// That nobody says any more how a deploy goes.
fn lost(error: &ClientError, number: DeployNumber) -> Failure {
    let failure = Failure::from_error_of(error);
    // a token that ended, or another refusal, stops no deploy
    failure.hint(if error.passes() {
        format!(
            "Deploy {number} goes on as soon as the observer runs; `dploy doctor` looks closer."
        )
    } else {
        format!("Deploy {number} is not ended by that; `dploy status` shows how it is.")
    })
}

fn superseded_by(deploy: &DeployBody) -> Option<DeployNumber> {
    let by = deploy.superseded_by.as_ref()?;
    by.deploy
        .filter(|_| deploy.state == DeployState::Superseded)
}

fn stage(deploy: &DeployBody, deadline: Option<u64>) -> Stage {
    let (commit, state) = (deploy.commit.short(), deploy.state.word());
    let message = deploy.message.as_ref();
    Stage {
        text: format!("deploy {}  {commit}  {state}", deploy.deploy),
        waiting: deploy.waiting.as_ref().map(|w| plain(&w.sentence, 300)),
        said: true,
        deadline,
        about: deploy.reason.clone().or(message.map(|m| m.message.clone())),
    }
}

fn lines(deploy: &DeployBody) -> Vec<Shown> {
    // while the commit is read there is nothing to say of services
    let services = deploy.services.iter().flatten();
    let lines = services.filter(|s| s.state.is_some()).map(|s| {
        progress::line(&Line {
            id: s.id.as_str(),
            change: s.change.as_deref().unwrap_or_default(),
            stage: s.state.as_deref().unwrap_or_default(),
            healthy: s.healthy,
            wanted: s.wanted.or(s.healthy),
            sentence: s.sentence.as_deref(),
        })
    });
    lines.collect()
}

/// The end in words, and as an exit code.
fn ended(terminal: Terminal, deploy: &DeployBody) -> anyhow::Result<ExitCode> {
    if terminal.json {
        terminal.data(deploy)?;
    }
    let what = format!("{} of {}", deploy.deploy, deploy.commit.short());
    let sentence = deploy.failure.as_ref().map_or_else(
        || deploy.sentence.clone().unwrap_or_default(),
        |failure| format!("{}: {}", failure.code, failure.sentence),
    );
    let said = format!("{what} {}", deploy.state.word());
    let (style, failure) = match (deploy.state, &deploy.failure) {
        (DeployState::Succeeded | DeployState::Unchanged, _) => (GREEN, None),
        (DeployState::Superseded, _) => (YELLOW, Some(Word::Superseded.word())),
        (DeployState::Cancelled, None) => (RED, Some(Word::Cancelled.word())),
        (_, Some(failure)) => (RED, Some(failure.code.as_str())),
        (_, None) => (RED, Some(Word::Error.word())),
    };
    if !terminal.json {
        let word = paint(style, &said);
        terminal.say(format!("{word}: {}", plain(&sentence, 1000)));
    }
    let exit = if deploy.state == DeployState::Superseded {
        HELD
    } else {
        FAILED
    };
    match failure {
        None => Ok(ExitCode::SUCCESS),
        Some(code) => {
            let detail = format!("{said}: {sentence}");
            Err(Failure::new(code, exit, detail).told().into())
        }
    }
}

//! After the call: the observer has to get healthy, and GitHub has to reach it.

use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;

use super::{HEALTHY, Launch};
use crate::api::{HookBody, ProblemCode, RegisterBody};
use crate::clock;
use crate::dploy::failure::{Failure, Word};
use crate::dploy::progress::{self, Progress, Stage};
use crate::dploy::session::Observer;
use crate::dploy::terminal::interrupts;
use crate::history::AppState;
use crate::id::ServiceId;
use crate::marathon::MarathonError;
use crate::rollout::{self, Standings};

/// How long GitHub's ping may take.
pub(super) const PINGED: Duration = Duration::from_mins(1);

/// When GitHub is asked for another ping.
const AGAIN: Duration = Duration::from_secs(5);

impl Launch<'_> {
    pub(super) async fn healthy(&self, id: &ServiceId) -> anyhow::Result<()> {
        let mut progress = Progress::new(self.session.terminal);
        let mut interrupts = interrupts()?;
        let mut standings = Standings::default();
        let until = Instant::now() + HEALTHY;
        loop {
            let look = match rollout::look(&self.marathon.client, [id.clone()].into()).await {
                Ok(look) => look,
                Err(MarathonError::Unreachable(_)) if Instant::now() < until => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let standing = standings.of(id, None, &look, clock::system().elapsed(), Duration::ZERO);
            let stage = Stage::of("launching the observer");
            let line = progress::line(&progress::Line {
                id: id.as_str(),
                change: "launch",
                stage: standing.stage,
                healthy: Some(standing.well),
                wanted: Some(1),
                sentence: standing.trouble.as_ref().map(|t| t.sentence.as_str()),
            });
            progress.show(&stage, vec![line]);
            if standing.done && standing.well > 0 {
                return Ok(());
            }
            if standing.hopeless || Instant::now() > until {
                let why = standing
                    .trouble
                    .map_or("it takes too long".to_owned(), |t| t.sentence);
                bail!(
                    "the app runs, and its observer does not get healthy: {why}; Marathon keeps trying. `dploy run` launches it again with what is said then, `dploy destroy` removes both"
                );
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(500)) => {}
                _ = interrupts.recv() => {
                    let why = "stopped looking; Marathon goes on launching the observer, `dploy doctor` looks how it is";
                    return Err(Failure::of(Word::Interrupted, why).into());
                }
            }
        }
    }

    /// Waits for the hook's ping, which proves that GitHub reaches the observer. An app that was destroyed comes back.
    pub(super) async fn pinged(
        &self,
        observer: &Observer,
        url: &str,
    ) -> anyhow::Result<Option<HookBody>> {
        let app = &self.workspace.app;
        let until = Instant::now() + PINGED;
        let (mut client, mut asked, mut registered) = (observer.client.clone(), false, false);
        let (mut hook, mut known, mut again, mut plain) = (None, false, false, false);
        let begun = Instant::now();
        while Instant::now() < until {
            match client.app(app).await {
                Ok(Some(page)) if page.app.state == AppState::Destroyed && registered => {}
                Ok(Some(page)) if page.app.state == AppState::Destroyed => {
                    let body = RegisterBody {
                        repository: self.github.name.to_string(),
                        branch: Some(self.workspace.branch().to_owned()),
                    };
                    let operator = self.session.operator(observer)?;
                    operator.register(&body).await?;
                    registered = true;
                }
                Ok(Some(page)) => {
                    known = true;
                    let ours = page.hook.url.as_deref() == Some(&format!("{url}/dploy"));
                    let ended =
                        page.hook.failure.is_some() || (ours && page.hook.pinged_at.is_some());
                    hook = Some(page.hook);
                    if ended {
                        break;
                    }
                    // the first ping may come before the observer has written down whose it is
                    if ours && !again && begun.elapsed() > AGAIN {
                        again = true;
                        if let Ok(operator) = self.session.operator(observer) {
                            let _ = operator.act_on_hook(app, "ping").await;
                        }
                    }
                }
                // it shows nothing of a private repository to strangers
                Ok(None) if !asked => {
                    asked = true;
                    if let Ok(operator) = self.session.operator(observer) {
                        client = operator;
                    }
                }
                Err(error) if error.is(ProblemCode::Login) && !asked => {
                    client = self.session.operator(observer)?;
                    asked = true;
                }
                // nor does it take a token on plain HTTP
                Err(error) if error.is(ProblemCode::PlainHttp) => {
                    client = observer.client.clone();
                    plain = true;
                }
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        if !known && plain {
            self.session.terminal.note(format!(
                "the observer at {url} takes no token on plain HTTP, and without one it shows only what is public: whether it has registered {app} says the log of its task"
            ));
            return Ok(None);
        }
        if !known {
            bail!(
                "the observer at {url} runs and has not registered {app} within {} s; is dploy.app with this name on branch {}? The log of its task says more",
                PINGED.as_secs(),
                self.workspace.branch()
            );
        }
        Ok(hook)
    }
}

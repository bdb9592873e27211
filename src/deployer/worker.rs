//! The loop of one app: read the state, take the step it asks for, wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::follow::Following;
use super::{Context, Next, Step, StepError, apply, destroy, follow, prepare, retreat};
use crate::event::{Call, Fact};
use crate::history::{App, Command, Deploy};
use crate::id::{AppId, DeployNumber};
use crate::marathon::MarathonError;
use crate::sentence::Sentence;
use crate::store::StoreError;

/// Works until nothing is owed, then leaves the map; a change that comes later starts a new worker.
pub(super) async fn run(
    context: &Context,
    id: &AppId,
    wake: &Notify,
    stop: &CancellationToken,
    awake: &Arc<Mutex<BTreeMap<AppId, Arc<Notify>>>>,
) {
    let mut changes = context.watch.changes();
    let (mut following, mut learnt) = (Following::default(), false);
    while !stop.is_cancelled() {
        let pause = match work(context, id, &mut following, &mut learnt).await {
            Ok(Next::Again) => continue,
            Ok(Next::After(pause)) => pause,
            Ok(Next::Idle) => {
                let Ok(mut map) = awake.lock() else { return };
                // a wake that came while we decided is stored in the notify: then go on
                if futures_util::FutureExt::now_or_never(wake.notified()).is_none() {
                    map.remove(id);
                    return;
                }
                continue;
            }
            Err(error) => {
                tracing::warn!(app.id = %id, %error, "a step broke off; trying again");
                context.timing.retry.min(Duration::from_secs(2))
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
            _ = changes.changed() => {
                // events come in bursts; one look serves them all
                tokio::time::sleep(context.timing.look.min(Duration::from_millis(150))).await;
            }
        }
    }
}

async fn work(context: &Context, id: &AppId, following: &mut Following, learnt: &mut bool) -> Step {
    let Some(app) = context.store.app(id).await? else {
        return Ok(Next::Idle);
    };
    if !*learnt {
        context.learn_again(id).await?;
        *learnt = true;
    }
    if app.destroyed {
        return Ok(Next::Idle);
    }
    let job = Job { context, app: &app };
    let step = if app.destroying.is_some() {
        destroy::step(&job).await
    } else if let Some(deploy) = &app.running {
        following.of(deploy.number);
        job.deploy(deploy, following).await
    } else {
        apply::scale_wishes(&job).await
    };
    match step {
        // somebody else decided meanwhile: look again
        Err(StepError::Store(StoreError::Refused(_))) => Ok(Next::Again),
        Err(StepError::Marathon(error)) => job.marathon_trouble(error).await,
        other => other,
    }
}

/// An app and its context, for one step.
pub(super) struct Job<'a> {
    pub context: &'a Context,
    pub app: &'a App,
}

impl Job<'_> {
    async fn deploy(&self, deploy: &Deploy, following: &mut Following) -> Step {
        if deploy.intent.is_some() {
            return apply::recover(self, deploy).await;
        }
        if deploy.ending.is_some() {
            return retreat::end(self, deploy).await;
        }
        if deploy
            .accepted
            .iter()
            .any(|a| matches!(a.call, Call::Put | Call::Restart))
            || watches_only(deploy)
        {
            return follow::step(self, deploy, following).await;
        }
        prepare::step(self, deploy).await
    }

    /// Writes down what happened to a deploy.
    pub async fn record(&self, number: DeployNumber, facts: Vec<Fact>) -> Result<(), StoreError> {
        self.command(Command::Record {
            deploy: number,
            facts,
        })
        .await
    }

    /// Sends a command as the observer.
    pub async fn command(&self, command: Command) -> Result<(), StoreError> {
        self.context
            .store
            .log()
            .command(&self.app.id, "observer", None, command)
            .await
            .map(|_| ())
    }

    /// Says why a deploy waits; written down only when the reason changes.
    pub async fn wait(&self, number: DeployNumber, why: Sentence) -> Step {
        let Sentence { code, sentence } = why;
        self.record(
            number,
            vec![Fact::DeployWaiting {
                code,
                sentence,
                until: None,
            }],
        )
        .await?;
        Ok(Next::After(self.context.timing.retry))
    }

    /// Marathon does not answer, or not as it should: what runs is left alone, and the page says so.
    async fn marathon_trouble(&self, error: MarathonError) -> Step {
        let code = match &error {
            MarathonError::Busy(_) => "MARATHON_BUSY",
            _ => "MARATHON_UNREACHABLE",
        };
        match &self.app.running {
            Some(deploy) if !deploy.touched => {
                self.wait(deploy.number, Sentence::new(code, error.to_string()))
                    .await
            }
            _ => {
                tracing::warn!(app.id = %self.app.id, %error, "Marathon does not help; trying again");
                Ok(Next::After(self.context.timing.retry))
            }
        }
    }
}

/// A plan without calls, whose services were left unwell by an earlier deploy, is still followed to health.
fn watches_only(deploy: &Deploy) -> bool {
    deploy.plan.as_ref().is_some_and(|plan| {
        !plan.is_empty()
            && plan
                .iter()
                .all(|p| p.change == crate::event::Action::Unchanged)
    })
}

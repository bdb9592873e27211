//! The loop of one app: read the state, take the step it asks for, wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::follow::Following;
use super::job::Job;
use super::{Next, Step, StepError, apply, destroy, follow, prepare, retreat};
use crate::context::Context;
use crate::event::{Action, Call, Planned};
use crate::history::{Deploy, Refusal};
use crate::id::AppId;
use crate::store::StoreError;

/// The work of one app, a step at a time.
pub struct Worker {
    context: Context,
    id: AppId,
    following: Following,
    /// The secrets of the app were learnt since this process began.
    learnt: bool,
}

impl Worker {
    /// Nothing is done before the first step.
    #[must_use]
    pub fn new(context: Context, id: AppId) -> Self {
        Self {
            context,
            id,
            following: Following::default(),
            learnt: false,
        }
    }

    /// Reads the state and takes the step it asks for. What breaks off is tried again.
    pub async fn step(&mut self) -> Next {
        self.work().await.unwrap_or_else(|error| {
            tracing::warn!(app.id = %self.id, %error, "a step broke off; trying again");
            Next::After(self.context.timing.retry.min(Duration::from_secs(2)))
        })
    }

    async fn work(&mut self) -> Step {
        let (context, id) = (&self.context, &self.id);
        let Some(app) = context.store.app(id).await? else {
            return Ok(Next::Idle);
        };
        if !self.learnt {
            context.learn_again(id).await?;
            self.learnt = true;
        }
        if app.destroyed {
            return Ok(Next::Idle);
        }
        let job = Job { context, app: &app };
        let step = if app.destroying.is_some() {
            destroy::step(&job).await
        } else if let Some(deploy) = &app.running {
            self.following.of(deploy.number);
            deploy_step(&job, deploy, &mut self.following).await
        } else {
            apply::scale_wishes(&job).await
        };
        match step {
            // it can never be written down, however often it is tried
            Err(StepError::Store(StoreError::Refused(Refusal::Not(why)))) => {
                job.cannot_be_written(why).await
            }
            // somebody else decided meanwhile: look again
            Err(StepError::Store(StoreError::Refused(_))) => {
                Ok(Next::After(context.timing.look / 10))
            }
            Err(StepError::Marathon(error)) => {
                self.following.loses_sight();
                job.marathon_trouble(error).await
            }
            other => other,
        }
    }
}

/// Works until nothing is owed, then leaves the map; a change that comes later starts a new worker.
pub(super) async fn run(
    context: &Context,
    id: &AppId,
    wake: &Notify,
    stop: &CancellationToken,
    awake: &Arc<Mutex<BTreeMap<AppId, Arc<Notify>>>>,
) {
    let mut changes = context.watch.changes();
    let mut worker = Worker::new(context.clone(), id.clone());
    while !stop.is_cancelled() {
        let pause = match worker.step().await {
            Next::Again => continue,
            Next::After(pause) => pause,
            Next::Idle => {
                let Ok(mut map) = awake.lock() else { return };
                // a wake that came while we decided is stored in the notify: then go on
                if futures_util::FutureExt::now_or_never(wake.notified()).is_none() {
                    map.remove(id);
                    return;
                }
                continue;
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
            _ = changes.changed() => {
                // events come in bursts; one look serves them all
                tokio::time::sleep(context.timing.burst()).await;
            }
        }
    }
}

async fn deploy_step(job: &Job<'_>, deploy: &Deploy, following: &mut Following) -> Step {
    if deploy.intent.is_some() {
        return apply::recover(job, deploy).await;
    }
    if deploy.ending.is_some() {
        return retreat::end(job, deploy).await;
    }
    if deploy
        .accepted
        .iter()
        .any(|a| matches!(a.call, Call::Put | Call::Restart))
        || watches_only(deploy)
    {
        return follow::step(job, deploy, following).await;
    }
    prepare::step(job, deploy).await
}

/// A plan that changes nothing is still followed: services that an earlier deploy left unwell to health, and then those that
/// left the repository go.
fn watches_only(deploy: &Deploy) -> bool {
    let is_left = |p: &Planned| matches!(p.change, Action::Unchanged | Action::Remove);
    let plan = deploy.plan.as_ref();
    plan.is_some_and(|plan| !plan.is_empty() && plan.iter().all(is_left))
}

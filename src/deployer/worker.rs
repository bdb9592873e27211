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
use crate::event::Call;
use crate::history::{Deploy, Refusal};
use crate::id::AppId;
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
        deploy_step(&job, deploy, following).await
    } else {
        apply::scale_wishes(&job).await
    };
    match step {
        // it can never be written down, however often it is tried
        Err(StepError::Store(StoreError::Refused(Refusal::Not(why)))) => {
            job.cannot_be_written(why).await
        }
        // somebody else decided meanwhile: look again
        Err(StepError::Store(StoreError::Refused(_))) => Ok(Next::After(context.timing.look / 10)),
        Err(StepError::Marathon(error)) => job.marathon_trouble(error).await,
        other => other,
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

/// A plan without calls, whose services were left unwell by an earlier deploy, is still followed to health.
fn watches_only(deploy: &Deploy) -> bool {
    deploy.plan.as_ref().is_some_and(|plan| {
        !plan.is_empty()
            && plan
                .iter()
                .all(|p| p.change == crate::event::Action::Unchanged)
    })
}

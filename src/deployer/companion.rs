//! Services that shared a rollout with what a deploy is about: whoever takes one over takes over the others too.

use std::collections::BTreeSet;

use super::call::{self, Made, make, plain};
use super::following::Following;
use super::job::Job;
use super::{Next, StepError};
use crate::event::{Call, Intended};
use crate::history::Deploy;
use crate::id::ServiceId;
use crate::rollout;

/// Services whose rollout was taken over with that of another, and which have no rollout of their own yet.
pub(super) fn all(deploy: &Deploy, following: &Following) -> BTreeSet<ServiceId> {
    let put = deploy.life.rollout().iter().filter(|a| a.call == Call::Put);
    let put = put.flat_map(|a| &a.services).filter(|id| !deploy.plans(id));
    let all = put.chain(&following.companions);
    all.filter(|id| !deploy.has_restarted(id))
        .cloned()
        .collect()
}

/// Services that shared the rollout that was taken over get one of their own. It is tried once: this deploy is not about them.
pub(super) async fn restart(
    job: &Job<'_>,
    deploy: &Deploy,
    following: &mut Following,
) -> Result<Option<Next>, StepError> {
    let mut left = all(deploy, following).into_iter();
    let Some(id) = left.find(|id| !following.left_alone.contains(id)) else {
        return Ok(None);
    };
    let live = job.context.marathon.app(&id).await?;
    let Some(live) = live.filter(|a| rollout::is_of(a, &job.app.id)) else {
        following.left_alone.insert(id);
        return Ok(Some(Next::Again));
    };
    // it is tried again at the next look
    if !live.deployments().is_empty() {
        return Ok(None);
    }
    let ids = BTreeSet::from([id.clone()]);
    if rollout::is_crowded(&job.context.marathon, &ids).await? {
        return Ok(None);
    }
    let service = Intended {
        id: id.clone(),
        spec: rollout::labelled(&live),
        version: Some(live.version),
        instances: None,
        count: Some(live.instances),
    };
    let intended = plain(Call::Restart, false, vec![service]);
    match make(job, Some(deploy.number), intended, None, &|_| None).await? {
        Made::Accepted => following.begins(),
        Made::Refused => {
            following.left_alone.insert(id);
        }
        Made::NotYet(_) => {
            following.left_alone.insert(id);
            let state = job.context.store.app(&job.app.id).await?;
            if let Some(app) = &state {
                call::drop_unsent(&Job { app, ..*job }).await?;
            }
        }
    }
    Ok(Some(Next::Again))
}

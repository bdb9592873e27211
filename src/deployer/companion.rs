//! Services that shared a rollout with what a deploy is about: whoever takes one over takes over the others too.

use std::collections::BTreeSet;

use super::call::{self, Made, make, plain};
use super::following::Following;
use super::job::Job;
use super::{Next, StepError, deadline, retreat};
use crate::event::{Action, Call, Intended};
use crate::history::Deploy;
use crate::id::ServiceId;
use crate::rollout::{self, Look};

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
    // also where the answer is lost and found later
    following.begins();
    match make(job, Some(deploy.number), intended, None, &|_| None).await? {
        Made::Accepted => {}
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

/// What the deploy is about is done, and its rollout goes on for others that share it. Who of them does not come up is not waited for
/// for long: the rollout is ended where that loses nothing that is healthy. `None`: nobody shares it, or it cannot be ended.
pub(super) async fn outlast(
    job: &Job<'_>,
    deploy: &Deploy,
    following: &mut Following,
    look: &Look,
) -> Result<Option<Next>, StepError> {
    let ours = look.deployments.iter().filter(|d| deploy.began(&d.id));
    let affected = ours.flat_map(|d| &d.affected_apps);
    let affected: BTreeSet<ServiceId> = affected.filter_map(|a| a.parse().ok()).collect();
    let stays = deploy
        .plan
        .iter()
        .flatten()
        .filter(|p| p.change != Action::Remove);
    let stays: BTreeSet<&ServiceId> = stays.map(|p| &p.id).collect();
    let mut shared = affected.clone();
    shared.retain(|id| !stays.contains(id));
    if shared.is_empty() {
        return Ok(None);
    }
    let timing = &job.context.timing;
    let now = job.context.clock.elapsed();
    let since = *following.done_since.get_or_insert(now);
    let around = job.look(shared.clone()).await?;
    let mut standings = shared.iter().map(|id| {
        let seen = &mut following.standings;
        seen.of(id, None, &around, now, timing.settle)
    });
    let patience = if standings.any(|s| s.trouble.is_some()) {
        timing.overtake
    } else {
        deadline::set(job)
    };
    if now.saturating_sub(since) < patience {
        return Ok(Some(Next::After(timing.look)));
    }
    let ids = retreat::still_ours(job, affected).await?;
    match retreat::end_rollouts(job, Some(deploy.number), &ids).await? {
        None => Ok(Some(Next::After(timing.look))),
        Some(stays) if stays.is_empty() => Ok(Some(Next::Again)),
        Some(_) => Ok(None),
    }
}

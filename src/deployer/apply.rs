//! Telling Marathon what is to run.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::call::{Made, make, plain};
use super::following::Following;
use super::job::Job;
use super::retreat::Logged;
use super::{Next, Step, StepError, owner};
use crate::event::{Action, ApplyIntended, Call, Intended};
use crate::history::Deploy;
use crate::id::{BlobId, ServiceId, SpecHash};
use crate::marathon::LiveApp;
use crate::plan::Plan;
use crate::rollout::{self, Room, is_crowded, make_room, with_room};
use crate::sentence::Sentence;

/// What one call gives services.
#[derive(Default)]
struct Gift {
    bodies: Vec<Value>,
    services: Vec<Intended>,
    /// Services that get more instances than wanted, and how many are wanted.
    raised: BTreeMap<ServiceId, u32>,
}

/// The first call of a deploy. A rollout of ours that still holds its services is taken over without losing
/// what is healthy: what is not healthy goes first, under that rollout's lock. `None`: there is nothing to tell Marathon.
pub(super) async fn begin(
    job: &Job<'_>,
    deploy: &Deploy,
    following: &mut Following,
    plan: &Plan,
    apps: &BTreeMap<ServiceId, LiveApp>,
) -> Result<Option<Next>, StepError> {
    let ids: BTreeSet<ServiceId> = plan.steps.iter().map(|s| s.planned.id.clone()).collect();
    let number = Some(deploy.number);
    // what is left to become well by itself is only looked at, not cleared again and again
    let waits = &following.left_alone;
    let calls = plan.steps.iter().any(|s| s.body.is_some());
    if !calls && !waits.is_empty() && is_crowded(&job.context.marathon, waits).await? {
        return Ok(None);
    }
    let running = job.context.marathon.deployments().await?;
    let ours = owner::ours(job, &running, &ids).await?;
    let journal = Logged { job, number };
    let room = make_room(&job.view(), &ids, |id| ours.contains(id), &journal).await?;
    let Room::Made {
        held,
        surplus,
        crowded,
    } = room
    else {
        return Ok(Some(Next::After(job.context.timing.look)));
    };
    let mut gift = Gift::default();
    for step in &plan.steps {
        let Some(body) = &step.body else { continue };
        let id = &step.planned.id;
        let (body, more) = with_room(body, step.after, surplus.get(id).copied());
        if more {
            gift.raised.insert(id.clone(), step.after);
        }
        let version = apps.get(id).map(|a| a.version.clone());
        gift.services.push(Intended {
            id: id.clone(),
            spec: step.planned.spec.clone(),
            version,
            instances: step.planned.instances,
            count: count_of(&body),
        });
        gift.bodies.push(body);
    }
    let force = held || deploy.wanted.force;
    if gift.bodies.is_empty() {
        following.left_alone = crowded;
        if held && !following.left_alone.is_empty() {
            // a restart would end the rollout whose lock protects what is healthy of these
            return Ok(None);
        }
        for deployment in running.iter().filter(|d| ours.contains(&d.id)) {
            let affected = deployment
                .affected_apps
                .iter()
                .filter_map(|a| a.parse().ok());
            following
                .companions
                .extend(affected.filter(|id| !ids.contains(id)));
        }
        let Some((id, spec)) = next_restart(deploy, following) else {
            return Ok(None);
        };
        let live = apps.get(&id);
        following.begins();
        return replace(job, deploy, (&id, spec), force, live)
            .await
            .map(Some);
    }
    if held {
        companions(job, &running, &ours, &surplus, &mut gift).await?;
    }
    following.begins();
    put(job, deploy, gift, force).await.map(Some)
}

fn count_of(body: &Value) -> Option<u32> {
    body.get("instances")?.as_u64()?.try_into().ok()
}

/// Whoever takes over one service of a rollout takes over the others too, those that go at the end as well, as that rollout gave
/// them: else they would stay half rolled, and no lock would protect what is healthy of them.
async fn companions(
    job: &Job<'_>,
    running: &[crate::marathon::RunningDeployment],
    ours: &BTreeSet<String>,
    surplus: &BTreeMap<ServiceId, u32>,
    gift: &mut Gift,
) -> Result<(), StepError> {
    for deployment in running.iter().filter(|d| ours.contains(&d.id)) {
        let affected = deployment.affected_apps.iter();
        let is_given = |id: &ServiceId| gift.services.iter().any(|s| s.id == *id);
        let others: BTreeSet<ServiceId> = affected
            .filter_map(|a| a.parse().ok())
            .filter(|id| !is_given(id))
            .collect();
        if others.is_empty() {
            continue;
        }
        let told = job
            .app
            .told
            .iter()
            .rev()
            .find(|t| t.marathon_deployment.as_deref() == Some(deployment.id.as_str()));
        let given = owner::bodies(job, told.and_then(|t| t.body.as_ref())).await?;
        let live = rollout::apps(&job.context.marathon, others).await?;
        for (id, app) in live.iter().filter(|(_, a)| rollout::is_of(a, &job.app.id)) {
            let (Some(body), Some(spec)) = (given.get(id), rollout::labelled(app)) else {
                continue;
            };
            let mut body = body.clone();
            if let Some(map) = body.as_object_mut() {
                map.insert("instances".to_owned(), app.instances.into());
            }
            let (body, more) = with_room(&body, app.instances, surplus.get(id).copied());
            let record = job.app.services.get(id);
            let owed = job.app.owed(id, app.instances);
            if let Some(wanted) = owed.or(more.then_some(app.instances)) {
                gift.raised.insert(id.clone(), wanted);
            }
            gift.services.push(Intended {
                id: id.clone(),
                spec: Some(spec),
                version: Some(app.version.clone()),
                instances: record.and_then(|r| r.instances),
                count: count_of(&body),
            });
            gift.bodies.push(body);
        }
    }
    Ok(())
}

async fn put(job: &Job<'_>, deploy: &Deploy, gift: Gift, force: bool) -> Step {
    let body = Value::Array(gift.bodies).to_string();
    let blob = BlobId::of(body.as_bytes());
    job.context
        .store
        .log()
        .keep_blobs(vec![(blob.clone(), body.clone().into_bytes())])
        .await?;
    let ids: Vec<ServiceId> = gift.services.iter().map(|s| s.id.clone()).collect();
    let intended = ApplyIntended {
        body: Some(blob),
        raised: gift.raised,
        ..plain(Call::Put, force, gift.services)
    };
    tell(job, deploy, intended, Some(&body), &ids).await
}

/// The service of the plan that is still to be restarted, and its spec.
pub(super) fn next_restart(
    deploy: &Deploy,
    following: &Following,
) -> Option<(ServiceId, Option<SpecHash>)> {
    let planned = deploy.plan.iter().flatten();
    planned
        .filter(|p| p.change == Action::Restart)
        .find(|p| !deploy.has_restarted(&p.id) && !following.left_alone.contains(&p.id))
        .map(|p| (p.id.clone(), p.spec.clone()))
}

/// Replaces the tasks of a service whose definition is right, where that loses nothing that is healthy: else it is left to
/// become well by itself.
pub(super) async fn restart(
    job: &Job<'_>,
    deploy: &Deploy,
    following: &mut Following,
    (id, spec): (&ServiceId, Option<SpecHash>),
    live: Option<&LiveApp>,
) -> Step {
    let ids = BTreeSet::from([id.clone()]);
    let running = job.context.marathon.deployments().await?;
    let ours = owner::ours(job, &running, &ids).await?;
    let number = Some(deploy.number);
    let journal = Logged { job, number };
    match make_room(&job.view(), &ids, |id| ours.contains(id), &journal).await? {
        Room::Unknown => Ok(Next::After(job.context.timing.look)),
        // what a rollout protects that would have to be ended is left alone too
        Room::Made { crowded, held, .. }
            if crowded.contains(id) || (held && !crowded.is_empty()) =>
        {
            following.left_alone.insert(id.clone());
            Ok(Next::Again)
        }
        Room::Made { held, .. } => {
            following.begins();
            replace(job, deploy, (id, spec), held, live).await
        }
    }
}

/// An equal PUT would do nothing.
async fn replace(
    job: &Job<'_>,
    deploy: &Deploy,
    (id, spec): (&ServiceId, Option<SpecHash>),
    force: bool,
    live: Option<&LiveApp>,
) -> Step {
    let service = Intended {
        id: id.clone(),
        spec,
        version: live.map(|a| a.version.clone()),
        instances: None,
        count: live.map(|a| a.instances),
    };
    let intended = plain(Call::Restart, force, vec![service]);
    tell(job, deploy, intended, None, std::slice::from_ref(id)).await
}

/// Makes a call that gives services a rollout; where Marathon refuses it, the deploy ends.
async fn tell(
    job: &Job<'_>,
    deploy: &Deploy,
    intended: ApplyIntended,
    body: Option<&str>,
    services: &[ServiceId],
) -> Step {
    let fails = |why: Sentence| Some(job.failed(deploy, why));
    match make(job, Some(deploy.number), intended, body, &fails).await? {
        Made::Accepted | Made::Refused => Ok(Next::Again),
        Made::NotYet(error) => {
            let why = owner::waits_for(job, &error, services).await;
            job.wait_for(deploy.number, why, job.subject_of(&error))
                .await
        }
    }
}

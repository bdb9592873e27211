//! Telling Marathon: the intent is written down before each call, the answer after it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::job::Job;
use super::retreat::Logged;
use super::{Next, Step, StepError};
use crate::event::{Action, ApplyIntended, Call, Fact, Intended, Planned};
use crate::history::{Command, Deploy};
use crate::id::{BlobId, ServiceId, SpecHash};
use crate::marathon::{Deployed, LiveApp, MarathonError};
use crate::plan::Plan;
use crate::rollout::{self, make_room, with_room};
use crate::sentence::{Code, Sentence};

/// The first call of a deploy. A rollout of ours that still holds its services is taken over without losing
/// what is healthy: what is not healthy goes first, under that rollout's lock. `None`: there is nothing to tell Marathon.
pub(super) async fn begin(
    job: &Job<'_>,
    deploy: &Deploy,
    plan: &Plan,
    apps: &BTreeMap<ServiceId, LiveApp>,
) -> Result<Option<Next>, StepError> {
    let ids: BTreeSet<ServiceId> = plan.steps.iter().map(|s| s.planned.id.clone()).collect();
    let (number, known) = (deploy.number, &job.app.marathon);
    let is_ours = |id: &str| known.iter().any(|o| o.id == id);
    let journal = Logged { job, number };
    let (marathon, watched) = (&job.context.marathon, job.context.watch.watched());
    let room = make_room(marathon, watched, &ids, is_ours, &journal).await?;
    let versions: BTreeMap<&ServiceId, &str> = apps
        .iter()
        .map(|(id, a)| (id, a.version.as_str()))
        .collect();
    let mut bodies = Vec::new();
    let mut raised = BTreeMap::new();
    let mut intended = Vec::new();
    for step in &plan.steps {
        let Some(body) = &step.body else { continue };
        let (body, more) = with_room(
            body,
            step.after,
            room.surplus.get(&step.planned.id).copied(),
        );
        if more {
            raised.insert(step.planned.id.clone(), step.after);
        }
        bodies.push(body);
        intended.push(intent_for(&step.planned, &versions));
    }
    let force = room.held || deploy.wanted.force;
    if bodies.is_empty() {
        let Some(planned) = next_restart(deploy) else {
            return Ok(None);
        };
        let version = versions.get(&planned.id).copied();
        return restart(job, deploy, planned, force, version)
            .await
            .map(Some);
    }
    let body = Value::Array(bodies).to_string();
    put(job, deploy, body, intended, raised, force)
        .await
        .map(Some)
}

fn intent_for(planned: &Planned, versions: &BTreeMap<&ServiceId, &str>) -> Intended {
    Intended {
        id: planned.id.clone(),
        spec: planned.spec.clone(),
        version: versions.get(&planned.id).map(|v| (*v).to_owned()),
    }
}

async fn put(
    job: &Job<'_>,
    deploy: &Deploy,
    body: String,
    services: Vec<Intended>,
    raised: BTreeMap<ServiceId, u32>,
    force: bool,
) -> Step {
    let blob = BlobId::of(body.as_bytes());
    job.context
        .store
        .log()
        .keep_blobs(vec![(blob.clone(), body.clone().into_bytes())])
        .await?;
    let names: Vec<String> = services.iter().map(|s| s.id.to_string()).collect();
    let ids: Vec<ServiceId> = services.iter().map(|s| s.id.clone()).collect();
    let intent = ApplyIntended {
        call: Call::Put,
        body: Some(blob),
        force,
        services,
        target: Vec::new(),
        raised,
    };
    job.record(deploy.number, vec![Fact::ApplyIntended(Box::new(intent))])
        .await?;
    let answer = job.context.marathon.put_apps(&body, &names, force).await;
    answered(job, deploy, Call::Put, ids, answer).await
}

/// The service that is still to be restarted.
pub(super) fn next_restart(deploy: &Deploy) -> Option<&Planned> {
    let done = |id: &ServiceId| {
        deploy
            .accepted
            .iter()
            .any(|a| a.call == Call::Restart && a.services.contains(id))
    };
    deploy
        .plan
        .iter()
        .flatten()
        .find(|p| p.change == Action::Restart && !done(&p.id))
}

/// Replaces the tasks of a service whose definition is right: an equal PUT would do nothing.
pub(super) async fn restart(
    job: &Job<'_>,
    deploy: &Deploy,
    planned: &Planned,
    force: bool,
    version: Option<&str>,
) -> Step {
    let service = Intended {
        id: planned.id.clone(),
        spec: planned.spec.clone(),
        version: version.map(str::to_owned),
    };
    let intent = ApplyIntended {
        call: Call::Restart,
        body: None,
        force,
        services: vec![service],
        target: Vec::new(),
        raised: BTreeMap::new(),
    };
    job.record(deploy.number, vec![Fact::ApplyIntended(Box::new(intent))])
        .await?;
    let answer = job.context.marathon.restart(&planned.id, force).await;
    answered(job, deploy, Call::Restart, vec![planned.id.clone()], answer).await
}

/// Writes down what Marathon said to a call.
async fn answered(
    job: &Job<'_>,
    deploy: &Deploy,
    call: Call,
    services: Vec<ServiceId>,
    answer: Result<Deployed, MarathonError>,
) -> Step {
    let refused = |code: &str, sentence: String| Fact::ApplyRefused {
        call,
        code: code.to_owned(),
        sentence,
        services: services.clone(),
    };
    match answer {
        Ok(deployed) => {
            let accepted = Fact::ApplyAccepted {
                call,
                marathon_deployment: deployed.deployment_id,
                version: deployed.version,
                services,
            };
            job.record(deploy.number, vec![accepted]).await?;
            Ok(Next::Again)
        }
        // it may have arrived: the intent stays open and is looked into once it cannot arrive any more
        Err(error @ MarathonError::Unreachable(_)) => Err(error.into()),
        Err(MarathonError::Refused(why)) => {
            let failed = if deploy
                .accepted
                .iter()
                .any(|a| matches!(a.call, Call::Put | Call::Restart))
            {
                Fact::DeployEnding {
                    outcome: crate::event::Ending::Failed,
                    code: why.code.clone(),
                    sentence: why.sentence.clone(),
                }
            } else {
                Fact::DeployFailed {
                    code: why.code.clone(),
                    sentence: why.sentence.clone(),
                    services: Vec::new(),
                }
            };
            job.record(
                deploy.number,
                vec![refused(&why.code, why.sentence), failed],
            )
            .await?;
            Ok(Next::Again)
        }
        Err(error) => {
            let why = waits_for(job, &error, &services).await;
            job.record(
                deploy.number,
                vec![refused(&why.code, why.sentence.clone())],
            )
            .await?;
            job.wait(deploy.number, why).await
        }
    }
}

async fn waits_for(job: &Job<'_>, error: &MarathonError, services: &[ServiceId]) -> Sentence {
    let first = services
        .first()
        .map(ServiceId::to_string)
        .unwrap_or_default();
    match error {
        MarathonError::Locked(ids) => {
            let running = job.context.marathon.deployments().await.unwrap_or_default();
            match running.iter().find(|d| ids.contains(&d.id)) {
                Some(deployment) => crate::marathon::locked(&first, deployment),
                None => Sentence::new(
                    Code::Locked,
                    format!(
                        "{first} is being deployed by somebody else; it goes on when that one ends"
                    ),
                ),
            }
        }
        MarathonError::Busy(why) => Sentence::new(Code::MarathonBusy, why.clone()),
        other => Sentence::new(Code::MarathonUnreachable, other.to_string()),
    }
}

/// An intent without an answer: the process died or the reply was lost. Once the call cannot arrive any more,
/// Marathon is asked whether it did.
pub(super) async fn recover(job: &Job<'_>, deploy: &Deploy) -> Step {
    let Some(intent) = &deploy.intent else {
        return Ok(Next::Again);
    };
    let since: jiff::Timestamp = deploy
        .intent_at
        .as_deref()
        .and_then(|t| t.parse().ok())
        .unwrap_or_default();
    let waited = job.context.clock.now().duration_since(since).unsigned_abs();
    let patience = job.context.timing.http;
    let applied = match intent.call {
        Call::Put | Call::Restart => applied(job, intent).await?,
        Call::Delete | Call::Scale | Call::Wipe | Call::Cancel => None,
    };
    let services: Vec<ServiceId> = intent.services.iter().map(|s| s.id.clone()).collect();
    let fact = match applied {
        Some(deployed) => Fact::ApplyAccepted {
            call: intent.call,
            marathon_deployment: deployed.deployment_id,
            version: deployed.version,
            services,
        },
        None if matches!(intent.call, Call::Put | Call::Restart) && waited < patience => {
            return Ok(Next::After((patience.saturating_sub(waited)).min(job.context.timing.retry)));
        }
        None => Fact::ApplyRefused {
            call: intent.call,
            code: Code::NotApplied.into(),
            sentence: "the answer never came and Marathon does not show the change; it is looked at afresh".to_owned(),
            services,
        },
    };
    job.record(deploy.number, vec![fact]).await?;
    Ok(Next::Again)
}

/// Whether Marathon carried out the call: a service has the spec and another version than before.
async fn applied(job: &Job<'_>, intent: &ApplyIntended) -> Result<Option<Deployed>, StepError> {
    let ids = intent.services.iter().map(|s| s.id.clone()).collect();
    let apps = rollout::apps(&job.context.marathon, ids).await?;
    let known: BTreeSet<&str> = job.app.marathon.iter().map(|d| d.id.as_str()).collect();
    for service in &intent.services {
        let Some(app) = apps.get(&service.id) else {
            continue;
        };
        let has_spec = |spec: &SpecHash| rollout::labelled(app).as_ref() == Some(spec);
        if service.spec.as_ref().is_some_and(has_spec)
            && service.version.as_deref() != Some(app.version.as_str())
        {
            let deployment = app
                .deployments()
                .into_iter()
                .find(|d| !known.contains(d))
                .map(str::to_owned);
            return Ok(Some(Deployed {
                version: Some(app.version.clone()),
                deployment_id: deployment,
            }));
        }
    }
    Ok(None)
}

/// Brings a service to the number of instances an operator asked for.
pub(super) async fn scale_wishes(job: &Job<'_>) -> Step {
    let wish = job
        .app
        .services
        .iter()
        .find_map(|(id, s)| s.scale.map(|n| (id.clone(), n)));
    let Some((id, instances)) = wish else {
        return Ok(Next::Idle);
    };
    let live = job.context.marathon.app(&id).await?;
    if live.is_some_and(|a| !rollout::is_of(&a, &job.app.id)) {
        let refused = Fact::ApplyRefused {
            call: Call::Scale,
            code: Code::NotOurs.into(),
            sentence: format!(
                "{id} does not carry the label of {}; it is not scaled",
                job.app.id
            ),
            services: vec![id],
        };
        job.command(Command::Note(vec![refused])).await?;
        return Ok(Next::Again);
    }
    let fact = match job.context.marathon.scale(&id, instances, false).await {
        Ok(deployed) => Fact::ApplyAccepted {
            call: Call::Scale,
            marathon_deployment: deployed.deployment_id,
            version: deployed.version,
            services: vec![id],
        },
        Err(MarathonError::Refused(why)) => Fact::ApplyRefused {
            call: Call::Scale,
            code: why.code,
            sentence: why.sentence,
            services: vec![id],
        },
        Err(MarathonError::Missing(why)) => Fact::ApplyRefused {
            call: Call::Scale,
            code: Code::Rejected.into(),
            sentence: why,
            services: vec![id],
        },
        Err(error) => return Err(error.into()),
    };
    job.command(Command::Note(vec![fact])).await?;
    Ok(Next::Again)
}

//! Whose a running Marathon deployment is: ours if its id was answered to us, or if each service of ours that it holds has,
//! as live definition, what a call of ours gave it of which nobody knows what became, or which did not arrive in time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use super::StepError;
use super::job::Job;
use crate::event::Call;
use crate::history::{App, begins_rollout};
use crate::id::{BlobId, ServiceId};
use crate::marathon::{self, LiveApp, MarathonError, RunningDeployment};
use crate::rollout;
use crate::sentence::{Code, Sentence};
use crate::spec::deviation;
use crate::store::StoreError;

/// The definitions in the body of a call, by service.
pub(super) async fn bodies(
    job: &Job<'_>,
    body: Option<&BlobId>,
) -> Result<BTreeMap<ServiceId, Value>, StepError> {
    let Some(body) = body else {
        return Ok(BTreeMap::new());
    };
    let bytes = job.context.store.blob(body).await?.unwrap_or_default();
    let list: Vec<Value> = serde_json::from_slice(&bytes).unwrap_or_default();
    let named = |body: Value| Some((body.get("id")?.as_str()?.parse().ok()?, body));
    Ok(list.into_iter().filter_map(named).collect())
}

/// Those of the running deployments that hold any of these services and are ours.
pub(super) async fn ours(
    job: &Job<'_>,
    running: &[RunningDeployment],
    services: &BTreeSet<ServiceId>,
) -> Result<BTreeSet<String>, StepError> {
    let mut ours = BTreeSet::new();
    let holds = |d: &&RunningDeployment| {
        let mut affected = d.affected_apps.iter();
        affected.any(|a| services.iter().any(|s| s.as_str() == a))
    };
    for deployment in running.iter().filter(holds) {
        let answered = job
            .app
            .told
            .iter()
            .any(|t| t.marathon_deployment.as_deref() == Some(deployment.id.as_str()));
        if answered || is_of_a_lost_call(job, deployment).await? {
            ours.insert(deployment.id.clone());
        }
    }
    Ok(ours)
}

async fn is_of_a_lost_call(
    job: &Job<'_>,
    deployment: &RunningDeployment,
) -> Result<bool, StepError> {
    let app = job.app;
    let open = app
        .intents
        .values()
        .map(|i| (i.intended.call, &i.intended.body));
    let told = app.told.iter().filter(|t| t.marathon_deployment.is_none());
    let told = told.map(|t| (t.call, &t.body));
    let calls: Vec<(Call, &Option<BlobId>)> = open
        .chain(told)
        .filter(|(call, _)| begins_rollout(*call))
        .collect();
    if calls.is_empty() {
        return Ok(false);
    }
    let affected = deployment.affected_apps.iter();
    let ids: BTreeSet<ServiceId> = affected.filter_map(|a| a.parse().ok()).collect();
    let live = rollout::apps(&job.context.marathon, ids).await?;
    let live: Vec<&LiveApp> = live
        .values()
        .filter(|a| rollout::is_of(a, &app.id))
        .collect();
    let mut given: Vec<BTreeMap<ServiceId, Value>> = Vec::new();
    for (_, body) in &calls {
        given.push(bodies(job, body.as_ref()).await?);
    }
    let restarted = calls.iter().any(|(call, _)| *call == Call::Restart);
    let is_given = |app: &LiveApp| {
        let id: Option<ServiceId> = app.id.parse().ok();
        let bodies = given.iter().filter_map(|g| g.get(id.as_ref()?));
        let mut bodies = bodies;
        restarted || bodies.any(|body| is_as_given(app, body))
    };
    Ok(!live.is_empty() && live.into_iter().all(is_given))
}

/// Whether a running definition is the body of a call, the count included.
pub(super) fn is_as_given(app: &LiveApp, body: &Value) -> bool {
    let count = body.get("instances").and_then(Value::as_u64);
    let labels = |v: &Value| v.get("labels").cloned();
    count == Some(u64::from(app.instances))
        && labels(&app.raw) == labels(body)
        && deviation(&app.raw, body).is_none()
}

/// The rollouts of ours that go on, in words.
pub(super) fn rollouts(app: &App, running: &[RunningDeployment]) -> String {
    let is_ours = |d: &&RunningDeployment| {
        let mut told = app.told.iter();
        told.any(|t| t.marathon_deployment.as_deref() == Some(d.id.as_str()))
    };
    let mut said = String::new();
    for deployment in running.iter().filter(is_ours) {
        let _ = write!(
            said,
            "; the rollout of {} goes on (Marathon deployment {})",
            deployment.affected_apps.join(", "),
            deployment.id
        );
    }
    said
}

/// Services that left the repository and are still as a deploy left them that did not come to its end, in words.
pub(super) fn strays(app: &App, orphans: &[ServiceId]) -> String {
    let is_dirty = |id: &&ServiceId| app.services.get(*id).is_some_and(|r| r.dirty);
    let mut said = String::new();
    for id in orphans.iter().filter(is_dirty) {
        let _ = write!(
            said,
            "; {id}, which left the repository, stays as a deploy left it that did not succeed"
        );
    }
    said
}

/// Whose deployment holds a service.
pub(super) async fn locked(
    job: &Job<'_>,
    id: &ServiceId,
    holder: &RunningDeployment,
) -> Result<Sentence, StoreError> {
    let mut told = job.app.told.iter();
    let own = told.any(|t| t.marathon_deployment.as_deref() == Some(holder.id.as_str()));
    let owner = job.context.store.owner_of(id).await?;
    let by = match owner.filter(|owner| *owner != job.app.id) {
        _ if own => "a rollout of its own that was left".to_owned(),
        Some(other) => format!("the app {other}"),
        None => "somebody else".to_owned(),
    };
    Ok(marathon::locked(id.as_str(), holder, &by))
}

/// Why a call has to wait.
pub(super) async fn waits_for(
    job: &Job<'_>,
    error: &MarathonError,
    services: &[ServiceId],
) -> Sentence {
    let first = services
        .first()
        .map(ServiceId::to_string)
        .unwrap_or_default();
    match error {
        MarathonError::Locked(ids) => {
            let running = job.context.marathon.deployments().await.unwrap_or_default();
            let holder = running.iter().find(|d| ids.contains(&d.id));
            let said = match (holder, services.first()) {
                (Some(holder), Some(id)) => locked(job, id, holder).await.ok(),
                _ => None,
            };
            match said {
                Some(said) => said,
                None => Sentence::new(
                    Code::Locked,
                    format!(
                        "{first} is locked by another deployment in Marathon; it goes on when that one ends"
                    ),
                ),
            }
        }
        MarathonError::Busy(why) => Sentence::new(Code::MarathonBusy, why.clone()),
        other => Sentence::new(Code::MarathonUnreachable, other.to_string()),
    }
}

//! Ending a deploy: each call that changes Marathon is written down around what `rollout` does.

use std::collections::BTreeSet;

use super::call::{Made, make, plain};
use super::job::Job;
use super::{Next, Step, StepError, owner};
use crate::event::{Action, ApplyIntended, Call, Fact, Outcome};
use crate::history::{Deploy, EndingOf};
use crate::id::{DeployNumber, ServiceId};
use crate::marathon::MarathonError;
use crate::rollout::{Journal, Look, Wiped, apps, is_of, look, wipe};

/// Writes down what is wiped.
pub(super) struct Logged<'a> {
    pub job: &'a Job<'a>,
    /// The deploy it is for; none where an app is destroyed.
    pub number: Option<DeployNumber>,
}

impl Journal for Logged<'_> {
    type Error = StepError;

    async fn wipe(&self, tasks: &[String]) -> Result<(), StepError> {
        let intended = ApplyIntended {
            target: tasks.to_vec(),
            ..plain(Call::Wipe, false, Vec::new())
        };
        told(self.job, self.number, intended).await
    }
}

/// Makes a call that must succeed before anything else is done.
async fn told(
    job: &Job<'_>,
    number: Option<DeployNumber>,
    intended: ApplyIntended,
) -> Result<(), StepError> {
    let force = intended.force;
    match make(job, number, intended, None, &|_| None).await? {
        Made::Accepted => Ok(()),
        Made::NotYet(error) => Err(error.into()),
        Made::Refused => {
            let what = if force { "cancel" } else { "wipe" };
            let why = format!("Marathon refused to {what}");
            Err(MarathonError::Unreachable(why).into())
        }
    }
}

/// Ends a deploy that failed or was cancelled: wipe under the lock, cancel the Marathon deployment, say what runs.
pub(super) async fn end(job: &Job<'_>, deploy: &Deploy, ending: &EndingOf) -> Step {
    let accepted = deploy.life.rollout().iter().flat_map(|a| &a.services);
    let inherited = job.app.inherited().flat_map(|t| &t.services);
    let changed: BTreeSet<ServiceId> = accepted.chain(inherited).cloned().collect();
    // what somebody took from us meanwhile is left alone
    let touched = !changed.is_empty();
    let ids = still_ours(job, changed).await?;
    let Some(mut stays) = end_rollouts(job, Some(deploy.number), &ids).await? else {
        return Ok(Next::After(job.context.timing.look));
    };
    let look = look(&job.context.marathon, ids.clone()).await?;
    let services = outcomes(deploy, &ids, &look);
    let mut sentence = format!("{}; {}", ending.why.sentence, what_runs(&services, touched));
    sentence.push_str(&what_starts(&look));
    if stays.is_empty() {
        // somebody took its services from us: it is not ours to end any more
        stays = owner::rollouts(job.app, &look.deployments);
    }
    sentence.push_str(&stays);
    let code = ending.why.code.clone();
    let fact = Fact::ended_ill(ending.outcome, code, sentence, services);
    job.record(deploy.number, vec![fact]).await?;
    Ok(Next::Again)
}

/// Those of these services that run and carry our label.
pub(super) async fn still_ours(
    job: &Job<'_>,
    services: BTreeSet<ServiceId>,
) -> Result<BTreeSet<ServiceId>, StepError> {
    let live = apps(&job.context.marathon, services).await?;
    let ours = live.into_iter().filter(|(_, a)| is_of(a, &job.app.id));
    Ok(ours.map(|(id, _)| id).collect())
}

/// Ends the rollouts of ours that hold any of these services, where that loses nothing that is healthy. Answers what is said of
/// those that are left; nothing while it is not known how some tasks are.
pub(super) async fn end_rollouts(
    job: &Job<'_>,
    number: Option<DeployNumber>,
    ids: &BTreeSet<ServiceId>,
) -> Result<Option<String>, StepError> {
    let running = job.context.marathon.deployments().await?;
    let ours = owner::ours(job, &running, ids).await?;
    let mut stays = String::new();
    if ours.is_empty() {
        return Ok(Some(stays));
    }
    // without a lock a wipe would make Marathon compare counts, and take healthy ones
    let held = running.iter().filter(|d| ours.contains(&d.id));
    let held: BTreeSet<&String> = held.flat_map(|d| &d.affected_apps).collect();
    let mut locked = ids.clone();
    locked.retain(|id| held.iter().any(|a| *a == id.as_str()));
    let wiped = wipe(&job.view(), &locked, &Logged { job, number }).await?;
    for deployment in ours {
        match &wiped {
            Wiped::Clean => cancel(job, number, &deployment).await?,
            Wiped::Unknown => return Ok(None),
            Wiped::Left(services) => stays.push_str(&left_alone(&deployment, services)),
        }
    }
    Ok(Some(stays))
}

fn left_alone(deployment: &str, services: &BTreeSet<ServiceId>) -> String {
    let names: Vec<&str> = services.iter().map(ServiceId::as_str).collect();
    format!(
        "; its Marathon deployment {deployment} is left running, because {} has instances that cannot be taken away one by one: cancelling over them would cost healthy ones; the next push or a rollback takes it over",
        names.join(", ")
    )
}

async fn cancel(
    job: &Job<'_>,
    number: Option<DeployNumber>,
    deployment: &str,
) -> Result<(), StepError> {
    let intended = ApplyIntended {
        target: vec![deployment.to_owned()],
        ..plain(Call::Cancel, true, Vec::new())
    };
    told(job, number, intended).await
}

/// How many old and new instances of each service are well.
pub(super) fn outcomes(deploy: &Deploy, ids: &BTreeSet<ServiceId>, look: &Look) -> Vec<Outcome> {
    ids.iter()
        .map(|id| {
            let planned = deploy.plan.iter().flatten().find(|p| p.id == *id);
            let app = look.apps.get(id);
            let count = |current: bool| {
                let well = app.into_iter().flat_map(|a| {
                    a.tasks
                        .iter()
                        .filter(move |t| a.is_well(t) && a.is_current(t) == current)
                });
                u32::try_from(well.count()).unwrap_or(u32::MAX)
            };
            Outcome {
                id: id.clone(),
                change: planned.map_or(Action::Unchanged, |p| p.change),
                new: count(true),
                old: count(false),
                spec: planned.and_then(|p| p.spec.clone()),
                instances: planned.and_then(|p| p.instances),
                rendering: None,
            }
        })
        .collect()
}

/// Once no deployment holds them, Marathon starts what is missing of services, and in their definition of now.
fn what_starts(look: &Look) -> String {
    let missing = look.apps.iter().filter(|(id, app)| {
        let well = app.tasks.iter().filter(|t| app.is_well(t)).count();
        let missing = u32::try_from(well).is_ok_and(|well| well < app.instances);
        missing
            && look
                .holding(&BTreeSet::from([(*id).clone()]))
                .next()
                .is_none()
    });
    let names: Vec<&str> = missing.map(|(id, _)| id.as_str()).take(5).collect();
    match names.as_slice() {
        [] => String::new(),
        _ => format!(
            "; Marathon goes on to start the missing instances of {}, as they are defined now, until the next push or a rollback",
            names.join(", ")
        ),
    }
}

fn what_runs(services: &[Outcome], touched: bool) -> String {
    let lines: Vec<String> = services
        .iter()
        .take(5)
        .map(|s| format!("{} runs {} old and {} new", s.id, s.old, s.new))
        .collect();
    match services.len() {
        0 if touched => "none of what was changed is there and ours".to_owned(),
        0 => "nothing was changed".to_owned(),
        n if n > 5 => format!("{} and {} more services", lines.join(", "), n - 5),
        _ => lines.join(", "),
    }
}

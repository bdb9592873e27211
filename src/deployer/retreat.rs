//! Ending a rollout without losing what is healthy. Marathon counts starting, crashing and never launched instances
//! like running ones when it kills, and once no deployment holds an app it kills surplus tasks, healthy ones first.
//! So under the rollout's own lock what is not healthy is wiped, we look again, and only then comes the one call that ends it.

use std::collections::{BTreeMap, BTreeSet};

use super::job::Job;
use super::look::Look;
use super::{Next, Step, StepError};
use crate::event::{Action, ApplyIntended, Call, Ending, Fact, Outcome};
use crate::history::Deploy;
use crate::id::{DeployNumber, ServiceId};
use crate::marathon::{LiveApp, MarathonError};

/// How often what turns bad meanwhile is wiped again.
const ROUNDS: usize = 3;

/// What wiping came to.
pub(super) enum Wiped {
    /// Only healthy tasks are left.
    Clean,
    /// These services have instances that cannot be named, or keep data that a wipe would destroy.
    Left(BTreeSet<ServiceId>),
}

/// Takes away what is not healthy of these services: never with `scale=true`, never where there are persistent volumes.
pub(super) async fn wipe(
    job: &Job<'_>,
    number: DeployNumber,
    ids: &BTreeSet<ServiceId>,
) -> Result<Wiped, StepError> {
    let mut left = BTreeSet::new();
    for _ in 0..ROUNDS {
        if ids.is_empty() {
            break;
        }
        let look = job.context.look(ids.clone()).await?;
        left = ids
            .iter()
            .filter(|id| look.apps.get(id).is_some_and(|a| unnameable(job, a, &look)))
            .cloned()
            .collect();
        let bad: Vec<String> = ids
            .iter()
            .filter(|id| !left.contains(*id))
            .filter_map(|id| look.apps.get(id))
            .flat_map(|app| bad_tasks(job, app, &look))
            .collect();
        if bad.is_empty() {
            break;
        }
        let intent = ApplyIntended {
            call: Call::Wipe,
            body: None,
            force: false,
            services: Vec::new(),
            target: bad.iter().take(200).cloned().collect(),
            raised: BTreeMap::new(),
        };
        job.record(number, vec![Fact::ApplyIntended(Box::new(intent))])
            .await?;
        job.context.marathon.wipe(&bad).await?;
        job.record(number, vec![accepted(Call::Wipe)]).await?;
    }
    Ok(if left.is_empty() {
        Wiped::Clean
    } else {
        Wiped::Left(left)
    })
}

fn accepted(call: Call) -> Fact {
    Fact::ApplyAccepted {
        call,
        marathon_deployment: None,
        version: None,
        services: Vec::new(),
    }
}

/// The tasks that are not well, and the never launched instances by the name their first task would have.
fn bad_tasks(job: &Job<'_>, app: &LiveApp, look: &Look) -> Vec<String> {
    let mut bad: Vec<String> = app
        .tasks
        .iter()
        .filter(|t| !app.is_well(t))
        .map(|t| t.id.clone())
        .collect();
    if look.hidden(app) > 0 {
        bad.extend(
            never_launched(job, app)
                .into_iter()
                .map(|i| format!("{i}._app.1")),
        );
    }
    bad
}

fn never_launched(job: &Job<'_>, app: &LiveApp) -> Vec<String> {
    let listed: BTreeSet<&str> = app
        .tasks
        .iter()
        .map(crate::marathon::Task::instance)
        .collect();
    let heard = job.context.watch.watched().never_launched(&app.id);
    heard
        .into_iter()
        .filter(|i| !listed.contains(i.as_str()))
        .collect()
}

fn unnameable(job: &Job<'_>, app: &LiveApp, look: &Look) -> bool {
    let known = u32::try_from(never_launched(job, app).len()).unwrap_or(u32::MAX);
    look.hidden(app) > known || (app.has_volumes() && app.tasks.iter().any(|t| !app.is_well(t)))
}

/// Ends a deploy that failed or was cancelled: wipe under the lock, cancel the Marathon deployment, say what runs.
pub(super) async fn end(job: &Job<'_>, deploy: &Deploy) -> Step {
    let Some(ending) = &deploy.ending else {
        return Ok(Next::Again);
    };
    let ids: BTreeSet<ServiceId> = deploy
        .accepted
        .iter()
        .flat_map(|a| a.services.iter().cloned())
        .collect();
    let running = job.context.marathon.deployments().await?;
    let ours: Vec<&str> = deploy
        .marathon_deployments()
        .into_iter()
        .filter(|id| running.iter().any(|d| d.id == *id))
        .collect();
    let mut stays = None;
    if !ours.is_empty() {
        let wiped = wipe(job, deploy.number, &ids).await?;
        for deployment in ours {
            match &wiped {
                Wiped::Clean => cancel(job, deploy, deployment).await?,
                Wiped::Left(services) => stays = Some(left_alone(deployment, services)),
            }
        }
    }
    let look = job.context.look(ids.clone()).await?;
    let services = outcomes(deploy, &look);
    let mut sentence = format!("{}; {}", ending.why.sentence, what_runs(&services));
    if let Some(stays) = stays {
        sentence.push_str(&stays);
    }
    let code = ending.why.code.clone();
    let fact = match ending.outcome {
        Ending::Failed => Fact::DeployFailed {
            code,
            sentence,
            services,
        },
        Ending::Cancelled => Fact::DeployCancelled {
            code,
            sentence,
            services,
        },
    };
    job.record(deploy.number, vec![fact]).await?;
    Ok(Next::Again)
}

fn left_alone(deployment: &str, services: &BTreeSet<ServiceId>) -> String {
    let names: Vec<&str> = services.iter().map(ServiceId::as_str).collect();
    format!(
        "; its Marathon deployment {deployment} is left running, because {} has instances that cannot be taken away one by one: cancelling over them would cost healthy ones; the next push or a rollback takes it over",
        names.join(", ")
    )
}

async fn cancel(job: &Job<'_>, deploy: &Deploy, deployment: &str) -> Result<(), StepError> {
    let intent = ApplyIntended {
        call: Call::Cancel,
        body: None,
        force: true,
        services: Vec::new(),
        target: vec![deployment.to_owned()],
        raised: BTreeMap::new(),
    };
    job.record(deploy.number, vec![Fact::ApplyIntended(Box::new(intent))])
        .await?;
    job.context.marathon.cancel(deployment).await?;
    job.record(deploy.number, vec![accepted(Call::Cancel)])
        .await?;
    Ok(())
}

/// How many old and new instances of each service are well.
pub(super) fn outcomes(deploy: &Deploy, look: &Look) -> Vec<Outcome> {
    let planned = deploy
        .plan
        .iter()
        .flatten()
        .filter(|p| p.change != Action::Remove);
    planned
        .map(|p| {
            let app = look.apps.get(&p.id);
            let count = |current: bool| {
                let well = app.into_iter().flat_map(|a| {
                    a.tasks
                        .iter()
                        .filter(move |t| a.is_well(t) && a.is_current(t) == current)
                });
                u32::try_from(well.count()).unwrap_or(u32::MAX)
            };
            Outcome {
                id: p.id.clone(),
                change: p.change,
                new: count(true),
                old: count(false),
                spec: p.spec.clone(),
                instances: p.instances,
                rendering: None,
            }
        })
        .collect()
}

fn what_runs(services: &[Outcome]) -> String {
    let lines: Vec<String> = services
        .iter()
        .take(5)
        .map(|s| format!("{} runs {} old and {} new", s.id, s.old, s.new))
        .collect();
    match services.len() {
        0 => "nothing was changed".to_owned(),
        n if n > 5 => format!("{} and {} more services", lines.join(", "), n - 5),
        _ => lines.join(", "),
    }
}

/// An error of Marathon that only means that it is not there any more.
pub(super) fn is_missing(error: &MarathonError) -> bool {
    matches!(error, MarathonError::Missing(_))
}

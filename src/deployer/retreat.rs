//! Ending a deploy: each call that changes Marathon is written down around what `rollout` does.

use std::collections::{BTreeMap, BTreeSet};

use super::job::Job;
use super::{Next, Step, StepError};
use crate::event::{Action, ApplyIntended, Call, Ending, Fact, Outcome};
use crate::history::Deploy;
use crate::id::{DeployNumber, ServiceId};
use crate::marathon::MarathonError;
use crate::rollout::{Journal, Look, Wiped, apps, is_of, look, wipe};

/// Writes down what is wiped.
pub(super) struct Logged<'a> {
    pub job: &'a Job<'a>,
    pub number: DeployNumber,
}

impl Journal for Logged<'_> {
    type Error = StepError;

    async fn wiping(&self, tasks: &[String]) -> Result<(), StepError> {
        let intent = ApplyIntended {
            call: Call::Wipe,
            body: None,
            force: false,
            services: Vec::new(),
            target: tasks.iter().take(200).cloned().collect(),
            raised: BTreeMap::new(),
        };
        let intended = Fact::ApplyIntended(Box::new(intent));
        Ok(self.job.record(self.number, vec![intended]).await?)
    }

    async fn wiped(&self) -> Result<(), StepError> {
        let done = vec![accepted(Call::Wipe)];
        Ok(self.job.record(self.number, done).await?)
    }
}

fn accepted(call: Call) -> Fact {
    Fact::ApplyAccepted {
        call,
        marathon_deployment: None,
        version: None,
        services: Vec::new(),
    }
}

/// Ends a deploy that failed or was cancelled: wipe under the lock, cancel the Marathon deployment, say what runs.
pub(super) async fn end(job: &Job<'_>, deploy: &Deploy) -> Step {
    let Some(ending) = &deploy.ending else {
        return Ok(Next::Again);
    };
    let changed: BTreeSet<ServiceId> = deploy
        .accepted
        .iter()
        .flat_map(|a| a.services.iter().cloned())
        .collect();
    // what somebody took from us meanwhile is left alone
    let live = apps(&job.context.marathon, changed).await?;
    let ids: BTreeSet<ServiceId> = live
        .into_iter()
        .filter(|(_, a)| is_of(a, &job.app.id))
        .map(|(id, _)| id)
        .collect();
    let running = job.context.marathon.deployments().await?;
    let ours: Vec<&str> = deploy
        .marathon_deployments()
        .into_iter()
        .filter(|id| running.iter().any(|d| d.id == *id))
        .collect();
    let mut stays = None;
    if !ours.is_empty() {
        let number = deploy.number;
        let watched = job.context.watch.watched();
        let wiped = wipe(
            &job.context.marathon,
            watched,
            &ids,
            &Logged { job, number },
        )
        .await?;
        for deployment in ours {
            match &wiped {
                Wiped::Clean => cancel(job, deploy, deployment).await?,
                Wiped::Left(services) => stays = Some(left_alone(deployment, services)),
            }
        }
    }
    let look = look(&job.context.marathon, ids.clone()).await?;
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

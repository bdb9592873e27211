//! The end of a deploy that went well: counts go back to what is wanted, services that left are removed, and it is said what
//! changed and what goes on.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::debt::{self, Paid};
use super::following::Following;
use super::job::Job;
use super::retreat::Logged;
use super::{Next, Step, StepError, companion, destroy, owner, retreat};
use crate::context::Commit;
use crate::event::{Action, Fact, Outcome};
use crate::history::Deploy;
use crate::id::ServiceId;
use crate::plan::outcome;
use crate::rollout::{self, Look, Wiped, wipe};
use crate::sentence::{Code, Sentence};
use crate::spec::{Service, rendering};

/// All is well: go back to the wanted counts, remove what left, and say so.
pub(super) async fn finish(
    job: &Job<'_>,
    deploy: &Deploy,
    following: &Following,
    look: &Look,
) -> Step {
    // what Marathon refused stays owed, and nobody who comes next waits for it
    let mut owed = job.app.debts.iter().filter(|(_, debt)| !debt.refused);
    let goes = |id: &ServiceId| {
        let mut planned = deploy.plan.iter().flatten();
        planned.any(|p| p.id == *id && p.change == Action::Remove)
    };
    if let Some((id, debt)) = owed.find(|(id, _)| deploy.plans(id) && !goes(id)) {
        let paid = debt::pay(job, Some(deploy.number), id, *debt).await?;
        return match paid {
            Paid::Done => Ok(Next::Again),
            Paid::NotYet(why) => job.wait_for(deploy.number, why, Some(id.to_string())).await,
        };
    }
    let mut alone = Vec::new();
    for planned in deploy
        .plan
        .iter()
        .flatten()
        .filter(|p| p.change == Action::Remove)
    {
        let live = job.context.marathon.app(&planned.id).await?;
        let ours = live
            .as_ref()
            .is_some_and(|a| rollout::is_of(a, &job.app.id));
        if job.app.services.contains_key(&planned.id) || ours {
            return remove(job, deploy, &planned.id).await;
        }
        if live.is_some() {
            alone.push(planned.id.as_str());
        }
    }
    if !alone.is_empty() {
        let sentence = format!(
            "{} does not carry the label of {} any more and is left alone; the rest is done",
            alone.join(", "),
            job.app.id
        );
        let why = Sentence::new(Code::NotOurs, sentence);
        job.record(deploy.number, vec![Fact::fails(why)]).await?;
        return Ok(Next::Again);
    }
    let stay = deploy
        .plan
        .iter()
        .flatten()
        .filter(|p| p.change != Action::Remove);
    let ids = stay.map(|p| p.id.clone()).collect();
    let mut services = retreat::outcomes(deploy, &ids, look);
    for outcome in &mut services {
        outcome.rendering = look.apps.get(&outcome.id).map(|a| rendering(&a.raw));
    }
    let mut sentence = format!(
        "{}{}",
        what_changed(deploy),
        what_goes_on(job, deploy, following, look)
    );
    let mut left = Vec::new();
    // what was read once is stored; where it is not any more nothing can be said of the rest
    if let Some(files) = &deploy.files
        && let Ok(commit) = job.context.stored_commit(&job.app.id, files.clone()).await
    {
        left = orphans(job, &commit).await?;
        sentence.push_str(&owner::strays(job.app, &left));
        services.extend(met(job, deploy, &commit).await?);
    }
    job.record(
        deploy.number,
        vec![Fact::DeploySucceeded {
            services,
            orphans: left,
            sentence,
        }],
    )
    .await?;
    Ok(Next::Again)
}

fn what_changed(deploy: &Deploy) -> String {
    let count = |of: fn(Action) -> bool| {
        let planned = deploy.plan.iter().flatten();
        match planned.filter(|p| of(p.change)).count() {
            1 => "1 service".to_owned(),
            n => format!("{n} services"),
        }
    };
    let changed = count(|c| !matches!(c, Action::Unchanged | Action::Remove));
    let removed = count(|c| c == Action::Remove);
    match (changed.as_str(), removed.as_str()) {
        (_, "0 services") => format!("{changed} changed, all healthy"),
        ("0 services", _) => format!("{removed} removed"),
        _ => format!("{changed} changed, all healthy; {removed} removed"),
    }
}

/// Rollouts of ours that are not waited for, and services that are left between two versions.
fn what_goes_on(job: &Job<'_>, deploy: &Deploy, following: &Following, look: &Look) -> String {
    let mut said = String::new();
    let none = look.apps.iter().filter(|(_, a)| a.instances == 0);
    let none: Vec<&str> = none.map(|(id, _)| id.as_str()).take(5).collect();
    if !none.is_empty() {
        let _ = write!(said, "; no instance is wanted of {}", none.join(", "));
    }
    for service in companion::all(deploy, following) {
        let _ = write!(
            said,
            "; {service}, whose rollout it took over too, is left between two versions: the next deploy goes on with it"
        );
    }
    let dirty = job.app.services.iter().filter(|(_, r)| r.dirty);
    let left: Vec<&str> = dirty
        .map(|(id, _)| id.as_str())
        .filter(|id| {
            deploy
                .wanted
                .only
                .as_ref()
                .is_some_and(|only| only.as_str() != *id)
        })
        .filter(|id| !said.contains(*id))
        .collect();
    if !left.is_empty() {
        let _ = write!(
            said,
            "; {} stays as the deploy before left it: the next deploy of the app goes on with it",
            left.join(", ")
        );
    }
    said.push_str(&owner::rollouts(job.app, &look.deployments));
    said
}

/// Takes away a service that left the repository. Where a rollout of ours holds it still, that one goes with it; what else it
/// holds is cleared of what is not healthy first.
async fn remove(job: &Job<'_>, deploy: &Deploy, id: &ServiceId) -> Step {
    let running = job.context.marathon.deployments().await?;
    let ours = owner::ours(job, &running, &BTreeSet::from([id.clone()])).await?;
    let held = running.iter().filter(|d| ours.contains(&d.id));
    let beside: BTreeSet<ServiceId> = held
        .flat_map(|d| &d.affected_apps)
        .filter_map(|a| a.parse().ok())
        .filter(|other| other != id)
        .collect();
    let number = Some(deploy.number);
    match wipe(&job.view(), &beside, &Logged { job, number }).await? {
        Wiped::Unknown => Ok(Next::After(job.context.timing.look)),
        Wiped::Clean | Wiped::Left(_) => destroy::remove(job, id, !ours.is_empty()).await,
    }
}

/// Services of ours that still run although the commit has no spec of them.
async fn orphans(job: &Job<'_>, commit: &Commit) -> Result<Vec<ServiceId>, StepError> {
    let ours = rollout::ours(&job.context.marathon, job.app.id.as_str()).await?;
    let has_spec = |id: &ServiceId| commit.services.iter().any(|s| s.id == *id);
    Ok(ours.into_iter().filter(|id| !has_spec(id)).collect())
}

/// Services that were right already and that the log does not know yet, as after a log was lost: they are the app's too.
async fn met(job: &Job<'_>, deploy: &Deploy, commit: &Commit) -> Result<Vec<Outcome>, StepError> {
    let unknown = |s: &&Service| !deploy.plans(&s.id) && !job.app.services.contains_key(&s.id);
    let unknown: Vec<&Service> = commit.services.iter().filter(unknown).collect();
    if unknown.is_empty() || deploy.wanted.only.is_some() {
        return Ok(Vec::new());
    }
    let look = job.look(unknown.iter().map(|s| s.id.clone()).collect());
    let look = look.await?;
    let found = unknown.into_iter().filter_map(|service| {
        let app = look.apps.get(&service.id)?;
        let ours = rollout::is_of(app, &job.app.id);
        ours.then(|| outcome(service, Action::Unchanged, Some(&rollout::running(app))))
    });
    Ok(found.collect())
}

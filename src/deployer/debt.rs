//! Counts: what an operator wants, and what is owed back because it was given only to make room.

use std::collections::BTreeSet;

use serde_json::Value;

use super::call::{Made, drop_unsent, make, plain};
use super::job::Job;
use super::{Next, Step, StepError, owner};
use crate::event::{Call, Fact, Intended};
use crate::history::{Command, Debt};
use crate::id::{DeployNumber, ServiceId};
use crate::marathon::{LiveApp, MarathonError, Task};
use crate::rollout::{self, Look};
use crate::sentence::{Code, Sentence};

/// No deploy runs: what an operator wants comes first, then what is owed.
pub(super) async fn step(job: &Job<'_>) -> Step {
    let mut services = job.app.services.iter();
    if let Some((id, count)) = services.find_map(|(id, s)| s.scale.map(|n| (id, n))) {
        return wish(job, id, count).await;
    }
    let mut waits = false;
    for (id, debt) in &job.app.debts {
        match pay(job, None, id, *debt).await? {
            Paid::Done => return Ok(Next::Again),
            Paid::NotYet(_) => waits = true,
        }
    }
    if waits {
        Ok(Next::Wait)
    } else {
        Ok(Next::Idle)
    }
}

/// Brings a service to the number of instances an operator asked for. Where healthy ones would go before those that are not well,
/// it waits for a while for these to come up.
async fn wish(job: &Job<'_>, id: &ServiceId, count: u32) -> Step {
    let look = rollout::look(&job.context.marathon, BTreeSet::from([id.clone()])).await?;
    let live = look.apps.get(id);
    let Some(live) = live.filter(|a| rollout::is_of(a, &job.app.id)) else {
        let why = format!(
            "{id} does not carry the label of {}; it is not scaled",
            job.app.id
        );
        job.memory.is_scaled(id);
        return lapses(job, id, Code::NotOurs, why).await;
    };
    let now = job.context.clock.elapsed();
    let waited = job.memory.scales_for(id, count, now);
    if takes_well(live, &look, count) && waited < job.context.timing.overtake {
        return Ok(Next::Wait);
    }
    match scale(job, None, id, count, live).await? {
        Made::Accepted | Made::Refused => {
            job.memory.is_scaled(id);
            Ok(Next::Again)
        }
        Made::NotYet(_) => Ok(Next::Wait),
    }
}

/// What came of a debt.
pub(super) enum Paid {
    /// It is paid, or lapsed.
    Done,
    /// It cannot be paid yet.
    NotYet(Sentence),
}

/// Takes back the instances that were given to make room, where all are well and the count still is the one that was given.
pub(super) async fn pay(
    job: &Job<'_>,
    deploy: Option<DeployNumber>,
    id: &ServiceId,
    debt: Debt,
) -> Result<Paid, StepError> {
    let look = rollout::look(&job.context.marathon, BTreeSet::from([id.clone()])).await?;
    let live = look.apps.get(id);
    let Some(live) = live.filter(|a| rollout::is_of(a, &job.app.id)) else {
        let why = format!(
            "{id} does not carry the label of {} any more; its count is left as it is",
            job.app.id
        );
        lapses(job, id, Code::NotOurs, why).await?;
        return Ok(Paid::Done);
    };
    let still = debt
        .given
        .map_or(live.instances > debt.wanted, |g| g == live.instances);
    if !still {
        let why = format!(
            "{id} has {} instances, which somebody else wanted; its count is left as it is",
            live.instances
        );
        lapses(job, id, Code::Cancelled, why).await?;
        return Ok(Paid::Done);
    }
    if takes_well(live, &look, debt.wanted) {
        let why = format!("{id} has instances that are not well");
        return Ok(Paid::NotYet(Sentence::new(Code::Unhealthy, why)));
    }
    match scale(job, deploy, id, debt.wanted, live).await? {
        Made::Accepted | Made::Refused => Ok(Paid::Done),
        Made::NotYet(MarathonError::Refused(why)) => Ok(Paid::NotYet(why)),
        Made::NotYet(error) => {
            let why = owner::waits_for(job, &error, std::slice::from_ref(id)).await;
            Ok(Paid::NotYet(why))
        }
    }
}

/// Services that stay after a destroy are left with too many instances where they cannot be taken back soon.
pub(super) async fn gives_up(job: &Job<'_>, id: &ServiceId, debt: &Debt, why: &Sentence) -> Step {
    let waited = job.memory.has_waited(job.context.clock.elapsed());
    let passes = why.is(Code::MarathonUnreachable) || why.is(Code::MarathonBusy);
    if passes || waited < job.context.timing.overtake {
        return Ok(Next::Wait);
    }
    drop_unsent(job).await?;
    let sentence = format!(
        "{id} is left with more instances than the {} that are wanted: {}",
        debt.wanted, why.sentence
    );
    lapses(job, id, Code::Cancelled, sentence).await
}

async fn scale(
    job: &Job<'_>,
    deploy: Option<DeployNumber>,
    id: &ServiceId,
    count: u32,
    live: &LiveApp,
) -> Result<Made, StepError> {
    let service = Intended {
        id: id.clone(),
        spec: None,
        version: Some(live.version.clone()),
        instances: None,
        count: Some(count),
    };
    make(
        job,
        deploy,
        plain(Call::Scale, false, vec![service]),
        None,
        &|_| None,
    )
    .await
}

/// A count is not wanted any more, or cannot be given.
async fn lapses(job: &Job<'_>, id: &ServiceId, code: Code, sentence: String) -> Step {
    let refused = Fact::ApplyRefused {
        intent: None,
        call: Call::Scale,
        code: code.into(),
        sentence,
        services: vec![id.clone()],
    };
    job.command(Command::Note(vec![refused])).await?;
    Ok(Next::Again)
}

/// Whether Marathon would take away healthy instances while others are not well: it does so before those that were never launched.
fn takes_well(live: &LiveApp, look: &Look, count: u32) -> bool {
    let all_well = look.hidden(live) == 0 && live.tasks.iter().all(|t| live.is_well(t));
    let surplus = look.active(live).saturating_sub(count);
    count > 0 && !all_well && surplus > goes_first(live, look)
}

/// How many instances that are not well Marathon takes away before one that is: it begins with the youngest that run, but comes
/// to those that were never launched, or wait to be tried again, only in the end.
fn goes_first(live: &LiveApp, look: &Look) -> u32 {
    let oldest_first =
        live.raw.get("killSelection").and_then(Value::as_str) == Some("OLDEST_FIRST");
    if oldest_first || look.hidden(live) > 0 || live.tasks.iter().any(Task::is_over) {
        return 0;
    }
    let youngest_well = live.tasks.iter().filter(|t| live.is_well(t));
    let youngest_well = youngest_well.map(|t| &t.started_at).max();
    let younger = live.tasks.iter().filter(|t| !live.is_well(t));
    let younger = younger.filter(|t| youngest_well.is_none_or(|well| t.started_at > *well));
    u32::try_from(younger.count()).unwrap_or(0)
}

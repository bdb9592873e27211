//! For how long a deploy may go without progress.

use std::time::Duration;

use serde_json::Value;

use super::StepError;
use super::job::Job;
use crate::event::Planned;
use crate::history::Deploy;
use crate::rollout::Standing;

/// The deadline that is set, but never less than what Marathon takes: a task inside its grace period is not late yet,
/// nor is a service whose surplus Marathon takes away when it counts the next time.
pub(super) async fn of(
    job: &Job<'_>,
    deploy: &Deploy,
    standings: &[(&Planned, Standing)],
) -> Result<Duration, StepError> {
    let takes = standings.iter().map(|(_, s)| s.takes()).max();
    let least = takes.unwrap_or_default();
    Ok(set(job).max(least).max(longest_grace(job, deploy).await?))
}

/// The deadline that is set: by the app, else by the observer.
pub(super) fn set(job: &Job<'_>) -> Duration {
    let of_app = job.app.settings.deadline.map(Duration::from_secs);
    of_app.unwrap_or(job.context.timing.deadline)
}

async fn longest_grace(job: &Job<'_>, deploy: &Deploy) -> Result<Duration, StepError> {
    let Some(files) = &deploy.files else {
        return Ok(Duration::ZERO);
    };
    let Ok(commit) = job.context.stored_commit(&job.app.id, files.clone()).await else {
        return Ok(Duration::ZERO);
    };
    let planned = commit.services.iter().filter(|s| deploy.plans(&s.id));
    let checks = planned.filter_map(|s| s.spec.get("healthChecks").and_then(Value::as_array));
    let grace = checks.flatten().map(|c| {
        let seconds = c.get("gracePeriodSeconds");
        seconds.and_then(Value::as_u64).unwrap_or(300)
    });
    Ok(Duration::from_secs(grace.max().unwrap_or(0)))
}

//! Following a rollout to its end. "Succeeded" is: our Marathon deployment is gone, every service has our
//! configuration, all instances run it and are well. Polling decides; Marathon's events only wake.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::job::Job;
use super::{Next, Step, apply, destroy, retreat};
use crate::event::{Action, ApplyIntended, Call, Ending, Fact, Intended, Planned};
use crate::history::Deploy;
use crate::id::{DeployNumber, ServiceId};
use crate::rollout::{self, Given, Look, Standing, Standings, deadline_sentence};
use crate::sentence::{Code, Sentence};
use crate::spec::rendering;

/// At most so many stages are written down for a deploy.
const MOST_PROGRESS: u32 = 50;

/// What was observed of a rollout since this process began to look. None of it is needed to go on after a restart.
#[derive(Default)]
pub(super) struct Following {
    deploy: Option<DeployNumber>,
    /// How long Marathon was seen: only that counts towards a deadline.
    observed: Duration,
    /// When it was seen last; not while it does not answer.
    seen_at: Option<Duration>,
    progress_at: Option<Duration>,
    best: u32,
    standings: Standings,
    /// The specs of the commit, once they were asked for.
    specs: Option<BTreeMap<ServiceId, Value>>,
    cause: Option<(String, Duration)>,
}

impl Following {
    /// Marathon answered at `now`.
    fn sees(&mut self, now: Duration) {
        let since = self.seen_at.replace(now).unwrap_or(now);
        self.observed += now.saturating_sub(since);
    }

    /// Marathon did not answer: the time until it does again is not observed.
    pub fn loses_sight(&mut self) {
        self.seen_at = None;
    }

    /// Begins anew with another deploy.
    pub fn of(&mut self, deploy: DeployNumber) {
        if self.deploy != Some(deploy) {
            *self = Self {
                deploy: Some(deploy),
                ..Self::default()
            };
        }
    }
}

pub(super) async fn step(job: &Job<'_>, deploy: &Deploy, following: &mut Following) -> Step {
    if let Some(planned) = apply::next_restart(deploy) {
        let live = job.context.marathon.app(&planned.id).await?;
        if live
            .as_ref()
            .is_some_and(|a| !rollout::is_of(a, &job.app.id))
        {
            let sentence = format!(
                "{} does not carry the label of {} any more; it is not restarted",
                planned.id, job.app.id
            );
            return ending(job, deploy, Sentence::new(Code::NotOurs, sentence)).await;
        }
        return apply::restart(
            job,
            deploy,
            planned,
            false,
            live.as_ref().map(|a| a.version.as_str()),
        )
        .await;
    }
    let planned: Vec<&Planned> = deploy
        .plan
        .iter()
        .flatten()
        .filter(|p| p.change != Action::Remove)
        .collect();
    if following.specs.is_none() {
        following.specs = Some(specs(job, deploy).await?);
    }
    let Following {
        standings: seen,
        specs,
        ..
    } = following;
    let ids = planned.iter().map(|p| p.id.clone()).collect();
    let look = rollout::look(&job.context.marathon, ids).await?;
    let settle = job.context.timing.settle;
    let now = job.context.clock.elapsed();
    let standings: Vec<(&Planned, Standing)> = planned
        .iter()
        .map(|p| {
            let spec = specs.as_ref().and_then(|all| all.get(&p.id));
            let version = version_given(deploy, &p.id);
            let given = spec.map(|spec| Given { spec, version });
            (*p, seen.of(&p.id, given.as_ref(), &look, now, settle))
        })
        .collect();
    progress(job, deploy, &standings).await?;
    let of_others = |p: &&&Planned| {
        let app = look.apps.get(&p.id);
        app.is_some_and(|a| !rollout::is_of(a, &job.app.id))
    };
    if let Some(lost) = planned.iter().find(of_others) {
        let sentence = format!(
            "{} does not carry the label of {} any more: somebody else changed it in Marathon while it was rolling",
            lost.id, job.app.id
        );
        return ending(job, deploy, Sentence::new(Code::NotOurs, sentence)).await;
    }
    if let Some((alien, _)) = standings.iter().find(|(_, s)| s.alien) {
        let sentence = format!(
            "somebody else changed {} in Marathon while it was rolling",
            alien.id
        );
        return ending(job, deploy, Sentence::new(Code::Cancelled, sentence)).await;
    }
    let ours_gone = deploy
        .marathon_deployments()
        .iter()
        .all(|id| look.deployments.iter().all(|d| d.id != *id));
    if ours_gone && standings.iter().all(|(_, s)| s.done) {
        return finish(job, deploy, &look).await;
    }
    judge(job, deploy, following, &standings).await
}

/// The specs of the services that the deploy is about.
async fn specs(
    job: &Job<'_>,
    deploy: &Deploy,
) -> Result<BTreeMap<ServiceId, Value>, super::StepError> {
    let Some(files) = &deploy.files else {
        return Ok(BTreeMap::new());
    };
    // what was read once is stored; where it is not any more nothing can be compared
    let Ok(commit) = job.context.stored_commit(&job.app.id, files.clone()).await else {
        return Ok(BTreeMap::new());
    };
    Ok(commit
        .services
        .into_iter()
        .map(|s| (s.id, s.spec))
        .collect())
}

/// The version that Marathon gave a service when it was told to change it last.
fn version_given<'a>(deploy: &'a Deploy, id: &ServiceId) -> Option<&'a str> {
    let calls = deploy.accepted.iter().rev();
    calls
        .filter(|a| matches!(a.call, Call::Put | Call::Restart))
        .find(|a| a.services.contains(id))?
        .version
        .as_deref()
}

/// Writes down the stages that changed.
async fn progress(
    job: &Job<'_>,
    deploy: &Deploy,
    standings: &[(&Planned, Standing)],
) -> Result<(), super::StepError> {
    let mut facts = Vec::new();
    for (planned, standing) in standings {
        let before = deploy.progress.get(&planned.id).map(|p| p.stage.as_str());
        let written = deploy.progress_events + u32::try_from(facts.len()).unwrap_or(u32::MAX);
        if before != Some(standing.stage) && written < MOST_PROGRESS {
            facts.push(Fact::ServiceProgressed {
                id: planned.id.clone(),
                stage: standing.stage.to_owned(),
                sentence: standing.trouble.as_ref().map(|t| t.sentence.clone()),
            });
        }
    }
    if !facts.is_empty() {
        job.record(deploy.number, facts).await?;
    }
    Ok(())
}

/// Whether to go on looking, or to end it.
async fn judge(
    job: &Job<'_>,
    deploy: &Deploy,
    following: &mut Following,
    standings: &[(&Planned, Standing)],
) -> Step {
    let timing = &job.context.timing;
    following.sees(job.context.clock.elapsed());
    let now = following.observed;
    let well: u32 = standings.iter().map(|(_, s)| s.well).sum();
    if following.progress_at.is_none() || well > following.best {
        following.progress_at = Some(now);
        following.best = well;
    }
    if let Some((_, hopeless)) = standings.iter().find(|(_, s)| s.hopeless) {
        let why = hopeless
            .trouble
            .clone()
            .unwrap_or_else(|| late(standings, Duration::ZERO));
        return ending(job, deploy, why).await;
    }
    let trouble = standings.iter().find_map(|(_, s)| s.trouble.clone());
    let since = following.cause_since(trouble.as_ref(), now);
    if let (Some(next), Some(why)) = (&job.app.waiting, &trouble)
        && since.is_some_and(|s| now.saturating_sub(s) >= timing.overtake)
    {
        let sentence = format!("{}; overtaken by {}", why.sentence, next.number);
        job.record(
            deploy.number,
            vec![Fact::DeployFailed {
                code: why.code.clone(),
                sentence,
                services: Vec::new(),
            }],
        )
        .await?;
        return Ok(Next::Again);
    }
    let deadline = job
        .app
        .settings
        .deadline
        .map_or(timing.deadline, Duration::from_secs);
    let quiet = following
        .progress_at
        .map(|p| now.saturating_sub(p))
        .unwrap_or_default();
    if quiet >= deadline.max(longest_grace(job, deploy).await?) {
        let why = trouble.unwrap_or_else(|| late(standings, quiet));
        return ending(job, deploy, why).await;
    }
    Ok(Next::After(timing.look))
}

impl Following {
    /// Since when there is a cause of failure; a task that is killed for its health and started again continues it.
    fn cause_since(&mut self, trouble: Option<&Sentence>, now: Duration) -> Option<Duration> {
        match (trouble, &self.cause) {
            (Some(why), Some((code, since))) if *code == why.code => Some(*since),
            (Some(why), _) => {
                self.cause = Some((why.code.clone(), now));
                Some(now)
            }
            // it may be between two tries: the cause ends only with progress
            (None, Some((_, since))) if self.progress_at.is_some_and(|p| p < *since) => {
                Some(*since)
            }
            (None, _) => {
                self.cause = None;
                None
            }
        }
    }
}

/// A task inside its grace period is not late yet.
async fn longest_grace(job: &Job<'_>, deploy: &Deploy) -> Result<Duration, super::StepError> {
    let Some(files) = &deploy.files else {
        return Ok(Duration::ZERO);
    };
    let Ok(commit) = job.context.stored_commit(&job.app.id, files.clone()).await else {
        return Ok(Duration::ZERO);
    };
    let changed = |id: &ServiceId| deploy.plan.iter().flatten().any(|p| p.id == *id);
    let grace = commit
        .services
        .iter()
        .filter(|s| changed(&s.id))
        .flat_map(|s| {
            let checks = s
                .spec
                .get("healthChecks")
                .and_then(serde_json::Value::as_array);
            checks.into_iter().flatten().map(|c| {
                c.get("gracePeriodSeconds")
                    .and_then(serde_json::Value::as_u64)
                    .unwrap_or(300)
            })
        });
    Ok(Duration::from_secs(grace.max().unwrap_or(0)))
}

fn late(standings: &[(&Planned, Standing)], quiet: Duration) -> Sentence {
    let named: Vec<_> = standings.iter().map(|(p, s)| (&p.id, s)).collect();
    deadline_sentence(&named, quiet)
}

async fn ending(job: &Job<'_>, deploy: &Deploy, why: Sentence) -> Step {
    let fact = Fact::DeployEnding {
        outcome: Ending::Failed,
        code: why.code,
        sentence: why.sentence,
    };
    job.record(deploy.number, vec![fact]).await?;
    Ok(Next::Again)
}

/// A plan whose services only have to become well, without any call.
pub(super) async fn without_calls(job: &Job<'_>, deploy: &Deploy) -> Step {
    let removals_only = deploy
        .plan
        .iter()
        .flatten()
        .all(|p| p.change == Action::Remove);
    if removals_only {
        let look = rollout::look(&job.context.marathon, BTreeSet::new()).await?;
        return finish(job, deploy, &look).await;
    }
    Ok(Next::After(job.context.timing.look))
}

/// All is well: go back to the wanted counts, remove what left, and say so.
async fn finish(job: &Job<'_>, deploy: &Deploy, look: &Look) -> Step {
    for (id, instances) in &deploy.raised {
        if look.apps.get(id).is_some_and(|a| a.instances != *instances) {
            let service = Intended {
                id: id.clone(),
                spec: None,
                version: None,
            };
            let intent = ApplyIntended {
                call: Call::Scale,
                body: None,
                force: false,
                services: vec![service],
                target: Vec::new(),
                raised: BTreeMap::new(),
            };
            job.record(deploy.number, vec![Fact::ApplyIntended(Box::new(intent))])
                .await?;
            let answer = job.context.marathon.scale(id, *instances, false).await?;
            let fact = Fact::ApplyAccepted {
                call: Call::Scale,
                marathon_deployment: answer.deployment_id,
                version: answer.version,
                services: vec![id.clone()],
            };
            job.record(deploy.number, vec![fact]).await?;
            return Ok(Next::Again);
        }
    }
    for planned in deploy
        .plan
        .iter()
        .flatten()
        .filter(|p| p.change == Action::Remove)
    {
        let live = job.context.marathon.app(&planned.id).await?;
        let ours = live.is_some_and(|a| rollout::is_of(&a, &job.app.id));
        if job.app.services.contains_key(&planned.id) || ours {
            return destroy::remove(job, &planned.id, false).await;
        }
    }
    let mut services = retreat::outcomes(deploy, look);
    for outcome in &mut services {
        outcome.rendering = look.apps.get(&outcome.id).map(|a| rendering(&a.raw));
    }
    let changed = services
        .iter()
        .filter(|s| s.change != Action::Unchanged)
        .count();
    let sentence = format!(
        "{changed} {} changed, all healthy",
        if changed == 1 { "service" } else { "services" }
    );
    let orphans = orphans(job, deploy).await?;
    job.record(
        deploy.number,
        vec![Fact::DeploySucceeded {
            services,
            orphans,
            sentence,
        }],
    )
    .await?;
    Ok(Next::Again)
}

/// Services of ours that still run although the commit has no spec of them.
async fn orphans(job: &Job<'_>, deploy: &Deploy) -> Result<Vec<ServiceId>, super::StepError> {
    let Some(files) = &deploy.files else {
        return Ok(Vec::new());
    };
    let Ok(commit) = job.context.stored_commit(&job.app.id, files.clone()).await else {
        return Ok(Vec::new());
    };
    let ours = rollout::ours(&job.context.marathon, job.app.id.as_str()).await?;
    Ok(ours
        .into_iter()
        .filter(|id| commit.services.iter().all(|s| s.id != *id))
        .collect())
}

//! Following a rollout to its end. "Succeeded" is: our Marathon deployment is gone, every service has our
//! configuration, all instances run it and are well. Polling decides; Marathon's events only wake.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::following::Following;
use super::job::Job;
use super::{Next, Step, StepError, apply, companion, deadline, finish};
use crate::event::{Action, Call, Fact, Planned};
use crate::history::{Accepted, Deploy};
use crate::id::ServiceId;
use crate::marathon::LiveApp;
use crate::rollout::{self, Given, Look, Standing, deadline_sentence};
use crate::sentence::{Code, Sentence};
use crate::spec::{deviation, rendering};

/// At most so many stages are written down for a deploy, and fewer where it is of few services.
const MOST_PROGRESS: usize = 50;

/// Of so many services in trouble it is said at the end how they are.
const MOST_LAST_WORDS: usize = 10;

pub(super) async fn step(job: &Job<'_>, deploy: &Deploy, following: &mut Following) -> Step {
    if let Some((id, spec)) = apply::next_restart(deploy, following) {
        let live = job.context.marathon.app(&id).await?;
        if live
            .as_ref()
            .is_some_and(|a| !rollout::is_of(a, &job.app.id))
        {
            let sentence = format!(
                "{} does not carry the label of {} any more; it is not restarted",
                id, job.app.id
            );
            return ending(job, deploy, Sentence::new(Code::NotOurs, sentence)).await;
        }
        // what this deploy gave it holds others too: it is not ended for the restart of one
        let mut holding = live.iter().flat_map(LiveApp::deployments);
        if !holding.any(|d| deploy.began(d)) {
            return apply::restart(job, deploy, following, (&id, spec), live.as_ref()).await;
        }
    }
    if let Some(next) = companion::restart(job, deploy, following).await? {
        return Ok(next);
    }
    watch(job, deploy, following).await
}

/// Looks at how it gets on.
pub(super) async fn watch(job: &Job<'_>, deploy: &Deploy, following: &mut Following) -> Step {
    let planned: Vec<&Planned> = deploy
        .plan
        .iter()
        .flatten()
        .filter(|p| p.change != Action::Remove)
        .collect();
    following.recall(job).await?;
    if following.specs.is_none() {
        following.specs = Some(specs(job, deploy).await?);
    }
    let Following {
        standings: seen,
        specs,
        ..
    } = following;
    let ids = planned.iter().map(|p| p.id.clone()).collect();
    let look = job.look(ids).await?;
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
    if let Some(why) = taken(job, deploy, &standings, &look) {
        return ending(job, deploy, why).await;
    }
    let of_the_plan = |a: &&Accepted| a.services.iter().any(|id| deploy.plans(id));
    let ours_gone = deploy
        .life
        .rollout()
        .iter()
        .filter(of_the_plan)
        .filter_map(|a| a.marathon_deployment.as_ref())
        .all(|id| look.deployments.iter().all(|d| d.id != *id));
    if ours_gone && left_old(deploy, &planned, &look, following) {
        return Ok(Next::Again);
    }
    if ours_gone && standings.iter().all(|(_, s)| s.done) {
        let ids = beside(deploy, following);
        let around = job.look(ids.keys().cloned().collect()).await?;
        if let Some(why) = changed_meanwhile(job, &ids, &around) {
            return ending(job, deploy, why).await;
        }
        let settle = job.context.timing.settle;
        let now = job.context.clock.elapsed();
        let unchanged: Vec<Planned> = ids.keys().map(as_it_is).collect();
        let seen = &mut following.standings;
        let rest: Vec<(&Planned, Standing)> = unchanged
            .iter()
            .map(|p| (p, seen.of(&p.id, None, &around, now, settle)))
            .filter(|(_, s)| !s.complete)
            .collect();
        if !rest.is_empty() {
            // what the commit consists of is not all well: it is waited for like what was changed
            progress(job, deploy, &rest).await?;
            return judge(job, deploy, following, &rest, &around).await;
        }
        let since = *following.done_since.get_or_insert(now);
        let left = companion::all(deploy, following)
            .iter()
            .any(|id| !following.left_alone.contains(id));
        if left && now.saturating_sub(since) < job.context.timing.overtake {
            return Ok(Next::After(job.context.timing.look));
        }
        return finish::finish(job, deploy, following, &look).await;
    }
    if !ours_gone
        && standings.iter().all(|(_, s)| s.done)
        && let Some(next) = companion::outlast(job, deploy, following, &look).await?
    {
        return Ok(next);
    }
    following.done_since = None;
    judge(job, deploy, following, &standings, &look).await
}

/// What somebody else did to a service while it was rolling.
fn taken(
    job: &Job<'_>,
    deploy: &Deploy,
    standings: &[(&Planned, Standing)],
    look: &Look,
) -> Option<Sentence> {
    let ids = || standings.iter().map(|(p, _)| &p.id);
    let of_others = |id: &&ServiceId| {
        let app = look.apps.get(*id);
        app.is_some_and(|a| !rollout::is_of(a, &job.app.id))
    };
    if let Some(lost) = ids().find(of_others) {
        let sentence = format!(
            "{lost} does not carry the label of {} any more: somebody else changed it in Marathon while it was rolling",
            job.app.id
        );
        return Some(Sentence::new(Code::NotOurs, sentence));
    }
    let (what, id) = if let Some((alien, _)) = standings.iter().find(|(_, s)| s.alien) {
        ("changed", &alien.id)
    } else {
        // what was accepted is there at once
        let is_gone =
            |id: &&ServiceId| version_given(deploy, id).is_some() && !look.apps.contains_key(*id);
        ("removed", ids().find(is_gone)?)
    };
    let sentence = format!("somebody else {what} {id} in Marathon while it was rolling");
    Some(Sentence::new(Code::Cancelled, sentence))
}

/// Whether old tasks stay where nothing is under way and all instances are there: where only the count was left to change,
/// Marathon keeps them. Their services are to be restarted.
fn left_old(deploy: &Deploy, planned: &[&Planned], look: &Look, following: &mut Following) -> bool {
    let stays_old = |app: &LiveApp| {
        let whole = u32::try_from(app.tasks.len()) == Ok(app.instances) && look.hidden(app) == 0;
        let old = app.tasks.iter().any(|t| !app.is_current(t));
        app.deployments().is_empty() && whole && old
    };
    let ids = planned.iter().map(|p| &p.id);
    let old = ids.filter(|id| look.apps.get(*id).is_some_and(stays_old));
    let companions = &following.companions;
    let fresh = old.filter(|id| !deploy.has_restarted(id) && !companions.contains(*id));
    let fresh: Vec<ServiceId> = fresh.cloned().collect();
    // what was too crowded to be restarted is not any more
    following.left_alone.retain(|id| !fresh.contains(id));
    following.companions.extend(fresh.iter().cloned());
    !fresh.is_empty()
}

/// The specs of the services that the deploy is about.
async fn specs(job: &Job<'_>, deploy: &Deploy) -> Result<BTreeMap<ServiceId, Value>, StepError> {
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
    let calls = deploy.life.rollout().iter().rev();
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
) -> Result<(), StepError> {
    let mut facts = Vec::new();
    let services = deploy.plan.as_ref().map_or(1, Vec::len);
    let most = MOST_PROGRESS.min(8 + 10 * services);
    for (planned, standing) in standings {
        let before = deploy.progress.get(&planned.id).map(|p| p.stage.as_str());
        let written = deploy.progress_events as usize + facts.len();
        if before != Some(standing.stage) && written < most {
            facts.push(Fact::ServiceProgressed {
                id: planned.id.clone(),
                stage: standing.stage.to_owned(),
                sentence: standing.reason().map(|t| t.sentence.clone()),
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
    look: &Look,
) -> Step {
    let timing = &job.context.timing;
    let rounds = look.apps.values().map(LiveApp::check_round);
    let round = rounds.max().unwrap_or_default();
    following.sees(job.context.clock.elapsed(), round);
    let now = following.observed;
    following.gets_on(standings.iter().map(|(p, s)| (&p.id, s.fresh)));
    following.keep(job).await?;
    if let Some((_, hopeless)) = standings.iter().find(|(_, s)| s.hopeless) {
        let why = hopeless
            .trouble
            .clone()
            .unwrap_or_else(|| late(standings, Duration::ZERO));
        return gives_up(job, deploy, standings, why).await;
    }
    let trouble = standings.iter().find_map(|(_, s)| s.trouble.clone());
    let since = following.cause_since(trouble.as_ref(), now);
    if let (Some(next), Some(why)) = (&job.app.waiting, &trouble)
        && since.is_some_and(|s| now.saturating_sub(s) >= timing.overtake)
    {
        let sentence = format!("{}; overtaken by {}", why.sentence, next.number);
        let mut facts = last_words(deploy, standings);
        facts.push(Fact::DeployFailed {
            code: why.code.clone(),
            sentence,
            services: Vec::new(),
        });
        job.record(deploy.number, facts).await?;
        return Ok(Next::Again);
    }
    let quiet = following
        .progress_at
        .map(|p| now.saturating_sub(p))
        .unwrap_or_default();
    if quiet >= deadline::of(job, deploy, standings).await? {
        let why = trouble.unwrap_or_else(|| late(standings, quiet));
        return gives_up(job, deploy, standings, why).await;
    }
    Ok(Next::After(timing.look))
}

/// Ends it.
async fn gives_up(
    job: &Job<'_>,
    deploy: &Deploy,
    standings: &[(&Planned, Standing)],
    why: Sentence,
) -> Step {
    let mut facts = last_words(deploy, standings);
    facts.push(Fact::fails(why));
    job.record(deploy.number, facts).await?;
    Ok(Next::Again)
}

/// At its end, what is said of the services that are in trouble is as it is now, not as it was when that began.
fn last_words(deploy: &Deploy, standings: &[(&Planned, Standing)]) -> Vec<Fact> {
    let changed = standings.iter().filter_map(|(planned, standing)| {
        let now = standing.trouble.as_ref()?;
        let before = deploy.progress.get(&planned.id)?;
        let same = before.sentence.as_ref() == Some(&now.sentence);
        (!same && before.stage == standing.stage).then(|| Fact::ServiceProgressed {
            id: planned.id.clone(),
            stage: standing.stage.to_owned(),
            sentence: Some(now.sentence.clone()),
        })
    });
    changed.take(MOST_LAST_WORDS).collect()
}

fn late(standings: &[(&Planned, Standing)], quiet: Duration) -> Sentence {
    let named: Vec<_> = standings.iter().map(|(p, s)| (&p.id, s)).collect();
    deadline_sentence(&named, quiet)
}

async fn ending(job: &Job<'_>, deploy: &Deploy, why: Sentence) -> Step {
    job.record(deploy.number, vec![Fact::fails(why)]).await?;
    Ok(Next::Again)
}

/// A plan whose services only have to become well, without any call.
pub(super) async fn without_calls(
    job: &Job<'_>,
    deploy: &Deploy,
    following: &mut Following,
) -> Step {
    let removals_only = deploy
        .plan
        .iter()
        .flatten()
        .all(|p| p.change == Action::Remove);
    if removals_only {
        let look = rollout::look(&job.context.marathon, BTreeSet::new()).await?;
        return finish::finish(job, deploy, following, &look).await;
    }
    watch(job, deploy, following).await
}

/// The services of the commit that were right when it was planned, and their specs.
fn beside(deploy: &Deploy, following: &Following) -> BTreeMap<ServiceId, Value> {
    let wanted = |id: &ServiceId| deploy.wanted.only.as_ref().is_none_or(|only| only == id);
    let all = following.specs.iter().flatten();
    let beside = all.filter(|(id, _)| wanted(id) && !deploy.plans(id));
    beside
        .map(|(id, spec)| (id.clone(), spec.clone()))
        .collect()
}

fn as_it_is(id: &ServiceId) -> Planned {
    Planned {
        id: id.clone(),
        change: Action::Unchanged,
        spec: None,
        instances: None,
    }
}

/// One of these services that somebody changed since.
fn changed_meanwhile(
    job: &Job<'_>,
    specs: &BTreeMap<ServiceId, Value>,
    look: &Look,
) -> Option<Sentence> {
    specs.iter().find_map(|(id, spec)| {
        let Some(app) = look.apps.get(id) else {
            let why = format!("somebody else removed {id} in Marathon meanwhile");
            return Some(Sentence::new(Code::Cancelled, why));
        };
        if !rollout::is_of(app, &job.app.id) {
            let why = format!("{id} does not carry the label of {} any more", job.app.id);
            return Some(Sentence::new(Code::NotOurs, why));
        }
        // it may differ from the spec in what was there when it was right
        let left = job.app.services.get(id).and_then(|r| r.rendering.as_ref());
        let same = left == Some(&rendering(&app.raw)) || deviation(&app.raw, spec).is_none();
        (!same).then(|| {
            let why = format!("somebody else changed {id} in Marathon meanwhile");
            Sentence::new(Code::Cancelled, why)
        })
    })
}

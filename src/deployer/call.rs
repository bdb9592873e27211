//! Calls that change Marathon. Each is written down before it is made, and settled exactly once: accepted, refused, or found
//! not to have arrived. What became of it is found out also when its deploy has ended meanwhile.

use serde_json::Value;

use super::job::Job;
use super::{Next, Step, StepError, owner};
use crate::event::{ApplyIntended, Call, Fact, Intended};
use crate::history::{App, Command, Intent};
use crate::id::{DeployNumber, ServiceId};
use crate::marathon::{Deployed, LiveApp, MarathonError};
use crate::rollout;
use crate::sentence::{Code, Sentence};

/// What came of a call.
pub(super) enum Made {
    /// Marathon took it.
    Accepted,
    /// Marathon understood and refused it.
    Refused,
    /// It has not arrived, and may be made again.
    NotYet(MarathonError),
}

/// What follows where Marathon refuses.
pub(super) type IfRefused<'a> = &'a (dyn Fn(Sentence) -> Option<Fact> + Sync);

/// A call without body, target and raised counts.
pub(super) fn plain(call: Call, force: bool, services: Vec<Intended>) -> ApplyIntended {
    ApplyIntended {
        call,
        body: None,
        force,
        services,
        target: Vec::new(),
        raised: std::collections::BTreeMap::new(),
    }
}

/// Writes down the intent and makes the call. The very same call that was intended before and certainly has not arrived is
/// made again without a word.
pub(super) async fn make(
    job: &Job<'_>,
    deploy: Option<DeployNumber>,
    intended: ApplyIntended,
    body: Option<&str>,
    if_refused: IfRefused<'_>,
) -> Result<Made, StepError> {
    let mut unsent = job.app.intents.iter();
    let same = unsent.find(|(key, i)| {
        i.deploy == deploy && i.intended == intended && job.memory.is_unsent(**key)
    });
    // who comes next, as an operator who forces it, does not wait for what another was refused
    let mut unsent = job.app.intents.iter();
    let refused = unsent.any(|(key, i)| i.deploy == deploy && job.memory.is_unsent(*key));
    if let Some(error) = job.memory.rests(job.context.clock.elapsed())
        && refused
        // what is seen in Marathon may be the end of a lock or of a deployment: the same is tried at once
        && !(same.is_some() && matches!(error, MarathonError::Locked(_) | MarathonError::Busy(_)))
    {
        return Ok(Made::NotYet(error));
    }
    let key = if let Some((key, _)) = same {
        *key
    } else {
        drop_unsent(job).await?;
        let intended = Box::new(intended.clone());
        job.command(Command::Intend { deploy, intended }).await?
    };
    job.memory.is_sent(key);
    let services: Vec<ServiceId> = intended.services.iter().map(|s| s.id.clone()).collect();
    let call = intended.call;
    let refused = |code: &str, sentence: &str| Fact::ApplyRefused {
        intent: Some(key),
        call,
        code: code.to_owned(),
        sentence: sentence.to_owned(),
        services: services.clone(),
    };
    let answer = send(job, &intended, body).await;
    job.memory.has_told(job.context.picture.moment());
    let (fact, then, made) = match answer {
        Ok(deployed) => {
            let fact = accepted(key, call, deployed, services.clone());
            (fact, None, Made::Accepted)
        }
        Err(MarathonError::Missing(_)) if call == Call::Delete => {
            let gone = Deployed::default();
            let fact = accepted(key, call, gone, services.clone());
            (fact, None, Made::Accepted)
        }
        // nobody can do without it: it is tried again
        Err(MarathonError::Refused(why)) if must_be(job.app, deploy, &intended) => {
            let error = match call {
                Call::Scale | Call::Delete => MarathonError::Refused(why),
                _ => MarathonError::Unreachable(why.sentence),
            };
            return Ok(not_yet(job, key, error));
        }
        Err(MarathonError::Refused(why)) => {
            let fact = refused(&why.code, &why.sentence);
            (fact, if_refused(why), Made::Refused)
        }
        Err(MarathonError::Missing(why)) => {
            let why = Sentence::new(Code::Rejected, why);
            let fact = refused(&why.code, &why.sentence);
            (fact, if_refused(why), Made::Refused)
        }
        // it may have arrived: it is looked into once it cannot arrive any more
        Err(error @ MarathonError::Unreachable(_)) => return Err(error.into()),
        Err(
            error @ (MarathonError::Locked(_)
            | MarathonError::Busy(_)
            | MarathonError::Unauthorized(_)),
        ) => {
            return Ok(not_yet(job, key, error));
        }
    };
    job.memory.is_taken();
    settle(job, key, fact, then).await?;
    Ok(made)
}

/// Marathon refuses for a while: it certainly has not arrived.
fn not_yet(job: &Job<'_>, key: i64, error: MarathonError) -> Made {
    let (now, timing) = (job.context.clock.elapsed(), &job.context.timing);
    job.memory.is_refused(key, now, timing, error.clone());
    Made::NotYet(error)
}

/// Whether a call is made until Marathon takes it: what makes room, what is to go, and what is owed where no deploy waits for it.
fn must_be(app: &App, deploy: Option<DeployNumber>, intended: &ApplyIntended) -> bool {
    let is_owed = |id: &ServiceId| {
        let wished = app.services.get(id).is_some_and(|s| s.scale.is_some());
        app.debts.contains_key(id) && !wished
    };
    match intended.call {
        Call::Wipe | Call::Cancel | Call::Delete => true,
        Call::Scale => deploy.is_none() && intended.services.iter().any(|s| is_owed(&s.id)),
        Call::Put | Call::Restart => false,
    }
}

async fn send(
    job: &Job<'_>,
    intended: &ApplyIntended,
    body: Option<&str>,
) -> Result<Deployed, MarathonError> {
    let (marathon, force) = (&job.context.marathon, intended.force);
    let turns = &job.context.turns;
    let begins = !matches!(intended.call, Call::Wipe | Call::Cancel);
    let (who, now) = (job.app.id.as_str(), job.context.clock.elapsed());
    if begins && !turns.is_next(who, now) {
        let why = "Marathon runs as many deployments as it can, and others wait for longer";
        return Err(MarathonError::Busy(why.to_owned()));
    }
    let service = intended.services.first();
    let missing = || MarathonError::Missing("a call of no service".to_owned());
    let answer = match intended.call {
        Call::Put => {
            let names: Vec<String> = intended.services.iter().map(|s| s.id.to_string()).collect();
            marathon.put_apps(body.unwrap_or("[]"), &names, force).await
        }
        Call::Restart => {
            marathon
                .restart(&service.ok_or_else(missing)?.id, force)
                .await
        }
        Call::Delete => {
            marathon
                .delete_app(&service.ok_or_else(missing)?.id, force)
                .await
        }
        Call::Scale => {
            let service = service.ok_or_else(missing)?;
            let count = service.count.unwrap_or_default();
            marathon.scale(&service.id, count, force).await
        }
        Call::Wipe => marathon
            .wipe(&intended.target)
            .await
            .map(|()| Deployed::default()),
        Call::Cancel => {
            for deployment in &intended.target {
                marathon.cancel(deployment).await?;
            }
            Ok(Deployed::default())
        }
    };
    match &answer {
        Err(MarathonError::Busy(_)) => turns.waits(who, now),
        _ => turns.leaves(who),
    }
    answer
}

fn accepted(key: i64, call: Call, deployed: Deployed, services: Vec<ServiceId>) -> Fact {
    Fact::ApplyAccepted {
        intent: Some(key),
        call,
        marathon_deployment: deployed.deployment_id,
        version: deployed.version,
        services,
    }
}

async fn settle(job: &Job<'_>, key: i64, fact: Fact, then: Option<Fact>) -> Result<(), StepError> {
    let command = Command::Settle {
        intent: key,
        fact: Box::new(fact),
        then: then.map(Box::new),
    };
    job.command(command).await?;
    job.memory.is_settled(key);
    Ok(())
}

/// Gives up the calls that certainly have not arrived: something else is wanted now. Answers whether there was one.
pub(super) async fn drop_unsent(job: &Job<'_>) -> Result<bool, StepError> {
    let mut any = false;
    for (key, intent) in &job.app.intents {
        if job.memory.is_unsent(*key) {
            let why = "it could not be made, and something else is wanted now";
            settle(job, *key, not_arrived(*key, intent, why), None).await?;
            any = true;
        }
    }
    Ok(any)
}

fn not_arrived(key: i64, intent: &Intent, why: &str) -> Fact {
    let services = intent.intended.services.iter();
    Fact::ApplyRefused {
        intent: Some(key),
        call: intent.intended.call,
        code: Code::NotApplied.into(),
        sentence: why.to_owned(),
        services: services.map(|s| s.id.clone()).collect(),
    }
}

/// Finds out what became of the calls that are open; nothing where all of them are known not to have arrived and may be made
/// again.
pub(super) async fn look_into(job: &Job<'_>) -> Result<Option<Next>, StepError> {
    for (key, intent) in &job.app.intents {
        if !job.memory.is_unsent(*key) {
            return look_into_one(job, *key, intent).await.map(Some);
        }
        if !goes_on(job.app, *key, intent) {
            let why = "it could not be made before its deploy ended";
            settle(job, *key, not_arrived(*key, intent, why), None).await?;
            return Ok(Some(Next::Again));
        }
    }
    Ok(None)
}

/// Whether who intended a call is still about to make it.
fn goes_on(app: &App, key: i64, intent: &Intent) -> bool {
    match intent.deploy {
        Some(_) => app.running.as_ref().and_then(|d| d.life.intent()) == Some(key),
        None => app.running.is_none(),
    }
}

/// A call without an answer: the process died or the reply was lost. Marathon is asked whether it arrived; once it cannot
/// arrive any more, it did not.
async fn look_into_one(job: &Job<'_>, key: i64, intent: &Intent) -> Step {
    let now = job.context.clock.elapsed();
    let waited = job.memory.unanswered_for(key, now);
    if let Some(deployed) = arrived(job, &intent.intended).await? {
        let services = intent.intended.services.iter();
        let services = services.map(|s| s.id.clone()).collect();
        let fact = accepted(key, intent.intended.call, deployed, services);
        // it came later than it was sent: what was seen before this look decides nothing
        job.memory.has_told(job.context.picture.moment());
        settle(job, key, fact, None).await?;
        return Ok(Next::Again);
    }
    let patience = job.context.timing.http;
    if waited < patience {
        return Ok(Next::WaitAtMost(patience.saturating_sub(waited)));
    }
    if goes_on(job.app, key, intent) {
        // the same may be wanted still: then it is made again
        job.memory.has_not_arrived(key);
        return Ok(Next::Again);
    }
    let why = "the answer never came and Marathon does not show the change";
    settle(job, key, not_arrived(key, intent, why), None).await?;
    Ok(Next::Again)
}

/// Whether Marathon carried out a call, and what it answered, as far as that can be seen.
async fn arrived(job: &Job<'_>, intended: &ApplyIntended) -> Result<Option<Deployed>, StepError> {
    let marathon = &job.context.marathon;
    match intended.call {
        Call::Wipe => {
            // what is still there was not taken away; who is never launched cannot be seen
            return Ok(None);
        }
        Call::Cancel => {
            let running = marathon.deployments().await?;
            let gone = intended
                .target
                .iter()
                .all(|t| running.iter().all(|d| d.id != *t));
            return Ok(gone.then(Deployed::default));
        }
        Call::Put | Call::Restart | Call::Scale | Call::Delete => {}
    }
    let ids = intended.services.iter().map(|s| s.id.clone()).collect();
    let apps = rollout::apps(marathon, ids).await?;
    let bodies = owner::bodies(job, intended.body.as_ref()).await?;
    for service in &intended.services {
        let Some(app) = apps.get(&service.id) else {
            if intended.call == Call::Delete {
                return Ok(Some(Deployed::default()));
            }
            continue;
        };
        if is_changed(intended.call, service, app, bodies.get(&service.id)) {
            let known = |id: &str| {
                let mut told = job.app.told.iter();
                told.any(|t| t.marathon_deployment.as_deref() == Some(id))
            };
            let deployments = app.deployments();
            let deployment = deployments.into_iter().find(|d| !known(d));
            return Ok(Some(Deployed {
                version: Some(app.version.clone()),
                deployment_id: deployment.map(str::to_owned),
            }));
        }
    }
    Ok(None)
}

/// Whether a service shows what a call was to make of it.
fn is_changed(call: Call, service: &Intended, app: &LiveApp, body: Option<&Value>) -> bool {
    let another = service.version.as_deref() != Some(app.version.as_str());
    // restarting and scaling leave the configuration as old as it was
    let before = service.version.as_deref().unwrap_or_default();
    let same_configuration = app.configured() <= before;
    match call {
        Call::Put => {
            another
                && match body {
                    Some(body) => owner::is_as_given(app, body),
                    None => rollout::labelled(app) == service.spec,
                }
        }
        Call::Restart => {
            let same = service.count.is_none_or(|count| count == app.instances);
            another && same_configuration && same && rollout::labelled(app) == service.spec
        }
        Call::Scale => another && same_configuration && service.count == Some(app.instances),
        Call::Delete | Call::Wipe | Call::Cancel => false,
    }
}

//! What operators command: rollback, deploy, cancel, pin, lock, scale, adopt, destroy.

use std::collections::BTreeSet;

use super::command::{Answer, Command, Known, Refusal, Target};
use super::draft::{Draft, wanted};
use super::planned::{as_planned, plan_token};
use super::state::{App, Held};
use crate::event::{Cause, DeployQueued, DeployRef, Ending, Fact, ResumeWhen, RollbackRequested};
use crate::id::{CommitId, DeployNumber, ServiceId};
use crate::sentence::Code;

pub(super) fn operate(
    draft: &mut Draft<'_>,
    app: &App,
    known: &Known,
    command: &Command,
) -> Result<Answer, Refusal> {
    match command {
        Command::Rollback(target) => rollback(draft, app, target),
        Command::Deploy(target) => deploy(draft, app, target, Cause::Cli),
        Command::Redeploy(target) => deploy(draft, app, target, Cause::Redeploy),
        Command::Cancel { deploy, reason } => cancel(draft, app, *deploy, reason.as_deref()),
        Command::Resume { reason } => Ok(resume(draft, app, reason.clone())),
        Command::Lock { reason, until } => {
            lock(draft, app, reason, until.as_ref());
            Ok(Answer::Done)
        }
        Command::LockEnds { until } => {
            // another one, or none, is in its place
            if app.lock.as_ref().and_then(|l| l.until.as_ref()) != Some(until) {
                return Ok(Answer::Unchanged);
            }
            let reason = "its time is over".to_owned();
            Ok(unlock(draft, app, known, Some(reason)))
        }
        Command::Unlock { reason } => Ok(unlock(draft, app, known, reason.clone())),
        Command::Scale {
            service,
            old,
            new,
            override_lock,
        } => {
            unlocked(app, *override_lock)?;
            idle(app)?;
            draft.app(Fact::ServiceScaled {
                id: service.clone(),
                old: *old,
                new: *new,
            });
            Ok(Answer::Done)
        }
        Command::Adopt { services } => {
            let stands_at = stands_at(app)?;
            unlocked(app, false)?;
            if !services.is_empty() {
                draft.app(Fact::AppAdopted {
                    services: services.clone(),
                });
            }
            Ok(Answer::Queued(draft.queue_behind(app, stands_at)))
        }
        Command::Destroy {
            keep_services,
            override_lock,
        } => {
            unlocked(app, *override_lock)?;
            Ok(destroy(draft, app, known, *keep_services))
        }
        Command::Shown(shown) => {
            let token = plan_token(app, &shown.of, shown.only.as_ref());
            let stands = match &shown.command {
                Command::Adopt { .. } => stands_at(app).ok().map(|d| d.commit),
                _ => head(app),
            };
            let moved = shown.commit.is_some() && shown.commit != stands;
            if moved || shown.plan != token {
                return Err(Refusal::PlanStale);
            }
            operate(draft, app, known, &shown.command)
        }
        _ => Err(Refusal::Stale),
    }
}

fn head(app: &App) -> Option<CommitId> {
    app.head.as_ref().map(|h| h.commit.clone())
}

/// A deploy of what the app stands at: its pin, or the head of its branch.
fn stands_at(app: &App) -> Result<DeployQueued, Refusal> {
    if let Some(pin) = &app.pin {
        return Ok(DeployQueued {
            specs_of: pin.deploy,
            ..wanted(&pin.commit, Cause::Redeploy, None, None)
        });
    }
    let head = head(app).ok_or_else(|| Refusal::Not("no head is known yet".to_owned()))?;
    Ok(wanted(&head, Cause::Cli, None, None))
}

fn unlocked(app: &App, overridden: bool) -> Result<(), Refusal> {
    match &app.lock {
        Some(lock) if !overridden => Err(Refusal::Locked(Box::new(lock.clone()))),
        _ => Ok(()),
    }
}

fn idle(app: &App) -> Result<(), Refusal> {
    match &app.running {
        Some(d) => Err(Refusal::Busy(
            d.number,
            format!("deploy {} is under way", d.number),
        )),
        None => Ok(()),
    }
}

fn rollback(draft: &mut Draft<'_>, app: &App, target: &Target) -> Result<Answer, Refusal> {
    unlocked(app, target.override_lock)?;
    as_planned(app, target, Cause::Rollback)?;
    if let Some(running) = app.running.as_ref().filter(|d| d.is_rollback()) {
        let sentence = format!(
            "rollback {} to {} is under way",
            running.number,
            running.wanted.commit.short()
        );
        return Err(Refusal::Busy(running.number, sentence));
    }
    let clean = app.services.values().all(|s| !s.dirty) && app.drift.is_empty();
    let there = app
        .live
        .as_ref()
        .is_some_and(|l| l.commit == target.to.commit);
    // who asks to stay until somebody resumes is not answered that nothing changes
    let stays = match &app.pin {
        Some(pin) => pin.commit == target.to.commit && pin.resume == target.resume,
        None => {
            head(app).as_ref() == Some(&target.to.commit) && target.resume == ResumeWhen::NextPush
        }
    };
    if there && stays && clean && app.running.is_none() && target.only.is_none() {
        return Ok(Answer::Unchanged);
    }
    let from = app.live.as_ref().map(|l| DeployRef {
        deploy: Some(l.deploy),
        commit: l.commit.clone(),
    });
    draft.app(Fact::RollbackRequested(Box::new(RollbackRequested {
        to: target.to.clone(),
        from,
        reason: target.reason.clone(),
        resume: target.resume,
        scale: target.scale,
        only: target.only.clone(),
    })));
    pin(draft, app, target);
    let sentence = format!(
        "rolled back to {} by {}",
        target.to.commit.short(),
        who(draft.actor)
    );
    end_touched(draft, app, &sentence);
    Ok(Answer::Queued(
        draft.queue(app, of_target(target, Cause::Rollback)),
    ))
}

/// Ends the running deploy where it touched Marathon already; what follows takes over its rollout.
fn end_touched(draft: &mut Draft<'_>, app: &App, sentence: &str) {
    if let Some(running) = app.running.as_ref().filter(|_| !app.running_untouched()) {
        let fact = match running.life.ending() {
            Some(ending) if ending.outcome == Ending::Failed => Fact::DeployFailed {
                code: ending.why.code.clone(),
                sentence: format!("{}; {sentence}", ending.why.sentence),
                services: Vec::new(),
            },
            _ => Fact::DeployCancelled {
                code: Code::Cancelled.into(),
                sentence: sentence.to_owned(),
                services: Vec::new(),
            },
        };
        draft.deploy(running.number, fact);
    }
}

fn pin(draft: &mut Draft<'_>, app: &App, target: &Target) {
    draft.app(Fact::AppPinned {
        commit: target.to.commit.clone(),
        deploy: target.to.deploy,
        reason: target.reason.clone(),
        resume: target.resume,
        head: head(app),
    });
}

fn of_target(target: &Target, cause: Cause) -> DeployQueued {
    DeployQueued {
        specs_of: target.specs_of,
        only: target.only.clone(),
        scale: target.scale,
        force: target.force,
        ..wanted(&target.to.commit, cause, None, target.reason.clone())
    }
}

fn deploy(
    draft: &mut Draft<'_>,
    app: &App,
    target: &Target,
    cause: Cause,
) -> Result<Answer, Refusal> {
    unlocked(app, target.override_lock)?;
    as_planned(app, target, cause)?;
    if let Some(running) = app.running.as_ref().filter(|d| d.is_rollback()) {
        let sentence = format!("rollback {} is under way", running.number);
        return Err(Refusal::Busy(running.number, sentence));
    }
    let is_head = head(app).as_ref() == Some(&target.to.commit);
    if !is_head && app.pin.as_ref().map(|p| &p.commit) != Some(&target.to.commit) {
        pin(draft, app, target);
    } else if is_head && app.pin.is_some() {
        draft.app(Fact::AppResumed {
            reason: target.reason.clone(),
            head: head(app),
        });
    }
    Ok(Answer::Queued(draft.queue(app, of_target(target, cause))))
}

fn cancel(
    draft: &mut Draft<'_>,
    app: &App,
    number: Option<DeployNumber>,
    reason: Option<&str>,
) -> Result<Answer, Refusal> {
    let deploy = match number {
        Some(number) => app.open_deploy(number),
        None => app.running.as_ref(),
    };
    let deploy = deploy.ok_or_else(|| Refusal::Not("no such deploy is under way".to_owned()))?;
    let because = reason.map(|r| format!(": {r}")).unwrap_or_default();
    let who = who(draft.actor);
    let (code, sentence) = (
        Code::Cancelled.into(),
        format!("cancelled by {who}{because}"),
    );
    if deploy.life.ending().is_some() {
        return Ok(Answer::Unchanged);
    }
    if deploy.touched {
        let ending = Fact::DeployEnding {
            outcome: Ending::Cancelled,
            code,
            sentence,
        };
        draft.deploy(deploy.number, ending);
    } else {
        draft.end_untouched(app, deploy, Ending::Cancelled, code, sentence);
    }
    Ok(Answer::Done)
}

fn resume(draft: &mut Draft<'_>, app: &App, reason: Option<String>) -> Answer {
    if app.pin.is_none() && app.held.is_none() {
        return Answer::Unchanged;
    }
    draft.app(Fact::AppResumed {
        reason: reason.clone(),
        head: head(app),
    });
    match (head(app), &app.lock) {
        (Some(head), None) => {
            end_rollback(draft, app);
            Answer::Queued(draft.queue_head(app, &head, Cause::Resume, reason))
        }
        _ => Answer::Done,
    }
}

/// A rollback that is under way is not what is wanted any more.
fn end_rollback(draft: &mut Draft<'_>, app: &App) {
    if app
        .running
        .as_ref()
        .is_some_and(super::deploy::Deploy::is_rollback)
    {
        let sentence = format!("resumed by {}", who(draft.actor));
        end_touched(draft, app, &sentence);
    }
}

/// Nobody deploys from now on: what follows the branch and has not touched Marathon is held like a push that comes later.
fn lock(draft: &mut Draft<'_>, app: &App, reason: &str, until: Option<&String>) {
    draft.app(Fact::AppLocked {
        reason: reason.to_owned(),
        head: head(app),
        until: until.cloned(),
    });
    let ends = until.map_or_else(String::new, |until| format!(" (until {until})"));
    let sentence = format!("locked by {}: {reason}{ends}", who(draft.actor));
    let untouched = app.running.as_ref().filter(|_| app.running_untouched());
    for deploy in untouched.into_iter().chain(&app.waiting) {
        if !deploy.wanted.cause.follows() {
            continue;
        }
        let code = Code::Cancelled.into();
        draft.end_untouched(app, deploy, Ending::Cancelled, code, sentence.clone());
        draft.app(Fact::PushHeld {
            commit: deploy.wanted.commit.clone(),
            code: Code::HeldByLock.into(),
            sentence: sentence.clone(),
        });
    }
}

fn unlock(draft: &mut Draft<'_>, app: &App, known: &Known, reason: Option<String>) -> Answer {
    if app.lock.is_none() {
        return Answer::Unchanged;
    }
    draft.app(Fact::AppUnlocked {
        reason: reason.clone(),
        head: head(app),
    });
    // what a first start met is not decided by lifting a lock
    let undecided = |h: &Held| h.why.is(Code::FirstStart);
    if app.held.as_ref().is_some_and(undecided) {
        return Answer::Done;
    }
    let live = app.live.as_ref().map(|l| &l.commit);
    let under_way = app.running.as_ref().map(|d| &d.wanted.commit);
    match head(app) {
        Some(head) if under_way == Some(&head) => Answer::Done,
        Some(head) if app.pin.is_none() && (live != Some(&head) || app.held.is_some()) => {
            Answer::Queued(draft.queue_head(app, &head, Cause::Unlock, reason))
        }
        // pushes held by the lock alone may be newer than the pin
        Some(head)
            if app.pin.as_ref().is_some_and(|p| {
                p.resume == ResumeWhen::NextPush && p.head.as_ref() != Some(&head) && !known.commit
            }) =>
        {
            Answer::Queued(draft.queue_head(app, &head, Cause::Push, reason))
        }
        _ => Answer::Done,
    }
}

fn destroy(draft: &mut Draft<'_>, app: &App, known: &Known, keep_services: bool) -> Answer {
    let services = if keep_services {
        Vec::new()
    } else {
        let all: BTreeSet<&ServiceId> = app.services.keys().chain(&app.orphans).collect();
        all.into_iter().cloned().collect()
    };
    let hook = if known.repository_shared {
        None
    } else {
        app.hook.id
    };
    draft.app(Fact::DestroyRequested {
        services,
        hook,
        keep_services,
    });
    if let Some(running) = &app.running {
        let fact = Fact::DeployCancelled {
            code: Code::Cancelled.into(),
            sentence: format!("the app is destroyed by {}", who(draft.actor)),
            services: Vec::new(),
        };
        draft.deploy(running.number, fact);
    }
    if let Some(waiting) = &app.waiting {
        let by = DeployRef {
            deploy: None,
            commit: waiting.wanted.commit.clone(),
        };
        draft.deploy(
            waiting.number,
            Fact::DeploySuperseded {
                by,
                sentence: "the app is destroyed".to_owned(),
            },
        );
    }
    Answer::Done
}

/// The name of an actor, as a sentence has it.
fn who(actor: &str) -> &str {
    actor.strip_prefix("operator:").unwrap_or(actor)
}

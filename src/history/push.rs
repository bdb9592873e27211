//! What a push comes to, or a head of the branch that was found: it is queued, held, superseded or ignored.

use super::command::{Answer, Known, Push, Refusal};
use super::deploy::Deploy;
use super::draft::{Draft, wanted};
use super::state::{App, Head};
use crate::event::{Cause, CommitInfo, DeployRef, Ending, Fact, PushReceived, ResumeWhen, Via};
use crate::id::{CommitId, DeployNumber};
use crate::sentence::{Code, Sentence};

pub(super) fn received(push: &Push, contains_rolled_back: Vec<CommitId>) -> Fact {
    Fact::PushReceived(Box::new(PushReceived {
        via: push.via,
        delivery: push.delivery.clone(),
        git_ref: push.git_ref.clone(),
        before: push.before.clone(),
        after: push.after.clone(),
        forced: push.forced,
        commit: push.info.clone(),
        pusher: push.pusher.clone(),
        body: push.body.clone(),
        contains_rolled_back,
    }))
}

pub(super) fn pushed(draft: &mut Draft<'_>, app: &App, known: &Known, push: &Push) -> Answer {
    let head = app.head.as_ref().map(|h| &h.commit);
    let old_answer = push.via == Via::Poll && push.asked_at.as_ref() != head;
    let came_back = app.head.as_ref().is_some_and(|head| came_back(head, push));
    if known.body || (head == Some(&push.after) && !came_back) || old_answer {
        return Answer::Duplicate;
    }
    // a push on top of what was rolled back contains it still
    let on_top = app.pin.is_some() && !push.forced && push.before.as_ref() == head;
    draft.app(received(
        push,
        if on_top {
            app.rolled_back.clone()
        } else {
            Vec::new()
        },
    ));
    new_head(draft, app, known.commit, &push.after, push.before.clone())
}

/// Whether the branch was somewhere else and was forced back to the head that is known: deliveries that came in another order
/// made it known before. GitHub may still name where the branch came from.
fn came_back(head: &Head, push: &Push) -> bool {
    let from = push.before.as_ref().filter(|b| **b != head.commit);
    push.forced && head.commit == push.after && from.is_some() && from != head.pushed_onto.as_ref()
}

/// The branch is at `head` now: hold it or queue it.
fn new_head(
    draft: &mut Draft<'_>,
    app: &App,
    pushed_before: bool,
    head: &CommitId,
    before: Option<CommitId>,
) -> Answer {
    if let Some(why) = hold(app, pushed_before, head) {
        draft.app(Fact::PushHeld {
            commit: head.clone(),
            code: why.code.clone(),
            sentence: why.sentence.clone(),
        });
        return Answer::Held(why);
    }
    Answer::Queued(draft.queue(app, wanted(head, Cause::Push, before, None)))
}

/// Why a head is kept and not deployed.
fn hold(app: &App, pushed_before: bool, head: &CommitId) -> Option<Sentence> {
    if let Some(lock) = &app.lock {
        let sentence = format!("locked by {} since {}: {}", lock.by, lock.since, lock.why());
        return Some(Sentence::new(Code::HeldByLock, sentence));
    }
    let pin = app.pin.as_ref()?;
    let at = format!(
        "pinned at {} by {} since {}",
        pin.commit.short(),
        pin.by,
        pin.since
    );
    let because = pin
        .reason
        .as_ref()
        .map(|r| format!(" ({r})"))
        .unwrap_or_default();
    let rest = match pin.resume {
        ResumeWhen::Manual => "; it stays there until somebody resumes".to_owned(),
        ResumeWhen::NextPush
            if pin.head.is_none() || pin.head.as_ref() == Some(head) || pushed_before =>
        {
            format!(
                "; {} was there before the pin, the next new push resumes",
                head.short()
            )
        }
        ResumeWhen::NextPush => return None,
    };
    Some(Sentence::new(
        Code::HeldByPin,
        format!("{at}{because}{rest}"),
    ))
}

/// The deploy that runs, as long as it is this one and has not touched Marathon.
fn untouched(app: &App, number: DeployNumber) -> Result<&Deploy, Refusal> {
    let running = app.running.as_ref();
    running
        .filter(|d| d.number == number && !d.touched)
        .ok_or(Refusal::Stale)
}

pub(super) fn head_moved(
    draft: &mut Draft<'_>,
    app: &App,
    known: &Known,
    number: DeployNumber,
    head: &CommitId,
) -> Result<Answer, Refusal> {
    let deploy = untouched(app, number)?;
    let push = Push {
        via: Via::Poll,
        delivery: None,
        git_ref: format!("refs/heads/{}", app.source.branch),
        before: None,
        after: head.clone(),
        forced: false,
        info: None::<CommitInfo>,
        pusher: None,
        body: None,
        asked_at: None,
    };
    draft.app(received(&push, Vec::new()));
    let answer = match hold(app, known.commit, head) {
        Some(why) => {
            let by = DeployRef {
                deploy: None,
                commit: head.clone(),
            };
            let sentence = format!("the branch is at {}", head.short());
            if app.inherits() {
                let code = Code::Cancelled.into();
                draft.end_untouched(app, deploy, Ending::Cancelled, code, sentence);
            } else {
                draft.deploy(number, Fact::DeploySuperseded { by, sentence });
            }
            draft.app(Fact::PushHeld {
                commit: head.clone(),
                code: why.code.clone(),
                sentence: why.sentence.clone(),
            });
            Answer::Held(why)
        }
        None => Answer::Queued(draft.queue(app, wanted(head, Cause::Push, None, None))),
    };
    Ok(answer)
}

pub(super) fn head_lags(
    draft: &mut Draft<'_>,
    app: &App,
    number: DeployNumber,
    head: Option<&CommitId>,
    sentence: &str,
) -> Result<Answer, Refusal> {
    let deploy = untouched(app, number)?;
    let commit = deploy.wanted.commit.clone();
    let by = DeployRef {
        deploy: None,
        commit: head.unwrap_or(&commit).clone(),
    };
    let sentence = sentence.to_owned();
    let ignored = Fact::PushIgnored {
        commit,
        code: Code::NotTheHead.into(),
        sentence: sentence.clone(),
        head: head.cloned(),
    };
    // the head was overtaken by what the branch never came to, or somebody wants the head deployed and it was taken for that: it has
    // its turn now
    let next = app.waiting.as_ref().map(|next| &next.wanted);
    let wants_head =
        next.is_some_and(|w| w.cause == Cause::Cli && w.commit == deploy.wanted.commit);
    let overtaken = head.filter(|head| app.overtaken.as_ref() == Some(head) || wants_head);
    if let Some(back) = overtaken.filter(|head| hold(app, true, head).is_none()) {
        draft.app(ignored);
        let number = draft.queue(app, wanted(back, Cause::Push, None, None));
        return Ok(Answer::Queued(number));
    }
    if app.inherits() {
        let code = Code::NotTheHead.into();
        draft.end_untouched(app, deploy, Ending::Cancelled, code, sentence);
    } else {
        draft.deploy(number, Fact::DeploySuperseded { by, sentence });
    }
    draft.app(ignored);
    // what the first start holds is the head again
    let still_held = |head: &&CommitId| app.first_start.as_ref() == Some(*head);
    if let Some(back) = head.filter(still_held).filter(|_| !app.ever_applied()) {
        let told = app.trouble.as_ref().filter(|t| t.is(Code::FirstStart));
        let sentence = told.map_or_else(
            || "services of the app run already; deploy the head or push to go on".to_owned(),
            |t| t.sentence.clone(),
        );
        draft.app(Fact::PushHeld {
            commit: back.clone(),
            code: Code::FirstStart.into(),
            sentence,
        });
    }
    Ok(Answer::Done)
}

pub(super) fn hold_first_start(
    draft: &mut Draft<'_>,
    app: &App,
    number: DeployNumber,
    sentence: &str,
) -> Result<Answer, Refusal> {
    let deploy = untouched(app, number)?;
    let commit = deploy.wanted.commit.clone();
    let code = String::from(Code::FirstStart);
    let outcome = Ending::Cancelled;
    draft.end_untouched(app, deploy, outcome, code.clone(), sentence.to_owned());
    draft.app(Fact::PushHeld {
        commit,
        code,
        sentence: sentence.to_owned(),
    });
    Ok(Answer::Done)
}

//! (State, command) → events or a refusal. Every decision of the observer is taken here, inside the
//! transaction that writes it down.

use super::command::{Answer, Command, Decision, Known, Push, Refusal, Registering};
use super::draft::{Draft, wanted};
use super::operate;
use super::state::{App, AppState};
use crate::event::{
    Cause, CommitInfo, DeployRef, Fact, NewEvent, PushReceived, Registration, ResumeWhen, Via,
};
use crate::id::{AppId, CommitId, DeployNumber};
use crate::sentence::{Code, Sentence};

/// What the command comes to for an app in this state; `app` is `None` for one that never existed.
///
/// # Errors
/// A [`Refusal`]; then nothing is written.
pub fn decide(
    id: &AppId,
    app: Option<&App>,
    known: &Known,
    actor: &str,
    dedup: Option<&str>,
    command: &Command,
) -> Result<Decision, Refusal> {
    if let Some(began) = known.dedup {
        let answer = match (command, began) {
            (Command::Push(_), _) | (_, None) => Answer::Duplicate,
            (_, Some(number)) => Answer::Queued(number),
        };
        let events = Vec::new();
        return Ok(Decision { events, answer });
    }
    let mut draft = Draft {
        id,
        actor,
        events: Vec::new(),
        last: app.map_or(DeployNumber(0), |a| a.last_deploy),
    };
    let answer = match command {
        Command::Register(new) => register(&mut draft, app, known, new)?,
        Command::Refused {
            route,
            reason,
            count,
        } => {
            draft.global(Fact::RequestRefused {
                route: route.clone(),
                reason: reason.clone(),
                count: *count,
            });
            Answer::Done
        }
        other => {
            let app = app.ok_or(Refusal::UnknownApp)?;
            if app.state() == AppState::Destroyed {
                return Err(Refusal::UnknownApp);
            }
            with_app(&mut draft, app, known, other)?
        }
    };
    let mut events = draft.events;
    // the key stands at the deploy it began, so that a repetition is answered with its number
    let began = |e: &NewEvent| matches!(e.fact, Fact::DeployQueued(_));
    let keyed = match command {
        Command::Push(_) => 0,
        _ => events.iter().position(began).unwrap_or(0),
    };
    if let Some(event) = events.get_mut(keyed) {
        event.dedup = dedup.map(str::to_owned);
    }
    Ok(Decision { events, answer })
}

fn with_app(
    draft: &mut Draft<'_>,
    app: &App,
    known: &Known,
    command: &Command,
) -> Result<Answer, Refusal> {
    if app.destroying.is_some() && !matches!(command, Command::Note(_) | Command::Record { .. }) {
        return Err(Refusal::Destroying);
    }
    match command {
        Command::Push(push) => Ok(pushed(draft, app, known, push)),
        Command::HeadMoved { deploy, head } => head_moved(draft, app, known, *deploy, head),
        Command::HeadLags {
            deploy,
            head,
            sentence,
        } => head_lags(draft, app, *deploy, head.as_ref(), sentence),
        Command::Start(number) => start(draft, app, *number),
        Command::HoldFirstStart { deploy, sentence } => {
            hold_first_start(draft, app, *deploy, sentence)
        }
        Command::Record { deploy, facts } => record(draft, app, *deploy, facts),
        Command::Note(facts) => {
            for fact in facts {
                draft.app(fact.clone());
            }
            Ok(Answer::Done)
        }
        Command::Change { source, settings } => {
            let old = Registration {
                source: app.source.clone(),
                settings: app.settings.clone(),
            };
            let new = Registration {
                source: source.clone(),
                settings: settings.clone(),
            };
            if old == new {
                return Ok(Answer::Unchanged);
            }
            draft.app(Fact::AppChanged { old, new });
            Ok(Answer::Done)
        }
        operator => operate::operate(draft, app, known, operator),
    }
}

fn register(
    draft: &mut Draft<'_>,
    app: Option<&App>,
    known: &Known,
    new: &Registering,
) -> Result<Answer, Refusal> {
    if let Some(app) = app.filter(|a| !a.destroyed) {
        let same = app.source.repository_id == new.source.repository_id
            && app.source.branch == new.source.branch;
        let owner = format!("{} ({})", app.source.repository, app.source.branch);
        return if app.destroying.is_some() {
            Err(Refusal::Destroying)
        } else if same {
            Ok(Answer::Unchanged)
        } else {
            Err(Refusal::NameTaken(app.id.clone(), owner))
        };
    }
    if let Some(other) = &known.source_app {
        let (repository, branch) = (&new.source.repository, &new.source.branch);
        return Err(Refusal::Not(format!(
            "{repository} ({branch}) is deployed by the app {other} already"
        )));
    }
    draft.app(Fact::AppRegistered {
        source: new.source.clone(),
        settings: new.settings.clone(),
    });
    let push = Push {
        via: Via::Poll,
        delivery: None,
        git_ref: format!("refs/heads/{}", new.source.branch),
        before: None,
        after: new.head.clone(),
        forced: false,
        info: new.info.clone(),
        pusher: None,
        body: None,
        asked_at: None,
    };
    draft.app(received(&push, Vec::new()));
    let fresh = App::new(
        draft.id.clone(),
        new.source.clone(),
        new.settings.clone(),
        "",
        draft.last,
    );
    Ok(Answer::Queued(draft.queue_head(
        &fresh,
        &new.head,
        Cause::Push,
        None,
    )))
}

fn received(push: &Push, contains_rolled_back: Vec<CommitId>) -> Fact {
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

fn pushed(draft: &mut Draft<'_>, app: &App, known: &Known, push: &Push) -> Answer {
    let head = app.head.as_ref().map(|h| &h.commit);
    let old_answer = push.via == Via::Poll && push.asked_at.as_ref() != head;
    if known.body || head == Some(&push.after) || old_answer {
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
        let sentence = format!(
            "locked by {} since {}: {}",
            lock.by, lock.since, lock.reason
        );
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

fn head_moved(
    draft: &mut Draft<'_>,
    app: &App,
    known: &Known,
    number: DeployNumber,
    head: &CommitId,
) -> Result<Answer, Refusal> {
    let untouched = app
        .running
        .as_ref()
        .is_some_and(|d| d.number == number && !d.touched);
    if !untouched {
        return Err(Refusal::Stale);
    }
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
            draft.deploy(number, Fact::DeploySuperseded { by, sentence });
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

fn head_lags(
    draft: &mut Draft<'_>,
    app: &App,
    number: DeployNumber,
    head: Option<&CommitId>,
    sentence: &str,
) -> Result<Answer, Refusal> {
    let deploy = app
        .running
        .as_ref()
        .filter(|d| d.number == number && !d.touched)
        .ok_or(Refusal::Stale)?;
    let commit = deploy.wanted.commit.clone();
    let by = DeployRef {
        deploy: None,
        commit: head.unwrap_or(&commit).clone(),
    };
    draft.deploy(
        number,
        Fact::DeploySuperseded {
            by,
            sentence: sentence.to_owned(),
        },
    );
    let ignored = Fact::PushIgnored {
        commit,
        code: Code::NotTheHead.into(),
        sentence: sentence.to_owned(),
        head: head.cloned(),
    };
    draft.app(ignored);
    Ok(Answer::Done)
}

fn start(draft: &mut Draft<'_>, app: &App, number: DeployNumber) -> Result<Answer, Refusal> {
    let deploy = app
        .running
        .as_ref()
        .filter(|d| d.number == number)
        .ok_or(Refusal::Stale)?;
    if deploy.started_at.is_some() {
        return Ok(Answer::Unchanged);
    }
    // a push of a new head was seen to be the head: now the pin ends, and not before
    if app.pin.is_some() && deploy.wanted.cause == Cause::Push {
        let reason = Some("a new push".to_owned());
        draft.app(Fact::AppResumed {
            reason,
            head: Some(deploy.wanted.commit.clone()),
        });
    }
    draft.deploy(
        number,
        Fact::DeployStarted {
            commit: deploy.wanted.commit.clone(),
        },
    );
    Ok(Answer::Done)
}

fn hold_first_start(
    draft: &mut Draft<'_>,
    app: &App,
    number: DeployNumber,
    sentence: &str,
) -> Result<Answer, Refusal> {
    let deploy = app
        .running
        .as_ref()
        .filter(|d| d.number == number && !d.touched)
        .ok_or(Refusal::Stale)?;
    let commit = deploy.wanted.commit.clone();
    let code = String::from(Code::FirstStart);
    draft.deploy(
        number,
        Fact::DeployCancelled {
            code: code.clone(),
            sentence: sentence.to_owned(),
            services: Vec::new(),
        },
    );
    draft.app(Fact::PushHeld {
        commit,
        code,
        sentence: sentence.to_owned(),
    });
    Ok(Answer::Done)
}

/// What the deployer reports is written down as long as the deploy it speaks of has not ended.
fn record(
    draft: &mut Draft<'_>,
    app: &App,
    number: DeployNumber,
    facts: &[Fact],
) -> Result<Answer, Refusal> {
    let deploy = app
        .running
        .as_ref()
        .filter(|d| d.number == number)
        .ok_or(Refusal::Stale)?;
    let mut ended = false;
    for fact in facts {
        if ended {
            return Err(Refusal::Stale);
        }
        ended = fact.ends_deploy();
        let starts_something = matches!(fact, Fact::ApplyIntended(i) if matches!(i.call, crate::event::Call::Put | crate::event::Call::Restart));
        if starts_something && deploy.ending.is_some() {
            return Err(Refusal::Stale);
        }
        let again = match fact {
            Fact::DeployEnding { .. } => deploy.ending.is_some(),
            Fact::DeployWaiting { code, .. } => {
                deploy.waiting.as_ref().is_some_and(|w| w.code == *code)
            }
            _ => false,
        };
        if !again {
            draft.deploy(number, fact.clone());
        }
    }
    Ok(Answer::Done)
}

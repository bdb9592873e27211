//! (State, command) → events or a refusal. Every decision of the observer is taken here, inside the
//! transaction that writes it down.

use super::command::{Answer, Command, Decision, Known, Push, Refusal, Registering};
use super::draft::Draft;
use super::operate;
use super::push::{head_lags, head_moved, hold_first_start, pushed, received};
use super::state::{App, AppState};
use crate::event::{Cause, Fact, NewEvent, Registration, Via};
use crate::id::{AppId, DeployNumber};

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

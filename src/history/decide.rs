//! (State, command) → events or a refusal. Every decision of the observer is taken here, inside the
//! transaction that writes it down.

use super::command::{Answer, Command, Decision, Known, Push, Refusal, Registering};
use super::deploy::{Deploy, Waiting};
use super::draft::Draft;
use super::fold::apply;
use super::operate;
use super::push::{head_lags, head_moved, hold_first_start, pushed, received};
use super::state::{App, AppState};
use crate::event::{ApplyIntended, Cause, Fact, NewEvent, Registration, Via};
use crate::id::{AppId, DeployNumber};
use crate::sentence::Code;

/// So many reasons to wait are written down of a deploy.
const MOST_WAITS: u32 = 10;

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
    if known.key_reused {
        return Err(Refusal::KeyReused);
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
    let of_the_work = matches!(
        command,
        Command::Note(_)
            | Command::Record { .. }
            | Command::Intend { .. }
            | Command::Settle { .. }
            | Command::Follow { .. }
    );
    if app.destroying.is_some() && !of_the_work {
        return Err(Refusal::Destroying);
    }
    if let Some((service, owner)) = &known.taken {
        return Err(Refusal::Taken(service.clone(), owner.clone()));
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
        Command::Intend { deploy, intended } => intend(draft, app, *deploy, intended),
        Command::Settle { intent, fact, then } => {
            settle(draft, app, *intent, fact, then.as_deref())
        }
        Command::Note(facts) => {
            let of_hook = |f: &Fact| matches!(f, Fact::HookRegistered { .. });
            // who made it meanwhile takes it back
            if app.destroying.is_some() && facts.iter().any(of_hook) {
                return Err(Refusal::Destroying);
            }
            for fact in facts {
                draft.app(fact.clone());
            }
            Ok(Answer::Done)
        }
        Command::Follow {
            repository,
            visibility,
        } => {
            let old = Registration {
                source: app.source.clone(),
                settings: app.settings.clone(),
            };
            let mut new = old.clone();
            if let Some(name) = repository {
                new.source.repository = name.clone();
            }
            new.source.visibility = *visibility;
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
        return if app.destroying.is_some() {
            Err(Refusal::Destroying)
        } else if same {
            Ok(Answer::Unchanged)
        } else {
            Err(Refusal::NameTaken(app.id.clone()))
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
    // somebody ended it before it began
    if deploy.life.ending().is_some() {
        return Err(Refusal::Stale);
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

fn running(app: &App, number: DeployNumber) -> Result<&Deploy, Refusal> {
    let running = app.running.as_ref();
    running.filter(|d| d.number == number).ok_or(Refusal::Stale)
}

/// What the deployer reports is written down as long as the deploy it speaks of is where that can happen.
fn record(
    draft: &mut Draft<'_>,
    app: &App,
    number: DeployNumber,
    facts: &[Fact],
) -> Result<Answer, Refusal> {
    let mut folded: Option<App> = None;
    for (at, fact) in facts.iter().enumerate() {
        let state = folded.as_ref().unwrap_or(app);
        let deploy = running(state, number)?;
        if !is_news(deploy, fact) {
            continue;
        }
        if !deploy.life.allows(fact) {
            return Err(Refusal::Stale);
        }
        let seq = state.last_seq + 1;
        let event = draft.deploy(number, fact.clone());
        if at + 1 < facts.len() {
            let mut after = Some(folded.take().unwrap_or_else(|| app.clone()));
            apply(&mut after, seq, "", event);
            folded = after;
        }
    }
    Ok(Answer::Done)
}

/// A wait is news when its reason is another one, and as long as a deploy has not written down too many.
fn is_news(deploy: &Deploy, fact: &Fact) -> bool {
    match fact {
        // as long as it waits for that still
        Fact::DeployWaiting { code, subject, .. } if *code == Code::GoesOn.word() => {
            let waits_for = deploy.waiting.as_ref().map(|w| &w.code);
            waits_for.is_some() && waits_for == subject.as_ref()
        }
        Fact::DeployWaiting { code, subject, .. } => {
            let same = |w: &Waiting| w.code == *code && w.subject == *subject;
            deploy.waits < MOST_WAITS && !deploy.waiting.as_ref().is_some_and(same)
        }
        Fact::DeployEnding { .. } => deploy.life.ending().is_none(),
        _ => true,
    }
}

fn intend(
    draft: &mut Draft<'_>,
    app: &App,
    deploy: Option<DeployNumber>,
    intended: &ApplyIntended,
) -> Result<Answer, Refusal> {
    let fact = Fact::ApplyIntended(Box::new(intended.clone()));
    match deploy {
        Some(number) => {
            if !running(app, number)?.life.allows(&fact) {
                return Err(Refusal::Stale);
            }
            draft.deploy(number, fact);
        }
        None => draft.app(fact),
    }
    Ok(Answer::Done)
}

fn settle(
    draft: &mut Draft<'_>,
    app: &App,
    key: i64,
    fact: &Fact,
    then: Option<&Fact>,
) -> Result<Answer, Refusal> {
    let intent = app.intents.get(&key).ok_or(Refusal::Stale)?;
    let Some(number) = intent.deploy else {
        draft.app(fact.clone());
        return Ok(Answer::Done);
    };
    draft.deploy(number, fact.clone());
    let still = app.running.as_ref().is_some_and(|d| {
        let ends = then.is_some_and(|then| is_news(d, then));
        d.number == number && d.life.intent() == Some(key) && ends
    });
    if let Some(then) = then.filter(|_| still) {
        draft.deploy(number, then.clone());
    }
    Ok(Answer::Done)
}

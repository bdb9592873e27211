//! The process's own log: a line for each event that a person would want to know, in the words of the pages.
//!
//! Lines are made from what is on the disk, by reading on whenever the log has grown: none is lost, no writer waits for whoever
//! reads the lines, and what is taken out of events is not in them either.

use std::io::Write as _;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::Level;
use tracing::level_filters::LevelFilter;

use crate::event::{Action, Cause, Event, Fact, summary};
use crate::id::CommitId;
use crate::secret::plain;
use crate::sentence::{Code, Sentence};
use crate::store::{EventFilter, Store, StoreError};

/// How many events are read at once.
const AT_ONCE: i64 = 500;

/// How many characters of what happened a line has at most.
const LONGEST: usize = 1000;

/// How many warnings of a plan have a line of their own.
const WARNINGS: usize = 10;

/// How long it waits where the log cannot be read.
const PAUSE: Duration = Duration::from_secs(5);

/// Says one of the lines of the first release, as it said them: as they are, on standard output.
pub fn greet(line: &str) {
    // whoever closed it does not read it
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Says each event after `told` as a line, until `stop`. `greets`: a webhook that is registered is said on standard output too.
pub async fn run(store: Store, mut told: i64, greets: bool, stop: CancellationToken) {
    let mut head = store.head();
    loop {
        let stops = stop.is_cancelled();
        match tell(&store, &mut told, greets).await {
            Ok(true) => {}
            Ok(false) if stops => return,
            Ok(false) => {
                tokio::select! {
                    () = stop.cancelled() => {}
                    changed = head.changed() => if changed.is_err() { return },
                }
            }
            Err(error) => {
                tracing::error!(%error, "the log cannot be read");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        }
    }
}

/// Says what comes after `told`, which goes on with each line; answers whether there was anything.
async fn tell(store: &Store, told: &mut i64, greets: bool) -> Result<bool, StoreError> {
    let filter = EventFilter {
        since: Some(*told),
        limit: AT_ONCE,
        ..EventFilter::default()
    };
    let events = store.events(&filter).await?;
    for event in &events {
        // what this release does not know is for a later one to say
        if let Ok(fact) = event.fact() {
            tell_one(store, event, &fact, greets).await?;
        }
        *told = event.seq;
    }
    Ok(!events.is_empty())
}

async fn tell_one(
    store: &Store,
    event: &Event,
    fact: &Fact,
    greets: bool,
) -> Result<(), StoreError> {
    let warnings = match fact {
        Fact::PlanMade { warnings, .. } => warnings.as_slice(),
        _ => &[],
    };
    let level = level(fact);
    // what nobody is shown is not looked up
    if level <= LevelFilter::current() || !warnings.is_empty() {
        let about = About::of(store, event, fact).await?;
        say(level, event, code(fact), &about, &summary(fact));
        for Sentence { code, sentence } in warnings.iter().take(WARNINGS) {
            say(Level::WARN, event, Some(code), &about, sentence);
        }
    }
    if greets && matches!(fact, Fact::HookRegistered { .. }) {
        greet("Webhook registered");
    }
    Ok(())
}

/// What an event is about, as far as it does not say so itself.
struct About {
    commit: Option<CommitId>,
    duration: Option<Duration>,
}

impl About {
    async fn of(store: &Store, event: &Event, fact: &Fact) -> Result<Self, StoreError> {
        let deploy = match (&event.app, event.deploy) {
            (Some(app), Some(number)) => store.deploy(app, number).await?,
            _ => None,
        };
        let began = deploy.as_ref().filter(|_| ends(fact));
        let began = began.and_then(|d| d.started_at.as_deref());
        Ok(Self {
            duration: began.and_then(|began| between(began, &event.at)),
            commit: commit(fact).cloned().or(deploy.map(|d| d.wanted.commit)),
        })
    }
}

/// The time between two stamps of the log.
fn between(from: &str, to: &str) -> Option<Duration> {
    let (from, to): (jiff::Timestamp, jiff::Timestamp) = (from.parse().ok()?, to.parse().ok()?);
    to.duration_since(from).try_into().ok()
}

fn ends(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::DeploySucceeded { .. }
            | Fact::DeployUnchanged { .. }
            | Fact::DeployFailed { .. }
            | Fact::DeployCancelled { .. }
            | Fact::DeploySuperseded { .. }
    )
}

fn say(level: Level, event: &Event, code: Option<&str>, about: &About, text: &str) {
    let text = plain(text, LONGEST);
    // what the observer does by itself has no name
    let actor = Some(&event.actor).filter(|a| *a != "observer");
    macro_rules! line {
        ($level:expr) => {
            tracing::event!(
                $level,
                app.id = event.app.as_ref().map(display),
                deploy.number = event.deploy.map(|d| d.0),
                commit.sha = about.commit.as_ref().map(display),
                code,
                actor = actor.map(display),
                duration_ms = about
                    .duration
                    .map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
                event.seq = event.seq,
                "{text}"
            )
        };
    }
    match level {
        Level::ERROR => line!(Level::ERROR),
        Level::WARN => line!(Level::WARN),
        Level::INFO => line!(Level::INFO),
        _ => line!(Level::DEBUG),
    }
}

/// How much it matters to whoever reads the lines.
fn level(fact: &Fact) -> Level {
    match fact {
        Fact::HookFailed { .. }
        | Fact::PushHeld { .. }
        | Fact::RequestRefused { .. }
        | Fact::ApplyRefused { .. }
        | Fact::DeployFailed { .. }
        | Fact::ServiceRemoved { left: true, .. } => Level::WARN,
        Fact::DeployWaiting { code, .. } if *code != Code::GoesOn.word() => Level::WARN,
        Fact::DriftSeen { services } if services.iter().any(|d| !d.sentence.is_empty()) => {
            Level::WARN
        }
        Fact::ServiceProgressed { stage, .. }
            if matches!(stage.as_str(), "crashing" | "unhealthy" | "waiting") =>
        {
            Level::WARN
        }
        // what comes before and after says it all
        Fact::DeployQueued(wanted) if wanted.cause == Cause::Push => Level::DEBUG,
        Fact::AppChanged { old, new } if old.source == new.source => Level::DEBUG,
        Fact::ServiceProgressed { .. }
        | Fact::SpecsRead { .. }
        | Fact::ApplyIntended(_)
        | Fact::ServicesListed { .. }
        | Fact::StatusReported { .. } => Level::DEBUG,
        Fact::PlanMade { services, .. }
            if services.iter().all(|s| s.change == Action::Unchanged) =>
        {
            Level::DEBUG
        }
        Fact::AppRegistered { .. }
        | Fact::AppChanged { .. }
        | Fact::AppDestroyed { .. }
        | Fact::HookRegistered { .. }
        | Fact::HookRepaired { .. }
        | Fact::HookPinged { .. }
        | Fact::HookRemoved { .. }
        | Fact::PushReceived(_)
        | Fact::PushIgnored { .. }
        | Fact::DeployQueued(_)
        | Fact::DeployStarted { .. }
        | Fact::DeployWaiting { .. }
        | Fact::PlanMade { .. }
        | Fact::ApplyAccepted { .. }
        | Fact::DeployEnding { .. }
        | Fact::DeploySucceeded { .. }
        | Fact::DeployUnchanged { .. }
        | Fact::DeployCancelled { .. }
        | Fact::DeploySuperseded { .. }
        | Fact::RollbackRequested(_)
        | Fact::AppPinned { .. }
        | Fact::AppResumed { .. }
        | Fact::AppLocked { .. }
        | Fact::AppUnlocked { .. }
        | Fact::AppAdopted { .. }
        | Fact::ServiceScaled { .. }
        | Fact::ServiceRemoved { .. }
        | Fact::DriftSeen { .. }
        | Fact::DestroyRequested { .. } => Level::INFO,
    }
}

fn code(fact: &Fact) -> Option<&str> {
    match fact {
        Fact::HookFailed { code, .. }
        | Fact::PushIgnored { code, .. }
        | Fact::PushHeld { code, .. }
        | Fact::DeployWaiting { code, .. }
        | Fact::ApplyRefused { code, .. }
        | Fact::DeployEnding { code, .. }
        | Fact::DeployFailed { code, .. }
        | Fact::DeployCancelled { code, .. } => Some(code),
        _ => None,
    }
}

fn commit(fact: &Fact) -> Option<&CommitId> {
    match fact {
        Fact::PushReceived(push) => Some(&push.after),
        Fact::PushIgnored { commit, .. }
        | Fact::PushHeld { commit, .. }
        | Fact::AppPinned { commit, .. } => Some(commit),
        Fact::RollbackRequested(wish) => Some(&wish.to.commit),
        Fact::AppResumed { head, .. } | Fact::AppUnlocked { head, .. } => head.as_ref(),
        _ => None,
    }
}

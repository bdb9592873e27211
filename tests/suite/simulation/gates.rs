//! What is let through to be deployed: a pin, a lock and a branch that lags hold.

use std::collections::BTreeMap;
use std::time::Duration;

use dploy_observer::event::{Cause, Fact, ResumeWhen, Via};
use dploy_observer::id::{AppId, CommitId};

use super::finding::{Check, Finding};
use super::judge::Moment;

/// For so long GitHub may lag behind its own webhook.
const LAG: Duration = Duration::from_secs(110);

/// Commits that the log received, by app, with the event that was first.
pub type Received = BTreeMap<(AppId, String), i64>;

/// `branch`: its commits in truth, the head last.
pub fn look(
    moment: &Moment<'_>,
    received: &Received,
    branch: Option<&Vec<String>>,
) -> Option<Finding> {
    match moment.fact {
        Fact::PushReceived(push) if push.via == Via::Poll => lagging(moment, &push.after, branch?),
        Fact::AppResumed { .. } if moment.event.actor == "observer" => resumed(moment, received),
        Fact::DeployStarted { commit } => starts(moment, commit).or_else(|| left(moment)),
        Fact::AppResumed { .. }
        | Fact::AppDestroyed { .. }
        | Fact::AppRegistered { .. }
        | Fact::DestroyRequested { .. } => None,
        _ => left(moment),
    }
}

/// A deploy starts only where no lock and no pin holds it.
fn starts(moment: &Moment<'_>, commit: &CommitId) -> Option<Finding> {
    let (id, before) = (moment.id, moment.before?);
    let running = before.running.as_ref();
    let pushed = running.is_some_and(|d| d.wanted.cause == Cause::Push);
    if let Some(lock) = before.lock.as_ref().filter(|_| pushed) {
        return Some(Finding {
            check: Check::LockBroken,
            sentence: format!(
                "{id} is locked by {}, and a deploy of {} starts",
                lock.by,
                commit.short()
            ),
        });
    }
    let pin = before.pin.as_ref().filter(|p| p.commit != *commit)?;
    Some(Finding {
        check: Check::PinLeft,
        sentence: format!(
            "{id} is pinned to {}, and a deploy of {} starts",
            pin.commit.short(),
            commit.short()
        ),
    })
}

/// A pin ends by itself only for a new push, and only if it was not made for good.
fn resumed(moment: &Moment<'_>, received: &Received) -> Option<Finding> {
    let (id, before) = (moment.id, moment.before?);
    let (pin, deploy) = (before.pin.as_ref()?, before.running.as_ref());
    let pushed = deploy.is_some_and(|d| d.wanted.cause == Cause::Push);
    let commit = deploy.map(|d| (id.clone(), d.wanted.commit.to_string()));
    let old = commit.is_some_and(|c| received.get(&c).is_some_and(|seq| *seq < pin.seq));
    let wrong = !pushed || old || pin.resume == ResumeWhen::Manual;
    wrong.then(|| Finding {
        check: Check::PinLeft,
        sentence: format!(
            "{id} leaves its pin at {} for {:?}",
            pin.commit.short(),
            deploy.map(|d| (d.wanted.cause, d.wanted.commit.short()))
        ),
    })
}

/// No other event ends a pin.
fn left(moment: &Moment<'_>) -> Option<Finding> {
    let before = moment.before.is_some_and(|b| b.pin.is_some());
    let left = before && moment.after.is_some_and(|a| a.pin.is_none());
    left.then(|| Finding {
        check: Check::PinLeft,
        sentence: format!("{} leaves its pin with a {}", moment.id, moment.event.kind),
    })
}

/// GitHub may name the head before the last for a while: that is no push.
fn lagging(moment: &Moment<'_>, pushed: &CommitId, branch: &[String]) -> Option<Finding> {
    let head = moment.before?.head.as_ref()?;
    let seen: jiff::Timestamp = head.seen_at.parse().ok()?;
    let at: jiff::Timestamp = moment.event.at.parse().ok()?;
    let soon = at.duration_since(seen).unsigned_abs() < LAG;
    let place = |commit: &CommitId| branch.iter().position(|c| c == commit.as_str());
    // a delivery that came out of order may tell of a head from elsewhere: then the branch is believed
    let told = head.pushed_onto.as_ref() == Some(pushed);
    let lags = head.previous.as_ref() == Some(pushed)
        && told
        && soon
        && place(pushed) < place(&head.commit);
    lags.then(|| Finding {
        check: Check::HeadUntrue,
        sentence: format!(
            "{}: the branch is asked and {} is taken for a push, which was the head before {}, of {}",
            moment.id,
            pushed.short(),
            head.commit.short(),
            head.seen_at
        ),
    })
}

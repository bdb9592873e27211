//! How a service stands while it rolls. Done is: all instances run the newest configuration and are well, and none of
//! another version is left; without health checks, or where instances of this configuration failed, for the settle time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::look::Look;
use crate::id::ServiceId;
use crate::marathon::{self, LiveApp, QueueItem, Task};
use crate::sentence::{Code, Sentence};
use crate::spec::deviation;

/// Five failures of this version with none healthy end a rollout at once.
const FAILURES: u32 = 5;

/// So long Marathon keeps an offer back that it declined (its flag `min_revive_offers_interval`).
const OFFERS: Duration = Duration::from_secs(30);

/// After so long at most Marathon counts the instances of all apps and takes away those too many: its flag
/// `scale_apps_interval` (300 s), and what the look takes.
const SCALE_CHECK: Duration = Duration::from_secs(330);

/// How a service stands.
#[expect(
    clippy::struct_excessive_bools,
    reason = "five things that are seen, each by itself"
)]
pub struct Standing {
    /// Nothing is left to wait for.
    pub done: bool,
    /// All instances run the newest configuration and are well, but perhaps not for long enough yet.
    pub complete: bool,
    /// How many instances of the newest configuration are well.
    pub well: u32,
    /// How many of them came with the change that was given: a restart leaves the configuration as it was.
    pub fresh: u32,
    /// `starting`, `running`, `healthy`, `waiting`, `crashing`, `unhealthy`.
    pub stage: &'static str,
    /// Why it does not get on.
    pub trouble: Option<Sentence>,
    /// What it waits for, which is no trouble yet.
    pub waits: Option<Sentence>,
    /// It fails again and again, and none is well.
    pub hopeless: bool,
    /// Somebody else changed it: it does not say what it was given.
    pub alien: bool,
    /// All are well, and more than are wanted, and no deployment takes them away: Marathon does when it counts the next time.
    has_surplus: bool,
}

impl Standing {
    /// Why it does not get on, or what it waits for.
    #[must_use]
    pub fn reason(&self) -> Option<&Sentence> {
        self.trouble.as_ref().or(self.waits.as_ref())
    }

    /// How long what it waits for may take Marathon, however soon the deadline is.
    #[must_use]
    pub fn takes(&self) -> Duration {
        if self.has_surplus {
            SCALE_CHECK
        } else {
            Duration::ZERO
        }
    }
}

/// What a service was given.
pub struct Given<'a> {
    /// The spec.
    pub spec: &'a Value,
    /// The version that Marathon gave to the change, where it answered.
    pub version: Option<&'a str>,
}

impl Given<'_> {
    /// Whether the service still says so: nobody changed its configuration since, or it says the same again.
    #[must_use]
    pub fn is_still_in(&self, app: &LiveApp) -> bool {
        self.version == Some(app.configured()) || deviation(&app.raw, self.spec).is_none()
    }
}

/// What was observed since this process began to look. None of it is needed to go on after a restart.
#[derive(Default)]
pub struct Standings(BTreeMap<ServiceId, Seen>);

#[derive(Default)]
struct Seen {
    failures: BTreeSet<String>,
    running_since: Option<Duration>,
    waits_since: Option<Duration>,
}

impl Standings {
    /// How a service stands at `now` ([`Clock::elapsed`](crate::clock::Clock::elapsed)), where it was given something.
    pub fn of(
        &mut self,
        id: &ServiceId,
        given: Option<&Given<'_>>,
        look: &Look,
        now: Duration,
        settle: Duration,
    ) -> Standing {
        let seen = self.0.entry(id.clone()).or_default();
        let Some(app) = look.apps.get(id) else {
            return Standing {
                done: false,
                complete: false,
                well: 0,
                fresh: 0,
                stage: "starting",
                trouble: None,
                waits: None,
                hopeless: false,
                alien: false,
                has_surplus: false,
            };
        };
        let current: Vec<_> = app.tasks.iter().filter(|t| app.is_current(t)).collect();
        let well =
            u32::try_from(current.iter().filter(|t| app.is_well(t)).count()).unwrap_or(u32::MAX);
        let since = given.and_then(|g| g.version);
        let is_fresh = |t: &&&Task| since.is_none_or(|v| t.version.as_deref() >= Some(v));
        let fresh = current.iter().filter(|t| app.is_well(t)).filter(is_fresh);
        let fresh = u32::try_from(fresh.count()).unwrap_or(u32::MAX);
        let failures = seen.failures(app);
        let all = well == app.instances && app.tasks.len() == current.len() && is_whole(app, look);
        let sound = app.has_health_checks() && failures == 0;
        let settled = seen.settled(app, all, now, settle) || (all && sound);
        let trouble = if all {
            None
        } else {
            trouble(app, look, failures, well)
        };
        let waits = if all || trouble.is_some() {
            None
        } else {
            waits(app, look)
        };
        let mixed = look.mixed.contains(id);
        let (trouble, waits) = seen.lacks_offers(app, mixed, trouble, waits, now);
        let surplus = surplus(app).filter(|_| trouble.is_none() && waits.is_none());
        let has_surplus = surplus.is_some();
        let waits = waits.or(surplus);
        let stage = match (&trouble, all, settled) {
            (_, true, true) => "healthy",
            (_, true, false) => "running",
            (Some(t), ..) if t.is(Code::NoOffers) => "waiting",
            (Some(t), ..) if t.is(Code::Crashing) => "crashing",
            (Some(_), ..) => "unhealthy",
            (None, ..) => "starting",
        };
        Standing {
            done: all && settled,
            complete: all,
            well,
            fresh,
            stage,
            trouble,
            waits,
            hopeless: failures >= FAILURES && well == 0,
            alien: given.is_some_and(|given| !given.is_still_in(app)),
            has_surplus,
        }
    }
}

impl Seen {
    /// Who waits for offers for longer than a round of them takes is in trouble.
    fn lacks_offers(
        &mut self,
        app: &LiveApp,
        mixed: bool,
        trouble: Option<Sentence>,
        waits: Option<Sentence>,
        now: Duration,
    ) -> (Option<Sentence>, Option<Sentence>) {
        if waits.is_none() {
            self.waits_since = None;
            return (trouble, waits);
        }
        let since = *self.waits_since.get_or_insert(now);
        if now.saturating_sub(since) < OFFERS {
            return (trouble, waits);
        }
        let id = &app.id;
        let sentence = if mixed {
            format!("{id} waits for resources, perhaps behind instances of an earlier version")
        } else {
            let most = OFFERS.as_secs();
            format!("{id} waits for resources: no offer came for more than {most} s")
        };
        (Some(Sentence::new(Code::NoOffers, sentence)), None)
    }

    /// How many tasks of the newest configuration have failed, as far as can be seen.
    fn failures(&mut self, app: &LiveApp) -> u32 {
        let newest = app.configured();
        let failure = app.last_task_failure.as_ref();
        if let Some(failure) = failure.filter(|f| f.version.as_str() >= newest)
            && self.failures.insert(failure.timestamp.clone())
        {
            self.running_since = None;
        }
        let attempts: u32 = app
            .tasks
            .iter()
            .filter(|t| app.is_current(t))
            .map(|t| t.attempt() - 1)
            .sum();
        attempts.max(u32::try_from(self.failures.len()).unwrap_or(u32::MAX))
    }

    /// Whether all are well for the settle time without a failure. It is asked of what has no health checks, and of what failed since
    /// it was changed: a check that was passed once is not enough then.
    fn settled(&mut self, app: &LiveApp, all: bool, now: Duration, settle: Duration) -> bool {
        if !all {
            self.running_since = None;
            return false;
        }
        let since = *self.running_since.get_or_insert(now);
        app.instances == 0 || now.saturating_sub(since) >= settle
    }
}

/// Whether as many instances are there as are wanted, none to be launched and none to go.
fn is_whole(app: &LiveApp, look: &Look) -> bool {
    look.hidden(app) == 0 && u32::try_from(app.tasks.len()) == Ok(app.instances)
}

/// Why a service does not get on.
pub(super) fn trouble(app: &LiveApp, look: &Look, failures: u32, well: u32) -> Option<Sentence> {
    // what a task of the version before said explains nothing
    let last = app.last_task_failure.as_ref();
    let last = last.filter(|f| f.version.as_str() >= app.configured());
    let ended = last.is_some_and(|f| f.state != "TASK_KILLED") || !app.has_health_checks();
    if failures > 0 && ended {
        return Some(marathon::crashing(app, failures));
    }
    if let Some(item) = queued(app, look).filter(|q| q.has_no_role()) {
        return Some(marathon::no_offers(item));
    }
    let mixed = look.mixed.iter().any(|id| id.as_str() == app.id);
    let queued = queued(app, look).filter(|_| !mixed);
    if let Some(item) = queued.filter(|q| q.waits_for_offers(app.configured())) {
        return Some(marathon::no_offers(item));
    }
    let failing = app.tasks.iter().any(|t| {
        app.is_current(t)
            && t.state == "TASK_RUNNING"
            && !app.is_well(t)
            && t.failure_cause().is_some()
    });
    (failures > 0 || failing).then(|| marathon::unhealthy(app, well, app.instances))
}

/// What Marathon says of the instances of the newest configuration that wait to be launched; those of an earlier one that crashed
/// wait in the same entry.
pub(super) fn queued<'a>(app: &LiveApp, look: &'a Look) -> Option<&'a QueueItem> {
    let mut tasks = app.tasks.iter();
    let waits = look.hidden(app) > 0 || tasks.any(|t| app.is_current(t) && t.is_over());
    let mut queue = look.queue.iter().filter(|_| waits);
    queue.find(|q| q.app() == app.id)
}

/// It is to be launched, and no offer of this version's time was too small: there was none.
pub(super) fn waits(app: &LiveApp, look: &Look) -> Option<Sentence> {
    queued(app, look)?.is_due().then(|| {
        let sentence = format!(
            "{} waits for Marathon's next round of offers, up to 30 s where nothing is free",
            app.id
        );
        Sentence::new(Code::NoOffers, sentence)
    })
}

/// Instances that are too many, all of them well, where nothing is under way: where a rollout was cut short.
fn surplus(app: &LiveApp) -> Option<Sentence> {
    let number = app.tasks.len();
    let more = u32::try_from(number).is_ok_and(|n| n > app.instances);
    let waits = more && app.deployments().is_empty() && app.tasks.iter().all(|t| app.is_well(t));
    waits.then(|| {
        let sentence = format!(
            "{} has {number} instances where {} are wanted; Marathon takes those too many away when it counts them next, within 5 min",
            app.id, app.instances
        );
        Sentence::new(Code::Deadline, sentence)
    })
}

/// No service got on for so long.
#[must_use]
pub fn deadline_sentence(standings: &[(&ServiceId, &Standing)], quiet: Duration) -> Sentence {
    if let Some(waits) = standings.iter().find_map(|(_, s)| s.waits.clone()) {
        let sentence = format!("no progress for {} s: {}", quiet.as_secs(), waits.sentence);
        return Sentence {
            code: waits.code,
            sentence,
        };
    }
    let late = standings.iter().filter(|(_, s)| !s.done);
    let late: Vec<String> = late
        .map(|(id, s)| format!("{id} {} well", s.well))
        .collect();
    let what = if late.is_empty() {
        "all are well, and their Marathon deployment does not end".to_owned()
    } else {
        late.join(", ")
    };
    let sentence = format!("no progress for {} s: {what}", quiet.as_secs());
    Sentence::new(Code::Deadline, sentence)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A service of one instance that is to be launched at once, and for which no offer was looked at.
    fn without_offers() -> Look {
        let app =
            json!({"id": "/a", "version": "2026-11-22T10:00:00.000Z", "instances": 1, "tasks": []});
        let item = json!({"app": {"id": "/a"}, "count": 1, "delay": {"overdue": true}, "since": "2026-11-22T10:00:00.000Z"});
        Look {
            apps: BTreeMap::from([("/a".parse().unwrap(), LiveApp::read(app).unwrap())]),
            deployments: Vec::new(),
            queue: vec![serde_json::from_value(item).unwrap()],
            mixed: BTreeSet::new(),
        }
    }

    #[test]
    fn a_round_of_offers_is_waited_for_and_what_takes_longer_is_trouble() {
        let (look, id) = (without_offers(), "/a".parse().unwrap());
        let mut standings = Standings::default();
        let mut at = |seconds| {
            let now = Duration::from_secs(seconds);
            standings.of(&id, None, &look, now, Duration::ZERO)
        };
        let waits = at(100);
        assert!(waits.trouble.is_none() && waits.stage == "starting");
        assert!(
            waits
                .reason()
                .unwrap()
                .sentence
                .contains("next round of offers")
        );
        assert!(at(129).trouble.is_none());
        let lacks = at(130);
        assert!(lacks.trouble.is_some_and(|t| t.is(Code::NoOffers)));
        assert_eq!(lacks.stage, "waiting");
    }
}

//! Taking a rollout over, or ending it, without losing what is healthy. Marathon counts starting, crashing and never
//! launched instances like running ones when it kills, and once no deployment holds an app it kills surplus tasks,
//! healthy ones first. So under the rollout's own lock what is not healthy is wiped, we look again, and only then comes
//! the one call that goes on or ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::doubts::Doubts;
use super::look::{Look, look};
use crate::id::ServiceId;
use crate::marathon::{Client, LiveApp, MarathonError, Task, Watched, kept};

/// How many tasks one call takes away.
const AT_ONCE: usize = 100;

/// Makes the calls that change Marathon here, and writes them down where that is wanted.
pub trait Journal: Sync {
    /// Why it cannot go on.
    type Error: From<MarathonError> + Send;

    /// Takes these tasks away, without replacement.
    fn wipe(&self, tasks: &[String]) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// What wiping came to.
pub enum Wiped {
    /// Only healthy tasks are left.
    Clean,
    /// These services have instances that cannot be named, or keep data that a wipe would destroy.
    Left(BTreeSet<ServiceId>),
    /// Nobody knows yet how some tasks are; nothing was taken away.
    Unknown,
}

/// What was found, and done, about rollouts of ours that still hold the services.
pub enum Room {
    /// The call can be made.
    Made {
        /// A deployment of ours holds at least one of them and is to be overridden.
        held: bool,
        /// Active instances, by service, that could not be wiped: Marathon would count them when it kills.
        surplus: BTreeMap<ServiceId, u32>,
        /// Services of which a restart would kill instances at once, healthy ones as well.
        crowded: BTreeSet<ServiceId>,
    },
    /// Nobody knows yet how some tasks are; nothing was taken away.
    Unknown,
}

/// How Marathon is looked at.
pub struct View<'a> {
    /// Where questions go.
    pub marathon: &'a Client,
    /// What was heard.
    pub watched: &'a Watched,
    /// What is not known.
    pub doubts: &'a Doubts,
    /// The time ([`Clock::elapsed`](crate::clock::Clock::elapsed)).
    pub now: Duration,
}

/// What is done about tasks of which nobody knows how they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// A rollout is taken over: after one round of checks they count as active.
    Round,
    /// A rollout is ended: until a check would have spoken even of a task that has just begun.
    Grace,
}

/// Takes away what is not healthy of these services: never with `scale=true`, never where there are persistent volumes.
///
/// # Errors
/// When Marathon does not answer, or the journal cannot be written.
pub async fn wipe<J: Journal>(
    view: &View<'_>,
    ids: &BTreeSet<ServiceId>,
    journal: &J,
) -> Result<Wiped, J::Error> {
    wipe_with(view, ids, Patience::Grace, journal).await
}

async fn wipe_with<J: Journal>(
    view: &View<'_>,
    ids: &BTreeSet<ServiceId>,
    patience: Patience,
    journal: &J,
) -> Result<Wiped, J::Error> {
    let mut left = BTreeSet::new();
    while !ids.is_empty() {
        let look = look(view.marathon, ids.clone()).await?;
        left.clear();
        let mut bad = Vec::new();
        for (id, app) in &look.apps {
            // once no deployment holds it, Marathon takes away what is more than wanted: what is not costs nothing
            let counts = patience == Patience::Round || look.active(app) > app.instances;
            let unnamed = has_unnamed(view.watched, app, &look);
            let in_the_way = unnamed && counts;
            if in_the_way != view.doubts.stays_unnamed(id, in_the_way, view.now) {
                return Ok(Wiped::Unknown);
            }
            if unnamed || keeps_data(app) {
                if counts {
                    left.insert(id.clone());
                }
                continue;
            }
            match bad_tasks(view, app, &look, patience) {
                Bad::These(tasks) if tasks.is_empty() => view.doubts.is_clean(id),
                Bad::These(tasks) if view.doubts.may_wipe(id, view.now) => bad.extend(tasks),
                Bad::These(_) if counts && has_something_to_lose(app, view.doubts) => {
                    left.insert(id.clone());
                }
                Bad::These(_) => {}
                Bad::CountsAsActive => drop(left.insert(id.clone())),
                Bad::Unknown => return Ok(Wiped::Unknown),
            }
        }
        if bad.is_empty() {
            break;
        }
        for some in bad.chunks(AT_ONCE) {
            journal.wipe(some).await?;
        }
    }
    Ok(if left.is_empty() {
        Wiped::Clean
    } else {
        Wiped::Left(left)
    })
}

/// What is not well of a service.
enum Bad {
    /// These tasks.
    These(Vec<String>),
    /// It is not known, and will not be for long: all count as active.
    CountsAsActive,
    /// It is not known yet.
    Unknown,
}

/// Whether there are tasks that are well, or may be: they were, or are of the old version, of which nobody knows anything else.
fn has_something_to_lose(app: &LiveApp, doubts: &Doubts) -> bool {
    let may_be = |t: &Task| app.is_unknown(t) && (!app.is_current(t) || doubts.may_be_well(app, t));
    app.tasks.iter().any(|t| app.is_well(t) || may_be(t))
}

/// The tasks that are not well, and the never launched instances by the name their first task would have. A task of which
/// nobody knows how it is, is not bad as long as there is something to protect.
fn bad_tasks(view: &View<'_>, app: &LiveApp, look: &Look, patience: Patience) -> Bad {
    let protects = has_something_to_lose(app, view.doubts);
    // Marathon looks at the instance alone: the name stays the same from attempt to attempt
    let first = |instance: &str| format!("{instance}._app.1");
    let name = |t: &Task| {
        if t.id.contains("._app.") {
            first(t.instance())
        } else {
            t.id.clone()
        }
    };
    let mut bad = Vec::new();
    for task in app.tasks.iter().filter(|t| !app.is_well(t)) {
        if app.is_unknown(task) && protects {
            if !app.is_current(task) {
                continue;
            }
            let seen = view.doubts.of(task, view.now);
            let grace = app.check_time("gracePeriodSeconds", 300) + app.check_round();
            if seen < grace {
                if patience == Patience::Round && seen >= app.check_round() {
                    return Bad::CountsAsActive;
                }
                return Bad::Unknown;
            }
        }
        bad.push(name(task));
    }
    if look.hidden(app) > 0 {
        bad.extend(
            never_launched(view.watched, app)
                .into_iter()
                .map(|i| first(&i)),
        );
    }
    Bad::These(bad)
}

fn never_launched(watched: &Watched, app: &LiveApp) -> Vec<String> {
    let listed: BTreeSet<&str> = app.tasks.iter().map(Task::instance).collect();
    let heard = watched.never_launched(&app.id);
    heard
        .into_iter()
        .filter(|i| !listed.contains(i.as_str()))
        .collect()
}

fn has_unnamed(watched: &Watched, app: &LiveApp, look: &Look) -> bool {
    let known = u32::try_from(never_launched(watched, app).len()).unwrap_or(u32::MAX);
    look.hidden(app) > known
}

/// Whether what is not well of a service keeps data that a wipe would destroy.
fn keeps_data(app: &LiveApp) -> bool {
    app.has_volumes() && app.tasks.iter().any(|t| !app.is_well(t))
}

/// Makes room for a call that changes these services: rollouts of ours that still hold them are cleared of what is not
/// healthy, under their own lock.
///
/// # Errors
/// When Marathon does not answer, or the journal cannot be written.
pub async fn make_room<J: Journal>(
    view: &View<'_>,
    ids: &BTreeSet<ServiceId>,
    is_ours: impl Fn(&str) -> bool + Send,
    journal: &J,
) -> Result<Room, J::Error> {
    let seen = look(view.marathon, ids.clone()).await?;
    let mut locked = BTreeSet::new();
    for deployment in seen.holding(ids).filter(|d| is_ours(&d.id)) {
        let affected = &deployment.affected_apps;
        locked.extend(affected.iter().filter_map(|a| a.parse().ok()));
    }
    let held = !locked.is_empty();
    let unwell = |id: &ServiceId| seen.apps.get(id).is_none_or(|a| needs_care(a, &seen));
    let (locked, free): (BTreeSet<ServiceId>, BTreeSet<ServiceId>) = ids
        .union(&locked)
        .filter(|id| unwell(id))
        .cloned()
        .partition(|id| locked.contains(id));
    // where no lock is left, a wipe is safe only if as many as are wanted remain, and no more: Marathon looks at the first death how
    // many there are, and takes the surplus away, healthy ones first
    let coverable = |a: &LiveApp| {
        let well = a.tasks.iter().filter(|t| a.is_well(t)).count();
        let known = a.tasks.iter().all(|t| !a.is_unknown(t));
        let enough = u32::try_from(well).unwrap_or(0) >= a.instances;
        known && enough && seen.hidden(a) == 0 && seen.active(a) <= a.instances.saturating_add(1)
    };
    let (wipeable, mut left): (BTreeSet<_>, BTreeSet<_>) = free
        .into_iter()
        .partition(|id| seen.apps.get(id).is_some_and(coverable));
    wipe_with(view, &wipeable, Patience::Round, journal).await?;
    match wipe_with(view, &locked, Patience::Round, journal).await? {
        Wiped::Left(stay) => left.extend(stay),
        Wiped::Clean => {}
        Wiped::Unknown => return Ok(Room::Unknown),
    }
    let seen = if left.is_empty() {
        seen
    } else {
        look(view.marathon, left.clone()).await?
    };
    Ok(room(held, &seen, &left))
}

/// Whether a restart of any of these services would kill instances at once, healthy ones as well, as they are now.
///
/// # Errors
/// When Marathon does not answer.
pub async fn is_crowded(
    marathon: &Client,
    ids: &BTreeSet<ServiceId>,
) -> Result<bool, MarathonError> {
    let seen = look(marathon, ids.clone()).await?;
    let active = surplus(&seen, ids);
    Ok(seen.apps.iter().any(|(id, app)| {
        needs_care(app, &seen) && active.get(id).is_some_and(|active| *active > app.kept())
    }))
}

fn room(held: bool, look: &Look, left: &BTreeSet<ServiceId>) -> Room {
    let surplus = surplus(look, left);
    let crowded = surplus.iter().filter(|(id, active)| {
        let app = look.apps.get(id);
        app.is_some_and(|a| **active > a.kept())
    });
    let crowded = crowded.map(|(id, _)| id.clone()).collect();
    Room::Made {
        held,
        surplus,
        crowded,
    }
}

fn needs_care(app: &LiveApp, look: &Look) -> bool {
    app.tasks.iter().any(|t| !app.is_well(t)) || look.hidden(app) > 0
}

fn surplus(look: &Look, ids: &BTreeSet<ServiceId>) -> BTreeMap<ServiceId, u32> {
    ids.iter()
        .filter_map(|id| {
            let app = look.apps.get(id)?;
            Some((id.clone(), look.active(app)))
        })
        .collect()
}

/// The body with the smallest number of instances, at least the wanted one, of which the upgrade keeps all `active`
/// ones; and whether that is more than wanted.
#[must_use]
pub fn with_room(body: &Value, wanted: u32, active: Option<u32>) -> (Value, bool) {
    let Some(active) = active else {
        return (body.clone(), false);
    };
    let keeps = body
        .pointer("/upgradeStrategy/minimumHealthCapacity")
        .and_then(Value::as_f64)
        .unwrap_or(1.0);
    let enough = (wanted..=wanted.saturating_add(active.saturating_mul(20)))
        .find(|n| kept(*n, keeps) >= active)
        .unwrap_or(wanted);
    let mut body = body.clone();
    if let Some(map) = body.as_object_mut() {
        map.insert("instances".to_owned(), enough.into());
    }
    (body, enough != wanted)
}

//! What was seen before and is needed to judge what is seen now: tasks of which nobody knows how they are, instances without a
//! name, and how often what is bad was taken away in vain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::look::Look;
use crate::id::ServiceId;
use crate::marathon::{LiveApp, Task};

/// How often what turns bad meanwhile is wiped again, within [`ROUNDS_IN`].
const ROUNDS: usize = 3;

/// After so long it may be wiped again where Marathon had started it as fast as it was taken away.
const ROUNDS_IN: Duration = Duration::from_mins(1);

/// For how long an instance may be without a name: what waits and what runs are two questions, and names come by events.
const UNNAMED: Duration = Duration::from_secs(2);

/// Tasks of which nobody knows how they are.
#[derive(Default)]
pub struct Doubts {
    /// Since when they are seen.
    since: Mutex<BTreeMap<String, Duration>>,
    /// Services with an instance that cannot be named, and since when.
    unnamed: Mutex<BTreeMap<ServiceId, Duration>>,
    /// Tasks that were seen well: a Marathon that comes back does not know it any more.
    well: Mutex<BTreeMap<ServiceId, BTreeSet<String>>>,
    /// Services whose present definition has run well: so may their tasks, of which nobody knows how they are.
    proven: Mutex<BTreeSet<String>>,
    /// How often each service was wiped since nothing bad was seen of it, and since when.
    wipes: Mutex<BTreeMap<ServiceId, (usize, Duration)>>,
}

impl Doubts {
    /// For how long nobody knows how a task is.
    pub(super) fn of(&self, task: &Task, now: Duration) -> Duration {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        now.saturating_sub(*since.entry(task.id.clone()).or_insert(now))
    }

    /// Whether a service has had an instance without a name for so long that none will come.
    pub(super) fn stays_unnamed(&self, id: &ServiceId, unnamed: bool, now: Duration) -> bool {
        let mut since = self.unnamed.lock().unwrap_or_else(PoisonError::into_inner);
        if !unnamed {
            since.remove(id);
            return false;
        }
        now.saturating_sub(*since.entry(id.clone()).or_insert(now)) >= UNNAMED
    }

    /// Keeps in mind which tasks of these services are well, or were before nobody knew.
    pub fn sees(&self, look: &Look) {
        let mut all = self.well.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, app) in &look.apps {
            let before = all.remove(id).unwrap_or_default();
            let was_well = |t: &&Task| app.is_unknown(t) && before.contains(&t.id);
            let tasks = app.tasks.iter();
            let well = tasks.filter(|t| app.is_well(t) || was_well(t));
            all.insert(id.clone(), well.map(|t| t.id.clone()).collect());
        }
    }

    /// The present definitions of these services have run well.
    pub fn trusts<'a>(&self, services: impl Iterator<Item = &'a ServiceId>) {
        let mut proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        *proven = services.map(ToString::to_string).collect();
    }

    /// Whether a task of which nobody knows how it is was well, or is of a definition that was.
    pub(super) fn may_be_well(&self, app: &LiveApp, task: &Task) -> bool {
        let proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.well.lock().unwrap_or_else(PoisonError::into_inner);
        proven.contains(&app.id) || all.values().any(|tasks| tasks.contains(&task.id))
    }

    /// Whether what is bad of a service is to be taken away once more: Marathon may start it again as fast.
    pub(super) fn may_wipe(&self, id: &ServiceId, now: Duration) -> bool {
        let mut wipes = self.wipes.lock().unwrap_or_else(PoisonError::into_inner);
        let (times, since) = wipes.entry(id.clone()).or_insert((0, now));
        if now.saturating_sub(*since) >= ROUNDS_IN {
            (*times, *since) = (0, now);
        }
        *times += 1;
        *times <= ROUNDS
    }

    /// Nothing bad is seen of a service.
    pub(super) fn is_clean(&self, id: &ServiceId) {
        let mut wipes = self.wipes.lock().unwrap_or_else(PoisonError::into_inner);
        wipes.remove(id);
    }

    /// Marathon does not answer: what was observed before does not count.
    pub fn forget(&self) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.clear();
    }
}

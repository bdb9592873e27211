//! Looking at Marathon: what runs, who holds it, what is not well.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;

use crate::id::{AppId, ServiceId, SpecHash};
use crate::marathon::{
    Client, LiveApp, MarathonError, QueueItem, RunningDeployment, Snapshot, Task, Watched,
};
use crate::plan::Running;
use crate::spec::{LABEL_APP, LABEL_SPEC, rendering};

/// The hash in the `DPLOY_SPEC` label.
#[must_use]
pub fn labelled(app: &LiveApp) -> Option<SpecHash> {
    app.labels.get(LABEL_SPEC)?.strip_prefix("1:")?.parse().ok()
}

/// Whether a service carries the label of an app: only then it is touched.
#[must_use]
pub fn is_of(live: &LiveApp, app: &AppId) -> bool {
    live.labels.get(LABEL_APP).map(String::as_str) == Some(app.as_str())
}

/// A Marathon app as a plan sees it.
#[must_use]
pub fn running(app: &LiveApp) -> Running {
    let all_current = app
        .tasks
        .iter()
        .all(|t| app.is_current(t) && app.is_well(t));
    // one that is being killed, or is out of reach, is on its way out
    let runs_old = |t: &Task| t.state == "TASK_RUNNING" && !app.is_current(t);
    let old = app.deployments().is_empty() && app.tasks.iter().any(runs_old);
    let complete = u32::try_from(app.tasks.len()).is_ok_and(|n| n == app.instances);
    Running {
        app: app.labels.get(LABEL_APP).cloned(),
        spec: labelled(app),
        instances: app.instances,
        rendering: rendering(&app.raw),
        settled: all_current && complete,
        old,
        version: app.version.clone(),
        definition: app.raw.clone(),
    }
}

/// The ids that carry the label of an app.
///
/// # Errors
/// When Marathon does not answer.
pub async fn ours(marathon: &Client, app: &str) -> Result<Vec<ServiceId>, MarathonError> {
    let labelled = marathon.apps_labelled(LABEL_APP, app).await?;
    Ok(labelled.iter().filter_map(|a| a.id.parse().ok()).collect())
}

/// These services as they run; those that do not are left out.
///
/// # Errors
/// When Marathon does not answer.
pub async fn apps(
    marathon: &Client,
    ids: BTreeSet<ServiceId>,
) -> Result<BTreeMap<ServiceId, LiveApp>, MarathonError> {
    let mut asked = futures_util::stream::iter(ids)
        .map(|id| async move { (marathon.app(&id).await, id) })
        .buffer_unordered(8);
    let mut found = BTreeMap::new();
    while let Some((app, id)) = asked.next().await {
        if let Some(app) = app? {
            found.insert(id, app);
        }
    }
    Ok(found)
}

/// Everything about Marathon that a step decides on, asked afresh.
pub struct Look {
    /// The services that run.
    pub apps: BTreeMap<ServiceId, LiveApp>,
    /// All running deployments.
    pub deployments: Vec<RunningDeployment>,
    /// What waits to be launched.
    pub queue: Vec<QueueItem>,
    /// Services of which instances of an earlier version wait as well, or may, as nothing was heard of them: what Marathon says of
    /// offers may speak of those.
    pub mixed: BTreeSet<ServiceId>,
}

/// Looks at these services.
///
/// # Errors
/// When Marathon does not answer.
pub async fn look(marathon: &Client, ids: BTreeSet<ServiceId>) -> Result<Look, MarathonError> {
    let deployments = marathon.deployments().await?;
    let queue = marathon.queue().await?;
    Ok(Look {
        apps: apps(marathon, ids).await?,
        deployments,
        queue,
        mixed: BTreeSet::new(),
    })
}

/// Looks at these services in what Marathon showed; those without our label are asked for by themselves. What waits to be
/// launched is theirs alone.
///
/// # Errors
/// When Marathon does not answer.
pub async fn look_in(
    seen: &Snapshot,
    marathon: &Client,
    ids: BTreeSet<ServiceId>,
) -> Result<Look, MarathonError> {
    let (shown, others): (BTreeSet<ServiceId>, BTreeSet<ServiceId>) = ids
        .into_iter()
        .partition(|id| seen.apps.contains_key(id.as_str()));
    let mut found = apps(marathon, others).await?;
    found.extend(shown.into_iter().filter_map(|id| {
        let app = seen.apps.get(id.as_str())?.clone();
        Some((id, app))
    }));
    let queue = seen.queue.iter();
    let theirs = |q: &&QueueItem| found.values().any(|a| a.id == q.app());
    Ok(Look {
        queue: queue.filter(theirs).cloned().collect(),
        deployments: seen.deployments.clone(),
        mixed: BTreeSet::new(),
        apps: found,
    })
}

impl Look {
    /// The same, with what was heard of instances that were never launched.
    #[must_use]
    pub fn hearing(mut self, watched: &Watched) -> Self {
        let waits = |a: &LiveApp| {
            let heard = watched.never_launched(&a.id);
            let listed = |i: &&String| a.tasks.iter().any(|t| t.instance() == i.as_str());
            let named = heard.iter().filter(|i| !listed(i)).count();
            let unnamed = u32::try_from(named).is_ok_and(|named| self.hidden(a) > named);
            unnamed || watched.waits_in_earlier_version(&a.id, a.configured())
        };
        let mixed = self.apps.iter().filter(|(_, a)| waits(a));
        self.mixed = mixed.map(|(id, _)| id.clone()).collect();
        self
    }

    /// The running deployments that change any of these services.
    pub fn holding<'a>(
        &'a self,
        services: &'a BTreeSet<ServiceId>,
    ) -> impl Iterator<Item = &'a RunningDeployment> {
        self.deployments.iter().filter(|d| {
            d.affected_apps
                .iter()
                .any(|a| services.iter().any(|s| s.as_str() == a))
        })
    }

    /// How many instances of an app are meant to run: those in its list of tasks, and those that were never launched.
    #[must_use]
    pub fn active(&self, app: &LiveApp) -> u32 {
        let listed = u32::try_from(app.tasks.len()).unwrap_or(u32::MAX);
        listed.saturating_add(self.hidden(app))
    }

    /// How many instances of an app wait to be launched and are in no task list.
    #[must_use]
    pub fn hidden(&self, app: &LiveApp) -> u32 {
        let waiting: u32 = self
            .queue
            .iter()
            .filter(|q| q.app() == app.id)
            .map(|q| q.count)
            .sum();
        let over = u32::try_from(app.tasks.iter().filter(|t| t.is_over()).count()).unwrap_or(0);
        waiting.saturating_sub(over)
    }
}

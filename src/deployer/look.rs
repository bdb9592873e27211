//! Looking at Marathon: what runs, who holds it, what is not well.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;

use crate::context::Context;
use crate::history::App;
use crate::id::{AppId, ServiceId, SpecHash};
use crate::marathon::{LiveApp, MarathonError, QueueItem, RunningDeployment};
use crate::plan::{Bounds, Running};
use crate::spec::{LABEL_APP, LABEL_SPEC, Service, rendering};
use crate::store::StoreError;

/// The hash in the `DPLOY_SPEC` label.
#[must_use]
pub fn labelled(app: &LiveApp) -> Option<SpecHash> {
    app.labels.get(LABEL_SPEC)?.strip_prefix("1:")?.parse().ok()
}

/// A Marathon app as a plan sees it.
#[must_use]
pub fn running(app: &LiveApp) -> Running {
    let all_current = app
        .tasks
        .iter()
        .all(|t| app.is_current(t) && app.is_well(t));
    let complete = u32::try_from(app.tasks.len()).is_ok_and(|n| n == app.instances);
    Running {
        app: app.labels.get(LABEL_APP).cloned(),
        spec: labelled(app),
        instances: app.instances,
        rendering: rendering(&app.raw),
        settled: all_current && complete,
        version: app.version.clone(),
        definition: app.raw.clone(),
    }
}

/// Everything about Marathon that a step decides on, asked afresh.
pub(super) struct Look {
    pub apps: BTreeMap<ServiceId, LiveApp>,
    pub deployments: Vec<RunningDeployment>,
    pub queue: Vec<QueueItem>,
}

impl Context {
    /// The services of an app as they run: those of the specs, those it knows, and those with its label.
    ///
    /// # Errors
    /// When Marathon does not answer.
    pub async fn live(
        &self,
        app: &App,
        services: &[Service],
    ) -> Result<BTreeMap<ServiceId, LiveApp>, MarathonError> {
        let mut ids: BTreeSet<ServiceId> = services.iter().map(|s| s.id.clone()).collect();
        ids.extend(app.services.keys().cloned());
        ids.extend(self.ours(&app.id).await?);
        self.apps(ids).await
    }

    /// The ids that carry the label of an app.
    pub(super) async fn ours(&self, app: &AppId) -> Result<Vec<ServiceId>, MarathonError> {
        let labelled = self.marathon.apps_labelled(LABEL_APP, app.as_str()).await?;
        Ok(labelled.iter().filter_map(|a| a.id.parse().ok()).collect())
    }

    pub(super) async fn apps(
        &self,
        ids: BTreeSet<ServiceId>,
    ) -> Result<BTreeMap<ServiceId, LiveApp>, MarathonError> {
        let mut asked = futures_util::stream::iter(ids)
            .map(|id| async move { (self.marathon.app(&id).await, id) })
            .buffer_unordered(8);
        let mut found = BTreeMap::new();
        while let Some((app, id)) = asked.next().await {
            if let Some(app) = app? {
                found.insert(id, app);
            }
        }
        Ok(found)
    }

    pub(super) async fn look(&self, ids: BTreeSet<ServiceId>) -> Result<Look, MarathonError> {
        let deployments = self.marathon.deployments().await?;
        let queue = self.marathon.queue().await?;
        Ok(Look {
            apps: self.apps(ids).await?,
            deployments,
            queue,
        })
    }

    /// What this observer may touch on behalf of `app`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn bounds(&self, app: &AppId, services: &[Service]) -> Result<Bounds, StoreError> {
        let mut taken = BTreeMap::new();
        for id in services.iter().map(|s| &s.id) {
            if let Some(owner) = self.store.owner_of(id).await?.filter(|o| o != app) {
                taken.insert(id.clone(), owner);
            }
        }
        Ok(Bounds {
            allowed: self.allow_ids.clone(),
            own: self.own_id.clone(),
            taken,
        })
    }
}

impl Look {
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

    /// How many instances of an app wait to be launched and are in no task list.
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

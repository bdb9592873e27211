//! What a deploy looks at of its app: its services as they run, and what it may touch.

use std::collections::{BTreeMap, BTreeSet};

use crate::context::Context;
use crate::history::App;
use crate::id::{AppId, ServiceId};
use crate::marathon::{LiveApp, MarathonError};
use crate::plan::{Bounds, Running};
use crate::rollout;
use crate::spec::Service;
use crate::store::StoreError;

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
        ids.extend(rollout::ours(&self.marathon, app.id.as_str()).await?);
        rollout::apps(&self.marathon, ids).await
    }

    /// Takes the names of other apps out of labels, where those who see this app do not hear of them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) async fn unnamed(
        &self,
        app: &App,
        running: &mut BTreeMap<ServiceId, Running>,
    ) -> Result<(), StoreError> {
        for running in running.values_mut() {
            let label = running.app.as_deref().and_then(|l| l.parse::<AppId>().ok());
            if let Some(label) = label.filter(|l| *l != app.id)
                && let Some(other) = self.store.app(&label).await?
                && !app.names(&other)
            {
                running.app = Some(String::new());
            }
        }
        Ok(())
    }

    /// What this observer may touch on behalf of `app`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn bounds(&self, app: &App, services: &[Service]) -> Result<Bounds, StoreError> {
        let mut taken = BTreeMap::new();
        for id in services.iter().map(|s| &s.id) {
            if let Some(owner) = self.store.owner_of(id).await?.filter(|o| *o != app.id) {
                let other = self.store.app(&owner).await?;
                let named = other.is_some_and(|other| app.names(&other));
                taken.insert(id.clone(), named.then_some(owner));
            }
        }
        Ok(Bounds {
            allowed: self.allow_ids.clone(),
            own: self.own_id.clone(),
            taken,
        })
    }
}

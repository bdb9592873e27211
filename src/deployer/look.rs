//! What a deploy looks at of its app: its services as they run, and what it may touch.

use std::collections::{BTreeMap, BTreeSet};

use crate::context::Context;
use crate::history::App;
use crate::id::{AppId, ServiceId};
use crate::marathon::{LiveApp, MarathonError};
use crate::plan::Bounds;
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

//! One method a call. Nothing is retried here: who calls knows whether that is safe.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::access::{Access, Credentials};
use super::error::MarathonError;
use super::place::{Known, Place};
use super::queue::QueueItem;
use super::wire::{Deployed, LiveApp, RunningDeployment};
use crate::clock::SharedClock;
use crate::id::ServiceId;
use crate::reach::Reach;
use crate::transport::Way;

/// Where more apps wait for a role, offers are not asked for: each comes with all that it did not take.
const MOST_WITH_OFFERS: usize = 20;

/// The client. Its clones share one login.
#[derive(Clone)]
pub struct Client {
    place: Place,
    pub(super) access: Arc<Access>,
    pub(super) clock: SharedClock,
    pub(super) reach: Reach,
}

impl Client {
    /// A client of the Marathon at `base`, e.g. `http://leader.mesos:8080` or `https://cluster/service/marathon`.
    ///
    /// # Errors
    /// When TLS cannot be set up, or the credentials cannot be sent.
    pub fn new(
        base: &str,
        credentials: Credentials,
        clock: SharedClock,
        timeout: Duration,
    ) -> anyhow::Result<Self> {
        let place = Place::sought("");
        place.is(Ok(Known::over_network(base, timeout)?));
        Self::with(place, base, credentials, clock)
    }

    /// A client of a Marathon that is yet to be found; see [`Self::found`]. Until then each call answers `why` it is not.
    ///
    /// # Errors
    /// When the credentials cannot be sent.
    pub fn sought(why: &str, credentials: Credentials, clock: SharedClock) -> anyhow::Result<Self> {
        Self::with(Place::sought(why), "", credentials, clock)
    }

    /// The same as [`Self::new`] by a way that there is already.
    ///
    /// # Errors
    /// When the credentials cannot be sent.
    pub fn through(
        way: Way,
        base: &str,
        credentials: Credentials,
        clock: SharedClock,
    ) -> anyhow::Result<Self> {
        Self::with(Place::at(base, way), base, credentials, clock)
    }

    fn with(
        place: Place,
        base: &str,
        credentials: Credentials,
        clock: SharedClock,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            place,
            access: Arc::new(Access::new(base, credentials, clock.clone())?),
            clock,
            reach: Reach::of("Marathon"),
        })
    }

    /// Marathon is at `base` from now on.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn found(&self, base: &str, timeout: Duration) -> anyhow::Result<()> {
        self.place.is(Ok(Known::over_network(base, timeout)?));
        Ok(())
    }

    /// It was not found, for this reason.
    pub fn not_found(&self, why: &str) {
        self.place.is(Err(why.to_owned()));
    }

    /// Whether the last call was not answered as it should be.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.reach.is_silent()
    }

    /// What is said of a Marathon that does not answer.
    #[must_use]
    pub fn silence(&self) -> String {
        match self.place.known() {
            Ok(known) => format!("Marathon at {} does not answer", known.base),
            Err(why) => why,
        }
    }

    /// Where this Marathon is; nothing while that is not known.
    #[must_use]
    pub fn base(&self) -> Option<String> {
        self.place.known().ok().map(|known| known.base.clone())
    }

    /// The place that a call goes to.
    pub(super) fn place(&self) -> Result<Arc<Known>, MarathonError> {
        self.place.known().map_err(|why| {
            self.reach.fails(self.clock.elapsed(), &why);
            MarathonError::Unreachable(why)
        })
    }

    /// The app, with tasks, deployments and its last failure; `None` where there is none.
    ///
    /// # Errors
    /// When Marathon does not answer.
    pub async fn app(&self, id: &ServiceId) -> Result<Option<LiveApp>, MarathonError> {
        match self
            .call(Method::GET, &format!("/v2/apps{id}"), None, &[])
            .await
        {
            Ok(value) => LiveApp::read(part(value, "app"))
                .map(Some)
                .map_err(|e| self.unreadable(&e)),
            Err(MarathonError::Missing(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// All apps with this label, without tasks.
    ///
    /// # Errors
    /// When Marathon does not answer.
    pub async fn apps_labelled(
        &self,
        label: &str,
        value: &str,
    ) -> Result<Vec<LiveApp>, MarathonError> {
        self.apps_by(&format!("/v2/apps?label={label}%3D%3D{value}"))
            .await
    }

    pub(super) async fn apps_by(&self, path: &str) -> Result<Vec<LiveApp>, MarathonError> {
        let answer = self.call(Method::GET, path, None, &[]).await?;
        // who says nothing of apps does not say that none run
        let Value::Array(apps) = part(answer, "apps") else {
            return Err(self.foreign("it has no list of apps"));
        };
        apps.into_iter()
            .map(|a| LiveApp::read(a).map_err(|e| self.unreadable(&e)))
            .collect()
    }

    fn unreadable(&self, error: &serde_json::Error) -> MarathonError {
        self.foreign(&error.to_string())
    }

    fn foreign(&self, error: &str) -> MarathonError {
        MarathonError::Unreachable(format!(
            "{} answers what is not Marathon's: {error}",
            self.base().unwrap_or_default()
        ))
    }

    /// The deployments that run now.
    ///
    /// # Errors
    /// When Marathon does not answer.
    pub async fn deployments(&self) -> Result<Vec<RunningDeployment>, MarathonError> {
        let value = self.call(Method::GET, "/v2/deployments", None, &[]).await?;
        serde_json::from_value(value).map_err(|e| self.unreadable(&e))
    }

    /// What waits to be launched.
    ///
    /// # Errors
    /// When Marathon does not answer.
    pub async fn queue(&self) -> Result<Vec<QueueItem>, MarathonError> {
        let queue = self.queue_by("/v2/queue").await?;
        let lacking = queue.iter().filter(|q| q.lacks_role()).count();
        if lacking == 0 || lacking > MOST_WITH_OFFERS {
            return Ok(queue);
        }
        // which roles there are stands in the offers alone; without them the rest is known all the same
        let with_offers = self.queue_by("/v2/queue?embed=lastUnusedOffers").await;
        Ok(with_offers.unwrap_or(queue))
    }

    async fn queue_by(&self, path: &str) -> Result<Vec<QueueItem>, MarathonError> {
        let value = self.call(Method::GET, path, None, &[]).await?;
        serde_json::from_value(part(value, "queue")).map_err(|e| self.unreadable(&e))
    }

    /// Version and leader, to show and to see that it is Marathon.
    ///
    /// # Errors
    /// When Marathon does not answer.
    pub async fn info(&self) -> Result<Value, MarathonError> {
        self.call(Method::GET, "/v2/info", None, &[]).await
    }

    /// Replaces the definitions of several apps in one deployment: `PUT /v2/apps?partialUpdate=false`.
    ///
    /// # Errors
    /// See [`MarathonError`]; after [`MarathonError::Unreachable`] it may have been carried out.
    pub async fn put_apps(
        &self,
        body: &str,
        services: &[String],
        force: bool,
    ) -> Result<Deployed, MarathonError> {
        let path = format!("/v2/apps?partialUpdate=false&force={force}");
        self.deployed(Method::PUT, &path, Some(body), services)
            .await
    }

    /// Sets the number of instances alone.
    ///
    /// # Errors
    /// See [`MarathonError`].
    pub async fn scale(
        &self,
        id: &ServiceId,
        instances: u32,
        force: bool,
    ) -> Result<Deployed, MarathonError> {
        let body = json!({"instances": instances}).to_string();
        self.deployed(
            Method::PUT,
            &format!("/v2/apps{id}?force={force}"),
            Some(&body),
            &[id.to_string()],
        )
        .await
    }

    /// Replaces all tasks of an app whose definition is right.
    ///
    /// # Errors
    /// See [`MarathonError`].
    pub async fn restart(&self, id: &ServiceId, force: bool) -> Result<Deployed, MarathonError> {
        self.deployed(
            Method::POST,
            &format!("/v2/apps{id}/restart?force={force}"),
            None,
            &[id.to_string()],
        )
        .await
    }

    /// Deletes an app.
    ///
    /// # Errors
    /// See [`MarathonError`].
    pub async fn delete_app(&self, id: &ServiceId, force: bool) -> Result<Deployed, MarathonError> {
        self.deployed(
            Method::DELETE,
            &format!("/v2/apps{id}?force={force}"),
            None,
            &[id.to_string()],
        )
        .await
    }

    async fn deployed(
        &self,
        method: Method,
        path: &str,
        body: Option<&str>,
        services: &[String],
    ) -> Result<Deployed, MarathonError> {
        let value = self.call(method, path, body, services).await?;
        serde_json::from_value(value).map_err(|e| self.unreadable(&e))
    }

    /// Takes tasks away without replacement: `POST /v2/tasks/delete?wipe=true`.
    ///
    /// # Errors
    /// See [`MarathonError`].
    pub async fn wipe(&self, tasks: &[String]) -> Result<(), MarathonError> {
        let body = json!({"ids": tasks}).to_string();
        self.call(Method::POST, "/v2/tasks/delete?wipe=true", Some(&body), &[])
            .await
            .map(|_| ())
    }

    /// Stops a deployment and leaves everything as it is. One that is gone already counts as stopped.
    ///
    /// # Errors
    /// See [`MarathonError`].
    pub async fn cancel(&self, deployment: &str) -> Result<(), MarathonError> {
        match self
            .call(
                Method::DELETE,
                &format!("/v2/deployments/{deployment}?force=true"),
                None,
                &[],
            )
            .await
        {
            Ok(_) | Err(MarathonError::Missing(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }
}

/// A part of an answer; null where it is no object, or has none of this name.
fn part(answer: Value, name: &str) -> Value {
    match answer {
        Value::Object(mut map) => map.remove(name).unwrap_or_default(),
        _ => Value::Null,
    }
}

//! Where Marathon is: as a setting says, or yet to be found. Until it is found every call answers why it is not.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::error::MarathonError;
use super::explain;
use crate::secret::plain;
use crate::transport::{TransportError, Way, client_of};

/// Where Marathon is. Clones share it.
#[derive(Clone)]
pub(super) struct Place(Arc<RwLock<Result<Arc<Known>, String>>>);

/// A Marathon whose address is known, and the way there.
pub(super) struct Known {
    pub(super) base: String,
    pub(super) way: Way,
    /// For the event stream, on which nothing may be said for a while.
    pub(super) stream: Way,
}

/// How long the event stream may be silent: Marathon's heartbeat comes every ten seconds.
const SILENCE: Duration = Duration::from_secs(45);

impl Place {
    pub(super) fn at(base: &str, way: Way) -> Self {
        Self(Arc::new(RwLock::new(Ok(Known::at(base, way)))))
    }

    /// Not known yet, for this reason.
    pub(super) fn sought(why: &str) -> Self {
        Self(Arc::new(RwLock::new(Err(why.to_owned()))))
    }

    pub(super) fn known(&self) -> Result<Arc<Known>, String> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn is(&self, place: Result<Arc<Known>, String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = place;
    }
}

impl Known {
    pub(super) fn at(base: &str, way: Way) -> Arc<Self> {
        let base = base.trim_end_matches('/').to_owned();
        let stream = way.clone();
        Arc::new(Self { base, way, stream })
    }

    pub(super) fn over_network(base: &str, timeout: Duration) -> anyhow::Result<Arc<Self>> {
        let way = |silence: Duration| -> anyhow::Result<Way> {
            let http = client_of(base)
                .connect_timeout(Duration::from_secs(5).min(timeout))
                .user_agent(concat!("dploy-observer/", env!("CARGO_PKG_VERSION")))
                .read_timeout(silence)
                .build()?;
            Ok(Way::network(http))
        };
        Ok(Arc::new(Self {
            base: base.trim_end_matches('/').to_owned(),
            way: way(timeout)?,
            stream: way(timeout.max(SILENCE))?,
        }))
    }

    pub(super) fn unreachable(&self, error: &TransportError) -> MarathonError {
        MarathonError::Unreachable(format!("Marathon at {} {error}", self.base))
    }

    /// What an answer without success means; `value` is a text where it is not JSON.
    pub(super) fn refusal(
        &self,
        status: StatusCode,
        value: &Value,
        services: &[String],
    ) -> MarathonError {
        let message = match value.get("message").and_then(Value::as_str) {
            Some(message) => plain(message, 500),
            None => plain(
                &value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned),
                200,
            ),
        };
        match status.as_u16() {
            401 => MarathonError::Unauthorized(format!(
                "Marathon at {} wants credentials, or does not take these: set DPLOY_MARATHON_USER and DPLOY_MARATHON_PASSWORD, or DPLOY_MARATHON_TOKEN",
                self.base
            )),
            403 if message.contains("running deployments") => MarathonError::Busy(format!(
                "Marathon runs as many deployments as it can: {message}"
            )),
            403 => MarathonError::Unauthorized(format!(
                "Marathon at {} does not let us: {message}",
                self.base
            )),
            404 => MarathonError::Missing(message),
            // whether it names the deployments or not, nothing was changed
            409 => {
                let ids = value["deployments"].as_array().into_iter().flatten();
                MarathonError::Locked(
                    ids.filter_map(|d| d["id"].as_str().map(str::to_owned))
                        .collect(),
                )
            }
            // not Marathon's own words, but those of a proxy before it
            408 => MarathonError::Unreachable(format!(
                "Marathon at {} answers {status}: {message}",
                self.base
            )),
            429 => MarathonError::Busy(format!("Marathon at {} answers {status}", self.base)),
            400..=499 => MarathonError::Refused(explain::refused(services, status.as_u16(), value)),
            300..=399 => MarathonError::Unreachable(format!(
                "{} redirects elsewhere; name the Marathon itself",
                self.base
            )),
            _ => MarathonError::Unreachable(format!(
                "Marathon at {} answers {status}: {message}",
                self.base
            )),
        }
    }
}

//! Acting on an app: said once, however often it has to be sent.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;

use super::{Client, ClientError};
use crate::api::{ActBody, DestroyedBody, PlanBody, QueuedBody};
use crate::id::AppId;
use crate::secret::Secret;

/// An act whose answer was lost is sent again for so long: through a restart of the observer, not through an absence.
const AGAIN: Duration = Duration::from_secs(10);

/// Between two sendings.
const PAUSE: Duration = Duration::from_millis(500);

/// What an action came to.
#[derive(Debug)]
pub enum Acted {
    /// A deploy was queued.
    Queued(QueuedBody),
    /// What would be done.
    Plan(Box<PlanBody>),
    /// `unchanged`, `held` or `done`, and why.
    Said(String, Option<String>),
}

impl Client {
    /// Acts on an app: `deploy`, `rollback`, `cancel`, `lock` …
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn act(
        &self,
        app: &AppId,
        action: &str,
        body: &ActBody,
    ) -> Result<Acted, ClientError> {
        self.act_on(app.as_str(), action, body).await
    }

    /// Acts on an app, or on one service by its percent-encoded id.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn act_on(
        &self,
        target: &str,
        action: &str,
        body: &ActBody,
    ) -> Result<Acted, ClientError> {
        let body = serde_json::to_value(body).ok();
        let path = format!("/apps/{target}/{action}");
        let answer = self.sent(&path, body).await?;
        let unreadable = |e: serde_json::Error| self.foreign(&format!("{path}: {e}"));
        if answer.get("result").is_some() {
            let text = |key: &str| answer[key].as_str().map(str::to_owned);
            let result = text("result").unwrap_or_default();
            return Ok(Acted::Said(result, text("sentence")));
        }
        if answer.get("plan").is_some() {
            return serde_json::from_value(answer)
                .map(|plan| Acted::Plan(Box::new(plan)))
                .map_err(unreadable);
        }
        serde_json::from_value(answer)
            .map(Acted::Queued)
            .map_err(unreadable)
    }

    /// Takes an app down; the answer says what is done and what is open.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn destroy(
        &self,
        app: &AppId,
        keep_services: bool,
        override_lock: bool,
        plan: Option<&str>,
    ) -> Result<DestroyedBody, ClientError> {
        let plan = plan.map(|plan| format!("&plan={plan}"));
        let path = format!(
            "/apps/{app}?keep_services={keep_services}&override_lock={override_lock}{}",
            plan.unwrap_or_default()
        );
        Ok(self.call(Method::DELETE, &path, None).await?.1)
    }

    /// What a destroy would take down.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn destroy_plan(
        &self,
        app: &AppId,
        keep_services: bool,
    ) -> Result<PlanBody, ClientError> {
        let path = format!("/apps/{app}?keep_services={keep_services}&dry_run=true");
        Ok(self.call(Method::DELETE, &path, None).await?.1)
    }

    /// Sends it under one key until there is an answer: whether the first sending was carried out nobody knows but the log.
    async fn sent(&self, path: &str, body: Option<Value>) -> Result<Value, ClientError> {
        // without randomness it is sent once
        let key = Secret::random().ok();
        let key = key.as_ref().map(Secret::expose);
        let until = Instant::now() + AGAIN;
        loop {
            match self.keyed(Method::POST, path, body.clone(), key).await {
                Ok((_, answer)) => return Ok(answer),
                Err(error) if key.is_none() || !error.passes() || Instant::now() > until => {
                    return Err(error);
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

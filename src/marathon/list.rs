//! Lists of apps, and what only the command line asks of Marathon.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::client::Client;
use super::error::MarathonError;
use super::wire::LiveApp;

impl Client {
    /// All apps that have this label, whatever its value, without tasks.
    ///
    /// # Errors
    /// When Marathon does not answer.
    pub async fn apps_with_label(&self, label: &str) -> Result<Vec<LiveApp>, MarathonError> {
        self.apps_by(&format!("/v2/apps?label={label}")).await
    }

    /// The same, with tasks, deployments and the last failure, as one app is answered.
    ///
    /// # Errors
    /// When Marathon does not answer.
    pub async fn apps_with_tasks(&self, label: &str) -> Result<Vec<LiveApp>, MarathonError> {
        let embed = "embed=apps.tasks&embed=apps.deployments&embed=apps.lastTaskFailure";
        self.apps_by(&format!("/v2/apps?label={label}&{embed}"))
            .await
    }

    /// What a local Marathon says of itself; `None` where it is a real one, which does not know the question
    /// (1.8 answers 500, others 404).
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn local_info(&self) -> Result<Option<Value>, MarathonError> {
        let place = self.place()?;
        let url = format!("{}/local/info", place.base);
        let answer = self
            .send(&place, place.way.request(Method::GET, &url))
            .await?;
        if answer.status() != StatusCode::OK {
            return Ok(None);
        }
        let bytes = answer.bytes().await.unwrap_or_default();
        let info: Option<Value> = serde_json::from_slice(&bytes).ok();
        Ok(info.filter(|i| i["runs"] == "processes"))
    }
}

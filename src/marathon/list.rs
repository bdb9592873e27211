//! What only the command line asks of Marathon.

use reqwest::Method;
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

    /// What a local Marathon says of itself; `None` where it is a real one, which does not know the question.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn local_info(&self) -> Result<Option<Value>, MarathonError> {
        match self.call(Method::GET, "/local/info", None, &[]).await {
            Ok(info) => Ok(info.get("runs").is_some().then_some(info)),
            Err(MarathonError::Unreachable(why)) => Err(MarathonError::Unreachable(why)),
            Err(_) => Ok(None),
        }
    }
}

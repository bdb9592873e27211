//! The webhook at GitHub: registered once, compared, repaired through the config endpoint, removed
//! (GitHub docs, "Repository webhooks"; a plain PATCH without `secret` would take the secret away).

use reqwest::Method;
use serde_json::{Value, json};

use super::client::Client;
use super::error::GithubError;
use crate::secret::Secret;

/// A webhook as GitHub shows it.
#[derive(Debug, Clone)]
pub struct HookState {
    /// GitHub's id of it.
    pub id: u64,
    url: String,
    active: bool,
    events: Vec<String>,
    content_type: String,
    has_secret: bool,
    insecure: bool,
}

impl HookState {
    /// Where it calls.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it is signed: one of ours always is.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.has_secret
    }

    fn read(value: &Value) -> Option<Self> {
        let config = &value["config"];
        let text = |v: &Value| {
            v.as_str()
                .map(str::to_owned)
                .or_else(|| v.as_u64().map(|n| n.to_string()))
                .unwrap_or_default()
        };
        Some(Self {
            id: value["id"].as_u64()?,
            url: text(&config["url"]),
            active: value["active"].as_bool().unwrap_or(false),
            events: value["events"].as_array()?.iter().map(text).collect(),
            content_type: text(&config["content_type"]),
            has_secret: !text(&config["secret"]).is_empty(),
            insecure: text(&config["insecure_ssl"]) == "1",
        })
    }
}

/// Where a hook of ours calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookTarget {
    /// The address.
    pub url: String,
    /// GitHub does not check the certificate there: it could not.
    pub unchecked: bool,
}

/// In which points a hook is not as it should be.
#[must_use]
pub fn hook_differs(hook: &HookState, target: &HookTarget) -> Vec<String> {
    let points = [
        (hook.url != target.url, "url"),
        (!hook.active, "active"),
        (hook.events != ["push"], "events"),
        (hook.content_type != "json", "content_type"),
        (!hook.has_secret, "secret"),
        (hook.insecure != target.unchecked, "insecure_ssl"),
    ];
    points
        .iter()
        .filter(|(differs, _)| *differs)
        .map(|(_, name)| (*name).to_owned())
        .collect()
}

fn config(target: &HookTarget, secret: &Secret) -> Value {
    let insecure = if target.unchecked { "1" } else { "0" };
    json!({"url": target.url, "content_type": "json", "insecure_ssl": insecure, "secret": secret.expose()})
}

impl Client {
    /// Registers the hook; one that is there already with this URL is taken over, and asked to ping: it comes by itself only from
    /// a new one.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn create_hook(
        &self,
        repository: u64,
        target: &HookTarget,
        secret: &Secret,
    ) -> Result<u64, GithubError> {
        let body = json!({"name": "web", "active": true, "events": ["push"], "config": config(target, secret)});
        match self.send(Method::POST, &format!("/repositories/{repository}/hooks"), Some(&body)).await {
            Ok(reply) => reply.json()["id"].as_u64().ok_or_else(|| GithubError::Unreachable("GitHub made a hook without an id".to_owned())),
            Err(GithubError::Refused(why)) if why.contains("already exists") => {
                let found = self.hooks(repository).await?.into_iter().find(|h| h.url == target.url);
                let hook = found.ok_or(GithubError::Refused(why))?;
                self.repair_hook(repository, hook.id, target, secret).await?;
                if let Err(error) = self.ping_hook(repository, hook.id).await {
                    tracing::debug!(repository, %error, "GitHub does not ping");
                }
                Ok(hook.id)
            }
            Err(GithubError::Missing(_)) => Err(GithubError::Token(
                "GitHub lets this token not register webhooks: it needs admin:repo_hook (fine-grained: Webhooks, read and write) of somebody who administers the repository".to_owned(),
            )),
            Err(other) => Err(other),
        }
    }

    /// All webhooks of a repository.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn hooks(&self, repository: u64) -> Result<Vec<HookState>, GithubError> {
        let mut hooks = Vec::new();
        for page in 1..=10 {
            let path = format!("/repositories/{repository}/hooks?per_page=100&page={page}");
            let value = self.send(Method::GET, &path, None).await?.json();
            let list = value.as_array().cloned().unwrap_or_default();
            hooks.extend(list.iter().filter_map(HookState::read));
            if list.len() < 100 {
                break;
            }
        }
        Ok(hooks)
    }

    /// The hook; `None` when it is gone.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn hook(&self, repository: u64, id: u64) -> Result<Option<HookState>, GithubError> {
        match self
            .send(
                Method::GET,
                &format!("/repositories/{repository}/hooks/{id}"),
                None,
            )
            .await
        {
            Ok(reply) => Ok(HookState::read(&reply.json())),
            Err(GithubError::Missing(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Makes the hook what it should be.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn repair_hook(
        &self,
        repository: u64,
        id: u64,
        target: &HookTarget,
        secret: &Secret,
    ) -> Result<(), GithubError> {
        let path = format!("/repositories/{repository}/hooks/{id}");
        self.send(
            Method::PATCH,
            &format!("{path}/config"),
            Some(&config(target, secret)),
        )
        .await?;
        let rest = json!({"active": true, "events": ["push"], "config": config(target, secret)});
        self.send(Method::PATCH, &path, Some(&rest))
            .await
            .map(|_| ())
    }

    /// Asks GitHub to ping the hook.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn ping_hook(&self, repository: u64, id: u64) -> Result<(), GithubError> {
        self.send(
            Method::POST,
            &format!("/repositories/{repository}/hooks/{id}/pings"),
            None,
        )
        .await
        .map(|_| ())
    }

    /// Removes the hook. One that is gone already counts as removed only while the repository is visible.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn delete_hook(&self, repository: u64, id: u64) -> Result<(), GithubError> {
        match self
            .send(
                Method::DELETE,
                &format!("/repositories/{repository}/hooks/{id}"),
                None,
            )
            .await
        {
            Ok(_) => Ok(()),
            Err(GithubError::Missing(_)) => {
                self.repository_by_id(repository).await?;
                // visible, but 404 is also what a token without the right gets: ask for the list, which says so
                self.hooks(repository).await.map(|_| ())
            }
            Err(other) => Err(other),
        }
    }
}

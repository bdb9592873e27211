//! Repositories and the heads of their branches.

use reqwest::StatusCode;

use super::client::{Client, encode};
use super::error::GithubError;
use crate::event::Visibility;
use crate::id::{Branch, CommitId, RepositoryName};

/// A repository, by what is used of it.
#[derive(Debug, Clone)]
pub struct Repository {
    /// GitHub's id of it.
    pub id: u64,
    /// Its present name.
    pub name: RepositoryName,
    /// Who may see it.
    pub visibility: Visibility,
}

impl Client {
    /// A repository by its name.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn repository(&self, name: &RepositoryName) -> Result<Repository, GithubError> {
        self.repository_at(&format!("/repos/{name}")).await
    }

    /// A repository by its id, which survives renames.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn repository_by_id(&self, id: u64) -> Result<Repository, GithubError> {
        self.repository_at(&format!("/repositories/{id}")).await
    }

    async fn repository_at(&self, path: &str) -> Result<Repository, GithubError> {
        let answer = self.get(path, "application/vnd.github+json", None).await;
        let value = match answer {
            // a missing right is a 404 too
            Err(GithubError::Missing(why)) => {
                return Err(GithubError::Missing(format!(
                    "{why}: there is no such repository, or the token may not see it"
                )));
            }
            other => other?.json(),
        };
        let name = value["full_name"].as_str().and_then(|n| n.parse().ok());
        match (value["id"].as_u64(), name) {
            (Some(id), Some(name)) => Ok(Repository {
                id,
                name,
                visibility: match value["private"].as_bool() {
                    Some(true) => Visibility::Private,
                    Some(false) => Visibility::Public,
                    None => Visibility::Unknown,
                },
            }),
            _ => Err(GithubError::Unreachable(format!(
                "{} does not answer as GitHub's API; check DPLOY_OBSERVER_GITHUB_API",
                self.base()
            ))),
        }
    }

    /// The head of a branch; `None` when it is still `known`, which costs nothing.
    ///
    /// # Errors
    /// [`GithubError::Missing`] when there is no such branch.
    pub async fn head(
        &self,
        repository: u64,
        branch: &Branch,
        known: Option<&CommitId>,
    ) -> Result<Option<CommitId>, GithubError> {
        let etag = known.map(|c| format!("\"{c}\""));
        let path = format!(
            "/repositories/{repository}/commits/heads/{}",
            encode(branch.as_str())
        );
        let reply = match self
            .get(&path, "application/vnd.github.sha", etag.as_deref())
            .await
        {
            // 422, or 409 where the repository is empty
            Err(GithubError::Refused(why)) => return Err(GithubError::Missing(why)),
            // a missing right is a 404 too: nobody knows that the branch is gone
            Err(GithubError::Missing(why)) => {
                return Err(GithubError::Token(format!(
                    "{why}: the repository is gone, or the token may not see it"
                )));
            }
            other => other?,
        };
        if reply.status == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&reply.body);
        let head = text.trim().parse().map_err(|_| {
            GithubError::Unreachable(format!("{} names no commit for {branch}", self.base()))
        })?;
        Ok(Some(head))
    }
}

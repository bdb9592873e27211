//! Reading a commit by trees and blobs at its exact id (GitHub docs, "Git database"). Every blob is checked against its id.

use serde_json::Value;

use super::client::Client;
use super::error::GithubError;
use crate::event::CommitInfo;
use crate::id::{BlobId, CommitId};
use crate::secret::plain;

const JSON: &str = "application/vnd.github+json";

/// A commit, as far as it is read.
#[derive(Debug, Clone)]
pub struct CommitTree {
    /// Its root tree.
    pub tree: String,
    /// What people want to know of it.
    pub info: CommitInfo,
}

/// An entry of a tree.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub path: String,
    /// `100644`, `120000` …
    pub mode: String,
    /// Its id.
    pub sha: String,
    /// Its size in bytes, for blobs.
    pub size: Option<u64>,
}

impl Client {
    /// The tree and the message of a commit.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn commit(
        &self,
        repository: u64,
        commit: &CommitId,
    ) -> Result<CommitTree, GithubError> {
        let value = self
            .get(
                &format!("/repositories/{repository}/git/commits/{commit}"),
                JSON,
                None,
            )
            .await?
            .json();
        let tree = value["tree"]["sha"]
            .as_str()
            .ok_or_else(|| unexpected("a commit without a tree"))?;
        let message = value["message"].as_str().unwrap_or_default();
        Ok(CommitTree {
            tree: tree.to_owned(),
            info: CommitInfo {
                message: plain(message.lines().next().unwrap_or_default(), 200),
                author: plain(value["author"]["name"].as_str().unwrap_or_default(), 100),
                url: value["html_url"].as_str().map(|u| plain(u, 300)),
            },
        })
    }

    /// The entries of one tree, not of those below it.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn tree(&self, repository: u64, tree: &str) -> Result<Vec<Entry>, GithubError> {
        let value = self
            .get(
                &format!("/repositories/{repository}/git/trees/{tree}"),
                JSON,
                None,
            )
            .await?
            .json();
        if value["truncated"].as_bool() == Some(true) {
            return Err(GithubError::Refused(
                "GitHub cut off the list of files: the folder has too many".to_owned(),
            ));
        }
        let entries = value["tree"]
            .as_array()
            .ok_or_else(|| unexpected("a tree without entries"))?;
        Ok(entries.iter().filter_map(entry).collect())
    }

    /// The content of a blob, verified against its id.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn blob(&self, repository: u64, id: &BlobId) -> Result<Vec<u8>, GithubError> {
        let path = format!("/repositories/{repository}/git/blobs/{id}");
        let bytes = self
            .get(&path, "application/vnd.github.raw+json", None)
            .await?
            .body;
        if id.is_of(&bytes) {
            Ok(bytes)
        } else {
            Err(unexpected("a blob that is not the content of its id"))
        }
    }

    /// Whether `ancestor` is the branch's head or one of the commits before it.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn is_ancestor(
        &self,
        repository: u64,
        ancestor: &CommitId,
        head: &CommitId,
    ) -> Result<bool, GithubError> {
        let value = self
            .get(
                &format!("/repositories/{repository}/compare/{ancestor}...{head}"),
                JSON,
                None,
            )
            .await?
            .json();
        Ok(matches!(
            value["status"].as_str(),
            Some("ahead" | "identical")
        ))
    }

    /// The commit a shortened id stands for.
    ///
    /// # Errors
    /// See [`GithubError`].
    pub async fn expand(&self, repository: u64, short: &str) -> Result<CommitId, GithubError> {
        let path = format!(
            "/repositories/{repository}/commits/{}",
            super::client::encode(short)
        );
        let reply = self.get(&path, "application/vnd.github.sha", None).await?;
        String::from_utf8_lossy(&reply.body)
            .trim()
            .parse()
            .map_err(|_| GithubError::Missing(format!("GitHub knows no commit {short}")))
    }
}

fn entry(value: &Value) -> Option<Entry> {
    Some(Entry {
        path: value["path"].as_str()?.to_owned(),
        mode: value["mode"].as_str()?.to_owned(),
        sha: value["sha"].as_str()?.to_owned(),
        size: value["size"].as_u64(),
    })
}

fn unexpected(what: &str) -> GithubError {
    GithubError::Unreachable(format!("GitHub answered {what}"))
}

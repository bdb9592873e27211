//! What pages, API and deployer read. No cursor stays open: every answer is fetched whole and bounded.

use super::{Store, StoreError};
use crate::event::PushReceived;
use crate::history::{App, Deploy};
use crate::id::{AppId, BlobId, Branch, CommitId, DeployNumber, ServiceId};

/// So many apps are read at a time where all are.
const PAGE: i64 = 100;

/// A received push and what became of it.
#[derive(Debug, Clone)]
pub struct PushRow {
    /// The number of its event.
    pub seq: i64,
    /// Its app.
    pub app: AppId,
    /// When.
    pub at: String,
    /// The payload.
    pub push: PushReceived,
    /// What became of it.
    pub outcome: Option<String>,
}

fn parse<T: serde::de::DeserializeOwned>(rows: &[String]) -> Result<Vec<T>, StoreError> {
    rows.iter()
        .map(|text| Ok(serde_json::from_str(text)?))
        .collect()
}

impl Store {
    /// All apps that were not destroyed, by name, after `after`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn apps(&self, after: &str, limit: i64) -> Result<Vec<App>, StoreError> {
        if let Some(memory) = &self.log.memory {
            return Ok(memory.apps(after, limit));
        }
        let rows = sqlx::query_scalar(
            "select state from app where destroyed = 0 and id > ? order by id limit ?",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        parse(&rows)
    }

    /// The next apps behind the name `after`, which moves on; none at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn next_apps(&self, after: &mut String) -> Result<Vec<App>, StoreError> {
        let page = self.apps(after, PAGE).await?;
        if let Some(last) = page.last() {
            *after = last.id.to_string();
        }
        Ok(page)
    }

    /// An app, also a destroyed one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn app(&self, id: &AppId) -> Result<Option<App>, StoreError> {
        if let Some(memory) = &self.log.memory {
            return Ok(memory.app(id));
        }
        let row = sqlx::query_scalar("select state from app where id = ?")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await?;
        Ok(parse(row.as_slice())?.pop())
    }

    /// The apps of a repository that were not destroyed.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn apps_of(&self, repository: u64) -> Result<Vec<App>, StoreError> {
        if let Some(memory) = &self.log.memory {
            return Ok(memory.apps_of(repository));
        }
        let rows = sqlx::query_scalar(
            "select state from app where destroyed = 0 and repository_id = ? order by id",
        )
        .bind(repository.cast_signed())
        .fetch_all(&self.readers)
        .await?;
        parse(&rows)
    }

    /// Whether an app that is not being destroyed is deployed from this repository.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn repository_is_used(&self, repository: u64) -> Result<bool, StoreError> {
        let apps = self.apps_of(repository).await?;
        Ok(apps.iter().any(|a| a.destroying.is_none()))
    }

    /// The repositories of all apps that were not destroyed.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn repositories(&self) -> Result<Vec<u64>, StoreError> {
        if let Some(memory) = &self.log.memory {
            return Ok(memory.repositories());
        }
        let rows: Vec<i64> =
            sqlx::query_scalar("select distinct repository_id from app where destroyed = 0")
                .fetch_all(&self.readers)
                .await?;
        Ok(rows.into_iter().map(i64::cast_unsigned).collect())
    }

    /// Whether the app of this source was destroyed and did not come back.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn was_destroyed(
        &self,
        repository: u64,
        branch: &Branch,
    ) -> Result<bool, StoreError> {
        if let Some(memory) = &self.log.memory {
            return Ok(memory.was_destroyed(repository, branch));
        }
        let states: Vec<bool> =
            sqlx::query_scalar("select destroyed from app where repository_id = ? and branch = ?")
                .bind(repository.cast_signed())
                .bind(branch.as_str())
                .fetch_all(&self.readers)
                .await?;
        Ok(!states.is_empty() && states.into_iter().all(|destroyed| destroyed))
    }

    /// The app that a service belongs to.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn owner_of(&self, service: &ServiceId) -> Result<Option<AppId>, StoreError> {
        if let Some(memory) = &self.log.memory {
            return Ok(memory.owner_of(service));
        }
        let row: Option<String> = sqlx::query_scalar("select app from service where id = ?")
            .bind(service.as_str())
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.and_then(|id| id.parse().ok()))
    }

    /// One deploy.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn deploy(
        &self,
        app: &AppId,
        number: DeployNumber,
    ) -> Result<Option<Deploy>, StoreError> {
        if let Some(memory) = &self.log.memory {
            return Ok(memory.deploy(app, number));
        }
        let row = sqlx::query_scalar("select data from deploy where app = ? and number = ?")
            .bind(app.as_str())
            .bind(i64::from(number.0))
            .fetch_optional(&self.readers)
            .await?;
        Ok(parse(row.as_slice())?.pop())
    }

    /// The deploys of an app before `before`, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn deploys(
        &self,
        app: &AppId,
        before: Option<DeployNumber>,
        limit: i64,
    ) -> Result<Vec<Deploy>, StoreError> {
        if let Some(memory) = &self.log.memory {
            return Ok(memory.deploys(app, |d| before.is_none_or(|b| d.number < b), limit));
        }
        let rows = sqlx::query_scalar(
            "select data from deploy where app = ? and number < ? order by number desc limit ?",
        )
        .bind(app.as_str())
        .bind(before.map_or(i64::MAX, |n| i64::from(n.0)))
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        parse(&rows)
    }

    /// The deploys of a commit, newest first; the commit may be shortened.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn deploys_of(
        &self,
        app: &AppId,
        commit_prefix: &str,
    ) -> Result<Vec<Deploy>, StoreError> {
        if let Some(memory) = &self.log.memory {
            return Ok(memory.deploys(
                app,
                |d| d.wanted.commit.as_str().starts_with(commit_prefix),
                500,
            ));
        }
        let rows = sqlx::query_scalar(
            "select data from deploy where app = ? and commit_id >= ? and commit_id < ? || 'g' order by number desc limit 500",
        )
        .bind(app.as_str()).bind(commit_prefix).bind(commit_prefix).fetch_all(&self.readers).await?;
        parse(&rows)
    }

    /// The deploys of a commit of any app, newest first of each; the commit may be shortened.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn deploys_anywhere(
        &self,
        commit_prefix: &str,
    ) -> Result<Vec<(AppId, Deploy)>, StoreError> {
        if let Some(memory) = &self.log.memory {
            return Ok(memory.deploys_anywhere(commit_prefix));
        }
        let rows: Vec<(String, String)> = sqlx::query_as(
            "select app, data from deploy where app in (select id from app) \
             and commit_id >= ? and commit_id < ? || 'g' order by app, number desc limit 500",
        )
        .bind(commit_prefix)
        .bind(commit_prefix)
        .fetch_all(&self.readers)
        .await?;
        let read = |(app, data): (String, String)| {
            let app = app
                .parse()
                .map_err(|_| StoreError::Unusable(format!("a deploy names no app: {app:?}")))?;
            Ok((app, serde_json::from_str(&data)?))
        };
        rows.into_iter().map(read).collect()
    }

    /// The pushes of a commit of any app, newest first; the commit may be shortened.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn pushes_of(&self, commit_prefix: &str) -> Result<Vec<PushRow>, StoreError> {
        if let Some(memory) = &self.log.memory {
            return Ok(memory.pushes(|_, commit| commit.as_str().starts_with(commit_prefix)));
        }
        let rows = sqlx::query_as(
            "select seq, app, at, data, outcome from push where app in (select id from app) \
             and commit_id >= ? and commit_id < ? || 'g' order by seq desc limit 100",
        );
        push_rows(
            rows.bind(commit_prefix)
                .bind(commit_prefix)
                .fetch_all(&self.readers)
                .await?,
        )
    }

    /// The newest push of each of these commits of an app.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn push_of(
        &self,
        app: &AppId,
        commit: &CommitId,
    ) -> Result<Option<PushRow>, StoreError> {
        if let Some(memory) = &self.log.memory {
            return Ok(memory
                .pushes(|a, c| a == app && c == commit)
                .into_iter()
                .next());
        }
        let rows = sqlx::query_as(
            "select seq, app, at, data, outcome from push where app = ? and commit_id = ? order by seq desc limit 1",
        );
        Ok(push_rows(
            rows.bind(app.as_str())
                .bind(commit.as_str())
                .fetch_all(&self.readers)
                .await?,
        )?
        .pop())
    }

    /// The content of a blob.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn blob(&self, id: &BlobId) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(memory) = &self.log.memory {
            return Ok(memory.blob(id));
        }
        Ok(sqlx::query_scalar("select data from blob where id = ?")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await?)
    }
}

fn push_rows(
    rows: Vec<(i64, String, String, String, Option<String>)>,
) -> Result<Vec<PushRow>, StoreError> {
    rows.into_iter()
        .map(|(seq, app, at, data, outcome)| {
            let app = app.parse().map_err(|_| StoreError::Unusable(format!("the push of event {seq} names no app; `observer rebuild` makes the projections anew")))?;
            Ok(PushRow { seq, app, at, push: serde_json::from_str(&data)?, outcome })
        })
        .collect()
}

//! What is kept beside the log and is no projection: blobs, secrets, observations; tokens and sessions are in `tokens`.

use sqlx::SqliteConnection;

use super::access::AccessWrite;
use super::{Store, StoreError};
use crate::id::{AppId, BlobId, DeployNumber};
use crate::secret::Secret;

/// A write that is no event.
pub(super) enum Unlogged {
    Blobs(Vec<(BlobId, Vec<u8>)>),
    Access(AccessWrite),
    Secret { name: String, value: Secret },
    DropSecrets(String),
    Observation { key: String, value: String },
}

impl Unlogged {
    pub(super) async fn run(
        &self,
        conn: &mut SqliteConnection,
        at: &str,
    ) -> Result<(), StoreError> {
        let done = match self {
            Self::Blobs(blobs) => {
                for (id, data) in blobs {
                    sqlx::query("insert into blob (id, size, data) values (?, ?, ?) on conflict (id) do nothing")
                        .bind(id.as_str()).bind(data.len().cast_signed() as i64).bind(data).execute(&mut *conn).await?;
                }
                return Ok(());
            }
            Self::Access(write) => return write.run(conn, at).await,
            Self::Secret { name, value } => {
                // two may have found none at the same time: the first one made is the one that counts
                sqlx::query("insert into secret (name, value, created_at) select ?, ?, ? where not exists (select 1 from secret where name = ?)")
                    .bind(name).bind(value.expose()).bind(at).bind(name).execute(conn).await
            }
            Self::DropSecrets(name) => sqlx::query("delete from secret where name = ?").bind(name).execute(conn).await,
            Self::Observation { key, value } => {
                sqlx::query("insert into observation (key, value, at) values (?, ?, ?) on conflict (key) do update set value = excluded.value, at = excluded.at")
                    .bind(key).bind(value).bind(at).execute(conn).await
            }
        };
        done?;
        Ok(())
    }
}

/// The webhook secrets of a repository, newest first; two while they rotate.
pub type Secrets = Vec<Secret>;

fn hook_secret(repository: u64) -> String {
    format!("hook:{repository}")
}

impl Store {
    /// The webhook secrets of a repository.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn hook_secrets(&self, repository: u64) -> Result<Secrets, StoreError> {
        self.secrets(&hook_secret(repository)).await
    }

    /// The webhook secret of a repository, made and kept before anybody else hears of it.
    ///
    /// # Errors
    /// When the log cannot be written, or there is no randomness.
    pub async fn make_hook_secret(&self, repository: u64) -> Result<Secret, StoreError> {
        self.secret_or_new(&hook_secret(repository)).await
    }

    /// Forgets the webhook secrets of a repository whose hook is gone.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn drop_hook_secrets(&self, repository: u64) -> Result<(), StoreError> {
        self.log
            .unlogged(Unlogged::DropSecrets(hook_secret(repository)))
            .await
    }

    /// The key of the fingerprints that stand for secret values in diffs.
    ///
    /// # Errors
    /// When the log cannot be written, or there is no randomness.
    pub async fn fingerprint_key(&self) -> Result<Secret, StoreError> {
        self.secret_or_new("fingerprint").await
    }

    async fn secrets(&self, name: &str) -> Result<Secrets, StoreError> {
        if let Some(memory) = &self.log.memory {
            return Ok(memory.secrets(name));
        }
        let rows: Vec<String> = sqlx::query_scalar(
            "select value from secret where name = ? order by created_at desc limit 2",
        )
        .bind(name)
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().map(Secret::new).collect())
    }

    async fn secret_or_new(&self, name: &str) -> Result<Secret, StoreError> {
        if let Some(secret) = self.secrets(name).await?.into_iter().next() {
            return Ok(secret);
        }
        let value =
            Secret::random().map_err(|e| StoreError::Unavailable(format!("no randomness: {e}")))?;
        let write = Unlogged::Secret {
            name: name.to_owned(),
            value: value.clone(),
        };
        self.log.unlogged(write).await?;
        let kept = self.secrets(name).await?.into_iter().next();
        Ok(kept.unwrap_or(value))
    }

    /// Remembers something that was seen: an `ETag`, a cursor, a last success.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn observe(&self, app: &AppId, what: &str, value: &str) -> Result<(), StoreError> {
        self.log
            .unlogged(Unlogged::Observation {
                key: format!("{app}/{what}"),
                value: value.to_owned(),
            })
            .await
    }

    /// Remembers something that may be lost where the process is killed: it costs no commit, and is on the disk within a minute.
    ///
    /// # Errors
    /// When there is no file and the memory cannot be written.
    pub async fn observe_later(
        &self,
        app: &AppId,
        what: &str,
        value: &str,
    ) -> Result<(), StoreError> {
        let key = format!("{app}/{what}");
        self.log.unlogged_later(key, value.to_owned()).await
    }

    /// What was remembered, and when.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn observed(
        &self,
        app: &AppId,
        what: &str,
    ) -> Result<Option<(String, String)>, StoreError> {
        if let Some(memory) = &self.log.memory {
            return Ok(memory.observed(&format!("{app}/{what}")));
        }
        let key = format!("{app}/{what}");
        if let Some(seen) = self.log.later.get(&key) {
            return Ok(Some(seen));
        }
        let found = sqlx::query_as("select value, at from observation where key = ?");
        Ok(found.bind(key).fetch_optional(&self.readers).await?)
    }

    /// What a delivery or an idempotency key of an app came to: the deploy that it began, if it began one; `None` where it never came.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn deploy_of_key(
        &self,
        app: &AppId,
        key: &str,
    ) -> Result<Option<Option<DeployNumber>>, StoreError> {
        if self.log.memory.is_some() {
            return Ok(None);
        }
        let query = "select iif(kind = 'deploy_queued', deploy, null) from event where app = ? and dedup = ?";
        let found: Option<Option<u32>> = sqlx::query_scalar(query)
            .bind(app.as_str())
            .bind(key)
            .fetch_optional(&self.readers)
            .await?;
        Ok(found.map(|deploy| deploy.map(DeployNumber)))
    }
}

//! What is kept beside the log and is no projection: blobs, tokens, sessions, secrets, observations.

use sqlx::SqliteConnection;

use super::{Store, StoreError};
use crate::id::{AppId, BlobId};
use crate::secret::Secret;

/// A write that is no event.
pub(super) enum Unlogged {
    Blobs(Vec<(BlobId, Vec<u8>)>),
    Token {
        name: String,
        hash: String,
    },
    DropToken(String),
    Session {
        hash: String,
        token: String,
        expires_at: String,
    },
    DropSession(String),
    Secret {
        name: String,
        value: Secret,
    },
    DropSecrets(String),
    Observation {
        key: String,
        value: String,
    },
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
            Self::Token { name, hash } => {
                // another token of this name: who came in with the one before is out
                sqlx::query("delete from session where token = ? and exists (select 1 from token where name = ? and hash <> ?)")
                    .bind(name).bind(name).bind(hash).execute(&mut *conn).await?;
                sqlx::query("insert into token (name, hash, created_at) values (?, ?, ?) on conflict (name) do update set hash = excluded.hash")
                    .bind(name).bind(hash).bind(at).execute(conn).await
            }
            Self::DropToken(name) => {
                sqlx::query("delete from session where token = ?").bind(name).execute(&mut *conn).await?;
                sqlx::query("delete from token where name = ?").bind(name).execute(conn).await
            }
            Self::Session { hash, token, expires_at } => {
                sqlx::query("delete from session where expires_at < ?").bind(at).execute(&mut *conn).await?;
                sqlx::query("insert into session (hash, token, created_at, expires_at) values (?, ?, ?, ?)")
                    .bind(hash).bind(token).bind(at).bind(expires_at).execute(conn).await
            }
            Self::DropSession(hash) => sqlx::query("delete from session where hash = ?").bind(hash).execute(conn).await,
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

/// An operator token as it is listed; the token itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct TokenRow {
    /// Its name, which is the actor in the log.
    pub name: String,
    /// SHA-256 of it.
    pub hash: String,
    /// When it was added.
    pub created_at: String,
}

/// The webhook secrets of a repository, newest first; two while they rotate.
pub type Secrets = Vec<Secret>;

fn hook_secret(repository: u64) -> String {
    format!("hook:{repository}")
}

impl Store {
    /// Keeps an operator token by its SHA-256.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn put_token(&self, name: &str, hash: &str) -> Result<(), StoreError> {
        self.log
            .unlogged(Unlogged::Token {
                name: name.to_owned(),
                hash: hash.to_owned(),
            })
            .await
    }

    /// Forgets an operator token, and the sessions it began.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn drop_token(&self, name: &str) -> Result<(), StoreError> {
        self.log
            .unlogged(Unlogged::DropToken(name.to_owned()))
            .await
    }

    /// All operator tokens.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        Ok(
            sqlx::query_as("select name, hash, created_at from token order by name")
                .fetch_all(&self.readers)
                .await?,
        )
    }

    /// The name of the operator token with this SHA-256.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn token_name(&self, hash: &str) -> Result<Option<String>, StoreError> {
        if let Some(memory) = &self.log.memory {
            return Ok(memory.token_name(hash));
        }
        Ok(sqlx::query_scalar("select name from token where hash = ?")
            .bind(hash)
            .fetch_optional(&self.readers)
            .await?)
    }

    /// Begins a browser session.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn put_session(
        &self,
        hash: &str,
        token: &str,
        expires_at: &str,
    ) -> Result<(), StoreError> {
        let write = Unlogged::Session {
            hash: hash.to_owned(),
            token: token.to_owned(),
            expires_at: expires_at.to_owned(),
        };
        self.log.unlogged(write).await
    }

    /// The token name of a session that has not expired at `now`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn session(&self, hash: &str, now: &str) -> Result<Option<String>, StoreError> {
        let found =
            sqlx::query_scalar("select token from session where hash = ? and expires_at > ?");
        Ok(found
            .bind(hash)
            .bind(now)
            .fetch_optional(&self.readers)
            .await?)
    }

    /// Ends a browser session.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn drop_session(&self, hash: &str) -> Result<(), StoreError> {
        self.log
            .unlogged(Unlogged::DropSession(hash.to_owned()))
            .await
    }

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
        let found = sqlx::query_as("select value, at from observation where key = ?");
        Ok(found
            .bind(format!("{app}/{what}"))
            .fetch_optional(&self.readers)
            .await?)
    }
}

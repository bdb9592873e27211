//! Tokens, and the sessions that browsers began with them. Neither is kept but by its SHA-256.

use std::collections::BTreeSet;

use super::access::{AccessWrite, NewSession, NewToken};
use super::unlogged::Unlogged;
use super::{Store, StoreError};
use crate::access::{Person, Proof, Role};
use crate::id::AppId;

/// A token as it is listed; the token itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Whose it is, and what it may do.
    pub person: Person,
    /// When it was made.
    pub created_at: String,
    /// When it ends; `None`: never.
    pub expires_at: Option<String>,
    /// Whether the settings give it, or it was made in their place.
    pub of_settings: bool,
}

impl TokenRow {
    /// Whether it ended before `now`.
    #[must_use]
    pub fn is_over(&self, now: &str) -> bool {
        self.expires_at.as_deref().is_some_and(|end| end <= now)
    }
}

/// A session as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SessionRow {
    /// The beginning of the SHA-256 of its id: names it, and opens nothing.
    pub id: String,
    /// The name of its token.
    pub token: String,
    /// Since when.
    pub created_at: String,
    /// When it was last used, within a minute.
    pub seen_at: Option<String>,
    /// The address it was begun from.
    pub peer: Option<String>,
    /// When it ends.
    pub expires_at: String,
}

/// How many digits of a session's SHA-256 name it.
pub const SESSION_ID: usize = 16;

#[derive(sqlx::FromRow)]
struct Raw {
    name: String,
    role: String,
    apps: Option<String>,
    created_at: String,
    expires_at: Option<String>,
    of_settings: bool,
}

/// The columns of a [`Raw`].
const TOKEN: &str = "t.name, t.role, t.apps, t.created_at, t.expires_at, t.of_settings";

impl Raw {
    /// A role or a list that this release cannot read lets nobody in.
    fn row(self) -> Result<TokenRow, StoreError> {
        let unreadable =
            |what: &str| StoreError::Unusable(format!("the token {:?} has {what}", self.name));
        let role: Role = self
            .role
            .parse()
            .map_err(|_| unreadable("a role that this release does not know"))?;
        let apps: Option<BTreeSet<AppId>> = self
            .apps
            .as_deref()
            .map(serde_json::from_str)
            .transpose()
            .map_err(|_| unreadable("a list of apps that cannot be read"))?;
        Ok(TokenRow {
            person: Person {
                name: self.name,
                role,
                apps,
                proof: None,
            },
            created_at: self.created_at,
            expires_at: self.expires_at,
            of_settings: self.of_settings,
        })
    }
}

impl Store {
    async fn access(&self, write: AccessWrite) -> Result<(), StoreError> {
        self.log.unlogged(Unlogged::Access(write)).await
    }

    /// Keeps the token of the settings, by its SHA-256: it may do everything.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn put_settings_token(&self, name: &str, hash: &str) -> Result<(), StoreError> {
        let (name, hash) = (name.to_owned(), hash.to_owned());
        self.access(AccessWrite::SettingsToken { name, hash }).await
    }

    /// Keeps a new token by its SHA-256.
    ///
    /// # Errors
    /// When there is one of its name, or the log cannot be written.
    pub async fn add_token(&self, token: NewToken) -> Result<(), StoreError> {
        self.access(AccessWrite::Token(token)).await
    }

    /// Forgets a token, and ends the sessions it began; the last one that makes tokens only with `last`.
    ///
    /// # Errors
    /// When it is that one, or the log cannot be written.
    pub async fn drop_token(&self, name: &str, last: bool) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.access(AccessWrite::DropToken { name, last }).await
    }

    /// All tokens, by name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        let all = format!("select {TOKEN} from token t order by t.name");
        let rows: Vec<Raw> = sqlx::query_as(sqlx::AssertSqlSafe(all))
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(Raw::row).collect()
    }

    /// The token with this SHA-256, also one that is over.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn token(&self, hash: &str) -> Result<Option<TokenRow>, StoreError> {
        if let Some(memory) = &self.log.memory {
            return Ok(memory.token(hash));
        }
        let one = format!("select {TOKEN} from token t where t.hash = ?");
        let row: Option<Raw> = sqlx::query_as(sqlx::AssertSqlSafe(one))
            .bind(hash)
            .fetch_optional(&self.readers)
            .await?;
        row.map(Raw::row).transpose()
    }

    /// Whether what somebody is known by still counts at `now`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn counts(&self, proof: &Proof, now: &str) -> Result<bool, StoreError> {
        if self.log.memory.is_some() {
            return Ok(true);
        }
        let mut conn = self.readers.acquire().await?;
        super::access::holds(&mut conn, proof, now).await
    }

    /// Begins a browser session.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn put_session(&self, session: NewSession) -> Result<(), StoreError> {
        self.access(AccessWrite::Session(session)).await
    }

    /// The token of a session, where neither is over at `now`; and when the session was last seen.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn session(
        &self,
        hash: &str,
        now: &str,
    ) -> Result<Option<(TokenRow, Option<String>)>, StoreError> {
        // nobody logs in with a browser there
        if self.log.memory.is_some() {
            return Ok(None);
        }
        let seen: Option<(Option<String>, String)> =
            sqlx::query_as("select seen_at, token from session where hash = ? and expires_at > ?")
                .bind(hash)
                .bind(now)
                .fetch_optional(&self.readers)
                .await?;
        let Some((seen, token)) = seen else {
            return Ok(None);
        };
        let one = format!("select {TOKEN} from token t where t.name = ?");
        let row: Option<Raw> = sqlx::query_as(sqlx::AssertSqlSafe(one))
            .bind(token)
            .fetch_optional(&self.readers)
            .await?;
        let row = row.map(Raw::row).transpose()?;
        Ok(row.filter(|r| !r.is_over(now)).map(|row| (row, seen)))
    }

    /// Notes that a session is used.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn session_seen(&self, hash: &str) -> Result<(), StoreError> {
        self.access(AccessWrite::SessionSeen(hash.to_owned())).await
    }

    /// The sessions of a token, or all, that are not over at `now`; newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn sessions(
        &self,
        token: Option<&str>,
        now: &str,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let rows = sqlx::query_as(
            "select substr(s.hash, 1, 16) as id, s.token, s.created_at, s.seen_at, s.peer, min(s.expires_at, ifnull(t.expires_at, s.expires_at)) as expires_at \
             from session s join token t on t.name = s.token \
             where (? is null or s.token = ?) and s.expires_at > ? and (t.expires_at is null or t.expires_at > ?) \
             order by s.created_at desc limit 1000",
        );
        let rows = rows.bind(token).bind(token).bind(now).bind(now);
        Ok(rows.fetch_all(&self.readers).await?)
    }

    /// Ends the session whose SHA-256 begins so.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn drop_session(&self, id: &str) -> Result<(), StoreError> {
        self.access(AccessWrite::DropSession(id.to_owned())).await
    }

    /// Ends all sessions of a token, or all there are.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn drop_sessions(&self, token: Option<&str>) -> Result<(), StoreError> {
        let token = token.map(str::to_owned);
        self.access(AccessWrite::DropSessions(token)).await
    }
}

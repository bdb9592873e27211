//! What is written of tokens and sessions.

use sqlx::SqliteConnection;

use super::StoreError;
use crate::access::{Person, Proof};

/// A write to tokens and sessions.
#[derive(Debug)]
pub(super) enum AccessWrite {
    Token(NewToken),
    SettingsToken { name: String, hash: String },
    DropToken { name: String, last: bool },
    Session(NewSession),
    SessionSeen(String),
    DropSession(String),
    DropSessions(Option<String>),
}

/// A token that begins.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Whose it is, and what it may do.
    pub person: Person,
    /// SHA-256 of it.
    pub hash: String,
    /// When it ends, as the log writes times; `None`: never.
    pub expires_at: Option<String>,
}

/// A session that begins.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// SHA-256 of its id.
    pub hash: String,
    /// The name of the token it was begun with.
    pub token: String,
    /// SHA-256 of that token, which must still be there.
    pub token_hash: String,
    /// The address it was begun from.
    pub peer: Option<String>,
    /// When it ends.
    pub expires_at: String,
}

/// Whether what somebody is known by still counts at `at`.
pub(super) async fn holds(
    conn: &mut SqliteConnection,
    proof: &Proof,
    at: &str,
) -> Result<bool, StoreError> {
    let (asked, hash) = match proof {
        Proof::Token(hash) => (
            "select count(*) from token t where t.hash = ? and (t.expires_at is null or t.expires_at > ?)",
            hash,
        ),
        Proof::Session(hash) => (
            "select count(*) from session s join token t on t.name = s.token
             where s.hash = ? and (t.expires_at is null or t.expires_at > ?2) and s.expires_at > ?2",
            hash,
        ),
    };
    let number: i64 = sqlx::query_scalar(asked)
        .bind(hash)
        .bind(at)
        .fetch_one(conn)
        .await?;
    Ok(number > 0)
}

impl AccessWrite {
    pub async fn run(&self, conn: &mut SqliteConnection, at: &str) -> Result<(), StoreError> {
        match self {
            Self::Token(new) => add(conn, new, at).await?,
            Self::SettingsToken { name, hash } => settings_token(conn, name, hash, at).await?,
            Self::DropToken { name, last } => drop_token(conn, name, *last).await?,
            Self::Session(new) => {
                sqlx::query("delete from session where expires_at < ?")
                    .bind(at)
                    .execute(&mut *conn)
                    .await?;
                let begun = sqlx::query(
                    "insert into session (hash, token, created_at, seen_at, peer, expires_at)
                     select ?, ?, ?, ?, ?, ? from token t where t.hash = ?",
                )
                .bind(&new.hash)
                .bind(&new.token)
                .bind(at)
                .bind(at)
                .bind(&new.peer)
                .bind(&new.expires_at)
                .bind(&new.token_hash)
                .execute(conn)
                .await?;
                if begun.rows_affected() == 0 {
                    return Err(StoreError::Ended);
                }
            }
            Self::SessionSeen(hash) => {
                sqlx::query("update session set seen_at = ? where hash = ?")
                    .bind(at)
                    .bind(hash)
                    .execute(conn)
                    .await?;
            }
            Self::DropSession(id) => {
                sqlx::query("delete from session where hash >= ? and hash < ? || 'g'")
                    .bind(id)
                    .bind(id)
                    .execute(conn)
                    .await?;
            }
            Self::DropSessions(token) => {
                sqlx::query("delete from session where ? is null or token = ?")
                    .bind(token)
                    .bind(token)
                    .execute(conn)
                    .await?;
            }
        }
        Ok(())
    }
}

/// A token of a name that there was not.
async fn add(conn: &mut SqliteConnection, new: &NewToken, at: &str) -> Result<(), StoreError> {
    let apps = new.person.apps.as_ref().map(serde_json::to_string);
    let made = sqlx::query(
        "insert into token (name, hash, created_at, role, apps, expires_at) values (?, ?, ?, ?, ?, ?) on conflict do nothing",
    )
    .bind(&new.person.name)
    .bind(&new.hash)
    .bind(at)
    .bind(new.person.role.word())
    .bind(apps.transpose()?)
    .bind(&new.expires_at)
    .execute(conn)
    .await?;
    if made.rows_affected() == 0 {
        return Err(StoreError::Exists(format!("a token {}", new.person.name)));
    }
    Ok(())
}

/// `last`: also the last one that makes tokens.
async fn drop_token(conn: &mut SqliteConnection, name: &str, last: bool) -> Result<(), StoreError> {
    // one that ends does not keep the door open
    let (makes, others): (i64, i64) = sqlx::query_as(
        "select ifnull(sum(name = ?), 0), ifnull(sum(name <> ? and expires_at is null), 0) from token where role = 'admin' and apps is null",
    )
    .bind(name)
    .bind(name)
    .fetch_one(&mut *conn)
    .await?;
    if makes > 0 && others == 0 && !last {
        return Err(StoreError::LastAdmin(name.to_owned()));
    }
    for delete in [
        "delete from session where token = ?",
        "delete from token where name = ?",
    ] {
        sqlx::query(delete).bind(name).execute(&mut *conn).await?;
    }
    Ok(())
}

/// The one token of the settings: another one, or one of another name, takes the place of that before, and who came in with that is out.
async fn settings_token(
    conn: &mut SqliteConnection,
    name: &str,
    hash: &str,
    at: &str,
) -> Result<(), StoreError> {
    let another: Option<String> = sqlx::query_scalar(
        "select name from token where name = ? and hash <> ? and of_settings = 0",
    )
    .bind(name)
    .bind(hash)
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(name) = another {
        return Err(StoreError::Exists(format!("a token {name} of somebody")));
    }
    let other = "(name = ? or hash = ? or of_settings = 1) and not (name = ? and hash = ?)";
    for delete in [
        format!("delete from session where token in (select name from token where {other})"),
        format!("delete from token where {other}"),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(delete))
            .bind(name)
            .bind(hash)
            .bind(name)
            .bind(hash)
            .execute(&mut *conn)
            .await?;
    }
    sqlx::query(
        "insert into token (name, hash, created_at, role, of_settings) values (?, ?, ?, 'admin', 1) \
         on conflict (name) do update set role = 'admin', apps = null, expires_at = null, of_settings = 1",
    )
    .bind(name)
    .bind(hash)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(())
}

//! Opening the file: whose it is, who uses it, how it is set up.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection, SqlitePool};

use super::StoreError;
use crate::event::Fact;

/// Marks the file as ours: `dpob` in ASCII.
const APPLICATION_ID: i64 = 0x6470_6f62;

/// SQLite below this carries the WAL-reset bug (sqlite.org/wal.html, "walresetbug").
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

fn unusable(what: impl Into<String>) -> StoreError {
    StoreError::Unusable(what.into())
}

/// Makes the folder, for us alone, and answers where the database is.
pub(super) fn prepare(folder: &Path) -> Result<PathBuf, StoreError> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let fail = |e: std::io::Error| {
        unusable(format!(
            "the data folder {} cannot be used: {e}; set DPLOY_OBSERVER_DATA to one that can be written",
            folder.display()
        ))
    };
    if !folder.is_dir() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(fail)?;
    }
    let file = super::database(folder);
    if !file.exists() {
        File::create(&file).map_err(fail)?;
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).map_err(fail)?;
    Ok(file)
}

/// The lock of a data folder. It is let go of explicitly: a process that is just being forked holds a copy of the
/// descriptor until it runs its program, and closing ours would not end that one.
pub(super) struct FolderLock(File);

impl Drop for FolderLock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Takes the lock beside the file; it is released when the process ends, however it ends.
pub(super) fn lock(folder: &Path) -> Result<FolderLock, StoreError> {
    let path = folder.join("observer.lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|e| unusable(format!("{}: {e}", path.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(FolderLock(file)),
        Err(TryLockError::WouldBlock) => Err(unusable(format!(
            "another observer uses {}: stop it first, or give this one its own folder (DPLOY_OBSERVER_DATA)",
            folder.display()
        ))),
        Err(TryLockError::Error(e)) => Err(unusable(format!("{}: {e}", path.display()))),
    }
}

/// Refuses a file that is not ours before anything in it is changed: already the WAL mode would be a change.
pub(super) async fn check_ours(file: &Path) -> Result<(), StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging();
    let read = async {
        let mut conn = SqliteConnection::connect_with(&options).await?;
        let id: i64 = sqlx::query_scalar("pragma application_id")
            .fetch_one(&mut conn)
            .await?;
        let tables: i64 = sqlx::query_scalar("select count(*) from sqlite_schema")
            .fetch_one(&mut conn)
            .await?;
        conn.close().await?;
        Ok((id, tables))
    };
    match read.await {
        Ok((APPLICATION_ID, _) | (0, 0)) => Ok(()),
        Ok(_) => Err(foreign(file)),
        Err(sqlx::Error::Database(d)) if d.code().as_deref() == Some("26") => Err(foreign(file)),
        Err(e) => Err(e.into()),
    }
}

/// A connection that writes: WAL, every commit flushed to the disk.
pub(super) async fn writer(file: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(true)
        .pragma("recursive_triggers", "on")
        .pragma("trusted_schema", "off")
        .pragma("cell_size_check", "on")
        .pragma("journal_size_limit", "67108864")
        .row_buffer_size(1000)
        .disable_statement_logging();
    Ok(SqliteConnection::connect_with(&options).await?)
}

fn foreign(file: &Path) -> StoreError {
    unusable(format!(
        "{} is not a log of the observer: it belongs to another program; give the observer its own folder (DPLOY_OBSERVER_DATA)",
        file.display()
    ))
}

/// One that reads a whole log, rows ahead of who takes them.
pub(super) async fn walker(file: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .busy_timeout(Duration::from_secs(5))
        .pragma("query_only", "on")
        .row_buffer_size(2000)
        .disable_statement_logging();
    Ok(SqliteConnection::connect_with(&options).await?)
}

/// A small pool of connections that only read.
pub(super) async fn readers(file: &Path) -> Result<SqlitePool, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .busy_timeout(Duration::from_secs(5))
        .pragma("query_only", "on")
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await?;
    Ok(pool)
}

/// Refuses files that are too new, then brings the schema of ours up to date.
pub(super) async fn check_and_migrate(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    check_sqlite(conn).await?;
    let id: i64 = sqlx::query_scalar("pragma application_id")
        .fetch_one(&mut *conn)
        .await?;
    if id != APPLICATION_ID {
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "pragma application_id = {APPLICATION_ID}"
        )))
        .execute(&mut *conn)
        .await?;
    }
    MIGRATIONS.run(&mut *conn).await.map_err(|e| {
        unusable(format!("the log cannot be brought to this release ({}): {e}; start the release that wrote it, or a newer one", env!("CARGO_PKG_VERSION")))
    })?;
    Ok(())
}

async fn check_sqlite(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let text: String = sqlx::query("select sqlite_version()")
        .fetch_one(&mut *conn)
        .await?
        .get(0);
    let mut parts = text.split('.').map(|p| p.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    if (next(), next(), next()) < OLDEST_SQLITE {
        return Err(unusable(format!(
            "SQLite {text} can corrupt a log in WAL mode; at least 3.51.3 is needed"
        )));
    }
    Ok(())
}

/// A kind or version that this release does not know refuses the start: it would be skipped otherwise.
pub(super) async fn check_kinds(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    // a loose scan of the index: one step per kind, however long the log is
    let kinds: Vec<(i64, String)> = sqlx::query_as(
        "with recursive k(kind) as (select min(kind) from event \
         union all select (select min(kind) from event where kind > k.kind) from k where k.kind is not null) \
         select (select min(seq) from event where kind = k.kind), kind from k where kind is not null",
    )
    .fetch_all(&mut *conn)
    .await?;
    for (seq, _) in &kinds {
        super::events::event(conn, *seq)
            .await?
            .map(|e| e.fact())
            .transpose()?;
    }
    for (_, kind) in &kinds {
        let newer: Option<i64> =
            sqlx::query_scalar("select seq from event where kind = ? and version > ? limit 1")
                .bind(kind)
                .bind(Fact::newest_version(kind))
                .fetch_optional(&mut *conn)
                .await?;
        if let Some(seq) = newer {
            super::events::event(conn, seq)
                .await?
                .map(|e| e.fact())
                .transpose()?;
        }
    }
    Ok(())
}

//! The log and everything else that is kept, in one SQLite file. All SQL lives in this folder.

mod access;
mod batch;
mod clean;
mod connect;
mod events;
mod known;
mod later;
mod log;
mod memory;
mod projection;
mod read;
mod rows;
mod tokens;
mod unlogged;
mod verify;
mod walk;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::SqlitePool;
use tokio::sync::watch;

pub use access::{NewSession, NewToken};
pub use batch::{CommandRequest, Touched, Written};
pub use events::{EventFilter, Within};
pub use log::Log;
pub use read::PushRow;
pub use tokens::{SESSION_ID, SessionRow, TokenRow};
pub use unlogged::Secrets;
pub use verify::{Report, rebuild, verify};
pub use writer::OnFatal;

use crate::clock::SharedClock;
use crate::event::Unreadable;
use crate::history::Refusal;

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The command is refused; nothing was written.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The log cannot be written now; nothing was written.
    #[error("the log cannot be written: {0}")]
    Unavailable(String),
    /// The file is not ours, too new, in use, or broken.
    #[error("{0}")]
    Unusable(String),
    /// An event that this release cannot read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// SQLite said no.
    #[error("reading the log: {0}")]
    Sqlite(#[from] sqlx::Error),
    /// There is one of this name already.
    #[error("there is {0} already, and it stays")]
    Exists(String),
    /// Without this token nobody could make another.
    #[error(
        "the token {0} is the last one that makes tokens; make another for all apps with the role admin first"
    )]
    LastAdmin(String),
    /// What somebody was known by counts no more; nothing was written.
    #[error("whoever asked was sent away, or may do something else, since this began")]
    Ended,
    /// A row does not hold what this release writes there.
    #[error("a stored row cannot be read: {0}; `observer rebuild` makes the projections anew")]
    Row(#[from] serde_json::Error),
}

/// The open store: a writer, and a small pool of readers.
#[derive(Clone)]
pub struct Store {
    readers: SqlitePool,
    log: Log,
    head: watch::Receiver<i64>,
    // one observer per file; released by `close`, or with the last handle
    lock: Arc<std::sync::Mutex<Option<connect::FolderLock>>>,
}

impl Store {
    /// Opens (and where there is none, creates) the store in `folder`, migrates it, and starts the writer.
    ///
    /// # Errors
    /// When the folder is in use by another observer, the file belongs to another program or a newer
    /// release, or the disk does not let us.
    pub async fn open(
        folder: &Path,
        clock: SharedClock,
        on_fatal: OnFatal,
    ) -> Result<Self, StoreError> {
        let file = connect::prepare(folder)?;
        let lock = connect::lock(folder)?;
        connect::check_ours(&file).await?;
        let mut conn = connect::writer(&file).await?;
        connect::check_and_migrate(&mut conn).await?;
        connect::check_kinds(&mut conn).await?;
        verify::renew_if_older(&file, &mut conn).await?;
        let readers = connect::readers(&file).await?;
        let (log, head) = writer::start(conn, file, clock, on_fatal).await?;
        Ok(Self {
            readers,
            log,
            head,
            lock: Arc::new(std::sync::Mutex::new(Some(lock))),
        })
    }

    /// A store without a file: everything is gone with its last handle. Sessions and tokens cannot be listed.
    #[must_use]
    pub fn in_memory(clock: SharedClock) -> Self {
        let (log, head) = Log::in_memory(clock);
        Self {
            // never connected
            readers: SqlitePool::connect_lazy_with(sqlx::sqlite::SqliteConnectOptions::new()),
            log,
            head,
            lock: Arc::default(),
        }
    }

    /// The log, to send commands to.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Follows the number of the newest event.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<i64> {
        self.head.clone()
    }

    /// Finishes what was handed to the writer and closes the file.
    pub async fn close(&self) {
        self.log.close().await;
        self.readers.close().await;
        if let Ok(mut lock) = self.lock.lock() {
            lock.take();
        }
    }
}

/// The database file within the data folder.
#[must_use]
pub fn database(folder: &Path) -> PathBuf {
    folder.join("observer.db")
}

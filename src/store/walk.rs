//! A walk over the whole log in bounded memory: pages are read ahead on a connection of their own, while what was read before is
//! hashed and folded.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::SqliteConnection;
use tokio::sync::mpsc;

use super::projection::Changes;
use super::{StoreError, connect};
use crate::event::{Event, Lists};
use crate::history::App;
use crate::id::AppId;

/// How many events are read at once.
const PAGE: i64 = 2000;

/// So many pages are read ahead.
const AHEAD: usize = 2;

/// After so many events what they change is written.
const WRITTEN: usize = 20_000;

/// The events of a log, oldest first, in pages.
pub(super) struct Walk(mpsc::Receiver<Page>);

/// Events that follow each other; or why those after this number cannot be read.
pub(super) type Page = Result<Vec<Event>, (i64, StoreError)>;

impl Walk {
    pub async fn start(file: &Path) -> Result<Self, StoreError> {
        let mut conn = connect::walker(file).await?;
        let (pages, walk) = mpsc::channel(AHEAD);
        tokio::spawn(async move { read(&mut conn, &pages).await });
        Ok(Self(walk))
    }

    /// The number of the newest event: a walk that ends before it was broken off.
    pub async fn end(conn: &mut SqliteConnection) -> Result<i64, StoreError> {
        let newest = sqlx::query_scalar("select ifnull(max(seq), 0) from event");
        Ok(newest.fetch_one(conn).await?)
    }

    /// The next page; `None` at the end.
    pub async fn next(&mut self) -> Option<Page> {
        self.0.recv().await
    }
}

async fn read(conn: &mut SqliteConnection, pages: &mpsc::Sender<Page>) {
    let (mut seq, mut limit) = (0, PAGE);
    loop {
        let page = match super::events::page(conn, seq, limit).await {
            Ok(page) => page,
            // one by one, to name the event that cannot be read
            Err(_) if limit > 1 => {
                limit = 1;
                continue;
            }
            Err(error) => {
                let _ = pages.send(Err((seq, error))).await;
                return;
            }
        };
        let Some(last) = page.last() else {
            return;
        };
        seq = last.seq;
        if pages.send(Ok(page)).await.is_err() {
            return;
        }
    }
}

/// The fold of what was walked, written into the tables as it goes on.
#[derive(Default)]
pub(super) struct Fold {
    apps: BTreeMap<AppId, App>,
    /// As the tables have them.
    written: BTreeMap<AppId, App>,
    changes: Changes,
    lists: Lists,
    since: usize,
}

impl Fold {
    /// Goes on with these events.
    pub async fn page(
        &mut self,
        conn: &mut SqliteConnection,
        events: &[Event],
    ) -> Result<(), StoreError> {
        for event in events {
            let whole = self.lists.whole(event)?;
            self.changes
                .fold(&mut self.apps, event.seq, &event.at, &whole);
        }
        self.since += events.len();
        if self.since >= WRITTEN {
            self.write(conn).await?;
        }
        Ok(())
    }

    /// Writes what is not written yet.
    pub async fn write(&mut self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        self.since = 0;
        let changes = std::mem::take(&mut self.changes);
        changes.write(conn, &self.written, &self.apps).await?;
        for id in changes.apps {
            if let Some(app) = self.apps.get(&id) {
                self.written.insert(id, app.clone());
            }
        }
        Ok(())
    }
}

//! Events, by number or by filter.

use std::collections::BTreeSet;

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::rows::{COLUMNS, EventRow};
use super::{Store, StoreError};
use crate::event::Event;
use crate::id::{AppId, DeployNumber};

/// Apps that somebody is shown.
#[derive(Debug, Clone, Default)]
pub struct Within {
    /// Those that are public now.
    pub public: bool,
    /// And these.
    pub apps: BTreeSet<AppId>,
}

/// Which events are wanted.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Of this app.
    pub app: Option<AppId>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Of one of these kinds; empty: of any.
    pub kinds: &'static [&'static str],
    /// By this actor.
    pub actor: Option<String>,
    /// Of this deploy.
    pub deploy: Option<DeployNumber>,
    /// After this one.
    pub since: Option<i64>,
    /// Before this one.
    pub before: Option<i64>,
    /// Newest first.
    pub newest_first: bool,
    /// Only of these apps; `None`: of all, and what is of none. Which calls were refused tells which repositories are known.
    pub within: Option<Within>,
    /// At most so many.
    pub limit: i64,
}

pub(super) async fn event(
    conn: &mut SqliteConnection,
    seq: i64,
) -> Result<Option<Event>, StoreError> {
    let mut query =
        QueryBuilder::<Sqlite>::new(format!("select {COLUMNS} from event where seq = "));
    let row: Option<EventRow> = query
        .push_bind(seq)
        .build_query_as()
        .fetch_optional(conn)
        .await?;
    row.map(EventRow::event).transpose()
}

/// The events after `seq`, oldest first.
pub(super) async fn page(
    conn: &mut SqliteConnection,
    seq: i64,
    limit: i64,
) -> Result<Vec<Event>, StoreError> {
    let mut query =
        QueryBuilder::<Sqlite>::new(format!("select {COLUMNS} from event where seq > "));
    query
        .push_bind(seq)
        .push(" order by seq limit ")
        .push_bind(limit);
    let rows: Vec<EventRow> = query.build_query_as().fetch_all(conn).await?;
    rows.into_iter().map(EventRow::event).collect()
}

impl Store {
    /// Events by filter.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, StoreError> {
        if let Some(memory) = &self.log.memory {
            return Ok(memory.events(filter));
        }
        let nobody = |w: &Within| !w.public && w.apps.is_empty();
        if filter.within.as_ref().is_some_and(nobody) {
            return Ok(Vec::new());
        }
        let mut query =
            QueryBuilder::<Sqlite>::new(format!("select {COLUMNS} from event where seq > "));
        query.push_bind(filter.since.unwrap_or(0));
        if let Some(before) = filter.before {
            query.push(" and seq < ").push_bind(before);
        }
        if let Some(app) = &filter.app {
            query.push(" and app = ").push_bind(app.as_str());
        }
        if let Some(kind) = &filter.kind {
            query.push(" and kind = ").push_bind(kind);
        }
        if !filter.kinds.is_empty() {
            let kinds = serde_json::to_string(filter.kinds)?;
            query
                .push(" and kind in (select value from json_each(")
                .push_bind(kinds)
                .push("))");
        }
        if let Some(actor) = &filter.actor {
            query.push(" and actor = ").push_bind(actor);
        }
        if let Some(deploy) = filter.deploy {
            query.push(" and deploy = ").push_bind(i64::from(deploy.0));
        }
        if let Some(within) = &filter.within {
            let apps = serde_json::to_string(&within.apps)?;
            query
                .push(" and app in (select value from json_each(")
                .push_bind(apps);
            query.push(if within.public {
                ") union select id from app where public = 1)"
            } else {
                "))"
            });
        }
        query.push(if filter.newest_first {
            " order by seq desc limit "
        } else {
            " order by seq limit "
        });
        query.push_bind(filter.limit);
        let rows: Vec<EventRow> = query.build_query_as().fetch_all(&self.readers).await?;
        rows.into_iter().map(EventRow::event).collect()
    }
}

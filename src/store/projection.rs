//! The tables that pages list, kept by the same fold that decides.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::StoreError;
use crate::event::{NewEvent, PushReceived};
use crate::history::{App, Deploy, RowChange, apply};
use crate::id::{AppId, CommitId, DeployNumber, ServiceId};

/// Changes when the fold or the tables change: older projections are made anew at start.
pub(super) const GENERATION: &str = "10";

/// A received push as it is listed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PushLine {
    pub app: AppId,
    pub at: String,
    pub push: PushReceived,
    pub outcome: Option<String>,
}

/// What a run of events changes in the projections.
#[derive(Default)]
pub(super) struct Changes {
    pub deploys: BTreeMap<(AppId, DeployNumber), Deploy>,
    pub pushes: BTreeMap<i64, PushLine>,
    /// Outcomes of pushes that were received before this run.
    pub outcomes: BTreeMap<(AppId, CommitId), String>,
    pub apps: BTreeSet<AppId>,
}

impl Changes {
    /// Folds an event into `apps` and remembers what that changes.
    pub fn fold(&mut self, apps: &mut BTreeMap<AppId, App>, seq: i64, at: &str, event: &NewEvent) {
        let Some(id) = &event.app else { return };
        let mut app = apps.remove(id);
        for row in apply(&mut app, seq, at, event) {
            match row {
                RowChange::Deploy(deploy) => {
                    self.deploys.insert((id.clone(), deploy.number), *deploy);
                }
                RowChange::Push(push) => {
                    let line = PushLine {
                        app: id.clone(),
                        at: at.to_owned(),
                        push: *push,
                        outcome: None,
                    };
                    self.pushes.insert(seq, line);
                }
                RowChange::PushOutcome(commit, outcome) => self.outcome(id, commit, outcome),
            }
        }
        if let Some(app) = app {
            apps.insert(id.clone(), app);
            self.apps.insert(id.clone());
        }
    }

    fn outcome(&mut self, app: &AppId, commit: CommitId, outcome: String) {
        let newest = self
            .pushes
            .values_mut()
            .rev()
            .find(|l| l.app == *app && l.push.after == commit);
        match newest {
            Some(line) => line.outcome = Some(outcome),
            None => {
                self.outcomes.insert((app.clone(), commit), outcome);
            }
        }
    }

    /// Writes what changed. `before` holds the apps as the tables have them.
    pub async fn write(
        &self,
        conn: &mut SqliteConnection,
        before: &BTreeMap<AppId, App>,
        apps: &BTreeMap<AppId, App>,
    ) -> Result<(), StoreError> {
        for id in &self.apps {
            if let Some(app) = apps.get(id) {
                write_app(conn, app).await?;
                write_services(conn, before.get(id), app).await?;
            }
        }
        write_deploys(conn, &self.deploys).await?;
        // before the pushes of this run, which may be of the same commits
        for ((app, commit), outcome) in &self.outcomes {
            sqlx::query("update push set outcome = ? where seq = (select max(seq) from push where app = ? and commit_id = ?)")
                .bind(outcome).bind(app.as_str()).bind(commit.as_str()).execute(&mut *conn).await?;
        }
        write_pushes(conn, &self.pushes).await
    }
}

async fn write_app(conn: &mut SqliteConnection, app: &App) -> Result<(), StoreError> {
    sqlx::query(
        "insert into app (id, repository_id, branch, destroyed, public, state) values (?, ?, ?, ?, ?, ?) \
         on conflict (id) do update set repository_id = excluded.repository_id, branch = excluded.branch, \
         destroyed = excluded.destroyed, public = excluded.public, state = excluded.state",
    )
    .bind(app.id.as_str())
    .bind(app.source.repository_id.cast_signed())
    .bind(app.source.branch.as_str())
    .bind(app.destroyed)
    .bind(app.is_public())
    .bind(serde_json::to_string(app)?)
    .execute(conn)
    .await?;
    Ok(())
}

async fn write_services(
    conn: &mut SqliteConnection,
    before: Option<&App>,
    app: &App,
) -> Result<(), StoreError> {
    let old = before.map(|a| &a.services);
    let gone: Vec<&ServiceId> = old
        .iter()
        .flat_map(|o| o.keys())
        .filter(|id| !app.services.contains_key(*id))
        .collect();
    for id in gone {
        sqlx::query("delete from service where app = ? and id = ?")
            .bind(app.id.as_str())
            .bind(id.as_str())
            .execute(&mut *conn)
            .await?;
    }
    for (id, record) in &app.services {
        if old.and_then(|o| o.get(id)) != Some(record) {
            sqlx::query("insert into service (app, id, data) values (?, ?, ?) on conflict (app, id) do update set data = excluded.data")
                .bind(app.id.as_str()).bind(id.as_str()).bind(serde_json::to_string(record)?).execute(&mut *conn).await?;
        }
    }
    Ok(())
}

/// So many rows are written by one statement.
const ROWS: usize = 100;

async fn write_deploys(
    conn: &mut SqliteConnection,
    deploys: &BTreeMap<(AppId, DeployNumber), Deploy>,
) -> Result<(), StoreError> {
    let all: Vec<_> = deploys.iter().collect();
    for chunk in all.chunks(ROWS) {
        let data = chunk
            .iter()
            .map(|(_, deploy)| serde_json::to_string(deploy));
        let data = data.collect::<Result<Vec<String>, _>>()?;
        let mut insert = QueryBuilder::<Sqlite>::new(
            "insert into deploy (app, number, commit_id, state, data) ",
        );
        insert.push_values(
            chunk.iter().zip(&data),
            |mut row, (((app, _), deploy), data)| {
                row.push_bind(app.as_str())
                    .push_bind(i64::from(deploy.number.0))
                    .push_bind(deploy.wanted.commit.as_str())
                    .push_bind(deploy.state().word())
                    .push_bind(data);
            },
        );
        insert.push(
            " on conflict (app, number) do update set commit_id = excluded.commit_id, state = excluded.state, data = excluded.data",
        );
        let insert = insert.build().persistent(known(chunk.len()));
        insert.execute(&mut *conn).await?;
    }
    Ok(())
}

async fn write_pushes(
    conn: &mut SqliteConnection,
    pushes: &BTreeMap<i64, PushLine>,
) -> Result<(), StoreError> {
    let all: Vec<_> = pushes.iter().collect();
    for chunk in all.chunks(ROWS) {
        let data = chunk
            .iter()
            .map(|(_, line)| serde_json::to_string(&line.push));
        let data = data.collect::<Result<Vec<String>, _>>()?;
        let mut insert = QueryBuilder::<Sqlite>::new(
            "insert into push (seq, app, at, commit_id, body, outcome, data) ",
        );
        insert.push_values(chunk.iter().zip(&data), |mut row, ((seq, line), data)| {
            row.push_bind(**seq)
                .push_bind(line.app.as_str())
                .push_bind(&line.at)
                .push_bind(line.push.after.as_str())
                .push_bind(&line.push.body)
                .push_bind(&line.outcome)
                .push_bind(data);
        });
        let insert = insert.build().persistent(known(chunk.len()));
        insert.execute(&mut *conn).await?;
    }
    Ok(())
}

/// Statements of one row and of whole chunks come again: they are prepared once.
fn known(rows: usize) -> bool {
    rows == 1 || rows == ROWS
}

/// All apps, as the table has them.
pub(super) async fn load(conn: &mut SqliteConnection) -> Result<BTreeMap<AppId, App>, StoreError> {
    let rows: Vec<(String,)> = sqlx::query_as("select state from app")
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|(state,)| {
            let app: App = serde_json::from_str(state)?;
            Ok((app.id.clone(), app))
        })
        .collect()
}

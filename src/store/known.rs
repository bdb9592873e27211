//! What is looked up in the log for a command, inside the transaction that decides it.

use std::collections::BTreeSet;

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::StoreError;
use super::batch::{Batch, CommandRequest, Tip};
use crate::event::Fact;
use crate::history::{App, Command, Known};
use crate::id::{AppId, CommitId, DeployNumber, ServiceId};

impl Batch {
    /// What the log knows of a command, and the commands before it in this batch.
    pub(super) async fn known(
        &self,
        mut conn: Option<&mut SqliteConnection>,
        tip: &Tip,
        request: &CommandRequest,
    ) -> Result<Known, StoreError> {
        let app = &request.app;
        let mut known = Known::default();
        if let Some(key) = &request.dedup {
            known.dedup = match self.dedups.get(&(app.clone(), key.clone())) {
                Some(began) => Some(*began),
                None => began_by(conn.as_deref_mut(), app, key).await?,
            };
            if known.dedup.is_none() {
                known.key_reused = self.of_another_body(conn.as_deref_mut(), app, key).await?;
            }
        }
        match request.command.wanted() {
            Command::Push(push) => {
                let in_batch = push
                    .body
                    .as_ref()
                    .is_some_and(|b| self.bodies.contains(&(app.clone(), b.clone())));
                let body = push.body.as_deref();
                known.body = in_batch || body_seen(conn.as_deref_mut(), app, body).await?;
                known.commit = self.pushed_before_pin(conn, app, &push.after).await?;
            }
            Command::HeadMoved { head, .. } => {
                known.commit = self.pushed_before_pin(conn, app, head).await?;
            }
            Command::Unlock { .. } | Command::LockEnds { .. } => {
                if let Some(head) = self.apps.get(app).and_then(|a| a.head.as_ref()) {
                    known.commit = self.pushed_before_pin(conn, app, &head.commit).await?;
                }
            }
            Command::Register(new) => {
                let same = |a: &&App| {
                    !a.destroyed
                        && a.id != *app
                        && a.source.repository_id == new.source.repository_id
                        && a.source.branch == new.source.branch
                };
                known.source_app = self.current(tip).find(same).map(|a| a.id.clone());
            }
            Command::Destroy { .. } => {
                let repository = self.apps.get(app).map(|a| a.source.repository_id);
                known.repository_shared = self.current(tip).any(|a| {
                    a.id != *app
                        && !a.destroyed
                        && a.destroying.is_none()
                        && Some(a.source.repository_id) == repository
                });
            }
            Command::Intend { intended, .. } => {
                let ids = intended.services.iter().map(|s| &s.id);
                known.taken = self.taken(conn, tip, app, ids).await?;
            }
            Command::Adopt { services } => {
                let ids = services.iter().map(|s| &s.id);
                known.taken = self.taken(conn, tip, app, ids).await?;
            }
            Command::Note(facts) => {
                let adopted = facts.iter().find_map(|f| match f {
                    Fact::AppAdopted { services } => Some(services),
                    _ => None,
                });
                if let Some(services) = adopted {
                    let ids = services.iter().map(|s| &s.id);
                    known.taken = self.taken(conn, tip, app, ids).await?;
                }
            }
            _ => {}
        }
        Ok(known)
    }

    /// Whether the same idempotency key came with another action, or another body.
    async fn of_another_body(
        &self,
        conn: Option<&mut SqliteConnection>,
        app: &AppId,
        key: &str,
    ) -> Result<bool, StoreError> {
        let Some(chosen) = chosen(key) else {
            return Ok(false);
        };
        // all with this beginning: `$` follows `#`
        let (from, to) = (format!("{chosen}#"), format!("{chosen}$"));
        let batch = (app.clone(), from.clone())..(app.clone(), to.clone());
        if self.dedups.range(batch).next().is_some() {
            return Ok(true);
        }
        let Some(conn) = conn else { return Ok(false) };
        let query =
            "select exists (select 1 from event where app = ? and dedup >= ? and dedup < ?)";
        Ok(sqlx::query_scalar(query)
            .bind(app.as_str())
            .bind(from)
            .bind(to)
            .fetch_one(conn)
            .await?)
    }

    /// The first of these services that belongs to another app, and whose it is.
    async fn taken<'i>(
        &self,
        conn: Option<&mut SqliteConnection>,
        tip: &Tip,
        app: &AppId,
        ids: impl Iterator<Item = &'i ServiceId>,
    ) -> Result<Option<(ServiceId, Option<AppId>)>, StoreError> {
        let ids: BTreeSet<&ServiceId> = ids.collect();
        let owns = |a: &&App, id: &ServiceId| a.id != *app && a.services.contains_key(id);
        let mut others: BTreeSet<AppId> = BTreeSet::new();
        if let Some(conn) = conn {
            for chunk in Vec::from_iter(&ids).chunks(100) {
                let mut query =
                    QueryBuilder::<Sqlite>::new("select distinct app from service where id in (");
                let mut list = query.separated(", ");
                for id in chunk {
                    list.push_bind(id.as_str());
                }
                query.push(")");
                let found: Vec<String> = query
                    .build_query_scalar()
                    .persistent(false)
                    .fetch_all(&mut *conn)
                    .await?;
                others.extend(found.iter().filter_map(|a| a.parse().ok()));
            }
        } else {
            others.extend(tip.apps.keys().cloned());
        }
        // those that this batch changed are not in the tables yet
        others.extend(self.apps.keys().cloned());
        for other in &others {
            let Some(state) = self.apps.get(other).or_else(|| tip.apps.get(other)) else {
                continue;
            };
            if let Some(id) = ids.iter().find(|id| owns(&state, id)) {
                let asks = self.apps.get(app).or_else(|| tip.apps.get(app));
                let named = asks.is_some_and(|asks| asks.names(state));
                return Ok(Some(((*id).clone(), named.then(|| other.clone()))));
            }
        }
        Ok(None)
    }

    /// All apps, as the commands before this one in the batch left them.
    fn current<'a>(&'a self, tip: &'a Tip) -> impl Iterator<Item = &'a App> {
        let rest = tip.apps.values().filter(|a| !self.apps.contains_key(&a.id));
        rest.chain(self.apps.values())
    }

    /// Whether the commit was pushed before the app was pinned; false where it is not pinned.
    async fn pushed_before_pin(
        &self,
        conn: Option<&mut SqliteConnection>,
        app: &AppId,
        commit: &CommitId,
    ) -> Result<bool, StoreError> {
        let Some(pin) = self.apps.get(app).and_then(|a| a.pin.as_ref()) else {
            return Ok(false);
        };
        let first = self.commits.get(&(app.clone(), commit.clone()));
        if first.is_some_and(|seq| *seq < pin.seq) {
            return Ok(true);
        }
        let Some(conn) = conn else { return Ok(false) };
        let pushed: bool = sqlx::query_scalar(
            "select exists (select 1 from push where app = ? and commit_id = ? and seq < ?)",
        )
        .bind(app.as_str())
        .bind(commit.as_str())
        .bind(pin.seq)
        .fetch_one(conn)
        .await?;
        Ok(pushed)
    }
}

/// The part of an idempotency key that its sender chose; what follows is of the action and its body.
fn chosen(key: &str) -> Option<&str> {
    let (chosen, _) = key.strip_prefix("key:").and(key.split_once('#'))?;
    Some(chosen)
}

/// Whether the key was seen, and the deploy it began.
async fn began_by(
    conn: Option<&mut SqliteConnection>,
    app: &AppId,
    key: &str,
) -> Result<Option<Option<DeployNumber>>, StoreError> {
    let Some(conn) = conn else { return Ok(None) };
    // earlier releases kept a key alone
    let event: Option<(String, Option<i64>)> =
        sqlx::query_as("select kind, deploy from event where app = ? and dedup in (?, ?)")
            .bind(app.as_str())
            .bind(key)
            .bind(chosen(key).unwrap_or(key))
            .fetch_optional(conn)
            .await?;
    Ok(event.map(|(kind, deploy)| {
        deploy
            .filter(|_| kind == "deploy_queued")
            .and_then(|d| u32::try_from(d).ok())
            .map(DeployNumber)
    }))
}

async fn body_seen(
    conn: Option<&mut SqliteConnection>,
    app: &AppId,
    body: Option<&str>,
) -> Result<bool, StoreError> {
    let (Some(body), Some(conn)) = (body, conn) else {
        return Ok(false);
    };
    Ok(
        sqlx::query_scalar("select exists (select 1 from push where app = ? and body = ?)")
            .bind(app.as_str())
            .bind(body)
            .fetch_one(conn)
            .await?,
    )
}

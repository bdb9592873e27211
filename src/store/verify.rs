//! `observer verify` and `observer rebuild`: whether the file is what the events say, and making it so.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::{Connection, SqliteConnection};

use super::projection::{Changes, fold_all};
use super::{StoreError, connect, database};
use crate::event::GENESIS;
use crate::history::App;
use crate::id::{AppId, BlobId};

/// What `verify` looked at, and what is wrong.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How many events were read.
    pub events: i64,
    /// How many blobs were hashed.
    pub blobs: i64,
    /// The hash of the newest event: note it elsewhere, and truncation can be seen.
    pub head: String,
    /// Each thing that is wrong, in a sentence. Empty: all is well.
    pub wrong: Vec<String>,
}

async fn open(folder: &Path) -> Result<(std::fs::File, SqliteConnection), StoreError> {
    let file = database(folder);
    if !file.is_file() {
        return Err(StoreError::Unusable(format!(
            "there is no log at {}; name the data folder with -data or DPLOY_OBSERVER_DATA",
            file.display()
        )));
    }
    let lock = connect::lock(folder)?;
    let mut conn = connect::writer(&file).await?;
    connect::check_and_migrate(&mut conn).await?;
    Ok((lock, conn))
}

/// Makes the projections anew from the log. Answers how many events were folded.
///
/// # Errors
/// When an observer runs on the folder, or the file cannot be read.
pub async fn rebuild(folder: &Path) -> Result<i64, StoreError> {
    let (_lock, mut conn) = open(folder).await?;
    let events = super::projection::rebuild(&mut conn).await?;
    conn.close().await?;
    Ok(events)
}

/// Walks the chain, hashes every blob, and compares every projection with a fresh fold.
///
/// # Errors
/// When an observer runs on the folder, or the file cannot be read at all.
pub async fn verify(folder: &Path) -> Result<Report, StoreError> {
    let (_lock, mut conn) = open(folder).await?;
    let mut report = Report {
        head: GENESIS.to_owned(),
        ..Report::default()
    };
    let checks: Vec<String> = sqlx::query_scalar("pragma integrity_check(5)")
        .fetch_all(&mut conn)
        .await?;
    report.wrong.extend(
        checks
            .into_iter()
            .filter(|c| c != "ok")
            .map(|c| format!("SQLite: {c}")),
    );
    chain(&mut conn, &mut report).await?;
    blobs(&mut conn, &mut report).await?;
    if report.wrong.is_empty() {
        projections(&mut conn, &mut report).await?;
    }
    conn.close().await?;
    Ok(report)
}

async fn chain(conn: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
    let mut seq = 0;
    loop {
        let page = match super::read::page(conn, seq, 2000).await {
            Ok(page) => page,
            Err(StoreError::Unusable(what)) => {
                report.wrong.push(what);
                return Ok(());
            }
            Err(other) => return Err(other),
        };
        let Some(last) = page.last().map(|e| e.seq) else {
            return Ok(());
        };
        for event in &page {
            if event.seq != seq + 1 {
                report.wrong.push(format!(
                    "event {} follows event {seq}: some are missing",
                    event.seq
                ));
            }
            if event.prev_hash != report.head {
                report.wrong.push(format!(
                    "event {} does not follow the event before it: prev_hash differs",
                    event.seq
                ));
            }
            if event.hash != event.computed_hash() {
                report.wrong.push(format!(
                    "event {} was changed: its hash is not the hash of its content",
                    event.seq
                ));
            }
            seq = event.seq;
            report.head.clone_from(&event.hash);
            report.events += 1;
            if report.wrong.len() >= 20 {
                return Ok(());
            }
        }
        seq = last;
    }
}

async fn blobs(conn: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
    let mut after = String::new();
    loop {
        let page: Vec<(String, Vec<u8>)> =
            sqlx::query_as("select id, data from blob where id > ? order by id limit 100")
                .bind(&after)
                .fetch_all(&mut *conn)
                .await?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        after.clone_from(last);
        for (id, data) in &page {
            report.blobs += 1;
            if !id.parse::<BlobId>().is_ok_and(|blob| blob.is_of(data)) {
                report.wrong.push(format!(
                    "blob {id} was changed: it is not the content of its id"
                ));
            }
        }
    }
}

async fn projections(conn: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
    let (apps, changes) = fold_all(conn).await?;
    let stored = super::projection::load(conn).await?;
    for id in apps
        .keys()
        .chain(stored.keys())
        .collect::<std::collections::BTreeSet<_>>()
    {
        if apps.get(id) != stored.get(id) {
            report.wrong.push(format!(
                "the state of {id} is not what its events say; `observer rebuild` makes it anew"
            ));
        }
    }
    compare(
        conn,
        report,
        "deploy",
        "select app || '#' || number, data from deploy order by 1",
        deploys(&changes)?,
    )
    .await?;
    compare(
        conn,
        report,
        "push",
        "select '' || seq, data || ifnull(outcome, '') from push order by 1",
        pushes(&changes)?,
    )
    .await?;
    compare(
        conn,
        report,
        "service",
        "select app || id, data from service order by 1",
        services(&apps)?,
    )
    .await
}

type Rows = BTreeMap<String, String>;

fn deploys(changes: &Changes) -> Result<Rows, StoreError> {
    changes
        .deploys
        .iter()
        .map(|((app, n), d)| Ok((format!("{app}#{}", n.0), serde_json::to_string(d)?)))
        .collect()
}

fn pushes(changes: &Changes) -> Result<Rows, StoreError> {
    changes
        .pushes
        .iter()
        .map(|(seq, l)| {
            Ok((
                seq.to_string(),
                serde_json::to_string(&l.push)? + l.outcome.as_deref().unwrap_or(""),
            ))
        })
        .collect()
}

fn services(apps: &BTreeMap<AppId, App>) -> Result<Rows, StoreError> {
    apps.values()
        .flat_map(|a| a.services.iter().map(move |(id, record)| (a, id, record)))
        .map(|(a, id, record)| Ok((format!("{}{id}", a.id), serde_json::to_string(record)?)))
        .collect()
}

async fn compare(
    conn: &mut SqliteConnection,
    report: &mut Report,
    table: &str,
    query: &'static str,
    wanted: Rows,
) -> Result<(), StoreError> {
    let stored: Rows = sqlx::query_as::<_, (String, String)>(query)
        .fetch_all(conn)
        .await?
        .into_iter()
        .collect();
    let keys: std::collections::BTreeSet<&String> = stored.keys().chain(wanted.keys()).collect();
    let wrong: Vec<&&String> = keys
        .iter()
        .filter(|k| stored.get(**k) != wanted.get(**k))
        .collect();
    if let Some(first) = wrong.first() {
        report.wrong.push(format!("{} of the table {table} differ from the events, first {first}; `observer rebuild` makes them anew", wrong.len()));
    }
    Ok(())
}

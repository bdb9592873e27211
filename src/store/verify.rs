//! `observer verify` and `observer rebuild`: whether the file is what the events say, and making it so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sqlx::{Connection, SqliteConnection};

use super::projection::{Changes, fold_all};
use super::{StoreError, connect, database};
use crate::event::{Event, GENESIS};
use crate::history::App;
use crate::id::{AppId, BlobId};

/// How many events are read at once.
const PAGE: i64 = 2000;

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

async fn open(folder: &Path) -> Result<(connect::FolderLock, SqliteConnection), StoreError> {
    let file = database(folder);
    if !file.is_file() {
        return Err(StoreError::Unusable(format!(
            "there is no log at {}; name the data folder with -data or DPLOY_OBSERVER_DATA",
            file.display()
        )));
    }
    let lock = connect::lock(folder)?;
    connect::check_ours(&file).await?;
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
    let (mut seq, mut limit) = (0, PAGE);
    loop {
        let page = match super::events::page(conn, seq, limit).await {
            Ok(page) => page,
            // one by one, to name the event that cannot be read
            Err(_) if limit > 1 => {
                limit = 1;
                continue;
            }
            Err(StoreError::Unusable(what)) => {
                report.wrong.push(what);
                return Ok(());
            }
            Err(other) => {
                report
                    .wrong
                    .push(format!("the event after event {seq} is damaged: {other}"));
                return Ok(());
            }
        };
        if page.is_empty() {
            return Ok(());
        }
        for event in &page {
            link(event, seq, report);
            seq = event.seq;
            if report.wrong.len() >= 20 {
                return Ok(());
            }
        }
    }
}

/// Whether the event is itself and follows the one before it, which is the head of the report.
fn link(event: &Event, before: i64, report: &mut Report) {
    let seq = event.seq;
    if seq != before + 1 {
        report.wrong.push(format!(
            "event {seq} follows event {before}: some are missing"
        ));
    }
    if event.prev_hash != report.head {
        report.wrong.push(format!(
            "event {seq} does not follow the event before it: prev_hash differs"
        ));
    }
    if event.hash != event.computed_hash() {
        report.wrong.push(format!(
            "event {seq} was changed: its hash is not the hash of its content"
        ));
    }
    report.head.clone_from(&event.hash);
    report.events += 1;
}

async fn blobs(conn: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
    let mut after = 0_i64;
    loop {
        let page: Vec<(i64, Vec<u8>, Vec<u8>)> = sqlx::query_as(
            "select rowid, cast(id as blob), data from blob where rowid > ? order by rowid limit 32",
        )
        .bind(after)
        .fetch_all(&mut *conn)
        .await?;
        let Some((last, ..)) = page.last() else {
            return Ok(());
        };
        after = *last;
        for (_, id, data) in &page {
            report.blobs += 1;
            let id = String::from_utf8_lossy(id);
            if !id.parse::<BlobId>().is_ok_and(|blob| blob.is_of(data)) {
                report.wrong.push(format!(
                    "blob {id} was changed: it is not the content of its id"
                ));
            }
        }
    }
}

/// Compares every column: what a query looks up by must be right, not only what it shows.
async fn projections(conn: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
    let (apps, changes) = fold_all(conn).await?;
    let tables = [
        (
            "app",
            "select cast(id as blob), cast(repository_id || char(10) || branch || char(10) || destroyed \
             || char(10) || public || char(10) || state as blob) from app",
            app_rows(&apps)?,
        ),
        (
            "deploy",
            "select cast(app || '#' || number as blob), cast(commit_id || char(10) || state || char(10) || data as blob) \
             from deploy",
            deploy_rows(&changes)?,
        ),
        (
            "push",
            "select cast(seq as blob), cast(app || char(10) || at || char(10) || commit_id || char(10) \
             || ifnull(body, '') || char(10) || ifnull(outcome, '') || char(10) || data as blob) from push",
            push_rows(&changes)?,
        ),
        (
            "service",
            "select cast(app || id as blob), cast(data as blob) from service",
            service_rows(&apps)?,
        ),
    ];
    for (table, query, wanted) in tables {
        compare(conn, report, table, query, &wanted).await?;
    }
    Ok(())
}

/// Rows by their key. Bytes, because a damaged text may be no text any more.
type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn row(key: String, columns: &[&str]) -> (Vec<u8>, Vec<u8>) {
    (key.into_bytes(), columns.join("\n").into_bytes())
}

fn app_rows(apps: &BTreeMap<AppId, App>) -> Result<Rows, StoreError> {
    apps.values()
        .map(|a| {
            let repository = a.source.repository_id.cast_signed().to_string();
            let flag = |is: bool| if is { "1" } else { "0" };
            let (destroyed, public) = (flag(a.destroyed), flag(a.is_public()));
            let state = serde_json::to_string(a)?;
            let branch = a.source.branch.as_str();
            let columns = [&repository, branch, destroyed, public, &state];
            Ok(row(a.id.to_string(), &columns))
        })
        .collect()
}

fn deploy_rows(changes: &Changes) -> Result<Rows, StoreError> {
    changes
        .deploys
        .iter()
        .map(|((app, n), d)| {
            let data = serde_json::to_string(d)?;
            let columns = [d.wanted.commit.as_str(), d.state().word(), &data];
            Ok(row(format!("{app}{n}"), &columns))
        })
        .collect()
}

fn push_rows(changes: &Changes) -> Result<Rows, StoreError> {
    changes
        .pushes
        .iter()
        .map(|(seq, l)| {
            let data = serde_json::to_string(&l.push)?;
            let columns = [
                l.app.as_str(),
                &l.at,
                l.push.after.as_str(),
                l.push.body.as_deref().unwrap_or(""),
                l.outcome.as_deref().unwrap_or(""),
                &data,
            ];
            Ok(row(seq.to_string(), &columns))
        })
        .collect()
}

fn service_rows(apps: &BTreeMap<AppId, App>) -> Result<Rows, StoreError> {
    apps.values()
        .flat_map(|a| a.services.iter().map(move |(id, record)| (a, id, record)))
        .map(|(a, id, record)| {
            Ok(row(
                format!("{}{id}", a.id),
                &[&serde_json::to_string(record)?],
            ))
        })
        .collect()
}

async fn compare(
    conn: &mut SqliteConnection,
    report: &mut Report,
    table: &str,
    query: &'static str,
    wanted: &Rows,
) -> Result<(), StoreError> {
    let stored: Rows = sqlx::query_as::<_, (Vec<u8>, Vec<u8>)>(query)
        .fetch_all(conn)
        .await?
        .into_iter()
        .collect();
    let keys: BTreeSet<&Vec<u8>> = stored.keys().chain(wanted.keys()).collect();
    let wrong: Vec<&&Vec<u8>> = keys
        .iter()
        .filter(|k| stored.get(**k) != wanted.get(**k))
        .collect();
    if let Some(first) = wrong.first() {
        report.wrong.push(format!(
            "{} of the table {table} differ from the events, first {}; `observer rebuild` makes them anew",
            wrong.len(),
            String::from_utf8_lossy(first)
        ));
    }
    Ok(())
}

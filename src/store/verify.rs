//! `observer verify` and `observer rebuild`: whether the file is what the events say, and making it so.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use sqlx::{Connection, SqliteConnection};

use super::projection::GENERATION;
use super::walk::{Fold, Walk};
use super::{StoreError, connect, database};
use crate::event::{Event, GENESIS};
use crate::id::BlobId;

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
    let events = made_anew(&database(folder), &mut conn).await?;
    conn.close().await?;
    Ok(events)
}

/// Makes the projections anew from the log, in one transaction. Answers how many events were folded.
async fn made_anew(file: &Path, conn: &mut SqliteConnection) -> Result<i64, StoreError> {
    let mut tx = conn.begin_with("begin immediate").await?;
    for table in ["app", "deploy", "push", "service"] {
        let all = sqlx::AssertSqlSafe(format!("delete from {table}"));
        sqlx::query(all).execute(&mut *tx).await?;
    }
    let (mut walk, mut fold, mut events) = (Walk::start(file).await?, Fold::default(), 0);
    while let Some(page) = walk.next().await {
        let page = page.map_err(|(_, error)| error)?;
        events = page.last().map_or(events, |last| last.seq);
        fold.page(&mut tx, &page).await?;
    }
    if events != Walk::end(&mut tx).await? {
        return Err(broken_off(events));
    }
    fold.write(&mut tx).await?;
    sqlx::query("insert into meta (key, value) values ('projections', ?) on conflict (key) do update set value = excluded.value")
        .bind(GENERATION).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(events)
}

/// Makes the projections anew where an older release made them.
pub(super) async fn renew_if_older(
    file: &Path,
    conn: &mut SqliteConnection,
) -> Result<(), StoreError> {
    let made_by: Option<String> =
        sqlx::query_scalar("select value from meta where key = 'projections'")
            .fetch_optional(&mut *conn)
            .await?;
    if made_by.as_deref() != Some(GENERATION) {
        let folded = made_anew(file, conn).await?;
        tracing::info!(events = folded, "projections made anew");
    }
    Ok(())
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
    sqlx::raw_sql(FRESH).execute(&mut conn).await?;
    let mut tx = conn.begin().await?;
    let outcome = chain(&database(folder), &mut tx, &mut report).await?;
    blobs(&mut tx, &mut report).await?;
    if report.wrong.is_empty() {
        outcome?;
        for (table, key, same, on) in COMPARED {
            compare(&mut tx, &mut report, table, key, same, on).await?;
        }
    }
    tx.rollback().await?;
    conn.close().await?;
    Ok(report)
}

/// Walks the chain; while one page is hashed it is folded too, into tables that shadow those of the file. Answers whether it could be
/// folded, which is of no interest where something is wrong with the chain.
async fn chain(
    file: &Path,
    conn: &mut SqliteConnection,
    report: &mut Report,
) -> Result<Result<(), StoreError>, StoreError> {
    let (mut walk, mut fold) = (Walk::start(file).await?, Fold::default());
    let (mut seq, mut folded) = (0, Ok(()));
    while let Some(page) = walk.next().await {
        let page = match page {
            Ok(page) => Arc::new(page),
            Err((_, StoreError::Unusable(what))) => {
                report.wrong.push(what);
                break;
            }
            Err((after, other)) => {
                let what = format!("the event after event {after} is damaged: {other}");
                report.wrong.push(what);
                break;
            }
        };
        let hashed = page.clone();
        let hashing = tokio::task::spawn_blocking(move || {
            let changed = hashed.iter().filter(|e| e.hash != e.computed_hash());
            changed.map(|e| e.seq).collect::<BTreeSet<i64>>()
        });
        if folded.is_ok() && report.wrong.is_empty() {
            folded = fold.page(conn, &page).await;
        }
        let changed = hashing.await.map_err(|error| {
            StoreError::Unusable(format!("the chain could not be hashed: {error}"))
        })?;
        for event in page.iter() {
            link(event, seq, changed.contains(&event.seq), report);
            seq = event.seq;
            if report.wrong.len() >= 20 {
                return Ok(folded);
            }
        }
    }
    if report.wrong.is_empty() {
        if seq != Walk::end(conn).await? {
            return Err(broken_off(seq));
        }
        if folded.is_ok() {
            folded = fold.write(conn).await;
        }
    }
    Ok(folded)
}

fn broken_off(after: i64) -> StoreError {
    StoreError::Unusable(format!("the log could not be read on after event {after}"))
}

/// Whether the event is itself and follows the one before it, which is the head of the report.
fn link(event: &Event, before: i64, changed: bool, report: &mut Report) {
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
    if changed {
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

/// Tables in which the fold is written anew: under these names they stand before those of the file.
const FRESH: &str = "
pragma temp_store = file;
create temp table app (id text primary key, repository_id integer, branch text, destroyed integer, public integer, state text) without rowid;
create temp table deploy (app text, number integer, commit_id text, state text, data text, primary key (app, number)) without rowid;
create temp table push (seq integer primary key, app text, at text, commit_id text, body text, outcome text, data text);
create index temp.fresh_push_commit on push (app, commit_id, seq);
create temp table service (app text, id text, data text, primary key (app, id)) without rowid;
";

/// Each table, how a row is called, which columns must be the same, and which rows belong together. Every column: what a query looks
/// up by must be right, not only what it shows.
const COMPARED: [(&str, &str, &[&str], &[&str]); 4] = [
    (
        "app",
        "id",
        &["repository_id", "branch", "destroyed", "public", "state"],
        &["id"],
    ),
    (
        "deploy",
        "app || '#' || {}number",
        &["commit_id", "state", "data"],
        &["app", "number"],
    ),
    (
        "push",
        "seq",
        &["app", "at", "commit_id", "body", "outcome", "data"],
        &["seq"],
    ),
    ("service", "app || {}id", &["data"], &["app", "id"]),
];

/// Compares a table of the file with the fresh one, row by row, in SQLite. As bytes: a damaged text may be no text any more.
async fn compare(
    conn: &mut SqliteConnection,
    report: &mut Report,
    table: &str,
    key: &str,
    same: &[&str],
    on: &[&str],
) -> Result<(), StoreError> {
    let named = |of: &str| format!("{of}.{}", key.replace("{}", &format!("{of}.")));
    let together: Vec<String> = on
        .iter()
        .map(|c| format!("stored.{c} = fresh.{c}"))
        .collect();
    let differ = same
        .iter()
        .map(|c| format!("cast(stored.{c} as blob) is not cast(fresh.{c} as blob)"));
    let alone = [
        format!("stored.{} is null", on[0]),
        format!("fresh.{} is null", on[0]),
    ];
    let differ: Vec<String> = differ.chain(alone).collect();
    let query = format!(
        "select count(*), min(cast(coalesce({}, {}) as blob)) from main.{table} as stored full join temp.{table} as fresh on {} where {}",
        named("stored"),
        named("fresh"),
        together.join(" and "),
        differ.join(" or "),
    );
    let (wrong, first): (i64, Option<Vec<u8>>) = sqlx::query_as(sqlx::AssertSqlSafe(query))
        .fetch_one(conn)
        .await?;
    if let Some(first) = first.filter(|_| wrong > 0) {
        report.wrong.push(format!(
            "{wrong} of the table {table} differ from the events, first {}; `observer rebuild` makes them anew",
            String::from_utf8_lossy(&first)
        ));
    }
    Ok(())
}

//! The one writer: takes whatever waits, decides and appends it in one transaction, and answers after COMMIT.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{broadcast, mpsc, watch};

use super::StoreError;
use super::batch::{Batch, CommandRequest, Tip, Touched, Written};
use super::later::Later;
use super::log::{Log, Work};
use super::unlogged::Unlogged;
use crate::clock::{SharedClock, stamp};
use crate::history::Decision;
use crate::secret::Redactor;

/// How many commands one transaction takes at most.
const BATCH: usize = 128;

/// What waits for a commit gets one of its own after so long without any.
const RIDE: Duration = Duration::from_mins(1);

/// How many commands may wait; more are refused as unavailable.
const QUEUE: usize = 1024;

/// Called when the outcome of a COMMIT is not known: the next start knows the truth, this process does not.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

struct Writer {
    conn: Option<SqliteConnection>,
    file: PathBuf,
    clock: SharedClock,
    redactor: Redactor,
    on_fatal: OnFatal,
    tip: Tip,
    head: watch::Sender<i64>,
    touched: broadcast::Sender<Touched>,
    later: Later,
}

pub(super) async fn start(
    mut conn: SqliteConnection,
    file: PathBuf,
    clock: SharedClock,
    on_fatal: OnFatal,
) -> Result<(Log, watch::Receiver<i64>), StoreError> {
    let tip = Tip::load(&mut conn).await?;
    let (head, follow) = watch::channel(tip.seq);
    let (queue, inbox) = mpsc::channel(QUEUE);
    let redactor = Redactor::default();
    let later = Later::default();
    let shared_clock = clock.clone();
    let (touched, _) = broadcast::channel(1024);
    let writer = Writer {
        conn: Some(conn),
        file,
        clock,
        redactor: redactor.clone(),
        on_fatal,
        tip,
        head,
        touched: touched.clone(),
        later: later.clone(),
    };
    let fatal = writer.on_fatal.clone();
    tokio::spawn(async move {
        let ran = AssertUnwindSafe(writer.run(inbox)).catch_unwind().await;
        if ran.is_err() {
            fatal("the writer of the log panicked; stopping, the next start goes on");
        }
    });
    Ok((
        Log::of_file(queue, redactor, touched, later, shared_clock),
        follow,
    ))
}

impl Writer {
    async fn run(mut self, mut inbox: mpsc::Receiver<Work>) {
        let mut work = Vec::with_capacity(BATCH);
        loop {
            match tokio::time::timeout(RIDE, inbox.recv_many(&mut work, BATCH)).await {
                Ok(0) => break,
                Ok(_) => {}
                // nothing came by that they could ride with
                Err(_) => {
                    self.ride().await;
                    continue;
                }
            }
            let mut closing = Vec::new();
            let mut open = Vec::with_capacity(work.len());
            for item in work.drain(..) {
                match item {
                    Work::Close(done) => closing.push(done),
                    item => open.push(item),
                }
            }
            self.batch(open).await;
            if !closing.is_empty() {
                inbox.close();
                self.finish().await;
                for done in closing {
                    let _ = done.send(());
                }
                return;
            }
        }
        self.finish().await;
    }

    /// Writes what waits for a commit.
    async fn ride(&mut self) {
        if self.later.waiting().is_empty() {
            return;
        }
        if let Err(error) = self.transaction(&[]).await {
            self.conn = None;
            tracing::warn!(%error, "what was observed could not be written; it is tried again");
        }
    }

    async fn finish(&mut self) {
        self.ride().await;
        if let Some(mut conn) = self.conn.take() {
            let _ = sqlx::query("pragma wal_checkpoint(truncate)")
                .execute(&mut conn)
                .await;
            let _ = conn.close().await;
        }
    }

    async fn batch(&mut self, work: Vec<Work>) {
        if work.is_empty() {
            return;
        }
        match self.transaction(&work).await {
            Ok(answers) => {
                for (item, answer) in work.into_iter().zip(answers) {
                    match item {
                        Work::Command(_, done) => drop(done.send(answer)),
                        Work::Would(_, done) => drop(done.send(answer.map(|w| w.answer))),
                        Work::Unlogged(_, done) => drop(done.send(answer.map(|_| ()))),
                        Work::Close(_) => {}
                    }
                }
            }
            Err(error) => {
                // sqlx loses track of SQLite's own rollback: a connection that failed is thrown away
                self.conn = None;
                tracing::error!(%error, "the log could not be written");
                refuse(work, &error.to_string());
            }
        }
    }

    async fn connection(&mut self) -> Result<SqliteConnection, StoreError> {
        if let Some(conn) = self.conn.take() {
            return Ok(conn);
        }
        let mut conn = super::connect::writer(&self.file).await?;
        self.tip = Tip::load(&mut conn).await?;
        Ok(conn)
    }

    /// Decides and appends everything in `work`; the answers come after COMMIT returned.
    async fn transaction(
        &mut self,
        work: &[Work],
    ) -> Result<Vec<Result<Written, StoreError>>, StoreError> {
        let mut conn = self.connection().await?;
        let at = stamp(self.clock.now());
        let mut tx = conn.begin_with("begin immediate").await?;
        let mut batch = Batch::new(&self.tip);
        let mut answers = Vec::with_capacity(work.len());
        let mut dirty = false;
        for item in work {
            answers.push(match item {
                Work::Command(request, _) if !self.still_counts(&mut tx, request, &at).await? => {
                    Err(StoreError::Ended)
                }
                Work::Command(request, _) => {
                    let taken = batch
                        .take(Some(&mut tx), &self.tip, request, &at, &self.redactor)
                        .await?;
                    taken.map_err(StoreError::from)
                }
                Work::Would(request, _) => {
                    let decided = batch.decided(Some(&mut tx), &self.tip, request).await?;
                    let nothing = |(decision, _): (Decision, i64)| Written {
                        answer: decision.answer,
                        ..Written::nothing()
                    };
                    decided.map(nothing).map_err(StoreError::from)
                }
                Work::Unlogged(write, _) => {
                    dirty = true;
                    if let Unlogged::Observation { key, .. } = write {
                        self.later.forget(key);
                    }
                    match write.run(&mut tx, &at).await {
                        Err(StoreError::Sqlite(e)) if !undone_alone(&e) => return Err(e.into()),
                        done => done.map(|()| Written::nothing()),
                    }
                }
                Work::Close(_) => Ok(Written::nothing()),
            });
        }
        let riding = if batch.is_empty() && !dirty && !work.is_empty() {
            Vec::new()
        } else {
            self.later.waiting()
        };
        if batch.is_empty() && !dirty && riding.is_empty() {
            tx.rollback().await?;
            self.conn = Some(conn);
            return Ok(answers);
        }
        batch.write(&mut tx).await?;
        super::later::write(&mut tx, &riding).await?;
        if let Err(error) = tx.commit().await {
            return Err(self.commit_failed(error));
        }
        for touched in batch.become_tip(&mut self.tip) {
            let _ = self.touched.send(touched);
        }
        self.head.send_replace(self.tip.seq);
        self.later.written(riding);
        self.conn = Some(conn);
        Ok(answers)
    }

    /// Whether whoever wants it may still be known by what they showed.
    async fn still_counts(
        &self,
        conn: &mut SqliteConnection,
        request: &CommandRequest,
        at: &str,
    ) -> Result<bool, StoreError> {
        match &request.by {
            Some(proof) => super::access::holds(conn, proof, at).await,
            None => Ok(true),
        }
    }

    /// After a failed COMMIT the transaction may be on the disk or not; only a full disk says for certain that it is not.
    fn commit_failed(&self, error: sqlx::Error) -> StoreError {
        let full = matches!(&error, sqlx::Error::Database(d) if d.code().as_deref() == Some("13"));
        if !full {
            (self.on_fatal)(&format!(
                "the log could not be committed ({error}) and it is not known whether the disk has it; stopping, the next start knows"
            ));
        }
        error.into()
    }
}

/// Whether SQLite undid the failed statement alone. After any other error it may have undone the whole
/// transaction without telling sqlx, and what followed would be written outside of one.
fn undone_alone(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

fn refuse(work: Vec<Work>, why: &str) {
    for item in work {
        match item {
            Work::Command(_, done) => drop(done.send(Err(StoreError::Unavailable(why.to_owned())))),
            Work::Would(_, done) => {
                drop(done.send(Err(StoreError::Unavailable(why.to_owned()))));
            }
            Work::Unlogged(_, done) => {
                drop(done.send(Err(StoreError::Unavailable(why.to_owned()))));
            }
            Work::Close(_) => {}
        }
    }
}

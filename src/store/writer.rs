//! The one writer: takes whatever waits, decides and appends it in one transaction, and answers after COMMIT.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::StoreError;
use super::batch::{Batch, CommandRequest, Tip, Touched, Written};
use super::memory::Memory;
use super::unlogged::Unlogged;
use crate::clock::{SharedClock, stamp};
use crate::history::{Answer, Command, Decision};
use crate::id::{AppId, BlobId};
use crate::secret::Redactor;

/// How many commands one transaction takes at most.
const BATCH: usize = 128;

/// How many commands may wait; more are refused as unavailable.
const QUEUE: usize = 1024;

/// For how long a write shows that the log takes writes.
const READY: Duration = Duration::from_secs(1);

/// A writer that does not answer for so long is dead.
const SILENT: Duration = Duration::from_secs(5);

/// Called when the outcome of a COMMIT is not known: the next start knows the truth, this process does not.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

pub(super) enum Work {
    Command(
        Box<CommandRequest>,
        oneshot::Sender<Result<Written, StoreError>>,
    ),
    /// What a command would come to; nothing is written.
    Would(
        Box<CommandRequest>,
        oneshot::Sender<Result<Answer, StoreError>>,
    ),
    Unlogged(Unlogged, oneshot::Sender<Result<(), StoreError>>),
    Close(oneshot::Sender<()>),
}

/// The handle through which everything is written.
#[derive(Clone)]
pub struct Log {
    queue: mpsc::Sender<Work>,
    redactor: Redactor,
    touched: broadcast::Sender<Touched>,
    /// When the log was last seen to take a write, for who asks whether it does.
    written: Arc<Mutex<Option<Instant>>>,
    /// Where there is no file.
    pub(super) memory: Option<Arc<Memory>>,
}

impl Log {
    /// A log in memory, and the number of its newest event.
    pub(super) fn in_memory(clock: SharedClock) -> (Self, watch::Receiver<i64>) {
        let (head, follow) = watch::channel(0);
        let (touched, _) = broadcast::channel(1024);
        let redactor = Redactor::default();
        let memory = Memory::new(clock, redactor.clone(), head, touched.clone());
        let log = Self {
            queue: mpsc::channel(1).0,
            redactor,
            touched,
            written: Arc::default(),
            memory: Some(Arc::new(memory)),
        };
        (log, follow)
    }

    /// Hands a command to the writer and waits until its events are on the disk.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when it is refused, [`StoreError::Unavailable`] when the log cannot be written.
    pub async fn command(
        &self,
        app: &AppId,
        actor: &str,
        dedup: Option<String>,
        command: Command,
    ) -> Result<Answer, StoreError> {
        let request = CommandRequest {
            app: app.clone(),
            actor: actor.to_owned(),
            dedup,
            command,
            wants_state: false,
        };
        Ok(self.write(request).await?.answer)
    }

    /// Hands a command of the observer itself to the writer; answers the state that it leads to too.
    ///
    /// # Errors
    /// See [`command`](Self::command).
    pub async fn work(&self, app: &AppId, command: Command) -> Result<Written, StoreError> {
        let request = CommandRequest {
            app: app.clone(),
            actor: "observer".to_owned(),
            dedup: None,
            command,
            wants_state: true,
        };
        self.write(request).await
    }

    /// What a command would come to as things stand; nothing is written.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when it would be refused, [`StoreError::Unavailable`] when the log cannot be read.
    pub async fn would(
        &self,
        app: &AppId,
        actor: &str,
        command: Command,
    ) -> Result<Answer, StoreError> {
        let request = CommandRequest {
            app: app.clone(),
            actor: actor.to_owned(),
            dedup: None,
            command,
            wants_state: false,
        };
        if let Some(memory) = &self.memory {
            return memory.would(&request);
        }
        self.send(|answer| Work::Would(Box::new(request), answer))
            .await
    }

    async fn write(&self, request: CommandRequest) -> Result<Written, StoreError> {
        if let Some(memory) = &self.memory {
            return memory.command(&request);
        }
        self.send(|answer| Work::Command(Box::new(request), answer))
            .await
    }

    /// Keeps contents by their git id; those that are there already cost nothing.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub async fn keep_blobs(&self, blobs: Vec<(BlobId, Vec<u8>)>) -> Result<(), StoreError> {
        if blobs.is_empty() {
            return Ok(());
        }
        self.unlogged(Unlogged::Blobs(blobs)).await
    }

    /// Asks the writer for a sign of life: something is written, at most once a second however many ask.
    ///
    /// # Errors
    /// When the log cannot be written, or the writer does not answer for 5 s.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut written = self.written.lock().await;
        if written.is_some_and(|at| at.elapsed() < READY) {
            return Ok(());
        }
        *written = None;
        let silent = || StoreError::Unavailable("the writer does not answer".to_owned());
        tokio::time::timeout(SILENT, self.sign_of_life())
            .await
            .map_err(|_| silent())??;
        *written = Some(Instant::now());
        Ok(())
    }

    async fn sign_of_life(&self) -> Result<(), StoreError> {
        let (key, value) = ("ready".to_owned(), "the log can be written".to_owned());
        self.unlogged(Unlogged::Observation { key, value }).await
    }

    pub(super) async fn unlogged(&self, write: Unlogged) -> Result<(), StoreError> {
        if let Some(memory) = &self.memory {
            memory.unlogged(write);
            return Ok(());
        }
        self.send(|answer| Work::Unlogged(write, answer)).await
    }

    /// Names each app that a committed transaction changed. It only wakes: what is owed is asked of the tables.
    #[must_use]
    pub fn touched(&self) -> broadcast::Receiver<Touched> {
        self.touched.subscribe()
    }

    /// What takes secrets out of events before they are written.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    async fn send<T>(
        &self,
        work: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Work,
    ) -> Result<T, StoreError> {
        let (answer, done) = oneshot::channel();
        self.queue.try_send(work(answer)).map_err(|e| {
            StoreError::Unavailable(match e {
                TrySendError::Full(_) => "too many commands wait; try again in a moment".to_owned(),
                TrySendError::Closed(_) => "the writer has stopped".to_owned(),
            })
        })?;
        done.await
            .map_err(|_| StoreError::Unavailable("the writer has stopped".to_owned()))?
    }

    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Work::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

struct Writer {
    conn: Option<SqliteConnection>,
    file: PathBuf,
    clock: SharedClock,
    redactor: Redactor,
    on_fatal: OnFatal,
    tip: Tip,
    head: watch::Sender<i64>,
    touched: broadcast::Sender<Touched>,
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
    };
    let fatal = writer.on_fatal.clone();
    tokio::spawn(async move {
        let ran = AssertUnwindSafe(writer.run(inbox)).catch_unwind().await;
        if ran.is_err() {
            fatal("the writer of the log panicked; stopping, the next start goes on");
        }
    });
    Ok((
        Log {
            queue,
            redactor,
            touched,
            written: Arc::default(),
            memory: None,
        },
        follow,
    ))
}

impl Writer {
    async fn run(mut self, mut inbox: mpsc::Receiver<Work>) {
        let mut work = Vec::with_capacity(BATCH);
        while inbox.recv_many(&mut work, BATCH).await > 0 {
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

    async fn finish(&mut self) {
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
                    match write.run(&mut tx, &at).await {
                        Err(StoreError::Sqlite(e)) if !undone_alone(&e) => return Err(e.into()),
                        done => done.map(|()| Written::nothing()),
                    }
                }
                Work::Close(_) => Ok(Written::nothing()),
            });
        }
        if batch.is_empty() && !dirty {
            tx.rollback().await?;
            self.conn = Some(conn);
            return Ok(answers);
        }
        batch.write(&mut tx).await?;
        if let Err(error) = tx.commit().await {
            return Err(self.commit_failed(error));
        }
        for touched in batch.become_tip(&mut self.tip) {
            let _ = self.touched.send(touched);
        }
        self.head.send_replace(self.tip.seq);
        self.conn = Some(conn);
        Ok(answers)
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

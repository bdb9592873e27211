//! The handle through which everything is written: it hands work to the writer and waits for its answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::StoreError;
use super::batch::{CommandRequest, Touched, Written};
use super::later::Later;
use super::memory::Memory;
use super::unlogged::Unlogged;
use crate::access::Person;
use crate::clock::{SharedClock, stamp};
use crate::history::{Answer, Command};
use crate::id::{AppId, BlobId};
use crate::secret::Redactor;

/// For how long a write shows that the log takes writes.
const READY: Duration = Duration::from_secs(1);

/// A writer that does not answer for so long is dead.
const SILENT: Duration = Duration::from_secs(5);

/// What the writer is asked to do, and where its answer goes.
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
    /// What rides along with the next commit.
    pub(super) later: Later,
    clock: Option<SharedClock>,
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
            later: Later::default(),
            clock: None,
            memory: Some(Arc::new(memory)),
        };
        (log, follow)
    }

    /// The log of a file, whose writer takes what is in this queue.
    pub(super) fn of_file(
        queue: mpsc::Sender<Work>,
        redactor: Redactor,
        touched: broadcast::Sender<Touched>,
        later: Later,
        clock: SharedClock,
    ) -> Self {
        Self {
            queue,
            redactor,
            touched,
            written: Arc::default(),
            later,
            clock: Some(clock),
            memory: None,
        }
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
            by: None,
        };
        Ok(self.write(request).await?.answer)
    }

    /// The same of somebody who is known by `by`, as long as that counts.
    ///
    /// # Errors
    /// See [`command`](Self::command); [`StoreError::Ended`] where it does not count any more.
    pub async fn command_by(
        &self,
        app: &AppId,
        person: &Person,
        dedup: Option<String>,
        command: Command,
    ) -> Result<Answer, StoreError> {
        let request = CommandRequest {
            app: app.clone(),
            actor: person.actor(),
            dedup,
            command,
            wants_state: false,
            by: person.proof.clone(),
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
            by: None,
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
            by: None,
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

    /// Keeps an observation without a commit of its own.
    pub(super) async fn unlogged_later(
        &self,
        key: String,
        value: String,
    ) -> Result<(), StoreError> {
        let Some(clock) = &self.clock else {
            return self.unlogged(Unlogged::Observation { key, value }).await;
        };
        self.later.put(key, (value, stamp(clock.now())));
        Ok(())
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

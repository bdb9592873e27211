//! From a queued deploy to its end. What is owed is asked of the log, so a restart is no special case:
//! one worker per app that owes work, each step decided by the state that the log folds to.

mod apply;
mod call;
mod companion;
mod deadline;
mod debt;
mod destroy;
mod drift;
mod finish;
mod follow;
mod following;
mod job;
mod look;
mod owner;
mod prepare;
mod retreat;
mod wake;
mod worker;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use prepare::Preview;
use worker::Awake;
pub use worker::Worker;

use crate::context::Context;
use crate::history::App;
use crate::id::AppId;
use crate::marathon;
use crate::store::StoreError;

/// So many workers take a step at the same time.
const SIDE_BY_SIDE: usize = 32;

/// Starts a worker for every app that owes work, now and whenever the log changes, until `stop`.
pub async fn run(context: Context, stop: CancellationToken) {
    let workers = Workers {
        context,
        tracker: TaskTracker::new(),
        awake: Arc::default(),
        places: Arc::new(Semaphore::new(SIDE_BY_SIDE)),
        stop: stop.clone(),
    };
    let mut touched = workers.context.store.log().touched();
    workers.scan().await;
    workers.attend();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            app = touched.recv() => match app {
                Ok(touched) => workers.wake(&touched.app, Some(touched.seq)),
                Err(broadcast::error::RecvError::Lagged(_)) => workers.scan().await,
                Err(broadcast::error::RecvError::Closed) => break,
            },
        }
    }
    workers.tracker.close();
    workers.tracker.wait().await;
}

/// The apps that owe work now.
///
/// # Errors
/// When the file cannot be read.
pub async fn owing(context: &Context) -> Result<Vec<AppId>, StoreError> {
    let (mut after, mut owing) = (String::new(), Vec::new());
    loop {
        let page = context.store.next_apps(&mut after).await?;
        if page.is_empty() {
            return Ok(owing);
        }
        owing.extend(page.into_iter().filter(App::owes_work).map(|a| a.id));
    }
}

/// Looks once at all apps for changes that somebody else made.
pub async fn look_for_drift(context: &Context) {
    let looking = async {
        let (mut after, mut quiet) = (String::new(), Vec::new());
        loop {
            let page = context.store.next_apps(&mut after).await?;
            if page.is_empty() {
                break;
            }
            quiet.extend(page.into_iter().filter(drift::concerns));
        }
        if quiet.is_empty() {
            return Ok(());
        }
        let seen = context.picture.since(context.picture.moment()).await?;
        for app in &quiet {
            drift::look(context, app, &seen).await?;
        }
        Ok::<_, StepError>(())
    };
    if let Err(error) = looking.await {
        tracing::debug!(%error, "drift could not be looked for");
    }
}

struct Workers {
    context: Context,
    tracker: TaskTracker,
    awake: Arc<Mutex<BTreeMap<AppId, Awake>>>,
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Workers {
    /// Wakes the worker of every app that owes work; finds what a lost message would have said.
    async fn scan(&self) {
        loop {
            match owing(&self.context).await {
                Ok(apps) => return apps.iter().for_each(|app| self.wake(app, None)),
                Err(error) => tracing::error!(%error, "the apps cannot be read"),
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(self.context.timing.look) => {}
            }
        }
    }

    /// Wakes those of whose services Marathon shows something else, beside the work.
    fn attend(&self) {
        let (context, stop, awake) = (self.context.clone(), self.stop.clone(), self.awake.clone());
        self.tracker.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = wake::attend(&context, &awake) => {}
            }
        });
    }

    /// Wakes the worker of an app; not for an event that it knows of, as those that it wrote itself.
    fn wake(&self, app: &AppId, seq: Option<i64>) {
        let Ok(mut awake) = self.awake.lock() else {
            return;
        };
        if let Some(at_work) = awake.get(app) {
            let known = at_work.seen.load(Ordering::SeqCst);
            if seq.is_none_or(|seq| seq > known) {
                at_work.notify.notify_one();
            }
            return;
        }
        let notify = Arc::new(Notify::new());
        let worker = Worker::new(self.context.clone(), app.clone());
        let at_work = Awake {
            notify: notify.clone(),
            seen: worker.seen(),
        };
        awake.insert(app.clone(), at_work);
        let (context, app, stop) = (self.context.clone(), app.clone(), self.stop.clone());
        let (map, places) = (self.awake.clone(), self.places.clone());
        self.tracker.spawn(async move {
            let run = worker::run(&context, &app, worker, &places, &notify, &stop, &map);
            Box::pin(run).await;
        });
    }
}

/// When a worker is to take its next step.
pub enum Due {
    /// At once.
    Now,
    /// After this long, or a change.
    After(Duration),
    /// No work is owed.
    Never,
}

/// What to do after a step.
pub(crate) enum Next {
    /// The state changed: look again at once.
    Again,
    /// Nothing to do before this long, or a change.
    After(Duration),
    /// It cannot go on yet: tried again, later and later, or after a change.
    Wait,
    /// The same, and after this long at the latest.
    WaitAtMost(Duration),
    /// No work is owed.
    Idle,
}

/// Why a step broke off. The next one sees the state as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// The log said no, or cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Marathon did not answer.
    #[error(transparent)]
    Marathon(#[from] marathon::MarathonError),
}

pub(crate) type Step = Result<Next, StepError>;

//! Everything that is looked at again and again stands in one schedule: branches, hooks, and what runs in Marathon. Looks run
//! side by side with a time limit, those at GitHub so many at most, so that one that hangs holds up nobody.

mod due;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::context::Context;
use crate::deployer;
use crate::history::{App, Command};
use crate::id::AppId;
use crate::intake::{Branches, HookKeeper};
use crate::store::StoreError;
use due::Due;

/// So many looks at GitHub are under way at the same time.
const AT_GITHUB: usize = 16;

/// A look that takes longer is broken off; its turn comes again.
const LONGEST_LOOK: Duration = Duration::from_mins(2);

/// Where GitHub or the log could not be asked, it is tried again after so long at most.
const SOON: Duration = Duration::from_secs(30);

/// A lock that ends is looked at again after so long at least.
const CLOSEST: Duration = Duration::from_millis(20);

/// Something that is looked at again and again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Look {
    /// The log, for the apps that there are: at the start, and where it was told so much at once that names were lost.
    Apps,
    /// What runs in Marathon, for changes that somebody else made: one look for all apps.
    Drift,
    /// The branch of an app, for a push that GitHub never delivered.
    Branch(AppId),
    /// The webhook of a repository.
    Hook(u64),
    /// A lock that ends by itself.
    Lock(AppId),
}

/// How often.
#[derive(Debug, Clone)]
pub struct Every {
    /// Each branch.
    pub branch: Duration,
    /// Each hook.
    pub hook: Duration,
    /// No hook is looked at before so long after the start.
    pub hooks_rest: Duration,
}

/// What is looked at, and when next.
pub struct Schedule {
    context: Context,
    branches: Branches,
    hooks: HookKeeper,
    every: Every,
    hooks_from: Duration,
    due: Mutex<Due<Look>>,
    sooner: Notify,
    at_github: Semaphore,
}

impl Schedule {
    /// The looks for apps and for drift are due.
    #[must_use]
    pub fn new(context: Context, every: Every) -> Self {
        let now = context.clock.elapsed();
        let mut due = Due::default();
        due.at_the_latest(Look::Apps, now);
        due.at_the_latest(Look::Drift, now);
        Self {
            branches: Branches::new(context.clone()),
            hooks: HookKeeper {
                context: context.clone(),
            },
            hooks_from: now + every.hooks_rest,
            every,
            context,
            due: Mutex::new(due),
            sooner: Notify::new(),
            at_github: Semaphore::new(AT_GITHUB),
        }
    }

    /// Looks at what is due until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let schedule = Arc::new(self);
        let looks = TaskTracker::new();
        let mut touched = schedule.context.store.log().touched();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                look = schedule.next() => {
                    looks.spawn(schedule.clone().make(look, stop.clone()));
                }
                event = touched.recv() => match event {
                    Ok(touched) => schedule.hear(&touched.app).await,
                    Err(RecvError::Lagged(_)) => schedule.wants_apps(),
                    Err(RecvError::Closed) => break,
                },
            }
        }
        looks.close();
        looks.wait().await;
    }

    /// Something happened to an app: it may be new, or its hook is missing.
    pub async fn hear(&self, id: &AppId) {
        match self.context.store.app(id).await {
            Ok(app) => app.iter().for_each(|app| self.enter(app)),
            Err(error) => {
                tracing::error!(app.id = %id, %error, "the app cannot be read");
                self.wants_apps();
            }
        }
    }

    fn wants_apps(&self) {
        let now = self.context.clock.elapsed();
        self.due().at_the_latest(Look::Apps, now);
        self.sooner.notify_one();
    }

    async fn enter_all(&self) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let apps = self.context.store.next_apps(&mut after).await?;
            if apps.is_empty() {
                return Ok(());
            }
            for app in &apps {
                self.enter(app);
            }
        }
    }

    fn enter(&self, app: &App) {
        if app.destroyed || app.destroying.is_some() {
            return;
        }
        let now = self.context.clock.elapsed();
        let hooks_from = self.hooks_from.max(now);
        let (branch, hook) = (
            Look::Branch(app.id.clone()),
            Look::Hook(app.source.repository_id),
        );
        let until = app.lock.as_ref().and_then(|lock| lock.until.as_ref());
        let lock = until.map(|until| (Look::Lock(app.id.clone()), now + self.ends_in(until)));
        let hook_is_missing = app.hook.id.is_none() && app.hook.failure.is_none();
        let mut due = self.due();
        due.if_new(branch, now);
        if let Some((lock, at)) = lock {
            due.at_the_latest(lock, at);
        }
        if hook_is_missing {
            due.at_the_latest(hook, hooks_from);
        } else {
            due.if_new(hook, hooks_from);
        }
        drop(due);
        self.sooner.notify_one();
    }

    /// When the first look is due, by the clock that only grows.
    pub fn first(&self) -> Option<Duration> {
        self.due().first()
    }

    /// Takes a look that is due now; it is under way until it is [`done`](Self::done).
    pub fn take(&self) -> Option<Look> {
        self.due().take(self.context.clock.elapsed())
    }

    /// The look was made; it is due again after `pause`, or never.
    pub fn done(&self, look: Look, pause: Option<Duration>) {
        let now = self.context.clock.elapsed();
        self.due().done(look, pause.map(|p| now + p));
        self.sooner.notify_one();
    }

    /// Looks; answers after how long the next one is due, if ever.
    pub async fn look(&self, look: &Look) -> Option<Duration> {
        self.try_look(look).await.unwrap_or_else(|error| {
            tracing::error!(?look, %error, "the log cannot be read or written");
            Some(self.soon(look))
        })
    }

    async fn try_look(&self, look: &Look) -> Result<Option<Duration>, StoreError> {
        match look {
            Look::Apps => self.enter_all().await.map(|()| None),
            Look::Drift => {
                deployer::look_for_drift(&self.context).await;
                Ok(Some(self.usual(look)))
            }
            Look::Branch(app) => {
                let is_there = self.branches.look(app).await?;
                Ok(is_there.then(|| self.usual(look)))
            }
            Look::Lock(app) => self.end_lock(app).await,
            Look::Hook(repository) => {
                let kept = self.hooks.look(*repository).await?;
                Ok(kept.map(|reached| {
                    if reached {
                        self.usual(look)
                    } else {
                        self.soon(look)
                    }
                }))
            }
        }
    }

    /// How long it is until then: looked at again sooner, as somebody may set the clock.
    fn ends_in(&self, until: &str) -> Duration {
        let until: Option<jiff::Timestamp> = until.parse().ok();
        let left = until.map_or(0, |until| {
            until.duration_since(self.context.clock.now()).as_millis()
        });
        match u64::try_from(left).unwrap_or(0) {
            0 => Duration::ZERO,
            // looks come a little early: the last ones would follow each other ever closer
            left => Duration::from_millis(left).clamp(CLOSEST, SOON),
        }
    }

    /// Ends a lock whose time is over; answers when it is to be looked at again.
    async fn end_lock(&self, id: &AppId) -> Result<Option<Duration>, StoreError> {
        let app = self.context.store.app(id).await?;
        let there = |a: &App| a.destroying.is_none() && !a.destroyed;
        let lock = app.filter(there).and_then(|a| a.lock);
        let Some(until) = lock.and_then(|lock| lock.until) else {
            return Ok(None);
        };
        let left = self.ends_in(&until);
        if !left.is_zero() {
            return Ok(Some(left));
        }
        let log = self.context.store.log();
        let ends = Command::LockEnds { until };
        log.command(id, "observer", None, ends).await?;
        Ok(None)
    }

    fn usual(&self, look: &Look) -> Duration {
        match look {
            Look::Apps | Look::Lock(_) => SOON,
            Look::Drift => self.context.timing.drift,
            Look::Branch(_) => self.every.branch,
            Look::Hook(_) => self.every.hook,
        }
    }

    /// After what may soon be better.
    fn soon(&self, look: &Look) -> Duration {
        self.usual(look).min(SOON)
    }

    /// Waits until a look is due.
    async fn next(&self) -> Look {
        loop {
            if let Some(look) = self.take() {
                return look;
            }
            let now = self.context.clock.elapsed();
            match self.first().map(|at| at.saturating_sub(now)) {
                None => self.sooner.notified().await,
                Some(pause) => tokio::select! {
                    () = self.sooner.notified() => {}
                    () = tokio::time::sleep(pause) => {}
                },
            }
        }
    }

    /// Makes a look, unless it is to stop, and says when the next is due: up to a tenth earlier than usual, so that not all ask in
    /// step.
    async fn make(self: Arc<Self>, look: Look, stop: CancellationToken) {
        let looking = async {
            let _place = match look {
                Look::Apps | Look::Drift | Look::Lock(_) => None,
                Look::Branch(_) | Look::Hook(_) => self.at_github.acquire().await.ok(),
            };
            let looking = AssertUnwindSafe(self.look(&look)).catch_unwind();
            tokio::time::timeout(LONGEST_LOOK, looking).await
        };
        let made = tokio::select! {
            () = stop.cancelled() => return,
            made = looking => made,
        };
        let pause = match made {
            Ok(Ok(pause)) => pause,
            Ok(Err(_)) => {
                tracing::error!(?look, "a look panicked; its turn comes again");
                Some(self.usual(&look))
            }
            Err(_) => {
                tracing::warn!(?look, "a look took too long; its turn comes again");
                Some(self.usual(&look))
            }
        };
        let mut byte = [0; 1];
        let _ = getrandom::fill(&mut byte);
        let earlier = 1.0 - f64::from(byte[0]) / 2560.0;
        self.done(look, pause.map(|p| p.mul_f64(earlier)));
    }

    fn due(&self) -> MutexGuard<'_, Due<Look>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Between the state and the real world: the lock around the state, timers, and the carrying out of its effects.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::leftover;
use super::log;
use super::process::{self, Ending, Process};
use super::watch::Watched;
use crate::fault::Faults;
use crate::options::Options;
use crate::stamp;
use crate::state_file;
use crate::world::instance::Condition;
use crate::world::{Effect, Launch, World};
use local_kit::http;

/// When the state could not be saved, it is tried again after so long.
const SAVE_AGAIN: Duration = Duration::from_secs(1);

/// So many sandboxes of one instance are kept.
const KEPT_ATTEMPTS: u32 = 10;

/// A task that is being run.
struct Running {
    /// Kills it: the time from SIGTERM to SIGKILL.
    kill: watch::Sender<Option<Duration>>,
    /// Its process group, once it has one.
    group: Option<u32>,
}

/// The running local Marathon.
pub struct Engine {
    world: Mutex<World>,
    /// For checks over HTTP.
    pub(super) http: reqwest::Client,
    /// Where things are kept and how fast they are.
    pub options: Options,
    /// What is wrong on purpose.
    pub faults: Faults,
    /// Ends timers and streams.
    pub stopping: CancellationToken,
    /// The tasks that are being run.
    tasks_running: Mutex<BTreeMap<String, Running>>,
    /// Health checks that are being made.
    pub(super) watched: Mutex<BTreeSet<Watched>>,
    /// All that runs besides requests.
    pub(super) tasks: TaskTracker,
    changed: Notify,
    /// A task has ended.
    pub ended: Notify,
    abdications: watch::Sender<u64>,
    /// Numbers of those who wait for a save.
    tickets: AtomicU64,
    /// The last of them who was served.
    saving: tokio::sync::Mutex<u64>,
}

/// A lock, whatever happened to who had it before.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// Takes over a state; nothing moves before [`Engine::begin`].
    ///
    /// # Errors
    /// When the client for health checks cannot be made.
    pub fn new(world: World, options: Options) -> anyhow::Result<Arc<Self>> {
        // a connection is for one check, as Marathon makes them
        let http = http::client()?.pool_max_idle_per_host(0);
        let http = http.user_agent("marathon").build()?;
        Ok(Arc::new(Self {
            world: Mutex::new(world),
            http,
            options,
            faults: Faults::default(),
            stopping: CancellationToken::new(),
            tasks_running: Mutex::default(),
            watched: Mutex::default(),
            tasks: TaskTracker::new(),
            changed: Notify::new(),
            ended: Notify::new(),
            abdications: watch::Sender::new(0),
            tickets: AtomicU64::new(0),
            saving: tokio::sync::Mutex::default(),
        }))
    }

    /// Starts the timers and lets the state go on from where it was.
    pub fn begin(self: &Arc<Self>) {
        let pace = self.options.pace.clone();
        self.every(pace.offers, pace.offers, |engine| {
            let no_offers = engine.faults.state().no_offers;
            engine.with(|world| {
                world.no_offers = no_offers;
                world.make_offers();
            });
        });
        self.every(pace.first_scale_check, pace.scale_check, |engine| {
            engine.with(World::check_all_scales);
        });
        let engine = Arc::clone(self);
        self.tasks.spawn(async move { engine.keep_saving().await });
        self.tasks.spawn(Arc::clone(self).keep_sweeping());
        self.with(|_| ());
    }

    /// Looks at the state or changes it; what follows from the change happens too.
    pub fn with<T>(self: &Arc<Self>, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = lock(&self.world);
        world.now = stamp::now();
        let result = change(&mut world);
        world.settle();
        // under the lock, so that a task is always launched before it is killed
        for effect in std::mem::take(&mut world.effects) {
            self.carry_out(effect);
        }
        if world.dirty {
            self.changed.notify_one();
        }
        result
    }

    /// Looks at the state.
    pub fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        let mut world = lock(&self.world);
        world.now = stamp::now();
        look(&world)
    }

    /// Changes leadership, from this Marathon to itself.
    pub fn abdicate(&self) {
        self.abdications.send_modify(|count| *count += 1);
    }

    /// Changes when leadership does.
    pub fn leadership(&self) -> watch::Receiver<u64> {
        self.abdications.subscribe()
    }

    /// The tasks that are being run, with their process groups.
    pub fn running(&self) -> BTreeMap<String, Option<u32>> {
        let running = lock(&self.tasks_running);
        running
            .iter()
            .map(|(task, r)| (task.clone(), r.group))
            .collect()
    }

    /// Returns when a task is to be killed or has ended: at once if it does not run.
    pub(super) fn end_of(&self, task: &str) -> impl Future<Output = ()> + use<> {
        let running = lock(&self.tasks_running);
        let order = running.get(task).map(|running| running.kill.subscribe());
        async move {
            if let Some(mut order) = order {
                // the sender goes when the task has ended
                let _ = order.wait_for(Option::is_some).await;
            }
        }
    }

    /// Where the files of a task are.
    pub fn sandbox(&self, task: &str) -> PathBuf {
        self.options.dir.join("sandboxes").join(task)
    }

    /// Ends every task and waits until all of them are dead. In the saved state they are as if they still ran.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.save_at_last().await;
        for running in lock(&self.tasks_running).values() {
            let grace = self.options.pace.stop_grace;
            running.kill.send_replace(Some(grace));
        }
        self.tasks.close();
        self.tasks.wait().await;
        leftover::kill_leftovers(&self.options.dir).await;
        self.save_at_last().await;
    }

    async fn save_at_last(&self) {
        lock(&self.world).dirty = true;
        // what is wrong was logged
        let _ = self.save(u64::MAX).await;
    }

    fn every(
        self: &Arc<Self>,
        first: Duration,
        period: Duration,
        act: impl Fn(&Arc<Self>) + Send + 'static,
    ) {
        let engine = Arc::clone(self);
        self.tasks.spawn(async move {
            let period = period.max(Duration::from_millis(1));
            let mut timer = tokio::time::interval_at(tokio::time::Instant::now() + first, period);
            timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while engine
                .stopping
                .run_until_cancelled(timer.tick())
                .await
                .is_some()
            {
                act(&engine);
            }
        });
    }

    async fn keep_saving(&self) {
        while self
            .stopping
            .run_until_cancelled(self.changed.notified())
            .await
            .is_some()
        {
            while self.save(u64::MAX).await.is_err() {
                let pause = tokio::time::sleep(SAVE_AGAIN);
                if self.stopping.run_until_cancelled(pause).await.is_none() {
                    return;
                }
            }
        }
    }

    /// Returns when everything that has changed so far is in the file.
    ///
    /// # Errors
    /// When it could not be written; it is tried again then.
    pub async fn saved(self: &Arc<Self>) -> anyhow::Result<()> {
        let engine = Arc::clone(self);
        let ticket = self.tickets.fetch_add(1, Ordering::SeqCst) + 1;
        // a task of its own: it must come to its end when whoever waits for it is gone
        let saving = self.tasks.spawn(async move { engine.save(ticket).await });
        saving.await.context("saving the state")?
    }

    /// Saves what is not saved, for everybody who has waited so far: whoever takes a ticket has made his change before.
    async fn save(&self, ticket: u64) -> anyhow::Result<()> {
        let mut served = self.saving.lock().await;
        if *served >= ticket || !lock(&self.world).dirty {
            return Ok(());
        }
        let last = self.tickets.load(Ordering::SeqCst);
        let state = {
            let mut world = lock(&self.world);
            world.dirty = false;
            state_file::snapshot(&world)
        };
        let written = state_file::write(&self.options.dir, state).await;
        match &written {
            Ok(()) => *served = last,
            Err(error) => {
                lock(&self.world).dirty = true;
                tracing::warn!(error = %error, "the local Marathon cannot save its state");
            }
        }
        written
    }

    fn carry_out(self: &Arc<Self>, effect: Effect) {
        let engine = Arc::clone(self);
        match effect {
            // it is started by the next run
            Effect::Launch(_) if self.stopping.is_cancelled() => {}
            Effect::Launch(launch) => {
                let (sender, kill) = watch::channel(None);
                let running = Running {
                    kill: sender,
                    group: None,
                };
                lock(&self.tasks_running).insert(launch.task.clone(), running);
                self.tasks
                    .spawn(async move { engine.run(launch, kill).await });
            }
            Effect::Kill { task, grace } => {
                if let Some(running) = lock(&self.tasks_running).get(&task) {
                    running.kill.send_replace(Some(grace));
                }
            }
            Effect::Watch(app) => self.watch(&app),
            Effect::Ready(target) => {
                for check in target.app.readiness_checks() {
                    let (engine, target) = (Arc::clone(self), target.clone());
                    self.tasks
                        .spawn(async move { engine.keep_asking(&check, &target).await });
                }
            }
        }
    }

    /// Logs of earlier attempts are kept for a while.
    async fn forget_old_sandbox(&self, task: &str) {
        let Some((instance, attempt)) = task.rsplit_once('.') else {
            return;
        };
        let attempt = attempt.parse::<u32>().unwrap_or_default();
        if let Some(old) = attempt.checked_sub(KEPT_ATTEMPTS) {
            // there may be none
            let _ = tokio::fs::remove_dir_all(self.sandbox(&format!("{instance}.{old}"))).await;
        }
    }

    /// The life of a task. Whoever waits for its end need not wait until all is tidied up.
    async fn run(self: Arc<Self>, launch: Launch, kill: watch::Receiver<Option<Duration>>) {
        self.forget_old_sandbox(&launch.task).await;
        let sandbox = self.sandbox(&launch.task);
        let prepared = self.prepare(&launch, &sandbox, &kill).await;
        let usable = prepared.is_ok();
        let ending = match prepared {
            Ok(()) => self.live(&launch, &sandbox, kill).await,
            Err(ending) => ending,
        };
        lock(&self.tasks_running).remove(&launch.task);
        if !self.stopping.is_cancelled() {
            self.with(|world| world.task_ended(&launch.task, ending.failed, &ending.message));
        }
        leftover::unrecord(&self.options.dir, &launch.task).await;
        if usable {
            log::touch(&sandbox).await;
        } else {
            // half a sandbox is of no use; there may be none
            let _ = tokio::fs::remove_dir_all(&sandbox).await;
        }
        self.ended.notify_one();
    }

    async fn prepare(
        &self,
        launch: &Launch,
        sandbox: &Path,
        kill: &watch::Receiver<Option<Duration>>,
    ) -> Result<(), Ending> {
        let killed_early = || Ending {
            failed: true,
            message: "Command terminated with signal Terminated".to_owned(),
        };
        if !pause(self.options.pace.starting, kill).await {
            return Err(killed_early());
        }
        let mut order = kill.clone();
        tokio::select! {
            prepared = process::prepare(launch, sandbox) => prepared,
            _ = order.wait_for(Option::is_some) => Err(killed_early()),
        }
    }

    async fn live(
        self: &Arc<Self>,
        launch: &Launch,
        sandbox: &Path,
        kill: watch::Receiver<Option<Duration>>,
    ) -> Ending {
        self.with(|world| world.task_is(&launch.task, Condition::Starting));
        let started = Process::start(launch, sandbox, self.options.tools.as_deref()).await;
        let mut process = match started {
            Ok(process) => process,
            Err(ending) => return ending,
        };
        if let Some(group) = process.group() {
            leftover::record(&self.options.dir, &launch.task, group).await;
            if let Some(running) = lock(&self.tasks_running).get_mut(&launch.task) {
                running.group = Some(group);
            }
        }
        if pause(self.options.pace.running, &kill).await {
            self.with(|world| world.task_is(&launch.task, Condition::Running));
            if self.faults.take_crash() {
                process.crash();
            }
        }
        process.run(kill).await
    }
}

/// Waits; `false` if the task was killed meanwhile.
async fn pause(length: Duration, kill: &watch::Receiver<Option<Duration>>) -> bool {
    let mut kill = kill.clone();
    tokio::select! {
        () = tokio::time::sleep(length) => true,
        _ = kill.wait_for(Option::is_some) => false,
    }
}

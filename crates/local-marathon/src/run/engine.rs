//! Does what the state wants to be done with processes of this machine, and tells it what became of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use local_kit::http;
use tokio::sync::{Notify, mpsc, watch};

use super::leftover;
use super::log;
use super::process::{self, Ending, Process};
use crate::definition::id::Id;
use crate::marathon::{Marathon, lock};
use crate::world::instance::Condition;
use crate::world::{Effect, Launch};

/// So many sandboxes of one instance are kept.
const KEPT_ATTEMPTS: u32 = 10;

/// One health check of one version of an app, by its place among the checks.
pub(super) type Watched = (Id, Timestamp, usize);

/// A task that is being run.
struct Running {
    /// Kills it: the time from SIGTERM to SIGKILL.
    kill: watch::Sender<Option<Duration>>,
    /// Its process group, once it has one.
    group: Option<u32>,
}

/// Runs the tasks of a Marathon as processes.
pub struct Engine {
    /// Whose tasks they are.
    pub marathon: Arc<Marathon>,
    /// For checks over HTTP.
    pub(super) http: reqwest::Client,
    /// The tasks that are being run.
    tasks_running: Mutex<BTreeMap<String, Running>>,
    /// Health checks that are being made.
    pub(super) watched: Mutex<BTreeSet<Watched>>,
    /// A task has ended.
    pub(super) ended: Notify,
}

impl Engine {
    /// Nothing moves before [`Engine::begin`].
    ///
    /// # Errors
    /// When the client for health checks cannot be made.
    pub fn new(marathon: Arc<Marathon>) -> anyhow::Result<Arc<Self>> {
        // a connection is for one check, as Marathon makes them
        let http = http::client()?.pool_max_idle_per_host(0);
        let http = http.user_agent("marathon").build()?;
        Ok(Arc::new(Self {
            marathon,
            http,
            tasks_running: Mutex::default(),
            watched: Mutex::default(),
            ended: Notify::new(),
        }))
    }

    /// Starts the timers, does what the state wants to be done, and lets it go on from where it was.
    pub fn begin(self: &Arc<Self>, effects: mpsc::UnboundedReceiver<Effect>) {
        let (pace, tasks) = (self.marathon.options.pace.clone(), &self.marathon.tasks);
        self.every(pace.offers, pace.offers, Marathon::make_offers);
        self.every(
            pace.first_scale_check,
            pace.scale_check,
            Marathon::check_scales,
        );
        let marathon = Arc::clone(&self.marathon);
        tasks.spawn(async move { marathon.keep_saving().await });
        tasks.spawn(Arc::clone(self).keep_sweeping());
        tasks.spawn(Arc::clone(self).keep_restarting());
        tasks.spawn(Arc::clone(self).keep_working(effects));
        self.marathon.with(|_| ());
    }

    async fn keep_working(self: Arc<Self>, mut effects: mpsc::UnboundedReceiver<Effect>) {
        let stopping = &self.marathon.stopping;
        while let Some(Some(effect)) = stopping.run_until_cancelled(effects.recv()).await {
            self.carry_out(effect);
        }
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

    /// Ends every task and waits until all of them are dead. In the saved state they are as if they still ran.
    pub async fn stop(&self) {
        self.marathon.stopping.cancel();
        self.marathon.save_at_last().await;
        for running in lock(&self.tasks_running).values() {
            let grace = self.marathon.options.pace.stop_grace;
            running.kill.send_replace(Some(grace));
        }
        self.marathon.tasks.close();
        self.marathon.tasks.wait().await;
        leftover::kill_leftovers(&self.marathon.options.dir).await;
        self.marathon.save_at_last().await;
    }

    /// A new leader begins anew with what is to be done first.
    fn every(
        self: &Arc<Self>,
        first: Duration,
        period: Duration,
        act: impl Fn(&Marathon) + Send + 'static,
    ) {
        let marathon = Arc::clone(&self.marathon);
        self.marathon.tasks.spawn(async move {
            let period = period.max(Duration::from_millis(1));
            let mut timer = tokio::time::interval_at(tokio::time::Instant::now() + first, period);
            timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut leadership = marathon.leadership();
            loop {
                let due = async {
                    tokio::select! {
                        _ = timer.tick() => true,
                        _ = leadership.changed() => false,
                    }
                };
                match marathon.stopping.run_until_cancelled(due).await {
                    Some(true) => act(&marathon),
                    Some(false) => timer.reset_at(tokio::time::Instant::now() + first),
                    None => return,
                }
            }
        });
    }

    /// Does one thing that the state wants to be done.
    pub(super) fn carry_out(self: &Arc<Self>, effect: Effect) {
        let engine = Arc::clone(self);
        match effect {
            // it is started by the next run
            Effect::Launch(_) if self.marathon.stopping.is_cancelled() => {}
            Effect::Launch(launch) => {
                let (sender, kill) = watch::channel(None);
                let running = Running {
                    kill: sender,
                    group: None,
                };
                lock(&self.tasks_running).insert(launch.task.clone(), running);
                self.marathon
                    .tasks
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
                    self.marathon
                        .tasks
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
            let _ = tokio::fs::remove_dir_all(self.marathon.sandbox(&format!("{instance}.{old}")))
                .await;
        }
    }

    /// The life of a task. Whoever waits for its end need not wait until all is tidied up.
    async fn run(self: Arc<Self>, launch: Launch, kill: watch::Receiver<Option<Duration>>) {
        self.forget_old_sandbox(&launch.task).await;
        let sandbox = self.marathon.sandbox(&launch.task);
        let prepared = self.prepare(&launch, &sandbox, &kill).await;
        let usable = prepared.is_ok();
        let ending = match prepared {
            Ok(()) => self.live(&launch, &sandbox, kill).await,
            Err(ending) => ending,
        };
        lock(&self.tasks_running).remove(&launch.task);
        if !self.marathon.stopping.is_cancelled() {
            let task = launch.task.clone();
            self.marathon
                .report(move |world| world.task_ended(&task, ending.failed, &ending.message));
        }
        leftover::unrecord(&self.marathon.options.dir, &launch.task).await;
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
        if !pause(self.marathon.options.pace.starting, kill).await {
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
        let is = |condition: Condition| {
            let task = launch.task.clone();
            self.marathon
                .report(move |world| world.task_is(&task, condition));
        };
        is(Condition::Starting);
        let started = Process::start(launch, sandbox, self.marathon.options.tools.as_deref()).await;
        let mut process = match started {
            Ok(process) => process,
            Err(ending) => return ending,
        };
        if let Some(group) = process.group() {
            leftover::record(&self.marathon.options.dir, &launch.task, group).await;
            if let Some(running) = lock(&self.tasks_running).get_mut(&launch.task) {
                running.group = Some(group);
            }
        }
        if pause(self.marathon.options.pace.running, &kill).await {
            is(Condition::Running);
            if self.marathon.faults.take_crash() {
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

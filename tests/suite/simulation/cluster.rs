//! The local Marathon's state, driven directly: tasks that do what the first word of their command says, in the time of the story.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use local_marathon::{Condition, Effect, Marathon, Pace, Resources, State, World, router};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;

use super::clock::StoryClock;

pub const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// How long Marathon waits between two looks at all counts.
const SCALE_CHECK: Duration = Duration::from_mins(5);

/// After so long a slow task is well.
const SLOW: Duration = Duration::from_secs(12);

struct Task {
    word: String,
    /// When it began to run; before that, when it was launched.
    since: Duration,
    running: bool,
}

impl Task {
    /// What a health check finds.
    fn is_well(&self, now: Duration) -> bool {
        match self.word.as_str() {
            "sick" => false,
            "slow" => now.saturating_sub(self.since) >= SLOW,
            _ => true,
        }
    }
}

/// Whose hand changed a service last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hand {
    /// The observer's.
    Ours,
    /// The observer's, told to override whatever is there.
    Forced,
    /// Somebody else's, or a new leader's.
    Others,
}

/// Marathon killed a healthy task.
pub struct HealthyKill {
    pub service: String,
    pub left: u32,
    pub wanted: u32,
    /// No deployment holds the service.
    pub free: bool,
    pub hand: Hand,
}

/// A service as it is now.
pub struct Seen {
    pub label: Option<String>,
    pub cmd: String,
    pub env: bool,
    pub instances: u32,
    /// Instances of the present configuration that run, healthy where that is checked.
    pub well: u32,
    /// All instances that are there.
    pub there: u32,
    pub version: jiff::Timestamp,
}

pub struct Cluster {
    pub marathon: Arc<Marathon>,
    pub router: Router,
    effects: UnboundedReceiver<Effect>,
    bus: tokio::sync::broadcast::Receiver<Arc<local_marathon::Event>>,
    checks: Vec<Effect>,
    tasks: BTreeMap<String, Task>,
    pub hands: BTreeMap<String, Hand>,
    /// Healthy tasks that were killed since anybody asked.
    pub kills: Vec<HealthyKill>,
    next_scale_check: Duration,
    /// A new leader makes its first checks then.
    blind_until: Duration,
}

fn owner(task: &str) -> &str {
    task.split(".instance-").next().unwrap_or_default()
}

/// The id that a task's name begins with.
fn service_of(task: &str) -> String {
    format!("/{}", owner(task).replace('_', "/"))
}

fn resources() -> Resources {
    Resources {
        cpus: 8.0,
        mem: 16384.0,
        disk: 10000.0,
        // no port is opened: nothing runs
        ports: [31000..31800, 31800..32000],
    }
}

impl Cluster {
    pub fn new(seed: u64, clock: Arc<StoryClock>) -> Self {
        let world = World::new(Pace::default(), resources(), seed);
        Self::of(world, clock)
    }

    /// A Marathon that was saved; what ran is started again.
    pub fn restored(state: State, seed: u64, clock: Arc<StoryClock>) -> Self {
        let world = state.world(Pace::default(), resources(), seed, clock.true_time());
        Self::of(world, clock)
    }

    fn of(world: World, clock: Arc<StoryClock>) -> Self {
        let time = move || clock.true_time();
        let (marathon, effects) = Marathon::driven(world, Box::new(time));
        let bus = marathon.with(|world| world.bus.subscribe());
        Self {
            router: router(Arc::clone(&marathon), ADDRESS),
            marathon,
            effects,
            bus,
            checks: Vec::new(),
            tasks: BTreeMap::new(),
            hands: BTreeMap::new(),
            kills: Vec::new(),
            next_scale_check: SCALE_CHECK,
            blind_until: Duration::ZERO,
        }
    }

    /// What Marathon has told since anybody asked.
    pub fn events(&mut self) -> Vec<Value> {
        let mut told = Vec::new();
        loop {
            match self.bus.try_recv() {
                Ok(event) => told.push(serde_json::from_str(&event.data).unwrap()),
                Err(tokio::sync::broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(_) => return told,
            }
        }
    }

    /// Something moves by itself, so that it has to be looked at every second.
    pub fn is_busy(&self) -> bool {
        let odd =
            |t: &Task| !t.running || matches!(t.word.as_str(), "crash" | "later" | "old" | "sick");
        self.tasks.values().any(odd)
            || self.marathon.look(|w| {
                !w.deployments.is_empty() || w.all().any(local_marathon::Instance::is_waiting)
            })
    }

    /// A second passes, or several in which nothing was to be seen.
    pub fn tick(&mut self, now: Duration) {
        self.marathon.make_offers();
        self.pump(now);
        self.live(now);
        self.check(now);
        if now >= self.next_scale_check {
            self.next_scale_check = now + SCALE_CHECK;
            self.marathon.with(World::check_all_scales);
        }
        self.pump(now);
    }

    /// Does what Marathon wants done.
    pub fn pump(&mut self, now: Duration) {
        while let Ok(effect) = self.effects.try_recv() {
            match effect {
                Effect::Launch(launch) => {
                    let cmd = launch
                        .app
                        .body
                        .get("cmd")
                        .and_then(Value::as_str)
                        .unwrap_or_default();
                    let word = cmd.split(' ').next().unwrap_or_default().to_owned();
                    self.tasks.insert(
                        launch.task.clone(),
                        Task {
                            word,
                            since: now,
                            running: false,
                        },
                    );
                    self.marathon
                        .with(|w| w.task_is(&launch.task, Condition::Starting));
                }
                Effect::Kill { task, .. } => self.kill(&task, now),
                Effect::Watch(app) => {
                    let same = |e: &Effect| matches!(e, Effect::Watch(a) if a.id == app.id && a.version == app.version);
                    if !self.checks.iter().any(same) {
                        self.checks.push(Effect::Watch(app));
                    }
                }
                Effect::Ready(_) => {}
            }
        }
    }

    /// Healthy in truth, whatever Marathon knows of it.
    fn is_well(&self, task: &str, now: Duration) -> bool {
        self.tasks
            .get(task)
            .is_some_and(|t| t.running && t.is_well(now))
    }

    fn kill(&mut self, task: &str, now: Duration) {
        let service = service_of(task);
        let hand = self.hands.get(&service).copied().unwrap_or(Hand::Others);
        let kill = self.marathon.look(|w| {
            let (id, app) = w.tree.apps.iter().find(|(id, _)| id.as_str() == service)?;
            if app.health_checks().is_empty() || !self.is_well(task, now) {
                return None;
            }
            // nobody can know that what has just begun was well before the leader changed
            let just_begun = |t: &Task| now.saturating_sub(t.since) < Duration::from_secs(5);
            if now < self.blind_until && self.tasks.get(task).is_some_and(just_begun) {
                return None;
            }
            let stays = |i: &&local_marathon::Instance| {
                let task = i.task.as_ref();
                task.is_some_and(|t| !t.dying && self.is_well(&t.id, now))
            };
            let left = w.of(id).iter().filter(stays).count();
            let strategy = app.body.get("upgradeStrategy");
            let keeps = strategy
                .and_then(|s| s["minimumHealthCapacity"].as_f64())
                .unwrap_or(1.0);
            let instances = u32::try_from(app.instances()).unwrap_or(u32::MAX);
            Some(HealthyKill {
                service: service.clone(),
                left: u32::try_from(left).unwrap_or(u32::MAX),
                wanted: dploy_observer::marathon::kept(instances, keeps),
                free: w.locks(id).is_empty(),
                hand,
            })
        });
        self.kills.extend(kill);
        self.tasks.remove(task);
        self.marathon
            .with(|w| w.task_ended(task, true, "Command terminated with signal Terminated"));
    }

    /// Tasks begin to run, and end.
    fn live(&mut self, now: Duration) {
        let mut ended = Vec::new();
        for (id, task) in &mut self.tasks {
            let age = now.saturating_sub(task.since);
            if task.running {
                let (lives, failed) = match task.word.as_str() {
                    "crash" => (1, true),
                    "later" => (30, true),
                    "old" => (90, false),
                    _ => continue,
                };
                if age >= Duration::from_secs(lives) {
                    ended.push((id.clone(), failed));
                }
            } else {
                task.running = true;
                task.since = now;
                self.marathon.with(|w| w.task_is(id, Condition::Running));
            }
        }
        for (id, failed) in ended {
            self.tasks.remove(&id);
            let message = if failed {
                "Command exited with status 1"
            } else {
                "Command exited with status 0"
            };
            self.marathon.with(|w| w.task_ended(&id, failed, message));
        }
    }

    /// The health checks are made. A result that says what is known already is not told: it would change nothing.
    fn check(&mut self, now: Duration) {
        if now < self.blind_until {
            return;
        }
        let marathon = Arc::clone(&self.marathon);
        let tasks = &self.tasks;
        self.checks.retain(|check| {
            let Effect::Watch(app) = check else {
                return false;
            };
            let mut current = false;
            for (index, check) in app.health_checks().iter().enumerate() {
                marathon.with(|world| {
                    let Some(targets) = world.targets(&app.id, app.version, check) else {
                        return;
                    };
                    current = true;
                    for target in targets {
                        let Some(task) = tasks.get(&target.task) else {
                            continue;
                        };
                        let well = task.is_well(now);
                        let is_it = |i: &&local_marathon::Instance| {
                            i.task.as_ref().is_some_and(|t| t.id == target.task)
                        };
                        let mine = world.of(&app.id).iter().find(is_it);
                        let known = mine.and_then(local_marathon::Instance::healthy);
                        if !(well && known == Some(true)) {
                            let result = if well {
                                Ok(())
                            } else {
                                Err("500 Internal Server Error".to_owned())
                            };
                            world.health_result(&target.task, index, result);
                        }
                    }
                });
            }
            current
        });
    }

    /// A service as it is.
    pub fn seen(&self, id: &str) -> Option<Seen> {
        self.marathon.look(|w| {
            let (id, app) = w.tree.apps.iter().find(|(key, _)| key.as_str() == id)?;
            let text = |v: Option<&Value>| v.and_then(Value::as_str).unwrap_or_default().to_owned();
            let well = w
                .active(id)
                .filter(|i| i.app.configured >= app.configured && i.is_up());
            Some(Seen {
                label: app
                    .body
                    .get("labels")
                    .and_then(|l| l["DPLOY"].as_str())
                    .map(str::to_owned),
                cmd: text(app.body.get("cmd")),
                env: app
                    .body
                    .get("env")
                    .and_then(Value::as_object)
                    .is_some_and(|e| !e.is_empty()),
                instances: u32::try_from(app.instances()).unwrap_or(u32::MAX),
                well: u32::try_from(well.count()).unwrap_or(u32::MAX),
                there: u32::try_from(w.of(id).len()).unwrap_or(u32::MAX),
                version: app.version,
            })
        })
    }

    /// Everything that runs and rolls, a line for each.
    pub fn shown(&self) -> Vec<String> {
        self.marathon.look(|w| {
            let rolls = w.deployments.iter().map(|d| {
                let steps = d.steps.get(d.step);
                format!("deployment {} is at {steps:?}", d.id)
            });
            let runs = w.tree.apps.iter().map(|(id, app)| {
                let version = |of: &local_marathon::Instance| match of.app.configured {
                    at if at >= app.configured => "new",
                    _ => "old",
                };
                let all: Vec<String> = w
                    .of(id)
                    .iter()
                    .map(|i| {
                        let goes = if i.wanted { "" } else { ", goes" };
                        let up = if i.is_up() { ", up" } else { "" };
                        format!("{} {:?}{up}{goes}", version(i), i.condition)
                    })
                    .collect();
                let cmd = app.body.get("cmd").and_then(Value::as_str);
                let cmd = cmd.unwrap_or_default();
                format!(
                    "{} {cmd:?} ×{}: [{}]",
                    id.as_str(),
                    app.instances(),
                    all.join("; ")
                )
            });
            rolls.chain(runs).collect()
        })
    }

    /// Whether an instance of an earlier configuration waits to be launched.
    pub fn old_waits(&self, id: &str) -> bool {
        self.marathon.look(|w| {
            let app = w.tree.apps.iter().find(|(key, _)| key.as_str() == id);
            app.is_some_and(|(id, app)| {
                let old = |i: &&local_marathon::Instance| i.app.configured < app.configured;
                w.of(id)
                    .iter()
                    .filter(old)
                    .any(local_marathon::Instance::is_waiting)
            })
        })
    }

    /// When the newest instance of the present configuration became well.
    pub fn newest_well(&self, id: &str) -> Option<Duration> {
        self.marathon.look(|w| {
            let (id, app) = w.tree.apps.iter().find(|(key, _)| key.as_str() == id)?;
            let current = w
                .active(id)
                .filter(|i| i.app.configured >= app.configured && i.is_up());
            let since = |i: &local_marathon::Instance| {
                let task = self.tasks.get(&i.task.as_ref()?.id)?;
                let slow = if task.word == "slow" {
                    SLOW
                } else {
                    Duration::ZERO
                };
                Some(task.since + slow)
            };
            current.filter_map(since).max()
        })
    }

    /// The services that a deployment holds.
    pub fn held_by(&self, deployment: &str) -> Vec<String> {
        self.marathon.look(|w| {
            let found = w.deployments.iter().find(|d| d.id == deployment);
            found
                .into_iter()
                .flat_map(|d| d.affected())
                .map(|id| id.as_str().to_owned())
                .collect()
        })
    }

    /// The deployments that hold a service.
    pub fn locks(&self, id: &str) -> Vec<String> {
        let mut all = self.deployments();
        all.retain(|d| self.held_by(d).iter().any(|held| held == id));
        all
    }

    /// The deployments that are under way.
    pub fn deployments(&self) -> Vec<String> {
        self.marathon
            .look(|w| w.deployments.iter().map(|d| d.id.clone()).collect())
    }

    /// Somebody else overrides whatever holds the service: what becomes of the others that it held is not our doing either.
    pub fn others_touch(&mut self, id: &str) {
        self.hands.insert(id.to_owned(), Hand::Others);
        for deployment in self.deployments() {
            let held = self.held_by(&deployment);
            if held.iter().any(|h| h == id) {
                self.hands
                    .extend(held.into_iter().map(|h| (h, Hand::Others)));
            }
        }
    }

    /// From now on another leader decides: what it kills is nobody's doing here. It knows no health until its first checks.
    pub fn new_leader(&mut self, now: Duration, blind: Duration) {
        self.hands.values_mut().for_each(|h| *h = Hand::Others);
        self.blind_until = now + blind;
        self.marathon.change_leader();
        self.pump(now);
        self.kills.clear();
    }

    /// The services whose tasks have these names.
    pub fn services_of<'a>(tasks: impl Iterator<Item = &'a str>) -> Vec<String> {
        tasks.map(service_of).collect()
    }
}

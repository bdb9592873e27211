//! The state of the local Marathon. Everything that changes it is a method with no I/O; what is to be done outside
//! (start a process, kill one, begin to check) is left in `effects` for the engine.

pub mod change;
pub mod count;
pub mod event;
pub mod health;
pub mod instance;
pub mod kill;
pub mod leader;
pub mod ledger;
pub mod offer;
pub mod plan;
pub mod render;
pub mod report;
pub mod rollout;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::{Builder, Uuid};

use self::event::Bus;
use self::instance::{Agent, Condition, Instance};
use self::ledger::Ledger;
use self::plan::Action;
use crate::definition::app::App;
use crate::definition::id::Id;
use crate::definition::tree::Tree;
use crate::options::{Pace, Resources};
use crate::stamp;

/// The id of the Mesos master that this world has not; those of agents, offers and the framework begin with it.
pub const MASTER: &str = "6d0f0a86-0000-4000-8000-000000000001";

/// The id of Marathon as a framework of Mesos.
pub const FRAMEWORK: &str = "6d0f0a86-0000-4000-8000-000000000001-0000";

/// Something to be done outside.
#[derive(Debug)]
pub enum Effect {
    /// Start a task.
    Launch(Launch),
    /// Stop a task.
    Kill {
        /// Which.
        task: String,
        /// From SIGTERM to SIGKILL.
        grace: Duration,
    },
    /// Make the health checks of this version of an app, as long as it has instances.
    Watch(Arc<App>),
    /// Make the readiness checks of a task until it is ready.
    Ready(Launch),
}

/// A task to be started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Id of the task.
    pub task: String,
    /// What it runs.
    pub app: Arc<App>,
    /// Name of the agent.
    pub host: &'static str,
    /// Host ports.
    pub ports: Vec<u16>,
}

/// A deployment under way.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Its id.
    pub id: String,
    /// Version of the tree it makes.
    pub version: Timestamp,
    /// The tree before.
    pub from: Arc<Tree>,
    /// The tree after.
    pub to: Arc<Tree>,
    /// The plan.
    pub steps: Vec<Vec<Action>>,
    /// Index of the current step.
    pub step: usize,
    /// Actions of the current step; empty before it began.
    pub running: Vec<Progress>,
}

/// An action under way.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The action.
    pub action: Action,
    /// Nothing is left to do.
    pub done: bool,
    /// Scale: instances that must come up. Restart: new tasks that were up.
    pub counted: BTreeSet<String>,
    /// Scale: instances that must go.
    pub leaving: BTreeSet<String>,
    /// Restart: how many tasks may exist.
    pub capacity: usize,
    /// Restart: old instances seen last, with their attempt, and whether they were alive.
    pub old: BTreeSet<(String, u32, bool)>,
}

impl Deployment {
    /// Ids of all apps it touches.
    pub fn affected(&self) -> BTreeSet<&Id> {
        self.steps.iter().flatten().map(|a| &a.app).collect()
    }

    /// Its plan, as in events.
    pub fn plan(&self) -> Value {
        let steps: Vec<Value> = self.steps.iter().map(|s| render_step(s)).collect();
        json!({ "id": self.id, "steps": steps, "version": stamp::text(self.version) })
    }
}

/// A step, as in deployments and events.
pub fn render_step(step: &[Action]) -> Value {
    let actions: Vec<Value> = step.iter().map(Action::render).collect();
    json!({ "actions": actions })
}

/// What became of the offers for an app, in whatever version, since it was made or the leader changed.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    /// Offers looked at.
    pub processed: u64,
    /// Offers that did not fit.
    pub unused: u64,
    /// When the last one did not fit.
    pub last_unused: Option<Timestamp>,
    /// When the last one did.
    pub last_used: Option<Timestamp>,
    /// By reason, of the last offer of each agent: (declined, processed).
    pub last: [[(u64, u64); 10]; 2],
    /// Numbers and times of those.
    pub last_ids: [(u64, Timestamp); 2],
    /// By reason, of all offers: (declined, processed).
    pub all: [(u64, u64); 10],
}

/// How long the next launch of a configuration of an app waits after failures.
#[derive(Clone, Copy, Debug)]
pub struct Delay {
    /// When the next launch may be.
    pub until: Timestamp,
    /// The present length in seconds of app definitions.
    pub seconds: f64,
}

/// A wiped instance whose process is still dying.
#[derive(Clone, Debug)]
pub struct Ghost {
    /// The instance.
    pub instance: String,
    /// Its app.
    pub app: Arc<App>,
}

fn anywhere(chance: &mut fastrand::Rng, ports: &Range<u16>) -> u16 {
    chance.u16(ports.start..ports.end.max(ports.start.saturating_add(1)))
}

/// The state.
pub struct World {
    /// The time of the present change.
    pub now: Timestamp,
    /// How long things take.
    pub pace: Pace,
    /// What an agent has.
    pub resources: Resources,
    /// The agents.
    pub agents: [Agent; 2],
    /// What is meant to run.
    pub tree: Arc<Tree>,
    /// Former trees, the newest last.
    pub roots: Vec<Arc<Tree>>,
    /// All versions of the present apps.
    pub archive: BTreeMap<Id, Vec<Arc<App>>>,
    /// Instances by app, in the order they were made.
    pub instances: BTreeMap<Id, Vec<Instance>>,
    /// By task id.
    pub ghosts: BTreeMap<String, Ghost>,
    /// Deployments under way, the oldest first.
    pub deployments: Vec<Deployment>,
    /// What became of offers, by app.
    pub offers: BTreeMap<Id, Offers>,
    /// Delays after failures, by app.
    pub delays: BTreeMap<(Id, Timestamp), Delay>,
    /// `lastTaskFailure` by app.
    pub failures: BTreeMap<Id, Value>,
    /// Where each agent looks for a free port next. It begins anywhere, so that several Marathons on one machine keep
    /// out of each other's way, and goes on, so that a port is not given away again at once.
    pub next_port: [u16; 2],
    /// The tasks as Mesos remembers them.
    pub ledger: Ledger,
    /// Number of the last offer.
    pub offer_number: u64,
    /// Instances that the present change wants to be the first to go.
    pub sentenced: BTreeSet<String>,
    /// What is to be done outside.
    pub effects: Vec<Effect>,
    /// Something changed that must survive.
    pub dirty: bool,
    /// Fault: agents make no offers.
    pub no_offers: bool,
    /// Where events go.
    pub bus: Bus,
    /// The last version given to anything.
    pub last_version: Timestamp,
    /// Where ids and the first ports come from.
    pub chance: fastrand::Rng,
    /// Whether nobody else on the agents' machine has a port; by default nobody has any.
    pub port_is_free: fn(u16) -> bool,
}

impl World {
    /// An empty Marathon. Whatever happens by chance is decided by the seed.
    #[must_use]
    pub fn new(pace: Pace, resources: Resources, seed: u64) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed);
        let agent = |number: usize, host, roles| Agent {
            id: format!("{MASTER}-S{number}"),
            host,
            roles,
        };
        let tree = Arc::new(Tree::default());
        let next_port = [
            anywhere(&mut chance, &resources.ports[0]),
            anywhere(&mut chance, &resources.ports[1]),
        ];
        Self {
            next_port,
            ledger: Ledger::default(),
            offer_number: 0,
            now: Timestamp::UNIX_EPOCH,
            pace,
            resources,
            agents: [
                agent(0, "127.0.0.1", &["*"]),
                agent(1, "localhost", &["*", "slave_public"]),
            ],
            roots: vec![Arc::clone(&tree)],
            tree,
            archive: BTreeMap::new(),
            instances: BTreeMap::new(),
            ghosts: BTreeMap::new(),
            deployments: Vec::new(),
            offers: BTreeMap::new(),
            delays: BTreeMap::new(),
            failures: BTreeMap::new(),
            sentenced: BTreeSet::new(),
            effects: Vec::new(),
            dirty: false,
            no_offers: false,
            bus: Bus::default(),
            last_version: Timestamp::UNIX_EPOCH,
            chance,
            port_is_free: |_| true,
        }
    }

    /// An id that nobody has yet.
    pub fn new_id(&mut self) -> Uuid {
        let bytes = self.chance.u128(..).to_be_bytes();
        Builder::from_random_bytes(bytes).into_uuid()
    }

    /// Tells listeners of `/v2/events`.
    pub fn tell(&self, kind: &'static str, data: Value) {
        self.bus.send(self.now, kind, data);
    }

    /// A version nobody has yet.
    pub fn next_version(&mut self) -> Timestamp {
        self.last_version = stamp::after(self.last_version, self.now);
        self.last_version
    }

    /// Instances of an app, in the order they were made.
    pub fn of(&self, app: &Id) -> &[Instance] {
        self.instances.get(app).map_or(&[], Vec::as_slice)
    }

    /// Instances of an app that are meant to run, whatever their condition.
    pub fn active(&self, app: &Id) -> impl Iterator<Item = &Instance> {
        self.of(app).iter().filter(|i| i.wanted)
    }

    /// All instances.
    pub fn all(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values().flatten()
    }

    /// The instance with that id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Instance> {
        self.all().find(|i| i.id == id)
    }

    /// The same, to change it.
    pub fn find_mut(&mut self, id: &str) -> Option<&mut Instance> {
        self.instances.values_mut().flatten().find(|i| i.id == id)
    }

    /// The instance whose present or last task has that id.
    pub fn task_mut(&mut self, task: &str) -> Option<&mut Instance> {
        let has = |i: &Instance| i.task.as_ref().is_some_and(|t| t.id == task);
        self.instances.values_mut().flatten().find(|i| has(i))
    }

    /// Forgets an instance.
    pub fn forget(&mut self, id: &str) {
        for list in self.instances.values_mut() {
            list.retain(|i| i.id != id);
        }
        self.instances.retain(|_, list| !list.is_empty());
        self.dirty = true;
    }

    /// Ids of the deployments that hold an app.
    #[must_use]
    pub fn locks(&self, app: &Id) -> Vec<String> {
        self.deployments
            .iter()
            .filter(|d| d.steps.iter().flatten().any(|a| a.app == *app))
            .map(|d| d.id.clone())
            .collect()
    }

    /// A span of an app definition in real time.
    #[must_use]
    pub fn span(&self, seconds: f64) -> SignedDuration {
        SignedDuration::try_from(self.real(seconds)).unwrap_or(SignedDuration::MAX)
    }

    /// Emits the present condition of an instance.
    pub fn tell_condition(&self, instance: &Instance, condition: Condition) {
        let agent = instance
            .task
            .as_ref()
            .filter(|_| condition != Condition::Scheduled)
            .map(|t| &self.agents[t.agent]);
        self.tell("instance_changed_event", json!({
            "instanceId": instance.id, "condition": format!("{condition:?}"), "runSpecId": instance.app.id.as_str(),
            "agentId": agent.map(|a| &a.id), "host": agent.map(|a| a.host), "runSpecVersion": stamp::text(instance.app.version),
        }));
    }
}

//! `state.json`: what survives a stop, a crash or a SIGKILL of the local Marathon.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use local_kit::file;
use serde::{Deserialize, Serialize};

use crate::definition::app::App;
use crate::definition::id::Id;
use crate::definition::limit;
use crate::definition::tree::Tree;
use crate::options::{Pace, Resources};
use crate::world::instance::{Condition, Instance};
use crate::world::ledger::Record;
use crate::world::plan::Action;
use crate::world::{Deployment, World};

/// The file.
const FILE: &str = "state.json";

/// All that is saved. Apps are written once; everything else names them by id and version.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    apps: Vec<App>,
    roots: Vec<SavedTree>,
    archive: BTreeMap<Id, Vec<Timestamp>>,
    deployments: Vec<SavedDeployment>,
    instances: Vec<SavedInstance>,
    failures: BTreeMap<Id, serde_json::Value>,
    #[serde(default)]
    tasks: Vec<SavedTask>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedTree {
    version: Timestamp,
    apps: Vec<(Id, Timestamp)>,
    groups: BTreeMap<Id, Vec<Id>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedDeployment {
    id: String,
    version: Timestamp,
    from: SavedTree,
    to: SavedTree,
    steps: Vec<Vec<Action>>,
    step: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedInstance {
    id: String,
    app: (Id, Timestamp),
    attempt: u32,
    wanted: bool,
}

/// A task as Mesos remembers it.
#[derive(Debug, Serialize, Deserialize)]
struct SavedTask {
    id: String,
    agent: usize,
    app: (Id, Timestamp),
    ports: Vec<u16>,
    launched: Timestamp,
    statuses: Vec<(Condition, Timestamp)>,
}

type Shelf = BTreeMap<(Id, Timestamp), Arc<App>>;

/// What is worth saving of the present state.
pub fn snapshot(world: &World) -> State {
    let mut shelf = Shelf::new();
    let roots = world
        .roots
        .iter()
        .map(|tree| save_tree(tree, &mut shelf))
        .collect();
    let deployments = world.deployments.iter().map(|d| SavedDeployment {
        id: d.id.clone(),
        version: d.version,
        from: save_tree(&d.from, &mut shelf),
        to: save_tree(&d.to, &mut shelf),
        steps: d.steps.clone(),
        step: d.step,
    });
    let deployments = deployments.collect();
    let mut archive: BTreeMap<Id, Vec<Timestamp>> = BTreeMap::new();
    for app in world
        .archive
        .values()
        .flatten()
        .chain(world.all().map(|i| &i.app))
        .chain(world.ledger.lasting().map(|record| &record.app))
    {
        shelf.insert((app.id.clone(), app.version), Arc::clone(app));
    }
    for (id, versions) in &world.archive {
        archive.insert(id.clone(), versions.iter().map(|a| a.version).collect());
    }
    let saved = |i: &Instance| SavedInstance {
        id: i.id.clone(),
        app: (i.app.id.clone(), i.app.version),
        attempt: i.attempt,
        wanted: i.wanted,
    };
    let task = |record: &Record| SavedTask {
        id: record.task.clone(),
        agent: record.agent,
        app: (record.app.id.clone(), record.app.version),
        ports: record.ports.clone(),
        launched: record.launched,
        statuses: record.statuses.clone(),
    };
    State {
        instances: world.all().map(saved).collect(),
        tasks: world.ledger.lasting().map(task).collect(),
        apps: shelf.into_values().map(|app| App::clone(&app)).collect(),
        roots,
        archive,
        deployments,
        failures: world.failures.clone(),
    }
}

fn save_tree(tree: &Tree, shelf: &mut Shelf) -> SavedTree {
    for app in tree.apps.values() {
        shelf
            .entry((app.id.clone(), app.version))
            .or_insert_with(|| Arc::clone(app));
    }
    let apps = tree
        .apps
        .values()
        .map(|a| (a.id.clone(), a.version))
        .collect();
    SavedTree {
        version: tree.version,
        apps,
        groups: tree.groups.clone(),
    }
}

impl State {
    /// The world that it is of: what ran is to be started again, deployments go on.
    #[must_use]
    pub fn world(self, pace: Pace, resources: Resources, seed: u64, now: Timestamp) -> World {
        let mut world = World::new(pace, resources, seed);
        world.now = now;
        restore(&mut world, self);
        world
    }
}

/// Writes the state so that there is always a whole file.
pub async fn write(dir: &Path, state: State) -> anyhow::Result<()> {
    let path = dir.join(FILE);
    // with thousands of instances this takes a while
    let writing = tokio::task::spawn_blocking(move || {
        file::write_whole(&path, [serde_json::to_vec(&state).map_err(Into::into)])
    });
    writing.await.context("writing the state")?.map(drop)
}

/// The world as it was saved, or an empty one. What ran is to be started again; deployments go on.
pub fn read(dir: &Path, pace: Pace, resources: Resources, now: Timestamp) -> anyhow::Result<World> {
    let path = dir.join(FILE);
    let state = file::read_json::<State>(&path)?.unwrap_or_default();
    let world = state.world(pace, resources, fastrand::u64(..), now);
    let coming = world.deployments.iter().map(|deployment| &deployment.to);
    for tree in coming.chain([&world.tree]) {
        let bounded = limit::instances(tree).map_err(anyhow::Error::msg);
        bounded.with_context(|| format!("reading {}", path.display()))?;
    }
    Ok(world)
}

fn restore(world: &mut World, state: State) {
    let shelf: Shelf = state
        .apps
        .into_iter()
        .map(|app| ((app.id.clone(), app.version), Arc::new(app)))
        .collect();
    world.roots = state
        .roots
        .into_iter()
        .map(|tree| Arc::new(load_tree(tree, &shelf)))
        .collect();
    match world.roots.last() {
        Some(last) => world.tree = Arc::clone(last),
        None => world.roots.push(Arc::clone(&world.tree)),
    }
    world.failures = state.failures;
    for (id, versions) in state.archive {
        let apps = versions
            .into_iter()
            .filter_map(|v| shelf.get(&(id.clone(), v)).cloned())
            .collect();
        world.archive.insert(id, apps);
    }
    restore_instances(world, state.instances, &shelf);
    restore_tasks(world, state.tasks, &shelf);
    world.last_version = shelf
        .keys()
        .map(|(_, v)| *v)
        .chain([world.tree.version])
        .max()
        .unwrap_or_default();
    world.deployments = state
        .deployments
        .into_iter()
        .map(|saved| load_deployment(saved, &shelf))
        .collect();
}

/// What ran is to run again: the same instances, with new tasks.
fn restore_instances(world: &mut World, instances: Vec<SavedInstance>, shelf: &Shelf) {
    for saved in instances.into_iter().filter(|i| i.wanted) {
        let Some(app) = shelf.get(&saved.app) else {
            continue;
        };
        let mut instance = Instance::new(Arc::clone(app), world.now, world.new_id());
        (instance.id, instance.attempt) = (saved.id, saved.attempt);
        world.watch(app);
        world
            .instances
            .entry(app.id.clone())
            .or_default()
            .push(instance);
    }
}

/// What ran has ended, and its files are still there.
fn restore_tasks(world: &mut World, tasks: Vec<SavedTask>, shelf: &Shelf) {
    let agents = world.agents.len();
    for saved in tasks.into_iter().filter(|task| task.agent < agents) {
        let Some(app) = shelf.get(&saved.app) else {
            continue;
        };
        world.restore_record(Record {
            task: saved.id,
            agent: saved.agent,
            app: Arc::clone(app),
            ports: saved.ports,
            launched: saved.launched,
            statuses: saved.statuses,
        });
    }
}

fn load_deployment(saved: SavedDeployment, shelf: &Shelf) -> Deployment {
    Deployment {
        id: saved.id,
        version: saved.version,
        from: Arc::new(load_tree(saved.from, shelf)),
        to: Arc::new(load_tree(saved.to, shelf)),
        steps: saved.steps,
        step: saved.step,
        running: Vec::new(),
    }
}

fn load_tree(saved: SavedTree, shelf: &Shelf) -> Tree {
    let apps = saved
        .apps
        .into_iter()
        .filter_map(|key| Some((key.0.clone(), Arc::clone(shelf.get(&key)?))));
    Tree {
        version: saved.version,
        apps: apps.collect(),
        groups: saved.groups,
    }
}

//! Master, agents, executors and tasks as Mesos shows them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Cluster, VERSION};
use crate::definition::app::App;
use crate::definition::id::Id;
use crate::world::instance::Condition;
use crate::world::ledger::Record;
use crate::world::{FRAMEWORK, World};

/// So many executors that ended are listed by an agent.
const COMPLETED_LISTED: usize = 150;

/// `/version`.
pub fn version() -> Value {
    json!({ "version": VERSION, "build_date": "2019-10-03 00:00:00", "build_time": 1_570_060_800.0, "build_user": "local" })
}

/// A point in time as Mesos writes it.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds are far below 2^52"
)]
pub fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

impl Cluster {
    /// The agents, or the one with that id.
    pub fn slaves(&self, one: Option<&str>) -> Vec<Value> {
        self.marathon.look(|world| {
            let all = world.agents.iter().enumerate();
            all.filter(|(_, agent)| one.is_none_or(|id| agent.id == id))
                .map(|(index, agent)| {
                    json!({
                        "id": agent.id, "hostname": agent.host, "port": self.agents[index].port(), "attributes": {},
                        "pid": self.pid(index), "registered_time": seconds(self.started), "active": true, "version": VERSION,
                        "resources": offered(world, index), "capabilities": [],
                    })
                })
                .collect()
        })
    }

    fn pid(&self, agent: usize) -> String {
        format!("slave(1)@{}", self.agents[agent])
    }

    /// The framework with all tasks.
    pub fn framework_of_master(&self) -> Value {
        self.marathon.look(|world| {
            let tasks: Vec<Value> = world.ledger.alive().map(|r| task(world, r)).collect();
            let completed: Vec<Value> = world.ledger.ended().map(|r| task(world, r)).collect();
            let mut framework = framework();
            framework["active"] = json!(true);
            framework["connected"] = json!(true);
            framework["registered_time"] = json!(seconds(self.started));
            framework["tasks"] = json!(tasks);
            framework["completed_tasks"] = json!(completed);
            framework["unreachable_tasks"] = json!([]);
            framework
        })
    }

    /// `/state` of an agent.
    pub fn state_of_agent(&self, index: usize) -> Value {
        self.marathon.look(|world| {
            let here = |record: &&Record| record.agent == index;
            let executor = |record: &Record| self.executor(world, record);
            let alive: Vec<Value> = world.ledger.alive().filter(here).map(executor).collect();
            let ended = world.ledger.ended().rev().filter(here);
            let mut ended: Vec<Value> = ended.take(COMPLETED_LISTED).map(executor).collect();
            ended.reverse();
            let (is_idle, is_known) = (alive.is_empty(), !alive.is_empty() || !ended.is_empty());
            let mut framework = framework();
            framework["executors"] = json!(alive);
            framework["completed_executors"] = json!(ended);
            // that is what Mesos calls completed
            let listed = |wanted: bool| -> Vec<&Value> {
                std::iter::once(&framework).filter(|_| is_known && wanted).collect()
            };
            let agent = &world.agents[index];
            let port = self.agents[index].port();
            json!({
                "version": VERSION, "id": agent.id, "pid": self.pid(index), "hostname": agent.host, "master_hostname": self.master.ip(),
                "start_time": seconds(self.started), "resources": offered(world, index), "attributes": {},
                "flags": { "work_dir": self.marathon.options.dir, "port": port.to_string(), "hostname": agent.host },
                "frameworks": listed(!is_idle), "completed_frameworks": listed(is_idle),
            })
        })
    }

    fn executor(&self, world: &World, record: &Record) -> Value {
        let (mut queued, mut tasks, mut completed) = (Vec::new(), Vec::new(), Vec::new());
        match record.condition() {
            Condition::Scheduled | Condition::Provisioned => {
                queued.push(queued_task(world, record));
            }
            Condition::Starting | Condition::Running => tasks.push(task(world, record)),
            Condition::Failed | Condition::Finished | Condition::Killed => {
                completed.push(task(world, record));
            }
        }
        json!({
            "id": record.task, "name": format!("Command Executor (Task: {})", record.task), "source": record.task,
            "container": record.container(), "directory": self.directory(world, record), "resources": resources(record),
            "role": "*", "tasks": tasks, "queued_tasks": queued, "completed_tasks": completed,
        })
    }
}

/// What master and agents say of the framework alike.
fn framework() -> Value {
    json!({
        "id": FRAMEWORK, "name": "marathon", "user": "root", "failover_timeout": 604_800.0, "checkpoint": true,
        "hostname": "127.0.0.1", "role": "*",
    })
}

fn offered(world: &World, agent: usize) -> Value {
    let has = &world.resources;
    let ports = &has.ports[agent];
    let ports = format!("[{}-{}]", ports.start, ports.end.saturating_sub(1));
    json!({ "cpus": has.cpus, "mem": has.mem, "disk": has.disk, "gpus": 0.0, "ports": ports })
}

fn resources(record: &Record) -> Value {
    let number = |key: &str| record.app.number(key);
    let mut all = json!({ "cpus": number("cpus"), "mem": number("mem"), "disk": number("disk"), "gpus": number("gpus") });
    if !record.ports.is_empty() {
        let ports: Vec<String> = record.ports.iter().map(|p| format!("{p}-{p}")).collect();
        all["ports"] = json!(format!("[{}]", ports.join(", ")));
    }
    all
}

/// What Marathon calls a task: the path of its app from behind.
fn name(id: &Id) -> String {
    let path = id.as_str().trim_start_matches('/');
    path.rsplit('/').collect::<Vec<_>>().join(".")
}

/// A task that was handed to its executor.
pub fn task(world: &World, record: &Record) -> Value {
    let container = json!({ "container_id": { "value": record.container() } });
    let statuses = record.statuses.iter().map(|(condition, at)| {
        json!({ "state": condition.task_state(), "timestamp": seconds(*at), "container_status": container })
    });
    let statuses: Vec<Value> = statuses.collect();
    json!({
        // command tasks have no executor of their own
        "id": record.task, "name": name(&record.app.id), "framework_id": FRAMEWORK, "executor_id": "",
        "slave_id": world.agents[record.agent].id, "state": record.condition().task_state(), "resources": resources(record),
        "role": "*", "statuses": statuses, "labels": labels(&record.app),
    })
}

fn labels(app: &App) -> Vec<Value> {
    let labels = app.body.get("labels").and_then(Value::as_object);
    let labels = labels.into_iter().flatten();
    labels
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect()
}

/// A task that is still being fetched.
fn queued_task(world: &World, record: &Record) -> Value {
    let command = record.app.text("cmd").unwrap_or_default();
    json!({
        "id": record.task, "name": name(&record.app.id), "slave_id": world.agents[record.agent].id,
        "resources": resources(record), "role": "*", "command": { "value": command, "argv": [], "uris": [] },
    })
}

//! The tasks as a Mesos remembers them: those that are alive, and the last ones that ended, which Marathon forgets.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Builder;

use super::World;
use super::instance::{Condition, Instance};
use crate::definition::app::App;

/// So many tasks that ended are remembered, as by a Mesos master for each framework.
const ENDED_KEPT: usize = 1000;
/// So many of them survive a restart, as many as there are sandboxes.
const ENDED_SAVED: usize = 200;

/// A task that was launched.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its id.
    pub task: String,
    /// Index of its agent.
    pub agent: usize,
    /// What it runs.
    pub app: Arc<App>,
    /// Host ports.
    pub ports: Vec<u16>,
    /// When the offer was taken.
    pub launched: Timestamp,
    /// What it reported, the oldest first; empty while it is fetched.
    pub statuses: Vec<(Condition, Timestamp)>,
}

impl Record {
    /// How it is, or was at last.
    #[must_use]
    pub fn condition(&self) -> Condition {
        let last = self.statuses.last();
        last.map_or(Condition::Provisioned, |(condition, _)| *condition)
    }

    /// The id of its container. It is made of the task's, so that it is the same whenever it is asked for.
    #[must_use]
    pub fn container(&self) -> String {
        // FNV-1a
        let hash = self.task.bytes().fold(
            0x6c62_272e_07bb_0142_62b8_2175_6295_c58d,
            |hash: u128, b| (hash ^ u128::from(b)).wrapping_mul(0x0100_0000_0000_0000_0000_013b),
        );
        let id = Builder::from_random_bytes(hash.to_be_bytes()).into_uuid();
        id.to_string()
    }
}

/// All that are remembered.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    records: BTreeMap<String, Record>,
    /// Ids of those that ended, the last to end last.
    ended: VecDeque<String>,
}

impl Ledger {
    /// Those that are alive, by id.
    pub fn alive(&self) -> impl Iterator<Item = &Record> {
        self.records
            .values()
            .filter(|record| record.condition().is_alive())
    }

    /// Those that ended, the last to end last.
    pub fn ended(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.ended.iter().filter_map(|task| self.records.get(task))
    }

    /// Those that survive a restart, in the order in which they are to be restored.
    pub fn lasting(&self) -> impl Iterator<Item = &Record> {
        let old = self.ended.len().saturating_sub(ENDED_SAVED);
        self.ended().skip(old).chain(self.alive())
    }

    /// The task with that id.
    #[must_use]
    pub fn find(&self, task: &str) -> Option<&Record> {
        self.records.get(task)
    }

    fn report(&mut self, task: &str, condition: Condition, now: Timestamp) {
        let Some(record) = self.records.get_mut(task) else {
            return;
        };
        if !record.condition().is_alive() {
            return;
        }
        record.statuses.push((condition, now));
        if condition.is_alive() {
            return;
        }
        self.end(task);
    }

    fn end(&mut self, task: &str) {
        self.ended.push_back(task.to_owned());
        if self.ended.len() > ENDED_KEPT
            && let Some(oldest) = self.ended.pop_front()
        {
            self.records.remove(&oldest);
        }
    }
}

impl World {
    /// Remembers the task that an instance was given.
    pub(super) fn record_launch(&mut self, instance: &Instance) {
        let Some(task) = &instance.task else { return };
        let record = Record {
            task: task.id.clone(),
            agent: task.agent,
            app: Arc::clone(&instance.app),
            ports: task.ports.clone(),
            launched: task.staged,
            statuses: Vec::new(),
        };
        let before = self.ledger.records.insert(task.id.clone(), record);
        if before.is_some() {
            // after a kill whose last words were not saved
            self.ledger.ended.retain(|ended| *ended != task.id);
        }
    }

    /// Remembers a task of an earlier run. What was alive then is dead.
    pub fn restore_record(&mut self, mut record: Record) {
        if record.condition().is_alive() {
            record.statuses.push((Condition::Killed, self.now));
        }
        let task = record.task.clone();
        self.ledger.records.insert(task.clone(), record);
        self.ledger.end(&task);
    }

    /// Remembers what a task reported.
    pub(super) fn record_status(&mut self, task: &str, condition: Condition) {
        self.ledger.report(task, condition, self.now);
        // it would be told as killed after a restart
        self.dirty |= !condition.is_alive();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definition::id::Id;
    use crate::definition::submit;
    use crate::options::{Pace, Resources};

    fn launched(world: &mut World) -> String {
        let body = json!({"id": "/a", "cmd": "true"});
        let app = submit::app(&body, &Id::root(), Timestamp::UNIX_EPOCH).unwrap();
        world.add_instance(&Arc::new(app));
        world.make_offers();
        let instance = world.all().find(|i| i.condition.is_alive()).unwrap();
        instance.task.as_ref().unwrap().id.clone()
    }

    #[test]
    fn a_task_that_ended_is_remembered_until_a_thousand_others_have_ended() {
        let mut world = World::new(Pace::default(), Resources::default(), 1);
        let first = launched(&mut world);
        let condition = |world: &World, task: &str| world.ledger.find(task).map(Record::condition);
        assert_eq!(condition(&world, &first), Some(Condition::Provisioned));
        world.task_is(&first, Condition::Running);
        world.task_ended(&first, false, "");
        assert_eq!(condition(&world, &first), Some(Condition::Finished));
        assert_eq!(world.ledger.alive().count(), 0);
        let record = world.ledger.find(&first).unwrap().clone();
        for number in 0..ENDED_KEPT {
            let task = format!("other.{number}");
            let other = Record {
                task: task.clone(),
                statuses: Vec::new(),
                ..record.clone()
            };
            world.ledger.records.insert(task.clone(), other);
            world.record_status(&task, Condition::Killed);
        }
        assert_eq!(condition(&world, &first), None);
        assert_eq!(world.ledger.ended().count(), ENDED_KEPT);
    }

    #[test]
    fn a_wiped_task_is_alive_until_its_process_is_dead() {
        let mut world = World::new(Pace::default(), Resources::default(), 1);
        let task = launched(&mut world);
        world.task_is(&task, Condition::Running);
        let instance = world.all().next().unwrap().id.clone();
        world.wipe(&[instance]);
        assert_eq!(world.ledger.alive().count(), 1);
        world.task_ended(&task, true, "");
        let condition = world.ledger.find(&task).unwrap().condition();
        assert_eq!(condition, Condition::Killed);
    }
}

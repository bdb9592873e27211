//! Tasks that Marathon does not list any more, and did a moment ago: what they wrote last can still be read.

use std::collections::{BTreeMap, VecDeque};

use crate::id::ServiceId;
use crate::marathon::{LiveApp, Snapshot};
use crate::mesos::TaskAt;

/// So many tasks that left are remembered.
const LEFT: usize = 1000;

/// The newest of those that left.
#[derive(Default)]
pub(super) struct Left(VecDeque<(ServiceId, TaskAt)>);

impl Left {
    /// The task of this id, where it left.
    pub fn of(&self, task: &str) -> Option<(ServiceId, TaskAt)> {
        self.0.iter().find(|(_, at)| at.task == task).cloned()
    }

    /// Remembers what was listed before and is not now.
    pub fn take_leave(&mut self, before: &BTreeMap<ServiceId, LiveApp>, now: &Snapshot) {
        for (service, app) in before {
            let listed = now.apps.get(service.as_str()).map(|app| &app.tasks);
            for task in &app.tasks {
                let gone = listed.is_none_or(|tasks| tasks.iter().all(|t| t.id != task.id));
                if let (true, Some(agent)) = (gone, &task.agent) {
                    let at = TaskAt {
                        task: task.id.clone(),
                        agent: agent.clone(),
                    };
                    self.0.push_back((service.clone(), at));
                }
            }
        }
        let many = self.0.len().saturating_sub(LEFT);
        self.0.drain(..many);
    }
}

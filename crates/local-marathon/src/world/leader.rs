//! What another leader makes of the state: he finds what is stored, and the tasks, but nothing of what the one before only knew.

use super::instance::Condition;
use super::{Launch, World};

impl World {
    /// Another leader takes over, as after a restart of Marathon or where one abdicates. The tasks run on, as under Mesos, and the
    /// instances, the definitions and the deployments are the same; the rest the new leader has to learn again:
    ///
    /// * No task has a result of a health check before its next check; the counts of failures begin again. The readiness checks are
    ///   asked for anew, as [`Effect::Ready`](super::Effect::Ready); the checks asked for with [`Effect::Watch`](super::Effect::Watch) are to go on.
    /// * The current step of each deployment begins again, and knows only what is there now. A rollout under way therefore kills
    ///   again what is more than its minimum, healthy old tasks, whatever became of the new ones; and a scaling has nothing left to
    ///   start where as many instances are meant to run as it wants, though none of them may ever have been launched.
    /// * Delays after failures are over, statistics of offers begin again, and whoever waits for an offer waits since now.
    pub fn take_over(&mut self) {
        self.offers.clear();
        self.delays.clear();
        let now = self.now;
        for instance in self.instances.values_mut().flatten() {
            instance.health.fill(None);
            instance.readiness.clear();
            if instance.is_waiting() {
                instance.since = now;
            }
        }
        self.ask_whether_ready();
        for deployment in &mut self.deployments {
            deployment.running.clear();
        }
        self.settle();
    }

    fn ask_whether_ready(&mut self) {
        let running = self.all().filter(|i| i.condition == Condition::Running);
        let launches: Vec<Launch> = running.filter_map(|i| self.launch_of(i)).collect();
        for launch in launches {
            self.ask_until_ready(launch);
        }
    }
}

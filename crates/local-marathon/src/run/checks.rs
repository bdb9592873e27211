//! Making the health checks and readiness checks of what runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::engine::{Engine, Watched};
use super::probe::{self, Place};
use crate::definition::app::{App, HealthCheck, ReadinessCheck};
use crate::marathon::lock;
use crate::world::Launch;
use crate::world::instance::Readiness;

/// Shortest pause between two checks, for apps that ask for none.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(20);
/// However long an app wants to pause, so often is looked whether it is still there.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

impl Engine {
    /// Has the health checks of a version of an app made, each of them once, however often this is asked for.
    /// Whoever calls it holds the lock around the state.
    pub(super) fn watch(self: &Arc<Self>, app: &Arc<App>) {
        for (index, check) in app.health_checks().into_iter().enumerate() {
            let key = (app.id.clone(), app.version, index);
            if lock(&self.watched).insert(key.clone()) {
                let engine = Arc::clone(self);
                self.marathon
                    .tasks
                    .spawn(async move { engine.keep_checking(&key, &check).await });
            }
        }
    }

    /// One health check of a version of an app, on a timer of its own, as long as there is that version. A new leader begins with
    /// a pause, and a Marathon that is away makes none.
    async fn keep_checking(self: &Arc<Self>, watched: &Watched, check: &HealthCheck) {
        let interval = self.marathon.look(|w| w.real(check.interval));
        let interval = interval.max(SHORTEST_INTERVAL);
        let mut leadership = self.marathon.leadership();
        // by task: a look that hangs keeps the next one waiting
        let mut looks: BTreeMap<String, JoinHandle<()>> = BTreeMap::new();
        let mut due = Instant::now() + interval;
        loop {
            let woken = async {
                tokio::select! {
                    () = tokio::time::sleep_until(due.min(Instant::now() + LONGEST_SLEEP)) => false,
                    _ = leadership.changed() => true,
                }
            };
            let Some(is_new) = self.marathon.stopping.run_until_cancelled(woken).await else {
                return;
            };
            if is_new {
                looks.clear();
                due = Instant::now() + interval;
            }
            let Some(targets) = self.targets_or_end(watched, check) else {
                return;
            };
            if Instant::now() < due {
                continue;
            }
            due = Instant::now() + interval;
            if !self.marathon.faults.is_away() {
                looks.retain(|_, look| !look.is_finished());
                self.look(&mut looks, targets, watched.2, check);
            }
        }
    }

    /// Looks at each of these that is not being looked at.
    fn look(
        self: &Arc<Self>,
        looks: &mut BTreeMap<String, JoinHandle<()>>,
        targets: Vec<Launch>,
        index: usize,
        check: &HealthCheck,
    ) {
        let leader = *self.marathon.leadership().borrow();
        for target in targets {
            looks.entry(target.task.clone()).or_insert_with(|| {
                let (engine, check) = (Arc::clone(self), check.clone());
                self.marathon
                    .tasks
                    .spawn(async move { engine.look_at(&target, index, &check, leader).await })
            });
        }
    }

    /// What is to be checked now. Where the version is history, its watch ends under the same lock under which another
    /// one would begin.
    fn targets_or_end(&self, watched: &Watched, check: &HealthCheck) -> Option<Vec<Launch>> {
        self.marathon.look(|world| {
            let targets = world.targets(&watched.0, watched.1, check);
            if targets.is_none() {
                lock(&self.watched).remove(watched);
            }
            targets
        })
    }

    async fn look_at(
        self: &Arc<Self>,
        target: &Launch,
        index: usize,
        check: &HealthCheck,
        leader: u64,
    ) {
        let timeout = self.marathon.look(|w| w.real(check.timeout));
        let timeout = timeout.max(SHORTEST_INTERVAL);
        let sandbox = self.marathon.sandbox(&target.task);
        let place = Place {
            http: &self.http,
            sandbox: &sandbox,
            tools: self.marathon.options.tools.as_deref(),
        };
        let end = self.end_of(&target.task);
        if let Some(result) = probe::look(check, target, &place, timeout, end).await {
            self.marathon.hear(leader, |world| {
                world.health_result(&target.task, index, result);
            });
        }
    }

    /// The readiness checks of a task, until it is ready or gone, or another leader asks for them.
    pub(super) async fn keep_asking(self: &Arc<Self>, check: &ReadinessCheck, target: &Launch) {
        let mut leadership = self.marathon.leadership();
        let leader = *leadership.borrow_and_update();
        tokio::select! {
            () = self.ask_until_ready(check, target, leader) => {}
            _ = leadership.changed() => {}
            () = self.end_of(&target.task) => {}
        }
    }

    async fn ask_until_ready(&self, check: &ReadinessCheck, target: &Launch, leader: u64) {
        let (interval, timeout) = self
            .marathon
            .look(|w| (w.real(check.interval), w.real(check.timeout)));
        loop {
            if !self.marathon.faults.is_away() {
                let result = ask(&self.http, check, target, timeout).await;
                let ready = self
                    .marathon
                    .hear(leader, |world| world.readiness_result(&target.task, result));
                if ready == Some(true) {
                    return;
                }
            }
            tokio::time::sleep(interval.max(SHORTEST_INTERVAL)).await;
        }
    }
}

async fn ask(
    http: &reqwest::Client,
    check: &ReadinessCheck,
    target: &Launch,
    timeout: Duration,
) -> Readiness {
    let mut result = Readiness {
        name: check.name.clone(),
        ready: false,
        last: None,
    };
    let Some(port) = target.ports.get(check.port) else {
        return result;
    };
    let asked = async {
        let response = probe::get(http, "http", target.host, *port, &check.path)
            .await
            .ok()?;
        Some((response.status().as_u16(), probe::body(response).await))
    };
    if let Ok(Some((status, body))) = tokio::time::timeout(timeout, asked).await {
        result.ready = check.codes.contains(&u64::from(status));
        if check.keep_last {
            result.last = Some((status, String::new(), body));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::definition::id::Id;
    use crate::definition::tree::Tree;
    use crate::marathon::Marathon;
    use crate::options::{Pace, Resources};
    use crate::world::World;

    #[tokio::test]
    async fn a_check_that_begins_again_does_not_double_the_others() {
        let world = World::new(Pace::default(), Resources::default(), 1);
        let clock = Box::new(|| Timestamp::UNIX_EPOCH);
        let (marathon, mut effects) = Marathon::driven(world, clock);
        let engine = Engine::new(Arc::clone(&marathon)).unwrap();
        let mut change = |begin: &dyn Fn(&mut World)| {
            marathon.with(begin);
            while let Ok(effect) = effects.try_recv() {
                engine.carry_out(effect);
            }
        };
        let checks = json!({"healthChecks": [{"intervalSeconds": 0}, {"intervalSeconds": 1000}]});
        let body = checks.as_object().cloned().unwrap();
        let app = App::new(Id::absolute("/a"), body, Timestamp::UNIX_EPOCH);
        let mut tree = Tree::default();
        tree.put(app.clone());
        let (with, without, app) = (Arc::new(tree), Arc::new(Tree::default()), Arc::new(app));
        let begin = |world: &mut World| {
            world.tree = Arc::clone(&with);
            world.watch(&app);
        };
        change(&begin);
        change(&begin);
        assert_eq!(marathon.tasks.len(), 2);
        // the quick one finds that the app is gone, the slow one does not look yet
        change(&|world| world.tree = Arc::clone(&without));
        while marathon.tasks.len() == 2 {
            tokio::task::yield_now().await;
        }
        change(&begin);
        assert_eq!(marathon.tasks.len(), 2);
    }
}

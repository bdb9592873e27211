//! One picture of Marathon for all who follow something there: asked for once, however many want it at the same moment.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::client::Client;
use super::error::MarathonError;
use super::queue::QueueItem;
use super::watch::Watch;
use super::wire::{LiveApp, RunningDeployment};
use crate::clock::SharedClock;

/// What Marathon showed in one moment.
pub struct Snapshot {
    /// Which one: those that were begun later have a greater one.
    pub number: u64,
    /// The apps that carry the label, with their tasks.
    pub apps: BTreeMap<String, LiveApp>,
    /// All running deployments.
    pub deployments: Vec<RunningDeployment>,
    /// What waits to be launched.
    pub queue: Vec<QueueItem>,
}

/// The newest snapshot, or why there is none.
struct Taken {
    number: u64,
    began: Duration,
    took: Duration,
    /// How many events had been heard before.
    heard: u64,
    seen: Result<Arc<Snapshot>, MarathonError>,
}

/// What all share.
struct Shared {
    marathon: Client,
    watch: Watch,
    clock: SharedClock,
    label: &'static str,
    /// So old a snapshot may be, where nothing was heard since.
    fresh: Duration,
    /// So old it may be in any case: events come in bursts.
    burst: Duration,
    numbers: AtomicU64,
    newest: Mutex<Newest>,
    /// Somebody has looked.
    taken: Notify,
    waiting: AtomicUsize,
}

/// Marathon, as all see it.
#[derive(Clone)]
pub struct Picture(Arc<Shared>);

/// A moment: what is asked for after it was not there before.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moment(u64);

impl Client {
    /// A picture of the apps that carry `label`. A snapshot serves for `fresh`, and for `burst` where something was heard since.
    #[must_use]
    pub fn picture(
        &self,
        watch: &Watch,
        clock: SharedClock,
        label: &'static str,
        (fresh, burst): (Duration, Duration),
    ) -> Picture {
        Picture(Arc::new(Shared {
            marathon: self.clone(),
            watch: watch.clone(),
            clock,
            label,
            fresh,
            burst,
            numbers: AtomicU64::new(0),
            newest: Mutex::default(),
            taken: Notify::new(),
            waiting: AtomicUsize::new(0),
        }))
    }
}

impl Picture {
    /// Now. After a call to Marathon only a snapshot that was begun later decides.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment(self.0.numbers.load(Ordering::SeqCst))
    }

    /// How many wait for a snapshot that another takes.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::SeqCst)
    }

    /// A snapshot that was begun after `after`. Who asks while one is being taken waits for it.
    ///
    /// # Errors
    /// When Marathon does not answer; those who waited are told the same.
    pub async fn since(&self, after: Moment) -> Result<Arc<Snapshot>, MarathonError> {
        let shared = &self.0;
        let heard = loop {
            let mut taken = std::pin::pin!(shared.taken.notified());
            taken.as_mut().enable();
            match shared.turn(after) {
                Turn::Served(seen) => return seen,
                Turn::Own(heard) => break heard,
                Turn::Others => {
                    let waits = Waits::begin(shared);
                    taken.await;
                    drop(waits);
                }
            }
        };
        let taking = Taking(shared);
        let number = shared.numbers.fetch_add(1, Ordering::SeqCst) + 1;
        let began = shared.clock.elapsed();
        let seen = shared.take(number).await.map(Arc::new);
        let took = shared.clock.elapsed().saturating_sub(began);
        shared.newest().taken = Some(Taken {
            number,
            began,
            took,
            heard,
            seen: seen.clone(),
        });
        drop(taking);
        seen
    }
}

/// What was seen last, and whether somebody looks.
#[derive(Default)]
struct Newest {
    taken: Option<Taken>,
    taking: bool,
}

/// Whose turn it is to look.
enum Turn {
    /// Nobody's: what was seen last serves.
    Served(Result<Arc<Snapshot>, MarathonError>),
    /// That of who asks; so many events had been heard.
    Own(u64),
    /// Another's, who looks already.
    Others,
}

impl Newest {
    /// What was seen last, where that serves.
    fn served(
        &self,
        shared: &Shared,
        after: Moment,
        heard: u64,
    ) -> Option<Result<Arc<Snapshot>, MarathonError>> {
        let taken = self.taken.as_ref()?;
        let age = shared.clock.elapsed().saturating_sub(taken.began);
        let fresh = match &taken.seen {
            Ok(_) => shared.fresh.max(taken.took * 2),
            // those who waited are told, and who comes next asks again
            Err(_) => taken.took + shared.fresh,
        };
        let heard_since = taken.heard != heard && taken.seen.is_ok();
        let serves = taken.number > after.0 && age < fresh && (!heard_since || age < shared.burst);
        serves.then(|| taken.seen.clone())
    }
}

/// Somebody looks; where that breaks off, another does.
struct Taking<'a>(&'a Shared);

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.0.newest().taking = false;
        self.0.taken.notify_waiters();
    }
}

/// Somebody waits.
struct Waits<'a>(&'a Shared);

impl<'a> Waits<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.waiting.fetch_add(1, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn newest(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, after: Moment) -> Turn {
        let heard = *self.watch.changes().borrow();
        let mut newest = self.newest();
        if let Some(seen) = newest.served(self, after, heard) {
            return Turn::Served(seen);
        }
        if newest.taking {
            return Turn::Others;
        }
        newest.taking = true;
        Turn::Own(heard)
    }

    /// Deployments first: an app that is well after its deployment is gone is done.
    async fn take(&self, number: u64) -> Result<Snapshot, MarathonError> {
        let deployments = self.marathon.deployments().await?;
        let queue = self.marathon.queue().await?;
        let apps = self.marathon.apps_with_tasks(self.label).await?;
        Ok(Snapshot {
            number,
            apps: apps.into_iter().map(|a| (a.id.clone(), a)).collect(),
            deployments,
            queue,
        })
    }
}

/// What of Marathon each app of ours saw last, to know whose part has changed.
#[derive(Default)]
pub struct Parts {
    /// By the value of the label.
    known: BTreeMap<String, u64>,
    deployments: usize,
    blind: bool,
}

/// Whose part has changed.
pub struct Changed {
    /// Those whose services changed, by the value of the label.
    pub apps: BTreeSet<String>,
    /// Marathon was away, or there is room for another deployment.
    pub others: Others,
}

/// Who else may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// Nobody.
    Nobody,
    /// Who is next of those that wait for a busy Marathon.
    Next,
    /// All: Marathon answers again.
    All,
}

impl Parts {
    /// What has changed since the snapshot before.
    pub fn changed(&mut self, label: &str, seen: Option<&Snapshot>) -> Changed {
        let Some(seen) = seen else {
            self.blind = true;
            return Changed {
                apps: BTreeSet::new(),
                others: Others::Nobody,
            };
        };
        let mut queue: BTreeMap<&str, Vec<&QueueItem>> = BTreeMap::new();
        for item in &seen.queue {
            queue.entry(item.app()).or_default().push(item);
        }
        let mut hashers: BTreeMap<String, DefaultHasher> = BTreeMap::new();
        for app in seen.apps.values() {
            let Some(whose) = app.labels.get(label) else {
                continue;
            };
            let hasher = hashers.entry(whose.clone()).or_default();
            app.shows(hasher);
            for item in queue.get(app.id.as_str()).into_iter().flatten() {
                (item.count, item.is_due(), item.unused()).hash(hasher);
            }
        }
        let parts: BTreeMap<String, u64> = hashers
            .into_iter()
            .map(|(whose, hasher)| (whose, hasher.finish()))
            .collect();
        let whose = parts.keys().chain(self.known.keys());
        let apps = whose
            .filter(|w| parts.get(*w) != self.known.get(*w))
            .cloned()
            .collect();
        let others = if std::mem::take(&mut self.blind) {
            Others::All
        } else if seen.deployments.len() < self.deployments {
            Others::Next
        } else {
            Others::Nobody
        };
        self.known = parts;
        self.deployments = seen.deployments.len();
        Changed { apps, others }
    }
}

impl LiveApp {
    /// What makes a difference to who follows it.
    fn shows(&self, hasher: &mut DefaultHasher) {
        (&self.id, &self.version, self.instances).hash(hasher);
        self.deployments().hash(hasher);
        let failed = self.last_task_failure.as_ref().map(|f| &f.timestamp);
        failed.hash(hasher);
        for task in &self.tasks {
            (&task.id, &task.state, self.is_well(task)).hash(hasher);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn snapshot(tasks: &[(&str, bool)], deployments: usize) -> Snapshot {
        let apps = tasks.iter().map(|(whose, alive)| {
            let id = format!("/{whose}");
            let app = json!({
                "id": id, "version": "1", "instances": 1, "labels": {"DPLOY": whose},
                "healthChecks": [{}],
                "tasks": [{"id": "t", "state": "TASK_RUNNING", "healthCheckResults": [{"alive": alive, "lastSuccess": "now"}]}],
            });
            (id, LiveApp::read(app).unwrap())
        });
        let deployment = json!({"id": "d", "version": "1", "affectedApps": []});
        let deployment = || serde_json::from_value(deployment.clone()).unwrap();
        Snapshot {
            number: 1,
            apps: apps.collect(),
            deployments: (0..deployments).map(|_| deployment()).collect(),
            queue: Vec::new(),
        }
    }

    #[test]
    fn only_whose_part_changed_goes_on() {
        let mut parts = Parts::default();
        let mut see = |tasks: &[(&str, bool)], deployments| {
            let changed = parts.changed("DPLOY", Some(&snapshot(tasks, deployments)));
            let apps: Vec<String> = changed.apps.into_iter().collect();
            (apps.join(" "), changed.others)
        };
        let nobody = |apps: &str| (apps.to_owned(), Others::Nobody);
        assert_eq!(
            see(&[("blog", true), ("shop", false)], 2),
            nobody("blog shop")
        );
        assert_eq!(see(&[("blog", true), ("shop", false)], 2), nobody(""));
        assert_eq!(see(&[("blog", true), ("shop", true)], 2), nobody("shop"));
        assert_eq!(
            see(&[("shop", true)], 2),
            nobody("blog"),
            "one that is gone"
        );
        assert_eq!(see(&[("shop", true)], 1), (String::new(), Others::Next));
        assert_eq!(parts.changed("DPLOY", None).others, Others::Nobody);
        let back = parts.changed("DPLOY", Some(&snapshot(&[("shop", true)], 1)));
        assert_eq!((back.apps.len(), back.others), (0, Others::All));
    }
}

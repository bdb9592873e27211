//! A Marathon as its API and its pages see it: the state behind a lock, a clock, the switch for faults.
//!
//! What is to be done outside (start a process, kill one, begin to check) leaves by a channel, in the order in which the state asks
//! for it. `run` carries it out with processes of this machine. Whoever drives a Marathon without processes reads the channel
//! himself, says with [`Marathon::with`] what became of the tasks, and passes in the clock: then nothing here moves by itself.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::fault::Faults;
use crate::options::Options;
use crate::state_file;
use crate::world::{Effect, World};

/// When the state could not be saved, it is tried again after so long.
const SAVE_AGAIN: Duration = Duration::from_secs(1);

/// Tells the time.
pub type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// What became of a task.
type Report = Box<dyn FnOnce(&mut World) + Send>;

/// A lock, whatever happened to who had it before.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state of a Marathon with all that surrounds it but its tasks.
pub struct Marathon {
    world: Mutex<World>,
    clock: Clock,
    effects: mpsc::UnboundedSender<Effect>,
    /// None where nothing is kept.
    keeper: Option<Keeper>,
    /// Where things are kept and how fast they are.
    pub(crate) options: Options,
    /// What is wrong on purpose.
    pub(crate) faults: Faults,
    /// Ends timers and streams.
    pub(crate) stopping: CancellationToken,
    /// All that runs besides requests.
    pub(crate) tasks: TaskTracker,
    /// How often leadership has changed.
    leaders: watch::Sender<u64>,
    /// What became of tasks while no Marathon was there to hear it.
    untold: Mutex<Vec<Report>>,
}

/// Who has asked for a save, and who was served.
#[derive(Default)]
struct Keeper {
    changed: Notify,
    /// Numbers of those who wait for a save.
    tickets: AtomicU64,
    /// The last of them who was served.
    served: tokio::sync::Mutex<u64>,
}

impl Marathon {
    /// A Marathon with this state, and what it wants to be done. Nothing of it is kept; whoever drives it says what becomes of tasks.
    #[must_use]
    pub fn driven(world: World, clock: Clock) -> (Arc<Self>, mpsc::UnboundedReceiver<Effect>) {
        let options = Options {
            dir: PathBuf::new(),
            tools: None,
            pace: world.pace.clone(),
            resources: world.resources.clone(),
            credentials: None,
        };
        Self::build(world, options, clock, None)
    }

    /// A Marathon with this state, which is written into `options.dir`, and what it wants to be done.
    pub(crate) fn kept(
        world: World,
        options: Options,
        clock: Clock,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Effect>) {
        Self::build(world, options, clock, Some(Keeper::default()))
    }

    fn build(
        world: World,
        options: Options,
        clock: Clock,
        keeper: Option<Keeper>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Effect>) {
        let (effects, wanted) = mpsc::unbounded_channel();
        let marathon = Self {
            world: Mutex::new(world),
            clock,
            effects,
            keeper,
            options,
            faults: Faults::default(),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            leaders: watch::Sender::new(0),
            untold: Mutex::default(),
        };
        (Arc::new(marathon), wanted)
    }

    /// Looks at the state or changes it; what follows from the change is done too, or asked for.
    pub fn with<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = lock(&self.world);
        world.now = (self.clock)();
        let result = change(&mut world);
        world.settle();
        // under the lock, so that a task is always launched before it is killed
        for effect in std::mem::take(&mut world.effects) {
            // nobody does anything any more when it stops
            let _ = self.effects.send(effect);
        }
        if let Some(keeper) = self.keeper.as_ref().filter(|_| world.dirty) {
            keeper.changed.notify_one();
        }
        result
    }

    /// Looks at the state.
    pub fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        let mut world = lock(&self.world);
        world.now = (self.clock)();
        look(&world)
    }

    /// The switch for faults.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Agents make their offers.
    pub fn make_offers(&self) {
        let state = self.faults.state();
        if state.restart.is_some() {
            return;
        }
        let no_offers = state.no_offers;
        self.with(|world| {
            world.no_offers = no_offers;
            world.make_offers();
        });
    }

    /// The number of instances of each app is put right.
    pub(crate) fn check_scales(&self) {
        if !self.faults.is_away() {
            self.with(World::check_all_scales);
        }
    }

    /// What became of a task; told as soon as there is a Marathon to hear it.
    pub(crate) fn report(&self, report: impl FnOnce(&mut World) + Send + 'static) {
        let mut untold = lock(&self.untold);
        if self.faults.is_away() || !untold.is_empty() {
            untold.push(Box::new(report));
        } else {
            self.with(report);
        }
    }

    /// What a check says, for the leader that asked. No other hears it, nor does one that is away.
    pub(crate) fn hear<T>(&self, leader: u64, hear: impl FnOnce(&mut World) -> T) -> Option<T> {
        self.with(|world| {
            let hears = *self.leaders.borrow() == leader && !self.faults.is_away();
            hears.then(|| hear(world))
        })
    }

    /// Changes leadership, from this Marathon to itself: event streams end, and [`World::take_over`] says what the new leader knows.
    /// It ends a restart, and then hears what tasks did meanwhile.
    ///
    /// It is elected at once, being alone. With a real Marathon the old leader answers `There is no leader` for about a second, then
    /// its process exits, and a standby leads.
    pub fn change_leader(&self) {
        let mut untold = lock(&self.untold);
        self.leaders.send_modify(|count| *count += 1);
        self.with(|world| {
            // nobody sees what the old leader knew
            self.faults.end_restart();
            world.take_over();
        });
        for report in untold.drain(..) {
            self.with(report);
        }
    }

    /// The number of the present leader; changes when leadership does.
    pub(crate) fn leadership(&self) -> watch::Receiver<u64> {
        self.leaders.subscribe()
    }

    /// Where the files of a task are.
    pub(crate) fn sandbox(&self, task: &str) -> PathBuf {
        self.options.dir.join("sandboxes").join(task)
    }

    /// What is worth saving of the present state.
    #[must_use]
    pub fn state(&self) -> state_file::State {
        state_file::snapshot(&lock(&self.world))
    }

    /// Returns when everything that has changed so far is in the file.
    ///
    /// # Errors
    /// When it could not be written; it is tried again then.
    pub(crate) async fn saved(self: &Arc<Self>) -> anyhow::Result<()> {
        let Some(keeper) = &self.keeper else {
            return Ok(());
        };
        let ticket = keeper.tickets.fetch_add(1, Ordering::SeqCst) + 1;
        let marathon = Arc::clone(self);
        // a task of its own: it must come to its end when whoever waits for it is gone
        let saving = self.tasks.spawn(async move { marathon.save(ticket).await });
        saving.await.context("saving the state")?
    }

    /// Saves whatever changes, until it stops.
    pub(crate) async fn keep_saving(&self) {
        let Some(keeper) = &self.keeper else { return };
        while self
            .stopping
            .run_until_cancelled(keeper.changed.notified())
            .await
            .is_some()
        {
            while self.save(u64::MAX).await.is_err() {
                let pause = tokio::time::sleep(SAVE_AGAIN);
                if self.stopping.run_until_cancelled(pause).await.is_none() {
                    return;
                }
            }
        }
    }

    pub(crate) async fn save_at_last(&self) {
        lock(&self.world).dirty = true;
        // what is wrong was logged
        let _ = self.save(u64::MAX).await;
    }

    /// Saves what is not saved, for everybody who has waited so far: whoever takes a ticket has made his change before.
    async fn save(&self, ticket: u64) -> anyhow::Result<()> {
        let Some(keeper) = &self.keeper else {
            return Ok(());
        };
        let mut served = keeper.served.lock().await;
        if *served >= ticket || !lock(&self.world).dirty {
            return Ok(());
        }
        let last = keeper.tickets.load(Ordering::SeqCst);
        let state = {
            let mut world = lock(&self.world);
            world.dirty = false;
            state_file::snapshot(&world)
        };
        let written = state_file::write(&self.options.dir, state).await;
        match &written {
            Ok(()) => *served = last,
            Err(error) => {
                lock(&self.world).dirty = true;
                tracing::warn!(error = %error, "the local Marathon cannot save its state");
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{FaultChange, Restart};
    use crate::options::{Pace, Resources};

    fn marathon() -> Arc<Marathon> {
        let world = World::new(Pace::default(), Resources::default(), 1);
        Marathon::driven(world, Box::new(|| Timestamp::UNIX_EPOCH)).0
    }

    #[test]
    fn who_is_away_hears_at_the_return_what_tasks_did_and_never_what_checks_said() {
        let marathon = marathon();
        let number = || marathon.look(|world| world.offer_number);
        let leader = *marathon.leadership().borrow();
        marathon.report(|world| world.offer_number = 1);
        assert_eq!(number(), 1, "who is there hears at once");
        marathon.faults.apply(FaultChange {
            restart: Some(Restart { away_ms: 1 }),
            ..FaultChange::default()
        });
        marathon.report(|world| world.offer_number += 1);
        marathon.report(|world| world.offer_number *= 10);
        let heard = marathon.hear(leader, |world| world.offer_number = 0);
        assert_eq!((number(), heard), (1, None));
        marathon.change_leader();
        assert_eq!(number(), 20, "in order");
        assert!(!marathon.faults.is_away());
        let heard = |leader: u64| marathon.hear(leader, |_| ()).is_some();
        assert!(!heard(leader), "another one asked");
        assert!(heard(leader + 1));
        marathon.change_leader();
        assert_eq!(number(), 20, "it is told once");
    }
}

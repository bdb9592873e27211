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
    /// A Marathon with this state, and what it wants to be done. `kept`: its state is written into `options.dir`.
    #[must_use]
    pub fn new(
        world: World,
        options: Options,
        clock: Clock,
        kept: bool,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Effect>) {
        let (effects, wanted) = mpsc::unbounded_channel();
        let marathon = Self {
            world: Mutex::new(world),
            clock,
            effects,
            keeper: kept.then(Keeper::default),
            options,
            faults: Faults::default(),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            leaders: watch::Sender::new(0),
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
        let no_offers = self.faults.state().no_offers;
        self.with(|world| {
            world.no_offers = no_offers;
            world.make_offers();
        });
    }

    /// Changes leadership, from this Marathon to itself: event streams end, and [`World::take_over`] says what the new leader knows.
    ///
    /// It is elected at once, being alone. With a real Marathon the old leader answers `There is no leader` for about a second, then
    /// its process exits, and a standby leads.
    pub fn change_leader(&self) {
        self.leaders.send_modify(|count| *count += 1);
        self.with(World::take_over);
    }

    /// The number of the present leader; changes when leadership does.
    pub(crate) fn leadership(&self) -> watch::Receiver<u64> {
        self.leaders.subscribe()
    }

    /// Where the files of a task are.
    pub(crate) fn sandbox(&self, task: &str) -> PathBuf {
        self.options.dir.join("sandboxes").join(task)
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

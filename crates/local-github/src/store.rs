//! The world in memory and in its folder: `state.json`, `deliveries.jsonl`, and the newest push beside each repository's objects.
//!
//! Whoever needs a change to be on disk waits for [`Store::durable`]; everything else is written soon, and again until it works.
//! What is written is a copy: nobody who reads or changes the world waits for the disk.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use local_kit::file;
use tokio::sync::Notify;

use super::journal::Journal;
use super::state::{Delivery, Payload, Repository, World};

/// What could not be saved is tried again after so long.
const SAVE_AGAIN: Duration = Duration::from_secs(1);

/// What the local GitHub knows.
#[derive(Debug)]
pub struct Store {
    present: Mutex<Present>,
    /// Something is to be written.
    changed: Notify,
    /// Who may write next: they wait here, and not in threads.
    turn: Arc<tokio::sync::Mutex<()>>,
    disk: Mutex<Disk>,
}

#[derive(Debug, Clone)]
struct Present {
    world: World,
    /// Counts changes, but for deliveries.
    version: u64,
}

/// The folder.
#[derive(Debug)]
struct Disk {
    files: Files,
    journal: Journal,
    /// The folder is somebody else's now.
    closed: bool,
}

/// All files but the journal.
#[derive(Debug)]
struct Files {
    dir: PathBuf,
    /// The version that is in `state.json`.
    version: u64,
    /// The newest pushes that are in files, by repository.
    pushes: HashMap<u64, Payload>,
}

impl Store {
    /// Reads what is in the folder, or begins anew where nothing is.
    ///
    /// # Errors
    /// When something is there and cannot be read, or nothing can be written.
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        let mut world = file::read_json::<World>(&state_file(dir))?.unwrap_or_default();
        let mut pushes = HashMap::new();
        for repository in &mut world.repositories {
            let push = push_file(dir, repository);
            if let Some(text) = file::read(&push)? {
                let text = String::from_utf8(text);
                let push: Payload = text
                    .with_context(|| format!("reading {}", push.display()))?
                    .into();
                pushes.insert(repository.id, push.clone());
                repository.last_push.get_or_insert(push);
            }
        }
        for delivery in Journal::read(dir)? {
            // the state of an earlier release has deliveries in it, and they may be in both
            if delivery.id > world.deliveries.newest() {
                world.record(delivery);
            }
        }
        let mut files = Files {
            dir: dir.to_owned(),
            version: 0,
            pushes,
        };
        let present = Present { world, version: 0 };
        // in this order: ids of what leaves the journal are known to the state by then
        files.write(&present)?;
        let disk = Disk {
            journal: Journal::write(dir, &present.world.deliveries)?,
            files,
            closed: false,
        };
        Ok(Self {
            present: Mutex::new(present),
            changed: Notify::new(),
            turn: Arc::default(),
            disk: Mutex::new(disk),
        })
    }

    pub fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&lock(&self.present).world)
    }

    /// Changes the world; [`Store::keep`] will write it.
    pub fn change<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let mut present = lock(&self.present);
        present.version += 1;
        self.changed.notify_one();
        act(&mut present.world)
    }

    /// Records an attempt to call a hook, which gets its id.
    pub fn record(&self, mut delivery: Delivery) {
        let mut present = lock(&self.present);
        delivery.id = present.world.new_id();
        present.world.record(delivery);
        self.changed.notify_one();
    }

    /// Returns when everything changed so far is on disk, but for deliveries.
    ///
    /// # Errors
    /// When it could not be written; the change is made, and it is tried again.
    pub async fn durable(self: &Arc<Self>) -> anyhow::Result<()> {
        let wanted = lock(&self.present).version;
        let saved = self.save(move |store, disk| {
            if disk.files.version < wanted {
                disk.files.write(&store.copy())?;
            }
            Ok(())
        });
        saved.await.context("the state cannot be saved")
    }

    /// Finds out whether a change could be saved now: before something that cannot be taken back.
    ///
    /// # Errors
    /// When it could not.
    pub async fn ready(self: &Arc<Self>) -> anyhow::Result<()> {
        self.change(|_| ());
        self.durable().await
    }

    /// Writes whatever changes, and again until it works; never ends, is dropped.
    pub async fn keep(self: Arc<Self>) {
        loop {
            self.changed.notified().await;
            while let Err(error) = self.save(Self::write).await {
                tracing::warn!("the local GitHub cannot save its state: {error:#}");
                tokio::time::sleep(SAVE_AGAIN).await;
            }
        }
    }

    /// Writes for the last time: whoever comes next in this folder may write then.
    pub async fn close(self: &Arc<Self>) {
        if let Err(error) = self.save(Self::write).await {
            tracing::warn!("the local GitHub could not save its state at the end: {error:#}");
        }
        self.abandon();
    }

    /// Writes no more. Waits for a write that is under way.
    pub fn abandon(&self) {
        lock(&self.disk).closed = true;
    }

    fn copy(&self) -> Present {
        lock(&self.present).clone()
    }

    /// Writes what is not written: the state, and the deliveries.
    fn write(&self, disk: &mut Disk) -> anyhow::Result<()> {
        let present = self.copy();
        if disk.files.version < present.version {
            disk.files.write(&present)?;
        }
        disk.journal.add(&present.world.deliveries)?;
        if disk.journal.has_doubled() {
            // as in `open`
            disk.files.write(&present)?;
            disk.journal = Journal::write(&disk.files.dir, &present.world.deliveries)?;
        }
        Ok(())
    }

    /// Does something with the disk, one at a time and where it holds nobody up; to its end, also when nobody waits any more.
    async fn save(
        self: &Arc<Self>,
        act: impl FnOnce(&Self, &mut Disk) -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let store = Arc::clone(self);
        let saving = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut disk = lock(&store.disk);
            ensure!(!disk.closed, "the local GitHub has stopped");
            act(&store, &mut disk)
        });
        saving.await?
    }
}

impl Files {
    /// Writes the state, and what is new of the pushes.
    fn write(&mut self, present: &Present) -> anyhow::Result<()> {
        for repository in &present.world.repositories {
            self.write_push(repository)?;
        }
        let text = serde_json::to_vec(&present.world)?;
        file::write_whole(&state_file(&self.dir), [Ok(text)])?;
        self.version = present.version;
        Ok(())
    }

    fn write_push(&mut self, repository: &Repository) -> anyhow::Result<()> {
        let path = push_file(&self.dir, repository);
        match (&repository.last_push, self.pushes.get(&repository.id)) {
            (None, None) => {}
            (Some(push), Some(known)) if push.is(known) => {}
            // somebody has removed the whole repository
            (Some(_), _) if path.parent().is_none_or(|folder| !folder.exists()) => {}
            (Some(push), _) => {
                file::write_whole(&path, [Ok(push.as_bytes().to_vec())])?;
                self.pushes.insert(repository.id, push.clone());
            }
            (None, Some(_)) => {
                std::fs::remove_file(&path)
                    .or_else(missing_is_fine)
                    .with_context(|| format!("removing {}", path.display()))?;
                self.pushes.remove(&repository.id);
            }
        }
        Ok(())
    }
}

fn missing_is_fine(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

fn state_file(dir: &Path) -> PathBuf {
    dir.join("state.json")
}

fn push_file(dir: &Path, repository: &Repository) -> PathBuf {
    repository.folder(dir).join("last-push.json")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;
    use crate::state::{Hook, HookConfig, LastResponse};

    fn hook(id: u64) -> Hook {
        Hook {
            id,
            repository: 1,
            active: true,
            events: Vec::new(),
            config: HookConfig {
                url: String::new(),
                content_type: String::new(),
                insecure_ssl: String::new(),
                secret: None,
            },
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            last_response: LastResponse::none(),
        }
    }

    fn delivery(hook: u64, payload: usize) -> Delivery {
        Delivery {
            id: 0,
            hook,
            repository: 1,
            guid: String::new(),
            event: "push".to_owned(),
            redelivery: false,
            delivered_at: Timestamp::UNIX_EPOCH,
            duration: 0.0,
            status: "OK".to_owned(),
            status_code: 200,
            url: String::new(),
            request_headers: BTreeMap::new(),
            payload: "x".repeat(payload).into(),
            response_headers: BTreeMap::new(),
            response_body: String::new(),
        }
    }

    fn write(store: &Store) {
        store.write(&mut lock(&store.disk)).unwrap();
    }

    #[test]
    fn the_journal_is_written_anew_when_it_has_doubled_and_nothing_is_forgotten_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.change(|world| world.hooks.extend([hook(7), hook(8)]));
        write(&store);
        store.record(delivery(7, 1));
        let mut largest = 0;
        for _ in 0..2000 {
            store.record(delivery(8, 4 << 10));
            write(&store);
            let length = std::fs::metadata(dir.path().join("deliveries.jsonl"))
                .unwrap()
                .len();
            largest = largest.max(length);
        }
        // 500 are kept, a little more than two megabytes
        assert!((3 << 20..6 << 20).contains(&largest), "{largest}");
        let newest = store.read(|world| world.deliveries.newest());
        let again = Store::open(dir.path()).unwrap();
        again.read(|world| {
            assert_eq!(world.deliveries.iter().count(), 500);
            assert_eq!(world.deliveries.newest(), newest);
            let last = &world.hook(7).unwrap().last_response;
            assert_eq!(last.code, Some(200), "its delivery is long gone");
        });
    }

    #[test]
    fn an_id_is_not_given_out_again_after_its_delivery_has_left_the_journal() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let file = state_file(dir.path());
        let before = std::fs::read(&file).unwrap();
        store.change(|world| world.hooks.push(hook(7)));
        store.record(delivery(7, 1));
        write(&store);
        let newest = store.read(|world| world.deliveries.newest());
        // a state that knows neither the hook nor the id
        std::fs::write(&file, before).unwrap();
        let again = Store::open(dir.path()).unwrap();
        assert_eq!(again.read(|world| world.deliveries.newest()), 0);
        let again = Store::open(dir.path()).unwrap();
        assert_eq!(again.change(World::new_id), newest + 1);
    }
}

//! What the local GitHub remembers: repositories, hooks with their secrets, deliveries, statuses; one file of mode 0600.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// GitHub keeps deliveries for three days; here the youngest of them are kept.
const DELIVERIES: usize = 500;
/// And no more than this of their payloads, in bytes.
const PAYLOADS: usize = 64 << 20;

/// A repository; its objects live in `<dir>/<owner>/<name>.git`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Repository {
    pub id: u64,
    pub owner: String,
    pub name: String,
    pub default_branch: String,
    #[serde(default)]
    pub description: Option<String>,
    pub created_at: Timestamp,
    pub pushed_at: Timestamp,
    /// The payload of the newest push, for `POST …/hooks/{id}/tests`.
    pub last_push: Option<String>,
}

impl Repository {
    /// An empty one, still without its id.
    pub fn new(owner: &str, name: &str, default_branch: &str, now: Timestamp) -> Self {
        Self {
            id: 0,
            owner: owner.to_owned(),
            name: name.to_owned(),
            default_branch: default_branch.to_owned(),
            description: None,
            created_at: now,
            pushed_at: now,
            last_push: None,
        }
    }

    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}

/// A webhook of a repository.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hook {
    pub id: u64,
    pub repository: u64,
    pub active: bool,
    pub events: Vec<String>,
    pub config: HookConfig,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub last_response: LastResponse,
}

impl Hook {
    /// Whether the hook asked for this event.
    pub fn wants(&self, event: &str) -> bool {
        self.events.iter().any(|e| e == event || e == "*")
    }
}

/// Where and how a hook is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookConfig {
    pub url: String,
    pub content_type: String,
    pub insecure_ssl: String,
    pub secret: Option<String>,
}

/// How the last delivery of a hook went.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LastResponse {
    pub code: Option<u16>,
    pub status: String,
    pub message: Option<String>,
}

/// One attempt to call a hook.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delivery {
    pub id: u64,
    pub hook: u64,
    pub repository: u64,
    /// Names the event; shared by all hooks and attempts.
    pub guid: String,
    pub event: String,
    pub redelivery: bool,
    pub delivered_at: Timestamp,
    /// Seconds.
    pub duration: f64,
    /// `OK`, or what went wrong in words.
    pub status: String,
    /// Where there was no answer: 502, 504 (too late) or 500 (broken off).
    pub status_code: u16,
    pub url: String,
    pub request_headers: BTreeMap<String, String>,
    /// The JSON text as it was signed (a form hook sends it encoded).
    pub payload: String,
    pub response_headers: BTreeMap<String, String>,
    pub response_body: String,
}

impl Delivery {
    pub fn succeeded(&self) -> bool {
        self.status == "OK"
    }
}

/// A commit status.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    pub id: u64,
    pub repository: u64,
    pub sha: String,
    pub state: String,
    pub target_url: Option<String>,
    pub description: Option<String>,
    pub context: String,
    pub creator: String,
    pub created_at: Timestamp,
}

impl Status {
    /// Whether both say something of the same thing; contexts are compared without regard to case.
    pub fn replaces(&self, other: &Self) -> bool {
        let same = self.repository == other.repository && self.sha == other.sha;
        same && self.context.eq_ignore_ascii_case(&other.context)
    }
}

/// All that is remembered.
#[derive(Debug, Serialize, Deserialize)]
pub struct World {
    next_id: u64,
    pub repositories: Vec<Repository>,
    pub hooks: Vec<Hook>,
    /// Oldest first.
    pub deliveries: VecDeque<Delivery>,
    pub statuses: Vec<Status>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            next_id: 1_000_001,
            repositories: Vec::new(),
            hooks: Vec::new(),
            deliveries: VecDeque::new(),
            statuses: Vec::new(),
        }
    }
}

impl World {
    /// A number that was never given out before, for whatever needs one.
    pub fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Finds a repository by its name, which GitHub compares without regard to case.
    pub fn repository(&self, owner: &str, name: &str) -> Option<&Repository> {
        let mut all = self.repositories.iter();
        all.find(|r| r.owner.eq_ignore_ascii_case(owner) && r.name.eq_ignore_ascii_case(name))
    }

    pub fn repository_mut(&mut self, id: u64) -> Option<&mut Repository> {
        self.repositories.iter_mut().find(|r| r.id == id)
    }

    pub fn hook(&self, id: u64) -> Option<&Hook> {
        self.hooks.iter().find(|h| h.id == id)
    }

    pub fn hook_mut(&mut self, id: u64) -> Option<&mut Hook> {
        self.hooks.iter_mut().find(|h| h.id == id)
    }

    /// Records an attempt, and forgets the oldest where there are too many.
    pub fn record(&mut self, delivery: Delivery) {
        self.deliveries.push_back(delivery);
        let mut bytes: usize = self.deliveries.iter().map(|d| d.payload.len()).sum();
        while self.deliveries.len() > DELIVERIES || bytes > PAYLOADS {
            let Some(gone) = self.deliveries.pop_front() else {
                break;
            };
            bytes -= gone.payload.len();
        }
    }
}

/// The world in memory and on disk.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    world: Mutex<World>,
    changes: watch::Sender<u64>,
    saved: watch::Sender<u64>,
    /// Held while the file is written; says whether that was the last time.
    closed: Mutex<bool>,
}

impl Store {
    /// Reads `<dir>/state.json`, or begins anew where there is none.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join("state.json");
        let world = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| {
                format!("{} is damaged; remove it to begin anew", path.display())
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => World::default(),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        Ok(Self {
            path,
            world: Mutex::new(world),
            changes: watch::Sender::new(0),
            saved: watch::Sender::new(0),
            closed: Mutex::new(false),
        })
    }

    pub fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.world.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the world; [`Store::keep`] will write it.
    pub fn change<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let done = act(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner));
        self.changes.send_modify(|n| *n += 1);
        done
    }

    /// Waits until everything changed so far is on disk.
    pub async fn durable(&self) {
        let wanted = *self.changes.borrow();
        // fails only when the store is gone, and we hold it
        let _ = self.saved.subscribe().wait_for(|n| *n >= wanted).await;
    }

    /// Writes the file whenever the world changed; never ends, is dropped.
    pub async fn keep(self: Arc<Self>) {
        let mut changes = self.changes.subscribe();
        loop {
            let change = *changes.borrow_and_update();
            let store = Arc::clone(&self);
            let _ = tokio::task::spawn_blocking(move || store.save(change)).await;
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Writes the file for the last time: whoever comes next in this directory may write it then.
    pub fn close(&self) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        self.write_or_warn();
        *closed = true;
    }

    /// Writes the file now. A failure is logged: the world in memory goes on.
    fn save(&self, change: u64) {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if !*closed {
            self.write_or_warn();
        }
        self.saved.send_modify(|n| *n = change.max(*n));
    }

    fn write_or_warn(&self) {
        if let Err(error) = self.write() {
            let path = self.path.display();
            tracing::warn!(%path, "the local GitHub could not save its state: {error:#}");
        }
    }

    fn write(&self) -> anyhow::Result<()> {
        let text = self.read(serde_json::to_vec)?;
        let new = self.path.with_extension("json.new");
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&text)?;
        std::fs::rename(&new, &self.path)?;
        Ok(())
    }
}

//! What the local GitHub remembers: repositories, hooks with their secrets, deliveries, statuses.
//!
//! The large parts are shared, so that a copy of the world costs little: it is written from a copy while the world goes on.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

/// GitHub keeps deliveries for three days; here the youngest of them are kept.
const DELIVERIES: usize = 500;
/// And no more than this of their payloads, in bytes.
const PAYLOADS: usize = 64 << 20;

/// Statuses in all: some of each delivery that is kept, which is more than anybody looks at.
const STATUSES: usize = 5000;

/// The JSON text of an event, which may be large and is in many places.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "String")]
pub struct Payload(Arc<str>);

impl Payload {
    /// Whether it is the very same, without reading it.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl Deref for Payload {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// A repository; its objects live in `<dir>/<owner>/<name>.git`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Repository {
    pub id: u64,
    pub owner: String,
    pub name: String,
    pub default_branch: String,
    #[serde(default)]
    pub description: Option<String>,
    /// Over REST it is there only for tokens with the scope `repo`.
    #[serde(default)]
    pub private: bool,
    pub created_at: Timestamp,
    pub pushed_at: Timestamp,
    /// The payload of the newest push, for `POST …/hooks/{id}/tests`. In a file of its own.
    #[serde(default, skip_serializing)]
    pub last_push: Option<Payload>,
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
            private: false,
            created_at: now,
            pushed_at: now,
            last_push: None,
        }
    }

    /// Where git has it, in the folder of the local GitHub.
    pub fn folder(&self, dir: &Path) -> PathBuf {
        dir.join(&self.owner).join(format!("{}.git", self.name))
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

impl LastResponse {
    /// Of a hook that was never called.
    pub fn none() -> Self {
        Self {
            code: None,
            status: "unused".to_owned(),
            message: None,
        }
    }

    fn of(delivery: &Delivery) -> Self {
        let worked = delivery.succeeded();
        Self {
            code: Some(delivery.status_code),
            status: if worked { "active" } else { "misconfigured" }.to_owned(),
            message: Some(delivery.status.clone()),
        }
    }
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
    pub payload: Payload,
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
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct World {
    next_id: u64,
    pub repositories: Vec<Repository>,
    pub hooks: Vec<Hook>,
    /// In a file of their own.
    #[serde(default, skip_serializing)]
    pub deliveries: Deliveries,
    /// Oldest first.
    #[serde(with = "shared")]
    statuses: VecDeque<Arc<Status>>,
}

/// The youngest deliveries, oldest first.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "Vec<Delivery>")]
pub struct Deliveries {
    all: VecDeque<Arc<Delivery>>,
    /// Of their payloads.
    bytes: usize,
}

impl From<Vec<Delivery>> for Deliveries {
    fn from(all: Vec<Delivery>) -> Self {
        let mut kept = Self::default();
        for delivery in all {
            kept.push(delivery);
        }
        kept
    }
}

impl Deliveries {
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Delivery>> {
        self.all.iter()
    }

    /// One of a hook.
    pub fn find(&self, hook: u64, id: u64) -> Option<Arc<Delivery>> {
        let found = self.all.binary_search_by_key(&id, |d| d.id).ok()?;
        Some(&self.all[found]).filter(|d| d.hook == hook).cloned()
    }

    /// Those that came after the one with this id.
    pub fn since(&self, id: u64) -> impl Iterator<Item = &Arc<Delivery>> {
        let known = self.all.partition_point(|d| d.id <= id);
        self.all.range(known..)
    }

    /// The id of the youngest, or 0.
    pub fn newest(&self) -> u64 {
        self.all.back().map_or(0, |d| d.id)
    }

    /// Forgets the oldest where there are too many.
    fn push(&mut self, delivery: Delivery) {
        self.bytes += delivery.payload.len();
        self.all.push_back(Arc::new(delivery));
        while self.all.len() > DELIVERIES || self.bytes > PAYLOADS {
            let Some(gone) = self.all.pop_front() else {
                break;
            };
            self.bytes -= gone.payload.len();
        }
    }

    fn forget(&mut self, hook: u64) {
        self.all.retain(|d| d.hook != hook);
        self.bytes = self.all.iter().map(|d| d.payload.len()).sum();
    }
}

/// A list of what is shared, as a list of what it is.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<'a, S, T, I>(list: &'a I, serializer: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
        T: Serialize + 'a,
        &'a I: IntoIterator<Item = &'a Arc<T>>,
    {
        serializer.collect_seq(list.into_iter().map(|item| &**item))
    }

    pub fn deserialize<'de, D, T, I>(deserializer: D) -> Result<I, D::Error>
    where
        D: Deserializer<'de>,
        T: Deserialize<'de>,
        I: FromIterator<Arc<T>>,
    {
        let list = Vec::<T>::deserialize(deserializer)?;
        Ok(list.into_iter().map(Arc::new).collect())
    }
}

impl Default for World {
    fn default() -> Self {
        Self {
            next_id: 1_000_001,
            repositories: Vec::new(),
            hooks: Vec::new(),
            deliveries: Deliveries::default(),
            statuses: VecDeque::new(),
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

    /// Takes a hook away, and what is known of it.
    pub fn remove_hook(&mut self, id: u64) {
        self.hooks.retain(|h| h.id != id);
        self.deliveries.forget(id);
    }

    /// Records an attempt to call a hook, unless the hook is gone.
    pub fn record(&mut self, delivery: Delivery) {
        self.next_id = self.next_id.max(delivery.id.saturating_add(1));
        if let Some(hook) = self.hook_mut(delivery.hook) {
            hook.last_response = LastResponse::of(&delivery);
            self.deliveries.push(delivery);
        }
    }

    /// What was said of a commit, newest first.
    pub fn statuses<'a>(
        &'a self,
        repository: u64,
        sha: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Status>> {
        let own = move |s: &&Arc<Status>| s.repository == repository && s.sha == sha;
        self.statuses.iter().rev().filter(own)
    }

    /// Adds a status, and forgets the oldest of all where there are too many.
    pub fn say(&mut self, status: Status) {
        self.statuses.push_back(Arc::new(status));
        while self.statuses.len() > STATUSES {
            self.statuses.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_statuses_the_youngest_are_kept() {
        let mut world = World::default();
        for id in 1..=STATUSES as u64 + 2 {
            world.say(Status {
                id,
                repository: 1,
                sha: "a".to_owned(),
                state: "pending".to_owned(),
                target_url: None,
                description: None,
                context: format!("context {id}"),
                creator: "ana".to_owned(),
                created_at: Timestamp::UNIX_EPOCH,
            });
        }
        let ids: Vec<u64> = world.statuses(1, "a").map(|status| status.id).collect();
        assert_eq!(ids.len(), STATUSES);
        assert_eq!((ids[0], ids[STATUSES - 1]), (STATUSES as u64 + 2, 3));
    }
}

//! What several tests of the log and the history need: names, commands, a clock that ticks, and a data folder
//! with a store in it that can be opened, copied, read raw and damaged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use dploy_observer::clock::{Clock, SharedClock};
use dploy_observer::event::{
    Action, AppSettings, ApplyIntended, Call, CommitInfo, DeployRef, Event, Fact, Intended,
    Outcome, Planned, ResumeWhen, Scale, Source, SpecFile, Via, Visibility,
};
use dploy_observer::history::{Answer, Command, Push, Registering, Target};
use dploy_observer::id::{AppId, BlobId, CommitId, DeployNumber, ServiceId, SpecHash};
use dploy_observer::store::{EventFilter, Report, Store, StoreError, database, verify};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

pub const OPERATOR: &str = "operator:mh";
pub const OBSERVER: &str = "observer";
pub const GITHUB: &str = "github:ana";

/// An app's name.
pub fn name(text: &str) -> AppId {
    text.parse().unwrap()
}

/// The commit that is written as this digit, forty times.
pub fn commit(digit: u8) -> CommitId {
    format!("{digit:x}").repeat(40).parse().unwrap()
}

pub fn service(id: &str) -> ServiceId {
    id.parse().unwrap()
}

pub fn spec(digit: u8) -> SpecHash {
    format!("{digit:x}").repeat(32).parse().unwrap()
}

pub fn source(app: &AppId) -> Source {
    Source {
        repository_id: app.as_str().bytes().map(u64::from).sum(),
        repository: format!("acme/{app}").parse().unwrap(),
        branch: "main".parse().unwrap(),
        visibility: Visibility::Public,
    }
}

/// Registers the app at this head.
pub fn register(app: &AppId, head: u8) -> Command {
    Command::Register(Box::new(Registering {
        source: source(app),
        settings: AppSettings::default(),
        head: commit(head),
        info: None,
    }))
}

/// The payload GitHub would send: the branch went from one commit to the other.
pub fn push(before: u8, after: u8) -> Push {
    Push {
        via: Via::Webhook,
        delivery: None,
        git_ref: "refs/heads/main".to_owned(),
        before: Some(commit(before)),
        after: commit(after),
        forced: false,
        info: Some(CommitInfo {
            message: format!("commit {after:x}"),
            author: "Ana".to_owned(),
            url: None,
        }),
        pusher: Some("ana".to_owned()),
        body: None,
        asked_at: None,
    }
}

pub fn pushed(before: u8, after: u8) -> Command {
    Command::Push(Box::new(push(before, after)))
}

/// A poll that finds the branch here; the head that was known when it asked.
pub fn polled(known: u8, found: u8) -> Command {
    let asked_at = Some(commit(known));
    let via = Via::Poll;
    let before = None;
    Command::Push(Box::new(Push {
        via,
        before,
        asked_at,
        ..push(known, found)
    }))
}

/// Where an operator wants to go.
pub fn target(to: u8) -> Target {
    Target {
        to: DeployRef {
            deploy: None,
            commit: commit(to),
        },
        specs_of: None,
        only: None,
        reason: Some("checkout 500s".to_owned()),
        resume: ResumeWhen::NextPush,
        scale: Scale::Keep,
        plan: None,
        specs: "specs of the target".to_owned(),
        override_lock: false,
        force: false,
    }
}

pub fn rollback(to: u8) -> Command {
    Command::Rollback(Box::new(target(to)))
}

pub fn lock(reason: &str) -> Command {
    Command::Lock {
        reason: reason.to_owned(),
        until: None,
    }
}

/// What the deployer reports of a deploy.
pub fn report(deploy: u32, facts: Vec<Fact>) -> Command {
    Command::Record {
        deploy: DeployNumber(deploy),
        facts,
    }
}

pub fn specs_read(of: &CommitId) -> Fact {
    Fact::SpecsRead {
        commit: of.clone(),
        files: vec![SpecFile {
            path: "specs/web.json".to_owned(),
            blob: BlobId::of(of.as_str().as_bytes()),
        }],
        settings: AppSettings::default(),
    }
}

pub fn plan_made(id: &ServiceId, hash: u8) -> Fact {
    Fact::PlanMade {
        services: vec![Planned {
            id: id.clone(),
            change: Action::Update,
            spec: Some(spec(hash)),
            instances: Some(2),
        }],
        unchanged: 0,
        plan: "0123456789abcdef".to_owned(),
        warnings: Vec::new(),
    }
}

pub fn apply_intended(id: &ServiceId, hash: u8, call: Call) -> Fact {
    Fact::ApplyIntended(Box::new(ApplyIntended {
        call,
        body: Some(BlobId::of(b"{}")),
        force: false,
        services: vec![Intended {
            id: id.clone(),
            spec: Some(spec(hash)),
            version: None,
            instances: Some(2),
            count: Some(2),
        }],
        target: Vec::new(),
        raised: BTreeMap::new(),
    }))
}

pub fn apply_accepted(id: &ServiceId, call: Call) -> Fact {
    Fact::ApplyAccepted {
        intent: None,
        call,
        marathon_deployment: Some("5ed4c0c5-9ff8-4a6f-a0cd-f57f59a34b43".to_owned()),
        version: Some("2026-11-22T10:00:00.000Z".to_owned()),
        services: vec![id.clone()],
    }
}

pub fn outcome(id: &ServiceId, hash: u8, change: Action) -> Outcome {
    Outcome {
        id: id.clone(),
        change,
        new: 2,
        old: 0,
        spec: Some(spec(hash)),
        instances: Some(2),
        rendering: Some(spec(hash)),
    }
}

pub fn succeeded(id: &ServiceId, hash: u8) -> Fact {
    Fact::DeploySucceeded {
        services: vec![outcome(id, hash, Action::Update)],
        orphans: Vec::new(),
        sentence: "1 service runs it".to_owned(),
    }
}

/// A clock that is a second later each time it is asked.
#[derive(Default)]
pub struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> jiff::Timestamp {
        let second = self.0.fetch_add(1, Ordering::Relaxed);
        jiff::Timestamp::from_second(1_795_341_600 + second).unwrap()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed).unsigned_abs())
    }
}

/// A data folder. In memory where the machine lets us: what is tested here is not the disk.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        Self(if memory.is_dir() {
            tempfile::tempdir_in(memory).unwrap()
        } else {
            tempfile::tempdir().unwrap()
        })
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn database(&self) -> PathBuf {
        database(self.path())
    }

    pub async fn try_open(&self) -> Result<Store, StoreError> {
        let clock: SharedClock = Arc::new(Ticking::default());
        Store::open(self.path(), clock, Arc::new(|why| panic!("{why}"))).await
    }

    pub async fn open(&self) -> Store {
        self.try_open().await.unwrap()
    }

    /// Why it cannot be opened.
    pub async fn refusal(&self) -> String {
        self.try_open().await.err().unwrap().to_string()
    }

    pub async fn verify(&self) -> Report {
        verify(self.path()).await.unwrap()
    }

    /// The files as they are now: what a kill at this instant would leave.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        for entry in std::fs::read_dir(self.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        copy
    }

    /// A connection that knows nothing of the observer.
    pub async fn raw(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(self.database())
            .create_if_missing(true);
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    /// Runs statements past everything that protects the log.
    pub async fn damage(&self, statements: &str) {
        let mut conn = self.raw().await;
        let all = format!(
            "drop trigger event_no_update; drop trigger event_no_delete; drop trigger event_in_order; {statements}"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(all))
            .execute(&mut conn)
            .await
            .unwrap();
        conn.close().await.unwrap();
    }
}

/// Finishes a store, so that its folder can be opened by others.
pub async fn close(store: Store) {
    store.close().await;
}

/// Commands something and panics where it is refused.
pub async fn tell(store: &Store, app: &AppId, actor: &str, command: Command) -> Answer {
    ask(store, app, actor, None, command).await.unwrap()
}

pub async fn ask(
    store: &Store,
    app: &AppId,
    actor: &str,
    key: Option<&str>,
    command: Command,
) -> Result<Answer, StoreError> {
    let key = key.map(str::to_owned);
    store.log().command(app, actor, key, command).await
}

/// The whole log.
pub async fn events(store: &Store) -> Vec<Event> {
    let all = EventFilter {
        limit: i64::MAX,
        ..EventFilter::default()
    };
    store.events(&all).await.unwrap()
}

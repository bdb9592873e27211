//! The observer between two kills: everything that is only in memory, and the runtime it lives in.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, LazyLock};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use dploy_observer::access::{Person, Role};
use dploy_observer::context::{Context, Timing};
use dploy_observer::deployer::{Due, Worker};
use dploy_observer::github;
use dploy_observer::id::AppId;
use dploy_observer::intake::Configured;
use dploy_observer::marathon::{self, Credentials, Ear, Watch};
use dploy_observer::mesos::Mesos;
use dploy_observer::schedule::{Every, Schedule};
use dploy_observer::secret::Secret;
use dploy_observer::spec::LABEL_APP;
use dploy_observer::store::{NewToken, Store, StoreError, Touched};
use dploy_observer::transport::Way;
use tokio::runtime::Runtime;
use tokio::sync::broadcast;

use super::outside::{Outside, PATIENCE};
use crate::support::data_folder::Folder;
use crate::support::routes::routes_with;

pub const TOKENS: [(&str, &str); 2] = [
    ("ana", "token-of-ana-0123456789"),
    ("ben", "token-of-ben-0123456789"),
];

/// Making one reads the machine's certificates, which is slow.
static HTTP: LazyLock<reqwest::Client> = LazyLock::new(reqwest::Client::new);

/// The observer's own service.
pub const OWN: &str = "/dploy/observer";

/// How long things take in a story.
pub fn timing() -> Timing {
    Timing {
        http: PATIENCE,
        deadline: super::reasons::DEADLINE,
        settle: Duration::from_secs(3),
        ..Timing::default()
    }
}

/// How often what is looked at in a story.
fn every() -> Every {
    Every {
        branch: Duration::from_mins(1),
        hook: Duration::from_mins(10),
        hooks_rest: Duration::ZERO,
    }
}

/// Where the log is kept.
pub enum Kept {
    /// In a file of this folder.
    File(Folder),
    /// In memory, where it outlives a kill as a disk would.
    Memory(std::cell::OnceCell<Store>),
}

/// A step that has begun.
pub struct Step {
    pub work: Pin<Box<dyn Future<Output = (Worker, Due)>>>,
    /// It waits for a picture that another takes.
    pub waits: bool,
}

/// The worker of an app.
pub enum Slot {
    /// It rests until then; whether it was woken although its step was due anyway.
    Resting(Box<Worker>, Duration, bool),
    /// Its step waits for a call, or for a picture that another takes; whether it was woken meanwhile.
    Calling(Step, bool),
}

impl Slot {
    /// It takes a step at `due`, and another one where that was due already or has begun: a wake is never lost.
    pub fn wake(&mut self, now: Duration, at: Duration) {
        match self {
            Self::Resting(_, due, _) if *due > now => *due = (*due).min(at),
            Self::Resting(_, _, woken) | Self::Calling(_, woken) => *woken = true,
        }
    }
}

pub struct Incarnation {
    // before the runtime: what is dropped may want it
    pub slots: BTreeMap<AppId, Slot>,
    pub web: Router,
    pub context: Context,
    pub schedule: Schedule,
    pub ear: Ear,
    pub touched: broadcast::Receiver<Touched>,
    /// The newest event that the worker of each app knows of.
    pub seen: BTreeMap<AppId, Arc<AtomicI64>>,
    /// Events of Marathon on their way to us.
    pub stream: VecDeque<(Duration, serde_json::Value)>,
    runtime: Runtime,
}

impl Incarnation {
    /// Opens the log in the folder, or goes on with the one in memory.
    pub fn begin(outside: &Arc<Outside>, kept: &Kept) -> Result<Self, String> {
        // an error only says that somebody installed one before
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let built = runtime.block_on(Self::build(outside, kept));
        let (context, web, ear) = match built {
            Ok(built) => built,
            Err(error) => return Err(format!("{error:#}")),
        };
        let touched = context.store.log().touched();
        let schedule = Schedule::new(context.clone(), every());
        Ok(Self {
            slots: BTreeMap::new(),
            seen: BTreeMap::new(),
            web,
            schedule,
            context,
            ear,
            touched,
            stream: VecDeque::new(),
            runtime,
        })
    }

    async fn build(outside: &Arc<Outside>, kept: &Kept) -> anyhow::Result<(Context, Router, Ear)> {
        let clock: dploy_observer::clock::SharedClock = outside.clock.clone();
        let store = match kept {
            Kept::File(folder) => {
                let fatal = Arc::new(|why: &str| panic!("{why}"));
                Store::open(folder.path(), clock.clone(), fatal).await?
            }
            Kept::Memory(store) => store
                .get_or_init(|| Store::in_memory(clock.clone()))
                .clone(),
        };
        for (name, token) in TOKENS {
            let person = Person {
                name: name.to_owned(),
                role: Role::Admin,
                apps: None,
                proof: None,
            };
            let token = NewToken {
                person,
                hash: Secret::new(token).sha256(),
                expires_at: None,
            };
            // it is there from the life before
            match store.add_token(token).await {
                Ok(()) | Err(StoreError::Exists(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let (watch, ear) = Watch::through_ear();
        let timing = timing();
        let way = |transport| Way::by(HTTP.clone(), transport);
        let (marathon, github) = (way(outside.marathon()), way(outside.github()));
        let pat = Secret::new("pat-0123456789abcdef");
        let base = "http://marathon:8080";
        let marathon = marathon::Client::through(marathon, base, Credentials::None, clock.clone())?;
        let picture = marathon.picture(&watch, clock.clone(), LABEL_APP, timing.picture());
        let context = Context {
            store,
            github: github::Client::through(github, "http://github", Some(pat), clock.clone()),
            mesos: Mesos::new(marathon.clone(), None),
            marathon,
            picture,
            watch,
            turns: marathon::Turns::default(),
            clock: clock.clone(),
            timing,
            allow_ids: Vec::new(),
            own_id: Some(OWN.to_owned()),
            hook: github::HookTarget {
                url: "http://node:8849/dploy".to_owned(),
                unchecked: false,
            },
        };
        let routes = routes_with(&context, Configured::new("", "", "dcos")).await?;
        Ok((context, routes, ear))
    }

    /// Runs something to its end, which may not wait for anything but the log.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Whether a step waits for a call.
    pub fn is_calling(&self) -> bool {
        let mut slots = self.slots.values();
        slots.any(|s| matches!(s, Slot::Calling(..)))
    }

    /// Goes on with a step until it is done, or waits for a call that is held, or for a picture that another takes.
    pub fn go_on(&self, step: &mut Step, outside: &Outside) -> Option<(Worker, Due)> {
        let picture = &self.context.picture;
        let others = picture.waiting() - usize::from(step.waits);
        self.runtime.block_on(poll_fn(|context| {
            let polled = step.work.as_mut().poll(context);
            step.waits = picture.waiting() > others;
            let waits = step.waits || outside.lock().holds_a_call();
            match polled {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending if waits => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        }))
    }

    /// Everything that is only in memory is gone, at once.
    pub fn kill(self) {
        let Self {
            runtime,
            slots,
            web,
            context,
            schedule,
            ..
        } = self;
        let within = runtime.enter();
        drop((slots, web, schedule));
        drop(context);
        drop(within);
        runtime.shutdown_background();
    }
}

//! Bodies of the HTTP API, for the web, for clients and for pages: null rather than absent, commits whole, times RFC 3339.

mod access;
mod act;
mod deploy;
mod health;
mod problem;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use access::{MadeTokenBody, NewTokenBody, SessionBody, SessionsBody, TokenBody, TokensBody};
pub use act::{
    ActBody, Came, DestroyedBody, DiffBody, DiffService, PlanBody, PlanInstances, PlanService,
    QueuedBody, RegisterBody, ResultBody,
};
pub use deploy::{
    DeployBody, FailedTaskBody, FailureBody, LastWords, LogBody, RunsBody, ServiceBody, TaskBody,
};
pub use health::{Health, InstancesBody, health};
pub use problem::{Problem, ProblemCode};

use crate::event::{Event, ResumeWhen};
use crate::history::{App, AppState, Deploy, DeployState, Destroying, Lock, Pin};
use crate::id::{AppId, CommitId, DeployNumber, ServiceId};
use crate::sentence::Sentence;

/// Where an app is deployed from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SourceBody {
    /// `owner/name`.
    pub repository: String,
    /// The trigger branch.
    pub branch: String,
}

/// The head of the branch.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct HeadBody {
    /// The commit.
    pub commit: CommitId,
    /// When it was seen first.
    pub seen_at: String,
}

/// What runs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct LiveBody {
    /// The deploy.
    pub deploy: DeployNumber,
    /// The commit.
    pub commit: CommitId,
    /// Since when.
    pub since: String,
}

/// A deploy that has not ended, in short.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct OpenDeploy {
    /// Its number.
    pub deploy: DeployNumber,
    /// Its commit.
    pub commit: CommitId,
    /// Where it is.
    pub state: DeployState,
}

/// An app, as `GET /apps.json` lists it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AppBody {
    /// Its name.
    pub app: AppId,
    /// Where it stands.
    pub state: AppState,
    /// How well it is, by what runs.
    pub health: Health,
    /// When Marathon showed what runs; null where it was not asked or never answered.
    #[serde(default)]
    pub seen_at: Option<String>,
    /// Instances of all its services, as they run.
    #[serde(default)]
    pub instances: Option<InstancesBody>,
    /// Where it is deployed from.
    pub source: SourceBody,
    /// It stays at a commit.
    pub pin: Option<PinBody>,
    /// Nobody deploys.
    pub lock: Option<Lock>,
    /// The head of its branch.
    pub head: Option<HeadBody>,
    /// What runs.
    pub live: Option<LiveBody>,
    /// The deploy that is under way.
    pub running: Option<OpenDeploy>,
    /// The deploy that is next.
    pub waiting: Option<OpenDeploy>,
    /// What there is to say: why it waits, failed, or is held.
    pub sentence: Option<String>,
}

/// A pin.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PinBody {
    /// The commit.
    pub commit: CommitId,
    /// The deploy that was gone back to.
    pub deploy: Option<DeployNumber>,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub since: String,
    /// When it ends by itself.
    pub resume: ResumeWhen,
}

impl From<&Pin> for PinBody {
    fn from(pin: &Pin) -> Self {
        Self {
            commit: pin.commit.clone(),
            deploy: pin.deploy,
            by: pin.by.clone(),
            reason: pin.reason.clone(),
            since: pin.since.clone(),
            resume: pin.resume,
        }
    }
}

/// What is to be known of an app: of the deploy that runs, else how the last one ended.
fn sentence(app: &App) -> Option<String> {
    if app.destroyed {
        return None;
    }
    if let Some(destroy) = &app.destroying {
        return Some(format!("It is being taken down: {}", still_to_go(destroy)));
    }
    let held = app.held.as_ref().map(|h| &h.why.sentence);
    if let Some(deploy) = &app.running {
        let waits = deploy.waiting.as_ref().map(|w| &w.sentence);
        let ends = deploy.life.ending().map(|e| &e.why.sentence);
        let slow = deploy.progress.values().find_map(|p| p.sentence.as_ref());
        return waits.or(ends).or(slow).or(held).cloned();
    }
    held.or_else(|| app.trouble.as_ref().map(|t| &t.sentence))
        .or_else(|| app.drift.first().map(|d| &d.sentence))
        .cloned()
}

fn still_to_go(destroy: &Destroying) -> String {
    let services = match destroy.services.len() {
        0 => None,
        1 => Some("1 service".to_owned()),
        n => Some(format!("{n} services")),
    };
    let left: Vec<String> = services
        .into_iter()
        .chain(destroy.hook.map(|_| "the webhook".to_owned()))
        .collect();
    match left.as_slice() {
        [] => "nothing is left to remove".to_owned(),
        _ => format!("{} still to go", left.join(" and ")),
    }
}

fn open(deploy: &Deploy) -> OpenDeploy {
    OpenDeploy {
        deploy: deploy.number,
        commit: deploy.wanted.commit.clone(),
        state: deploy.state(),
    }
}

impl From<&App> for AppBody {
    fn from(app: &App) -> Self {
        Self {
            app: app.id.clone(),
            state: app.state(),
            health: health(app),
            seen_at: None,
            instances: None,
            source: SourceBody {
                repository: app.source.repository.to_string(),
                branch: app.source.branch.to_string(),
            },
            pin: app.pin.as_ref().map(PinBody::from),
            lock: app.lock.clone(),
            head: app.head.as_ref().map(|h| HeadBody {
                commit: h.commit.clone(),
                seen_at: h.seen_at.clone(),
            }),
            live: app.live.as_ref().map(|l| LiveBody {
                deploy: l.deploy,
                commit: l.commit.clone(),
                since: l.since.clone(),
            }),
            running: app.running.as_ref().map(open),
            waiting: app.waiting.as_ref().map(open),
            sentence: sentence(app),
        }
    }
}

/// `GET /apps.json`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AppsBody {
    /// The newest event.
    pub seq: i64,
    /// Cursor of the next page.
    pub next: Option<String>,
    /// The apps.
    pub apps: Vec<AppBody>,
    /// Whether whoever asks is shown all there are.
    #[serde(default)]
    pub all: bool,
    /// The app of the observer's settings, as long as it cannot be registered.
    #[serde(default)]
    pub registering: Option<RegisteringBody>,
}

/// `GET /events.json`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EventsBody {
    /// At most a hundred, newest first.
    pub events: Vec<Event>,
    /// The `before` of the page of older ones.
    pub older: Option<i64>,
    /// The `before` of the page of newer ones; null on the newest.
    pub newer: Option<i64>,
}

/// An app that cannot be registered yet.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RegisteringBody {
    /// The repository as the settings name it.
    pub repository: String,
    /// The trigger branch.
    pub branch: String,
    /// Why not, and what would put it right.
    pub sentence: String,
    /// Since when it is tried, RFC 3339.
    pub since: String,
    /// Whether its webhook is registered already.
    pub webhook: bool,
}

/// The webhook.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct HookBody {
    /// GitHub's id of it.
    pub id: Option<u64>,
    /// Where it calls.
    pub url: Option<String>,
    /// When it was registered.
    pub registered_at: Option<String>,
    /// When its ping arrived.
    pub pinged_at: Option<String>,
    /// What is wrong with it.
    pub failure: Option<Sentence>,
    /// When the branch was last asked with success.
    pub polled_at: Option<String>,
}

/// A setting and where it came from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SettingBody {
    /// The value, as text.
    pub value: String,
    /// `flag`, `environment`, `dploy.app`, `default`, `local world`.
    pub from: String,
}

/// `GET /apps/{id}.json`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct AppPage {
    /// What the list says.
    #[serde(flatten)]
    pub app: AppBody,
    /// Its services.
    pub services: Vec<ServiceBody>,
    /// Its deploys, newest first.
    pub deploys: Vec<DeployBody>,
    /// Cursor of older deploys.
    pub next: Option<String>,
    /// Its webhook.
    pub hook: HookBody,
    /// Its settings.
    pub settings: BTreeMap<String, SettingBody>,
    /// Services that run without a spec.
    pub orphans: Vec<ServiceId>,
    /// Services that somebody changed in Marathon.
    pub drift: Vec<crate::event::Drift>,
}

/// `GET /status`, as the original answered it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct StatusBody {
    /// Owner of the repository.
    pub owner: String,
    /// Its name.
    pub repo: String,
    /// The trigger branch.
    pub branch: String,
    /// Address of the public node.
    pub pubnode: String,
    /// When the last deploy that changed what runs ended, RFC 3339; Go's zero time, `0001-01-01T00:00:00Z`, before any.
    pub lastdeploy: String,
}

/// `GET /why/{sha}.json`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WhyBody {
    /// The commit, as it was asked for.
    pub commit: String,
    /// The answer, for each app that knows it.
    #[serde(default)]
    pub apps: Vec<VerdictBody>,
    /// What is known of it, newest first.
    pub lines: Vec<WhyLineBody>,
}

/// Whether a commit is live in an app, and why.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct VerdictBody {
    /// The app.
    pub app: AppId,
    /// Whether it is live there.
    pub live: bool,
    /// Why.
    pub sentence: String,
}

/// One thing that is known of a commit.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct WhyLineBody {
    /// The app.
    pub app: String,
    /// When.
    pub at: String,
    /// What.
    pub sentence: String,
    /// The deploy it is about.
    pub deploy: Option<u32>,
    /// Whether this is what runs.
    pub live: bool,
}

//! Bodies of actions: what operators send, and what they are answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::{DeployRef, ResumeWhen, Scale};
use crate::history::AppState;
use crate::id::{AppId, CommitId, DeployNumber, ServiceId};
use crate::sentence::Sentence;

/// Body of `POST /apps`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    /// `owner/name`.
    pub repository: String,
    /// The trigger branch.
    #[serde(default)]
    pub branch: Option<String>,
}

/// Body of the actions of an app. `{}` is one.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActBody {
    /// A commit, possibly shortened, or a deploy: `#40`.
    #[serde(default, alias = "commit", skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// A deploy: `40` or `#40`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<Value>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the pin ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<ResumeWhen>,
    /// What happens to instance counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
    /// The plan token that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Only show what would happen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Act although the app is locked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub override_lock: bool,
    /// Override somebody else's Marathon deployment.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// A service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Services, for `adopt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<String>>,
    /// For `lock`: when it ends by itself, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// For `adopt`: the app that is gone and whose label they carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// A number of instances, for `scale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<u32>,
}

/// Answer to an action that began a deploy.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct QueuedBody {
    /// Its number.
    pub deploy: DeployNumber,
    /// Its page.
    pub url: String,
}

/// What an action came to that began no deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Came {
    /// It is done.
    Done,
    /// It was so already.
    Unchanged,
    /// It is held; `sentence` says why.
    Held,
}

/// Answer to an action that began no deploy.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ResultBody {
    /// What it came to.
    pub result: Came,
    /// Why it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence: Option<String>,
}

impl ResultBody {
    /// The answer that needs no more words.
    #[must_use]
    pub fn of(result: Came) -> Self {
        Self {
            result,
            sentence: None,
        }
    }
}

/// One service of a dry run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PlanService {
    /// The service.
    pub id: ServiceId,
    /// What would be done.
    pub change: String,
    /// Which fields would change.
    pub diff: Vec<crate::spec::Change>,
    /// Instances now, by the spec, and afterwards.
    pub instances: PlanInstances,
}

/// Instance counts of a dry run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PlanInstances {
    /// How many run now.
    pub running: u32,
    /// How many the spec says.
    pub spec: Option<u32>,
    /// How many there would be.
    pub after: u32,
}

/// Answer to a dry run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PlanBody {
    /// The app.
    pub app: AppId,
    /// What runs now.
    pub from: Option<DeployRef>,
    /// What would run; null after a destroy, and where nothing was deployed yet.
    pub to: Option<DeployRef>,
    /// Commits that would be undone, newest first.
    pub undoes: Vec<CommitId>,
    /// The services that would change.
    pub services: Vec<PlanService>,
    /// Traps.
    pub warnings: Vec<Sentence>,
    /// What happens besides, in words.
    #[serde(default)]
    pub also: Vec<String>,
    /// The plan token.
    pub plan: String,
}

/// One service of a comparison.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DiffService {
    /// The service.
    pub id: ServiceId,
    /// `create`, `update` or `remove`.
    pub change: String,
    /// Which fields differ.
    pub diff: Vec<crate::spec::Change>,
}

/// Answer to `GET /apps/{id}/diff`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DiffBody {
    /// The app.
    pub app: AppId,
    /// What is compared; null where nothing was deployed before.
    pub from: Option<DeployRef>,
    /// With what.
    pub to: DeployRef,
    /// The services that differ.
    pub services: Vec<DiffService>,
    /// How many do not.
    pub unchanged: usize,
}

/// Answer to `DELETE /apps/{id}`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DestroyedBody {
    /// The app.
    pub app: AppId,
    /// Where it stands now: `destroyed`, or `destroying` while something is left to do.
    pub state: AppState,
    /// What is gone.
    pub done: Vec<String>,
    /// What is not.
    pub open: Vec<String>,
    /// The end in words.
    pub sentence: Option<String>,
}

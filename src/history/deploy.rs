//! A deploy, as its events have made it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::{
    ApplyIntended, Call, Cause, DeployQueued, DeployRef, Ending, Outcome, Planned, SpecFile,
};
use crate::id::{DeployNumber, ServiceId};
use crate::sentence::Sentence;

/// Where a deploy is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeployState {
    /// Recorded, not begun.
    Queued,
    /// Begun or not, it cannot go on yet.
    Waiting,
    /// The commit is being read and planned.
    Reading,
    /// Marathon is being told.
    Applying,
    /// Marathon is rolling; or the deploy is being ended.
    Following,
    /// What was wanted runs, healthy.
    Succeeded,
    /// There was nothing to change.
    Unchanged,
    /// It ended without success.
    Failed,
    /// An operator ended it.
    Cancelled,
    /// A newer commit overtook it before it touched Marathon.
    Superseded,
}

impl DeployState {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Waiting => "waiting",
            Self::Reading => "reading",
            Self::Applying => "applying",
            Self::Following => "following",
            Self::Succeeded => "succeeded",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
        }
    }

    /// Whether nothing can follow.
    #[must_use]
    pub fn ended(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Unchanged | Self::Failed | Self::Cancelled | Self::Superseded
        )
    }
}

/// Why a deploy cannot go on yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// `LOCKED`, `MARATHON_UNREACHABLE`, `MARATHON_BUSY`, `GITHUB_UNREACHABLE`, `GITHUB_TOKEN`.
    pub code: String,
    /// In words.
    pub sentence: String,
    /// Since when.
    pub since: String,
}

/// A call that Marathon accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Which call.
    pub call: Call,
    /// The Marathon deployment it began.
    pub marathon_deployment: Option<String>,
    /// The version Marathon gave.
    pub version: Option<String>,
    /// The services it changed.
    pub services: Vec<ServiceId>,
}

/// The stage of a service, as last written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// `starting`, `running`, `healthy`, `waiting`, `crashing`, `unhealthy`.
    pub stage: String,
    /// Why, where it does not go on.
    pub sentence: Option<String>,
}

/// How a deploy that is being ended will end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndingOf {
    /// Failed or cancelled.
    pub outcome: Ending,
    /// Why.
    #[serde(flatten)]
    pub why: Sentence,
}

/// A deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deploy {
    /// Its number.
    pub number: DeployNumber,
    /// What was asked for.
    #[serde(flatten)]
    pub wanted: DeployQueued,
    /// Who caused it.
    pub actor: String,
    /// Where it is.
    pub state: DeployState,
    /// When it was recorded.
    pub queued_at: String,
    /// When it began.
    pub started_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// Why it waits, while it does.
    pub waiting: Option<Waiting>,
    /// The spec files of the commit, once read.
    pub files: Option<Vec<SpecFile>>,
    /// What changes, once planned: changed and removed services, and unchanged ones that are still to be watched.
    pub plan: Option<Vec<Planned>>,
    /// Traps the plan walks into.
    pub warnings: Vec<Sentence>,
    /// A call that was intended and not answered yet.
    pub intent: Option<ApplyIntended>,
    /// When it was intended: an unanswered call may arrive for a while yet.
    #[serde(default)]
    pub intent_at: Option<String>,
    /// Whether any call was intended: from then on Marathon may have changed.
    pub touched: bool,
    /// The calls that Marathon accepted.
    pub accepted: Vec<Accepted>,
    /// Services that run more instances than wanted until all are healthy, and how many are wanted then.
    #[serde(default)]
    pub raised: BTreeMap<ServiceId, u32>,
    /// The stages of its services.
    pub progress: BTreeMap<ServiceId, Progress>,
    /// How many `service_progressed` it has, which are bounded.
    pub progress_events: u32,
    /// How it will end, while it is being ended.
    pub ending: Option<EndingOf>,
    /// Why it failed or was cancelled.
    pub failure: Option<Sentence>,
    /// What overtook it.
    pub superseded_by: Option<DeployRef>,
    /// The end in words.
    pub sentence: Option<String>,
    /// How it left each service.
    pub outcome: Vec<Outcome>,
}

impl Deploy {
    /// A deploy as `deploy_queued` makes it.
    #[must_use]
    pub fn new(number: DeployNumber, wanted: DeployQueued, actor: &str, at: &str) -> Self {
        Self {
            number,
            wanted,
            actor: actor.to_owned(),
            state: DeployState::Queued,
            queued_at: at.to_owned(),
            started_at: None,
            ended_at: None,
            waiting: None,
            files: None,
            plan: None,
            warnings: Vec::new(),
            intent: None,
            intent_at: None,
            touched: false,
            accepted: Vec::new(),
            raised: BTreeMap::new(),
            progress: BTreeMap::new(),
            progress_events: 0,
            ending: None,
            failure: None,
            superseded_by: None,
            sentence: None,
            outcome: Vec::new(),
        }
    }

    /// Whether an operator chose its commit over the branch.
    #[must_use]
    pub fn is_rollback(&self) -> bool {
        self.wanted.cause == Cause::Rollback
    }

    /// The Marathon deployments it began, oldest first.
    #[must_use]
    pub fn marathon_deployments(&self) -> Vec<&str> {
        self.accepted
            .iter()
            .filter_map(|a| a.marathon_deployment.as_deref())
            .collect()
    }
}

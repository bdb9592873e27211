//! Where a deploy is in its life, as one enum: fold, decisions and worker all match on it, each variant by name.
//!
//! ```text
//! Queued ── started ──> Reading ── plan made ──> Planned ── intended ──> Calling ── accepted ──> Rolling ── succeeded ──> Ended
//!                                                   ^                       │  ^                    │
//!                                                   └── refused, and nothing│  └── intended ────────┤
//!                                                       was accepted before ┘                       └── ending ──> Ending ──> Ended
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Call, Ending, Fact};
use crate::id::ServiceId;
use crate::sentence::Sentence;

/// The word for where a deploy is, as JSON and pages have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// How a deploy that is being ended will end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndingOf {
    /// Failed or cancelled.
    pub outcome: Ending,
    /// Why.
    #[serde(flatten)]
    pub why: Sentence,
}

/// How a deploy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
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

/// Where a deploy is in its life, with what goes on from there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Recorded, not begun.
    Queued,
    /// Its commit is being read.
    Reading,
    /// What changes is known; no call is open, and none has changed a service.
    Planned,
    /// A call is open.
    Calling {
        /// The number of its `apply_intended`.
        intent: i64,
        /// What Marathon took before.
        rollout: Vec<Accepted>,
    },
    /// Marathon took what was to change, and rolls.
    Rolling {
        /// What Marathon took.
        rollout: Vec<Accepted>,
    },
    /// It is being ended, which takes calls.
    Ending {
        /// How, and why.
        ending: EndingOf,
        /// The number of the `apply_intended` of the call that is open, where one is.
        intent: Option<i64>,
        /// What Marathon took.
        rollout: Vec<Accepted>,
    },
    /// Nothing can follow.
    Ended {
        /// How.
        outcome: Ended,
        /// What Marathon took.
        rollout: Vec<Accepted>,
    },
}

impl Phase {
    /// The calls that Marathon took.
    #[must_use]
    pub fn rollout(&self) -> &[Accepted] {
        match self {
            Self::Queued | Self::Reading | Self::Planned => &[],
            Self::Calling { rollout, .. }
            | Self::Rolling { rollout }
            | Self::Ending { rollout, .. }
            | Self::Ended { rollout, .. } => rollout,
        }
    }

    /// How it is being ended.
    #[must_use]
    pub fn ending(&self) -> Option<&EndingOf> {
        match self {
            Self::Ending { ending, .. } => Some(ending),
            Self::Queued
            | Self::Reading
            | Self::Planned
            | Self::Calling { .. }
            | Self::Rolling { .. }
            | Self::Ended { .. } => None,
        }
    }

    /// The number of the `apply_intended` of the call that is open.
    #[must_use]
    pub fn intent(&self) -> Option<i64> {
        match self {
            Self::Calling { intent, .. } => Some(*intent),
            Self::Ending { intent, .. } => *intent,
            Self::Queued
            | Self::Reading
            | Self::Planned
            | Self::Rolling { .. }
            | Self::Ended { .. } => None,
        }
    }

    /// The word for it.
    #[must_use]
    pub fn state(&self) -> DeployState {
        match self {
            Self::Queued => DeployState::Queued,
            Self::Reading => DeployState::Reading,
            Self::Planned | Self::Calling { .. } => DeployState::Applying,
            Self::Rolling { .. } | Self::Ending { .. } => DeployState::Following,
            Self::Ended { outcome, .. } => match outcome {
                Ended::Succeeded => DeployState::Succeeded,
                Ended::Unchanged => DeployState::Unchanged,
                Ended::Failed => DeployState::Failed,
                Ended::Cancelled => DeployState::Cancelled,
                Ended::Superseded => DeployState::Superseded,
            },
        }
    }

    /// Whether a fact can follow here. What the log holds from earlier releases is folded all the same.
    #[must_use]
    pub fn allows(&self, fact: &Fact) -> bool {
        let ends_ill = matches!(
            fact,
            Fact::DeployFailed { .. } | Fact::DeployCancelled { .. }
        );
        let waits = matches!(fact, Fact::DeployWaiting { .. });
        let settles = |key: i64| matches!(fact, Fact::ApplyAccepted { intent, .. } | Fact::ApplyRefused { intent, .. } if intent.is_none_or(|i| i == key));
        match self {
            Self::Queued => {
                matches!(
                    fact,
                    Fact::DeployStarted { .. }
                        | Fact::DeploySuperseded { .. }
                        | Fact::DeployEnding { .. }
                ) || ends_ill
                    || waits
            }
            Self::Reading => {
                matches!(
                    fact,
                    Fact::SpecsRead { .. }
                        | Fact::PlanMade { .. }
                        | Fact::DeployEnding { .. }
                        | Fact::DeployUnchanged { .. }
                        | Fact::DeploySuperseded { .. }
                ) || ends_ill
                    || waits
            }
            Self::Planned => {
                matches!(
                    fact,
                    Fact::PlanMade { .. }
                        | Fact::ApplyIntended(_)
                        | Fact::ServiceProgressed { .. }
                        | Fact::DeployEnding { .. }
                        | Fact::DeployUnchanged { .. }
                        | Fact::DeploySucceeded { .. }
                        | Fact::DeploySuperseded { .. }
                ) || ends_ill
                    || waits
            }
            Self::Calling { intent, .. } => {
                matches!(fact, Fact::DeployEnding { .. }) || settles(*intent) || ends_ill || waits
            }
            Self::Rolling { .. } => {
                matches!(
                    fact,
                    Fact::ApplyIntended(_)
                        | Fact::ServiceProgressed { .. }
                        | Fact::DeployEnding { .. }
                        | Fact::DeploySucceeded { .. }
                ) || ends_ill
                    || waits
            }
            Self::Ending { intent, .. } => match intent {
                Some(key) => settles(*key) || ends_ill || waits,
                None => {
                    matches!(fact, Fact::ApplyIntended(i) if !begins_rollout(i.call))
                        || ends_ill
                        || waits
                }
            },
            Self::Ended { .. } => false,
        }
    }
}

/// Whether a call gives services a rollout.
#[must_use]
pub fn begins_rollout(call: Call) -> bool {
    match call {
        Call::Put | Call::Restart => true,
        Call::Delete | Call::Scale | Call::Wipe | Call::Cancel => false,
    }
}

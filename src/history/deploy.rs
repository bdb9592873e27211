//! A deploy, as its events have made it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::phase::{Accepted, DeployState, Phase, begins_rollout};
use crate::event::{Action, Call, Cause, DeployQueued, DeployRef, Outcome, Planned, SpecFile};
use crate::id::{DeployNumber, ServiceId};
use crate::sentence::Sentence;

/// Why a deploy cannot go on yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Waiting {
    /// `LOCKED`, `MARATHON_UNREACHABLE`, `MARATHON_BUSY`, `GITHUB_UNREACHABLE`, `GITHUB_TOKEN`.
    pub code: String,
    /// What it is about, where there can be several: a Marathon deployment, a service.
    #[serde(default)]
    pub subject: Option<String>,
    /// In words.
    pub sentence: String,
    /// Since when.
    pub since: String,
}

/// The stage of a service, as last written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// `starting`, `running`, `healthy`, `waiting`, `crashing`, `unhealthy`.
    pub stage: String,
    /// Why, where it does not go on.
    pub sentence: Option<String>,
}

/// A deploy: what is written down of it, and where it is in its life.
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
    pub life: Phase,
    /// When it was recorded.
    pub queued_at: String,
    /// When it began.
    pub started_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// Why it cannot go on yet, while it cannot.
    pub waiting: Option<Waiting>,
    /// How many reasons to wait it has written down, which are bounded.
    pub waits: u32,
    /// The spec files of the commit, once read.
    pub files: Option<Vec<SpecFile>>,
    /// What changes, once planned: changed and removed services, and unchanged ones that are still to be watched.
    pub plan: Option<Vec<Planned>>,
    /// Traps the plan walks into.
    pub warnings: Vec<Sentence>,
    /// Whether any call was intended: from then on Marathon may have changed.
    pub touched: bool,
    /// The stages of its services.
    pub progress: BTreeMap<ServiceId, Progress>,
    /// How many `service_progressed` it has, which are bounded.
    pub progress_events: u32,
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
            life: Phase::Queued,
            queued_at: at.to_owned(),
            started_at: None,
            ended_at: None,
            waiting: None,
            waits: 0,
            files: None,
            plan: None,
            warnings: Vec::new(),
            touched: false,
            progress: BTreeMap::new(),
            progress_events: 0,
            failure: None,
            superseded_by: None,
            sentence: None,
            outcome: Vec::new(),
        }
    }

    /// The word for where it is. Waiting is no phase; it is the word as long as nothing was intended.
    #[must_use]
    pub fn state(&self) -> DeployState {
        let state = self.life.state();
        if self.waiting.is_some() && !self.touched && !state.ended() {
            DeployState::Waiting
        } else {
            state
        }
    }

    /// Whether an operator chose its commit over the branch.
    #[must_use]
    pub fn is_rollback(&self) -> bool {
        self.wanted.cause == Cause::Rollback
    }

    /// Whether its plan names a service.
    #[must_use]
    pub fn plans(&self, id: &ServiceId) -> bool {
        self.plan.iter().flatten().any(|p| p.id == *id)
    }

    /// Whether its plan changes a service.
    #[must_use]
    pub fn changes(&self, id: &ServiceId) -> bool {
        let mut plan = self.plan.iter().flatten();
        plan.any(|p| p.id == *id && p.change != Action::Unchanged)
    }

    /// Whether Marathon took a call for a service.
    #[must_use]
    pub fn called_for(&self, id: &ServiceId) -> bool {
        let mut calls = self.life.rollout().iter();
        calls.any(|a| a.services.contains(id))
    }

    /// Whether a call of it began this Marathon deployment.
    #[must_use]
    pub fn began(&self, marathon_deployment: &str) -> bool {
        let mut calls = self.life.rollout().iter();
        calls.any(|a| a.marathon_deployment.as_deref() == Some(marathon_deployment))
    }

    /// Whether Marathon took a restart of a service.
    #[must_use]
    pub fn has_restarted(&self, id: &ServiceId) -> bool {
        let mut calls = self.life.rollout().iter();
        calls.any(|a| a.call == Call::Restart && a.services.contains(id))
    }

    /// Whether Marathon took a call that gave services a rollout, or took one away.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        let begins = |a: &Accepted| begins_rollout(a.call) || a.call == Call::Delete;
        self.life.rollout().iter().any(begins)
    }

    /// The Marathon deployments it began, oldest first.
    #[must_use]
    pub fn marathon_deployments(&self) -> Vec<&str> {
        self.life
            .rollout()
            .iter()
            .filter_map(|a| a.marathon_deployment.as_deref())
            .collect()
    }
}

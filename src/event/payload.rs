//! What the payloads of events are made of.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::word::{Action, Call, Cause, ResumeWhen, Scale, Via, Visibility};
use crate::id::{BlobId, Branch, CommitId, DeployNumber, RepositoryName, ServiceId, SpecHash};

/// The repository and branch an app is deployed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// GitHub's id of the repository: it survives renames.
    pub repository_id: u64,
    /// Its present name.
    pub repository: RepositoryName,
    /// The trigger branch.
    pub branch: Branch,
    /// Who may see it, by GitHub's word.
    #[serde(default)]
    pub visibility: Visibility,
}

/// Settings of an app, from `dploy.app` at the commit that was read last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppSettings {
    /// Whether services whose spec left the repository are removed.
    #[serde(default)]
    pub prune: bool,
    /// Progress deadline in seconds, where the app sets its own.
    #[serde(default)]
    pub deadline: Option<u64>,
}

/// What people want to know of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommitInfo {
    /// First line of the message.
    pub message: String,
    /// Name of the author.
    pub author: String,
    /// Its page.
    pub url: Option<String>,
}

/// A spec file of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecFile {
    /// Path in the repository.
    pub path: String,
    /// Its content.
    pub blob: BlobId,
}

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// The service.
    pub id: ServiceId,
    /// What is done to it.
    pub change: Action,
    /// Hash of the spec it is to have; none where it is removed.
    pub spec: Option<SpecHash>,
    /// `instances` of that spec.
    #[serde(default)]
    pub instances: Option<u32>,
}

/// A service as a call is about to change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intended {
    /// The service.
    pub id: ServiceId,
    /// Hash of the spec it is given.
    pub spec: Option<SpecHash>,
    /// Its `version` in Marathon before the call; none where it did not exist.
    pub version: Option<String>,
    /// `instances` of that spec. Since version 2, as the next field.
    #[serde(default)]
    pub instances: Option<u32>,
    /// How many instances it is given.
    #[serde(default)]
    pub count: Option<u32>,
}

/// How a deploy left a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The service.
    pub id: ServiceId,
    /// What was done to it.
    pub change: Action,
    /// Instances of the new version that are well.
    pub new: u32,
    /// Instances of older versions that still run.
    pub old: u32,
    /// The spec it has.
    #[serde(default)]
    pub spec: Option<SpecHash>,
    /// `instances` of that spec.
    #[serde(default)]
    pub instances: Option<u32>,
    /// Hash of Marathon's rendering, by which drift is seen.
    #[serde(default)]
    pub rendering: Option<SpecHash>,
}

/// A number of a deploy and its commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeployRef {
    /// The number; none where the commit was never deployed.
    pub deploy: Option<DeployNumber>,
    /// The commit.
    pub commit: CommitId,
}

/// A value before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// The service.
    pub id: ServiceId,
    /// What differs, in words; empty when it is right again.
    pub sentence: String,
}

/// Source and settings together, as `app_changed` shows them before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Where it is deployed from.
    pub source: Source,
    /// Its settings.
    pub settings: AppSettings,
}

/// Payload of `push_received`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushReceived {
    /// How we learned of it.
    pub via: Via,
    /// GUID of the delivery, where there was one.
    pub delivery: Option<String>,
    /// The whole ref.
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// The head before, where it is known.
    pub before: Option<CommitId>,
    /// The head after.
    pub after: CommitId,
    /// Whether history was rewritten.
    pub forced: bool,
    /// What people want to know of it.
    pub commit: Option<CommitInfo>,
    /// Who pushed, by GitHub's word.
    pub pusher: Option<String>,
    /// SHA-256 of the body, by which a replay under a new GUID is known.
    pub body: Option<String>,
    /// Commits that were rolled back and are contained in this one again, as far as known.
    #[serde(default)]
    pub contains_rolled_back: Vec<CommitId>,
}

/// Payload of `deploy_queued`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployQueued {
    /// What is to run.
    pub commit: CommitId,
    /// Why.
    pub cause: Cause,
    /// The head before the push, while GitHub may still lag behind its own webhook.
    pub before: Option<CommitId>,
    /// The deploy whose stored specs are used, where it is not read anew.
    pub specs_of: Option<DeployNumber>,
    /// One service alone.
    pub only: Option<ServiceId>,
    /// What happens to instance counts.
    #[serde(default)]
    pub scale: Scale,
    /// Whether somebody else's Marathon deployment may be overridden, by an operator's word.
    #[serde(default)]
    pub force: bool,
    /// Why, in an operator's words.
    pub reason: Option<String>,
}

/// Payload of `apply_intended`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyIntended {
    /// Which call.
    pub call: Call,
    /// Its body, where it has one: the blob is kept, so that the very same body can be sent again.
    pub body: Option<BlobId>,
    /// Whether it overrides a running Marathon deployment.
    pub force: bool,
    /// The services it changes.
    pub services: Vec<Intended>,
    /// What it is about, where it is no service: tasks, a Marathon deployment.
    #[serde(default)]
    pub target: Vec<String>,
    /// Services that are given more instances than wanted until all are healthy, and how many are wanted then.
    #[serde(default)]
    pub raised: BTreeMap<ServiceId, u32>,
}

/// Payload of `rollback_requested`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackRequested {
    /// Where to.
    pub to: DeployRef,
    /// From what ran.
    pub from: Option<DeployRef>,
    /// Why.
    pub reason: Option<String>,
    /// When the pin ends.
    pub resume: ResumeWhen,
    /// What happens to instance counts.
    pub scale: Scale,
    /// One service alone.
    pub only: Option<ServiceId>,
}

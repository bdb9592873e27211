//! The kinds of events and their payloads.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use strum::VariantNames;

use super::payload::{
    AppSettings, ApplyIntended, DeployQueued, DeployRef, Drift, Outcome, Planned, PushReceived,
    Registration, RollbackRequested, Source, SpecFile,
};
use super::word::{Call, Ending, ResumeWhen};
use crate::id::{CommitId, DeployNumber, ServiceId};
use crate::sentence::Sentence;

/// What happened. The tag is the event's `kind`, the content its payload.
///
/// A new kind is a variant here. The compiler then names the fold (`history::fold`) and the sentence (`summary`) and
/// the line of the process's log (`announce`), a test
/// the fixture (`tests/data/events/`) and the row in ARCHITECTURE.md; the filter of `/events` has it by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, VariantNames)]
#[strum(serialize_all = "snake_case")]
#[serde(tag = "kind", content = "payload", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the table of kinds in ARCHITECTURE.md says what each payload means"
)]
pub enum Fact {
    AppRegistered {
        source: Source,
        settings: AppSettings,
    },
    AppChanged {
        old: Registration,
        new: Registration,
    },
    AppDestroyed {
        removed: Vec<ServiceId>,
        kept: Vec<ServiceId>,
        sentence: String,
    },
    HookRegistered {
        id: u64,
        url: String,
    },
    HookRepaired {
        id: u64,
        url: String,
        differed: Vec<String>,
    },
    HookPinged {
        id: u64,
        delivery: Option<String>,
    },
    HookFailed {
        code: String,
        sentence: String,
    },
    HookRemoved {
        id: Option<u64>,
        sentence: String,
    },
    PushReceived(Box<PushReceived>),
    PushIgnored {
        commit: CommitId,
        code: String,
        sentence: String,
        head: Option<CommitId>,
    },
    PushHeld {
        commit: CommitId,
        code: String,
        sentence: String,
    },
    RequestRefused {
        route: String,
        reason: String,
        count: u64,
    },
    DeployQueued(Box<DeployQueued>),
    DeployStarted {
        commit: CommitId,
    },
    DeployWaiting {
        code: String,
        sentence: String,
        #[serde(default)]
        subject: Option<String>,
        until: Option<String>,
    },
    SpecsRead {
        commit: CommitId,
        files: Vec<SpecFile>,
        settings: AppSettings,
    },
    PlanMade {
        services: Vec<Planned>,
        unchanged: u32,
        plan: String,
        warnings: Vec<Sentence>,
    },
    ApplyIntended(Box<ApplyIntended>),
    ApplyAccepted {
        #[serde(default)]
        intent: Option<i64>,
        call: Call,
        marathon_deployment: Option<String>,
        version: Option<String>,
        services: Vec<ServiceId>,
    },
    ApplyRefused {
        #[serde(default)]
        intent: Option<i64>,
        call: Call,
        code: String,
        sentence: String,
        #[serde(default)]
        services: Vec<ServiceId>,
    },
    ServiceProgressed {
        id: ServiceId,
        stage: String,
        sentence: Option<String>,
    },
    DeployEnding {
        outcome: Ending,
        code: String,
        sentence: String,
    },
    DeploySucceeded {
        services: Vec<Outcome>,
        orphans: Vec<ServiceId>,
        sentence: String,
    },
    DeployUnchanged {
        services: Vec<Outcome>,
        orphans: Vec<ServiceId>,
        sentence: String,
    },
    DeployFailed {
        code: String,
        sentence: String,
        services: Vec<Outcome>,
    },
    DeployCancelled {
        code: String,
        sentence: String,
        services: Vec<Outcome>,
    },
    DeploySuperseded {
        by: DeployRef,
        sentence: String,
    },
    RollbackRequested(Box<RollbackRequested>),
    AppPinned {
        commit: CommitId,
        deploy: Option<DeployNumber>,
        reason: Option<String>,
        resume: ResumeWhen,
        head: Option<CommitId>,
    },
    AppResumed {
        reason: Option<String>,
        head: Option<CommitId>,
    },
    AppLocked {
        reason: String,
        head: Option<CommitId>,
        /// When it ends by itself. Since version 2.
        #[serde(default)]
        until: Option<String>,
    },
    AppUnlocked {
        reason: Option<String>,
        head: Option<CommitId>,
    },
    AppAdopted {
        services: Vec<Outcome>,
    },
    ServiceScaled {
        id: ServiceId,
        old: u32,
        new: u32,
    },
    ServiceRemoved {
        id: ServiceId,
        sentence: String,
        /// It was to be removed, and runs on: it is not the app's any more.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        left: bool,
    },
    DriftSeen {
        services: Vec<Drift>,
    },
    DestroyRequested {
        services: Vec<ServiceId>,
        hook: Option<u64>,
        keep_services: bool,
    },
    ServicesListed {
        of: String,
        field: String,
        part: u32,
        parts: u32,
        services: Vec<Value>,
    },
    StatusReported {
        what: String,
        state: String,
    },
}

//! What the events of an app add up to.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::deploy::Deploy;
use super::phase::Phase;
use super::told::{Debt, Intent, Told};
use crate::event::{AppSettings, Drift, Outcome, ResumeWhen, Source, Visibility};
use crate::id::{AppId, CommitId, DeployNumber, ServiceId, SpecHash};
use crate::sentence::Sentence;

/// The head of the trigger branch, as last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The commit.
    pub commit: CommitId,
    /// When it was seen first.
    pub seen_at: String,
    /// The head before it, as long as GitHub may still name it.
    pub previous: Option<CommitId>,
    /// The commit that it was pushed on top of, by the push that told of it.
    #[serde(default)]
    pub pushed_onto: Option<CommitId>,
}

/// A push that is kept but not deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The commit.
    pub commit: CommitId,
    /// `pinned`, `locked` or `first_start`, and the sentence.
    #[serde(flatten)]
    pub why: Sentence,
}

/// The app stays at a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The commit.
    pub commit: CommitId,
    /// The earlier deploy it goes back to, where it was one.
    pub deploy: Option<DeployNumber>,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub since: String,
    /// When it ends by itself.
    pub resume: ResumeWhen,
    /// The head of the branch at that time: it does not resume.
    pub head: Option<CommitId>,
    /// The event that pinned it: what was pushed before does not resume either.
    pub seq: i64,
}

/// Nobody deploys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lock {
    /// Who said so.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: String,
    /// When it ends by itself; `None`: when somebody lifts it.
    #[serde(default)]
    pub until: Option<String>,
}

impl Lock {
    /// Why, and until when, as sentences have it.
    #[must_use]
    pub fn why(&self) -> String {
        match &self.until {
            Some(until) => format!("{} (until {until})", self.reason),
            None => self.reason.clone(),
        }
    }
}

/// What runs, by the last deploy that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// The deploy.
    pub deploy: DeployNumber,
    /// The commit.
    pub commit: CommitId,
    /// Since when.
    pub since: String,
}

/// What we know of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRecord {
    /// Hash of the spec it was given last, by an intent.
    pub applied: Option<SpecHash>,
    /// `instances` of the spec of the last call that arrived.
    pub instances: Option<u32>,
    /// From `apply_intended` until a deploy that includes it succeeded.
    pub dirty: bool,
    /// Hash of Marathon's rendering when it last succeeded.
    pub rendering: Option<SpecHash>,
    /// The deploy that last changed it.
    pub deploy: Option<DeployNumber>,
    /// Its file in the repository.
    #[serde(default)]
    pub adopted: bool,
    /// A count an operator wants and Marathon was not told yet.
    #[serde(default)]
    pub scale: Option<u32>,
}

/// What we know of the webhook.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// GitHub's id of it.
    pub id: Option<u64>,
    /// Where it calls.
    pub url: Option<String>,
    /// When it was registered.
    pub registered_at: Option<String>,
    /// When its ping arrived.
    pub pinged_at: Option<String>,
    /// The hook that ping was of. GitHub pings while it still answers who registers, so it may be heard of first.
    #[serde(default)]
    pub pinged: Option<u64>,
    /// What is wrong with it.
    pub failure: Option<Sentence>,
}

/// A destroy that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destroying {
    /// Services still to go.
    pub services: Vec<ServiceId>,
    /// The hook to remove, where this is the repository's last app.
    pub hook: Option<u64>,
    /// Whether the services stay.
    pub keep_services: bool,
    /// Who.
    pub by: String,
    /// Since when.
    pub since: String,
}

/// Where an app stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AppState {
    /// It follows its branch.
    Following,
    /// It stays at a commit.
    Pinned,
    /// Nobody deploys.
    Locked,
    /// Its head is held until somebody decides.
    Held,
    /// It is being taken down.
    Destroying,
    /// It is gone.
    Destroyed,
}

impl AppState {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Following => "following",
            Self::Pinned => "pinned",
            Self::Locked => "locked",
            Self::Held => "held",
            Self::Destroying => "destroying",
            Self::Destroyed => "destroyed",
        }
    }
}

/// An app, as its events have made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Its name.
    pub id: AppId,
    /// Where it is deployed from.
    pub source: Source,
    /// Its settings.
    pub settings: AppSettings,
    /// When it was registered.
    pub registered_at: String,
    /// Whether it is gone.
    pub destroyed: bool,
    /// Whether an earlier app of this name, whose history this one goes on, was of another repository that was not public: nobody asks
    /// there any more, so what is of that name is shown to operators only.
    #[serde(default)]
    pub veiled: bool,
    /// A destroy that has begun.
    pub destroying: Option<Destroying>,
    /// The head of its branch.
    pub head: Option<Head>,
    /// From where the branch was last forced, and to where.
    pub forced: Option<(CommitId, CommitId)>,
    /// The newest push that was queued and overtaken by another, as long as that one was not seen to be the head.
    pub overtaken: Option<CommitId>,
    /// The commit at which an empty log met services of ours that differ: another one is deployed.
    pub first_start: Option<CommitId>,
    /// The newest push that is kept but not deployed.
    pub held: Option<Held>,
    /// It stays at a commit.
    pub pin: Option<Pin>,
    /// Nobody deploys.
    pub lock: Option<Lock>,
    /// What runs.
    pub live: Option<Live>,
    /// The deploy that is under way.
    pub running: Option<Deploy>,
    /// The deploy that is next.
    pub waiting: Option<Deploy>,
    /// The highest number given.
    pub last_deploy: DeployNumber,
    /// Why the newest deploy that ended did so, where that was no success.
    pub trouble: Option<Sentence>,
    /// Its services.
    pub services: BTreeMap<ServiceId, ServiceRecord>,
    /// Services whose spec left the repository and which still run.
    pub orphans: Vec<ServiceId>,
    /// Services that somebody changed in Marathon.
    pub drift: Vec<Drift>,
    /// Its webhook.
    pub hook: Hook,
    /// Calls of which it is not known what became of them, by the number of their `apply_intended`.
    pub intents: BTreeMap<i64, Intent>,
    /// What Marathon was told and may still be rolling, oldest first: at most one that arrived for each service.
    pub told: Vec<Told>,
    /// Counts that are owed back.
    pub debts: BTreeMap<ServiceId, Debt>,
    /// Commits that were rolled back since the app last followed its branch.
    pub rolled_back: Vec<CommitId>,
    /// The newest event of this app.
    pub last_seq: i64,
}

impl App {
    /// Services become its own, as they run.
    pub fn adopt(&mut self, services: &[Outcome]) {
        for service in services {
            let record = self.services.entry(service.id.clone()).or_default();
            record.adopted = true;
            record.applied.clone_from(&service.spec);
            record.rendering.clone_from(&service.rendering);
            record.instances = service.instances;
        }
    }

    /// An app as `app_registered` makes it; numbering goes on when it comes back.
    #[must_use]
    pub fn new(
        id: AppId,
        source: Source,
        settings: AppSettings,
        at: &str,
        last: DeployNumber,
    ) -> Self {
        Self {
            id,
            source,
            settings,
            registered_at: at.to_owned(),
            destroyed: false,
            veiled: false,
            destroying: None,
            head: None,
            forced: None,
            overtaken: None,
            first_start: None,
            held: None,
            pin: None,
            lock: None,
            live: None,
            running: None,
            waiting: None,
            last_deploy: last,
            trouble: None,
            services: BTreeMap::new(),
            orphans: Vec::new(),
            drift: Vec::new(),
            hook: Hook::default(),
            intents: BTreeMap::new(),
            told: Vec::new(),
            debts: BTreeMap::new(),
            rolled_back: Vec::new(),
            last_seq: 0,
        }
    }

    /// An app that no log knows: the command line plans with it where no observer runs.
    #[must_use]
    pub fn unlogged(id: AppId, source: Source, settings: AppSettings) -> Self {
        Self::new(id, source, settings, "", DeployNumber(0))
    }

    /// Whether anybody may see it. At the repository of an app that is gone nobody looks any more.
    #[must_use]
    pub fn is_public(&self) -> bool {
        !self.destroyed && !self.veiled && self.source.visibility == Visibility::Public
    }

    /// Whether whoever sees this app may hear of the other.
    #[must_use]
    pub fn names(&self, other: &Self) -> bool {
        other.is_public() || other.source.repository_id == self.source.repository_id
    }

    /// Where it stands; the strongest gate is named.
    #[must_use]
    pub fn state(&self) -> AppState {
        if self.destroyed {
            AppState::Destroyed
        } else if self.destroying.is_some() {
            AppState::Destroying
        } else if self.lock.is_some() {
            AppState::Locked
        } else if self.pin.is_some() {
            AppState::Pinned
        } else if self.held.is_some() {
            AppState::Held
        } else {
            AppState::Following
        }
    }

    /// The deploy of this number, if it has not ended.
    #[must_use]
    pub fn open_deploy(&self, number: DeployNumber) -> Option<&Deploy> {
        [&self.running, &self.waiting]
            .into_iter()
            .flatten()
            .find(|d| d.number == number)
    }

    /// Whether something of ours was ever given to Marathon for this app.
    #[must_use]
    pub fn ever_applied(&self) -> bool {
        !self.services.is_empty()
    }

    /// Whether work is owed: a deploy, a call without an answer, a destroy, a scaling or counts that are owed back.
    #[must_use]
    pub fn owes_work(&self) -> bool {
        self.running.is_some()
            || self.destroying.is_some()
            || !self.intents.is_empty()
            || !self.debts.is_empty()
            || self.services.values().any(|s| s.scale.is_some())
    }

    /// Whether the deploy that runs can still be superseded.
    #[must_use]
    pub fn running_untouched(&self) -> bool {
        self.running.as_ref().is_some_and(|d| match d.life {
            Phase::Queued | Phase::Reading | Phase::Planned => !d.touched,
            Phase::Calling { .. }
            | Phase::Rolling { .. }
            | Phase::Ending { .. }
            | Phase::Ended { .. } => false,
        })
    }
}

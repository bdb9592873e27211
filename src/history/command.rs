//! What somebody wants of an app, what the writer looked up for it, and the answers.

use super::state::Lock;
use crate::event::{
    AppSettings, ApplyIntended, CommitInfo, DeployRef, Fact, NewEvent, Outcome, ResumeWhen, Scale,
    Source, Via, Visibility,
};
use crate::id::{AppId, CommitId, DeployNumber, RepositoryName, ServiceId};
use crate::sentence::Sentence;

/// An app that enters.
#[derive(Debug, Clone)]
pub struct Registering {
    /// Where it is deployed from.
    pub source: Source,
    /// Its settings.
    pub settings: AppSettings,
    /// The head of the branch.
    pub head: CommitId,
    /// What people want to know of it.
    pub info: Option<CommitInfo>,
}

/// A branch that moved.
#[derive(Debug, Clone)]
pub struct Push {
    /// How we learned of it.
    pub via: Via,
    /// GUID of the delivery.
    pub delivery: Option<String>,
    /// The whole ref.
    pub git_ref: String,
    /// The head before.
    pub before: Option<CommitId>,
    /// The head after.
    pub after: CommitId,
    /// Whether history was rewritten.
    pub forced: bool,
    /// What people want to know of it.
    pub info: Option<CommitInfo>,
    /// Who pushed.
    pub pusher: Option<String>,
    /// SHA-256 of the body.
    pub body: Option<String>,
    /// For a poll: the head that was known when the branch was asked. If it moved since, the answer is old.
    pub asked_at: Option<CommitId>,
}

/// Where an operator wants to go.
#[derive(Debug, Clone)]
pub struct Target {
    /// The commit, and the deploy that is gone back to.
    pub to: DeployRef,
    /// The deploy whose stored specs are used.
    pub specs_of: Option<DeployNumber>,
    /// One service alone.
    pub only: Option<ServiceId>,
    /// Why.
    pub reason: Option<String>,
    /// When the pin ends.
    pub resume: ResumeWhen,
    /// What happens to instance counts.
    pub scale: Scale,
    /// The token of the plan that was looked at.
    pub plan: Option<String>,
    /// What the target is made of, for the token.
    pub specs: String,
    /// Deploy although it is locked.
    pub override_lock: bool,
    /// Override somebody else's Marathon deployment.
    pub force: bool,
}

/// What somebody wants.
#[derive(Debug, Clone)]
pub enum Command {
    /// An app enters.
    Register(Box<Registering>),
    /// How GitHub calls its repository at present, and who may see it there.
    Follow {
        /// Its name; none where GitHub does not show it.
        repository: Option<RepositoryName>,
        /// Who may see it.
        visibility: Visibility,
    },
    /// A branch moved.
    Push(Box<Push>),
    /// The branch is at another commit than the deploy that was about to begin.
    HeadMoved {
        /// That deploy.
        deploy: DeployNumber,
        /// The head as GitHub says.
        head: CommitId,
    },
    /// The branch never got to the pushed commit.
    HeadLags {
        /// The deploy of that commit.
        deploy: DeployNumber,
        /// The head as GitHub says; none where the branch is missing.
        head: Option<CommitId>,
        /// What to say.
        sentence: String,
    },
    /// The deployer begins.
    Start(DeployNumber),
    /// The deployer found running services of ours that differ, and an empty log.
    HoldFirstStart {
        /// The deploy that stops here.
        deploy: DeployNumber,
        /// What was found.
        sentence: String,
    },
    /// The deployer reports what it is about to do or what happened.
    Record {
        /// The deploy.
        deploy: DeployNumber,
        /// In this order.
        facts: Vec<Fact>,
    },
    /// The deployer is about to make a call that changes Marathon.
    Intend {
        /// The deploy it is for; none where it is an operator's scaling, a debt or a destroy.
        deploy: Option<DeployNumber>,
        /// The call.
        intended: Box<ApplyIntended>,
    },
    /// It is known what became of a call. Each is settled once, whatever became of its deploy.
    Settle {
        /// The number of its `apply_intended`.
        intent: i64,
        /// `apply_accepted` or `apply_refused`.
        fact: Box<Fact>,
        /// What follows for its deploy, where that has not ended.
        then: Option<Box<Fact>>,
    },
    /// The observer reports something about the app that belongs to no deploy.
    Note(Vec<Fact>),
    /// Go back.
    Rollback(Box<Target>),
    /// Deploy a commit.
    Deploy(Box<Target>),
    /// Deploy the same again.
    Redeploy(Box<Target>),
    /// End a deploy; the running one where none is named.
    Cancel {
        /// Which.
        deploy: Option<DeployNumber>,
        /// Why.
        reason: Option<String>,
    },
    /// Follow the branch again.
    Resume {
        /// Why.
        reason: Option<String>,
    },
    /// Nobody deploys.
    Lock {
        /// Why.
        reason: String,
        /// When it ends by itself.
        until: Option<String>,
    },
    /// The lock that was to end then is over.
    LockEnds {
        /// Its `until`.
        until: String,
    },
    /// Deploys go on.
    Unlock {
        /// Why.
        reason: Option<String>,
    },
    /// Another number of instances.
    Scale {
        /// The service.
        service: ServiceId,
        /// How many run.
        old: u32,
        /// How many shall.
        new: u32,
        /// Although the app is locked.
        override_lock: bool,
    },
    /// Services of the same id that dploy did not make become ours.
    Adopt {
        /// Which, as they run.
        services: Vec<Outcome>,
    },
    /// Take the app down.
    Destroy {
        /// Whether its services stay.
        keep_services: bool,
        /// Although it is locked.
        override_lock: bool,
    },
    /// What was looked at first, and is refused where it would come to something else by now.
    Shown(Box<Shown>),
    /// A forged or malformed call; it belongs to no app.
    Refused {
        /// Which route.
        route: String,
        /// Why.
        reason: String,
        /// How many since the last such event.
        count: u64,
    },
}

/// A command, and what it was seen to come to.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The plan token.
    pub plan: String,
    /// What the token is of, beside the state of the app.
    pub of: String,
    /// The service it is limited to.
    pub only: Option<ServiceId>,
    /// The commit that it would deploy.
    pub commit: Option<CommitId>,
    /// What is wanted.
    pub command: Command,
}

impl Command {
    /// What is wanted, also of one that was looked at first.
    #[must_use]
    pub fn wanted(&self) -> &Self {
        match self {
            Self::Shown(shown) => &shown.command,
            command => command,
        }
    }
}

/// What the writer looked up in the log for a command, inside the transaction.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an answer of its own"
)]
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The delivery or idempotency key was seen, and began this deploy.
    pub dedup: Option<Option<DeployNumber>>,
    /// The idempotency key came before, with another action or another body.
    pub key_reused: bool,
    /// The body was seen.
    pub body: bool,
    /// The commit of the push, or the head that is about to be deployed, was pushed before the app was pinned.
    pub commit: bool,
    /// Another app that has the same source.
    pub source_app: Option<AppId>,
    /// Whether another app, not destroyed, uses the same repository.
    pub repository_shared: bool,
    /// A service that is about to be changed or adopted and belongs to another app.
    pub taken: Option<(ServiceId, Option<AppId>)>,
}

/// What a command came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is written down.
    Done,
    /// It is written down and there is a deploy of this number.
    Queued(DeployNumber),
    /// It was known; nothing was written.
    Duplicate,
    /// It is written down and kept.
    Held(Sentence),
    /// It changes nothing; nothing was written.
    Unchanged,
}

/// Why a command is refused. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such app.
    #[error("there is no app of this name")]
    UnknownApp,
    /// It is being taken down, or gone.
    #[error("the app is being destroyed")]
    Destroying,
    /// Another source has this name.
    #[error("the name {0} belongs to another source")]
    NameTaken(AppId),
    /// A rollback or another operator's deploy runs.
    #[error("{1}")]
    Busy(DeployNumber, String),
    /// An operator said that nobody deploys.
    #[error("locked by {}: {}", .0.by, .0.why())]
    Locked(Box<Lock>),
    /// The idempotency key belongs to another action or another body.
    #[error("this Idempotency-Key came before with another action or another body")]
    KeyReused,
    /// The plan was made of another state.
    #[error("the app changed since the plan was made")]
    PlanStale,
    /// The deploy the command speaks of has ended meanwhile.
    #[error("the deploy has ended")]
    Stale,
    /// A service belongs to another app, which is named to those who may hear of it.
    #[error("{0} belongs to {owner}; change the id", owner = another(.1.as_ref()))]
    Taken(ServiceId, Option<AppId>),
    /// It makes no sense now, and why.
    #[error("{0}")]
    Not(String),
}

/// Events to append, and the answer once they are on disk.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The events, in order.
    pub events: Vec<NewEvent>,
    /// The answer.
    pub answer: Answer,
}

/// Another app, by name where it may be said.
#[must_use]
pub fn another(app: Option<&AppId>) -> String {
    app.map_or_else(
        || "another app of this observer".to_owned(),
        |app| format!("the app {app}"),
    )
}

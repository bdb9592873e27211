//! A story as data: what there is at the beginning, and who does what when. It can be written down, shortened and told again.

use serde::{Deserialize, Serialize};

/// What is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// Decides whatever is left to chance while it is told.
    pub seed: u64,
    /// The apps, by what their branches hold at first.
    pub apps: Vec<AppShape>,
    /// Services that somebody else runs from the beginning.
    #[serde(default)]
    pub strange: Vec<Strange>,
    /// What happens, in this order.
    pub acts: Vec<Act>,
}

/// An app: a branch of a repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppShape {
    /// Its name.
    pub name: String,
    /// Number of its repository.
    pub repository: u64,
    /// Its branch.
    pub branch: String,
    /// Its descriptor says `prune: true`.
    #[serde(default)]
    pub prune: bool,
    /// Its specs stand in one group file.
    #[serde(default)]
    pub group: bool,
    /// Its services.
    pub services: Vec<ServiceShape>,
}

/// A service as a spec gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceShape {
    /// Its Marathon id.
    pub id: String,
    /// How many instances.
    pub instances: u32,
    /// `minimumHealthCapacity` and `maximumOverCapacity`.
    pub strategy: (f64, f64),
    /// It has a health check.
    pub checked: bool,
    /// The service it depends on.
    #[serde(default)]
    pub needs: Option<String>,
}

/// A service that is there before any app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Strange {
    /// Its Marathon id.
    pub id: String,
    /// The value of its `DPLOY` label.
    #[serde(default)]
    pub label: Option<String>,
}

/// Something happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// So many seconds after the beginning, or as soon after that as its turn comes.
    pub at: u32,
    /// If it waits for the deploy of an app to be in this phase, a minute at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// What.
    #[serde(rename = "do")]
    pub what: What,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Somebody pushes to the branch of an app.
    Push {
        /// Which app.
        app: usize,
        /// What the commit changes.
        change: Change,
        /// How we learn of it.
        told: Told,
    },
    /// An operator wants something.
    Operator {
        /// Of which app.
        app: usize,
        /// Who.
        by: String,
        /// What.
        wish: Wish,
    },
    /// Somebody else changes a service in Marathon.
    Stranger {
        /// Which one.
        id: String,
        /// How.
        deed: Deed,
    },
    /// Something does not work for a while.
    Trouble {
        /// What.
        what: Trouble,
        /// For so many seconds.
        seconds: u32,
    },
    /// The observer is killed and starts again after so many seconds.
    Kill {
        /// How long it is away.
        away: u32,
    },
    /// Somebody sets the observer's clock.
    Clock {
        /// By so many seconds.
        by: i64,
    },
}

/// What a commit changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// All services get a new version that behaves so.
    Version(Behaviour),
    /// One service does.
    One(usize, Behaviour),
    /// Nothing but a text that nobody deploys.
    Readme,
    /// A spec is no JSON.
    Unreadable,
    /// A spec is larger than may be.
    TooBig,
    /// The spec of a service leaves.
    Remove(usize),
    /// All services of the beginning are there again.
    AddAll,
    /// The spec of a service wants another number of instances.
    Instances(usize, u32),
    /// The spec of a service names another id.
    Renames(usize, String),
    /// The branch is forced back by a commit.
    ForcedBack,
    /// The content of the commit before the last one comes back as a new commit.
    Revert,
}

/// How tasks behave, by the first word of their command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// Up and healthy within two seconds.
    Well,
    /// Healthy after twelve seconds.
    Slow,
    /// Never healthy.
    Sick,
    /// Ends at once.
    Crash,
    /// Ends after half a minute, again and again.
    Later,
    /// No agent has room for it.
    Never,
    /// Runs well and ends after a minute and a half, as if it were done.
    Old,
}

/// How a push reaches us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// GitHub calls.
    Once,
    /// GitHub calls twice.
    Twice,
    /// GitHub calls so many seconds later.
    Late(u32),
    /// Nobody tells us; the branch has to be asked.
    Never,
}

/// What operators can want.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Back by so many deploys that have specs.
    Rollback(usize),
    /// The same, until somebody resumes.
    RollbackForGood(usize),
    /// One service alone, back by so many deploys.
    RollbackOne(usize, usize),
    /// The head.
    Deploy,
    /// The head, whoever holds its services.
    Force,
    /// What it stands at, once more.
    Redeploy,
    /// End what runs.
    Cancel,
    /// Follow the branch again.
    Resume,
    /// Nobody deploys.
    Lock,
    /// Nobody deploys for so many seconds.
    LockFor(u32),
    /// Everybody may again.
    Unlock,
    /// Other counts.
    Scale(usize, u32),
    /// Take what nobody owns.
    Adopt,
    /// Take the app down.
    Destroy,
    /// Take the app down and leave its services.
    DestroyKeeping,
    /// Bring the app back.
    Register,
}

/// What strangers do in Marathon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Take our label away.
    Unlabel,
    /// Put the label of an app that nobody knows.
    Relabel,
    /// Change the command.
    Edit,
    /// Add a variable.
    AddEnv,
    /// Another number of instances.
    Scale(u32),
    /// Restart it.
    Restart,
    /// Delete it.
    Delete,
    /// Create it, without a label, where it is not there.
    Create,
}

/// What does not work for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Marathon cannot be reached.
    MarathonAway,
    /// Marathon takes its time.
    MarathonSlow,
    /// Marathon refuses every change with this status.
    MarathonRefuses(u16),
    /// Changes get lost on the way to Marathon.
    CallsLost,
    /// Changes are made, their answers get lost.
    RepliesLost,
    /// Changes arrive when we have given up waiting for their answer.
    CallsLate,
    /// Changes are long on their way, and other things happen meanwhile.
    CallsHeld,
    /// What the observer asks Marathon is long on its way, and other things happen meanwhile.
    QuestionsHeld,
    /// Agents have nothing to offer.
    NoOffers,
    /// Marathon has as many deployments as it may.
    Full,
    /// Another leader takes over, without health and with rollouts begun anew.
    NewLeader,
    /// Events do not arrive.
    StreamCut,
    /// Events arrive twice and in another order.
    StreamShuffled,
    /// GitHub cannot be reached.
    GithubAway,
    /// GitHub takes its time.
    GithubSlow,
    /// GitHub answers everything with this status.
    GithubRefuses(u16),
    /// GitHub says that there is no such repository.
    GithubHides,
    /// GitHub names the head before the last.
    GithubLags,
    /// GitHub names a head that was one long ago.
    GithubErrs,
    /// The log cannot be written.
    DiskRefuses,
}

impl Trouble {
    /// Its name in lists.
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// Those in which nobody knows what became of a call.
    pub const OF_CALLS: &[Self] = &[
        Self::MarathonAway,
        Self::CallsLost,
        Self::RepliesLost,
        Self::CallsLate,
        Self::CallsHeld,
    ];

    /// One of each.
    pub const ALL: &[Self] = &[
        Self::MarathonAway,
        Self::MarathonSlow,
        Self::MarathonRefuses(401),
        Self::MarathonRefuses(403),
        Self::MarathonRefuses(409),
        Self::MarathonRefuses(422),
        Self::MarathonRefuses(429),
        Self::MarathonRefuses(503),
        Self::CallsLost,
        Self::RepliesLost,
        Self::CallsLate,
        Self::CallsHeld,
        Self::QuestionsHeld,
        Self::NoOffers,
        Self::Full,
        Self::NewLeader,
        Self::StreamCut,
        Self::StreamShuffled,
        Self::GithubAway,
        Self::GithubSlow,
        Self::GithubRefuses(401),
        Self::GithubRefuses(403),
        Self::GithubRefuses(429),
        Self::GithubRefuses(500),
        Self::GithubHides,
        Self::GithubLags,
        Self::GithubErrs,
        Self::DiskRefuses,
    ];
}

impl Wish {
    /// Its name in lists.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rollback(_) => "Rollback",
            Self::RollbackForGood(_) => "RollbackForGood",
            Self::RollbackOne(..) => "RollbackOne",
            Self::Deploy => "Deploy",
            Self::Force => "Force",
            Self::Redeploy => "Redeploy",
            Self::Cancel => "Cancel",
            Self::Resume => "Resume",
            Self::Lock => "Lock",
            Self::LockFor(_) => "LockFor",
            Self::Unlock => "Unlock",
            Self::Scale(..) => "Scale",
            Self::Adopt => "Adopt",
            Self::Destroy => "Destroy",
            Self::DestroyKeeping => "DestroyKeeping",
            Self::Register => "Register",
        }
    }

    /// The names of all.
    pub const NAMES: &[&str] = &[
        "Rollback",
        "RollbackForGood",
        "RollbackOne",
        "Deploy",
        "Force",
        "Redeploy",
        "Cancel",
        "Resume",
        "Lock",
        "LockFor",
        "Unlock",
        "Scale",
        "Adopt",
        "Destroy",
        "DestroyKeeping",
        "Register",
    ];
}

impl Behaviour {
    /// The first word of the command of such tasks.
    pub fn word(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Slow => "slow",
            Self::Sick => "sick",
            Self::Crash => "crash",
            Self::Later => "later",
            Self::Never => "never",
            Self::Old => "old",
        }
    }
}

//! The small vocabularies of payloads: one word for one thing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may see a repository at GitHub.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Some.
    Private,
    /// GitHub did not say, or does not show it any more. It counts as private.
    #[default]
    Unknown,
}

impl Visibility {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Unknown => "unknown",
        }
    }
}

/// How a push was learned of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// GitHub called the webhook.
    Webhook,
    /// GitHub called it again for an earlier delivery.
    Redelivery,
    /// Read back from the hook's recorded deliveries.
    Deliveries,
    /// The branch was asked.
    Poll,
    /// An operator said so.
    Cli,
}

impl Via {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Redelivery => "redelivery",
            Self::Deliveries => "deliveries",
            Self::Poll => "poll",
            Self::Cli => "cli",
        }
    }
}

/// Why there is a deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A push to the trigger branch.
    Push,
    /// An operator went back.
    Rollback,
    /// An operator deploys the same again.
    Redeploy,
    /// The pin was lifted.
    Resume,
    /// The lock was lifted.
    Unlock,
    /// An operator asked for it.
    Cli,
}

impl Cause {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Rollback => "rollback",
            Self::Redeploy => "redeploy",
            Self::Resume => "resume",
            Self::Unlock => "unlock",
            Self::Cli => "cli",
        }
    }

    /// Whether such a deploy follows the branch, so that the head is asked before it touches Marathon.
    #[must_use]
    pub fn follows(self) -> bool {
        matches!(self, Self::Push | Self::Resume | Self::Unlock)
    }
}

/// When a pin ends by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ResumeWhen {
    /// With the next new head of the branch.
    #[default]
    NextPush,
    /// Only when an operator resumes.
    Manual,
}

/// What happens to instance counts on a rollback.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// The running counts stay.
    #[default]
    Keep,
    /// The counts of the target's specs.
    Target,
}

/// What a deploy does to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is new.
    Create,
    /// Its definition changes.
    Update,
    /// Its definition is right, its tasks are not.
    Restart,
    /// Nothing.
    Unchanged,
    /// Its spec left the repository.
    Remove,
    /// Somebody changed it in Marathon; it is put right.
    Drifted,
}

impl Action {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Restart => "restart",
            Self::Unchanged => "unchanged",
            Self::Remove => "remove",
            Self::Drifted => "drifted",
        }
    }

    /// Whether the definition in Marathon is replaced.
    #[must_use]
    pub fn puts(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Drifted)
    }
}

/// A kind of call that changes Marathon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// `PUT /v2/apps`.
    Put,
    /// `POST /v2/apps/{id}/restart`.
    Restart,
    /// `DELETE /v2/apps/{id}`.
    Delete,
    /// `PUT /v2/apps/{id}` with `instances` only.
    Scale,
    /// `POST /v2/tasks/delete?wipe=true`.
    Wipe,
    /// `DELETE /v2/deployments/{id}?force=true`.
    Cancel,
}

/// How a deploy that is being ended will end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It failed.
    Failed,
    /// It was cancelled.
    Cancelled,
}

//! What Marathon was told of an app and what that leaves open: calls without an answer, rollouts, counts.

use serde::{Deserialize, Serialize};

use crate::event::{ApplyIntended, Call};
use crate::id::{BlobId, DeployNumber, ServiceId};

/// A call that was intended and of which it is not known yet what became of it. It outlives its deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The deploy it was intended for; none where it is an operator's scaling, a debt or a destroy.
    pub deploy: Option<DeployNumber>,
    /// What was intended.
    #[serde(flatten)]
    pub intended: ApplyIntended,
}

/// A call that may have begun a Marathon deployment, which then is ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Which call.
    pub call: Call,
    /// Marathon's id of the deployment, where it answered with one.
    pub marathon_deployment: Option<String>,
    /// The body that was sent.
    pub body: Option<BlobId>,
    /// The services it changes.
    pub services: Vec<ServiceId>,
    /// Whether it arrived. One that did not, as far as could be seen, may arrive late.
    pub arrived: bool,
    /// The deploy it was told for.
    pub deploy: Option<DeployNumber>,
    /// Whether that deploy saw its rollout to the end, or ended it. One that was overtaken has an heir, who does.
    pub closed: bool,
}

/// Instances that were given to make room for a rollout, and are taken back once all are well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debt {
    /// How many were given; not known of calls that the first releases made.
    pub given: Option<u32>,
    /// How many are wanted.
    pub wanted: u32,
    /// Marathon refused to take them back during a deploy: it is tried again when no deploy runs.
    pub refused: bool,
}

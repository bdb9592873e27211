//! What must hold, by name.

use serde::{Deserialize, Serialize};

/// What can turn out not to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// A call changed a service whose live label was not ours.
    NotOurs,
    /// A push that was acknowledged is not in the log.
    PushLost,
    /// Healthy instances fell below what the strategy allows, through our doing.
    HealthyLost,
    /// Somebody left a pin without an event that says so, or deployed something else under it.
    PinLeft,
    /// A push was deployed although somebody had locked the app.
    LockBroken,
    /// What is called live is not what runs.
    LiveUntrue,
    /// `succeeded` or `unchanged` was not true when it was said.
    SuccessUntrue,
    /// A count that an operator gave was lost at a deploy whose spec says no other than before.
    CountLost,
    /// What became of a call was something else than the log says.
    CallMisread,
    /// A deploy ended, and its rollout goes on without a word.
    RolloutLeft,
    /// A deploy plans something for a service that is right.
    Needless,
    /// The head before the last was taken for a push, while GitHub may lag behind its own webhook.
    HeadUntrue,
    /// The log grew although nothing happened.
    LogGrows,
    /// A deploy cost more events than it may.
    DeployCostly,
    /// A projection is not what a fresh fold makes.
    ProjectionDiffers,
    /// A file and a log in memory do not keep the same.
    StoresDiffer,
    /// A sentence names what does not exist.
    SentenceUntrue,
    /// A step is taken again and again without an end.
    Spins,
    /// A request was answered with an error of our own.
    OwnError,
    /// The log is damaged.
    Damaged,
    /// A deadline ended what had not been observed for so long.
    HastyEnd,
    /// The cause that is given is not the cause.
    CauseUntrue,
    /// In the end a deploy has not ended and waits for nobody.
    Stuck,
    /// In the end an app is neither at its head nor at its pin.
    NotAtHead,
    /// In the end what runs is not what the commit says.
    NotRight,
    /// In the end counts that were raised were not given back.
    Owed,
}

/// Something did not hold.
#[derive(Debug, Clone)]
pub struct Finding {
    pub check: Check,
    pub sentence: String,
}

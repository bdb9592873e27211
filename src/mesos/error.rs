//! Why what a task wrote cannot be read.

/// Why a log cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Marathon does not say where its Mesos is.
    #[error("{0}")]
    NoMesos(String),
    /// The master has no such agent any more.
    #[error(
        "the agent {0} is not at the Mesos master any more: what its tasks wrote is out of reach"
    )]
    NoAgent(String),
    /// Whoever was asked did not answer.
    #[error("{0}")]
    Silent(String),
    /// We may not read it.
    #[error(
        "{0} does not let us read what tasks wrote (HTTP {1}); -mesos-user and -mesos-password, or the token of DC/OS, need the right to read sandboxes"
    )]
    Forbidden(String, u16),
    /// There is no such file, or not yet.
    #[error(
        "{0} is not there: the task has not begun to write, or its sandbox was removed from the agent"
    )]
    Gone(String),
    /// Something that is no agent answered.
    #[error("{0}")]
    Foreign(String),
}

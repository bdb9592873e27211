//! Why a call to Marathon did not do what it should.

use crate::sentence::Sentence;

/// Why a call did not do what it should.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MarathonError {
    /// No answer, or one that is not Marathon's. The call may have been carried out.
    #[error("{0}")]
    Unreachable(String),
    /// A deployment that is not ours holds an app.
    #[error("locked by deployments {}", .0.join(", "))]
    Locked(Vec<String>),
    /// The limit of running deployments is reached.
    #[error("{0}")]
    Busy(String),
    /// It does not exist.
    #[error("{0}")]
    Missing(String),
    /// Credentials are missing or wrong.
    #[error("{0}")]
    Unauthorized(String),
    /// Marathon understood and refused.
    #[error("{0}")]
    Refused(Sentence),
}

//! Why GitHub did not give what was asked for.

use crate::sentence::Code;

/// Why GitHub did not give what was asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GithubError {
    /// No answer, a slow one, or an error of its own.
    #[error("{0}")]
    Unreachable(String),
    /// The token is missing, wrong, or lacks a right.
    #[error("{0}")]
    Token(String),
    /// A limit is reached; seconds until it may be asked again.
    #[error("{0}")]
    Limited(String, u64),
    /// It does not exist, or the token may not see it.
    #[error("{0}")]
    Missing(String),
    /// It understood and refused.
    #[error("{0}")]
    Refused(String),
}

impl GithubError {
    /// The code of a deploy that waits for this: `GITHUB_TOKEN` or `GITHUB_UNREACHABLE`.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Token(_) => Code::GithubToken,
            Self::Unreachable(_) | Self::Limited(..) | Self::Missing(_) | Self::Refused(_) => {
                Code::GithubUnreachable
            }
        }
    }
}

//! Why a call to the observer did not do what it should.

use crate::api::{Problem, ProblemCode};
use crate::transport::TransportError;

/// Why a call did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No answer. The call may have been carried out.
    #[error("the observer at {0} {1}")]
    Unreachable(String, TransportError),
    /// It understood and refused.
    #[error("{}", said(.0))]
    Refused(Box<Problem>),
    /// A proxy answers that nobody is behind it, or the observer that it cannot. The call may have been carried out.
    #[error("the observer at {0} does not answer: what stands in front of it says {1}")]
    Away(String, u16),
    /// It answers what an observer does not.
    #[error("what answers at {0} is no observer: {1}")]
    Foreign(String, String),
}

fn said(problem: &Problem) -> String {
    match &problem.hint {
        Some(hint) => format!("{} ({hint})", problem.detail),
        None => problem.detail.clone(),
    }
}

impl ClientError {
    /// Whether another answer may come by itself: it is started again, or its log cannot be written for a moment.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Unreachable(..) | Self::Away(..) => true,
            Self::Refused(problem) => problem.is(ProblemCode::LogUnavailable),
            Self::Foreign(..) => false,
        }
    }

    /// Whether it refused for this reason.
    #[must_use]
    pub fn is(&self, code: ProblemCode) -> bool {
        matches!(self, Self::Refused(problem) if problem.is(code))
    }
}

/// That it shows a certificate which is not trusted here, where that is why.
pub(super) fn untrusted(error: &reqwest::Error) -> Option<String> {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(why) = error.downcast_ref::<rustls::Error>()
            && let rustls::Error::InvalidCertificate(why) = why
        {
            return Some(format!(
                "shows a certificate that is not trusted here ({why}); -ca-cert names the authority that signed it"
            ));
        }
        let io = error.downcast_ref::<std::io::Error>();
        let inner = io.and_then(std::io::Error::get_ref);
        cause = inner
            .map(|e| e as &dyn std::error::Error)
            .or(error.source());
    }
    None
}

//! The way out: what carries a request of ours to GitHub or Marathon, and its answer back. It is the machine's network,
//! or whatever service a test puts in its place: nothing above it knows the difference.

use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

/// Carries one request and its answer. Its clones share one way.
pub type Transport = BoxCloneSyncService<reqwest::Request, reqwest::Response, TransportError>;

/// Why there is no answer. The request may have arrived all the same, but for [`TransportError::Connect`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransportError {
    /// No answer within the time that was allowed.
    #[error("does not answer in time")]
    Timeout,
    /// There was no connection.
    #[error("cannot be reached")]
    Connect,
    /// The connection ended before the answer did.
    #[error("broke off: {0}")]
    Broken(String),
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::Timeout
        } else if error.is_connect() {
            Self::Connect
        } else {
            Self::Broken(root_cause(&error))
        }
    }
}

/// The machine's network, by way of this client.
#[must_use]
pub fn network(http: reqwest::Client) -> Transport {
    BoxCloneSyncService::new(http.map_err(TransportError::from))
}

/// Sends a request on its way.
///
/// # Errors
/// See [`TransportError`].
pub async fn carry(
    transport: &Transport,
    request: reqwest::RequestBuilder,
) -> Result<reqwest::Response, TransportError> {
    transport.clone().oneshot(request.build()?).await
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    crate::secret::plain(&cause.to_string(), 200)
}

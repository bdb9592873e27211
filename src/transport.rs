//! The way out: what carries a request of ours to GitHub or Marathon, and its answer back. It is the machine's network,
//! or whatever service a test puts in its place: nothing above it knows the difference.

use std::sync::OnceLock;

use reqwest::{Method, Request, RequestBuilder, Response};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

/// Carries one request and its answer. Its clones share one way.
pub type Transport = BoxCloneSyncService<Request, Response, TransportError>;

/// Why there is no answer. The request may have arrived all the same, but for [`TransportError::Connect`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransportError {
    /// No answer within the time that was allowed.
    #[error("does not answer in time")]
    Timeout,
    /// There was no connection.
    #[error("cannot be reached: {0}")]
    Connect(String),
    /// The connection ended before the answer did.
    #[error("broke off: {0}")]
    Broken(String),
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::Timeout
        } else if error.is_connect() {
            let proxy = error.url().and_then(|url| proxy_of(url.as_str()));
            let by = proxy.map_or_else(String::new, |name| format!(" (by the proxy of {name})"));
            Self::Connect(format!("{}{by}", root_cause(&error)))
        } else {
            Self::Broken(root_cause(&error))
        }
    }
}

/// Certificate authorities that this process trusts beside those of the system.
static TRUSTED: OnceLock<Vec<reqwest::Certificate>> = OnceLock::new();

/// Trusts these certificate authorities too, from now on, in every client. Only the first call counts.
pub fn trust_also(authorities: Vec<reqwest::Certificate>) {
    let _ = TRUSTED.set(authorities);
}

/// What a client of a server at `base` is built from. What is on this machine is asked without the proxy of the environment
/// (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`), as Go's clients do.
pub fn client_of(base: &str) -> reqwest::ClientBuilder {
    let trusted = TRUSTED.get().cloned().unwrap_or_default();
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .tls_certs_merge(trusted);
    if is_loopback(base) {
        builder.no_proxy()
    } else {
        builder
    }
}

/// The variable whose proxy is asked for an address, as far as its name tells; `NO_PROXY` may except it.
fn proxy_of(url: &str) -> Option<&'static str> {
    let names: &[&'static str] = match url {
        _ if is_loopback(url) => &[],
        _ if url.starts_with("https:") => &["HTTPS_PROXY", "https_proxy"],
        _ => &["HTTP_PROXY", "http_proxy"],
    };
    let mut names = names.iter().copied();
    names.find(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()))
}

/// Whether an address leads to this very machine.
#[must_use]
pub fn is_loopback(base: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(base) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|a| a.is_loopback())
}

/// What makes requests, and what carries them.
#[derive(Clone)]
pub struct Way {
    http: reqwest::Client,
    transport: Transport,
}

impl Way {
    /// Over the machine's network.
    #[must_use]
    pub fn network(http: reqwest::Client) -> Self {
        let transport = BoxCloneSyncService::new(http.clone().map_err(TransportError::from));
        Self { http, transport }
    }

    /// By another transport than the network.
    #[must_use]
    pub fn by(http: reqwest::Client, transport: Transport) -> Self {
        Self { http, transport }
    }

    /// A request that is to be sent by [`Self::send`].
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.http.request(method, url)
    }

    /// Sends a request on its way.
    ///
    /// # Errors
    /// See [`TransportError`].
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, TransportError> {
        let request = request.build()?;
        let (method, url) = (request.method().clone(), plainly(request.url()));
        let begun = tokio::time::Instant::now();
        let answer = self.transport.clone().oneshot(request).await;
        let took = begun.elapsed().as_millis();
        let duration_ms = u64::try_from(took).unwrap_or(u64::MAX);
        match &answer {
            Ok(answer) => {
                let status = answer.status().as_u16();
                tracing::debug!(%method, url, status, duration_ms, "called");
            }
            Err(error) => tracing::debug!(%method, url, %error, duration_ms, "called in vain"),
        }
        answer
    }
}

/// Where a call goes, without what could be a secret in it: no user, no query.
fn plainly(url: &reqwest::Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    crate::secret::plain(&cause.to_string(), 200)
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn this_machine_is_known_by_its_names() {
        for base in [
            "http://localhost:8080",
            "http://127.0.0.1",
            "https://127.1.2.3:443/service/marathon",
            "http://[::1]:8080",
        ] {
            assert!(is_loopback(base), "{base}");
        }
        for base in [
            "https://api.github.com",
            "http://localhost.example:8080",
            "http://10.0.0.1",
            "nowhere",
        ] {
            assert!(!is_loopback(base), "{base}");
        }
    }
}

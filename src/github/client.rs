//! Asking GitHub: one budget, clear errors, no token to anybody else (GitHub docs, "Best practices for using the REST API").

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Method, StatusCode, header};
use serde_json::Value;

use super::error::GithubError;
use crate::clock::SharedClock;
use crate::reach::Reach;
use crate::secret::{Secret, plain};
use crate::transport::{TransportError, Way, client_of};

/// The API version that is spoken.
const VERSION: &str = "2022-11-28";

/// Answers larger than this are not read.
const LARGEST: usize = 32 * 1024 * 1024;

/// The client. Clones share the token and the budget.
#[derive(Clone)]
pub struct Client {
    way: Way,
    base: String,
    token: Option<Secret>,
    clock: SharedClock,
    /// Until when ([`Clock::elapsed`](crate::clock::Clock::elapsed)) nothing is asked, because a limit was reached.
    rest_until: Arc<Mutex<Duration>>,
    reach: Reach,
}

/// An answer: status, headers, body.
pub(super) struct Reply {
    pub status: StatusCode,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

impl Client {
    /// A client of the API at `base`, e.g. `https://api.github.com`.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(
        base: &str,
        token: Option<Secret>,
        clock: SharedClock,
        timeout: Duration,
    ) -> anyhow::Result<Self> {
        let http = client_of(base)
            .connect_timeout(Duration::from_secs(5).min(timeout))
            .timeout(timeout)
            .user_agent(concat!("dploy-observer/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self::through(Way::network(http), base, token, clock))
    }

    /// The same by a way that there is already.
    #[must_use]
    pub fn through(way: Way, base: &str, token: Option<Secret>, clock: SharedClock) -> Self {
        Self {
            way,
            base: base.trim_end_matches('/').to_owned(),
            token,
            clock,
            rest_until: Arc::default(),
            reach: Reach::of("GitHub"),
        }
    }

    /// Where the API is.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Whether there is a token to ask with.
    #[must_use]
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    pub(super) async fn get(
        &self,
        path: &str,
        accept: &str,
        etag: Option<&str>,
    ) -> Result<Reply, GithubError> {
        self.noted(self.call(Method::GET, path, accept, etag, None).await)
    }

    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, GithubError> {
        let accept = "application/vnd.github+json";
        self.noted(self.call(method, path, accept, None, body).await)
    }

    /// The process's log is told whether GitHub answers.
    fn noted(&self, reply: Result<Reply, GithubError>) -> Result<Reply, GithubError> {
        let now = self.clock.elapsed();
        match &reply {
            Err(error @ (GithubError::Unreachable(_) | GithubError::Limited(..))) => {
                self.reach.fails(now, error);
            }
            Ok(_) | Err(_) => self.reach.answers(now),
        }
        reply
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        etag: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Reply, GithubError> {
        self.may_ask()?;
        let mut url = format!("{}{path}", self.base);
        for _ in 0..3 {
            let mut request = self
                .way
                .request(method.clone(), &url)
                .header(header::ACCEPT, accept)
                .header("X-GitHub-Api-Version", VERSION);
            if let Some(token) = &self.token {
                request = request.bearer_auth(token.expose());
            }
            if let Some(etag) = etag {
                request = request.header(header::IF_NONE_MATCH, etag);
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            let sent = self.way.send(request).await;
            let answer = sent.map_err(|e| self.unreachable(&e))?;
            if answer.status().is_redirection() && answer.status() != StatusCode::NOT_MODIFIED {
                url = self.moved_to(&answer)?;
                continue;
            }
            return self.read(answer).await;
        }
        Err(GithubError::Unreachable(format!(
            "GitHub at {} redirects in a circle",
            self.base
        )))
    }

    /// A renamed repository answers with its new address; the token goes to no other host.
    fn moved_to(&self, answer: &reqwest::Response) -> Result<String, GithubError> {
        let location = answer
            .headers()
            .get(header::LOCATION)
            .and_then(|l| l.to_str().ok())
            .unwrap_or_default();
        if location.starts_with(&format!("{}/", self.base)) {
            Ok(location.to_owned())
        } else {
            Err(GithubError::Unreachable(format!(
                "GitHub at {} redirects to another host; it is not followed",
                self.base
            )))
        }
    }

    async fn read(&self, mut answer: reqwest::Response) -> Result<Reply, GithubError> {
        let text = |name: &str| {
            answer
                .headers()
                .get(name)
                .and_then(|v| v.to_str().ok())
                .map(str::to_owned)
        };
        let (retry_after, remaining, reset, date) = (
            text("retry-after"),
            text("x-ratelimit-remaining"),
            text("x-ratelimit-reset"),
            text("date"),
        );
        let accepted =
            text("x-accepted-github-permissions").or_else(|| text("x-accepted-oauth-scopes"));
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|e| self.unreachable(&e.into()))?
        {
            if body.len() + chunk.len() > LARGEST {
                return Err(GithubError::Refused(
                    "GitHub's answer is larger than 32 MiB".to_owned(),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        let reply = Reply { status, body };
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(reply);
        }
        let message = plain(reply.json()["message"].as_str().unwrap_or_default(), 300);
        let limited = remaining.as_deref() == Some("0")
            || retry_after.is_some()
            || message.to_lowercase().contains("rate limit");
        Err(match status.as_u16() {
            403 | 429 if limited => self.limited(
                retry_after.as_deref(),
                reset.as_deref(),
                date.as_deref(),
                &message,
            ),
            401 => GithubError::Token(format!(
                "GitHub does not take the token ({message}); make a new one and set DPLOY_OBSERVER_GITHUB_PAT or .pat"
            )),
            403 => GithubError::Token(format!(
                "the token lacks a right at GitHub: {message}{}",
                accepted
                    .map(|a| format!(" (needed: {a})"))
                    .unwrap_or_default()
            )),
            404 | 410 => GithubError::Missing(format!("GitHub: {message}")),
            400..=499 => GithubError::Refused(format!(
                "GitHub refused: {message}{}",
                details(&reply.json())
            )),
            code => GithubError::Unreachable(format!(
                "GitHub at {} answers {code}: {message}",
                self.base
            )),
        })
    }

    fn may_ask(&self) -> Result<(), GithubError> {
        let until = self.rest_until.lock().map_or(Duration::ZERO, |u| *u);
        let left = until.saturating_sub(self.clock.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        let left = left.as_secs() + 1;
        Err(GithubError::Limited(
            format!("GitHub's limit is reached; asking again in {left} s"),
            left,
        ))
    }

    fn limited(
        &self,
        retry_after: Option<&str>,
        reset: Option<&str>,
        date: Option<&str>,
        message: &str,
    ) -> GithubError {
        // GitHub names a time by its own clock
        let now = date
            .and_then(|d| jiff::fmt::rfc2822::parse(d).ok())
            .map_or_else(|| self.clock.now(), |d| d.timestamp());
        let by_reset = reset
            .and_then(|r| r.parse::<i64>().ok())
            .map(|r| u64::try_from(r - now.as_second()).unwrap_or(0));
        let wait = retry_after
            .and_then(|r| r.parse().ok())
            .or(by_reset)
            .unwrap_or(60)
            .clamp(1, 3700);
        if let Ok(mut until) = self.rest_until.lock() {
            *until = self.clock.elapsed() + Duration::from_secs(wait);
        }
        GithubError::Limited(
            format!("GitHub's limit is reached ({message}); asking again in {wait} s"),
            wait,
        )
    }

    fn unreachable(&self, error: &TransportError) -> GithubError {
        GithubError::Unreachable(format!("GitHub at {} {error}", self.base))
    }
}

/// Percent-encodes one segment of a path.
pub(super) fn encode(segment: &str) -> String {
    percent_encoding::utf8_percent_encode(segment, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn details(body: &Value) -> String {
    let texts: Vec<String> = body["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|e| {
            e["message"]
                .as_str()
                .or_else(|| e["code"].as_str())
                .map(str::to_owned)
        })
        .collect();
    if texts.is_empty() {
        String::new()
    } else {
        plain(&format!(" ({})", texts.join("; ")), 300)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_ends_at_a_time_is_waited_for_by_githubs_own_clock() {
        // an error only says that somebody installed one before
        let _ = rustls::crypto::ring::default_provider().install_default();
        let way = Way::network(reqwest::Client::new());
        let github = Client::through(way, "http://github", None, crate::clock::system());
        let wait = |retry_after, reset, date| {
            let github = github.clone();
            let GithubError::Limited(_, wait) = github.limited(retry_after, reset, date, "no")
            else {
                panic!("not limited");
            };
            wait
        };
        // thirty years ago by this machine's clock
        let date = Some("Tue, 15 Nov 1994 08:12:31 GMT");
        assert_eq!(wait(None, Some("784887251"), date), 100);
        assert_eq!(wait(None, Some("784887051"), date), 1, "it is over");
        assert_eq!(wait(Some("7"), Some("784887251"), date), 7);
        assert_eq!(wait(None, None, date), 60);
        assert!(github.may_ask().is_err());
    }
}

//! The client of the observer's own HTTP API, as `dploy` uses it.

mod act;
mod error;

use std::time::Duration;

pub use act::Acted;
pub use error::ClientError;
use error::untrusted;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::{
    AppBody, AppPage, AppsBody, DeployBody, DiffBody, HookBody, LogBody, MadeTokenBody,
    NewTokenBody, Problem, ProblemCode, RegisterBody, TokensBody, WhyBody,
};
use crate::id::{AppId, DeployNumber, ServiceId};
use crate::secret::{Secret, plain};
use crate::transport::client_of;

/// Answers larger than this are not the observer's.
const LARGEST: usize = 16 * 1024 * 1024;

/// The client. Without a token it reads what anybody may read.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<Secret>,
}

/// Where to begin in a log.
#[derive(Debug, Clone, Copy)]
pub enum LogFrom {
    /// With so many lines before its end.
    Tail(usize),
    /// At this byte.
    Offset(u64),
}

impl Client {
    /// A client of the observer at `base`, e.g. `http://52.37.239.156:8849`. Redirects are not followed.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(base: &str, token: Option<Secret>, timeout: Duration) -> anyhow::Result<Self> {
        Self::of(client_of(base), base, token, timeout)
    }

    /// The same, which trusts no other certificate than this one.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn pinned(
        base: &str,
        token: Option<Secret>,
        timeout: Duration,
        certificate: reqwest::Certificate,
    ) -> anyhow::Result<Self> {
        let http = client_of(base).tls_certs_only([certificate]);
        Self::of(http, base, token, timeout)
    }

    /// The same, which trusts this certificate too.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn trusting(
        base: &str,
        token: Option<Secret>,
        timeout: Duration,
        certificate: reqwest::Certificate,
    ) -> anyhow::Result<Self> {
        let http = client_of(base).tls_certs_merge([certificate]);
        Self::of(http, base, token, timeout)
    }

    fn of(
        http: reqwest::ClientBuilder,
        base: &str,
        token: Option<Secret>,
        timeout: Duration,
    ) -> anyhow::Result<Self> {
        let http = http
            .connect_timeout(Duration::from_secs(5).min(timeout))
            .timeout(timeout)
            .user_agent(concat!("dploy/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { http, base, token })
    }

    /// The same client with an operator's token.
    #[must_use]
    pub fn with_token(&self, token: Secret) -> Self {
        Self {
            token: Some(token),
            ..self.clone()
        }
    }

    /// Whether it shows who asks.
    #[must_use]
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Where the observer is.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Whether it answers at all.
    pub async fn is_alive(&self) -> bool {
        self.silence().await.is_none()
    }

    /// Why it does not answer, as far as that can be said; `None` where it does.
    pub async fn silence(&self) -> Option<String> {
        let asked = self.http.get(format!("{}/healthz", self.base));
        match asked.timeout(Duration::from_secs(3)).send().await {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("answers {}", answer.status())),
            Err(error) => Some(untrusted(&error).unwrap_or_else(|| "does not answer".to_owned())),
        }
    }

    /// What `/readyz` says, in words.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn readiness(&self) -> Result<String, ClientError> {
        let answer = self.http.get(format!("{}/readyz", self.base)).send().await;
        let answer = answer.map_err(|e| self.unreachable(e))?;
        let text = answer.text().await.map_err(|e| self.unreachable(e))?;
        Ok(plain(text.trim(), 500))
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, T), ClientError> {
        self.keyed(method, path, body, None).await
    }

    /// The same under an `Idempotency-Key`.
    async fn keyed<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        key: Option<&str>,
    ) -> Result<(StatusCode, T), ClientError> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .header("accept", "application/json");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(|e| self.unreachable(e))?;
        let status = answer.status();
        let bytes = self.read(answer).await?;
        if status.is_success() {
            return serde_json::from_slice(&bytes)
                .map(|body| (status, body))
                .map_err(|e| self.foreign(&format!("{path}: {e}")));
        }
        Err(match serde_json::from_slice::<Problem>(&bytes) {
            Ok(mut problem) => {
                problem.detail = plain(&problem.detail, 1000);
                ClientError::Refused(Box::new(problem))
            }
            // a proxy that has nobody behind it
            Err(_) if status.is_server_error() => {
                ClientError::Away(self.base.clone(), status.as_u16())
            }
            Err(_) => self.foreign(&format!("{path} answers {status}")),
        })
    }

    async fn read(&self, mut answer: reqwest::Response) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| self.unreachable(e))? {
            if bytes.len() + chunk.len() > LARGEST {
                return Err(self.foreign("the answer is larger than 16 MiB"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn foreign(&self, why: &str) -> ClientError {
        ClientError::Foreign(self.base.clone(), why.to_owned())
    }

    fn unreachable(&self, error: reqwest::Error) -> ClientError {
        ClientError::Unreachable(self.base.clone(), error.into())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        Ok(self.call(Method::GET, path, None).await?.1)
    }

    /// All its apps.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn apps(&self) -> Result<AppsBody, ClientError> {
        self.get("/apps.json").await
    }

    /// One app; `None` where it has none of this name.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn app(&self, app: &AppId) -> Result<Option<AppPage>, ClientError> {
        match self.get(&format!("/apps/{app}.json")).await {
            Ok(page) => Ok(Some(page)),
            Err(error) if error.is(ProblemCode::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deploys older than `before`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn app_before(&self, app: &AppId, before: &str) -> Result<AppPage, ClientError> {
        self.get(&format!("/apps/{app}.json?before={before}")).await
    }

    /// One deploy.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn deploy(
        &self,
        app: &AppId,
        number: DeployNumber,
    ) -> Result<DeployBody, ClientError> {
        self.get(&format!("/apps/{app}/deploys/{}.json", number.0))
            .await
    }

    /// In what two deploys or commits differ. Without the second it is what is live, without both what the last deploy changed.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn diff(
        &self,
        app: &AppId,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<DiffBody, ClientError> {
        let side = |name: &str, place: Option<&str>| {
            place.map(|place| {
                let place = percent_encoding::utf8_percent_encode(
                    place,
                    percent_encoding::NON_ALPHANUMERIC,
                );
                format!("{name}={place}")
            })
        };
        let sides: Vec<String> = [side("from", from), side("to", to)]
            .into_iter()
            .flatten()
            .collect();
        self.get(&format!("/apps/{app}/diff?{}", sides.join("&")))
            .await
    }

    /// What a task wrote: its last lines, or what stands behind an offset in bytes.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn log(
        &self,
        app: &AppId,
        service: &ServiceId,
        task: &str,
        stream: &str,
        from: LogFrom,
    ) -> Result<LogBody, ClientError> {
        let encoded = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        let from = match from {
            LogFrom::Tail(lines) => format!("tail={lines}"),
            LogFrom::Offset(offset) => format!("offset={offset}"),
        };
        self.get(&format!(
            "/apps/{app}/logs?service={}&task={}&stream={stream}&{from}",
            encoded(service.as_str()),
            encoded(task)
        ))
        .await
    }

    /// The webhook of an app.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn hook(&self, app: &AppId) -> Result<HookBody, ClientError> {
        self.get(&format!("/apps/{app}/hook.json")).await
    }

    /// Asks for an action on the webhook: `register`, `repair`, `ping`, `remove`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn act_on_hook(&self, app: &AppId, action: &str) -> Result<Value, ClientError> {
        let path = format!("/apps/{app}/hook/{action}");
        let body = Some(Value::Object(serde_json::Map::new()));
        Ok(self.call(Method::POST, &path, body).await?.1)
    }

    /// What is known of a commit.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn why(&self, commit: &str) -> Result<WhyBody, ClientError> {
        self.get(&format!("/why/{commit}.json")).await
    }

    /// Registers the app of a branch; whether it is new.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn register(&self, body: &RegisterBody) -> Result<(AppBody, bool), ClientError> {
        let body = serde_json::to_value(body).ok();
        let (status, app) = self.call(Method::POST, "/apps", body).await?;
        Ok((app, status == StatusCode::CREATED))
    }

    /// All tokens.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn tokens(&self) -> Result<TokensBody, ClientError> {
        self.get("/tokens.json").await
    }

    /// Makes a token; the answer is the only one that shows it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn make_token(&self, body: &NewTokenBody) -> Result<MadeTokenBody, ClientError> {
        let body = serde_json::to_value(body).ok();
        Ok(self.call(Method::POST, "/tokens", body).await?.1)
    }

    /// Revokes a token, and ends its sessions.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn revoke_token(&self, name: &str) -> Result<Value, ClientError> {
        let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        let path = format!("/tokens/{name}");
        Ok(self.call(Method::DELETE, &path, None).await?.1)
    }
}

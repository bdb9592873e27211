//! Whom files are asked of: the agent itself, or DC/OS in front of it.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Response, StatusCode, header};
use serde_json::Value;

use super::error::LogError;
use crate::marathon::{self, MarathonError};
use crate::secret::{Secret, plain};
use crate::transport::{Way, client_of};

/// One slow agent must not hold up a page.
const PATIENCE: Duration = Duration::from_secs(4);

/// Larger answers are none of an agent's: a page of a file has 64 KiB, and the state of a large agent some megabytes.
const LARGEST: usize = 32 * 1024 * 1024;

/// `user` and password of Mesos' basic authentication, which are its own.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The principal.
    pub user: String,
    /// Its secret.
    pub password: Secret,
}

/// Whom requests for files go to.
#[derive(Clone)]
pub(super) enum Door {
    /// The agent itself.
    Agent {
        way: Arc<Way>,
        base: String,
        credentials: Option<Credentials>,
    },
    /// DC/OS, which hands them on with what Marathon is shown.
    Cluster {
        marathon: marathon::Client,
        path: String,
    },
}

/// The way to a server of Mesos: it follows no redirect.
pub(super) fn way(base: &str) -> Result<Way, LogError> {
    let wrong = |why: String| LogError::Foreign(format!("{base} is no address: {why}"));
    let url = reqwest::Url::parse(base).map_err(|e| wrong(e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("neither http nor https".to_owned()));
    }
    let http = client_of(base)
        .connect_timeout(PATIENCE)
        .timeout(PATIENCE)
        .build();
    http.map(Way::network).map_err(|e| wrong(e.to_string()))
}

pub(super) fn silent(error: &MarathonError) -> LogError {
    LogError::Silent(error.to_string())
}

pub(super) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// JSON as agents write it: bytes of a file stand in it as they are, so that it need not be UTF-8. Each becomes one character.
pub(super) fn parsed(body: &[u8], whose: &str) -> Result<Value, LogError> {
    let text: String = body.iter().map(|byte| char::from(*byte)).collect();
    serde_json::from_str(&text)
        .map_err(|e| LogError::Foreign(format!("what answers at {whose} is no Mesos: {e}")))
}

impl Door {
    /// Who answers, in words.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Agent { base, .. } => format!("Mesos at {base}"),
            Self::Cluster { path, .. } => format!("the cluster's {path}"),
        }
    }

    /// The body of an answer.
    pub(super) async fn get(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Vec<u8>, LogError> {
        let asked = tokio::time::timeout(PATIENCE, self.asked(path, query)).await;
        asked.unwrap_or_else(|_| {
            let why = format!("{} does not answer in time", self.name());
            Err(LogError::Silent(why))
        })
    }

    async fn asked(&self, path: &str, query: &[(&str, String)]) -> Result<Vec<u8>, LogError> {
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        let path = format!("{path}?{}", query.join("&"));
        let answer = match self {
            Self::Agent {
                way,
                base,
                credentials,
            } => {
                let mut request = way
                    .request(Method::GET, &format!("{base}{path}"))
                    .header(header::ACCEPT, "application/json");
                if let Some(known) = credentials {
                    request = request.basic_auth(&known.user, Some(known.password.expose()));
                }
                let sent = way.send(request).await;
                sent.map_err(|e| LogError::Silent(format!("{} {e}", self.name())))?
            }
            Self::Cluster {
                marathon,
                path: agent,
            } => {
                let sent = marathon.beside(&format!("{agent}{path}")).await;
                sent.map_err(|e| silent(&e))?
            }
        };
        self.read(answer, &path).await
    }

    async fn read(&self, mut answer: Response, path: &str) -> Result<Vec<u8>, LogError> {
        let status = answer.status();
        let mut body = Vec::new();
        let broken = |e: reqwest::Error| LogError::Silent(format!("{}: {e}", self.name()));
        while let Some(chunk) = answer.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > LARGEST {
                let why = format!("{} answers with more than 32 MiB", self.name());
                return Err(LogError::Foreign(why));
            }
            body.extend_from_slice(&chunk);
        }
        match status {
            StatusCode::OK => Ok(body),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(LogError::Forbidden(self.name(), status.as_u16()))
            }
            StatusCode::NOT_FOUND => Err(LogError::Gone(path_in(path))),
            other => {
                let said = plain(String::from_utf8_lossy(&body).trim(), 200);
                Err(LogError::Foreign(format!(
                    "{} answers {other}: {said}",
                    self.name()
                )))
            }
        }
    }
}

/// The file that a path asks for.
fn path_in(path: &str) -> String {
    let file = path.split("path=").nth(1).unwrap_or(path);
    let file = file.split('&').next().unwrap_or(file);
    let file = percent_encoding::percent_decode_str(file).decode_utf8_lossy();
    plain(file.rsplit('/').next().unwrap_or(&file), 100)
}

//! From a task to its sandbox: the framework from Marathon, the agent's address from the master, or all through DC/OS.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::door::{Credentials, Door, encoded, parsed, silent, way};
use super::error::LogError;
use super::sandbox::Sandbox;
use crate::marathon;

/// A task, and the agent that runs it or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskAt {
    /// Mesos' id of the task.
    pub task: String,
    /// Mesos' id of the agent.
    pub agent: String,
}

/// What leads to the sandboxes of a Marathon's tasks.
#[derive(Clone)]
pub struct Mesos {
    marathon: marathon::Client,
    credentials: Option<Credentials>,
    known: Arc<Mutex<BTreeMap<String, Known>>>,
}

/// Where an agent is, and since when that is known.
#[derive(Clone)]
struct Known {
    at: Instant,
    framework: String,
    door: Door,
}

/// So long it is believed: who follows asks every second.
const BELIEVED: Duration = Duration::from_secs(30);

impl Mesos {
    /// That of this Marathon.
    #[must_use]
    pub fn new(marathon: marathon::Client, credentials: Option<Credentials>) -> Self {
        Self {
            marathon,
            credentials,
            known: Arc::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sandbox of a task.
    ///
    /// # Errors
    /// See [`LogError`].
    pub async fn sandbox(&self, at: &TaskAt) -> Result<Sandbox, LogError> {
        let known = self.known().get(&at.agent).cloned();
        let known = match known.filter(|k| k.at.elapsed() < BELIEVED) {
            Some(known) => known,
            None => self.looked_up(at).await?,
        };
        Ok(Sandbox::new(known.door, &known.framework, &at.task))
    }

    async fn looked_up(&self, at: &TaskAt) -> Result<Known, LogError> {
        let info = self.marathon.info().await.map_err(|e| silent(&e))?;
        let framework = info["frameworkId"].as_str().ok_or_else(|| {
            LogError::NoMesos("Marathon is not registered at a Mesos master yet".to_owned())
        })?;
        let ui = info["marathon_config"]["mesos_leader_ui_url"].as_str();
        let ui = ui.filter(|url| !url.is_empty()).ok_or_else(|| {
            LogError::NoMesos(
                "Marathon does not say where its Mesos master is (mesos_leader_ui_url)".to_owned(),
            )
        })?;
        let door = if ui.starts_with('/') {
            Door::Cluster {
                marathon: self.marathon.clone(),
                path: format!("/agent/{}", encoded(&at.agent)),
            }
        } else {
            self.agent(ui, &at.agent).await?
        };
        let found = Known {
            at: Instant::now(),
            framework: framework.to_owned(),
            door,
        };
        let mut known = self.known();
        known.retain(|_, k| k.at.elapsed() < BELIEVED);
        known.insert(at.agent.clone(), found.clone());
        Ok(found)
    }

    /// The agent, as the master knows it.
    async fn agent(&self, master: &str, agent: &str) -> Result<Door, LogError> {
        let base = master.trim_end_matches('/');
        let door = Door::Agent {
            way: Arc::new(way(master)?),
            base: base.to_owned(),
            credentials: self.credentials.clone(),
        };
        let query = [("slave_id", agent.to_owned())];
        let body = match door.get("/slaves", &query).await {
            // a standby, which says who leads
            Err(LogError::Foreign(_)) => door.get("/master/slaves", &query).await?,
            body => body?,
        };
        let slaves = parsed(&body, base)?;
        let slaves = slaves["slaves"].as_array().cloned().unwrap_or_default();
        let named = slaves.iter().find(|slave| slave["id"] == agent);
        let named = named.ok_or_else(|| LogError::NoAgent(agent.to_owned()))?;
        let host = named["hostname"].as_str().unwrap_or_default();
        let port = named["pid"].as_str().and_then(|pid| pid.rsplit_once(':'));
        let port = port.and_then(|(_, port)| port.parse::<u16>().ok());
        let port = port.or_else(|| u16::try_from(named["port"].as_u64()?).ok());
        let scheme = if master.starts_with("https:") {
            "https"
        } else {
            "http"
        };
        let base = format!("{scheme}://{host}:{}", port.unwrap_or(5051));
        Ok(Door::Agent {
            way: Arc::new(way(&base)?),
            base,
            credentials: self.credentials.clone(),
        })
    }
}

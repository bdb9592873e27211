//! How well an app is: by what runs, and by what the log says of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AppBody, ServiceBody};
use crate::history::{App, AppState, DeployState};
use crate::sentence::Code;

/// How well an app is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// What runs is what was deployed: all instances of each service, healthy.
    Ok,
    /// A deploy is under way.
    Deploying,
    /// Some instances are not well, what runs was changed by somebody else, or something waits for a decision.
    Degraded,
    /// Nothing healthy runs of a service, or the newest deploy failed.
    Failed,
    /// Nothing was deployed yet, or Marathon does not say what runs.
    Unknown,
}

impl Health {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Deploying => "deploying",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// How many instances there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct InstancesBody {
    /// How many are wanted.
    pub wanted: u32,
    /// How many run.
    pub running: u32,
    /// How many are healthy.
    pub healthy: u32,
}

/// How well an app is, by the log alone.
#[must_use]
pub fn health(app: &App) -> Health {
    if app.destroyed || app.destroying.is_some() {
        // how its last deploy ended says nothing of what is left
        Health::Unknown
    } else if app
        .running
        .as_ref()
        .is_some_and(|d| d.state() != DeployState::Queued || app.live.is_none())
    {
        Health::Deploying
    } else if app
        .trouble
        .as_ref()
        .is_some_and(|t| !t.is(Code::Cancelled) && !t.is(Code::FirstStart))
    {
        Health::Failed
    } else if !app.drift.is_empty()
        || app
            .held
            .as_ref()
            .is_some_and(|h| h.why.is(Code::FirstStart))
    {
        Health::Degraded
    } else if app.live.is_none() {
        Health::Unknown
    } else {
        Health::Ok
    }
}

/// How well a service is, by its stage and its counts.
fn of_service(service: &ServiceBody) -> Health {
    let (healthy, wanted) = (service.healthy, service.wanted);
    match service.state.as_deref() {
        Some("healthy" | "running") => Health::Ok,
        // it is meant to be so
        Some("down") if wanted == Some(0) => Health::Ok,
        Some("starting") => Health::Degraded,
        Some(_) if healthy.unwrap_or(0) == 0 => Health::Failed,
        Some(_) => Health::Degraded,
        None => Health::Unknown,
    }
}

impl AppBody {
    /// The same, with what Marathon showed of its services and when; `None`: it does not say.
    pub fn see(&mut self, services: &[ServiceBody], seen_at: Option<String>) {
        self.seen_at = seen_at;
        if self.seen_at.is_none() {
            let decides = self.state != AppState::Held;
            if matches!(self.health, Health::Ok | Health::Degraded) && decides {
                self.health = Health::Unknown;
            }
            return;
        }
        let sum = |count: fn(&ServiceBody) -> Option<u32>| services.iter().filter_map(count).sum();
        self.instances = Some(InstancesBody {
            wanted: sum(|s| s.wanted),
            running: sum(|s| s.running),
            healthy: sum(|s| s.healthy),
        });
        if !matches!(self.health, Health::Ok | Health::Degraded) {
            return;
        }
        let worst = services.iter().map(|s| (of_service(s), s));
        let worst = worst.max_by_key(|(health, _)| match health {
            Health::Failed => 2,
            Health::Ok => 0,
            _ => 1,
        });
        let Some((health, service)) = worst.filter(|(health, _)| *health != Health::Ok) else {
            return;
        };
        if self.health == Health::Ok || health == Health::Failed {
            self.health = health;
        }
        if self.sentence.is_none() {
            self.sentence = service.sentence.clone().or_else(|| {
                let stage = service.state.as_deref()?;
                Some(format!("{} is {stage}", service.id))
            });
        }
    }
}

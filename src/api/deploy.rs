//! Bodies of a deploy and its services.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Cause, CommitInfo, DeployRef};
use crate::history::{Deploy, DeployState, Waiting};
use crate::id::{AppId, CommitId, DeployNumber, ServiceId};
use crate::sentence::Sentence;

/// A service within an app or a deploy.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ServiceBody {
    /// Absolute Marathon id.
    pub id: ServiceId,
    /// What the deploy does to it; for an app, what the last one did.
    pub change: Option<String>,
    /// Its stage.
    pub state: Option<String>,
    /// How many are wanted.
    pub wanted: Option<u32>,
    /// How many run.
    pub running: Option<u32>,
    /// How many are healthy.
    pub healthy: Option<u32>,
    /// Why it does not go on.
    pub sentence: Option<String>,
    /// What runs of it, where Marathon was asked.
    #[serde(flatten)]
    pub runs: RunsBody,
}

/// What runs of a service, as Marathon shows it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RunsBody {
    /// The image, where it is a container.
    pub image: Option<String>,
    /// The command; for operators.
    pub command: Option<String>,
    /// When its configuration changed last: Marathon's version of it.
    pub version: Option<String>,
    /// `host:port` of its tasks.
    pub endpoints: Vec<String>,
    /// How often the instances that are there were started again.
    pub restarts: Option<u32>,
    /// The last task that failed, of any version.
    pub last_failure: Option<FailedTaskBody>,
    /// Its page at Marathon; for operators.
    pub marathon: Option<String>,
    /// Its tasks.
    pub tasks: Vec<TaskBody>,
}

/// A task of a service.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TaskBody {
    /// Mesos' id of it.
    pub task: String,
    /// `TASK_RUNNING`, `TASK_FAILED` …
    pub state: String,
    /// Where it runs.
    pub host: Option<String>,
    /// Since when, RFC 3339.
    pub since: Option<String>,
    /// Whether it passes its health checks, or runs where there are none.
    pub healthy: bool,
    /// Whether it runs the newest configuration.
    pub current: bool,
}

/// A part of what a task wrote.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct LogBody {
    /// The service.
    pub service: ServiceId,
    /// Mesos' id of the task.
    pub task: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// Where the next part begins, in bytes: `?offset=`.
    pub offset: u64,
    /// Whether the file was rotated or cut off since `offset` was asked for: the lines are from its beginning.
    pub anew: bool,
    /// The lines; the last may be one that is still written.
    pub lines: Vec<String>,
}

/// The last lines of a task that failed while it was rolled out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastWords {
    /// The service.
    pub service: ServiceId,
    /// Mesos' id of the task.
    pub task: String,
    /// `stderr`, or `stdout` where nothing was written there.
    pub stream: String,
    /// What it wrote last.
    pub lines: Vec<String>,
}

/// Why a deploy failed or was cancelled.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FailureBody {
    /// Code and sentence.
    #[serde(flatten)]
    pub why: Sentence,
    /// What the task that explains it wrote last; for operators.
    #[serde(default)]
    pub log: Option<LastWords>,
}

impl std::ops::Deref for FailureBody {
    type Target = Sentence;

    fn deref(&self) -> &Sentence {
        &self.why
    }
}

/// A task that failed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FailedTaskBody {
    /// When, RFC 3339.
    pub at: String,
    /// Where.
    pub host: String,
    /// Mesos' id of it, as far as Marathon says it.
    pub task: Option<String>,
    /// In Mesos' words.
    pub sentence: String,
}

/// A deploy.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DeployBody {
    /// The app.
    pub app: AppId,
    /// Its number.
    pub deploy: DeployNumber,
    /// Where it is.
    pub state: DeployState,
    /// Why there is one.
    pub cause: Cause,
    /// What is to run.
    pub commit: CommitId,
    /// Who caused it.
    pub actor: String,
    /// Why, in an operator's words.
    pub reason: Option<String>,
    /// When it was recorded.
    pub queued_at: String,
    /// When it began.
    pub started_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// Why it failed or was cancelled.
    pub failure: Option<FailureBody>,
    /// Why it waits.
    pub waiting: Option<Waiting>,
    /// The end in words.
    pub sentence: Option<String>,
    /// What overtook it.
    pub superseded_by: Option<DeployRef>,
    /// The Marathon deployments it began.
    pub marathon_deployments: Vec<String>,
    /// Traps the plan walked into.
    pub warnings: Vec<Sentence>,
    /// What people want to know of the commit.
    pub message: Option<CommitInfo>,
    /// Its services; absent within a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<ServiceBody>>,
}

impl DeployBody {
    /// A deploy without its services.
    #[must_use]
    pub fn of(app: &AppId, deploy: &Deploy, message: Option<CommitInfo>) -> Self {
        Self {
            app: app.clone(),
            deploy: deploy.number,
            state: deploy.state(),
            cause: deploy.wanted.cause,
            commit: deploy.wanted.commit.clone(),
            actor: deploy.actor.clone(),
            reason: deploy.wanted.reason.clone(),
            queued_at: deploy.queued_at.clone(),
            started_at: deploy.started_at.clone(),
            ended_at: deploy.ended_at.clone(),
            failure: deploy
                .failure
                .clone()
                .map(|why| FailureBody { why, log: None }),
            waiting: deploy.waiting.clone(),
            sentence: deploy.sentence.clone(),
            superseded_by: deploy.superseded_by.clone(),
            marathon_deployments: deploy
                .marathon_deployments()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            warnings: deploy.warnings.clone(),
            message,
            services: None,
        }
    }

    /// The services by what the log says of them; counts are filled in by who asks Marathon.
    #[must_use]
    pub fn with_services(mut self, deploy: &Deploy) -> Self {
        let mut services: BTreeMap<&ServiceId, ServiceBody> = BTreeMap::new();
        let planned = deploy.plan.iter().flatten().map(|p| (&p.id, p.change));
        for (id, change) in planned.chain(deploy.outcome.iter().map(|o| (&o.id, o.change))) {
            let progress = deploy.progress.get(id);
            let outcome = deploy.outcome.iter().find(|o| o.id == *id);
            services.entry(id).or_insert_with(|| ServiceBody {
                id: id.clone(),
                change: Some(change.word().to_owned()),
                state: progress.map(|p| p.stage.clone()),
                wanted: None,
                running: outcome.map(|o| o.new + o.old),
                healthy: outcome.map(|o| o.new),
                sentence: progress.and_then(|p| p.sentence.clone()),
                runs: RunsBody::default(),
            });
        }
        self.services = Some(services.into_values().collect());
        self
    }
}

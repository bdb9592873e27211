//! The last words of tasks that fail while they are rolled out: kept with their deploy, for operators, before the sandbox is gone.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::api::LastWords;
use crate::context::Context;
use crate::history::App;
use crate::id::{DeployNumber, ServiceId};
use crate::marathon::LiveApp;
use crate::mesos::{LogError, TaskAt};
use crate::pulse::Pulse;
use crate::rollout;
use crate::secret::{Redactor, looks_secret, password_in_url, plain};

/// So many lines are kept.
const LINES: usize = 50;

/// Longest line that is kept, in characters.
const LONGEST: usize = 300;

/// Longest line that is shown, in characters.
const SHOWN: usize = 10_000;

/// One that takes longer is given up: the next failure is looked at then.
const PATIENCE: Duration = Duration::from_secs(15);

/// Listens until `stop`.
pub async fn run(context: Context, pulse: Pulse, stop: CancellationToken) {
    let mut touched = context.store.log().touched();
    loop {
        let app = tokio::select! {
            () = stop.cancelled() => return,
            touched = touched.recv() => match touched {
                Ok(touched) => touched.app,
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            },
        };
        let Ok(Some(app)) = context.store.app(&app).await else {
            continue;
        };
        let looking = tokio::time::timeout(PATIENCE, look(&context, &pulse, &app));
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looking => {}
        }
    }
}

/// Where a deploy's services do not come up, their last words are read and kept.
async fn look(context: &Context, pulse: &Pulse, app: &App) {
    let Some(deploy) = &app.running else {
        return;
    };
    let troubled = deploy
        .progress
        .iter()
        .filter(|(_, progress)| matches!(progress.stage.as_str(), "crashing" | "unhealthy"));
    for (service, _) in troubled {
        let Ok(Some(live)) = context.marathon.app(service).await else {
            continue;
        };
        if !rollout::is_of(&live, &app.id) {
            continue;
        }
        let Some(at) = failed(&live) else {
            continue;
        };
        let known = kept(context, app, deploy.number).await;
        if known.is_some_and(|known| known.task == at.task) {
            continue;
        }
        match words(context, service, &live, &at).await {
            Ok(words) => {
                let value = serde_json::to_string(&words).unwrap_or_default();
                let key = key(deploy.number);
                match context.store.observe(&app.id, &key, &value).await {
                    Ok(()) => pulse.moves(&app.id).await,
                    Err(error) => {
                        tracing::warn!(%error, "the last words of a task could not be kept");
                    }
                }
            }
            Err(error) => tracing::debug!(%error, task = at.task, "no last words"),
        }
    }
}

fn key(deploy: DeployNumber) -> String {
    format!("last-words/{}", deploy.0)
}

/// The last words that were kept with a deploy.
pub async fn kept(context: &Context, app: &App, deploy: DeployNumber) -> Option<LastWords> {
    let kept = context.store.observed(&app.id, &key(deploy)).await.ok()??;
    serde_json::from_str(&kept.0).ok()
}

/// The task that explains why a service does not come up: of its newest configuration the one that failed last, else one that runs
/// and is not well.
fn failed(live: &LiveApp) -> Option<TaskAt> {
    let last = live.last_task_failure.as_ref();
    let last = last.filter(|f| f.version.as_str() >= live.configured());
    let ended = last.and_then(|f| {
        Some(TaskAt {
            task: f.task.clone()?,
            agent: f.agent.clone()?,
        })
    });
    ended.or_else(|| {
        let mut sick = live.tasks.iter();
        let sick = sick.find(|t| live.is_current(t) && !live.is_well(t))?;
        Some(TaskAt {
            task: sick.id.clone(),
            agent: sick.agent.clone()?,
        })
    })
}

/// What a task wrote last: what it complained of, else what it said.
async fn words(
    context: &Context,
    service: &ServiceId,
    live: &LiveApp,
    at: &TaskAt,
) -> Result<LastWords, LogError> {
    let sandbox = context.mesos.sandbox(at).await?;
    let hidden = Hidden::of(context, live);
    let (mut stream, mut lines) = ("stderr", Vec::new());
    for file in ["stderr", "stdout"] {
        let part = sandbox.tail(file, 2 * LINES).await?;
        let text = String::from_utf8_lossy(&part.bytes).into_owned();
        let all = text.lines().filter(|line| !of_mesos(line));
        let all: Vec<String> = all
            .map(|line| plain(&hidden.clean(line), LONGEST))
            .collect();
        lines = all[all.len().saturating_sub(LINES)..].to_vec();
        stream = file;
        if !lines.is_empty() {
            break;
        }
    }
    Ok(LastWords {
        service: service.clone(),
        task: at.task.clone(),
        stream: stream.to_owned(),
        lines,
    })
}

/// Whether a line is of Mesos' executor, which writes into the same file: `I0313 12:00:00.123456  1234 executor.cpp:740] …`.
#[must_use]
pub fn of_mesos(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let level = words.next().is_some_and(|word| {
        let mut bytes = word.bytes();
        bytes.next().is_some_and(|b| b"IWEF".contains(&b))
            && word.len() == 5
            && bytes.all(|b| b.is_ascii_digit())
    });
    let at = words.nth(2).is_some_and(|word| {
        let file = word.strip_suffix(']').and_then(|w| w.rsplit_once(':'));
        file.and_then(|(file, _)| file.rsplit_once('.'))
            .is_some_and(|(_, end)| matches!(end, "cpp" | "hpp"))
    });
    level && at
}

/// What must not be shown of what tasks write: what this process knows as secret, and what the environment of the service calls so.
pub struct Hidden<'a> {
    known: &'a Redactor,
    values: Vec<String>,
}

impl<'a> Hidden<'a> {
    /// Of a service as it runs.
    #[must_use]
    pub fn of(context: &'a Context, live: &LiveApp) -> Self {
        Self::by(context.store.log().redactor(), live)
    }

    /// The same, and what somebody else knows to be secret.
    #[must_use]
    pub fn by(known: &'a Redactor, live: &LiveApp) -> Self {
        let env = live.raw.get("env").and_then(Value::as_object);
        let secret = env
            .into_iter()
            .flatten()
            .filter(|(name, _)| looks_secret(name));
        let values = secret.filter_map(|(_, value)| value.as_str());
        Self {
            known,
            // what is shorter stands in any text; of what has several lines each is one
            values: values
                .flat_map(str::lines)
                .filter(|v| v.len() >= 6)
                .map(str::to_owned)
                .collect(),
        }
    }

    /// A line without any of it.
    #[must_use]
    pub fn clean(&self, line: &str) -> String {
        // what does not print must not stand between the letters of a secret
        let mut line = plain(line, SHOWN);
        for value in &self.values {
            line = line.replace(value.as_str(), "••••");
        }
        let password = password_in_url(&line).filter(|p| !p.is_empty());
        if let Some(password) = password.map(str::to_owned) {
            line = line.replace(&password, "••••");
        }
        self.known.clean(&line)
    }
}

/// Lines as people read them: what is no UTF-8 is shown as such, and nothing secret.
#[must_use]
pub fn lines(bytes: &[u8], hidden: &Hidden<'_>) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(|line| hidden.clean(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::of_mesos;

    #[test]
    fn lines_of_mesos_executor_are_known() {
        assert!(of_mesos(
            "I0313 12:00:00.123456  1234 executor.cpp:740] Command exited"
        ));
        assert!(!of_mesos("INFO 12:00:00 1234 main.cpp:1] of a service"));
        assert!(!of_mesos("Traceback (most recent call last):"));
        assert!(!of_mesos(""));
    }
}

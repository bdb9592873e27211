//! The last words of tasks that fail while they are rolled out: kept with their deploy, for operators, before the sandbox is gone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::api::LastWords;
use crate::context::Context;
use crate::history::{App, Deploy};
use crate::id::{AppId, DeployNumber, ServiceId};
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

/// So many apps are looked at side by side.
const AT_ONCE: usize = 8;

/// So long after a deploy failed its last words are still looked for, in seconds: Mesos keeps sandboxes, and who was killed meanwhile is late.
const LATE: i64 = 600;

/// Looks at apps whose deploys do not come up.
struct Witness {
    context: Context,
    pulse: Pulse,
    /// Those that are looked at now, and whether something happened to them since.
    busy: Mutex<BTreeMap<AppId, bool>>,
    room: Semaphore,
}

/// Listens until `stop`.
pub async fn run(context: Context, pulse: Pulse, stop: CancellationToken) {
    let mut touched = context.store.log().touched();
    let witness = Arc::new(Witness {
        context,
        pulse,
        busy: Mutex::default(),
        room: Semaphore::new(AT_ONCE),
    });
    // what failed while nobody looked
    witness.look_at_all(&stop).await;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            touched = touched.recv() => match touched {
                Ok(touched) => witness.touch(touched.app, &stop),
                Err(RecvError::Lagged(_)) => witness.look_at_all(&stop).await,
                Err(RecvError::Closed) => return,
            },
        }
    }
}

impl Witness {
    /// Looks at every app.
    async fn look_at_all(self: &Arc<Self>, stop: &CancellationToken) {
        match self.context.store.apps("", i64::MAX).await {
            Ok(apps) => {
                let open = apps.into_iter().filter(is_open);
                open.for_each(|app| self.touch(app.id, stop));
            }
            Err(error) => tracing::warn!(%error, "apps could not be looked at"),
        }
    }

    /// Something happened to an app: it is looked at, by one at a time, and once more where something happens meanwhile.
    fn touch(self: &Arc<Self>, app: AppId, stop: &CancellationToken) {
        let mut busy = self.busy();
        if let Some(again) = busy.get_mut(&app) {
            *again = true;
            return;
        }
        busy.insert(app.clone(), false);
        let (witness, stop) = (self.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = witness.look_while_it_moves(&app) => {}
            }
        });
    }

    fn busy(&self) -> MutexGuard<'_, BTreeMap<AppId, bool>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look_while_it_moves(&self, id: &AppId) {
        loop {
            if let Ok(Some(app)) = self.context.store.app(id).await
                && is_open(&app)
                && let Ok(_room) = self.room.acquire().await
            {
                self.look(&app).await;
            }
            let mut busy = self.busy();
            match busy.get_mut(id) {
                Some(again) if *again => *again = false,
                _ => {
                    busy.remove(id);
                    return;
                }
            }
        }
    }

    /// Where a deploy's services do not come up, their last words are read and kept.
    async fn look(&self, app: &App) {
        for (deploy, service) in self.troubled(app).await {
            // one that takes long is given up: the next failure is looked at then, and the other services now
            let _ = tokio::time::timeout(PATIENCE, self.look_at(app, deploy, &service)).await;
        }
    }

    async fn look_at(&self, app: &App, deploy: DeployNumber, service: &ServiceId) {
        let Ok(Some(live)) = self.context.marathon.app(service).await else {
            return;
        };
        if !rollout::is_of(&live, &app.id) {
            return;
        }
        let Some(at) = failed(&live) else {
            return;
        };
        let known = kept_of(&self.context, app, deploy, service).await;
        if known.is_some_and(|known| known.task == at.task) {
            return;
        }
        match words(&self.context, service, &live, &at).await {
            Ok(words) => self.keep(app, deploy, &words).await,
            Err(error) => tracing::debug!(%error, task = at.task, "no last words"),
        }
    }

    /// The services that do not come up, of the deploy that runs or failed a moment ago.
    async fn troubled(&self, app: &App) -> Vec<(DeployNumber, ServiceId)> {
        let ill = |deploy: &Deploy| {
            let stages = deploy.progress.iter();
            let ill = stages.filter(|(_, p)| matches!(p.stage.as_str(), "crashing" | "unhealthy"));
            ill.map(|(service, _)| (deploy.number, service.clone()))
                .collect()
        };
        if let Some(deploy) = &app.running {
            return ill(deploy);
        }
        let newest = self.context.store.deploys(&app.id, None, 5).await;
        let newest = newest.unwrap_or_default();
        let Some(last) = newest.iter().find(|d| d.failure.is_some()) else {
            return Vec::new();
        };
        let ended: Option<jiff::Timestamp> = last.ended_at.as_ref().and_then(|at| at.parse().ok());
        let now = self.context.clock.now();
        let late = ended.is_none_or(|at| now.duration_since(at).as_secs() > LATE);
        if late { Vec::new() } else { ill(last) }
    }

    async fn keep(&self, app: &App, deploy: DeployNumber, words: &LastWords) {
        let value = serde_json::to_string(words).unwrap_or_default();
        let key = key(deploy, &words.service);
        match self.context.store.observe(&app.id, &key, &value).await {
            Ok(()) => self.pulse.moves(&app.id).await,
            Err(error) => tracing::warn!(%error, "the last words of a task could not be kept"),
        }
    }
}

/// Whether there may be something to look at.
fn is_open(app: &App) -> bool {
    app.running.is_some() || app.trouble.is_some()
}

fn key(deploy: DeployNumber, service: &ServiceId) -> String {
    format!("last-words/{}{service}", deploy.0)
}

async fn kept_of(
    context: &Context,
    app: &App,
    deploy: DeployNumber,
    service: &ServiceId,
) -> Option<LastWords> {
    let key = key(deploy, service);
    let kept = context.store.observed(&app.id, &key).await.ok()??;
    serde_json::from_str(&kept.0).ok()
}

/// The last words that were kept with a deploy: of the service that its failure names first, else of any.
pub async fn kept(context: &Context, app: &App, deploy: &Deploy) -> Option<LastWords> {
    let why = deploy.failure.as_ref().map(|f| f.sentence.as_str());
    let named = |id: &ServiceId| {
        why.and_then(|why| why.find(id.as_str()))
            .unwrap_or(usize::MAX)
    };
    let mut services: Vec<&ServiceId> = deploy.progress.keys().collect();
    services.sort_by_key(|id| named(id));
    for service in services {
        if let Some(words) = kept_of(context, app, deploy.number, service).await {
            return Some(words);
        }
    }
    // as releases before kept it: one for all
    let key = format!("last-words/{}", deploy.number.0);
    let kept = context.store.observed(&app.id, &key).await.ok()??;
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

//! What runs of an app, as pages list it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::Web;
use crate::api::{AppBody, FailedTaskBody, RunsBody, ServiceBody, TaskBody};
use crate::clock::stamp;
use crate::history::App;
use crate::id::{AppId, ServiceId};
use crate::marathon::{LiveApp, MarathonError, Moment, Task};
use crate::pulse::Seen;
use crate::rollout::{self, Look, now, restarts};
use crate::secret::{Redactor, plain};

/// How long a page waits for Marathon before it shows what was seen last.
const PATIENCE: Duration = Duration::from_secs(2);

/// So many endpoints and tasks of a service are listed.
const LISTED: usize = 200;

/// Counts of a service as Marathon shows it now.
pub(super) type Counts = BTreeMap<ServiceId, LiveApp>;

/// What Marathon showed of an app's services, and when.
pub(super) struct Looked {
    pub look: Look,
    pub at: Timestamp,
}

/// Who looks, and where Marathon is: links and commands are for operators.
pub(super) struct Sight<'a> {
    pub app: &'a AppId,
    pub redactor: &'a Redactor,
    pub operator: bool,
    pub marathon: Option<String>,
}

impl Web {
    /// The services as they run now; `None` when Marathon does not say in time.
    pub(super) async fn counts(&self, app: &App) -> Option<Counts> {
        let context = &self.context;
        // Marathon is asked once for all who look within half a second
        let looking = async {
            let seen = context.picture.since(Moment::default()).await?;
            let labelled = |a: &&LiveApp| rollout::is_of(a, &app.id);
            let ours = seen.apps.values().filter(labelled);
            let mut ids: BTreeSet<ServiceId> = ours.filter_map(|a| a.id.parse().ok()).collect();
            ids.extend(app.services.keys().cloned());
            let look = rollout::look_in(&seen, &context.marathon, ids).await?;
            Ok::<_, MarathonError>(look.apps)
        };
        tokio::time::timeout(PATIENCE, looking).await.ok()?.ok()
    }

    /// What runs of an app as Marathon showed it last, with what lost its label; `None` where it never answered.
    pub(super) async fn looked(&self, app: &App) -> Option<Looked> {
        let seen = self.pulse.seen().await?;
        let mut looked = Looked::of(app, &seen);
        let absent: BTreeSet<ServiceId> = app.services.keys().cloned().collect();
        let absent: BTreeSet<ServiceId> = absent
            .into_iter()
            .filter(|id| !looked.look.apps.contains_key(id))
            .collect();
        if !absent.is_empty() {
            // what somebody took the label from is there all the same
            let found = self.pulse.beside(&seen, absent).await;
            looked.look.apps.extend(found);
        }
        Some(looked)
    }

    /// An app as lists show it: with what runs of it.
    pub(super) fn with_what_runs(&self, app: &App, seen: Option<&Seen>) -> AppBody {
        let mut body = AppBody::from(app);
        if app.destroyed {
            return body;
        }
        let looked = seen.map(|seen| Looked::of(app, seen));
        let sight = Sight {
            app: &app.id,
            redactor: self.context.store.log().redactor(),
            operator: false,
            marathon: None,
        };
        let services = services(app, looked.as_ref(), &sight);
        see(&mut body, app, &services, looked.as_ref());
        body
    }
}

/// What runs decides how well an app is; what is left of specs that went does not.
pub(super) fn see(
    body: &mut AppBody,
    app: &App,
    services: &[ServiceBody],
    looked: Option<&Looked>,
) {
    let own = services
        .iter()
        .filter(|s| app.services.contains_key(&s.id) && !app.orphans.contains(&s.id));
    let own: Vec<ServiceBody> = own.cloned().collect();
    body.see(&own, looked.map(|l| stamp(l.at)));
}

impl Looked {
    /// Of what all showed.
    fn of(app: &App, seen: &Seen) -> Self {
        let labelled = seen.of.get(app.id.as_str()).into_iter().flatten();
        let ids: BTreeSet<&ServiceId> = labelled.chain(app.services.keys()).collect();
        let shown = |id: &&ServiceId| Some(((*id).clone(), seen.look.apps.get(*id)?.clone()));
        let apps: BTreeMap<ServiceId, LiveApp> = ids.iter().filter_map(shown).collect();
        let queue = seen.look.queue.iter();
        let theirs = queue.filter(|q| apps.values().any(|a| a.id == q.app()));
        let deployments = seen.look.deployments.iter();
        let touch = |id: &String| apps.values().any(|a| a.id == *id);
        let of_them = deployments.filter(|d| d.affected_apps.iter().any(touch));
        Self {
            look: Look {
                queue: theirs.cloned().collect(),
                deployments: of_them.cloned().collect(),
                mixed: BTreeSet::new(),
                apps,
            },
            at: seen.at,
        }
    }
}

/// The services of an app: what the log knows, and what Marathon says now.
pub(super) fn services(app: &App, looked: Option<&Looked>, sight: &Sight<'_>) -> Vec<ServiceBody> {
    let counts = looked.map(|l| &l.look.apps);
    let mut ids: BTreeSet<&ServiceId> = app.services.keys().chain(&app.orphans).collect();
    ids.extend(counts.into_iter().flatten().map(|(id, _)| id));
    ids.into_iter()
        .map(|id| {
            let planned = app
                .running
                .as_ref()
                .and_then(|d| d.plan.iter().flatten().find(|p| p.id == *id));
            let progress = app.running.as_ref().and_then(|d| d.progress.get(id));
            let mut body = ServiceBody {
                id: id.clone(),
                change: planned.map(|p| p.change.word().to_owned()),
                state: progress.map(|p| p.stage.clone()),
                wanted: None,
                running: None,
                healthy: None,
                sentence: progress.and_then(|p| p.sentence.clone()),
                runs: RunsBody::default(),
            };
            if app.orphans.contains(id) {
                body.sentence = Some(sight.redactor.clean(&left_behind(id, counts)));
            }
            if let Some(looked) = looked {
                fill(&mut body, &looked.look, sight);
            }
            body
        })
        .collect()
}

/// What is said of a service whose spec left.
fn left_behind(id: &ServiceId, counts: Option<&Counts>) -> String {
    let how = match counts.map(|c| c.get(id)) {
        None => "it is left in Marathon".to_owned(),
        Some(None) => {
            return "its spec left the repository, and it is gone from Marathon".to_owned();
        }
        Some(Some(live)) => {
            let well = live.tasks.iter().filter(|t| live.is_well(t)).count();
            let failure = live.last_task_failure.as_ref();
            match failure.filter(|f| well == 0 && f.version.as_str() >= live.configured()) {
                _ if u32::try_from(well) == Ok(live.instances) && well > 0 => {
                    "it still runs".to_owned()
                }
                Some(failure) => {
                    let why = crate::secret::plain(failure.message.trim(), 200);
                    format!("it is left in Marathon and does not run: {why}")
                }
                None => format!("it is left in Marathon, {well} of {} well", live.instances),
            }
        }
    };
    format!("its spec left the repository; {how} (prune: true removes such services)")
}

/// What Marathon shows of a service.
pub(super) fn fill(body: &mut ServiceBody, look: &Look, sight: &Sight<'_>) {
    let now = now(&body.id, look);
    let Some(live) = look.apps.get(&body.id) else {
        body.state = Some(now.stage.word().to_owned());
        body.sentence = body.sentence.take().or(now.why);
        return;
    };
    let count = |n: usize| Some(u32::try_from(n).unwrap_or(u32::MAX));
    let running = live.tasks.iter().filter(|t| t.state == "TASK_RUNNING");
    body.wanted = Some(live.instances);
    body.running = count(running.count());
    body.healthy = count(live.tasks.iter().filter(|t| live.is_well(t)).count());
    if body.state.is_none() {
        body.state = Some(now.stage.word().to_owned());
        let why = now.why.map(|why| sight.redactor.clean(&plain(&why, 500)));
        body.sentence = body.sentence.take().or(why);
    }
    if rollout::is_of(live, sight.app) {
        body.runs = runs(live, sight);
    } else {
        // whose it is by now is not for those who see this app
        body.sentence = Some(format!(
            "it does not carry the label of {} any more: somebody else changed it in Marathon",
            sight.app
        ));
    }
}

/// What runs, beside its counts.
fn runs(live: &LiveApp, sight: &Sight<'_>) -> RunsBody {
    let text = |pointer: &str| {
        let value = live.raw.pointer(pointer)?.as_str()?;
        Some(sight.redactor.clean(&plain(value, 300)))
    };
    let endpoints = live.tasks.iter().filter(|t| t.state == "TASK_RUNNING");
    let endpoints = endpoints.flat_map(|t| {
        let host = t.host.clone().unwrap_or_default();
        t.ports.iter().map(move |port| format!("{host}:{port}"))
    });
    let link = sight.marathon.as_ref().filter(|_| sight.operator);
    let failure = live.last_task_failure.as_ref();
    RunsBody {
        image: text("/container/docker/image"),
        command: text("/cmd").filter(|_| sight.operator),
        version: Some(live.configured().to_owned()),
        endpoints: endpoints.take(LISTED).collect(),
        restarts: Some(restarts(live)),
        last_failure: failure.map(|f| FailedTaskBody {
            at: f.timestamp.clone(),
            host: f.host.clone(),
            task: f.task.clone(),
            sentence: sight.redactor.clean(&plain(f.message.trim(), 500)),
        }),
        marathon: link.map(|base| {
            let id = live.id.replace('/', "%2F");
            format!("{base}/ui/#/apps/{id}")
        }),
        tasks: live
            .tasks
            .iter()
            .take(LISTED)
            .map(|t| task(live, t))
            .collect(),
    }
}

fn task(live: &LiveApp, task: &Task) -> TaskBody {
    TaskBody {
        task: task.id.clone(),
        state: task.state.clone(),
        host: task.host.clone(),
        since: task.started_at.clone(),
        healthy: live.is_well(task),
        current: live.is_current(task),
    }
}

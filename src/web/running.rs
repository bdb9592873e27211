//! What runs of an app, as pages list it.

use std::collections::BTreeMap;

use crate::api::ServiceBody;
use crate::history::App;
use crate::id::ServiceId;
use crate::marathon::LiveApp;
use crate::secret::Redactor;

/// Counts of a service as Marathon shows it now.
pub(super) type Counts = BTreeMap<ServiceId, LiveApp>;

/// The services of an app: what the log knows, and what Marathon says now.
pub(super) fn services(
    app: &App,
    counts: Option<&Counts>,
    redactor: &Redactor,
) -> Vec<ServiceBody> {
    let mut ids: std::collections::BTreeSet<&ServiceId> =
        app.services.keys().chain(&app.orphans).collect();
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
            };
            if app.orphans.contains(id) {
                body.sentence = Some(redactor.clean(&left_behind(id, counts)));
            }
            match counts.map(|c| c.get(id)) {
                Some(Some(live)) => fill(&mut body, live),
                Some(None) => body.state = Some("missing".to_owned()),
                None => {}
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

pub(super) fn fill(body: &mut ServiceBody, live: &LiveApp) {
    let count = |n: usize| Some(u32::try_from(n).unwrap_or(u32::MAX));
    body.wanted = Some(live.instances);
    body.running = count(
        live.tasks
            .iter()
            .filter(|t| t.state == "TASK_RUNNING")
            .count(),
    );
    body.healthy = count(live.tasks.iter().filter(|t| live.is_well(t)).count());
    if body.state.is_none() {
        let well = body.healthy == body.wanted && live.deployments().is_empty();
        body.state = Some(if well { "healthy" } else { "starting" }.to_owned());
    }
}

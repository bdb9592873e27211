//! An observer with an empty log meets services of its app that run already.

use std::collections::BTreeMap;

use super::{Obstacle, Plan, Running, as_specified, outcome};
use crate::event::Action;
use crate::history::App;
use crate::id::ServiceId;
use crate::secret::plain;
use crate::spec::Service;

/// Where they are as the specs say they are adopted; where one differs, somebody has to decide.
pub(super) fn first_start(
    app: &App,
    services: &[&Service],
    live: &BTreeMap<ServiceId, Running>,
) -> Result<Plan, Obstacle> {
    let ours = live
        .iter()
        .filter(|(_, r)| r.app.as_deref() == Some(app.id.as_str()));
    let mut differ: Vec<String> = Vec::new();
    for (id, running) in ours {
        match services.iter().find(|s| s.id == *id) {
            None => differ.push(format!("{id} runs and has no spec")),
            Some(service) if !as_specified(running, service) => {
                differ.push(format!("{id} runs with another definition"));
            }
            Some(_) if running.old => {
                differ.push(format!("{id} has instances of an earlier definition"));
            }
            Some(_) => {}
        }
    }
    for service in services {
        let label = live.get(&service.id).map(|running| running.app.as_deref());
        match label {
            Some(None) => differ.push(format!(
                "{} runs without the label of {}",
                service.id, app.id
            )),
            Some(Some(other)) if other != app.id.as_str() => {
                differ.push(format!(
                    "{} is of the app {}, by its label",
                    service.id,
                    plain(other, 80)
                ));
            }
            _ => {}
        }
    }
    for service in services.iter().filter(|s| !live.contains_key(&s.id)) {
        differ.push(format!("{} does not run", service.id));
    }
    if differ.is_empty() {
        let adopted = services
            .iter()
            .map(|s| outcome(s, Action::Unchanged, live.get(&s.id)))
            .collect();
        return Ok(Plan {
            adopted,
            ..Plan::default()
        });
    }
    Err(Obstacle::FirstStart(format!(
        "services of {} run already and the log is empty: {}; deploy the head (POST /apps/{}/deploy) or push to go on",
        app.id,
        differ.join("; "),
        app.id
    )))
}

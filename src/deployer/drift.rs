//! Drift: somebody changed a service in Marathon. It is looked for regularly and written down when it changes; the next
//! deploy undoes it.

use std::collections::BTreeSet;

use super::StepError;
use crate::context::Context;
use crate::event::{Drift, Fact};
use crate::history::{App, Command};
use crate::id::ServiceId;
use crate::marathon::Snapshot;
use crate::rollout;
use crate::spec::rendering;

/// Whether something of the app runs, and nothing is under way on it.
pub(super) fn concerns(app: &App) -> bool {
    !app.owes_work() && app.live.is_some()
}

/// Looks for the services of an app that it [`concerns`], in what Marathon showed after the app was read.
pub(super) async fn look(context: &Context, app: &App, seen: &Snapshot) -> Result<(), StepError> {
    let known: BTreeSet<ServiceId> = app.services.keys().cloned().collect();
    let live = rollout::look_in(seen, &context.marathon, known).await?.apps;
    let mut found = Vec::new();
    for (id, record) in app.services.iter().filter(|(_, r)| !r.dirty) {
        let Some(left) = &record.rendering else {
            continue;
        };
        let sentence = match live.get(id) {
            None => format!("{id} is gone from Marathon; the next deploy brings it back"),
            Some(now) if !now.deployments().is_empty() || rendering(&now.raw) == *left => continue,
            Some(_) => format!("{id} was changed in Marathon; the next deploy undoes it"),
        };
        found.push(Drift {
            id: id.clone(),
            sentence,
        });
    }
    if found == app.drift {
        return Ok(());
    }
    // the state may have moved while Marathon was asked
    let now = context.store.app(&app.id).await?;
    if now.is_none_or(|now| now.last_seq != app.last_seq) {
        return Ok(());
    }
    let seen = Fact::DriftSeen { services: found };
    let command = Command::Note(vec![seen]);
    let log = context.store.log();
    log.command(&app.id, "observer", None, command).await?;
    Ok(())
}
